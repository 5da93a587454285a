"""The network that takes noise out of a picture before it is coded.

    noisy picture ─► stem ─► residual blocks at 1/4 of its sides ─► head ─► what is added to the picture

To estimate the clean picture by its mean and then to code the estimate is the best that a codec of noisy pictures can do, by
squared error (Wolf and Ziv, IEEE Transactions on Information Theory 1970): so this is a part of the encoder of its own, which knows
nothing of the codes, and serves every model, quality and effort. It learns the noise, as DnCNN does (Zhang et al., TIP 2017), on
pixels folded into channels and told the level of the noise, as in FFDNet (Zhang et al., TIP 2018), here by FiLM layers.

csrc/runtime/denoiser.cpp computes it in fixed point.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import Tensor, nn

from ..model import identity_of
from ..noise import LEVELS, SIGMA_MAX, SIGMA_MIN
from .fixed_point import FEATURE_BITS, PIXEL_BITS, Placement, Tensors, conv, film
from .modules import Conv, Modules, channels_last
from .network import PIXEL_UNIT, Block, quality_features, zero_

SIDE = 4  # pixels on a side of a position


def level_of(sigma: Tensor) -> Tensor:
    """The level, 1 to 100, of noise of this standard deviation in pixel values; see `noise.level_of`."""
    share = torch.log(sigma.clamp(SIGMA_MIN, SIGMA_MAX) / SIGMA_MIN) / math.log(SIGMA_MAX / SIGMA_MIN)
    return 1 + (LEVELS - 1) * share


class Denoiser(nn.Module):
    """channels: of the features; hidden: inside the blocks; multiples of 16, as the kernels want."""

    def __init__(self, channels: int = 64, hidden: int = 64, blocks: int = 6):
        super().__init__()
        self.shape = {"channels": channels, "hidden": hidden, "blocks": blocks}
        self.stem = Conv(3 * SIDE**2, channels, 1)
        self.blocks = Modules(Block(channels, hidden) for _ in range(blocks))
        self.head = Conv(channels, 3 * SIDE**2, 1)
        zero_(self.head)
        channels_last(self)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x: (B, 3, H, W), pixels 0..255, sides multiples of SIDE; sigma: (B,) of its noise -> the same without, not clamped."""
        q = quality_features(level_of(sigma))
        f = self.stem(F.pixel_unshuffle((x - 128) / PIXEL_UNIT, SIDE))
        for block in self.blocks:
            f = block(f, q)
        return x + F.pixel_shuffle(self.head(f), SIDE) * PIXEL_UNIT


def export(net: Denoiser, path: Path, record: dict[str, Any]) -> None:
    """Writes the file that `aecodec.denoising` reads. Raises ValueError if the weights do not fit fixed point."""
    tensors: Tensors = conv(Placement("stem", net.stem, in_bits=PIXEL_BITS))
    tensors |= conv(Placement("head", net.head, out_bits=PIXEL_BITS))
    for i, block in enumerate(net.blocks):
        tensors |= conv(Placement(f"blocks.{i}.spatial", block.spatial, dtype=np.int8))
        tensors |= conv(Placement(f"blocks.{i}.mix", block.mix))
        tensors[f"blocks.{i}.film"] = film(block)
    shape = {**net.shape, "feature_bits": FEATURE_BITS}
    tensors = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    metadata = {"identity": identity_of(shape, tensors), "shape": shape, "record": record}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"aecodec": json.dumps(metadata)})
    temporary.chmod(0o644)
    temporary.replace(path)
