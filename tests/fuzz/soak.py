"""Encodes and decodes pictures of all sizes and kinds for long, two at a time, and watches what the process holds.

python tests/fuzz/soak.py PICTURES [--rounds 1000] [--megapixels 12] [--seed 1]

A round encodes one of the pictures, scaled to a random size, and decodes it; size and error of what comes back are checked. After
every 50 rounds, when nothing is under way, memory, threads and open files are noted: in the last half they must be what they were
in the second quarter (10 % and 32 MB more memory, as an allocator keeps some).
"""

import argparse
import gc
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec
from aecodec.metrics import psnr

PAUSE = 50  # rounds
ALLOWED_SHARE, ALLOWED_BYTES = 1.1, 32 << 20


def picture(rng: np.random.Generator, paths: list[Path], pixels_max: int) -> np.ndarray:
    """A picture of a random size, of one to four channels: log-uniform from 1000 pixels."""
    pixels = 1000 * (pixels_max / 1000) ** rng.random()
    ratio = 2.0 ** rng.uniform(-1, 1)
    size = max(1, int((pixels * ratio) ** 0.5)), max(1, int((pixels / ratio) ** 0.5))
    with Image.open(paths[rng.integers(len(paths))]) as image:
        kind = rng.choice(["RGB", "L", "RGBA", "LA"], p=[0.7, 0.1, 0.1, 0.1])
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR).convert(kind))


def round_trip(seed: int, paths: list[Path], pixels_max: int) -> None:
    """AssertionError if what comes back is not what went in."""
    rng = np.random.default_rng(seed)
    pixels = picture(rng, paths, pixels_max)
    lossless = bool(rng.random() < 0.1)
    protect = bool(not lossless and rng.random() < 0.2)
    effort = int(rng.choice([1, 3, 4, 5], p=[0.3, 0.2, 0.4, 0.1]))
    data = aecodec.compress(
        pixels, int(rng.integers(1, 101)), effort=effort, lossless=lossless, protect=protect, roi=None, threads=1
    )
    scale = int(rng.choice([1, 2, 4, 8], p=[0.7, 0.1, 0.1, 0.1]))
    with aecodec.Decoder(data, threads=1, partial=bool(rng.random() < 0.2)) as decoder:
        found = decoder.decode(scale)
        assert not decoder.problems
    height, width = pixels.shape[:2]
    assert found.shape == (-(-height // scale), -(-width // scale), *pixels.shape[2:]), (found.shape, pixels.shape, scale)
    if lossless and scale == 1:
        assert np.array_equal(found, pixels)
    elif scale == 1 and pixels.ndim == 3 and pixels.shape[2] == 3:
        assert psnr(pixels, found) > 15, seed


def held() -> tuple[int, int, int]:
    """By this process: bytes of memory, threads, open files."""
    gc.collect()
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return memory, len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    paths = sorted(p for p in options.pictures.iterdir() if p.suffix in (".png", ".webp", ".jpg"))
    notes, start = [], time.monotonic()
    for first in range(0, options.rounds, PAUSE):
        with ThreadPoolExecutor(2) as pool:
            count = min(PAUSE, options.rounds - first)
            jobs = [pool.submit(round_trip, options.seed + first + i, paths, int(options.megapixels * 1e6)) for i in range(count)]
            for job in jobs:
                job.result()
        notes.append(held())
        memory, threads, files = notes[-1]
        taken = time.monotonic() - start
        print(f"{first + count} rounds in {taken:.0f} s: {memory >> 20} MB, {threads} threads, {files} files", flush=True)
    before, after = notes[len(notes) // 4 : len(notes) // 2], notes[len(notes) // 2 :]
    most, now = (tuple(max(n[i] for n in part) for i in range(3)) for part in (before or notes, after))
    flat = now[0] <= ALLOWED_SHARE * most[0] + ALLOWED_BYTES and now[1:] <= most[1:]
    print(f"seed {options.seed}: {'flat' if flat else 'GROWS'}, {most[0] >> 20} MB before, {now[0] >> 20} MB after")
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
