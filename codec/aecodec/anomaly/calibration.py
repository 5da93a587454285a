"""What a surprise means: measured on good pictures that the fit has not seen, as far as there are enough of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .descriptors import Floats

SHARE = 0.05  # of good pictures reach a score of 0.5
MEDIAN = 0.1  # the score of the good picture in the middle
CONFIDENCE = 0.9  # of intervals
WIDTH_MIN = 0.02  # so that a picture like all others is good even if those do not differ at all


@dataclass(frozen=True)
class Level:
    """A logistic curve in the logarithm of the surprise: MEDIAN at the good pictures' median, 0.5 where SHARE of them are."""

    centre: float
    width: float

    @classmethod
    def of(cls, good: Floats) -> "Level":
        """good: positive surprises of good pictures, at least one. The quantile is that whose expected share is exact (Weibull)."""
        logarithms = np.log(good)
        centre, median = (float(np.quantile(logarithms, q, method="weibull")) for q in (1 - SHARE, 0.5))
        slope = math.log(1 / MEDIAN - 1)
        width = max((centre - median) / slope, WIDTH_MIN)
        return cls(median + width * slope, width)

    def __call__(self, surprise: Floats) -> Floats:
        """From 0 to 1, strictly increasing as far as floating point goes."""
        steepness = np.clip((np.log(np.maximum(surprise, 1e-300)) - self.centre) / self.width, -500, 500)
        return np.asarray(1 / (1 + np.exp(-steepness)))


def interval(reached: int, of: int) -> tuple[float, float]:
    """The share of all good pictures, if so many of a sample have reached a level: Clopper and Pearson (Biometrika, 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if reached == 0 else root(lambda p: 1 - at_most(reached - 1, of, p) - tail)
    high = 1.0 if reached == of else root(lambda p: tail - at_most(reached, of, p))
    return low, high


def at_most(k: int, n: int, p: float) -> float:
    """The probability of k or less of n that have probability p each, 0 < p < 1."""
    i = np.arange(k + 1)
    chosen = np.array([math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in i])
    return float(np.exp(chosen + i * math.log(p) + (n - i) * math.log1p(-p)).sum())


def root(f: Callable[[float], float]) -> float:
    """Where an increasing function is zero, between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2
