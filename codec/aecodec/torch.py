"""The codec for torch tensors."""

import torch

from . import compress as compress_array
from .decoder import Decoder, Region
from .errors import PictureError
from .options import EFFORT_DEFAULT, MAX_MEMORY, MAX_PIXELS, QUALITY_DEFAULT


def compress(
    image: torch.Tensor,
    quality: int = QUALITY_DEFAULT,
    *,
    effort: int = EFFORT_DEFAULT,
    threads: int = 0,
    lossless: bool = False,
) -> bytes:
    """Compresses a tensor to the bytes of an .aec file.

    Args:
        image: (C, H, W) on any device, with C = 3 (RGB), 1 (gray), 4 or 2 (the same with alpha): uint8, or floating point from
            0 to 1, which is rounded to 255ths.
        quality: a whole number, 1 to 100; of no effect if lossless.
        effort: 1 to 9, fast to small; see docs/effort.md.
        threads: 0 for one a core.
        lossless: keep every sample of 8 bits as it is.

    Returns:
        the bytes of the file.

    Raises:
        PictureError: the tensor has another shape or dtype, or values outside 0 to 1.
        OptionError: the quality or the effort is out of range.
    """
    if image.ndim != 3:
        raise PictureError(f"the tensor must be (C, H, W), not {tuple(image.shape)}")
    if image.is_floating_point():
        if not bool(((image >= 0) & (image <= 1)).all()):
            raise PictureError("floating-point pixels must be from 0 to 1")
        image = (image * 255).round().to(torch.uint8)
    if image.dtype != torch.uint8:
        raise PictureError(f"the tensor must be uint8 or floating point, not {image.dtype}")
    array = image.detach().cpu().permute(1, 2, 0).numpy()
    return compress_array(array, quality, effort=effort, threads=threads, lossless=lossless)


def decompress(
    data: bytes,
    *,
    scale: int = 1,
    region: Region | None = None,
    device: str | torch.device = "cpu",
    threads: int = 0,
    max_pixels: int = MAX_PIXELS,
    max_memory: int = MAX_MEMORY,
) -> torch.Tensor:
    """Decompresses an .aec file to a tensor.

    Args:
        data: the bytes of the file.
        scale: 1, 2, 4 or 8, by which the sides are reduced; see `aecodec.Decoder.decode`.
        region: (x, y, width, height) in pixels of the full picture; None for the whole.
        device: where the tensor is to be.
        threads: 0 for one a core.
        max_pixels, max_memory: a file that claims more pixels, or that would take more bytes of memory to decode, is refused.

    Returns:
        uint8 (C, h, w), with C = 3 (RGB), 1 (gray), 4 or 2 (the same with alpha), contiguous.

    Raises:
        FileError: the bytes are damaged, cut short, need another version of aecodec, or exceed a limit.
        OptionError: there is no such scale, or the region is not inside the picture.
    """
    decoder = Decoder(data, threads=threads, max_pixels=max_pixels, max_memory=max_memory)
    pixels = torch.from_numpy(decoder.decode(scale, region, bits=8))
    return (pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)).contiguous().to(device)
