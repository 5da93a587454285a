"""How far patches lie from the nearest codeword of a codebook of good ones, against what is usual at that contrast and place."""

from dataclasses import dataclass

import numpy as np

from ..codeword_search import NearestSearch
from .descriptors import DIRECTIONS, Floats

CODEWORDS = 256  # at most; with few pictures one for PATCHES_EACH patches
PATCHES_EACH = 8
DIMENSIONS = 24  # of a patch of 3x3 cells, along its principal axes
SAMPLES = 1 << 15  # patches that the codebook is fitted to
ITERATIONS = 12
LEAST = 1e-3  # added to distances
BEND = 3  # terms of that polynomial
Z_MAX = 8.0


@dataclass(frozen=True)
class Usual:
    """What is usual.

    Of the logarithm of a distance: bend, (BEND,), a polynomial in the logarithm of contrast, highest power first; place, (n, n),
    what is added there; deviation, (1,). Of the de-noiser's surprise: level, (1,), its mean.
    """

    bend: Floats
    place: Floats
    deviation: Floats
    level: Floats

    @classmethod
    def fitted(cls, contrast: Floats, distance: Floats, rebuilt: Floats) -> "Usual":
        """All (N, n, n), of good pictures that neither codebook nor de-noiser has seen."""
        x, y = contrast.ravel(), np.log(distance + LEAST)
        varied = x.std() > 1e-6
        bend = np.polyfit(x, y.ravel(), BEND - 1) if varied else np.array([0.0] * (BEND - 1) + [y.mean()])
        rest = y - np.polyval(bend, contrast)
        place = rest.mean(0)
        return cls(bend, place, np.array([max(float((rest - place).std()), 0.05)]), np.array([max(float(rebuilt.mean()), 1e-6)]))

    def unusual(self, contrast: Floats, distance: Floats) -> Floats:
        """How many standard deviations each distance is above the usual one."""
        usual = np.polyval(self.bend, contrast) + self.place
        return np.clip((np.log(distance + LEAST) - usual) / self.deviation, -Z_MAX, Z_MAX)


@dataclass(frozen=True)
class Codebook:
    """mean: (9 C,) of patches; axes: (9 C, d); codewords: (K, d)."""

    mean: Floats
    axes: Floats
    codewords: Floats

    @classmethod
    def fitted(cls, grids: Floats) -> "Codebook":
        """By k-means on patches of grids (N, n, n, C)."""
        rows = patches(grids).reshape(-1, 9 * grids.shape[3])
        rng = np.random.default_rng(0)
        rows = rows[rng.permutation(len(rows))[:SAMPLES]]
        variance, axes = np.linalg.eigh(np.cov(rows.T))
        axes = axes[:, ::-1][:, :DIMENSIONS] / np.maximum(variance[::-1][:DIMENSIONS], 1e-9) ** 0.25  # half way to whitened
        mean = rows.mean(0)
        return cls(mean, axes, k_means((rows - mean) @ axes, min(CODEWORDS, max(1, len(rows) // PATCHES_EACH)), rng))

    def distance(self, grids: Floats) -> Floats:
        """(N, n, n, C) -> (N, n, n): squared, of the patch around each cell from its nearest codeword."""
        points = (patches(grids) - self.mean) @ self.axes
        flat = points.reshape(-1, points.shape[-1])
        nearest = NearestSearch(self.codewords)(flat)
        distance: Floats = np.square(flat - self.codewords[nearest]).sum(1)
        return distance.reshape(grids.shape[:3])


def k_means(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    """(N, d) -> (k, d), by Lloyd's iterations from k of the points; N at least k."""
    centres = points[rng.permutation(len(points))[:k]]
    for _ in range(ITERATIONS):
        index = NearestSearch(centres)(points)
        count = np.bincount(index, minlength=k)[:, None]
        sums = np.zeros_like(centres)
        np.add.at(sums, index, points)
        centres = np.where(count > 0, sums / np.maximum(count, 1), centres)
    return centres


def patches(grids: Floats) -> Floats:
    """(N, n, n, C) -> (N, n, n, 9 C): each cell with its neighbours; at the border the grid is mirrored."""
    n = grids.shape[1]
    wide = np.pad(grids, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    return np.concatenate([wide[:, i : i + n, j : j + n] for i in range(3) for j in range(3)], -1)


def contrast(grids: Floats) -> Floats:
    """(N, n, n, C) -> (N, n, n): the logarithm of how much edge there is around each cell."""
    strength = patches(grids[..., :DIRECTIONS]).sum(-1)
    logarithm: Floats = np.log(np.abs(strength) + 0.05)
    return logarithm
