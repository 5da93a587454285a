"""Training with everything on one GPU: the pictures, their crops, the quantiser, and the step as a CUDA graph.

Run: python -m aecodec.train.gpu --data FOLDER --start START.safetensors --out RUN --deadline FILE

A step is some three thousand kernels, most of them short, and launching them one by one takes several times as long as they do;
a graph is launched once. FILE holds the time at which the run is to end, in seconds since 1970; it may change, and pictures may
come into FOLDER, while the run goes on. The learning rate falls in the last half of the time, and for the last third the crops are
larger. START is made by tools/for_gpu.py; RUN gets the averaged weights at the end, and those from before the rate fell, in parts
of at most 15 MiB that tools/from_gpu.py puts together.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .. import provenance
from ..network.loss import as_psnr, preview_error, rate_distortion
from ..network.network import Shape
from ..options import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from .loop import GAIN_EVERY, Run
from .resident import Resident, Supply
from .settings import Settings
from .validation import validate

PART = 15 << 20  # bytes of a file of weights
WARMUP = 200  # steps in which the learning rate rises
FLOOR = 0.01  # of the learning rate, at the end
FIRST_PICTURES = 40  # that are awaited before the first step, if there are as many: drawings come after all of a folder
REPORT_EVERY = 10.0  # seconds


class GraphRun(Run):
    """A run whose step is captured as a CUDA graph; on a CPU it is the same step, for tests."""

    graph: torch.cuda.CUDAGraph | None = None

    def losses(self, x: Tensor, quality: Tensor, part: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """As the trainer's, without its generator, which a graph cannot seed; in the codebook phase nothing draws from it."""
        decoded: list[Tensor] = []
        y, bits = self.net(x, quality, self.codebook.quantise, decoded)
        loss, bpp, d = rate_distortion(x, y, bits, quality, self.settings.visual)
        preview = quality_to_lambda(quality) ** 0.5 * preview_error(x, self.net.reduced(decoded))
        return loss + self.settings.preview * preview, bpp, d

    def prepare(self, x: Tensor) -> None:
        """Captures the step for batches like x, whose place the batches to come are copied to."""
        self.x, self.quality = x, torch.full((len(x),), 50.0, device=x.device)
        self.sums = torch.zeros(4, device=x.device, dtype=torch.float64)
        self.graph = None
        if not x.is_cuda:
            return
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # what is made at the first call, and cuDNN's choice of kernels
            for _ in range(3):
                self.whole_step()
        torch.cuda.current_stream().wait_stream(aside)
        self.adam.zero_grad(set_to_none=True)  # so that the graph has gradients of its own
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.whole_step()
        self.graph = graph
        self.sums.zero_()

    def whole_step(self) -> None:
        """Adam's step on the batch; adds loss, bits per pixel, dB and the gradient's norm to the sums."""
        loss, bpp, d = self.losses(self.x, self.quality)
        self.adam.zero_grad(set_to_none=True)
        loss.mean().backward()
        for stage in self.net.stages:
            stage.log_gain.zero_grad(set_to_none=True)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.adam.step()
        self.codebook.project()
        with torch.no_grad():
            mine: list[Tensor] = list(self.average.parameters())
            theirs: list[Tensor] = list(self.model.parameters())
            torch._foreach_lerp_(mine, theirs, 1 - self.settings.average)
            self.sums += torch.stack([loss.mean(), bpp.mean(), as_psnr(d).mean(), norm]).double()

    def advance(self, x: Tensor, rate: float) -> None:
        """One step, at a learning rate."""
        for group in self.adam.param_groups:
            group["lr"].fill_(rate * group["share"])
        self.x.copy_(x)
        self.quality.copy_(QUALITY_MIN + torch.rand(len(x), device=x.device) * (QUALITY_MAX - QUALITY_MIN))
        if self.graph is None:
            self.whole_step()
        else:
            self.graph.replay()
        if self.step % GAIN_EVERY == 0:
            self.tune_gain(self.gain_slope(self.x, self.quality), rate)
        self.step, self.pixels = self.step + 1, self.pixels + x[:, 0].numel()


