"""Mean rate-distortion curves over the pictures, and the BD-rates between them."""

import warnings
from dataclasses import dataclass, field

import bjontegaard
import numpy as np

from .distortions import DISTORTIONS
from .measure import Row

# What BD-rates are against: the first is that of published figures, the second is what a careful user of JPEG has.
ANCHORS = ("jpeg", "jpeg_progressive", "avif444")


@dataclass(frozen=True)
class Curve:
    """Means over all pictures at each setting, from low rates to high ones."""

    settings: list[float]
    bpp: list[float]
    distortions: dict[str, list[float]]  # by their names in distortions.py; more is better. Those that every row has
    encode_seconds: list[float] = field(default_factory=list)
    decode_seconds: list[float] = field(default_factory=list)

    def to_json(self) -> dict:
        flat = {k: v for k, v in self.__dict__.items() if k != "distortions"}
        return {**flat, **self.distortions}


def curve(rows: list[Row]) -> Curve:
    """Of one codec's rows."""
    settings = list(dict.fromkeys(r.setting for r in rows))

    def mean(name: str) -> list[float]:
        return [float(np.mean([getattr(r, name) for r in rows if r.setting == s])) for s in settings]

    distortions = {
        name: [d.mean([getattr(r, name) for r in rows if r.setting == s]) for s in settings]
        for name, d in DISTORTIONS.items()
        if all(getattr(r, name) is not None for r in rows)
    }
    return Curve(settings, mean("bpp"), distortions, mean("encode_seconds"), mean("decode_seconds"))


def percent(value: float | None) -> str:
    """A BD-rate for people; nothing if there is none."""
    return "" if value is None else f"{value:+.1f} %"


def rising(bpp: list[float], metric: list[float]) -> tuple[list[float], list[float]]:
    """The points of a curve that are better than all before them: settings may give the same files, as those of drawings do."""
    best = np.maximum.accumulate(metric)
    kept = [i for i in range(len(metric)) if i == 0 or metric[i] > best[i - 1]]
    return [bpp[i] for i in kept], [metric[i] for i in kept]


def bd_rate(anchor: Curve, test: Curve, metric: str) -> float | None:
    """Bjøntegaard's mean difference in rate at equal distortion, in per cent, over the distortions that both curves have;
    None if they have none in common.

    Piecewise cubic interpolation of log rate over distortion (VCEG-M33; JVET uses it piecewise).
    """
    if metric not in anchor.distortions or metric not in test.distortions:
        return None
    (anchor_bpp, a), (test_bpp, t) = (rising(c.bpp, c.distortions[metric]) for c in (anchor, test))
    if max(a[0], t[0]) >= min(a[-1], t[-1]):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # curves that overlap less than three quarters are expected, and plotted
        return float(bjontegaard.bd_rate(anchor_bpp, a, test_bpp, t, method="pchip", require_matching_points=False))


def summarise(rows: list[Row]) -> dict[str, dict]:
    """Of every codec: BD-rates against each anchor by each distortion, `bd_rate[anchor][distortion]`, and the curve."""
    found = {codec: curve([r for r in rows if r.codec == codec]) for codec in dict.fromkeys(r.codec for r in rows)}
    return {
        name: {
            "bd_rate": {a: {d: bd_rate(found[a], own, d) for d in own.distortions} for a in ANCHORS if a in found},
            "curve": own.to_json(),
        }
        for name, own in found.items()
    }
