"""How fast close points are found among 100 000, by products of all pairs and by the index, and how many pairs the index misses.

Run: python bench/neighbours.py PICTURES     writes bench/results/neighbours.json

Points: spread as those of PICTURES (mean and principal axes of 150), a tenth of them versions of another with a likeness of
0.85 to 1. One thread. Needs faiss.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np

import aecodec
from aecodec.duplicates import THRESHOLD
from aecodec.folders import pictures_in
from aecodec.neighbours import Close, by_index, by_products
from results import write

Find = Callable[[np.ndarray, np.ndarray, float], Iterator[Close]]
COUNT, VERSIONS, SAMPLE = 100_000, 10_000, 150


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def points(folder: Path) -> np.ndarray:
    rng, paths = np.random.default_rng(0), pictures_in(folder)
    real = np.stack([aecodec.embed(p) for p in paths[:: len(paths) // SAMPLE][:SAMPLE]])
    mean = real.mean(0)
    _, spread, axes = np.linalg.svd(real - mean, full_matrices=False)
    made = unit(mean + rng.normal(size=(COUNT, len(spread))) * spread / len(real) ** 0.5 @ axes)
    likeness = rng.uniform(0.85, 1, (VERSIONS, 1))
    others = made[rng.integers(VERSIONS, COUNT, VERSIONS)]
    made[:VERSIONS] = unit(others * likeness + unit(rng.normal(size=others.shape)) * (1 - likeness**2) ** 0.5)
    return rng.permutation(made).astype(np.float32)


def pairs(
    find: Callable[[np.ndarray, np.ndarray, float], Iterator[Close]], table: np.ndarray
) -> tuple[set[tuple[int, int]], float]:
    start = time.perf_counter()
    found = set()
    for row, columns, _ in find(table, np.ones(len(table), bool), THRESHOLD):
        found |= {(row, c) for c in columns.tolist() if c > row}
    return found, round(time.perf_counter() - start, 1)


def main() -> None:
    faiss.omp_set_num_threads(1)
    table = points(Path(sys.argv[1]))
    exact, slow = pairs(by_products, table)
    found, fast = pairs(by_index, table)
    result = {"points": COUNT, "pairs": len(exact), "seconds": slow, "seconds_by_index": fast}
    print(write("neighbours", {**result, "found_by_index": round(len(found & exact) / len(exact), 4)}))


if __name__ == "__main__":
    main()
