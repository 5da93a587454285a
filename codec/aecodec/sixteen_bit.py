"""Pictures of 16 bits, of whose colours Pillow keeps 8: read from PNG and TIFF, and written, TIFF by tifffile."""

import io
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from . import png
from .errors import PictureError

FORMATS = ("PNG", "TIFF")
RAW_MODE = re.compile("(RGB|RGBA);16([LBN])")  # of Pillow's decoders, for 16 bits: little-endian, big-endian, the machine's order
OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def to_eight(samples: np.ndarray) -> np.ndarray:
    """uint16 of any shape, 0 to 65535 -> the nearest of uint8, 0 to 255."""
    return ((samples.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)


def is_eight(samples: np.ndarray) -> bool:
    """Whether samples of 16 bits, uint16, are the exact multiples of 257 that 8 bits stand for."""
    return not (samples % 257).any()


def raw_mode(image: Any) -> str | None:
    """That of Pillow's decoders, if it is one for all parts of a picture that is not loaded yet."""
    modes = {t.args if isinstance(t.args, str) else str(t.args[0]) for t in getattr(image, "tile", ())}
    return modes.pop() if len(modes) == 1 else None


def has_more(image: Any) -> bool:
    """Whether a picture that is not loaded yet has more than 8 bits a colour sample, as far as Pillow says."""
    if image.format == "TIFF":
        return bool(image.mode not in ("I", "F") and not image.mode.startswith("I;") and max(image.tag_v2.get(258, (8,))) > 8)
    tiles = getattr(image, "tile", ())
    if image.format == "PPM":
        return any(t.codec_name.startswith("ppm") and image.mode == "RGB" and t.args[-1] > 255 for t in tiles)
    return ";16" in (raw_mode(image) or "") and not image.mode.startswith("I")


def read(image: Any) -> np.ndarray | None:
    """The colours of a PNG or TIFF file, which is opened by Pillow and not loaded; None if they have no 16 bits, or another layout.

    Of every 16-bit sample, Pillow's decoders take the byte that their byte order says is the high one: two of them have both.

    Returns:
        uint16 (H, W, 2), (H, W, 3) or (H, W, 4): gray with alpha, RGB, RGB with alpha.
    """
    mode, file = raw_mode(image), getattr(image, "fp", None)
    if image.format not in FORMATS or mode is None or file is None or image.tell() != 0:
        return None
    here = file.tell()
    try:
        if mode == "LA;16B":
            file.seek(0)
            return gray_with_alpha(file.read(), type(image))
        found = RAW_MODE.fullmatch(mode)
        return colours(lambda: reopened(file, type(image)), found[1], found[2]) if found else None
    finally:
        file.seek(here)


def reopened(file: BinaryIO, kind: Callable[[BinaryIO], Any]) -> Any:
    file.seek(0)
    return kind(file)


def colours(open: Callable[[], Any], bands: str, order: str) -> np.ndarray:
    high = np.asarray(open()).astype(np.uint16)
    image = open()
    mode = f"{bands};16{OTHER_ORDER[order]}"
    image.tile = [t._replace(args=mode if isinstance(t.args, str) else (mode, *t.args[1:])) for t in image.tile]
    low = np.asarray(image)
    return np.asarray(high << 8 | low)


def gray_with_alpha(data: bytes, kind: Callable[[BinaryIO], Any]) -> np.ndarray:
    """A PNG of 16-bit gray with alpha has the bytes, and the filters, of one of 8-bit RGBA."""
    head = b"IHDR" + data[16:24] + bytes([8, 6]) + data[26:29]
    pixels = np.asarray(kind(io.BytesIO(data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:])))
    return np.asarray(pixels.view(">u2"), np.uint16)


def transparent(image: Any, colours: np.ndarray) -> np.ndarray | None:
    """The alpha of a PNG whose one transparent colour is named (its tRNS chunk): uint16 (H, W), or None.

    colours: uint16 (H, W) or (H, W, 3).
    """
    key = image.info.get("transparency")
    if not isinstance(key, int | tuple):
        return None
    equal = colours == np.array(key)
    return np.where(equal if colours.ndim == 2 else equal.all(2), 0, 65535).astype(np.uint16)


def save(array: np.ndarray, metadata: dict[str, bytes], file: Path | BinaryIO, format: str) -> None:
    """array: uint16 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).

    Raises PictureError if the format is neither of FORMATS, or its package is missing.
    """
    if format not in FORMATS:
        raise PictureError(f"pictures of 16 bits can be written as {' or '.join(FORMATS)}, not as {format}")
    if isinstance(file, Path):
        with file.open("wb") as opened:
            return save(array, metadata, opened, format)
    if format == "PNG":
        file.write(png.write(array, metadata))
        return
    try:
        save_tiff(array, metadata, file)
    except ImportError as error:
        raise PictureError(f"TIFF of 16 bits needs {error.name}: pip install 'aecodec[sixteen-bit]'") from error


def save_tiff(array: np.ndarray, metadata: dict[str, bytes], file: BinaryIO) -> None:
    """EXIF has no place in it: tifffile writes no such directories."""
    import tifffile

    gray = array.ndim == 2 or array.shape[2] == 2
    alpha = array.ndim == 3 and array.shape[2] % 2 == 0
    tags = [(700, 1, len(metadata["xmp"]), metadata["xmp"], True)] if "xmp" in metadata else []
    buffer = io.BytesIO()  # tifffile wants a file with a name, or this
    tifffile.imwrite(
        buffer,
        array,
        photometric="minisblack" if gray else "rgb",
        planarconfig="contig" if array.ndim == 3 else None,
        extrasamples=["unassalpha"] if alpha else None,
        compression="zlib",
        iccprofile=metadata.get("icc"),
        extratags=tags,
        metadata=None,
    )
    file.write(buffer.getbuffer())
