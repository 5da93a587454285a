"""Fits the estimator of how much noise is in a picture.

Run: python -m aecodec.train.noise_level PICTURES OUT.safetensors [PICTURES_SEEN]
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

from .. import provenance
from ..noise import SIGMA_OFFSET, statistics
from .data import Member, load, split
from .draws import NOISE, sequence
from .noise import noisy

HIDDEN, STEPS, RATE, DECAY = 32, 3000, 3e-3, 1e-4
SEEN, DRAWS = 5000, 6  # pictures with noise or without, and how many in turn are made of one
CLEAN = 0.3  # of them have no noise: the estimator is to leave those alone
SMALLEST = 96  # pixels on a side of the crops
SEED = 2


def drawn(paths: list[Member], count: int, seed: int) -> Iterator[tuple[np.ndarray, float]]:
    """Statistics of `count` pictures, and the noise in each; some are reduced by 2, as those have little of their own."""
    for i in range(count):
        rng = np.random.default_rng(sequence(SEED, NOISE, seed, i))
        if i % DRAWS == 0:
            picture = torch.from_numpy(load(paths[i // DRAWS % len(paths)]).copy()).permute(2, 0, 1).float()
        x = picture
        if rng.random() < 0.4:
            x = nn.functional.avg_pool2d(x[None], 2)[0]
        h, w = (int(rng.integers(min(SMALLEST, s), s + 1)) for s in x.shape[1:])
        top, left = int(rng.integers(x.shape[1] - h + 1)), int(rng.integers(x.shape[2] - w + 1))
        x = x[:, top : top + h, left : left + w].contiguous()
        y, sigma = (x.round(), 0.0) if rng.random() < CLEAN else noisy(x, rng)
        yield statistics(y.permute(1, 2, 0).to(torch.uint8).numpy()), sigma


def table(paths: list[Member], count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """-> statistics (count, n) and log2 of the noise (count,)."""
    rows, sigmas = zip(*drawn(paths, count, seed), strict=True)
    return torch.from_numpy(np.stack(rows)), torch.log2(torch.tensor(sigmas) + SIGMA_OFFSET)


def fit(data: Path, out: Path, seen: int) -> None:
    train, validation = split(data)
    x, y = table(train, seen, 0)
    unseen, truth = table(validation, seen // 10, 1)
    mean, spread = x.mean(0), x.std(0) + 0.05
    torch.manual_seed(SEED)
    hidden, output = nn.Linear(x.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)
    net = nn.Sequential(hidden, nn.ReLU(), output)
    adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    for step in range(STEPS):
        adam.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        rows = torch.randint(len(x), (256,))
        loss = nn.functional.smooth_l1_loss(net((x[rows] - mean) / spread)[:, 0], y[rows], beta=0.1)
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        error = (net((unseen - mean) / spread)[:, 0] - truth).abs()
        high = truth > np.log2(8)
        record = {"commit": provenance.commit(), "pictures": seen}
        record |= {"octaves_off": round(float(error.mean()), 3), "octaves_off_above_8": round(float(error[high].mean()), 3)}
        first, last = hidden.weight / spread, output.weight[0]
        bias = hidden.bias - first @ mean
        tensors = {"first": first.numpy(), "bias": bias.numpy(), "last": torch.cat([last, output.bias]).numpy()}
    save_file(tensors, out, metadata={"aecodec": json.dumps({"record": record})})
    out.chmod(0o644)
    print(json.dumps(record))


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    torch.set_num_threads(1)
    fit(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) == 4 else SEEN)


if __name__ == "__main__":
    main()
