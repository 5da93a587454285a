"""What parts of a picture cost to decode, and how exact a preview is.

Run: python bench/parts.py TRAINING_PICTURES     writes bench/results/parts.json
Exactness is the mean PSNR over validation pictures, against the means of 8x8 pixels of the original. Times are medians of one
thread, relative to a full decode, of 12 megapixels put together from tiles at quality 60.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import aecodec
from aecodec.metrics import psnr
from aecodec.picture import reduce
from aecodec.train.data import load, split
from results import write

QUALITIES, SCALE, EVERY = (10, 30, 60, 90), 8, 6  # of the validation photographs, every so many
SIDE, ROWS, COLUMNS, TILE = 384, 9, 8, (384, 448, 3)
REGION = (1700, 1500, 256, 256)


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def exactness(pictures: list[np.ndarray], quality: int) -> dict[str, float]:
    rows = []
    for pixels in pictures:
        decoder = aecodec.Decoder(aecodec.compress(pixels, quality))
        means = reduce(pixels, SCALE)
        rows.append((psnr(means, decoder.decode(SCALE)), psnr(means, reduce(decoder.decode(), SCALE))))
    preview, full = np.mean(rows, 0).round(1).tolist()
    return {"quality": quality, "preview": preview, "full": full}


def main() -> None:
    train, validation = ([p for p in part if p.name.startswith("p")] for part in split(Path(sys.argv[1])))
    pictures = [load(p)[:SIDE, :SIDE] for p in validation[::EVERY]]
    tiles = [t for t in map(load, train) if t.shape == TILE][: ROWS * COLUMNS]
    large = np.concatenate([np.concatenate(tiles[i * COLUMNS : (i + 1) * COLUMNS], 1) for i in range(ROWS)])
    decoder = aecodec.Decoder(aecodec.compress(large, 60), threads=1)
    full = seconds(decoder.decode)
    result = {
        "psnr_of_means": [exactness(pictures, quality) for quality in QUALITIES],
        "pixels": large.shape[0] * large.shape[1],
        "seconds_in_full": round(full, 2),
        "preview": round(seconds(lambda: decoder.decode(SCALE)) / full, 3),
        "region": round(seconds(lambda: decoder.decode(region=REGION)) / full, 3),
    }
    print(write("parts", result))


if __name__ == "__main__":
    main()
