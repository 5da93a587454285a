"""The analysis of a picture in floating point, as on a GPU: what the encoder sees in it, for `Network.encode_features`.

Nothing of it has to be exact, as the codes that follow from it are in the file: the decoder never sees a picture's features.
"""

import numpy as np
import torch

from ..model import Model
from .network import quality_features
from .refine import float_model
from .transforms import BLOCK
from .windows import windows

WINDOW, MARGIN = 1024, 192  # pixels: beyond a margin of 152, which is how far the coarsest features look, nothing changes


@torch.no_grad()
def features(
    model: Model, pixels: np.ndarray, quality: int, qualities: np.ndarray | None = None, device: str = "cuda"
) -> list[np.ndarray]:
    """-> of every level, the finest first, int16 (h, w, channels); pixels: uint8 (H, W, 3).

    qualities: a map uint8 (rows, columns) of the coarsest level's positions, or None. device: "cuda", or "cpu".
    """
    net, _ = float_model(model, device)
    unit = net.shape.multiple
    h, w = (n + -n % unit for n in pixels.shape[:2])
    strides = [BLOCK << level for level in range(len(net.shape.channels))]
    found = [np.zeros((h // n, w // n, c), np.int16) for n, c in zip(strides, net.shape.channels, strict=True)]
    for window in windows(pixels, unit, quality, qualities, WINDOW, MARGIN, device):
        x = window.x.contiguous(memory_format=torch.channels_last)
        for made, out, stride in zip(net.analyse(x, quality_features(window.quality)), found, strides, strict=True):
            window.put(made, out, stride)
    return found
