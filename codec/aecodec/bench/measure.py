"""Measures one codec on one picture: rate, distortions and times."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..metrics import ms_ssim, psnr
from ..picture import Picture
from .codecs import CODECS


@dataclass(frozen=True)
class Row:
    """A file: its rate, how far its picture is from the original, and seconds of one thread."""

    codec: str
    picture: str
    setting: float
    size: int  # bytes
    bpp: float
    psnr: float  # dB, over R, G and B; 100 if nothing differs
    ms_ssim: float | None  # 0..1, the mean of R, G and B; None for pictures that are too small for five scales
    encode_seconds: float
    decode_seconds: float


def finite_psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB, at most 100, so that there are means even if some pictures are exact."""
    return min(100.0, psnr(a, b))


def measure(name: str, path: Path) -> list[Row]:
    """Every setting of a codec on a picture, as RGB without alpha."""
    import torch

    torch.set_num_threads(1)
    codec, pixels = CODECS[name](), Picture.load(path).pixels
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    codec.decode(codec.encode(pixels, codec.settings[0]))  # what is done only once does not count
    rows = []
    for setting in codec.settings:
        start = time.perf_counter()
        data = codec.encode(pixels, setting)
        middle = time.perf_counter()
        decoded = codec.decode(data)
        end = time.perf_counter()
        bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
        distortions = finite_psnr(pixels, decoded), ms_ssim(pixels, decoded)
        rows.append(Row(name, path.name, setting, len(data), bpp, *distortions, middle - start, end - middle))
    return rows
