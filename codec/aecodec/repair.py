"""What a damaged file has lost of its codes: guesses for it, and where they are.

Of a tile of which nothing is left, the latents of the coarsest stage are first those of the harmonic function (Laplace's equation)
that has the values of the tiles around it at its edge. A small network (train/filler.py), trained with tiles masked, corrects them;
all else is what the prior expects of that. Integer arithmetic, so that guesses, too, are the same on every machine.
"""

import functools
import json
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import safe_open

from ._core import constants
from .errors import ModelError
from .header import Header
from .model import Model, identity_of

FILLER = "weights/filler.safetensors"
NOTHING_LEFT = 255  # of a mask: no stage's codes are there
BITS = 8  # more fractional bits than a step's, while values are averaged
VALUE_MAX = 1 << 19  # of values, in steps with CODEWORD_BITS: docs/format.md, section 6
SWEEPS = 64  # of relaxation, at every resolution
FILLER_BITS, ACTIVATION_BITS = 12, 10  # fractional bits of the filler's weights and of what its layers give
ACTIVATION_MAX = 1 << 18  # so that sums are exact in float64
DILATIONS = (1, 2, 4, 1)  # of its inner layers
LAYERS = len(DILATIONS) + 2
FEATURE_BITS = constants.CODEWORD_BITS + constants.STEP_BITS  # fractional bits of values times steps


