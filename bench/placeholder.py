"""Placeholder strings of the Kodak pictures: how near they come at 32 pixels, and the time they take.

PSNR is over R, G and B against the picture reduced by a box filter to 32 pixels on its long side. Times are the processor's, so
that other work beside it does not count.

Run: OPENBLAS_NUM_THREADS=1 python bench/placeholder.py ../shared/data/kodak
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec
import results
from aecodec.metrics import psnr

LENGTHS = (20, 28, 34, 40)


def best_milliseconds(work, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def reduced(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    paths = sorted(parser.parse_args().data.glob("*.png"))
    pictures = [np.asarray(Image.open(p).convert("RGB")) for p in paths]
    found = {}
    for length in LENGTHS:
        strings = [aecodec.placeholder(p, length=length) for p in pictures]
        decoded = [aecodec.from_placeholder(s) for s in strings]
        small = [reduced(p, d.shape[1::-1]) for p, d in zip(pictures, decoded, strict=True)]
        db = [psnr(a, b) for a, b in zip(small, decoded, strict=True)]
        found[length] = {"psnr": round(float(np.mean(db)), 3), "worst": round(min(db), 2), "longest": max(map(len, strings))}
    text = aecodec.placeholder(pictures[0])
    milliseconds = {
        "encode": round(float(np.median([best_milliseconds(lambda p=p: aecodec.placeholder(p)) for p in pictures[:6]])), 2),
        "decode": round(best_milliseconds(lambda: aecodec.from_placeholder(text), 30), 3),
    }
    print(results.write("placeholder", {"pictures": len(paths), "length": found, "milliseconds": milliseconds}))


if __name__ == "__main__":
    main()
