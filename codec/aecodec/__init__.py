"""A learned image codec: small files, the same pixels on every machine.

data = aecodec.compress(pixels, quality=60)   # a NumPy array or a Pillow image -> bytes
pixels = aecodec.decompress(data)             # -> a NumPy array
"""

from typing import TYPE_CHECKING, Any

from .errors import (
    AecodecError,
    DamagedFile,
    FileError,
    ModelError,
    OptionError,
    PictureError,
    TruncatedFile,
    UnsupportedFile,
)
from .options import EFFORT_DEFAULT, QUALITY_DEFAULT

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from .codeword_search import nearest
    from .decoder import Decoder
    from .files import compress_file, decompress_file
    from .tokenizer import Tokens

__version__ = "0.1.0"
__all__ = [
    "AecodecError",
    "DamagedFile",
    "Decoder",
    "FileError",
    "ModelError",
    "OptionError",
    "PictureError",
    "Tokens",
    "TruncatedFile",
    "UnsupportedFile",
    "compress",
    "compress_file",
    "decompress",
    "decompress_file",
    "from_tokens",
    "info",
    "nearest",
    "tokens",
]
LAZY = {
    "Decoder": "decoder",
    "Tokens": "tokenizer",
    "compress_file": "files",
    "decompress_file": "files",
    "nearest": "codeword_search",
}


def compress(
    image: "np.ndarray | Image", quality: int = QUALITY_DEFAULT, *, effort: int = EFFORT_DEFAULT, threads: int = 0
) -> bytes:
    """Compresses a picture to the bytes of an .aec file.

    A synthetic picture (text, charts, screenshots) is kept without loss if that is smaller.

    Args:
        image: a uint8 array (H, W, 3), (H, W), (H, W, 4) or (H, W, 2) of RGB or gray, the last two with alpha; or a Pillow
            image, whose ICC profile, EXIF and XMP are kept.
        quality: 1 to 100.
        effort: 1 to 9, fast to small.
        threads: 0 for one a core.

    Raises:
        PictureError: the picture is not of this kind.
        OptionError: the quality or the effort is out of range.
    """
    from . import encoder
    from .picture import Picture

    return encoder.encode(Picture.of(image), quality, threads, effort=effort).data


def decompress(data: bytes, *, threads: int = 0) -> "np.ndarray":
    """Decompresses an .aec file to a uint8 array of the shape that was compressed.

    Raises FileError if the bytes are damaged, cut short, or need another version of aecodec.
    """
    from .decoder import decode

    return decode(bytes(data), threads).to_array()


def info(data: bytes) -> dict[str, Any]:
    """What is in an .aec file: its header, sizes and chunks. Raises FileError if it is damaged."""
    from . import inspection

    return inspection.info(bytes(data))


def tokens(image: "np.ndarray | Image | bytes", quality: int = QUALITY_DEFAULT) -> "Tokens":
    """The indices of a picture's codewords, a stage at a time; of a picture (see `compress`) or of an .aec file's bytes.

    Raises PictureError, also if the file is lossless and has none; FileError if the bytes are damaged.
    """
    from .tokenizer import tokens

    return tokens(image, quality)


def from_tokens(tokens: "Tokens") -> "np.ndarray":
    """The picture that tokens stand for, as `decompress` gives it. Raises PictureError if they are impossible."""
    from .tokenizer import from_tokens

    return from_tokens(tokens)


def __getattr__(name: str) -> Any:
    if name in LAZY:  # loaded when used, so that `import aecodec` stays fast
        from importlib import import_module

        return getattr(import_module(f".{LAZY[name]}", __name__), name)
    raise AttributeError(f"module 'aecodec' has no attribute '{name}'")
