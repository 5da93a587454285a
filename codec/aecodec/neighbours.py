"""Which points of many are close to one another: exactly, or of large collections by an index of faiss."""

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from .embedding import Floats

INDEXED_FROM = 50_000  # points; fewer are compared all to all, which takes less than a quarter of a minute
BLOCK = 256  # points that are compared to all others at once
SEARCHED = 4096  # points that the index is asked for at once
PROBED = 1 / 64  # of the index's cells: it finds more than 99 % of the pairs (bench/neighbours.py)
TRAINED = 40  # points a cell, to place them

Close = tuple[int, np.ndarray, Floats]  # a point, later ones that are close to it, and their likeness


def neighbours(points: Floats, free: np.ndarray, threshold: float) -> Iterator[Close]:
    """Of every point that is free when its turn comes: later free ones whose dot product with it reaches the threshold.

    Args:
        points: (n, d), of unit length.
        free: bool (n,), which the caller may change between two points.
    """
    indexed = len(points) >= INDEXED_FROM and find_spec("faiss") is not None
    found = by_index(points, free, threshold) if indexed else by_products(points, free, threshold)
    for row, columns, likeness in found:
        if (close := (columns > row) & free[columns]).any():
            yield row, columns[close], likeness[close]


def by_products(points: Floats, free: np.ndarray, threshold: float) -> Iterator[Close]:
    """n²/2 products, in blocks of rows."""
    for start in range(0, len(points), BLOCK):
        products = points[start : start + BLOCK] @ points[start:].T
        for row, likeness in enumerate(products):
            if free[start + row]:
                columns = np.flatnonzero(likeness >= threshold)
                yield start + row, start + columns, likeness[columns]


def by_index(points: Floats, free: np.ndarray, threshold: float) -> Iterator[Close]:
    """An inverted file: points are compared to those of the cells near them. Some n^1.5 products, and a few pairs are missed."""
    import faiss

    n, dimensions = points.shape
    cells = round(4 * n**0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, cells, faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(0).choice(n, min(n, TRAINED * cells), replace=False)
    index.train(points[np.sort(chosen)])
    index.add(points)
    index.nprobe = max(1, round(PROBED * cells))
    for start in range(0, n, SEARCHED):
        rows = start + np.flatnonzero(free[start : start + SEARCHED])
        if not len(rows):
            continue
        ends, likeness, columns = index.range_search(points[rows], float(np.nextafter(np.float32(threshold), np.float32(-1))))
        for i, row in enumerate(rows.tolist()):
            if free[row]:
                part = slice(int(ends[i]), int(ends[i + 1]))
                yield row, columns[part], likeness[part]
