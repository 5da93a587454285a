"""What the levels of effort take and gain, with real files of validation pictures.

Run: python bench/effort.py TRAINING_PICTURES     writes bench/results/effort.json

Prints the table of docs/effort.md. As many threads as there are cores.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aecodec.bench.distortions import DISTORTIONS
from aecodec.bench.summary import Curve, bd_rate
from aecodec.decoder import decode
from aecodec.encoder import encode
from aecodec.options import EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN
from aecodec.picture import Picture
from aecodec.train.data import load, split
from results import write

MEASURED = ("psnr", "ssimulacra2")
QUALITIES = (10, 30, 50, 70, 90)
PICTURES = 4


def coded(picture: Picture, quality: int, effort: int) -> tuple[float, list[float]]:
    """-> the seconds it takes, and bits per pixel and the distortions."""
    start = time.perf_counter()
    data = encode(picture, quality, effort=effort, mode="lossy").data
    taken, decoded = time.perf_counter() - start, decode(data).pixels
    return taken, [8 * len(data) / picture.pixels_count, *(DISTORTIONS[d].measure(picture.pixels, decoded) for d in MEASURED)]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    held_out = split(Path(sys.argv[1]))[1]
    pictures = [Picture(load(p)) for p in held_out[:: len(held_out) // PICTURES][:PICTURES]]
    levels = range(EFFORT_MIN, EFFORT_MAX + 1)
    curves, seconds = {}, {}
    for effort in tqdm(levels, disable=None):
        times, values = zip(*(coded(p, quality, effort) for quality in QUALITIES for p in pictures), strict=True)
        rates, *distortions = np.reshape(values, (len(QUALITIES), PICTURES, 1 + len(MEASURED))).mean(1).T.tolist()
        curves[effort] = Curve(list(QUALITIES), rates, dict(zip(MEASURED, distortions, strict=True)))
        seconds[effort] = times
    rows = []
    for effort in levels:
        ratio = statistics.median(a / b for a, b in zip(seconds[effort], seconds[EFFORT_DEFAULT], strict=True))
        rates = {d: bd_rate(curves[EFFORT_DEFAULT], curves[effort], d) for d in MEASURED}
        rows.append({"effort": effort, "time": ratio, "bd_rate": rates})
        print(f"| {effort} | {ratio:.2f} | " + " | ".join(f"{rate:+.2f} %" for rate in rates.values()) + " |")
    write("effort", {"levels": rows})


if __name__ == "__main__":
    main()