def save_parts(folder: Path, name: str, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Writes float32 NAME.0.safetensors, NAME.1.safetensors, …"""
    parts: list[dict[str, Tensor]] = [{}]
    for key in sorted(tensors):
        t = tensors[key].detach().float().cpu().contiguous()
        if sum(v.nbytes for v in parts[-1].values()) + t.nbytes > PART:
            parts.append({})
        parts[-1][key] = t
    for i, part in enumerate(parts):
        temporary = folder / f"{name}.{i}.tmp"
        save_file(part, temporary, metadata={"record": json.dumps(record)})
        os.replace(temporary, folder / f"{name}.{i}.safetensors")


def load_start(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """-> the weights in float32, and the record: shape, pixels, history, commit."""
    with safe_open(path, "pt") as f:
        return {k: f.get_tensor(k).float() for k in f.keys()}, json.loads(f.metadata()["record"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "start", "out", "deadline"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--last-batch", type=int, default=8)
    parser.add_argument("--last-crop", type=int, default=384)
    parser.add_argument("--last-share", type=float, default=0.3, help="of the time, with the last crops")
    parser.add_argument("--decay-share", type=float, default=0.5, help="of the time, in which the learning rate falls")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--validate-every", type=float, default=100, help="seconds")
    parser.add_argument("--jobs", type=int, default=13, help="processes that decode and draw")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


def main() -> None:
    a, started = arguments(), time.time()
    a.out.mkdir(parents=True, exist_ok=True)
    supply = Supply(a.data, [a.last_crop, a.last_crop, a.crop], a.jobs, int(started))
    try:
        train(a, supply, Resident(a.device), started)
    finally:
        supply.close()


def train(a: argparse.Namespace, supply: Supply, resident: Resident, started: float) -> None:
    weights, record = load_start(a.start)
    on_gpu = a.device == "cuda"
    settings = Settings(
        scalar_share=0, batch=a.batch, crop=a.crop, learning_rate=a.learning_rate, trained=True, device=a.device, decay_share=0
    )
    run = GraphRun(a.data, a.out, settings, Shape.from_json(record["shape"]))
    torch.set_float32_matmul_precision("highest")  # the layers that the whole picture passes through
    torch.backends.cudnn.allow_tf32 = False
    for learned in (run.model, run.average):
        learned.load_state_dict(weights)
    run.phase, run.pixels, run.history = "codebook", record["pixels"], record["history"]
    commit = record["commit"] if provenance.commit() == "unknown" else provenance.commit()
    command = " ".join(["python -m aecodec.train.gpu", *sys.argv[1:]])
    run.history.append({"command": command, "commit": commit, "from_pixels": run.pixels})
    for group in run.adam.param_groups:
        group["lr"] = torch.tensor(0.0, device=a.device)

    def log(**row: Any) -> None:
        row = {"step": run.step, "at": round(time.time() - started, 1), **row}
        line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
        print(line, flush=True)
        with open(a.out / "log.jsonl", "a") as f:
            f.write(line + "\n")

    def receive(least: int = 0) -> None:
        for picture, drawn in supply.take(lambda: len(resident.photographs) < least and not resident.drawings):
            resident.add(picture, drawn)

    def report_validation() -> dict[str, Any]:
        torch.backends.cudnn.benchmark = False  # every picture has a size of its own
        found = validate(run.average.net, run.average.codebook.quantise, run.validation_paths)
        torch.backends.cudnn.benchmark = True
        log(pixels=run.pixels, **found)
        return found

    def save(name: str, learned: torch.nn.Module, **more: Any) -> None:
        made = {"pixels": run.pixels, "history": run.history, "steps": run.step, "pictures": len(resident.photographs)}
        made |= {"minutes": round((time.time() - started) / 60, 1), "settings": asdict(settings)}
        save_parts(a.out, name, learned.state_dict(), {**made, **more})

    receive(FIRST_PICTURES)
    log(pictures=len(resident.photographs), device=torch.cuda.get_device_name() if on_gpu else "cpu")
    report_validation()
    batch, crop = a.batch, a.crop
    run.prepare(resident.batch(batch, crop))
    first = validated = reported = time.time()
    reported_step, trunk = run.step, False
    while (share := (time.time() - first) / max(1e-3, float(a.deadline.read_text()) - first)) < 1:
        if share > 1 - a.decay_share and not trunk:
            save("trunk", run.model)
            trunk = True
        if share > 1 - a.last_share and crop != a.last_crop:
            batch, crop = a.last_batch, a.last_crop
            run.prepare(resident.batch(batch, crop))
        receive()
        decay = min(1.0, max(FLOOR, (1 - share) / a.decay_share))
        run.advance(resident.batch(batch, crop), a.learning_rate * min(1.0, (run.step + 1) / WARMUP) * decay)
        if on_gpu and run.step % 20 == 0:
            torch.cuda.synchronize()  # or the launches run ahead of the clock
        now = time.time()
        if now - reported > REPORT_EVERY:
            loss, bpp, db, norm = (run.sums / (run.step - reported_step)).tolist()
            speed = (run.step - reported_step) * batch * crop**2 / (now - reported) / 1e6
            log(share=share, loss=loss, bpp=bpp, distortion_db=db, norm=norm, megapixels_per_second=speed)
            if not np.isfinite(loss):
                sys.exit("the loss is not finite")
            run.sums.zero_()
            reported, reported_step = now, run.step
        if now - validated > a.validate_every:
            report_validation()
            save("average", run.average)
            run.sums.zero_()
            validated = reported = time.time()
            reported_step = run.step
    if not trunk:
        save("trunk", run.model)
    save("average", run.average, validation=report_validation())


if __name__ == "__main__":
    main()
