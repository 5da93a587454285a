"""What half an hour on one GPU is for, in this order: are the kernels right, how fast are they, and then training.

Run: python bench/gpu.py DATA OUT MINUTES [--start RUN_OR_MODEL] [--device cuda]

DATA: the folder of training pictures. OUT gets gpu.json, after every part what is known by then, and `parts`: the weights in files
of at most 15 MiB, of which `python tools/from_gpu.py OUT/parts RUN DATA` makes a run to go on with, and a model for the gate.
Training starts from the shipped weights or those of --start, and ends MINUTES after the beginning of all. If the quantiser's
results are not the CPU's, nothing is trained, and the exit status is 1. Needs a build with -DAECODEC_CUDA=ON; --device cpu is to
try the script.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aecodec import compress, decompress, nearest, provenance
from aecodec.bench.distortions import finite_psnr
from aecodec.network import codebook
from aecodec.network.lattice import voronoi_code

ROOT = Path(__file__).parent.parent
SHAPES = ((1, 1, 8), (3, 3, 256), (2, 5, 64), (5, 4, 256), (32, 5, 256))  # groups, RVQ levels, codewords
POSITIONS = 300  # of the comparison
SAME_MIN = 0.999  # of the codes: of two that cost the same, either may be found
APART_MAX = 1e-4  # of the gradients, as a share of their norm
TIMED = (16 * 32 * 32, 32, 5)  # positions, groups, RVQ levels: stage 3 of 16 crops of 256x256
REPEATS = 10
NEAREST = ((1, 8, 1), (1000, 16, 3), (4097, 1024, 16), (100_000, 256, 4), (100_000, 512, 8))  # vectors, codewords, dimensions
LEAST_MINUTES = 0.5  # of training


def example(positions: int, groups: int, codewords: int, seed: int) -> tuple[Tensor, Tensor, codebook.Tables]:
    """-> residual, sigma (positions, groups, 4) and tables, from far below to far above the quantiser's steps."""
    random = torch.Generator().manual_seed(seed)
    words = torch.from_numpy(voronoi_code()).float().T[:, :codewords].contiguous()
    fine = words + 0.05 * torch.randn(groups, 4, codewords, generator=random)
    fine[:, :, 0] = 0
    log_weight = -torch.rand(groups, 2, codewords, generator=random)
    spread = 7 * torch.rand(positions, groups, 1, generator=random) - 3
    sigma = (spread + 0.3 * torch.randn(positions, groups, 4, generator=random)).exp2()
    residual = 1.3 * sigma * torch.randn(positions, groups, 4, generator=random)
    return residual, sigma, codebook.Tables(fine, words, log_weight, torch.tensor([0.08, 0.07]))


def compared(groups: int, rvq_levels: int, codewords: int, device: str) -> dict[str, float]:
    """How much of the codes is the CPU's, and how far the gradients are from its, for the same codes."""
    residual, sigma, tables = example(POSITIONS, groups, codewords, groups)
    there = residual.to(device), sigma.to(device), codebook.Tables(*(t.to(device) for t in tables)), rvq_levels, codebook.BETA
    code, value, bits = codebook.search(residual, sigma, tables, rvq_levels, codebook.BETA)
    found, _, _, prefix = codebook.team_search(*there)
    random = torch.Generator().manual_seed(1)
    along = torch.randn(value.shape, generator=random), torch.rand(bits.shape, generator=random)
    given = residual, sigma, *tables, rvq_levels, codebook.BETA
    wanted = codebook.quantise_gradient(*given, torch.empty(0, dtype=torch.int32), code, *along)
    gradients = codebook.team_gradient(*there, prefix, code.to(device), *(a.to(device) for a in along))
    apart = max(float((a.cpu() - b).norm() / b.norm()) for a, b in zip(gradients, wanted, strict=True))
    return {"same_codes": float((found.cpu() == code).all(2).float().mean()), "gradients_apart": apart}


