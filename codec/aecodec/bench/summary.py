"""Mean rate-distortion curves over the pictures, and the BD-rates between them."""

import warnings
from dataclasses import dataclass

import bjontegaard
import numpy as np

from .measure import Row

ANCHOR = "jpeg"


@dataclass(frozen=True)
class Curve:
    """Means over all pictures at each setting, from low rates to high ones."""

    settings: list[float]
    bpp: list[float]
    psnr: list[float]
    ms_ssim: list[float] | None  # in dB: -10 log10(1 - MS-SSIM), at most 100
    encode_seconds: list[float]
    decode_seconds: list[float]


def curve(rows: list[Row]) -> Curve:
    """Of one codec's rows."""
    settings = list(dict.fromkeys(r.setting for r in rows))

    def mean(name: str) -> list[float]:
        return [float(np.mean([getattr(r, name) for r in rows if r.setting == s])) for s in settings]

    similar = all(r.ms_ssim is not None for r in rows)
    ms_ssim = [float(-10 * np.log10(max(1 - v, 1e-10))) for v in mean("ms_ssim")] if similar else None
    return Curve(settings, mean("bpp"), mean("psnr"), ms_ssim, mean("encode_seconds"), mean("decode_seconds"))


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
    if getattr(anchor, metric) is None or getattr(test, metric) is None:
        return None
    (anchor_bpp, a), (test_bpp, t) = (rising(c.bpp, getattr(c, metric)) for c in (anchor, test))
    if max(a[0], t[0]) >= min(a[-1], t[-1]):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # curves that overlap less than three quarters are expected, and plotted
        return float(bjontegaard.bd_rate(anchor_bpp, a, test_bpp, t, method="pchip", require_matching_points=False))


def summarise(rows: list[Row]) -> dict[str, dict]:
    """Of every codec: BD-rates against the anchor, by PSNR and by MS-SSIM, and the curve."""
    found = {codec: curve([r for r in rows if r.codec == codec]) for codec in dict.fromkeys(r.codec for r in rows)}
    anchor = found.get(ANCHOR)
    return {
        name: {
            "bd_rate_psnr": anchor and bd_rate(anchor, own, "psnr"),
            "bd_rate_ms_ssim": anchor and bd_rate(anchor, own, "ms_ssim"),
            "curve": own.__dict__,
        }
        for name, own in found.items()
    }
