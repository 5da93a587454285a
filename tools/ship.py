"""The gate that weights must pass to be shipped: a lower rate at equal distortion than the shipped ones, with real files.

Run: python tools/ship.py CANDIDATE.safetensors DATA [--install]

DATA is the folder of training pictures, of which those held out for validation are coded, at ten qualities. Exits with status
1 if the candidate's BD-rate against the shipped weights is not below zero. --install puts a candidate that passes in the
package, installs that, and makes the golden files anew.
"""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aecodec import encoder
from aecodec.bench.measure import finite_psnr as psnr
from aecodec.bench.summary import Curve, bd_rate
from aecodec.decoder import decode
from aecodec.model import SHIPPED, Model, shipped
from aecodec.picture import Picture
from aecodec.train.data import split

ROOT = Path(__file__).parent.parent
QUALITIES = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
PICTURES = 16
MAX_SIDE = 1024


def measure(model: Model, pixels: np.ndarray, quality: int) -> tuple[float, float]:
    """-> bits per pixel and PSNR of a real file."""
    data = encoder.encode(Picture(pixels), quality, 1, model, mode="lossy").data
    return 8 * len(data) / (pixels.size / 3), psnr(pixels, decode(data, 1, model=model).pixels)


def curve(model: Model, pictures: list[np.ndarray], name: str) -> Curve:
    """Means over the pictures."""
    with ThreadPoolExecutor() as pool:
        tasks = [pool.submit(measure, model, p, q) for q in QUALITIES for p in pictures]
        values = [t.result() for t in tqdm(tasks, desc=name, disable=None)]
    means = np.reshape(values, (len(QUALITIES), len(pictures), 2)).mean(1)
    return Curve(list(QUALITIES), means[:, 0].tolist(), means[:, 1].tolist(), None, [], [])


def main() -> None:
    arguments = [a for a in sys.argv[1:] if a != "--install"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    candidate, held_out = Model(Path(arguments[0])), split(Path(arguments[1]))[1]
    chosen = held_out[:: max(1, len(held_out) // PICTURES)]
    pictures = [np.ascontiguousarray(Picture.load(p).pixels[:MAX_SIDE, :MAX_SIDE]) for p in chosen]
    pictures = [p for p in pictures if p.ndim == 3]
    old, new = curve(shipped(), pictures, "shipped"), curve(candidate, pictures, "candidate")
    for q, *values in zip(QUALITIES, old.bpp, old.psnr, new.bpp, new.psnr, strict=True):
        print("quality {:2}: {:.4f} bpp {:.3f} dB -> {:.4f} bpp {:.3f} dB".format(q, *values))
    change = bd_rate(old, new, "psnr")
    print(f"BD-rate of the candidate against the shipped weights: {change:+.2f} %")
    if change is None or not change < 0:
        sys.exit("refused: the candidate is not better")
    if "--install" in sys.argv:
        shutil.copyfile(arguments[0], ROOT / "codec" / "aecodec" / SHIPPED)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", ROOT], check=True)
        subprocess.run([sys.executable, ROOT / "tools" / "make_conformance.py"], check=True)  # by the package as it is now


if __name__ == "__main__":
    main()
