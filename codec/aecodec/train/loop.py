"""The training loop: a scalar-noise phase, then a codebook phase, under one learning-rate schedule.

A run is a folder: `checkpoint.safetensors` (everything needed to go on), `log.jsonl` (one line a report).
"""

import copy
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..quality import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from . import checkpoint
from .data import Crops, load, split
from .network import Network, Quantise, Shape, initialise
from .scalar import quantise_scalar, quantise_scalar_exact

VALIDATION_QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)


@dataclass(frozen=True)
class Settings:
    minutes: float = 100.0  # of training in all, over every resume
    scalar_share: float = 0.6  # of the minutes: scalar quantisation; the codebook after that
    decay_share: float = 0.25  # of the minutes: the learning rate falls linearly to its floor
    batch: int = 4
    crop: int = 256
    learning_rate: float = 1e-3
    floor: float = 0.02  # of the learning rate, at the end
    warmup: int = 100  # steps
    average: float = 0.998  # decay of the moving average of the weights
    clip: float = 2.0  # norm of the gradient
    validation_pictures: int = 16
    checkpoint_minutes: float = 3.0
    validation_minutes: float = 15.0
    seed: int = 0


def losses(x: Tensor, y: Tensor, bits: Tensor, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """-> the loss λ^(-1/4)·(bits/pixel + λ·MSE), bits per pixel and MSE (0..255) of each picture, (B,) each.

    The factor balances low rates against high ones.
    """
    lam = quality_to_lambda(quality)
    bpp, mse = bits.sum(1) / (x.shape[2] * x.shape[3]), ((x - y) ** 2).flatten(1).mean(1)
    return lam**-0.25 * (bpp + lam * mse), bpp, mse


def psnr(mse: Tensor) -> Tensor:
    return 10 * torch.log10(255**2 / mse.clamp_min(1e-3))


@torch.no_grad()
def validate(net: Network, quantise: Quantise, paths: list[Path]) -> dict:
    """Mean loss, bpp and PSNR over pictures at every validation quality, on what a decoder would show."""
    rows = []
    for path in paths:
        x = torch.from_numpy(load(path).copy()).permute(2, 0, 1)[None].float()
        h, w = (s // net.shape.multiple * net.shape.multiple for s in x.shape[2:])
        x = x[:, :, :h, :w].contiguous(memory_format=torch.channels_last)
        for quality in VALIDATION_QUALITIES:
            q = torch.tensor([quality])
            y, bits = net(x, q, quantise)
            loss, bpp, mse = losses(x, y.clamp(0, 255).round(), bits, q)
            rows.append([loss.item(), bpp.item(), psnr(mse).item()])
    mean = torch.tensor(rows).reshape(len(paths), len(VALIDATION_QUALITIES), 3).mean(0)
    return {
        "validation_loss": round(mean[:, 0].mean().item(), 4),
        "validation_bpp": [round(v, 4) for v in mean[:, 1].tolist()],
        "validation_psnr": [round(v, 3) for v in mean[:, 2].tolist()],
    }


class Run:
    """The state of a training run, and the steps that move it on."""

    def __init__(self, data: Path, out: Path, settings: Settings, shape: Shape):
        self.out, self.settings, self.shape = out, settings, shape
        torch.manual_seed(settings.seed)
        self.train_paths, validation = split(data)
        self.validation_paths = validation[:: max(1, len(validation) // settings.validation_pictures)]
        self.crops = Crops(self.train_paths, settings.batch, settings.crop, settings.seed)
        self.net = Network(shape).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net)
        self.adam = torch.optim.Adam(self.net.parameters(), settings.learning_rate, betas=(0.9, 0.98), fused=True)
        self.step, self.pixels, self.seconds = 0, 0, 0.0

    @property
    def path(self) -> Path:
        return self.out / "checkpoint.safetensors"

    def start(self) -> None:
        initialise(self.net, self.crops.sample(32))
        self.average.load_state_dict(self.net.state_dict())

    def save(self) -> None:
        names = [n for n, _ in self.net.named_parameters()]
        state = self.adam.state_dict()["state"]
        moments = {f"{k}.{names[i]}": s[k] for i, s in state.items() for k in ("step", "exp_avg", "exp_avg_sq")}
        counters = {"step": self.step, "pixels": self.pixels, "seconds": self.seconds, "shape": self.shape.to_json()}
        counters["settings"] = asdict(self.settings)
        groups = {"net": self.net.state_dict(), "average": self.average.state_dict(), "adam": moments}
        checkpoint.save(self.path, groups, counters)

    def resume(self) -> None:
        groups, counters = checkpoint.load(self.path)
        self.net.load_state_dict(groups["net"])
        self.average.load_state_dict(groups["average"])
        names = [n for n, _ in self.net.named_parameters()]
        state = self.adam.state_dict()
        state["state"] = {
            i: {k: groups["adam"][f"{k}.{n}"] for k in ("step", "exp_avg", "exp_avg_sq")} for i, n in enumerate(names)
        }
        self.adam.load_state_dict(state)
        self.step, self.pixels, self.seconds = counters["step"], counters["pixels"], counters["seconds"]
        self.crops.rng.bit_generator.advance(self.step * 64)

    def learning_rate(self) -> float:
        s, done = self.settings, self.seconds / (60 * self.settings.minutes)
        decay = min(1.0, max(s.floor, (1 - done) / s.decay_share))
        return s.learning_rate * min(1.0, (self.step + 1) / s.warmup) * decay

    def train_step(self) -> tuple[float, float, float]:
        """One step on one batch; -> loss, bits per pixel, PSNR."""
        x, s = next(self.crops), self.settings
        quality = QUALITY_MIN + torch.rand(s.batch) * (QUALITY_MAX - QUALITY_MIN)
        y, bits = self.net(x, quality, quantise_scalar)
        loss, bpp, mse = losses(x, y, bits, quality)
        self.adam.param_groups[0]["lr"] = self.learning_rate()
        self.adam.zero_grad(set_to_none=True)
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), s.clip)
        self.adam.step()
        self.step, self.pixels = self.step + 1, self.pixels + s.batch * s.crop**2
        keep = min(s.average, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
        return loss.mean().item(), bpp.mean().item(), psnr(mse).mean().item()

    def loop(self) -> None:
        s, log = self.settings, open(self.out / "log.jsonl", "a")
        saved = validated = self.seconds
        recent: list[tuple[float, float, float]] = []
        clock, reported = time.monotonic(), time.monotonic()
        while self.seconds < 60 * s.minutes:
            recent.append(self.train_step())
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            if len(recent) == 50:
                loss, bpp, db = (sum(v) / len(v) for v in zip(*recent))
                speed = len(recent) * s.batch * s.crop**2 / (now - reported)
                row = {"step": self.step, "seconds": round(self.seconds), "pixels": self.pixels, "loss": round(loss, 4)}
                row |= {"bpp": round(bpp, 4), "psnr": round(db, 3), "pixels_per_second": round(speed)}
                if self.seconds - validated > 60 * s.validation_minutes:
                    row |= validate(self.average, quantise_scalar_exact, self.validation_paths)
                    validated = self.seconds
                print(json.dumps(row), file=log, flush=True)
                left = s.minutes - self.seconds / 60
                print(
                    f"step {self.step}  loss {loss:.3f}  {bpp:.3f} bpp  {db:.2f} dB  {speed / 1e6:.2f} Mpixel/s  "
                    f"{left:.0f} min left" + (f"  validation {row['validation_loss']}" if "validation_loss" in row else ""),
                    file=sys.stderr,
                    flush=True,
                )
                recent, reported = [], time.monotonic()
                clock = time.monotonic()
            if self.seconds - saved > 60 * s.checkpoint_minutes:
                self.save()
                saved, clock = self.seconds, time.monotonic()
        self.save()
