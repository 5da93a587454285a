"""Finds the quality that a wish for a size or a PSNR takes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .decoder import decode
from .encoder import Encoding, encode, encode_exactly
from .errors import OptionError
from .metrics import psnr
from .options import EFFORT_DEFAULT, QUALITY_MAX, QUALITY_MIN
from .picture import Picture


@dataclass(frozen=True)
class TargetResult:
    encoding: Encoding
    quality: int
    psnr: float | None = None  # dB, if it was asked for; infinite without loss


def bisect(good: Callable[[int], bool], low: int, high: int) -> int | None:
    """The last of low..high for which `good` holds, which holds up to some point; None if it holds for none."""
    found = None
    while low <= high:
        middle = (low + high) // 2
        if good(middle):
            found, low = middle, middle + 1
        else:
            high = middle - 1
    return found


def for_size(
    picture: Picture,
    size: float,
    threads: int = 0,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: np.ndarray | None = None,
) -> TargetResult:
    """The best quality whose file is small enough.

    Args:
        picture: of 8 bits.
        size: bytes, at most.
        threads: 0 for one a core.
        effort: 1 to 9, fast to small.
        protect: add a protective copy, which counts.
        roi: offsets from the quality that is found, as `encode` takes them.

    Raises:
        OptionError: no quality makes so small a file, or the effort is out of range.
    """
    exact = encode_exactly(picture, effort)
    if exact is not None and len(exact.data) <= size:
        return TargetResult(exact, QUALITY_MAX)
    encodings: dict[int, Encoding] = {}

    def fits(quality: int) -> bool:
        encodings[quality] = encode(picture, quality, threads, effort=effort, mode="lossy", protect=protect, roi=roi)
        return len(encodings[quality].data) <= size

    quality = bisect(fits, QUALITY_MIN, QUALITY_MAX)
    if quality is None:
        least = min(len(e.data) for e in (encodings[QUALITY_MIN], exact) if e is not None)
        raise OptionError(f"no quality makes a file of {math.floor(size)} bytes; the smallest has {least}")
    return TargetResult(encodings[quality], quality)


def for_psnr(
    picture: Picture,
    wanted: float,
    threads: int = 0,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: np.ndarray | None = None,
) -> TargetResult:
    """The smallest file that is good enough.

    Args:
        picture: of 8 bits.
        wanted: PSNR in dB over all colours, at least.
        threads: 0 for one a core.
        effort: 1 to 9, fast to small.
        protect: add a protective copy, which counts.
        roi: offsets from the quality that is found, as `encode` takes them.

    Raises:
        OptionError: no quality reaches this PSNR, or the effort is out of range.
    """
    found: dict[int, TargetResult] = {}

    def falls_short(quality: int) -> bool:
        encoding = encode(picture, quality, threads, effort=effort, mode="lossy", protect=protect, roi=roi)
        reached = psnr(picture.pixels, decode(encoding.data, threads).pixels)
        found[quality] = TargetResult(encoding, quality, reached)
        return reached < wanted

    quality = 1 + (bisect(falls_short, QUALITY_MIN, QUALITY_MAX) or QUALITY_MIN - 1)
    exact = encode_exactly(picture, effort)
    if exact is not None and (quality > QUALITY_MAX or len(exact.data) < len(found[quality].encoding.data)):
        return TargetResult(exact, QUALITY_MAX, math.inf)
    if quality > QUALITY_MAX:
        raise OptionError(f"no quality reaches {wanted:g} dB; {QUALITY_MAX} has {found[QUALITY_MAX].psnr:.2f} dB")
    return found[quality]