def coarse_guesses(model: Model, header: Header, qualities: np.ndarray | None, codes: np.ndarray, lost: list[bool]) -> np.ndarray:
    """What the coarsest stage's latents are more than the prior expects, for `Network.decode`: int32 (h, w, latents).

    Args:
        qualities: a map of quality_map.py, or None.
        codes: of that stage, (h, w, groups, rvq_levels); those of lost tiles are of no account.
        lost: of every tile, whether nothing of it is left.
    """
    values = values_of(model, codes)
    size = values.shape[:2]
    quality = np.full(size, header.quality) if qualities is None else qualities.astype(int)
    steps = model.tensors["stages.0.step"].astype(np.int64)[quality - 1]
    hole = expanded_tiles(np.array(lost).reshape(-1, header.tile_columns), (1 << header.tile_log2) // unit_of(model, 0), size)
    features = harmonic(values * steps, hole)
    if filler().model == model.identity:
        features += filler()(features, hole)
    guesses = (features + steps // 2) // steps
    return np.where(hole[:, :, None], np.clip(guesses, -VALUE_MAX, VALUE_MAX), 0).astype(np.int32)


def values_of(model: Model, codes: np.ndarray) -> np.ndarray:
    """The coarsest stage's codes -> int64 (h, w, latents), in steps with CODEWORD_BITS: docs/format.md, section 4."""
    lattice, books = (model.tensors[name].astype(np.int64) for name in ("lattice", "stages.0.codebook"))
    h, w, groups, rvq_levels = codes.shape
    fine = codes[..., -1]
    values = np.stack([books[g][fine[:, :, g]] for g in range(groups)], 2)
    for level in range(1, rvq_levels):
        values += lattice[codes[..., rvq_levels - 1 - level]] << constants.RVQ_LEVEL_BITS * level
    return values.reshape(h, w, -1)


def harmonic(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """int64 (h, w, d) with the positions of a hole, bool (h, w), filled in: each is the mean of its neighbours.

    Relaxed from the solution at half the resolution, whose positions are the means of what is known of theirs (pull-push; Gortler
    et al., The Lumigraph, SIGGRAPH 1996). Without any known position nothing is filled.
    """
    if not hole.any() or hole.all():
        return values
    h, w = hole.shape
    known = ~hole
    starts = [np.arange(0, n, 2) for n in (h, w)]

    def sums(a: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(a, starts[0], axis=0), starts[1], axis=1)

    count = sums(known.astype(np.int64))
    means = (sums(np.where(hole[:, :, None], 0, values)) + count[:, :, None] // 2) // np.maximum(count, 1)[:, :, None]
    coarse = harmonic(means, count == 0)
    start = coarse.repeat(2, axis=0).repeat(2, axis=1)[:h, :w]
    return relaxed(np.where(hole[:, :, None], start, values), hole)


def relaxed(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`harmonic` by Gauss and Seidel's method, red and black positions in turn, with the hole's values as a start."""
    rows, columns = np.indices(hole.shape)
    colours = [hole & ((rows + columns) % 2 == c) for c in (0, 1)]
    inside = np.pad(np.ones(hole.shape, np.int64), 1)
    count = (inside[:-2, 1:-1] + inside[2:, 1:-1] + inside[1:-1, :-2] + inside[1:-1, 2:])[:, :, None]
    padded = np.pad(values << BITS, ((1, 1), (1, 1), (0, 0)))
    for _ in range(SWEEPS):
        for colour in colours:
            total = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
            padded[1:-1, 1:-1][colour] = ((total + count // 2) // count)[colour]
    return padded[1:-1, 1:-1] + (1 << BITS - 1) >> BITS


class Filler:
    """The network that corrects what is filled in, fitted to one model's latents: `model` is its identity."""

    def __init__(self, path: Path):
        """Raises ModelError if the file is none, or damaged."""
        try:
            with safe_open(path, "numpy") as f:
                metadata = json.loads(f.metadata()["aecodec"])
                tensors = {name: f.get_tensor(name) for name in f.keys()}
            if identity_of({}, tensors) != metadata["identity"]:
                raise ValueError("it is damaged")
            self.model: int = metadata["model"]
            self.layers = [(tensors[f"{i}.weight"].astype(float), tensors[f"{i}.bias"].astype(float)) for i in range(LAYERS)]
        except MemoryError:
            raise
        except Exception as error:
            raise ModelError(f"{path}: no weights of the filler ({' '.join(str(error).split()):.200})") from error

    def __call__(self, features: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """int64 (h, w, latents) with FEATURE_BITS, and the hole, bool (h, w) -> what is to be added, int64; 0 outside the hole."""
        one = np.full((*hole.shape, 1), 1 << ACTIVATION_BITS)
        rounded = features + (1 << FEATURE_BITS - ACTIVATION_BITS - 1) >> FEATURE_BITS - ACTIVATION_BITS
        x = np.maximum(convolved(np.concatenate([rounded, one * hole[:, :, None], one], 2), *self.layers[0]), 0)
        for dilation, layer in zip(DILATIONS, self.layers[1:-1], strict=True):
            x = x + np.maximum(convolved(x, *layer, dilation), 0)
        more = convolved(x, *self.layers[-1]).astype(np.int64) << FEATURE_BITS - ACTIVATION_BITS
        return np.where(hole[:, :, None], more, 0)


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int = 1) -> np.ndarray:
    """Whole numbers (h, w, I), weights (O, I, n, n) -> whole numbers (h, w, O), as float64; zeros are around the map.

    All products and sums are below 2^53, so that float64 has them exactly in whatever order.
    """
    h, w, _ = x.shape
    n, edge = weight.shape[2], weight.shape[2] // 2 * dilation
    padded = np.pad(np.clip(x, -ACTIVATION_MAX, ACTIVATION_MAX).astype(float), ((edge, edge), (edge, edge), (0, 0)))
    total = np.tile(bias, (h, w, 1))
    for row in range(n):
        for column in range(n):
            part = padded[row * dilation : row * dilation + h, column * dilation : column * dilation + w]
            total += part @ weight[:, :, row, column].T
    return np.asarray(np.floor((total + (1 << FILLER_BITS - 1)) / (1 << FILLER_BITS)))


@functools.cache
def filler() -> Filler:
    """The one inside the package."""
    with resources.as_file(resources.files(__package__) / FILLER) as path:
        return Filler(path)


def mask(model: Model, header: Header, missing: list[list[bool]]) -> np.ndarray:
    """Where the coded picture is guessed, and how much of it: uint8 of its size.

    Args:
        missing: [stage][tile], whether it is guessed, of the stages that the picture is made of.

    Returns:
        0 where the pixels are those of the undamaged file; else 255 times the share of stages that are guessed, rounded. A strip
        along tiles with guesses, as wide as the last stage's blocks see, counts as one stage.
    """
    stages, size = len(missing), header.coded_size
    reach = model.shape["stages"][stages - 1]["refine"] * unit_of(model, stages - 1)
    count = np.sum(missing, axis=0).reshape(-1, header.tile_columns)
    values = ((2 * NOTHING_LEFT * count + stages) // (2 * stages)).astype(np.uint8)
    side = 1 << header.tile_log2
    found = np.zeros(size, np.uint8)
    for row, column in np.argwhere(count):
        top, left = row * side, column * side
        found[max(0, top - reach) : top + side + reach, max(0, left - reach) : left + side + reach] = NOTHING_LEFT // stages
    return np.asarray(np.maximum(found, expanded_tiles(values, side, size)))


def expanded_tiles(tiles: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    """What holds of tiles (rows, columns), for each of their positions, (h, w)."""
    return np.asarray(tiles.repeat(side, axis=0)[: size[0]].repeat(side, axis=1)[:, : size[1]])


def unit_of(model: Model, stage: int) -> int:
    """Pixels on a side of a stage's position."""
    return int(constants.BLOCK << model.shape["stages"][stage]["level"])
