"""What the levels of effort take and gain, on the validation pictures of a folder, with real files.

Run: python bench/effort.py TRAINING_PICTURES     writes bench/results/effort.json, and prints the table of docs/effort.md

BD-rates and times are relative to the default level, with as many threads as there are cores.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aecodec.bench.summary import Curve, bd_rate
from aecodec.codec import encode
from aecodec.decoder import decode
from aecodec.picture import Picture
from aecodec.quality import EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN
from aecodec.search import psnr
from aecodec.train.data import load, split

QUALITIES = (10, 30, 50, 70, 90)
PICTURES = 4
SIDE = 512


def main() -> None:
    held_out = split(Path(sys.argv[1]))[1]
    pictures = [Picture(np.ascontiguousarray(load(p)[:SIDE, :SIDE])) for p in held_out[:: len(held_out) // PICTURES][:PICTURES]]
    curves, seconds = {}, {}
    for effort in range(EFFORT_MIN, EFFORT_MAX + 1):
        values, times = [], []
        for quality in QUALITIES:
            for picture in tqdm(pictures, desc=f"effort {effort}, quality {quality}", disable=None):
                start = time.perf_counter()
                data = encode(picture, quality, effort=effort).data
                times.append(time.perf_counter() - start)
                values.append((8 * len(data) / (picture.pixels.size / 3), psnr(picture.pixels, decode(data).pixels)))
        rates, distortions = np.reshape(values, (len(QUALITIES), len(pictures), 2)).mean(1).T.tolist()
        curves[effort], seconds[effort] = Curve(list(QUALITIES), rates, distortions, None, [], []), times
    rows = []
    for effort, curve in curves.items():
        ratio = statistics.median(a / b for a, b in zip(seconds[effort], seconds[EFFORT_DEFAULT], strict=True))
        rows.append({"effort": effort, "time": ratio, "bd_rate": bd_rate(curves[EFFORT_DEFAULT], curve, "psnr")})
        print(f"| {effort} | {ratio:.2f} | {rows[-1]['bd_rate']:+.2f} % |")
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "effort.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
