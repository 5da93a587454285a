"""Fits the tables of `aecodec.placeholder` to photographs: their colours' axes, and how likely each index is.

Run: python -m aecodec.train.placeholder ../shared/data/train

Fitted are, by the bits that they cost: the scale of every coefficient, how much the size of each coefficient says of the scales of
those after it (of low rank), and the probabilities of magnitudes at each scale; then the values that magnitudes stand for,
as the means of what they were. Takes some minutes of one core.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .. import placeholders
from ..placeholders import LONG_SIDE, STEPS, basis, grid
from .data import Member, load, split

SHAPES = {"landscape": (1.2, 2.2), "square": (1 / 1.2, 1.2), "portrait": (1 / 2.2, 1 / 1.2)}  # width / height, to fit on
COUNTS = (72, 32, 32)  # coefficients of luma and chroma
RANK, SCALES, MAGNITUDES = 6, 48, 16
CROPS = 4  # of each picture and shape
ITERATIONS, BATCH = 400, 256
COMMON = {1024: 20, 1365: 16, 1536: 16, 1820: 16, 768: 8, 683: 8, 576: 8, 1280: 4, 819: 4}  # width / height in 1/1024: weights
LONG = [1075, 1129, 1203, 1280, 1365, 1451, 1536, 1638, 1820, 1934, 2048, 2219, 2389, 2600, 2867, 3277, 3755, 4300, 5120, 6144]
LONG += [8192, 11585, 16384]
RATIOS = sorted({1024, *LONG, *(round(1024 * 1024 / n) for n in LONG)})
RATIO_WEIGHTS = [COMMON.get(n, 1) for n in RATIOS]
SCRIPT = Path(placeholders.__file__).parents[2] / "examples" / "placeholder.js"  # which has the tables, too
TOTAL = 1 << placeholders.FREQUENCY_BITS


def crops(paths: list[Member], rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """Random crops of every shape, reduced to the grid of their ratio: float32 (h, w, 3)."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in SHAPES}
    for path in paths:
        image = Image.fromarray(load(path))
        for name, ratios in list(SHAPES.items()) * CROPS:
            ratio = np.exp(rng.uniform(*np.log(ratios)))
            width = min(image.width, image.height * ratio) * rng.uniform(0.75, 1)
            height = width / ratio
            left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
            small = image.resize(grid(round(1024 * ratio)), Image.Resampling.BOX, (left, top, left + width, top + height))
            array = np.asarray(small).astype(np.float32)
            found[name].append(array[:, ::-1] if rng.random() < 0.5 else array)
    return found


def colour_axes(pictures: list[np.ndarray]) -> np.ndarray:
    """(3, 3), rows: orthonormal axes of the colours' differences from the pictures' means, luma first."""
    flat = np.concatenate([(p - p.mean((0, 1))).reshape(-1, 3) for p in pictures])
    _, vectors = np.linalg.eigh(np.cov(flat.T))
    axes = vectors.T[::-1]
    return axes * np.sign(axes[np.arange(3), np.abs(axes).argmax(1)])[:, None]


