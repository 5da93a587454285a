"""What the levels of effort take and gain, with real files.

Run: python bench/effort.py TRAINING_PICTURES              the validation pictures of a folder, all levels against the default
     python bench/effort.py KODAK --whole --levels 1,7     all pictures of a folder; the levels against the first of them

Prints the tables of docs/effort.md, and writes bench/results/effort.json, or effort-FOLDER.json with --whole. As many threads as
there are cores.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aecodec.bench.summary import Curve, bd_rate
from aecodec.decoder import decode
from aecodec.encoder import encode
from aecodec.metrics import psnr
from aecodec.options import EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN
from aecodec.picture import Picture
from aecodec.train.data import load, split
from aecodec.train.data import pictures as pictures_of
from results import write

QUALITIES = (10, 30, 50, 70, 90)
PICTURES = 4


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--levels", type=lambda text: [int(t) for t in text.split(",")])
    arguments = parser.parse_args()
    if arguments.whole:
        chosen = pictures_of(arguments.folder)
    else:
        held_out = split(arguments.folder)[1]
        chosen = held_out[:: len(held_out) // PICTURES][:PICTURES]
    pictures = [Picture(load(p)) for p in chosen]
    levels = arguments.levels or sorted(range(EFFORT_MIN, EFFORT_MAX + 1), key=lambda e: e != EFFORT_DEFAULT)  # base first
    curves, seconds = {}, {}
    for effort in levels:
        values, times = [], []
        for quality in QUALITIES:
            for picture in tqdm(pictures, desc=f"effort {effort}, quality {quality}", disable=None):
                start = time.perf_counter()
                data = encode(picture, quality, effort=effort, mode="lossy").data
                times.append(time.perf_counter() - start)
                values.append((8 * len(data) / picture.pixels_count, psnr(picture.pixels, decode(data).pixels)))
        rates, distortions = np.reshape(values, (len(QUALITIES), len(pictures), 2)).mean(1).T.tolist()
        curves[effort], seconds[effort] = Curve(list(QUALITIES), rates, {"psnr": distortions}), times
    rows = []
    for effort in sorted(levels):
        ratio = statistics.median(a / b for a, b in zip(seconds[effort], seconds[levels[0]], strict=True))
        rows.append({"effort": effort, "time": ratio, "bd_rate": bd_rate(curves[levels[0]], curves[effort], "psnr")})
        print(f"| {effort} | {ratio:.2f} | {rows[-1]['bd_rate']:+.2f} % |")
    write(f"effort-{arguments.folder.resolve().name}" if arguments.whole else "effort", {"levels": rows})


if __name__ == "__main__":
    main()
