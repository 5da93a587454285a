"""Finds the quality that a wish for a size, a PSNR or a SSIMULACRA2 takes."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from .decoder import decode
from .encoder import Encoding, encode, encode_in_steps
from .errors import OptionError
from .metrics import SSIMULACRA2_MIN_SIDE, mean_squared_error, psnr, ssimulacra2
from .options import EFFORT_DEFAULT, QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from .picture import Picture
from .plan import step_for

Roi = np.ndarray | None
NEARBY = 8  # qualities above that found which are tried as well, if some pixels are in a lossless layer


@dataclass(frozen=True)
class TargetResult:
    encoding: Encoding
    quality: int
    score: float | None = None  # if one was asked for: PSNR in dB, infinite without loss, or SSIMULACRA2


def scores(result: TargetResult) -> float:
    assert result.score is not None  # it was asked for
    return result.score


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


def above(quality: int) -> range:
    """What else is tried where size and score need not rise with the quality, as exact pixels and fewer colours take turns."""
    return range(quality + 1, min(quality + NEARBY, QUALITY_MAX) + 1)


def for_size(
    picture: Picture,
    size: float,
    threads: int = 0,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: Roi = None,
    device: str = "cpu",
) -> TargetResult:
    """The best quality whose file is small enough; by PSNR, if some pixels are in a lossless layer.

    Args:
        picture: of 8 bits, or rounded to them.
        size: bytes, at most.
        threads: 0 for one a core.
        effort: 1 to 9, fast to small.
        protect: add a protective copy, which counts.
        roi, device: see `encode`; the roi's are offsets from the quality that is sought.

    Raises:
        OptionError: no quality makes so small a file, or the effort is out of range.
    """
    original, tried = picture.eight_bit().pixels, dict[tuple[int, str], TargetResult]()

    def fits(quality: int, mode: str = "auto") -> bool:
        if (quality, mode) not in tried:
            found = encode(picture, quality, threads, effort=effort, mode=mode, protect=protect, roi=roi, device=device)
            tried[quality, mode] = TargetResult(found, quality)
        return len(tried[quality, mode].encoding.data) <= size

    def error(result: TargetResult) -> float:
        found = result.encoding
        return 0.0 if found.lossless else mean_squared_error(original, decode(found.data, threads).pixels)

    quality = bisect(fits, QUALITY_MIN, QUALITY_MAX)
    layered = any(t.encoding.layered for t in tried.values())
    if layered:  # it costs less than codewords do, by λ, and yet may be too much
        bisect(partial(fits, mode="lossy"), QUALITY_MIN, QUALITY_MAX)
        for q in above(quality or QUALITY_MIN):
            fits(q)
    fitting = [t for t in tried.values() if len(t.encoding.data) <= size]
    if not fitting:
        least = min(len(t.encoding.data) for t in tried.values())
        raise OptionError(f"no quality makes a file of {math.floor(size)} bytes; the smallest has {least}")
    best = min(fitting, key=error) if layered else max(fitting, key=lambda t: t.quality)
    if best.quality == QUALITY_MAX and not best.encoding.lossless:
        for finer in beyond(picture, effort, threads):
            if len(finer.data) > size:
                break
            best = TargetResult(finer, QUALITY_MAX)
    return best


def beyond(picture: Picture, effort: int, threads: int) -> Iterator[Encoding]:
    """What is better than the best quality: all pixels in a lossless layer of smaller and smaller steps, at last without loss."""
    step = step_for(quality_to_lambda(QUALITY_MAX), 1 if picture.gray else 3)
    while step > 1:
        step //= 2
        yield encode_in_steps(picture, step, effort, threads)


def for_score(
    picture: Picture,
    wanted: float,
    score: Callable[[np.ndarray, np.ndarray], float],
    threads: int = 0,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: Roi = None,
    device: str = "cpu",
) -> TargetResult:
    """The smallest file that is good enough.

    Args:
        picture: of 8 bits, or rounded to them.
        wanted: at least this score.
        score: how good a decoded picture is beside the original, both uint8 (H, W, 3) or (H, W); more is better.
        threads: 0 for one a core.
        effort: 1 to 9, fast to small.
        protect: add a protective copy, which counts.
        roi, device: see `encode`; the roi's are offsets from the quality that is sought.

    Raises:
        OptionError: nothing reaches this score, or the effort is out of range.
    """
    original, found = picture.eight_bit().pixels, dict[int, TargetResult]()

    def scored(encoding: Encoding, quality: int) -> TargetResult:
        decoded = original if encoding.lossless else decode(encoding.data, threads).pixels
        return TargetResult(encoding, quality, score(original, decoded))

    def falls_short(quality: int) -> bool:
        found[quality] = scored(encode(picture, quality, threads, effort=effort, protect=protect, roi=roi, device=device), quality)
        return not scores(found[quality]) >= wanted

    quality = 1 + (bisect(falls_short, QUALITY_MIN, QUALITY_MAX) or QUALITY_MIN - 1)
    if quality <= QUALITY_MAX:
        if any(f.encoding.layered for f in found.values()):
            for q in above(quality):
                if q not in found:
                    falls_short(q)
        return min((f for f in found.values() if scores(f) >= wanted), key=lambda f: len(f.encoding.data))
    best = found[QUALITY_MAX]
    for encoding in beyond(picture, effort, threads):
        best = scored(encoding, QUALITY_MAX)
        if scores(best) >= wanted:
            return best
    raise OptionError(f"nothing reaches {wanted:g}; the pixels without loss have {scores(best):.2f}")


def for_psnr(
    picture: Picture,
    wanted: float,
    threads: int = 0,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: Roi = None,
    device: str = "cpu",
) -> TargetResult:
    """`for_score` by the PSNR in dB over all colours, which is infinite without loss."""
    return for_score(picture, wanted, psnr, threads, effort, protect, roi, device)


def for_ssimulacra2(
    picture: Picture,
    wanted: float,
    threads: int = 0,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: Roi = None,
    device: str = "cpu",
) -> TargetResult:
    """`for_score` by SSIMULACRA2, which is 100 without loss.

    Raises OptionError also if the package ssimulacra2 is missing, or the picture is too small for it.
    """

    def score(original: np.ndarray, decoded: np.ndarray) -> float:
        try:
            value = ssimulacra2(Picture(original).rgb(), Picture(decoded).rgb())
        except ImportError as error:
            raise OptionError("SSIMULACRA2 needs a package: pip install 'aecodec[ssimulacra2]'") from error
        if value is None:
            raise OptionError(f"SSIMULACRA2 needs pictures of {SSIMULACRA2_MIN_SIDE} pixels a side")
        return value

    return for_score(picture, wanted, score, threads, effort, protect, roi, device)
