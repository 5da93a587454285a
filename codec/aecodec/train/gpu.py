"""Training with everything on one GPU: the pictures, the crops, the quantiser, and the step as a CUDA graph.

Run: python -m aecodec.train.gpu --data FOLDER --start STATE.safetensors --out RUN --deadline FILE

A step of the trainer is some three thousand kernels, most of them short, and launching them one by one takes five times as
long as they do; a graph is launched once. Pictures may come into FOLDER while the run goes on. FILE holds the time at which it
is to end, in seconds since 1970, and may change. RUN gets `average.*` and `trunk.*`: the averaged weights at the end, and the
weights before the learning rate began to fall.
"""

import argparse
import json
import os
import queue
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from .. import provenance
from ..network.loss import as_psnr, preview_error, rate_distortion
from ..network.network import Shape
from ..options import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from .data import GRAY_SHARE, SCENE_SHARE, SYNTHETIC_SHARE, VIVID_SHARE, load, pictures
from .loop import GAIN_EVERY, Run
from .scenes import scene
from .settings import Settings
from .synthetic import synthetic
from .validation import validate

REDUCED_SHARE = 0.2  # of photographs are crops of REDUCTION times the sides, reduced: sharper, with more in them
REDUCTION = 1.5
DRAWN = 12000  # pictures, after which the oldest are replaced
CAPACITY = 4 << 30  # bytes of pictures


