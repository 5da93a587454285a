"""Sorts handwritten digits into ten heaps without labels, and draws a page of what each heap's code stands for.

Run: pip install "aecodec[train]" scikit-learn; python examples/digits.py [--seed 0] [--seconds 30] [--page digits.png]

A network writes each picture through a bottleneck that lets one of ten codes pass (`aecodec.train.bottlenecks.OneHot`). It is to
give a picture and one of its nearest neighbours, both distorted, the same code, and to use all codes alike: invariant codes, as of
Hu et al. (IMSAT, ICML 2017), and neighbours, as of Van Gansbeke et al. (SCAN, ECCV 2020). A decoder, which sees the code alone,
learns beside it to draw what such pictures look like. Labels serve at the end only, to say how many lie in the right heap.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits
from torch import Tensor, nn

from aecodec.train.bottlenecks import OneHot

CODES, SIDE = 10, 8
NEIGHBOURS, BATCH, RATE = 5, 128, 2e-3
BALANCE, DRAWING = 3.0, 0.05  # weights in the loss, beside agreement's 1


class Sorted(NamedTuple):
    """code: int64 (N,), the code of each picture; sure: float (N,), its probability; drawings: (CODES, SIDE, SIDE)."""

    code: Tensor
    sure: Tensor
    drawings: Tensor


def distorted(x: Tensor, noise: float = 0.1) -> Tensor:
    """Pictures (N, 1, H, W), turned by some 11 degrees, slanted, stretched, shifted by half a pixel, and noisy."""
    n = len(x)
    angle, slant = 0.2 * torch.randn(n), 0.15 * torch.randn(n)
    width, height = 1 + 0.1 * torch.randn(2, n)
    rows = [torch.stack([angle.cos() * width, slant - angle.sin()], 1), torch.stack([angle.sin(), angle.cos() * height], 1)]
    matrix = torch.cat([torch.stack(rows, 1), 0.12 * torch.randn(n, 2, 1)], 2)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False) + noise * torch.randn_like(x)


def neighbours(x: Tensor) -> Tensor:
    """int64 (N, NEIGHBOURS): the nearest other pictures, a little blurred."""
    flat = F.avg_pool2d(x, 2, 1).flatten(1)
    distance = torch.cdist(flat, flat).fill_diagonal_(torch.inf)
    return distance.topk(NEIGHBOURS, largest=False).indices


def sort(x: Tensor, seed: int, seconds: float) -> Sorted:
    """Pictures (N, 1, 8, 8), 0 to 1 -> a code for each, after so many CPU seconds of training."""
    torch.manual_seed(seed)
    near = neighbours(x)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, CODES))
    bottleneck, decoder = OneHot(), nn.Linear(CODES, SIDE**2)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], RATE)
    start = time.process_time()
    while (passed := (time.process_time() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, 3 * (1 - passed))
        chosen = torch.randint(len(x), (BATCH,))
        clean = x[torch.cat([chosen, near[chosen, torch.randint(NEIGHBOURS, (BATCH,))]])]  # pictures, then a neighbour of each
        logits = encoder(distorted(clean))
        code = bottleneck(logits)
        first, second = logits.softmax(1).chunk(2)
        agreement = (first * second).sum(1).clamp_min(1e-6).log().mean()
        drawing = F.mse_loss(decoder(code.value), clean.flatten(1), reduction="sum") / len(clean)
        loss = BALANCE * code.loss - agreement + DRAWING * drawing
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        probability = torch.stack([encoder(distorted(x)).softmax(1) for _ in range(16)]).mean(0)
        sure, code = probability.max(1)
        return Sorted(code, sure, decoder(torch.eye(CODES)).reshape(CODES, SIDE, SIDE))


def accuracy(code: np.ndarray, labels: np.ndarray) -> float:
    """The share of pictures in the right heap, if heaps are named at best (Hungarian method)."""
    counts = np.zeros((CODES, CODES), int)
    np.add.at(counts, (code, labels), 1)
    return counts[linear_sum_assignment(-counts)].sum() / len(labels)


def page(x: Tensor, found: Sorted, columns: int = 24, zoom: int = 4) -> Image.Image:
    """A row a code: what the decoder draws of it, then its pictures, from the surest to the most doubtful."""
    rows = []
    for k in range(CODES):
        members = (found.code == k).nonzero()[:, 0]
        order = members[found.sure[members].argsort(descending=True)]
        shown = order[torch.linspace(0, max(0, len(order) - 1), columns).long()] if len(order) else order
        cells = [found.drawings[k].clamp(0, 1), torch.full((SIDE, 2), 0.5), *x[shown, 0]]
        rows.append(F.pad(torch.cat(cells, 1), (0, SIDE * (columns - len(shown)), 0, 2)))
    gray = (255 * (1 - torch.cat(rows))).round().to(torch.uint8).numpy()
    return Image.fromarray(gray.repeat(zoom, 0).repeat(zoom, 1))


def pictures() -> tuple[Tensor, np.ndarray]:
    """scikit-learn's 1797 digits, (N, 1, 8, 8), 0 to 1, and what they are."""
    digits = load_digits()
    return torch.from_numpy(digits.images).float()[:, None] / 16, digits.target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=30, help="of CPU time")
    parser.add_argument("--page", default="digits.png", help="where to draw what the codes stand for")
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, labels = pictures()
    found = sort(x, options.seed, options.seconds)
    page(x, found).save(options.page)
    print(f"{accuracy(found.code.numpy(), labels):.1%} of {len(x)} digits lie in the right heap; {options.page} shows the heaps")


if __name__ == "__main__":
    main()
