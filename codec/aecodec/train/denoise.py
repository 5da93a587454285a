"""Trains the network that takes noise out of pictures before they are coded.

Run: python -m aecodec.train.denoise PICTURES RUN MINUTES [THREADS]

RUN is a folder; the same command goes on with a run that was stopped. The weights are in RUN/denoiser.safetensors.
"""

import copy
import itertools
import json
import queue
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import provenance
from ..network.denoiser import Denoiser, export
from ..network.device import keep_memory
from . import checkpoint
from .data import Crops, load, split
from .draws import NOISE, sequence
from .noise import noisy

BATCH, CROP = 6, 96
RATE, FLOOR, WARMUP, DECAY = 1.5e-3, 0.01, 200, 0.6  # of learning; the last share of the minutes in which it falls
AVERAGE = 0.998  # decay of the moving average of the weights
LEVEL_ERROR = 0.15  # of the natural log of the level that the network is told: estimates are not better
CHECKPOINT, EXPORT = "checkpoint.safetensors", "denoiser.safetensors"
REPORT, CHECKPOINT_SECONDS = 200, 240  # steps; seconds
SEED = 0


def batch(crops: Tensor, *seeds: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clean and noisy pictures (B, 3, CROP, CROP) and the told levels (B,), from crops of twice the sides.

    Half of the crops are reduced by 2, which leaves little of the noise that the pictures themselves have.
    """
    rng = np.random.default_rng(sequence(SEED, NOISE, *seeds))
    clean, spoilt, levels = [], [], []
    for crop in crops:
        if rng.random() < 0.5:
            x = F.avg_pool2d(crop[None], 2)[0].contiguous()
        else:
            top, left = rng.integers(CROP + 1, size=2)
            x = crop[:, top : top + CROP, left : left + CROP].contiguous()
        y, sigma = noisy(x, rng)
        clean.append(x)
        spoilt.append(y)
        levels.append(sigma * float(np.exp(rng.normal(0, LEVEL_ERROR))))
    x, y = (torch.stack(v).contiguous(memory_format=torch.channels_last) for v in (clean, spoilt))
    return x, y, torch.tensor(levels)


def loss_of(net: Denoiser, x: Tensor, y: Tensor, sigma: Tensor) -> Tensor:
    """The negative of the mean PSNR, but for a constant, so that a decibel counts alike everywhere; in dB."""
    return 10 * torch.log10(((net(y, sigma) - x) ** 2).flatten(1).mean(1) + 0.5).mean()


class Run:
    def __init__(self, data: Path, out: Path):
        self.out = out
        train, validation = split(data)
        self.crops = Crops(train, BATCH, 2 * CROP, SEED)
        torch.manual_seed(SEED)
        self.net = Denoiser()
        self.average = copy.deepcopy(self.net)
        self.adam = torch.optim.Adam(self.net.parameters(), RATE, betas=(0.9, 0.98))
        self.step, self.seconds = 0, 0.0
        self.ready: queue.Queue[tuple[Tensor, Tensor, Tensor]] = queue.Queue(maxsize=4)
        pictures = (torch.from_numpy(load(p).copy()).permute(2, 0, 1).float() for p in validation)
        kept = [p[:, : 2 * CROP, : 2 * CROP] for p in pictures if min(p.shape[1:]) >= 2 * CROP]
        self.validation = batch(torch.stack(kept), 1 << 32)
        if (out / CHECKPOINT).exists():
            self.resume()

    def save(self) -> None:
        state = self.adam.state_dict()["state"]
        moments = {f"{i}/{k}": v for i, values in state.items() for k, v in values.items()}
        groups = {"net": self.net.state_dict(), "average": self.average.state_dict(), "adam": moments}
        checkpoint.save(self.out / CHECKPOINT, groups, {"step": self.step, "seconds": self.seconds})

    def resume(self) -> None:
        groups, counters = checkpoint.load(self.out / CHECKPOINT)
        self.net.load_state_dict(groups["net"])
        self.average.load_state_dict(groups["average"])
        state = self.adam.state_dict()
        for key, value in groups["adam"].items():
            i, name = key.split("/")
            state["state"].setdefault(int(i), {})[name] = value
        self.adam.load_state_dict(state)
        self.step, self.seconds = counters["step"], counters["seconds"]

    def prepare(self) -> None:
        for n in itertools.count(self.step):
            self.ready.put(batch(self.crops.sample(BATCH, n), n))

    def train_step(self, minutes: float) -> float:
        x, y, sigma = self.ready.get()
        left = (1 - self.seconds / (60 * minutes)) / DECAY
        self.adam.param_groups[0]["lr"] = RATE * min(1.0, (self.step + 1) / WARMUP) * min(1.0, max(FLOOR, left))
        self.adam.zero_grad(set_to_none=True)
        loss = loss_of(self.net, x, y, sigma)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.adam.step()
        self.step += 1
        keep = min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
        return loss.item()

    @torch.no_grad()
    def validate(self) -> float:
        rows = zip(*(t.split(1) for t in self.validation), strict=True)  # one by one, for the memory
        return float(np.mean([loss_of(self.average, *row).item() for row in rows]))

    def export(self) -> None:
        record = {"commit": provenance.commit(), "steps": self.step}
        record |= {"minutes": round(self.seconds / 60, 1), "pixels": self.step * BATCH * CROP**2}
        record |= {"validation_loss_db": round(self.validate(), 3)}
        export(copy.deepcopy(self.average), self.out / EXPORT, record)

    def loop(self, minutes: float) -> None:
        threading.Thread(target=self.prepare, daemon=True).start()
        recent: list[float] = []
        clock = saved = time.monotonic()
        while self.seconds < 60 * minutes:
            recent.append(self.train_step(minutes))
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            if self.step % REPORT == 0:
                row = {"step": self.step, "seconds": round(self.seconds), "loss": round(float(np.mean(recent)), 3)}
                recent = []
                if self.step % (5 * REPORT) == 0:
                    row["validation"] = round(self.validate(), 3)
                print(json.dumps(row), flush=True)
            if now - saved > CHECKPOINT_SECONDS:
                self.save()
                self.export()
                saved = now
        self.save()
        self.export()


def main() -> None:
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    keep_memory()
    torch.set_num_threads(int(sys.argv[4]) if len(sys.argv) == 5 else 1)
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    Run(Path(sys.argv[1]), out).loop(float(sys.argv[3]))


if __name__ == "__main__":
    main()