def seconds(work: Callable[[], object], device: str) -> float:
    """The median of some runs, after one that is not counted."""
    times = []
    for _ in range(REPEATS + 1):
        before = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - before)
    return sorted(times[1:])[REPEATS // 2]


def speed(device: str) -> dict[str, float]:
    """Millions of groups a second, there and back."""
    positions, groups, rvq_levels = TIMED if device == "cuda" else (64, *TIMED[1:])
    residual, sigma, tables = example(positions, groups, 256, 0)
    residual, sigma = residual.to(device), sigma.to(device)
    there = residual, sigma, codebook.Tables(*(t.to(device) for t in tables)), rvq_levels, codebook.BETA
    code, value, bits, prefix = codebook.team_search(*there)
    along = torch.ones_like(value), torch.ones_like(bits)
    forward = seconds(lambda: codebook.team_search(*there), device)
    backward = seconds(lambda: codebook.team_gradient(*there, prefix, code, *along), device)
    return {k: round(positions * groups / t / 1e6, 3) for k, t in (("search", forward), ("gradients", backward))}


def nearest_compared(device: str) -> dict[str, float]:
    """Of sizes of the nearest-codeword search, how many of its indices are the CPU's."""
    rng, same = np.random.default_rng(0), {}
    for n, k, d in NEAREST:
        z, words = (rng.normal(size=(count, d)).astype(np.float32) for count in (n, k))
        found = nearest(z, words, device=device)
        same[f"{n} vectors, {k} codewords of {d}"] = float((found == nearest(z, words)).mean())
    return same


def analysis_compared(device: str) -> dict[str, dict[str, float]]:
    """A photograph's bytes and PSNR if it is analysed on the device, beside those without."""
    pixels, result = np.asarray(Image.open(ROOT / "examples" / "parrots.png").convert("RGB")), {}
    for quality in (10, 40, 60, 90):
        files = [compress(pixels, quality, device=d) for d in ("cpu", device)]
        db = [finite_psnr(pixels, decompress(f)) for f in files]
        result[str(quality)] = {"bytes": len(files[1]) / len(files[0]) - 1, "db": db[1] - db[0]}
    return result


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--start", type=Path, default=ROOT / "codec" / "aecodec" / "weights" / "aecodec.safetensors")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


def main() -> None:
    a, end = arguments(), time.time()
    end += 60 * a.minutes
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no GPU here (--device cpu tries the script)")
    a.out.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if a.device == "cuda" else "cpu"
    known: dict[str, object] = {"device": name, "commit": provenance.commit()}

    def say(name: str, found: object) -> None:
        known[name] = found
        print(f"{name}: {found}", flush=True)
        (a.out / "gpu.json").write_text(json.dumps(known, indent=1) + "\n")

    results = {f"{g} groups, {levels} levels, {k} codewords": compared(g, levels, k, a.device) for g, levels, k in SHAPES}
    say("correctness", results)
    if any(r["same_codes"] < SAME_MIN or not r["gradients_apart"] < APART_MAX for r in results.values()):
        sys.exit("the quantiser's results are not those of the CPU: nothing is trained")
    say("millions of groups a second", speed(a.device))
    say("nearest", nearest_compared(a.device))
    say("analysis", analysis_compared(a.device))
    if end - time.time() < 60 * LEAST_MINUTES:
        sys.exit("no time is left to train")
    start, deadline = a.out / "start.safetensors", a.out / "deadline"
    subprocess.run([sys.executable, ROOT / "tools" / "for_gpu.py", a.start, start], check=True)
    deadline.write_text(str(end))
    command = [sys.executable, "-m", "aecodec.train.gpu", "--data", a.data, "--start", start, "--out", a.out / "parts"]
    small = ["--device", "cpu", "--jobs", "1", "--batch", "1", "--last-batch", "1", "--last-crop", "256"]
    command += ["--deadline", deadline, *(small if a.device == "cpu" else [])]
    say("training", subprocess.run(command).returncode)
    sys.exit(known["training"] != 0)


if __name__ == "__main__":
    main()
