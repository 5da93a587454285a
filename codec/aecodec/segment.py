"""Which blocks of a picture go to its lossless layer, by what they cost there and with codewords; and what each of both then codes.

Costs are in bits: those of the file, and λ times the squared error. They are of blocks of 8x8 pixels, float32 (rows, columns).
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .layer import BLOCK, Layer, expanded

SAMPLE = 1 << 14  # pixels, about, by which the most frequent colour is found
NEIGHBOUR = 10.0  # bits by which each of eight neighbours draws a block to its side
FLAT, RINGING = 2.0, 40.0  # bits of a block that is all one colour; what errors of codewords, which show there, are to cost
ROUNDS = 6
OUTLINE, CONTINUED = 2.0, 0.65  # bits of the mask; of what the cheaper of two blocks costs with codewords
LEAST_SHARE = 0.1  # of what its blocks cost otherwise is what a layer gains
LEAST_GAIN, LEAST_GAIN_OF_NOISE = 4000.0, 20000.0  # bits that a layer gains, as it has tables of codes; those of noise are large
SMOOTH = 12  # levels by which a block's pixels differ that codewords have nearly for nothing
WHOLE = 1.15  # times the cost of a mixed picture may a picture cost that is all layer


def best_layer(step: int, others: np.ndarray, costs: np.ndarray, flat: np.ndarray) -> tuple[Layer, float]:
    """A layer and what it costs, from the costs of blocks with codewords and in the layer; flat: those of one colour."""
    gain, edges = others - costs, Edges.of(others)
    mask = smoothed(gain + np.where(flat, np.float32(RINGING), np.float32(0)), edges)
    gained = float(gain[mask].sum()) - edges.between(mask)
    least = LEAST_GAIN if step == 1 else LEAST_GAIN_OF_NOISE
    cost, whole = float(others.sum()) - gained, float(costs.sum())
    if whole < WHOLE * cost or gained < max(least, LEAST_SHARE * float(others[mask].sum())):
        return Layer(step, None), whole
    return Layer(step, mask), cost


@dataclass(frozen=True)
class Edges:
    """What it costs that a block is in the layer and the one to the right, or below, is not, or the other way round."""

    across: np.ndarray  # (rows, columns - 1)
    down: np.ndarray  # (rows - 1, columns)

    @classmethod
    def of(cls, others: np.ndarray) -> "Edges":
        """What goes on from one block into the next is not saved if one of them is left to codewords: bits, by a fit."""
        both = (np.minimum(a, b) for a, b in ((others[:, 1:], others[:, :-1]), (others[1:], others[:-1])))
        return cls(*(np.float32(OUTLINE) + np.float32(CONTINUED) * least for least in both))

    def between(self, mask: np.ndarray) -> float:
        return float(self.across[mask[:, 1:] != mask[:, :-1]].sum() + self.down[mask[1:] != mask[:-1]].sum())

    def pull(self, mask: np.ndarray) -> np.ndarray:
        """By how much a block's four neighbours draw it into the layer; where it is negative, out of it."""
        side = np.where(mask, np.float32(1), np.float32(-1))
        pull = np.zeros_like(side)
        pull[:, 1:] += self.across * side[:, :-1]
        pull[:, :-1] += self.across * side[:, 1:]
        pull[1:] += self.down * side[:-1]
        pull[:-1] += self.down * side[1:]
        return pull


def smoothed(gain: np.ndarray, edges: Edges | None = None) -> np.ndarray:
    """The blocks to take, from what each gains: iterated conditional modes of a Potts model (Besag, JRSS B 1986)."""
    mask = around(gain) + gain > 0
    for _ in range(ROUNDS):
        pull = gain + NEIGHBOUR * around(np.where(mask, 1.0, -1.0))
        mask = (pull if edges is None else pull + edges.pull(mask)) > 0
    return np.asarray(mask)


def around(values: np.ndarray) -> np.ndarray:
    """The sum of every block's eight neighbours; those beyond the edge are like the edge."""
    padded = np.pad(values, 1, "edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - values)


def packed(samples: np.ndarray) -> np.ndarray:
    """uint8 (..., 1) or (..., 3) -> uint32 (...), a number for every colour."""
    values = samples[..., 0].astype(np.uint32)
    for c in range(1, samples.shape[-1]):
        values = values << 8 | samples[..., c]
    return np.asarray(values)


def blanked(samples: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What a layer is to code: outside, a frequent colour of the inside.

    samples: uint8 (H, W) or (H, W, 3); inside: bool (H, W).
    """
    every = math.isqrt(max(1, inside.size // SAMPLE)) | 1
    colours = samples.reshape(*inside.shape, -1)
    some = colours[::every, ::every][inside[::every, ::every]]
    _, first, counts = np.unique(packed(some), return_index=True, return_counts=True)
    blank = some[first[counts.argmax()]] if len(some) else colours[0, 0]
    return np.where(inside[:, :, None], colours, blank).reshape(samples.shape)


def filled(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What codewords are to code: where a mask's blocks are not smooth, it goes smoothly from edge to edge.

    pixels: uint8 (H, W, 3); mask: bool (rows, columns). Smooth blocks stay: nothing is cheaper than what is there.
    """
    height, width = pixels.shape[:2]
    hidden = mask & (ranges(pixels) > SMOOTH)
    means = np.asarray(Image.fromarray(pixels).reduce(BLOCK), np.float32)
    image = Image.fromarray(np.clip(interpolated(means, ~hidden).round(), 0, 255).astype(np.uint8))
    smooth = image.resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, width / BLOCK, height / BLOCK))
    return np.where(expanded(hidden, height, width)[:, :, None], np.asarray(smooth), pixels)


def ranges(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> of every block, by how much pixels differ in the colour in which they differ most, uint8."""
    edges = [(0, -n % BLOCK) for n in pixels.shape[:2]]
    padded = np.pad(pixels, [*edges, (0, 0)], "edge")
    rows, columns = (n // BLOCK for n in padded.shape[:2])
    lines = padded.reshape(rows, BLOCK, -1)
    high, low = (lines.max(1), lines.min(1))
    shape = rows, columns, BLOCK, 3
    return np.asarray((high.reshape(shape).max(2) - low.reshape(shape).min(2)).max(2))


def interpolated(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(rows, columns, 3), where those that are not known are means of larger and larger surroundings."""
    return spread(values * known[:, :, None], known.astype(np.float32))


def spread(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    means = sums / np.maximum(counts, 1)[:, :, None]
    if (counts > 0).all() or max(counts.shape) == 1:
        return np.asarray(np.where(counts[:, :, None] > 0, means, 128.0) if not counts.any() else means)
    rows, columns = counts.shape
    even = np.pad(sums, ((0, rows % 2), (0, columns % 2), (0, 0))), np.pad(counts, ((0, rows % 2), (0, columns % 2)))
    half = [v[::2, ::2] + v[1::2, ::2] + v[::2, 1::2] + v[1::2, 1::2] for v in even]
    coarse = spread(*half)
    bands = [Image.fromarray(coarse[:, :, c].astype(np.float32)) for c in range(3)]
    box = (0, 0, columns / 2, rows / 2)
    finer = np.dstack([np.asarray(b.resize((columns, rows), Image.Resampling.BILINEAR, box=box)) for b in bands])
    return np.where(counts[:, :, None] > 0, means, finer)