def draw(seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng((seed, 77))
    share = SYNTHETIC_SHARE / (SYNTHETIC_SHARE + SCENE_SHARE)
    return (synthetic if rng.random() < share else scene)(size, rng).copy()


def decode(path: Path) -> np.ndarray | None:
    try:
        return load(path)
    except Exception as error:
        print(f"skipped {path}: {error}", file=sys.stderr, flush=True)
        return None


class Resident:
    """Pictures in the memory of a GPU, and random crops of them."""

    def __init__(self, device: str, size: int):
        self.flat = torch.zeros(CAPACITY, dtype=torch.uint8, device=device)
        self.used, self.size = 0, size
        self.photos: list[tuple[int, int, int]] = []  # first byte, height, width
        self.drawn: list[tuple[int, int, int]] = []
        self.tables: dict = {}
        self.at = 0  # the drawing to be replaced

    def add(self, picture: np.ndarray, drawn: bool) -> None:
        if drawn and len(self.drawn) >= DRAWN:
            start = self.drawn[self.at % DRAWN][0]
            self.at += 1
        else:
            start = self.used
            if start + picture.size > CAPACITY:
                return
            self.used += picture.size
            (self.drawn if drawn else self.photos).append((start, *picture.shape[:2]))
        self.flat[start : start + picture.size] = torch.from_numpy(picture.reshape(-1)).to(self.flat.device)

    def table(self, drawn: bool, crop: int) -> Tensor:
        """(n, 3) of those that are large enough for a crop."""
        rows = self.drawn if drawn else self.photos
        key = (drawn, crop, len(rows) if not drawn else len(rows) // 50)
        if key not in self.tables:
            fitting = [r for r in rows if min(r[1:]) >= crop]
            self.tables[key] = torch.tensor(fitting, device=self.flat.device) if fitting else None
        return self.tables[key]

    def crops(self, number: int, crop: int, drawn_share: float) -> Tensor:
        """-> float32 (number, 3, crop, crop), 0..255"""
        device = self.flat.device
        r = torch.rand(number, 10, device=device, dtype=torch.float64)
        photos, drawings = self.table(False, crop), self.table(True, crop)
        rows = photos[(r[:, 1] * len(photos)).long()]
        drawn = torch.zeros(number, dtype=torch.bool, device=device)
        if drawings is not None and drawn_share:
            drawn = r[:, 0] < drawn_share
            rows = torch.where(drawn[:, None], drawings[(r[:, 1] * len(drawings)).long()], rows)
        start, height, width = rows.unbind(1)
        i, j = (r[:, 2] * (height - crop + 1)).long(), (r[:, 3] * (width - crop + 1)).long()
        turned, mirrored = ((r[:, k] < 0.5) & ~drawn for k in (4, 5))
        u, v = torch.arange(crop, device=device)[None, :, None], torch.arange(crop, device=device)[None, None, :]
        turned, mirrored = turned[:, None, None], mirrored[:, None, None]
        row, column = torch.where(turned, v, u), torch.where(turned, u, v)
        column = torch.where(mirrored, crop - 1 - column, column)
        index = start[:, None, None] + ((i[:, None, None] + row) * width[:, None, None] + j[:, None, None] + column) * 3
        x = self.flat[index[..., None] + torch.arange(3, device=device)].float()  # (number, crop, crop, 3)
        gray = x.mean(3, keepdim=True)
        colours, contrast, saturation = r[:, 6], 1 + 0.6 * r[:, 7], 1 + 1.5 * r[:, 8]
        middle = gray.mean((1, 2), keepdim=True)
        strong = gray + saturation.float()[:, None, None, None] * (x - gray) - middle
        strong = (middle + contrast.float()[:, None, None, None] * strong).round().clamp(0, 255)
        is_gray, is_vivid = colours < GRAY_SHARE, (colours >= GRAY_SHARE) & (colours < GRAY_SHARE + VIVID_SHARE)
        x = torch.where((is_gray & ~drawn)[:, None, None, None], gray.round().expand_as(x), x)
        x = torch.where((is_vivid & ~drawn)[:, None, None, None], strong, x)
        return x.permute(0, 3, 1, 2)

    def batch(self, number: int, crop: int) -> Tensor:
        large, drawn_share = int(crop * REDUCTION), SYNTHETIC_SHARE + SCENE_SHARE
        reduced = round(number * REDUCED_SHARE) if self.table(False, large) is not None else 0
        x = self.crops(number - reduced, crop, drawn_share * number / (number - reduced))
        if reduced:
            small = F.interpolate(self.crops(reduced, large, 0), size=crop, mode="bicubic", antialias=True)
            x = torch.cat([x, small.round().clamp(0, 255)])
        return x.contiguous(memory_format=torch.channels_last)


class GpuRun(Run):
    """A run whose step is a CUDA graph."""

    def prepare(self, batch: int, crop: int) -> None:
        """Captures the step for batches of this size."""
        device = self.settings.device
        self.x = torch.zeros(batch, 3, crop, crop, device=device).contiguous(memory_format=torch.channels_last)
        self.quality = torch.full((batch,), 50.0, device=device)
        self.sums = torch.zeros(4, device=device, dtype=torch.float64)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.on_gpu = device == "cuda"

    def advance(self) -> None:
        if self.graph is None:
            self.whole_step()
        else:
            self.graph.replay()

    def losses(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As the trainer's, without its generator, which a graph cannot seed."""
        decoded: list[Tensor] = []
        y, bits = self.net(x, quality, self.codebook.quantise, decoded)
        loss, bpp, d = rate_distortion(x, y, bits, quality, self.settings.visual)
        preview = quality_to_lambda(quality) ** 0.5 * preview_error(x, self.net.reduced(decoded))
        return loss + self.settings.preview * preview, bpp, d

    def capture(self) -> None:
        if not self.on_gpu:
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.whole_step()
        torch.cuda.current_stream().wait_stream(stream)
        self.adam.zero_grad(set_to_none=True)
        for stage in self.net.stages:
            stage.log_gain.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.whole_step()

    def whole_step(self) -> None:
        loss, bpp, d = self.losses(self.x, self.quality)
        self.adam.zero_grad(set_to_none=True)
        loss.mean().backward()
        for stage in self.net.stages:
            stage.log_gain.zero_grad(set_to_none=True)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.adam.step()
        self.codebook.project()
        with torch.no_grad():
            mine, theirs = list(self.average.parameters()), list(self.model.parameters())
            torch._foreach_lerp_(mine, theirs, 1 - self.settings.average)
            self.sums += torch.stack([loss.mean(), bpp.mean(), as_psnr(d).mean(), norm]).double()

    def set_rate(self, rate: float) -> None:
        for group in self.adam.param_groups:
            group["lr"].fill_(rate * (group["share"] if self.settings.trained else 1))


def save_parts(folder: Path, name: str, tensors: dict[str, Tensor], record: dict) -> None:
    """In files of at most 15 MiB, so that they can be carried."""
    parts: list[dict[str, Tensor]] = [{}]
    for key in sorted(tensors):
        t = tensors[key].detach().float().cpu().contiguous()
        if sum(v.nbytes for v in parts[-1].values()) + t.nbytes > 15 << 20:
            parts.append({})
        parts[-1][key] = t
    for i, part in enumerate(parts):
        temporary = folder / f"{name}.{i}.tmp"
        save_file(part, temporary, metadata={"record": json.dumps(record)})
        os.replace(temporary, folder / f"{name}.{i}.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--deadline", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--last-batch", type=int, default=8)
    parser.add_argument("--last-crop", type=int, default=384)
    parser.add_argument("--last-share", type=float, default=0.3)  # of the time: with the last crops
    parser.add_argument("--decay-share", type=float, default=0.5)  # of the time, in which the rate falls
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--validate-every", type=float, default=100)  # seconds
    parser.add_argument("--jobs", type=int, default=13)
    parser.add_argument("--device", default="cuda")
    a = parser.parse_args()
    started = time.time()
    a.out.mkdir(parents=True, exist_ok=True)

    resident = Resident(a.device, a.crop)
    pool = ProcessPoolExecutor(a.jobs, mp_context=get_context("spawn"))
    arrived: queue.Queue = queue.Queue(maxsize=64)
    stop = threading.Event()

    def feed() -> None:
        """Decodes new pictures, and draws, all the time."""
        known: set[str] = set()
        seeds = count(int(started) % 100000 * 100000)
        while not stop.is_set():
            new = [p for p in pictures(a.data) if p.name not in known]
            known |= {p.name for p in new}
            decoding = [(pool.submit(decode, Path(str(p))), False) for p in new]
            drawing = [(pool.submit(draw, next(seeds), a.last_crop if n % 3 else a.crop), True) for n in range(60)]
            for future, drawn in decoding + drawing:
                picture = future.result()
                if picture is not None and min(picture.shape[:2]) >= a.crop:
                    arrived.put((picture, drawn))

    threading.Thread(target=feed, daemon=True).start()
    torch.backends.cudnn.allow_tf32 = False
    record = json.loads((a.start.parent / (a.start.stem + ".json")).read_text())
    settings = Settings(
        scalar_share=0, batch=a.batch, crop=a.crop, learning_rate=a.learning_rate, average=a.average, trained=True, device=a.device
    )
    run = GpuRun(a.data, a.out, settings, Shape.from_json(record["shape"]), crops=resident)  # type: ignore[arg-type]
    torch.set_float32_matmul_precision("highest")
    state = {k: v.float().to(a.device) for k, v in load_file(a.start).items()}
    run.model.load_state_dict(state)
    run.average.load_state_dict(state)
    run.phase, run.pixels, run.history = "codebook", record["pixels"], record["history"]
    run.history.append({"command": provenance.command(), "commit": record["commit"], "from_pixels": run.pixels})
    for group in run.adam.param_groups:
        group["lr"] = torch.tensor(1e-5, device=a.device)

    synchronize = torch.cuda.synchronize if a.device == "cuda" else lambda: None

    def log(row: dict) -> None:
        line = json.dumps(row)
        print(line, flush=True)
        with open(a.out / "log.jsonl", "a") as f:
            f.write(line + "\n")

    def receive(least: int = 0) -> None:
        while len(resident.photos) < least or not arrived.empty():
            resident.add(*arrived.get())

    def report_validation(last: bool = False) -> dict:
        torch.backends.cudnn.benchmark = False
        found = validate(run.average.net, run.average.codebook.quantise, run.validation_paths)
        torch.backends.cudnn.benchmark = True
        log({"step": run.step, "pixels": run.pixels, "at": round(time.time() - started, 1), **found})
        return found

    log({"start": round(time.time() - started, 1), "gpu": torch.cuda.get_device_name() if a.device == "cuda" else "none", "validation": len(run.validation_paths)})
    receive(40)
    log({"pictures": len(resident.photos), "at": round(time.time() - started, 1)})
    report_validation()
    torch.backends.cudnn.benchmark = True

    def begin(batch: int, crop: int) -> None:
        run.prepare(batch, crop)
        run.x.copy_(resident.batch(batch, crop))
        began = time.time()
        run.capture()
        synchronize()
        log({"captured": [batch, crop], "seconds": round(time.time() - began, 1), "gib": round(torch.cuda.max_memory_allocated() / 2**30, 1)})

    batch, crop = a.batch, a.crop
    run.set_rate(1e-6)
    begin(batch, crop)
    first = time.time()
    validated = reported = first
    trunk = False
    steps = 0
    while True:
        now = time.time()
        if run.step % 64 == 0:
            deadline = float(a.deadline.read_text())
        share = (now - first) / (deadline - first)
        if share >= 1:
            break
        if share > 1 - a.decay_share and not trunk:
            trunk = True
            save_parts(a.out, "trunk", run.model.state_dict(), {"pixels": run.pixels, "history": run.history})
        if share > 1 - a.last_share and crop != a.last_crop:
            batch, crop = a.last_batch, a.last_crop
            run.graph = None
            begin(batch, crop)
        rate = a.learning_rate * min(1, (run.step + 1) / 200) * min(1.0, max(0.01, (1 - share) / a.decay_share))
        run.set_rate(rate)
        receive()
        run.x.copy_(resident.batch(batch, crop))
        run.quality.copy_(QUALITY_MIN + torch.rand(batch, device=a.device) * (QUALITY_MAX - QUALITY_MIN))
        run.advance()
        if run.step % GAIN_EVERY == 0:
            run.rate = lambda: rate  # type: ignore[method-assign]  # noqa: B023
            run.tune_gain(run.x, run.quality)
        run.step += 1
        run.pixels += batch * crop**2
        steps += 1
        if run.step % 20 == 0:
            synchronize()  # no run-ahead beyond what the clock says
        if time.time() - reported > 10:
            mean = (run.sums / steps).tolist()
            run.sums.zero_()
            now = time.time()
            row = {"step": run.step, "at": round(now - started, 1), "share": round(share, 3), "rate": rate}
            row |= {"loss": mean[0], "bpp": mean[1], "db": mean[2], "norm": mean[3], "photos": len(resident.photos)}
            row |= {"drawn": len(resident.drawn), "mpx": round(steps * batch * crop**2 / (now - reported) / 1e6, 1)}
            log({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
            reported, steps = now, 0
            if not np.isfinite(mean[0]):
                log({"error": "the loss is not finite"})
                os._exit(3)
        if time.time() - validated > a.validate_every:
            report_validation()
            save_parts(a.out, "average", run.average.state_dict(), {"pixels": run.pixels, "history": run.history})
            validated = reported = time.time()
            run.sums.zero_()
            steps = 0
    found = report_validation(True)
    save_parts(a.out, "average", run.average.state_dict(), {"pixels": run.pixels, "history": run.history, "validation": found})
    log({"perplexity": [round(p, 1) for p in run.codebook.perplexity()]})
    log({"done": round(time.time() - started, 1)})
    stop.set()
    os._exit(0)


if __name__ == "__main__":
    main()
