"""The codec for torch tensors."""

import torch

from . import compress as compress_array
from .decoder import Decoder, Region
from .errors import PictureError
from .options import EFFORT_DEFAULT, QUALITY_DEFAULT


def compress(image: torch.Tensor, quality: int = QUALITY_DEFAULT, *, effort: int = EFFORT_DEFAULT, threads: int = 0) -> bytes:
    """Compresses a tensor (C, H, W) on any device, with C = 3 (RGB), 1 (gray), 4 or 2 (with alpha).

    uint8, or floating point from 0 to 1. Raises PictureError where it is of another kind, or holds other values.
    """
    if image.ndim != 3:
        raise PictureError(f"the tensor must be (C, H, W), not {tuple(image.shape)}")
    if image.is_floating_point():
        if not bool(((image >= 0) & (image <= 1)).all()):
            raise PictureError("floating-point pixels must be from 0 to 1")
        image = (image * 255).round().to(torch.uint8)
    if image.dtype != torch.uint8:
        raise PictureError(f"the tensor must be uint8 or floating point, not {image.dtype}")
    return compress_array(image.detach().cpu().permute(1, 2, 0).numpy(), quality, effort=effort, threads=threads)


def decompress(
    data: bytes, *, scale: int = 1, region: Region | None = None, device: str | torch.device = "cpu", threads: int = 0
) -> torch.Tensor:
    """-> uint8 (C, H, W) on the device; scale and region as for `aecodec.Decoder.decode`. Raises FileError, PictureError."""
    pixels = torch.from_numpy(Decoder(data, threads=threads).decode(scale, region))
    return (pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)).contiguous().to(device)
