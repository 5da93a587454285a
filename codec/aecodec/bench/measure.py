"""Measures one codec on one picture: rate, distortions and times."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..picture import Picture
from .codecs import CODECS
from .distortions import DEFAULT, DISTORTIONS


@dataclass(frozen=True)
class Row:
    """A file: its rate, how far its picture is from the original, and seconds of one thread."""

    codec: str
    picture: str
    setting: float
    size: int  # bytes
    bpp: float
    encode_seconds: float
    decode_seconds: float
    psnr: float | None = None  # dB, over R, G and B; 100 if nothing differs. All distortions: None if there is none
    ms_ssim: float | None = None  # 0..1, the mean of R, G and B
    ssimulacra2: float | None = None  # up to 100
    butteraugli: float | None = None  # 3-norm, from 0


def measure(name: str, path: Path, distortions: Sequence[str] = DEFAULT) -> list[Row]:
    """Every setting of a codec on a picture, as RGB without alpha; without its ICC profile too, so no file carries one."""
    import torch

    torch.set_num_threads(1)
    codec, picture = CODECS[name](), Picture.load(path)
    pixels = picture.rgb()
    codec.decode(codec.encode(pixels, codec.settings[0]))  # what is done only once does not count
    rows = []
    for setting in codec.settings:
        start = time.perf_counter()
        data = codec.encode(pixels, setting)
        middle = time.perf_counter()
        decoded = codec.decode(data)
        end = time.perf_counter()
        bpp = 8 * len(data) / picture.pixels_count
        found = {d: DISTORTIONS[d].measure(pixels, decoded) for d in distortions}
        rows.append(Row(name, path.name, setting, len(data), bpp, middle - start, end - middle, **found))
    return rows
