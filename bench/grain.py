"""What `decompress --grain` does to the measures, at equal bytes, and how it looks: docs/grain.jpg.

Run: pip install ssimulacra2 scikit-learn; python bench/grain.py ../shared/data/train

Means over the middles of eight validation photographs. `texture` is the mean absolute difference of neighbouring pixels against the
original's: 1 is as much texture as there was.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from aecodec import compress, decompress
from aecodec.metrics import psnr, ssimulacra2
from aecodec.train.data import load, split
from results import ROOT, write

QUALITIES, STRENGTHS = (5, 10, 20, 30), (0, 0.5, 1)
PICTURES, SIDE, SHOWN = 8, 256, 20


def texture(pixels: np.ndarray) -> float:
    return float(np.mean([np.abs(np.diff(pixels.astype(float), axis=axis)).mean() for axis in (0, 1)]))


def middle(pixels: np.ndarray) -> np.ndarray:
    top, left = ((n - SIDE) // 2 for n in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def page() -> None:
    photo = np.asarray(Image.open(ROOT / "examples" / "parrots.png").convert("RGB"))[40:232, 300:620]
    china = load_sample_images().images[0][200:392, 0:320]
    rows = []
    for picture in (photo, china):
        data = compress(picture, SHOWN)
        rows.append(np.concatenate([picture, *(decompress(data, grain=g) for g in STRENGTHS)], 1))
    Image.fromarray(np.concatenate(rows)).save(ROOT / "docs" / "grain.jpg", quality=88)


def main() -> None:
    page()
    paths = [p for p in split(Path(sys.argv[1]))[1] if p.name.startswith("p_")]
    pictures = [middle(load(p)) for p in paths[:: len(paths) // PICTURES][:PICTURES]]
    found = {}
    for quality in QUALITIES:
        files = [compress(p, quality) for p in pictures]
        for strength in STRENGTHS:
            shown = [decompress(data, grain=strength) for data in files]
            pairs = list(zip(pictures, shown, strict=True))
            found[f"{quality}, {strength:g}"] = {
                "ssimulacra2": float(np.mean([ssimulacra2(a, b) for a, b in pairs])),
                "psnr": float(np.mean([psnr(a, b) for a, b in pairs])),
                "texture": float(np.mean([texture(b) / texture(a) for a, b in pairs])),
            }
    print(write("grain", {"pictures": len(pictures), "quality, strength": found}))


if __name__ == "__main__":
    main()
