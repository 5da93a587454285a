"""How good a network in training is, on whole pictures that it does not learn from."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.loss import as_psnr, preview_error, rate_distortion, visible
from ..network.network import Network, Quantise
from ..network.transforms import BLOCK
from .data import Member, load

QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)


@torch.no_grad()
def validate(net: Network, quantise: Quantise, paths: list[Member]) -> dict:
    """Means over pictures at every validation quality, on what a decoder would show: loss (with the MSE alone), bpp,
    PSNR, visible error, and how exact means of blocks are."""
    rows = []
    for path in paths:
        x = torch.from_numpy(load(path).copy()).permute(2, 0, 1)[None].float()
        h, w = (s // net.shape.multiple * net.shape.multiple for s in x.shape[2:])
        x = x[:, :, :h, :w].contiguous(memory_format=torch.channels_last).to(net.stem.weight.device)
        for quality in QUALITIES:
            q = torch.tensor([quality], device=x.device)
            decoded: list[Tensor] = []
            y, bits = net(x, q, quantise, decoded)
            y = y.clamp(0, 255).round()
            loss, bpp, mse = rate_distortion(x, y, bits, q, visual=0)
            small = [preview_error(x, p) for p in (net.reduced(decoded), F.avg_pool2d(y, BLOCK))]
            rows.append([loss, bpp, as_psnr(mse), -10 * math.log10(visible(x, y)), *map(as_psnr, small)])
    mean = torch.tensor(rows).reshape(len(paths), len(QUALITIES), 6).mean(0)
    return {
        "validation_loss": round(mean[:, 0].mean().item(), 4),
        "validation_bpp": [round(v, 4) for v in mean[:, 1].tolist()],
        "validation_psnr": [round(v, 3) for v in mean[:, 2].tolist()],
        "validation_visual_db": [round(v, 3) for v in mean[:, 3].tolist()],
        "validation_preview_psnr": [round(v, 2) for v in mean[:, 4].tolist()],  # of the preview
        "validation_means_psnr": [round(v, 2) for v in mean[:, 5].tolist()],  # of the decoded picture's means
    }
