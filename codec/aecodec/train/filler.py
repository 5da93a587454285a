"""Trains the network that guesses tiles of which a damaged file has nothing (repair.py).

Usage: python -m aecodec.train.filler DATA OUT MINUTES

DATA: a folder of training pictures. OUT: a folder for filler.safetensors, and for the latents of all pictures, which are kept for
the next run. Parts are masked in training, as in masked auto-encoders (He et al., CVPR 2022): whole tiles of latents.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file
from torch import Tensor, nn

from .. import provenance
from ..encoder import header_for
from ..header import RGB
from ..model import Model, identity_of, shipped
from ..repair import ACTIVATION_BITS, DILATIONS, FILLER_BITS, values_of
from .data import load, split

QUALITY, SCALES = 40, (1, 2)  # that the latents are taken at; how much pictures are enlarged, so that a hole has surroundings
HIDDEN, BATCH, HOLES, RATE, DECAY, SEED = 32, 48, 4, 3e-3, 1e-2, 0
TILES = (1, 2, 4)  # positions on a side
BLOCKS = 8  # means of a position's pixels, a side, that errors are measured in
EXPORT = "filler.safetensors"


class Filler(nn.Module):
    """Latents (B, D, h, w), in the hole as `solved` has them, and the hole (B, 1, h, w) -> what is to be added in the hole."""

    def __init__(self, scale: Tensor):
        super().__init__()
        self.scale = scale  # (D,) standard deviations
        self.first = nn.Conv2d(len(scale) + 2, HIDDEN, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(HIDDEN, HIDDEN, 3, padding=d, dilation=d) for d in DILATIONS)
        self.last = nn.Conv2d(HIDDEN, len(scale), 1)
        nn.init.zeros_(self.last.weight)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        scale = self.scale[:, None, None]
        y = F.relu(self.first(torch.cat([x / scale, hole, torch.ones_like(hole)], 1)))
        for conv in self.inner:
            y = y + F.relu(conv(y))
        return self.last(y) * scale


def latents(model: Model, pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> the coarsest stage's latents, in features, float32 (h, w, latents), as a file would have them."""
    height, width = pixels.shape[:2]
    header = header_for(height, width, QUALITY, RGB, model)
    frame = model.frame(header)
    streams, _ = model.network.encode(np.ascontiguousarray(pixels), frame, model.betas, 1)
    values = values_of(model, model.network.decode_codes(streams, frame, 0, 1)[0])
    return (values * model.tensors["stages.0.step"][QUALITY - 1] / 2**24).astype(np.float32)


