"""How far one picture is from another: the one definition of each measure."""

import io
import math
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

MS_SSIM_MIN_SIDE = 161  # pixels: five scales of an 11-pixel window
SSIMULACRA2_MIN_SIDE = 8  # pixels
BUTTERAUGLI = "butteraugli_main"  # of libjxl; Debian's libjxl-devtools has it


def mean_squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error over all samples.

    Args:
        a, b: uint8 or uint16 arrays of one shape.

    Returns:
        0 to 255² or 65535².
    """
    total, step = 0, max(1, (1 << 22) // max(1, a[0].size))
    for y in range(0, len(a), step):  # in parts, for the memory
        d = a[y : y + step].astype(np.int64 if a.dtype == np.uint16 else np.int32) - b[y : y + step]
        total += int((d * d).sum(dtype=np.int64))
    return total / a.size


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all samples, with the peak 255, or 65535 for 16 bits.

    Args:
        a, b: uint8 or uint16 arrays of one shape and dtype.

    Returns:
        dB; infinite if they are equal.
    """
    return psnr_of(mean_squared_error(a, b) / (257**2 if a.dtype == np.uint16 else 1))


def psnr_of(mse: float) -> float:
    """The PSNR in dB of a mean squared error on the scale 0 to 255²; infinite for 0."""
    return 10 * math.log10(255**2 / mse) if mse else math.inf


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale SSIM (Wang, Simoncelli and Bovik, Asilomar 2003), the mean of R, G and B, by the package pytorch-msssim.

    Args:
        a, b: uint8 arrays (H, W, 3) of one shape.

    Returns:
        0 to 1, which is for equal pictures; None if a side is shorter than MS_SSIM_MIN_SIDE.

    Raises:
        ImportError: torch or pytorch-msssim is missing.
    """
    import torch
    from pytorch_msssim import ms_ssim

    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    x, y = (torch.from_numpy(v.copy()).permute(2, 0, 1)[None].float() for v in (a, b))
    return float(ms_ssim(x, y, data_range=255))


def ssimulacra2(a: np.ndarray, b: np.ndarray) -> float | None:
    """SSIMULACRA2 (Sneyers, Cloudinary 2023), by the package ssimulacra2 of PyPI, which differs from libjxl's own by up to a point.

    Args:
        a: the original, a uint8 array (H, W, 3).
        b: what is compared with it, of the same shape.

    Returns:
        100 if they are equal, 90 if they can hardly be told apart, 70 for high quality, 50 for medium, 30 for low; below 0 it is
        very bad. None if a side is shorter than SSIMULACRA2_MIN_SIDE.

    Raises:
        ImportError: the package is missing.
    """
    from ssimulacra2 import compute_ssimulacra2

    if min(a.shape[:2]) < SSIMULACRA2_MIN_SIDE:
        return None
    files = io.BytesIO(), io.BytesIO()  # it reads files alone
    for pixels, file in zip((a, b), files, strict=True):
        Image.fromarray(pixels).save(file, "ppm")
    return float(compute_ssimulacra2(*files))


def butteraugli(a: np.ndarray, b: np.ndarray) -> float | None:
    """The 3-norm of the Butteraugli distance (Alakuijala et al., 2017) of b from the original a, uint8 (H, W, 3): 0 if equal.

    By libjxl's program BUTTERAUGLI, for a display of 80 nits; None if it is not installed or refuses the pictures.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("a.ppm", "b.ppm")]
        for pixels, path in zip((a, b), paths, strict=True):
            Image.fromarray(pixels).save(path)
        try:
            done = subprocess.run([BUTTERAUGLI, *paths], capture_output=True, text=True)
        except FileNotFoundError:
            return None
    found = re.search(r"3-norm: ([0-9.]+)", done.stdout)
    return float(found[1]) if found else None
