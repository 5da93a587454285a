"""Which blocks of a picture go to the lossless layer, by estimates of what they cost there and with codewords.

Costs are in bits: those of the file, and λ times the squared error. They are of blocks of 8x8 pixels, float32 (rows, columns); the
engine makes them (csrc/segment). Against whole pictures of the validation set, qualities 25 to 90, the estimates are within a fifth
for codewords, and for WebP within a fifth for photographs; text they make more expensive than it is, by up to 60 %.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ._core import codeword_costs, layer_costs
from .layer import BLOCK, Layer, divided, expanded
from .lossless import Methods, pack

SAMPLE = 1 << 14  # pixels, about, by which the most frequent colour is found
NEIGHBOUR = 10.0  # bits by which each of eight neighbours draws a block to its side
FLAT, RINGING = 2.0, 40.0  # bits of a block that is all one colour; what errors of codewords, which show there, are to cost
ROUNDS = 6
OUTLINE, CONTINUED = 2.0, 0.65  # bits of the mask; of what the cheaper of two blocks costs with codewords
LEAST_SHARE = 0.1  # of what its blocks cost otherwise is what a layer gains
LEAST_GAIN, LEAST_GAIN_OF_NOISE = 4000.0, 20000.0  # bits that a layer gains, as it has tables of codes; those of noise are large
DRAWN = 0.35  # of a block's pixels, at least, are like a neighbour if it is drawn: these are tried, and never kept in steps
NEVER = np.float32(1e4)  # bits
SMALL = 1 << 16  # pixels of pictures that are not sampled
SPACING, SAMPLED = 64, 16  # rows: of every 64, 16 are looked at first
HARDLY, MUCH = 0.003, 0.2  # shares of the blocks, or of the cost
HOPE = 0.3  # times its estimate is what a layer of drawn blocks may cost in the end
CLEARLY = 1.3  # times the cost of codewords
QUICK = Methods(1, png=False)
SMOOTH = 12  # levels by which a block's pixels differ that codewords have nearly for nothing
MOST = 2.0  # times its estimate: more is hardly drawn
BAND, BANDS = 8, 3  # rows of blocks: of every 24, 8 are tried
REPEATED = 1.25  # the more of what is drawn repeats itself, the more a part of it costs beside the whole: measured
WHOLE = 1.15  # times the cost of a mixed picture may a picture cost that is all layer
STEP_FACTOR, STEP_MAX = 16.0, 16  # a step is the power of two nearest to the root of 16 / λ


@dataclass(frozen=True)
class Plan:
    """The best layer, and the estimates of costs by which it was chosen, of the whole picture: with it, and with others."""

    layer: Layer | None
    cost: float
    codewords: float  # with no layer
    lossless: float  # with all pixels in steps of 1


def plan(pixels: np.ndarray, lam: float, threads: int = 0) -> Plan:
    """For a picture, uint8 (H, W, 3) or (H, W), and λ of its quality. threads: 0 for one a core."""
    samples = np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1))
    if is_plain(samples, lam, threads):
        return Plan(None, math.inf, math.nan, math.nan)
    others, (costs, runs) = codeword_costs(samples, lam, threads), layer_costs(samples, threads)
    drawn = runs > DRAWN * BLOCK**2
    hopeful = drawn & (others > HOPE * costs)
    exact = tried(pixels, costs, smoothed(np.where(hopeful, np.float32(1), np.float32(-1))))
    total, lossless = float(others.sum()), float(exact.sum())
    found = Plan(None, math.inf, total, lossless)
    coarse = step_for(lam)
    for step in (1, coarse) if coarse and noise_may_pay(samples, lam, coarse, threads) else (1,):
        costs = exact
        if step > 1:
            costs = layer_costs(divided(samples, step), threads)[0] + noise_cost(BLOCK**2, lam, step) + np.where(drawn, NEVER, 0)
        gain, edges = others - costs, Edges.of(others)
        mask = smoothed(gain + np.where(exact < FLAT, np.float32(RINGING), np.float32(0)), edges)
        gained = float(gain[mask].sum()) - edges.between(mask)
        least = LEAST_GAIN if step == 1 else LEAST_GAIN_OF_NOISE
        cost, whole = total - gained, float(costs.sum())
        if whole < WHOLE * cost or gained < max(least, LEAST_SHARE * float(others[mask].sum())):
            layer, cost = Layer(step, None), whole
        else:
            layer = Layer(step, mask)
        if cost < found.cost:
            found = Plan(layer, cost, total, lossless)
    return found


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


def sampled(samples: np.ndarray) -> np.ndarray:
    """Some of the rows, in groups; all of a small picture, and of one of few rows."""
    height, width, channels = samples.shape
    if height * width < SMALL or height < SPACING:
        return samples
    whole = height // SPACING * SPACING
    return samples[:whole].reshape(-1, SPACING, width, channels)[:, :SAMPLED].reshape(-1, width, channels)


def is_plain(samples: np.ndarray, lam: float, threads: int) -> bool:
    """Whether a sample says that there is nothing for a layer: little is drawn and dear with codewords, and noise is not dear."""
    some, step = sampled(samples), step_for(lam)
    costs, runs = layer_costs(some, threads)
    drawn = runs > DRAWN * BLOCK**2
    if drawn.mean() > MUCH:
        return False
    if drawn.mean() > HARDLY:
        others = codeword_costs(some, lam, threads)
        gain = np.maximum(0, others - HOPE * costs)[drawn].sum()
        if gain > max(LEAST_GAIN * some.size / samples.size, HARDLY * float(others.sum())):
            return False
    return not (step and noise_may_pay(samples, lam, step, threads))


def noise_may_pay(samples: np.ndarray, lam: float, step: int, threads: int) -> bool:
    """Whether a sample costs in steps not much more than with codewords."""
    some = sampled(samples)
    costs = float(layer_costs(divided(some, step), threads)[0].sum()) + noise_cost(some.shape[0] * some.shape[1], lam, step)
    return costs < CLEARLY * float(codeword_costs(some, lam, threads).sum())


def noise_cost(pixels: int, lam: float, step: int) -> float:
    """λ times the squared error of so many pixels in steps, if these are small against what differs between neighbours."""
    return lam * pixels * (step**2 - 1) / 12


def tried(pixels: np.ndarray, costs: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The costs of a lossless layer, of which those of the blocks that seem drawn are corrected by a quick trial, of some rows."""
    some = np.arange(len(drawn)) // BAND % BANDS == BANDS // 2
    whole = len(drawn) < BAND * BANDS or float(costs[some][drawn[some]].sum()) < LEAST_GAIN
    if whole:
        some[:] = True
    estimate = float(costs[some][drawn[some]].sum())
    if estimate < LEAST_GAIN:
        return costs
    part = pixels[some.repeat(BLOCK)[: len(pixels)]]
    ratio = 8 * len(pack(blanked(part, expanded(drawn[some], *part.shape[:2])), QUICK)) / estimate
    return np.where(drawn, costs * np.float32(min(MOST, ratio if whole or ratio > 1 else ratio**REPEATED)), costs)


def step_for(lam: float) -> int:
    """That in which a layer of noise is best, a power of two, so that smaller ones are never worse; 0 if it would be too coarse.

    Bits and λ times the error of uniform noise are least where the step's square is 18 / (ln 2 · λ).
    """
    step = 1 << max(0, round(math.log2(STEP_FACTOR / lam) / 2))
    return step if step <= STEP_MAX else 0


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
