"""The training loop: a scalar-noise phase, then a codebook phase, under one learning-rate schedule.

A run is a folder: CHECKPOINT (everything needed to go on), `log.jsonl` (one line a report).
"""

import copy
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from .. import provenance
from ..errors import AecodecError
from ..model import Model
from ..network.codebook import Codebook
from ..network.device import bfloat16_is_fast
from ..network.fixed_point import export, restore
from ..network.loss import PREVIEW_WEIGHT, distortion, preview_error, visible
from ..network.modules import channels_last
from ..network.network import Network, Quantise, Shape, compute_in, initialise, quality_features
from ..network.transforms import BLOCK
from ..options import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from . import checkpoint, lloyd
from .data import Crops, Member, load, split
from .draws import NOISE, QUALITIES, generator
from .grow import grow
from .scalar import quantise_scalar, quantise_scalar_exact

CHECKPOINT = "checkpoint.safetensors"
INITIAL = 1 << 32  # seeds of the crops that statistics are taken from; those of the steps are their numbers
GROWTH_CROPS = 96  # that show what a model loses
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of a parameter
COUNTERS = ("step", "pixels", "seconds", "phase", "history")
# Of the learning rate, once the weights are trained, for layers by their name; 1 for all others. The whole picture passes
# through the linear ones, so the noise of their steps is noise in it: 30 steps at 6e-4 from trained weights raise the loss at
# quality 85 by 12 % with one rate for all, by 2 % with these. (Layers that start at zero learn too slowly with them.)
RATE_SHARES = dict.fromkeys(("stem", "down", "select", "inject", "up", "out", "preview"), 0.15) | dict.fromkeys(
    ("prior", "posterior"), 0.5
)
GAIN_EVERY, GAIN_DELTA, GAIN_RATE = 16, 0.05, 200.0  # steps; of the natural log; times the learning rate, of a relative slope
GAIN_FEATURES = 4  # the polynomial ones of the quality
VALIDATION_QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)


@dataclass(frozen=True)
class Settings:
    minutes: float = 100.0  # of training in all, over every resume
    scalar_share: float = 0.45  # of the minutes: scalar quantisation; the codebook after that
    decay_share: float = 0.25  # of the minutes: the learning rate falls linearly to its floor
    batch: int = 4
    crop: int = 256
    learning_rate: float = 1e-3
    floor: float = 0.02  # of the learning rate, at the end
    warmup: int = 500  # steps
    average: float = 0.998  # decay of the moving average of the weights
    clip: float = 8.0  # norm of the gradient; most are 4 to 10
    visual: float = 0.7  # share of the visible error in the distortion
    preview: float = PREVIEW_WEIGHT
    trained: bool = False  # what the run starts from: RATE_SHARES hold
    validation_pictures: int = 16
    checkpoint_minutes: float = 3.0
    validation_minutes: float = 15.0
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    bfloat16: bool = bfloat16_is_fast()  # in the network's branches


def losses(x: Tensor, y: Tensor, bits: Tensor, quality: Tensor, visual: float) -> tuple[Tensor, Tensor, Tensor]:
    """-> the loss λ^(-1/2)·(bits/pixel + λ·distortion), bits per pixel and distortion (0..255, squared) of each picture, (B,) each.

    With that factor it is about the same at every quality, and so a percent of the rate counts equally everywhere.
    """
    lam = quality_to_lambda(quality)
    bpp, d = bits.sum(1) / (x.shape[2] * x.shape[3]), distortion(x, y, visual)
    return lam**-0.5 * (bpp + lam * d), bpp, d


def psnr(mse: Tensor) -> Tensor:
    return 10 * torch.log10(255**2 / mse.clamp_min(1e-3))


def as_laid_out(t: Tensor, like: Tensor) -> Tensor:
    """A moment with the strides of its parameter, which Adam's fused kernel takes for granted; a file keeps none."""
    return torch.empty_like(like).copy_(t) if t.shape == like.shape else t


def rate_share(name: str) -> float:
    """Of a parameter, by its full name."""
    return next((RATE_SHARES[part] for part in name.split(".") if part in RATE_SHARES), 1.0)


