"""The Voronoi code D4/4D4, the quantiser's start (Conway and Sloane, IEEE Trans. Inf. Theory 1983)."""

import itertools

import numpy as np

UNIT_CELL = 2**-0.25  # scales D4, whose cells have volume 2, to cells of volume 1


def voronoi_code() -> np.ndarray:
    """The shortest representatives of the 256 cosets of 4·D4 in D4, shortest first, scaled to unit cell volume.

    Together they fill one Voronoi cell of 4·D4, so codebooks scaled by powers of 4 nest like the digits of a number.

    Returns float64 (256, 4); row 0 is zero.
    """
    points = [p for p in itertools.product(range(-4, 5), repeat=4) if sum(p) % 2 == 0]  # D4: integers with an even sum
    points.sort(key=lambda p: (sum(x * x for x in p), p))
    shortest: dict[tuple[int, ...], tuple[int, ...]] = {}
    for p in points:
        # 4·D4 holds the multiples of 4 whose quarters have an even sum: a coset is p modulo 4 and that parity.
        low = tuple(x % 4 for x in p)
        parity = sum((x - r) // 4 for x, r in zip(p, low, strict=True)) % 2
        shortest.setdefault((*low, parity), p)
    return np.array(list(shortest.values()), dtype=np.float64) * UNIT_CELL
