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
    ms_ssim: list[float] | None  # in dB: -10 log10(1 - MS-SSIM)
    encode_seconds: list[float]
    decode_seconds: list[float]


def curve(rows: list[Row]) -> Curve:
    """Of one codec's rows."""
    settings = list(dict.fromkeys(r.setting for r in rows))

    def mean(name: str) -> list[float]:
        return [float(np.mean([getattr(r, name) for r in rows if r.setting == s])) for s in settings]

    similar = all(r.ms_ssim is not None for r in rows)
    ms_ssim = [float(-10 * np.log10(1 - v)) for v in mean("ms_ssim")] if similar else None
    return Curve(settings, mean("bpp"), mean("psnr"), ms_ssim, mean("encode_seconds"), mean("decode_seconds"))


def percent(value: float | None) -> str:
    """A BD-rate for people; nothing where there is none."""
    return "" if value is None else f"{value:+.1f} %"


def bd_rate(anchor: Curve, test: Curve, metric: str) -> float | None:
    """Bjøntegaard's mean difference in rate at equal distortion, in per cent, over the distortions that both curves have.

    Piecewise cubic interpolation of log rate over distortion (VCEG-M33; JVET uses it piecewise).
    """
    a, t = getattr(anchor, metric), getattr(test, metric)
    if a is None or t is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # curves that overlap less than three quarters are expected, and plotted
        return float(bjontegaard.bd_rate(anchor.bpp, a, test.bpp, t, method="pchip", require_matching_points=False))


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
