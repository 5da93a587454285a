"""Writes pictures of 16 bits, which Pillow does only for gray ones: PNG by pypng, TIFF by tifffile."""

import io
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import PictureError

FORMATS = ("PNG", "TIFF")


def save(array: np.ndarray, metadata: dict[str, bytes], file: Path | BinaryIO, format: str) -> None:
    """array: uint16 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).

    Raises PictureError if the format is neither of FORMATS, or its package is missing.
    """
    if format not in FORMATS:
        raise PictureError(f"pictures of 16 bits can be written as {' or '.join(FORMATS)}, not as {format}")
    if isinstance(file, Path):
        with file.open("wb") as opened:
            return save(array, metadata, opened, format)
    try:
        (save_png if format == "PNG" else save_tiff)(array, metadata, file)
    except ImportError as error:
        raise PictureError(f"pictures of 16 bits need {error.name}: pip install 'aecodec[sixteen-bit]'") from error


def save_png(array: np.ndarray, metadata: dict[str, bytes], file: BinaryIO) -> None:
    import png

    height, width, *channels = array.shape
    count = channels[0] if channels else 1
    writer = png.Writer(width, height, greyscale=count < 3, alpha=count % 2 == 0, bitdepth=16)
    plain = io.BytesIO()
    writer.write(plain, array.reshape(height, -1))
    plain.seek(0)
    first, *rest = png.Reader(plain).chunks()
    png.write_chunks(file, [first, *png_metadata(metadata), *rest])


def png_metadata(metadata: dict[str, bytes]) -> list[tuple[bytes, bytes]]:
    """The chunks, named as the PNG specification (third edition) has them."""
    chunks = []
    if "icc" in metadata:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata["icc"])))
    if "exif" in metadata:
        chunks.append((b"eXIf", metadata["exif"].removeprefix(b"Exif\0\0")))
    if "xmp" in metadata:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata["xmp"]))
    return chunks


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
