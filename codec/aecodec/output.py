"""Pictures to the bytes of other formats, by Pillow."""

import io
from typing import Any

from PIL import Image

from .arguments import whole
from .errors import PictureError

KEYS = {"exif": "exif", "xmp": "xmp", "icc": "icc_profile"}  # Pillow's options for metadata; the first is the first to go
LOSSY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95, "method": 4},
    "AVIF": {"quality": 90, "subsampling": "4:4:4"},
}


def options(format: str, quality: int | None) -> dict[str, Any]:
    """Pillow's options for a format. Raises OptionError if the quality is none, PictureError if the format knows none."""
    if quality is None:
        return dict(LOSSY.get(format, {}))
    if format not in LOSSY:
        raise PictureError(f"{format} files have no quality; {', '.join(LOSSY)} have")
    return LOSSY[format] | {"quality": whole("output quality", quality, 1, 100)}


def encoded(image: Image.Image, format: str, options: dict[str, Any], metadata: dict[str, bytes]) -> tuple[bytes, list[str]]:
    """-> the file, and what metadata it has no place for, a line each. Raises PictureError if it has none for the picture."""
    names = [name for name in KEYS if name in metadata]
    problem: Exception | None = None
    for drop in ([], *([name] for name in names), names[:2], names):
        out = io.BytesIO()
        kept = {KEYS[name]: metadata[name] for name in names if name not in drop}
        try:
            image.save(out, format, **options, **kept)
        except MemoryError:
            raise
        except Exception as error:  # formats raise almost anything of metadata that they have no place for
            problem = problem or error
            continue
        return out.getvalue(), [f"{format} has no place for this {name.upper()}, which is left out" for name in drop]
    raise PictureError(f"cannot write this picture as {format}: {' '.join(str(problem).split())}") from problem
