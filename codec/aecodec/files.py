"""Whole files: read, compress or decompress, and write."""

import io
from pathlib import Path

import numpy as np

from . import encoder
from .container import MAGIC
from .decoder import Decoder, decode
from .denoising import denoised
from .errors import OptionError
from .options import EFFORT_DEFAULT, MAX_MEMORY, MAX_PIXELS, QUALITY_DEFAULT, mode_of
from .picture import Picture
from .replacing import replacing


def refuse_same(source: Path, target: Path) -> None:
    """Raises OptionError if two paths are one file, which the result would replace."""
    if source.is_file() and target.is_file() and source.samefile(target):
        raise OptionError(f"{source}: input and output are the same file")


def load(source: Path | bytes) -> Picture:
    """A picture file, or an .aec file, by its first bytes; of an animation, the first frame.

    Raises PictureError, FileError, OSError.
    """
    return load_reduced(source, MAX_PIXELS)


def load_reduced(source: Path | bytes, side: int) -> Picture:
    """The same, but of an .aec file an eighth, if that has `side` pixels a side."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    if not data.startswith(MAGIC):
        return Picture.load(io.BytesIO(data), first_frame=True)
    with Decoder(data) as decoder:
        return decoder.picture(8 if min(decoder.size) >= 8 * side else 1)


def compress_file(
    source: Path | str,
    target: Path | str,
    quality: int = QUALITY_DEFAULT,
    *,
    effort: int = EFFORT_DEFAULT,
    protect: bool = False,
    roi: np.ndarray | None = None,
    denoise: str | float | None = None,
    lossless: bool = False,
    threads: int = 0,
    device: str = "cpu",
) -> int:
    """Compresses a picture file. If that fails, nothing is written, and an older target stays as it is.

    Args:
        source: a still picture in any format that Pillow reads. ICC profile, EXIF and XMP are kept; EXIF's orientation is applied.
        target: the .aec file, which is replaced if it exists.
        quality: a whole number, 1 to 100; of no effect if lossless.
        effort: 1 to 9, fast to small; see docs/effort.md.
        protect, roi, denoise, device: see `compress`; the roi is of the picture as it is upright.
        threads: 0 for one a core.
        lossless: keep every sample as it is, of 8 or 16 bits.

    Returns:
        the size of the .aec file in bytes.

    Raises:
        PictureError: the source is no picture, or one that the format has no place for.
        OptionError: the quality, the effort or the noise is out of range, both lossless and denoise are given, or source and target
            are the same file.
        OSError: a file cannot be read or written.
    """
    refuse_same(Path(source), Path(target))
    picture, _ = denoised(Picture.load(Path(source)), denoise, lossless, threads)
    encoding = encoder.encode(
        picture, quality, threads, effort=effort, mode=mode_of(lossless), protect=protect, roi=roi, device=device
    )
    with replacing(Path(target)) as out:
        out.write(encoding.data)
    return len(encoding.data)


def picture_format(path: Path) -> str:
    """Pillow's name of the format that a file name asks for. Raises OptionError if there is none."""
    from PIL import Image

    format = Image.registered_extensions().get(path.suffix.lower())
    if format is None or format not in Image.SAVE:
        raise OptionError(f"{path.name}: no picture format that can be written has the suffix '{path.suffix}'")
    return format


def decompress_file(
    source: Path | str,
    target: Path | str,
    threads: int = 0,
    *,
    max_pixels: int = MAX_PIXELS,
    max_memory: int = MAX_MEMORY,
    grain: float = 0,
) -> None:
    """Decompresses an .aec file to a picture file. If that fails, nothing is written, and an older target stays as it is.

    Args:
        source: the .aec file.
        target: the picture file, in the format of its suffix, such as .png; it is replaced if it exists. Samples of 16 bits are
            rounded to 8 unless it is PNG or TIFF.
        threads: 0 for one a core.
        max_pixels, max_memory: a file that claims more pixels, or that would take more bytes of memory to decode, is refused.
        grain: see `decompress`.

    Raises:
        FileError: the source is damaged, cut short, no .aec file, needs another version of aecodec, or exceeds a limit.
        PictureError: the target's format has no place for the picture, as JPEG has none for alpha.
        OptionError: Pillow writes no format of the target's suffix, source and target are the same file, or the grain is out of
            range.
        OSError: a file cannot be read or written.
    """
    source, target = Path(source), Path(target)
    refuse_same(source, target)
    format = picture_format(target)
    picture = decode(source.read_bytes(), threads, max_pixels, max_memory=max_memory, grain=grain)
    with replacing(target) as out:
        picture.fitting(format).save(out, format)
