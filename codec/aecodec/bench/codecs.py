"""The codecs that are compared: each turns pixels into the bytes of a real file, and back, on one thread."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..decoder import decode
from ..encoder import encode
from ..options import EFFORT_DEFAULT
from ..picture import Picture


@dataclass(frozen=True)
class Codec:
    label: str
    settings: tuple[float, ...]  # what the rate-distortion curve is made of, from low rates to high ones
    encode: Callable[[np.ndarray, float], bytes]  # uint8 (H, W, 3), setting -> file
    decode: Callable[[bytes], np.ndarray]


def pillow(label: str, settings: tuple[float, ...], format: str, options: Callable[[Any], dict]) -> Codec:
    def to_bytes(pixels: np.ndarray, setting: float) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, format, **options(setting))
        return out.getvalue()

    def to_pixels(data: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    return Codec(label, settings, to_bytes, to_pixels)


def jpeg_xl() -> Codec:
    import pillow_jxl  # noqa: F401  registers the format with Pillow

    settings = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 94, 97)
    return pillow("JPEG XL, effort 7", settings, "JXL", lambda q: {"quality": q, "effort": 7, "num_threads": 1})


def avif(speed: int, subsampling: str) -> Codec:
    """By libaom in Pillow."""
    settings = (5, 10, 20, 30, 40, 50, 60, 70, 80, 87, 93, 97)
    options = {"speed": speed, "subsampling": subsampling, "max_threads": 1}
    return pillow(f"AVIF {subsampling}, speed {speed}", settings, "AVIF", lambda q: {"quality": q, **options})


def aecodec(label: str, settings: tuple[float, ...], effort: int) -> Codec:
    def to_bytes(pixels: np.ndarray, quality: float) -> bytes:
        return encode(Picture(pixels), int(quality), threads=1, effort=effort).data

    return Codec(label, settings, to_bytes, lambda data: decode(data, threads=1).pixels)


JPEG = (3, 5, 8, 12, 18, 25, 35, 45, 55, 65, 75, 82, 88, 92)  # 0.2 to 2.6 bits per pixel of a photograph: BD-rates cover just these
CODECS: dict[str, Callable[[], Codec]] = {
    "jpeg": lambda: pillow("JPEG 4:2:0", JPEG, "JPEG", lambda q: {"quality": q, "subsampling": "4:2:0"}),
    "jpeg_progressive": lambda: pillow(
        "JPEG 4:2:0, optimised and progressive",
        JPEG,
        "JPEG",
        lambda q: {"quality": q, "subsampling": "4:2:0", "optimize": True, "progressive": True},
    ),
    "jpeg444": lambda: pillow("JPEG 4:4:4", JPEG, "JPEG", lambda q: {"quality": q, "subsampling": "4:4:4"}),
    "webp": lambda: pillow(
        "WebP, method 6", (0, 5, 10, 20, 35, 50, 65, 80, 87, 93, 97, 100), "WEBP", lambda q: {"quality": q, "method": 6}
    ),
    "avif": lambda: avif(6, "4:2:0"),
    "avif444": lambda: avif(6, "4:4:4"),
    "avif_slow": lambda: avif(4, "4:4:4"),
    "jxl": jpeg_xl,
    "jp2": lambda: pillow(
        "JPEG 2000",
        (240, 160, 110, 75, 50, 34, 24, 17, 12, 8.5, 6, 4.5),
        "JPEG2000",
        lambda ratio: {"quality_mode": "rates", "quality_layers": [ratio], "irreversible": True, "mct": 1},
    ),
    "aec": lambda: aecodec("aecodec", (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100), EFFORT_DEFAULT),
    "aec7": lambda: aecodec("aecodec, effort 7", (1, 15, 30, 45, 60, 75, 90), 7),
}
