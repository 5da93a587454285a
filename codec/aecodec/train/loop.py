"""The training loop: a scalar-noise phase, then a codebook phase, under one learning-rate schedule.

A run is a folder: CHECKPOINT (everything needed to go on), `log.jsonl` (one line a report).
"""

import contextlib
import copy
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from .. import provenance
from ..errors import AecodecError
from ..model import Model
from ..network.codebook import Codebook
from ..network.fixed_point import export, restore
from ..network.loss import as_psnr, preview_error, rate_distortion
from ..network.modules import channels_last
from ..network.network import Network, Shape, Stage, compute_in, initialise, quality_features
from ..options import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from . import checkpoint, lloyd
from .data import Crops, evenly, load_or_skip, split
from .draws import NOISE, QUALITIES, generator
from .grow import grow
from .ranks import ALONE, Ranks, is_restarted, joined
from .scalar import quantise_scalar, quantise_scalar_exact
from .settings import Settings, rate_share
from .units import fitted, undo
from .validation import validate

CHECKPOINT = "checkpoint.safetensors"
INITIAL = (1 << 32) - 1  # begins the seeds of crops that statistics are taken from; those of steps are their number and part
GROWTH_CROPS = 96  # that show what a model loses
UNIT_CROPS = 32  # that show how large features become
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of a parameter
COUNTERS = ("step", "pixels", "seconds", "phase", "history")
GAIN_EVERY, GAIN_DELTA, GAIN_RATE = 16, 0.05, 200.0  # steps; of the natural log; times the learning rate, of a relative slope
GAIN_FEATURES = 4  # the polynomial ones of the quality
SHARE_EVERY = 1000  # steps: machines of different kinds may round differently


def as_laid_out(t: Tensor, like: Tensor) -> Tensor:
    """A moment with the strides of its parameter, which Adam's fused kernel takes for granted; a file keeps none."""
    return torch.empty_like(like).copy_(t) if t.shape == like.shape else t


class Stopped(AecodecError):
    """A signal ended the run early; its checkpoint is written."""

    def __init__(self, number: int, out: Path):
        super().__init__(f"stopped by {signal.Signals(number).name}; go on with the run by --resume {out}")
        self.number = number


@contextlib.contextmanager
def heard() -> Iterator[list[int]]:
    """The signals to end that have come so far, in a list that grows."""
    numbers: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield numbers
        return
    wanted = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {n: signal.signal(n, lambda number, _: numbers.append(number)) for n in wanted}
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Learned(nn.Module):
    """What a run learns: the network and its codebooks."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.net, self.codebook = channels_last(Network(shape)), Codebook(shape)

    @classmethod
    def of(cls, model: Model) -> "Learned":
        """A model's weights, in floating point and in the units that they were trained in."""
        result = cls(Shape.from_json(model.shape))
        restore(result.net, result.codebook, model.tensors)
        undo(result.net, model.tensors)
        return result

    @classmethod
    def read(cls, source: Path) -> tuple["Learned", dict]:
        """The averaged weights of a run's folder, or those of a model file; and the record of how they came to be.

        Raises AecodecError if a file is not a model, ValueError, OSError or SafetensorError if there is no run.
        """
        if not source.is_dir():
            model = Model(source)
            return cls.of(model), model.metadata["record"]
        groups, known = checkpoint.load(source / CHECKPOINT)
        result = cls(Shape.from_json(known["shape"]))
        result.load_state_dict(groups["average"])
        record = {key: known[key] for key in ("history", "pixels", "settings")}
        return result, record | {"steps": known["step"], "minutes": round(known["seconds"] / 60, 1)}

    def export(self, path: Path, record: dict, crops: Crops) -> None:
        """Writes the model file, in units that suit the weights on crops, see units.py."""
        net, tensors = fitted(self.net, self.codebook.quantise, crops.sample(UNIT_CROPS, INITIAL, 4))
        export(net, self.codebook, path, record, tensors)