@torch.no_grad()
def validate(net: Network, quantise: Quantise, paths: list[Member]) -> dict:
    """Means over pictures at every validation quality, on what a decoder would show: loss (with the MSE alone), bpp,
    PSNR, visible error, and how exact means of blocks are."""
    rows = []
    for path in paths:
        x = torch.from_numpy(load(path).copy()).permute(2, 0, 1)[None].float()
        h, w = (s // net.shape.multiple * net.shape.multiple for s in x.shape[2:])
        x = x[:, :, :h, :w].contiguous(memory_format=torch.channels_last).to(net.stem.weight.device)
        for quality in VALIDATION_QUALITIES:
            q = torch.tensor([quality], device=x.device)
            decoded: list[Tensor] = []
            y, bits = net(x, q, quantise, decoded)
            y = y.clamp(0, 255).round()
            loss, bpp, mse = losses(x, y, bits, q, visual=0)
            small = [preview_error(x, p) for p in (net.reduced(decoded), F.avg_pool2d(y, BLOCK))]
            rows.append([loss, bpp, psnr(mse), -10 * math.log10(visible(x, y)), *map(psnr, small)])
    mean = torch.tensor(rows).reshape(len(paths), len(VALIDATION_QUALITIES), 6).mean(0)
    return {
        "validation_loss": round(mean[:, 0].mean().item(), 4),
        "validation_bpp": [round(v, 4) for v in mean[:, 1].tolist()],
        "validation_psnr": [round(v, 3) for v in mean[:, 2].tolist()],
        "validation_visual_db": [round(v, 3) for v in mean[:, 3].tolist()],
        "validation_preview_psnr": [round(v, 2) for v in mean[:, 4].tolist()],  # of the preview
        "validation_means_psnr": [round(v, 2) for v in mean[:, 5].tolist()],  # of the decoded picture's means
    }


class Run:
    """The state of a training run, and the steps that move it on."""

    def __init__(self, data: Path, out: Path, settings: Settings, shape: Shape):
        self.out, self.settings, self.shape = out, settings, shape
        torch.manual_seed(settings.seed)
        self.train_paths, validation = split(data)
        self.validation_paths = validation[:: max(1, len(validation) // settings.validation_pictures)]
        self.crops = Crops(self.train_paths, settings.batch, settings.crop, settings.seed)
        torch.set_float32_matmul_precision("high")  # TF32 where a GPU has it
        self.net = channels_last(Network(shape)).to(settings.device)
        self.codebook = Codebook(shape).to(settings.device)
        self.model = nn.ModuleDict({"net": self.net, "codebook": self.codebook})
        self.average = copy.deepcopy(self.model)
        if settings.bfloat16:
            compute_in(self.net, torch.bfloat16)
        named = sorted(self.model.named_parameters(), key=lambda item: rate_share(item[0]))
        self.names = [name for name, _ in named]  # in Adam's order
        shares = groupby(named, lambda item: rate_share(item[0]))
        groups = [{"params": [p for _, p in part], "share": share} for share, part in shares]
        self.adam = torch.optim.Adam(groups, settings.learning_rate, betas=(0.9, 0.98), fused=True)
        self.step, self.pixels, self.seconds, self.phase = 0, 0, 0.0, "scalar"
        self.history: list[dict] = []  # how the run came here: a command, its commit, and the pixels seen before it

    def start(self) -> None:
        initialise(self.net, self.crops.sample(32, INITIAL).to(self.settings.device))
        self.average.load_state_dict(self.model.state_dict())

    def start_from(self, model: Model) -> None:
        """Takes a model's weights and a new optimiser; its codebooks stay, unless there is a scalar phase before them.

        A smaller model grows: see grow.py. Raises ValueError where it cannot.
        """
        shape = Shape.from_json(model.shape)
        small, codebook = Network(shape), Codebook(shape)
        restore(small, codebook, model.tensors)
        grow(self.net, self.codebook, small, codebook, self.crops.sample(GROWTH_CROPS, INITIAL, 3))
        self.average.load_state_dict(self.model.state_dict())
        record = model.metadata["record"]
        self.phase = "scalar" if self.settings.scalar_share > 0 else "codebook"
        self.pixels, self.history = record["pixels"], list(record["history"])

    def save(self) -> None:
        state = self.adam.state_dict()["state"]
        moments = {f"{self.names[i]}/{k}": state[i][k] for i in state for k in MOMENTS}
        counters = {k: getattr(self, k) for k in COUNTERS}
        counters |= {"shape": self.shape.to_json(), "settings": asdict(self.settings)}
        groups = {"model": self.model.state_dict(), "average": self.average.state_dict(), "adam": moments}
        checkpoint.save(self.out / CHECKPOINT, groups, counters)

    def resume(self, path: Path) -> None:
        groups, counters = checkpoint.load(path, self.settings.device)
        self.model.load_state_dict(groups["model"])
        self.average.load_state_dict(groups["average"])
        state, moments = self.adam.state_dict(), groups["adam"]
        for i, name in enumerate(self.names):
            if f"{name}/step" in moments:  # the codebooks have none in the scalar phase
                like = self.model.get_parameter(name)
                state["state"][i] = {k: as_laid_out(moments[f"{name}/{k}"], like) for k in MOMENTS}
        self.adam.load_state_dict(state)
        for k in COUNTERS:
            setattr(self, k, counters[k])

    def qualities(self, count: int, *seeds: int) -> Tensor:
        """(count,) drawn evenly from the whole range, on the device; they depend on the run's seed and these alone."""
        random = generator(self.settings.seed, QUALITIES, *seeds)
        return (QUALITY_MIN + torch.rand(count, generator=random) * (QUALITY_MAX - QUALITY_MIN)).to(self.settings.device)

    def enter_codebook_phase(self) -> None:
        """Fits the codebooks to the network as it stands."""
        count = 16 * self.settings.batch
        crops = self.crops.sample(count, INITIAL, 1).to(self.settings.device)
        lloyd.fit(self.net, self.codebook, crops, self.qualities(count, INITIAL, 1))
        self.average["codebook"].load_state_dict(self.codebook.state_dict())
        self.phase = "codebook"

    @torch.no_grad()
    def tune_gain(self, x: Tensor, quality: Tensor) -> None:
        """Moves one stage's steps down the slope of the loss, measured by a difference.

        In the codebook phase the gains do not learn by backpropagation: through the soft assignment it sees 40 % of what a
        finer step does for the distortion of the finest stages at high rates, and so drove their rates down. What a step
        does is in which codes are chosen, and that only a difference shows.
        """
        stage = self.net.stages[self.step // GAIN_EVERY % len(self.net.stages)]
        found = []
        for delta in (GAIN_DELTA, -GAIN_DELTA):
            stage.log_gain.bias += delta
            found.append(self.losses(x, quality)[0])
            stage.log_gain.bias -= delta
        slope = (found[0] - found[1]) / (GAIN_DELTA * (found[0] + found[1]))  # (B,) of the log of the loss
        features = quality_features(quality)[:, :GAIN_FEATURES]
        stage.log_gain.weight[:, :GAIN_FEATURES] -= GAIN_RATE * self.learning_rate() * (slope[:, None] * features).mean(0)

    def learning_rate(self) -> float:
        s, done = self.settings, self.seconds / (60 * self.settings.minutes)
        decay = min(1.0, max(s.floor, (1 - done) / s.decay_share))
        return s.learning_rate * min(1.0, (self.step + 1) / s.warmup) * decay

    def losses(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `losses`; the loss has the preview's share."""
        decoded: list[Tensor] = []
        noise = generator(self.settings.seed, NOISE, self.step, device=x.device)
        quantise = partial(quantise_scalar, generator=noise) if self.phase == "scalar" else self.codebook.quantise
        y, bits = self.net(x, quality, quantise, decoded)
        loss, bpp, d = losses(x, y, bits, quality, self.settings.visual)
        return (
            loss + self.settings.preview * quality_to_lambda(quality) ** 0.5 * preview_error(x, self.net.reduced(decoded)),
            bpp,
            d,
        )

    def train_step(self) -> tuple[float, float, float]:
        """One step on one batch; -> loss, bits per pixel, distortion in dB as a PSNR."""
        s = self.settings
        x, quality = next(self.crops).to(s.device), self.qualities(s.batch, self.step)
        loss, bpp, d = self.losses(x, quality)
        for group in self.adam.param_groups:
            group["lr"] = self.learning_rate() * (group["share"] if s.trained else 1)
        self.adam.zero_grad(set_to_none=True)
        loss.mean().backward()
        if self.phase == "codebook":
            for stage in self.net.stages:
                stage.log_gain.zero_grad(set_to_none=True)
            if self.step % GAIN_EVERY == 0:
                self.tune_gain(x, quality)
        nn.utils.clip_grad_norm_(self.model.parameters(), s.clip)
        self.adam.step()
        self.codebook.project()
        self.step, self.pixels = self.step + 1, self.pixels + s.batch * s.crop**2
        keep = min(s.average, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        return loss.mean().item(), bpp.mean().item(), psnr(d).mean().item()

    def export(self, path: Path) -> None:
        """Writes the averaged weights as a model, with the record of how they came to be."""
        record = {"history": self.history, "pixels": self.pixels, "steps": self.step, "minutes": round(self.seconds / 60, 1)}
        record |= {"pictures": len(self.train_paths), "settings": asdict(self.settings), **self.validate()}
        average = copy.deepcopy(self.average).cpu()
        export(average["net"], average["codebook"], path, record)

    def validate(self) -> dict:
        net, codebook = self.average["net"], self.average["codebook"]
        quantise = quantise_scalar_exact if self.phase == "scalar" else codebook.quantise
        return validate(net, quantise, self.validation_paths)

    def describe(self, row: dict) -> str:
        """A report as a line for people."""
        line = f"{self.phase} step {row['step']}  loss {row['loss']:.3f}  {row['bpp']:.3f} bpp  {row['distortion_db']:.2f} dB"
        line += f"  {row['pixels_per_second'] / 1e6:.2f} Mpixel/s  {self.settings.minutes - row['seconds'] / 60:.0f} min left"
        if "perplexity" in row:
            line += "  perplexity " + " ".join(f"{p:.0f}" for p in row["perplexity"])
        if "validation_loss" in row:
            line += f"  validation loss {row['validation_loss']}"
        return line

    def loop(self) -> None:
        s, log = self.settings, open(self.out / "log.jsonl", "a")
        self.history.append({"command": provenance.command(), "commit": provenance.commit(), "from_pixels": self.pixels})
        self.crops.start(self.step)
        saved = validated = self.seconds
        recent: list[tuple[float, float, float]] = []
        clock, reported = time.monotonic(), time.monotonic()
        while self.seconds < 60 * s.minutes:
            if self.phase == "scalar" and self.seconds >= 60 * s.minutes * s.scalar_share:
                self.enter_codebook_phase()
            recent.append(self.train_step())
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            if len(recent) == 50:
                loss, bpp, db = (sum(v) / len(v) for v in zip(*recent, strict=True))
                speed = len(recent) * s.batch * s.crop**2 / (now - reported)
                row = {"step": self.step, "seconds": round(self.seconds), "pixels": self.pixels, "loss": round(loss, 4)}
                row |= {"bpp": round(bpp, 4), "distortion_db": round(db, 3), "pixels_per_second": round(speed)}
                if self.phase == "codebook":
                    row["perplexity"] = [round(p, 1) for p in self.codebook.perplexity()]
                if self.seconds - validated > 60 * s.validation_minutes:
                    row |= self.validate()
                    validated = self.seconds
                print(json.dumps(row), file=log, flush=True)
                print(self.describe(row), file=sys.stderr, flush=True)
                recent, reported = [], time.monotonic()
                clock = time.monotonic()
            if self.seconds - saved > 60 * s.checkpoint_minutes:
                self.save()
                saved, clock = self.seconds, time.monotonic()
        self.save()


def train(data: Path, out: Path | None, resume: Path | None, weights: Path | None, export: Path | None, changes: dict) -> None:
    """Starts a run in `out`, or goes on with the one in `resume` (in `out`, if both are given), and exports the model.

    weights: a model to start from. changes: settings that differ from the defaults, or from those of the run that is
    resumed. Raises AecodecError where there is nothing to train on, or nothing to resume, or the run's folder is taken.
    """
    folder = out or resume
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if resume is None:
            if (folder / CHECKPOINT).exists():
                raise AecodecError(f"{folder} holds a run already; go on with it by --resume {folder}")
            model = Model(weights) if weights else None
            run = Run(data, folder, Settings(**changes), Shape())
            run.start_from(model) if model else run.start()
        else:
            _, counters = checkpoint.load(resume / CHECKPOINT)
            run = Run(data, folder, Settings(**{**counters["settings"], **changes}), Shape.from_json(counters["shape"]))
            run.resume(resume / CHECKPOINT)
    except (ValueError, FileNotFoundError, SafetensorError) as error:
        raise AecodecError(str(error)) from error
    run.loop()
    run.export(export or folder / "model.safetensors")
