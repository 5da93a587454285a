"""A learned image codec: small files, the same pixels on every machine.

data = aecodec.compress(pixels, quality=60)   # a NumPy array or a Pillow image -> bytes
pixels = aecodec.decompress(data)             # -> a NumPy array
"""

from typing import TYPE_CHECKING, Any

from .errors import AecodecError, FileError, PictureError
from .quality import QUALITY_DEFAULT

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__version__ = "0.1.0"
__all__ = [
    "AecodecError",
    "FileError",
    "PictureError",
    "compress",
    "compress_file",
    "decompress",
    "decompress_file",
    "info",
]


def compress(image: "np.ndarray | Image", quality: int = QUALITY_DEFAULT, *, threads: int = 0) -> bytes:
    """Compresses a picture to the bytes of an .aec file.

    image: a uint8 array (H, W, 3), (H, W), (H, W, 4) or (H, W, 2) of RGB or gray, the last two with alpha; or a Pillow
    image, whose ICC profile, EXIF and XMP are kept. quality: 1 to 100. threads: 0 for one a core.

    Raises PictureError where the picture or the quality is not of this kind.
    """
    from . import codec
    from .picture import Picture

    picture = Picture.from_pillow(image) if hasattr(image, "getbands") else Picture.from_array(image)
    return codec.encode(picture, quality, threads).data


def decompress(data: bytes, *, threads: int = 0) -> "np.ndarray":
    """Decompresses an .aec file to a uint8 array of the shape that was compressed.

    Raises FileError where the bytes are damaged, cut short, or need another version of aecodec.
    """
    from . import codec

    return codec.decode(bytes(data), threads).to_array()


def info(data: bytes) -> dict[str, Any]:
    """What is in an .aec file: its header, sizes and chunks. Raises FileError where it is damaged."""
    from . import inspection

    return inspection.info(bytes(data))


def __getattr__(name: str) -> Any:
    if name in ("compress_file", "decompress_file"):  # loaded when used, so that `import aecodec` stays fast
        from . import files

        return getattr(files, name)
    raise AttributeError(f"module 'aecodec' has no attribute '{name}'")