class Run:
    """The state of a training run, and the steps that move it on."""

    def __init__(self, data: Path, out: Path, settings: Settings, shape: Shape, ranks: Ranks = ALONE):
        """Raises ValueError if there is too little to validate on, or a batch cannot be shared out."""
        self.out, self.settings, self.shape, self.ranks = out, settings, shape, ranks
        if settings.batch % (ranks.count * settings.accumulate):
            parts = f"{ranks.count} processes with {settings.accumulate} parts each (--accumulate)"
            raise ValueError(f"a batch of {settings.batch} crops (--batch) cannot be shared out to {parts}")
        self.part = settings.batch // (ranks.count * settings.accumulate)  # crops that are trained on at a time
        torch.manual_seed(settings.seed)
        self.train_paths, validation = split(data)
        chosen = evenly(validation, settings.validation_pictures)
        self.validation_paths = [path for path in chosen if load_or_skip(path) is not None]
        if not self.validation_paths:
            raise ValueError(f"{data}: no picture to validate on can be read")
        torch.set_float32_matmul_precision("high")  # TF32 where a GPU has it
        self.model = Learned(shape).to(settings.device)
        self.net, self.codebook = self.model.net, self.model.codebook
        self.average = copy.deepcopy(self.model)
        if settings.bfloat16:
            compute_in(self.net, torch.bfloat16)
        named = sorted(self.model.named_parameters(), key=lambda item: rate_share(item[0]))
        self.names = [name for name, _ in named]  # in Adam's order
        by_share = groupby(named, lambda item: rate_share(item[0]))
        groups = [{"params": [p for _, p in some], "share": share} for share, some in by_share]
        self.adam = torch.optim.Adam(
            groups, settings.learning_rate, betas=(0.9, 0.98), fused=True, capturable=settings.device == "cuda"
        )
        self.step, self.pixels, self.seconds, self.phase = 0, 0, 0.0, "scalar"
        self.history: list[dict] = []  # how the run came here: a command, its commit, and the pixels seen before it

    @cached_property
    def crops(self) -> Crops:
        """Raises ValueError if no picture is large enough."""
        return Crops(self.train_paths, self.part, self.settings.crop, self.settings.seed)

    def start(self) -> None:
        initialise(self.net, self.crops.sample(32, INITIAL).to(self.settings.device))
        self.average.load_state_dict(self.model.state_dict())

    def start_from(self, model: Model) -> None:
        """Takes a model's weights and a new optimiser; its codebooks stay, unless there is a scalar phase before them.

        A smaller model grows: see grow.py. Raises ValueError where it cannot.
        """
        small = Learned.of(model)
        grow(self.net, self.codebook, small.net, small.codebook, self.crops.sample(GROWTH_CROPS, INITIAL, 3))
        self.average.load_state_dict(self.model.state_dict())
        record = model.metadata["record"]
        self.phase = "scalar" if self.settings.scalar_share > 0 else "codebook"
        self.pixels, self.history = record["pixels"], list(record["history"])

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All of them, by what they are part of."""
        state = self.adam.state_dict()["state"]
        moments = {f"{self.names[i]}/{k}": state[i][k] for i in state for k in MOMENTS}
        return {"model": self.model.state_dict(), "average": self.average.state_dict(), "adam": moments}

    def share(self) -> None:
        """Gives all ranks the tensors of the leading one."""
        self.ranks.share([t for group in self.tensors().values() for t in group.values()])

    def save(self) -> None:
        if not self.ranks.leads:
            return
        counters = {k: getattr(self, k) for k in COUNTERS}
        counters |= {"shape": self.shape.to_json(), "settings": asdict(self.settings)}
        checkpoint.save(self.out / CHECKPOINT, self.tensors(), counters)

    def resume(self, path: Path) -> None:
        groups, counters = checkpoint.load(path, str(self.net.stem.weight.device))
        self.model.load_state_dict(groups["model"])
        self.average.load_state_dict(groups["average"])
        state, moments = self.adam.state_dict(), groups.get("adam", {})  # a GPU's run brings none
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
        self.average.codebook.load_state_dict(self.codebook.state_dict())
        self.phase = "codebook"
        self.share()

    @property
    def tuned(self) -> Stage:
        """The stage whose gains are to be tuned now."""
        return self.net.stages[self.step // GAIN_EVERY % len(self.net.stages)]

    @torch.no_grad()
    def gain_slope(self, x: Tensor, quality: Tensor) -> Tensor:
        """(GAIN_FEATURES,): the slope of the log of the loss along the tuned stage's gains, measured by a difference.

        In the codebook phase the gains do not learn by backpropagation: through the soft assignment it sees 40 % of what a
        finer step does for the distortion of the finest stages at high rates, and so drove their rates down. What a step
        does is in which codes are chosen, and that only a difference shows.
        """
        bias, found = self.tuned.log_gain.bias, []
        before = bias.clone()
        for delta in (GAIN_DELTA, -GAIN_DELTA):
            bias.copy_(before + delta)
            found.append(self.losses(x, quality)[0])
        bias.copy_(before)  # to the bit, which adding and subtracting would not be: the next part is to see the same
        slope = (found[0] - found[1]) / (GAIN_DELTA * (found[0] + found[1]))  # (B,) of the log of the loss
        return (slope[:, None] * quality_features(quality)[:, :GAIN_FEATURES]).mean(0)

    @torch.no_grad()
    def tune_gain(self, slope: Tensor, rate: float) -> None:
        """Moves the tuned stage's steps down the slope of the loss."""
        self.tuned.log_gain.weight[:, :GAIN_FEATURES] -= GAIN_RATE * rate * slope

    def losses(self, x: Tensor, quality: Tensor, part: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """See `rate_distortion`; the loss has the preview's share. part: of the step, for the noise."""
        decoded: list[Tensor] = []
        noise = generator(self.settings.seed, NOISE, self.step, part, device=x.device)
        quantise = partial(quantise_scalar, generator=noise) if self.phase == "scalar" else self.codebook.quantise
        y, bits = self.net(x, quality, quantise, decoded)
        loss, bpp, d = rate_distortion(x, y, bits, quality, self.settings.visual)
        preview = quality_to_lambda(quality) ** 0.5 * preview_error(x, self.net.reduced(decoded))
        return loss + self.settings.preview * preview, bpp, d

    def rate(self) -> float:
        """Of learning, now."""
        return self.settings.rate(self.step, self.seconds)

    def train_step(self) -> tuple[float, float, float]:
        """One step on one batch, of all ranks together; -> loss, bits per pixel, distortion in dB as a PSNR."""
        s, tunes = self.settings, self.phase == "codebook" and self.step % GAIN_EVERY == 0
        slope, figures = (torch.zeros(n, device=s.device) for n in (GAIN_FEATURES, 3))
        self.adam.zero_grad(set_to_none=True)
        for part in self.ranks.parts(s.accumulate):
            x, quality = next(self.crops).to(s.device), self.qualities(self.part, self.step, part)
            loss, bpp, d = self.losses(x, quality, part)
            (loss.mean() / s.accumulate).backward()
            figures += torch.stack([v.detach().mean() for v in (loss, bpp, as_psnr(d))]) / s.accumulate
            if tunes:
                slope += self.gain_slope(x, quality) / s.accumulate
        if self.phase == "codebook":
            for stage in self.net.stages:
                stage.log_gain.zero_grad(set_to_none=True)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        self.ranks.average([*gradients, slope, figures])
        if tunes:
            self.tune_gain(slope, self.rate())
        nn.utils.clip_grad_norm_(self.model.parameters(), s.clip)
        for group in self.adam.param_groups:
            group["lr"] = self.rate() * (group["share"] if s.trained else 1)
        self.adam.step()
        self.codebook.project()
        self.step, self.pixels = self.step + 1, self.pixels + s.batch * s.crop**2
        keep = min(s.average, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        if self.step % SHARE_EVERY == 0:
            self.share()
        mean_loss, mean_bpp, mean_db = figures.tolist()
        return mean_loss, mean_bpp, mean_db

    def export(self, path: Path) -> None:
        """Writes the averaged weights as a model, with the record of how they came to be."""
        record = {"history": self.history, "pixels": self.pixels, "steps": self.step, "minutes": round(self.seconds / 60, 1)}
        record |= {"pictures": len(self.train_paths), "settings": asdict(self.settings), **self.validate()}
        copy.deepcopy(self.average).cpu().export(path, record, self.crops)

    def validate(self) -> dict:
        net, codebook = self.average.net, self.average.codebook
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
        """Trains until the time is over. Raises Stopped, with a checkpoint written, if a signal asks for an end before that."""
        with heard() as signals:
            self.steps(signals)
        if signals:
            raise Stopped(signals[0], self.out)

    def is_over(self, signals: list[int]) -> bool:
        """Whether the time is up, or a signal has come to any rank; from here on all have the leading one's clock."""
        self.seconds, number = self.ranks.agree(self.seconds, signals[0] if signals else 0)
        if number and not signals:
            signals.append(number)
        return number > 0 or self.seconds >= 60 * self.settings.minutes

    def report(self, recent: list[tuple[float, float, float]], elapsed: float, validated: bool) -> None:
        """Says what became of the recent steps, in the log and to people."""
        loss, bpp, db = (sum(v) / len(v) for v in zip(*recent, strict=True))
        speed = len(recent) * self.settings.batch * self.settings.crop**2 / elapsed
        row = {"step": self.step, "seconds": round(self.seconds), "pixels": self.pixels, "loss": round(loss, 4)}
        row |= {"bpp": round(bpp, 4), "distortion_db": round(db, 3), "pixels_per_second": round(speed)}
        if self.phase == "codebook":
            row["perplexity"] = [round(p, 1) for p in self.codebook.perplexity()]
        if validated:
            row |= self.validate()
        with open(self.out / "log.jsonl", "a") as log:
            print(json.dumps(row), file=log)
        print(self.describe(row), file=sys.stderr, flush=True)

    def steps(self, signals: list[int]) -> None:
        s = self.settings
        begun = {"command": provenance.command(), "commit": provenance.commit(), "from_pixels": self.pixels}
        self.history.append(begun | ({"processes": self.ranks.count} if self.ranks.count > 1 else {}))
        (self.out / "log.jsonl").touch()
        self.crops.start(self.step, self.ranks.parts(s.accumulate))
        saved = validated = self.seconds
        first = not (self.out / CHECKPOINT).exists()  # a run that is killed in its first minutes can be resumed, too
        recent: list[tuple[float, float, float]] = []
        clock, reported = time.monotonic(), time.monotonic()
        while not self.is_over(signals):
            if self.phase == "scalar" and self.seconds >= 60 * s.minutes * s.scalar_share:
                self.enter_codebook_phase()
            recent.append(self.train_step())
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            if len(recent) == 50:
                if self.ranks.leads:
                    due = self.seconds - validated > 60 * s.validation_minutes
                    self.report(recent, now - reported, due)
                    validated = self.seconds if due else validated
                recent, clock = [], time.monotonic()
                reported = clock
            if first or self.seconds - saved > 60 * s.checkpoint_minutes:
                self.save()
                first, saved, clock = False, self.seconds, time.monotonic()
        self.save()


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """For what a run is made of: files, and settings that go together."""
    try:
        yield
    except (ValueError, FileNotFoundError, SafetensorError) as error:
        raise AecodecError(str(error)) from error


def train(
    data: Path,
    out: Path | None,
    resume: Path | None,
    weights: Path | None,
    export: Path | None,
    anneal: float | None,
    changes: dict,
) -> None:
    """Starts a run in `out`, or goes on with the one in `resume` (in `out`, if both are given), and exports the model.

    weights: a model to start from. anneal: minutes in which the rate of a copy in `out` of the run in `resume` falls to its
    floor. changes: settings that differ from the defaults, or from those of the run that is resumed. Raises AecodecError if
    there is nothing to train on, or nothing to resume, or the run's folder is taken. When torchrun starts the processes again, as
    one was lost, they go on with the run in `out`.
    """
    folder = out or resume
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    if is_restarted() and (folder / CHECKPOINT).exists():
        resume, anneal = folder, None
    with in_one_line():
        if resume is None:
            if (folder / CHECKPOINT).exists():
                raise AecodecError(f"{folder} holds a run already; go on with it by --resume {folder}")
            settings, shape = Settings(**changes), Shape()
        else:
            _, counters = checkpoint.load(resume / CHECKPOINT)
            settings, shape = Settings(**{**counters["settings"], **changes}), Shape.from_json(counters["shape"])
            if anneal is not None:
                settings = settings.annealed(counters["seconds"], anneal)
    with joined(settings.device) as ranks:
        with in_one_line():
            run = Run(data, folder, settings, shape, ranks)
            assert run.crops.pictures  # loaded here, where it is said in one line if there are none
            if resume is not None:
                run.resume(resume / CHECKPOINT)
            elif weights is not None:
                run.start_from(Model(weights))
            else:
                run.start()
        run.share()
        run.loop()
        if ranks.leads:
            with in_one_line():
                run.export(export or folder / "model.safetensors")