def spectrum(picture: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """-> (3, LONG_SIDE, LONG_SIDE), the coefficients in levels; zeros beyond the grid."""
    h, w = picture.shape[:2]
    planes = np.einsum("cd,hwd->chw", axes, picture - 128)
    by, bx = basis(h, h) / placeholders.UNIT / h, basis(w, w) / placeholders.UNIT / w
    out = np.zeros((3, LONG_SIDE, LONG_SIDE), np.float32)
    out[:, :h, :w] = by @ planes @ bx.T
    return out


class Tables(torch.nn.Module):
    """scale: (n,) in steps of the scale's index at the finest step; give, take: (n, RANK); logits (SCALES, MAGNITUDES)."""

    def __init__(self, deviation: np.ndarray):
        super().__init__()
        n = len(deviation)
        self.scale = torch.nn.Parameter(torch.tensor(4 * np.log2(deviation * 16 / STEPS[0]) + 12, dtype=torch.float32))
        self.give = torch.nn.Parameter(0.3 * torch.randn(n, RANK))
        self.take = torch.nn.Parameter(0.3 * torch.randn(n, RANK))

    def index(self, magnitude: Tensor, step: Tensor) -> Tensor:
        """(N, n) of whole numbers, (N,) -> the scales' indices, (N, n), not rounded."""
        given = magnitude.clamp(max=placeholders.GIVEN_MAX)[:, :, None] * self.give
        state = given.cumsum(1) - given
        return (self.scale + (self.take * state).sum(2) - step[:, None]).clamp(0, SCALES - 1.001)


def quantised(coefficients: Tensor, step: Tensor) -> Tensor:
    """Magnitudes, by a dead zone of about what the encoder's choice by rate amounts to."""
    size = torch.tensor(STEPS, dtype=torch.float32)[step] / 16
    return (coefficients.abs() / size[:, None] + 0.36).floor()


def fit(coefficients: Tensor, logits: torch.nn.Parameter, tables: Tables, seed: int) -> float:
    optimiser = torch.optim.Adam([*tables.parameters(), logits], 0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.03, ITERATIONS)
    generator, recent = torch.Generator().manual_seed(seed), []
    for _ in range(ITERATIONS):
        rows = torch.randint(len(coefficients), (BATCH,), generator=generator)
        step = torch.randint(2, 15, (BATCH,), generator=generator)
        loss = bits(quantised(coefficients[rows], step), step, tables, logits).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recent.append(loss.item())
    return float(np.mean(recent[-100:]))


def bits(magnitude: Tensor, step: Tensor, tables: Tables, logits: Tensor) -> Tensor:
    """(N, n), (N,) -> bits of each picture, signs too, with probabilities between the nearest two scales."""
    index = tables.index(magnitude, step)
    low = index.detach().floor().long()
    high = (index - low)[..., None]
    table = torch.log_softmax(logits, 1)
    p = torch.lerp(table[low], table[low + 1], high)
    p = p - p.logsumexp(-1, keepdim=True)
    symbol = magnitude.long().clamp(max=MAGNITUDES - 1)
    cost = -p.gather(2, symbol[..., None])[..., 0] / np.log(2)
    return (cost + (magnitude > 0)).sum(1)


def first_logits() -> Tensor:
    """Of Laplacians."""
    deviation = 2 ** ((torch.arange(SCALES)[:, None] - 12) / 4)
    return -torch.arange(MAGNITUDES) * np.sqrt(2) / deviation.clamp(min=0.25)


def whole_frequencies(p: np.ndarray) -> list[int]:
    """Probabilities -> frequencies of at least 1, with the sum TOTAL."""
    f = np.maximum(1, np.floor(p * TOTAL)).astype(int)
    f[f.argmax()] += TOTAL - f.sum()
    return [int(n) for n in f]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(placeholders.__file__).parent / "weights" / "placeholder.json")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    paths = [p for p in split(options.data)[0] if p.name.startswith("p_")]
    pictures = crops(paths, rng)
    axes = colour_axes(pictures["square"])
    logits, fitted, shapes = torch.nn.Parameter(first_logits()), {}, {}
    for name, found in pictures.items():
        all_of = np.stack([spectrum(p, axes) for p in found])
        energy = np.sqrt((all_of**2).mean(0))
        places = [
            (c, int(i) // LONG_SIDE, int(i) % LONG_SIDE)
            for c, count in enumerate(COUNTS)
            for i in np.argsort(-energy[c].ravel(), kind="stable")[:count]
        ]
        places.sort(key=lambda p: -energy[p])
        deviation = np.array([energy[p] for p in places])
        fitted[name] = torch.tensor(np.stack([all_of[:, c, u, v] for c, u, v in places], 1), dtype=torch.float32)
        shapes[name] = (places, Tables(deviation))
    for turn in range(2):  # the probabilities are shared
        for name, (_, tables) in shapes.items():
            print(turn, name, f"{fit(fitted[name], logits, tables, turn):.2f} bits", flush=True)
    write(options.out, axes, shapes, logits, fitted)


def write(out: Path, axes: np.ndarray, shapes: dict, logits: Tensor, fitted: dict) -> None:
    """Rounds the tables, and adds what magnitudes stand for."""
    total, count = np.zeros((SCALES, MAGNITUDES)), np.zeros((SCALES, MAGNITUDES))
    described = {}
    with torch.no_grad():
        for name, (places, tables) in shapes.items():
            described[name] = {
                "places": places,
                "scale": (tables.scale * 256).round().int().tolist(),
                "give": (tables.give * 16).round().clamp(-127, 127).int().tolist(),
                "take": (tables.take * 16).round().clamp(-127, 127).int().tolist(),
            }
            for k in range(3, 14):
                step = torch.full((len(fitted[name]),), k)
                m = quantised(fitted[name], step)
                index = tables.index(m, step).floor().long().numpy()
                symbol = m.long().clamp(max=MAGNITUDES - 1).numpy()
                excess = (fitted[name].abs() / (STEPS[k] / 16)).numpy() - m.numpy()
                np.add.at(total, (index, symbol), excess)
                np.add.at(count, (index, symbol), 1)
        p = torch.softmax((logits + logits.roll(-1, 0)) / 2, 1).numpy()  # an index rounded down is half a step higher on the mean
        p[-1] = torch.softmax(logits[-1], 0).numpy()
    excess = 64 * total / (count + 50)  # few examples say little
    tables = {
        "ratios": RATIOS,
        "ratio_frequencies": whole_frequencies(np.array(RATIO_WEIGHTS) / sum(RATIO_WEIGHTS)),
        "axes": np.rint(axes * (1 << 14)).astype(int).tolist(),
        "shapes": described,
        "frequencies": [whole_frequencies(row) for row in p],
        "excess": np.rint(excess[:, 1:4]).astype(int).tolist(),
    }
    text = json.dumps(tables, separators=(",", ":"))
    out.write_text(text + "\n")
    if SCRIPT.exists():
        SCRIPT.write_text(
            re.sub("^const TABLES = .*;$", lambda _: f"const TABLES = {text};", SCRIPT.read_text(), flags=re.MULTILINE)
        )
    print(out, len(text), "bytes")


if __name__ == "__main__":
    main()
