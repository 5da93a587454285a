"""Pictures of the hard kind, of which none was trained on: clean edges of high contrast, strong colours. Against AVIF.

Run: python bench/hard.py DATA -> bench/results/hard.json

DATA is the folder of training pictures. Of those that are held out for validation, the ones with the most saturated colours are
taken, as they are and with contrast and saturation raised, and as many scenes (`aecodec.train.scenes`) of seeds that training
never uses.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from aecodec.bench.codecs import CODECS
from aecodec.bench.distortions import DISTORTIONS
from aecodec.bench.summary import Curve, bd_rate
from aecodec.train.data import CONTRAST, SATURATION, load, split, vivid
from aecodec.train.scenes import scene
from results import write

COUNT, SIDE = 8, 512
MEASURED = ("psnr", "ssimulacra2")
SEED = 10**9  # the trainer's are steps, or 2³² and more


def saturation(pixels: np.ndarray) -> float:
    return float((pixels.max(2).astype(int) - pixels.min(2)).mean())


def pictures(data: Path) -> dict[str, list[np.ndarray]]:
    """uint8 (H, W, 3) each."""
    held_out = sorted((load(p)[:SIDE, :SIDE] for p in split(data)[1]), key=saturation)[-COUNT:]
    raised = []
    for i, p in enumerate(held_out):
        more, stronger = 1 + np.array((CONTRAST, SATURATION)) * np.random.default_rng(SEED + i).random(2)
        raised.append(vivid(torch.from_numpy(p.copy()).float(), more, stronger).to(torch.uint8).numpy())
    scenes = [scene(SIDE, np.random.default_rng(SEED + i)) for i in range(COUNT)]
    return {"saturated photographs": held_out, "the same, contrast and saturation raised": raised, "scenes": scenes}


def curve(name: str, chosen: list[np.ndarray]) -> Curve:
    """Means over the pictures, at each setting of a codec."""
    codec = CODECS[name]()
    rates, distortions = [], {d: [] for d in MEASURED}
    for setting in codec.settings:
        files = [codec.encode(p, setting) for p in chosen]
        decoded = [codec.decode(f) for f in files]
        rates.append(float(np.mean([8 * len(f) / (p.size / 3) for f, p in zip(files, chosen, strict=True)])))
        for d in MEASURED:
            values = [DISTORTIONS[d].measure(p, q) for p, q in zip(chosen, decoded, strict=True)]
            distortions[d].append(DISTORTIONS[d].mean(values))
    return Curve(list(codec.settings), rates, distortions)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = {}
    for kind, chosen in pictures(Path(sys.argv[1])).items():
        ours, avif = curve("aec", chosen), curve("avif444", chosen)
        found[kind] = {d: bd_rate(avif, ours, d) for d in MEASURED}
        print(kind, {d: f"{rate:+.1f} %" for d, rate in found[kind].items()}, flush=True)
    write("hard", {"pictures_of_each_kind": COUNT, "bd_rate_against_avif444": found})


if __name__ == "__main__":
    main()