def means(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> the means of every whole position's 8x8 blocks, float32 (H / 64, W / 64, 192)."""
    h, w = (n // 64 for n in pixels.shape[:2])
    blocks = pixels[: h * 64, : w * 64].astype(np.float32).reshape(h, BLOCKS, 8, w, BLOCKS, 8, 3).mean((2, 5))
    return blocks.transpose(0, 2, 1, 3, 4).reshape(h, w, -1)


def load_latents(data: Path, out: Path, model: Model) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """-> the latents of training and validation pictures, and (D, D) which sum of squares an error of theirs has."""
    cache = out / f"latents-{model.identity:08x}.npz"
    if not cache.exists():
        found: dict[str, np.ndarray] = {}
        pairs = []
        for kind, paths in zip(("train", "validation"), split(data), strict=True):
            for path in paths:
                if not path.name.startswith("p_"):
                    continue  # graphics have no surroundings that would tell
                picture = Image.fromarray(load(path))
                for s in SCALES:
                    pixels = np.asarray(picture.resize((picture.width * s, picture.height * s), Image.Resampling.BICUBIC))
                    x = found[f"{kind}/{path.stem}/{s}"] = latents(model, pixels)
                    y = means(pixels)
                    pairs.append((x[: y.shape[0], : y.shape[1]].reshape(-1, x.shape[2]), y.reshape(-1, y.shape[2])))
        x, y = (np.concatenate(v) for v in zip(*pairs[::7], strict=True))
        found["basis"] = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0][:-1]
        np.savez(cache, allow_pickle=False, **found)
    with np.load(cache) as stored:
        sets = [[stored[k] for k in stored.files if k.startswith(kind)] for kind in ("train/", "validation/")]
        product = stored["basis"] @ stored["basis"].T / stored["basis"].shape[1]
        values, vectors = np.linalg.eigh(product)
        root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
        return sets[0], sets[1], root.astype(np.float32)


def hole_in(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """bool (h, w): a tile or some, or all from one tile on; something is left."""
    while True:
        side = int(rng.choice(TILES))
        rows, columns = -(-h // side), -(-w // side)
        tiles = np.zeros((rows, columns), bool)
        if rng.random() < 0.2:
            tiles.reshape(-1)[rng.integers(rows * columns) :] = True
        else:
            tiles.reshape(-1)[rng.choice(rows * columns, min(rows * columns, int(rng.choice((1, 1, 1, 2, 3)))), replace=False)] = (
                True
            )
        hole = tiles.repeat(side, 0)[:h].repeat(side, 1)[:, :w]
        if 0 < hole.mean() <= 0.75:
            return hole


def solved(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`repair.harmonic` in floating point, for its speed: (h, w, d) with the hole filled in."""
    h, w = hole.shape
    index = np.arange(h * w).reshape(h, w)
    laplacian = np.zeros((h * w, h * w), np.float32)
    for a, b in ((index[1:], index[:-1]), (index[:, 1:], index[:, :-1])):
        for i, j in ((a.ravel(), b.ravel()), (b.ravel(), a.ravel())):
            laplacian[i, j] -= 1
            np.add.at(laplacian, (i, i), 1)
    inside, flat = hole.ravel(), values.reshape(h * w, -1).copy()
    flat[inside] = np.linalg.solve(laplacian[inside][:, inside], -laplacian[inside][:, ~inside] @ flat[~inside])
    return flat.reshape(values.shape)


def batch(pictures: list[np.ndarray], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """-> latents, latents with a hole filled in (BATCH, D, h, w each), and the holes, of pictures of one shape."""
    shape = pictures[rng.integers(len(pictures))].shape
    alike = [x for x in pictures if x.shape == shape]
    drawn: list[list[Tensor]] = []
    for _ in range(HOLES):  # each in some pictures at once, for the time
        x = np.stack([alike[i] for i in rng.integers(len(alike), size=BATCH // HOLES)]).transpose(1, 2, 0, 3)
        hole = hole_in(rng, *shape[:2])
        filled = solved(x.reshape(*shape[:2], -1), hole).reshape(x.shape)
        holes = np.broadcast_to(hole[:, :, None, None], (*shape[:2], x.shape[2], 1)).astype(np.float32)
        drawn.append([torch.from_numpy(a.transpose(2, 3, 0, 1).copy()) for a in (x, filled, holes)])
    together = [torch.cat(parts) for parts in zip(*drawn, strict=True)]
    return together[0], together[1], together[2]


def error(net: Filler, basis: Tensor, rows: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The mean squared error of every picture's hole, of the means of its blocks, with the network and without; in dB."""
    x, filled, hole = rows
    results = []
    for guess in (filled + net(filled, hole), filled):
        d = F.conv2d(guess - x, basis[:, :, None, None]) * hole
        results.append(10 * torch.log10((d**2).sum((1, 2, 3)) / hole.sum((1, 2, 3)) + 30))  # 30: there is more in a picture
    return results[0], results[1]


def export(net: Filler, model: Model, path: Path, record: dict) -> None:
    """Writes the network in fixed point; the deviations that latents are divided by become a part of the weights."""
    parts = {name: p.detach().numpy().astype(float) for name, p in net.named_parameters()}
    scale = net.scale.numpy()
    parts["first.weight"] /= np.append(scale, [1, 1])[:, None, None]
    parts["last.weight"] *= scale[:, None, None, None]
    parts["last.bias"] *= scale
    tensors: dict[str, np.ndarray] = {}
    for i, name in enumerate(["first", *(f"inner.{n}" for n in range(len(DILATIONS))), "last"]):
        fixed = np.round(parts[f"{name}.weight"] * 2**FILLER_BITS)
        assert np.abs(fixed).max() < 2**15
        tensors[f"{i}.weight"] = fixed.astype(np.int16)
        tensors[f"{i}.bias"] = np.round(parts[f"{name}.bias"] * 2 ** (FILLER_BITS + ACTIVATION_BITS)).astype(np.int32)
    metadata = {"model": model.identity, "identity": identity_of({}, tensors), "record": record}
    save_file(tensors, path, {"aecodec": json.dumps(metadata)})
    path.chmod(0o644)


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    data, out, minutes = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    model = shipped()
    train, validation, basis = load_latents(data, out, model)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    deviation = np.concatenate([x.reshape(-1, x.shape[2]) for x in train]).std(0)
    net, b = Filler(torch.from_numpy(np.maximum(deviation, 0.25))), torch.from_numpy(basis)
    kept = [batch(validation, np.random.default_rng([SEED, i])) for i in range(8)]
    adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    rng, start = np.random.default_rng(SEED), time.monotonic()
    for step in itertools.count(1):
        done = (time.monotonic() - start) / (60 * minutes)
        if done >= 1:
            break
        adam.param_groups[0]["lr"] = RATE * min(1.0, step / 100) * (1 - done)
        adam.zero_grad(set_to_none=True)
        loss = error(net, b, batch(train, rng))[0].mean()
        loss.backward()
        adam.step()
        if step % 200 == 0:
            report(step, net, b, kept)
    export(net, model, out / EXPORT, {"commit": provenance.commit(), "steps": step, "gain_db": report(step, net, b, kept)})


@torch.no_grad()
def report(step: int, net: Filler, basis: Tensor, kept: list[tuple[Tensor, Tensor, Tensor]]) -> float:
    """Prints and returns how many dB the network is ahead of the harmonic fill on validation pictures."""
    pairs = [torch.stack(error(net, basis, rows)) for rows in kept]
    with_net, without = torch.cat(pairs, 1).mean(1).tolist()
    print(json.dumps({"step": step, "harmonic_db": round(without, 3), "gain_db": round(without - with_net, 3)}), flush=True)
    return round(without - with_net, 3)


if __name__ == "__main__":
    main()
