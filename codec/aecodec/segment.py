"""Which blocks of a picture go to the lossless layer, by estimates of what they cost there and with codewords.

Costs are in bits: those of the file, and λ times the squared error. They are of blocks of 8x8 pixels, float32 (rows, columns).
Against whole pictures of the validation set, qualities 25 to 90, the estimates are within a fifth for codewords, and for WebP
within a fifth for photographs; text they make more expensive than it is, by up to 60 %.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .layer import BLOCK, Layer, divided, expanded
from .lossless import Methods, pack

STRIP = 128  # rows at once, for the memory
SAMPLE = 1 << 18  # pixels, about, by which colours are counted
BASE = 2.0  # bits of a block in which codewords find nothing
SIGNIFICANCE = 3.0  # bits to say that a coefficient is not zero, and its sign
RUN, TURN, FOUND = 0.01, 1.0, 1.0  # bits of a pixel like its neighbour, of a change between such pixels and others, of those others
NEIGHBOUR = 10.0  # bits by which each of eight neighbours draws a block to its side
FLAT, RINGING = 2.0, 40.0  # bits of a block that is all one colour; what errors of codewords, which show there, are to cost
ROUNDS = 6
LEAST_SHARE = 0.1  # of what its blocks cost otherwise is what a layer gains
LEAST_GAIN, LEAST_GAIN_OF_NOISE = 1000.0, 20000.0  # bits that a layer gains; one of noise has large tables of codes
DRAWN = 0.35  # of a block's pixels, at least, are like a neighbour if it is drawn: these are tried, and never kept in steps
NEVER = np.float32(1e4)  # bits
SMALL = 1 << 16  # pixels of pictures that are not sampled
SPACING, SAMPLED = 64, 16  # rows: of every 64, 16 are looked at first
HARDLY, MUCH = 0.003, 0.2  # shares of the blocks, or of the cost
HOPE = 0.3  # times its estimate is what a layer of drawn blocks may cost in the end
CLEARLY = 1.3  # times the cost of codewords
QUICK = Methods(1, png=False)
WHOLE = 1.15  # times the cost of a mixed picture may a picture cost that is all layer
STEP_FACTOR, STEP_MAX = 16.0, 16  # a step is the power of two nearest to the root of 16 / λ


@dataclass(frozen=True)
class Plan:
    """The best layer, and the estimates of costs by which it was chosen, of the whole picture: with it, and with others."""

    layer: Layer | None
    cost: float
    codewords: float  # with no layer
    lossless: float  # with all pixels in steps of 1


def plan(pixels: np.ndarray, lam: float) -> Plan:
    """For a picture, uint8 (H, W, 3) or (H, W), and λ of its quality."""
    samples = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if is_plain(samples, lam):
        return Plan(None, math.inf, math.nan, math.nan)
    others, (costs, runs) = codeword_costs(samples, lam), layer_costs(samples)
    drawn = runs > DRAWN * BLOCK**2
    hopeful = drawn & (others > HOPE * costs)
    exact = tried(pixels, costs, smoothed(np.where(hopeful, np.float32(1), np.float32(-1))))
    total, lossless = float(others.sum()), float(exact.sum())
    found = Plan(None, math.inf, total, lossless)
    coarse = step_for(lam)
    for step in (1, coarse) if coarse and noise_may_pay(samples, lam, coarse) else (1,):
        costs = exact
        if step > 1:
            costs = layer_costs(divided(samples, step))[0] + noise_cost(BLOCK**2, lam, step) + np.where(drawn, NEVER, 0)
        mask = smoothed(others - costs + np.where(exact < FLAT, np.float32(RINGING), np.float32(0)))
        gain = float((others - costs)[mask].sum())
        least = LEAST_GAIN if step == 1 else LEAST_GAIN_OF_NOISE
        cost, whole = total - gain, float(costs.sum())
        if whole < WHOLE * cost or gain < max(least, LEAST_SHARE * float(others[mask].sum())):
            layer, cost = Layer(step, None), whole
        else:
            layer = Layer(step, mask)
        if cost < found.cost:
            found = Plan(layer, cost, total, lossless)
    return found


def sampled(samples: np.ndarray) -> np.ndarray:
    """Some of the rows, in groups; all of a small picture, and of one of few rows."""
    height, width, channels = samples.shape
    if height * width < SMALL or height < SPACING:
        return samples
    whole = height // SPACING * SPACING
    return samples[:whole].reshape(-1, SPACING, width, channels)[:, :SAMPLED].reshape(-1, width, channels)


def is_plain(samples: np.ndarray, lam: float) -> bool:
    """Whether a sample says that there is nothing for a layer: little is drawn and dear with codewords, and noise is not dear."""
    some, step = sampled(samples), step_for(lam)
    drawn = layer_runs(some) > DRAWN * BLOCK**2
    if drawn.mean() > MUCH:
        return False
    if drawn.mean() > HARDLY:
        others, costs = codeword_costs(some, lam), layer_costs(some)[0]
        gain = np.maximum(0, others - HOPE * costs)[drawn].sum()
        if gain > max(LEAST_GAIN * some.size / samples.size, HARDLY * float(others.sum())):
            return False
    return not (step and noise_may_pay(samples, lam, step))


def noise_may_pay(samples: np.ndarray, lam: float, step: int) -> bool:
    """Whether a sample costs in steps not much more than with codewords."""
    some = sampled(samples)
    costs = float(layer_costs(divided(some, step))[0].sum()) + noise_cost(some.shape[0] * some.shape[1], lam, step)
    return costs < CLEARLY * float(codeword_costs(some, lam).sum())


def noise_cost(pixels: int, lam: float, step: int) -> float:
    """λ times the squared error of so many pixels in steps, if these are small against what differs between neighbours."""
    return lam * pixels * (step**2 - 1) / 12


def tried(pixels: np.ndarray, costs: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The costs of a lossless layer, of which those of the blocks that seem drawn are corrected by a quick trial."""
    estimate = float(costs[drawn].sum())
    if estimate < LEAST_GAIN:
        return costs
    inside = expanded(drawn, *pixels.shape[:2])
    found = 8 * len(pack(blanked(pixels, inside), QUICK))
    return np.where(drawn, costs * min(1.5, found / estimate), costs)


def step_for(lam: float) -> int:
    """That in which a layer of noise is best, a power of two, so that smaller ones are never worse; 0 if it would be too coarse.

    Bits and λ times the error of uniform noise are least where the step's square is 18 / (ln 2 · λ).
    """
    step = 1 << max(0, round(math.log2(STEP_FACTOR / lam) / 2))
    return step if step <= STEP_MAX else 0


def smoothed(gain: np.ndarray) -> np.ndarray:
    """The blocks to take, from what each gains: iterated conditional modes of a Potts model (Besag, JRSS B 1986)."""
    mask = around(gain) + gain > 0
    for _ in range(ROUNDS):
        mask = gain + NEIGHBOUR * around(np.where(mask, 1.0, -1.0)) > 0
    return np.asarray(mask)


def around(values: np.ndarray) -> np.ndarray:
    """The sum of every block's eight neighbours; those beyond the edge are like the edge."""
    padded = np.pad(values, 1, "edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - values)


def strips(samples: np.ndarray) -> Iterator[np.ndarray]:
    for y in range(0, len(samples), STRIP):
        yield samples[y : y + STRIP]


def block_sums(values: np.ndarray) -> np.ndarray:
    """(H, W), padded with zeros -> the sums of blocks, float32."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % BLOCK), (0, -width % BLOCK))) if height % BLOCK or width % BLOCK else values
    rows = padded.reshape(-1, BLOCK, padded.shape[1]).sum(1, dtype=np.float32)
    return np.asarray(rows.reshape(len(rows), -1, BLOCK).sum(2))


def dct_matrix() -> np.ndarray:
    k, n = np.mgrid[:BLOCK, :BLOCK]
    matrix = np.cos((2 * n + 1) * k * np.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return np.asarray(matrix, np.float32)


def opponents(planes: np.ndarray) -> list[np.ndarray]:
    """uint8 (C, H, W) of gray or RGB -> float32 (H, W) each: the sum of the colours, and what they differ by, orthonormal."""
    x = planes.astype(np.float32)
    if len(x) == 1:
        return [x[0] * np.float32(math.sqrt(3))]
    red, green, blue = x
    ends = red + blue
    scales = [np.float32(1 / math.sqrt(n)) for n in (3, 2, 6)]
    return [(ends + green) * scales[0], (red - blue) * scales[1], (ends - 2 * green) * scales[2]]


def codeword_costs(samples: np.ndarray, lam: float) -> np.ndarray:
    """Of a transform codec: every coefficient of an 8x8 DCT is left out, or costs what half the logarithm of its energy says.

    samples: uint8 (H, W, 1) or (H, W, 3).
    """
    dct, found = dct_matrix(), []
    for part in strips(samples):
        edges = [(0, -n % BLOCK) for n in part.shape[:2]]
        planes = np.ascontiguousarray(np.moveaxis(np.pad(part, [*edges, (0, 0)], "edge"), 2, 0))
        _, height, width = planes.shape
        total = np.full((-(-height // (2 * BLOCK)), width // BLOCK), BASE, np.float32)
        rows = planes.reshape(len(planes), -1, BLOCK, width)[:, ::2]  # one of two rows of blocks stands for both
        for x in opponents(rows.reshape(len(planes), -1, width)):
            energy = np.matmul(dct, x.reshape(-1, BLOCK, width)).reshape(-1, BLOCK) @ dct.T
            energy *= energy
            energy *= np.float32(lam / 3)
            energy.reshape(-1, BLOCK, width)[:, 0, ::BLOCK] = 0  # the mean, which the coarse stages have nearly for nothing
            coded = np.log2(energy + np.float32(1))
            coded *= np.float32(0.5)
            coded += np.float32(SIGNIFICANCE)
            total += block_sums(np.minimum(energy, coded, out=coded).reshape(-1, width))
        found.append(total.repeat(2, axis=0)[: height // BLOCK])
    return np.vstack(found)


def layer_costs(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of WebP's lossless format: runs of equal pixels cost nearly nothing, others what their colour's frequency or residual says.

    samples: uint8 (H, W, 1) or (H, W, 3). Returns the costs, and how many pixels are like a neighbour.
    """
    every = max(1, samples.shape[0] * samples.shape[1] // SAMPLE)
    counts = np.zeros(1 << 16, np.int64)
    for part in list(strips(samples))[::every]:
        key, new = keys(part, part[:1])
        counts += np.bincount(key[new], minlength=len(counts))
    rarity = np.float32(FOUND) + np.log2(max(1, counts.sum()) / np.maximum(counts, 1)).astype(np.float32)
    found, runs, above = [], [], samples[:1]
    for part in strips(samples):
        key, new = keys(part, above)
        x = np.ascontiguousarray(np.moveaxis(np.vstack([above, part]), 2, 0)).astype(np.int16)
        residual = x[:, 1:].copy()
        residual[:, :, 1:] -= (x[:, 1:, :-1] + x[:, :-1, 1:]) >> 1
        if len(residual) == 3:
            residual[0] -= residual[1]  # WebP subtracts green
            residual[2] -= residual[1]
        sizes = np.abs(residual).astype(np.float32) + np.float32(1)
        literal = np.log2(sizes[0] if len(sizes) == 1 else sizes[0] * sizes[1] * sizes[2])
        literal *= np.float32(1.6)
        literal += np.float32(len(sizes))
        np.minimum(literal, rarity[key], out=literal)
        literal[~new] = RUN
        literal[:, 1:] += np.float32(TURN) * (new[:, 1:] != new[:, :-1])
        found.append(block_sums(literal))
        runs.append(block_sums(~new))
        above = part[-1:]
    return np.vstack(found), np.vstack(runs)


def layer_runs(samples: np.ndarray) -> np.ndarray:
    """How many pixels of every block are like a neighbour."""
    return block_sums(~keys(samples, samples[:1])[1])


def keys(part: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A hash of every pixel's colour, and whether the pixel is neither like that to the left or above nor on a plane with them."""
    colour = packed(np.vstack([above, part]))
    new = colour[1:] != colour[:-1]
    left = colour[1:, :-1]
    new[:, 1:] &= (colour[1:, 1:] != left) & (colour[1:, 1:] != left + colour[:-1, 1:] - colour[:-1, :-1])
    new[:, 0] = False
    return (colour[1:] * np.uint32(2654435761)) >> 16, new


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
    every = max(1, inside.size // SAMPLE)
    colours = samples.reshape(*inside.shape, -1)
    some = colours[::every][inside[::every]]
    _, first, counts = np.unique(packed(some), return_index=True, return_counts=True)
    blank = some[first[counts.argmax()]] if len(some) else colours[0, 0]
    return np.where(inside[:, :, None], colours, blank).reshape(samples.shape)


def filled(pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What codewords are to code: inside, it goes smoothly from edge to edge. pixels: uint8 (H, W, 3); inside: bool (H, W)."""
    parts = []
    for part, hidden in zip(strips(pixels), strips(inside), strict=True):
        parts.append(np.dstack([block_sums(np.where(hidden, np.float32(0), part[:, :, c])) for c in range(3)]))
    counts = np.vstack([block_sums(np.where(hidden, np.float32(0), np.float32(1))) for hidden in strips(inside)])
    means = interpolated(np.vstack(parts), counts)
    image = Image.fromarray(np.clip(means.round(), 0, 255).astype(np.uint8))
    height, width = inside.shape
    smooth = image.resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, width / BLOCK, height / BLOCK))
    return np.where(inside[:, :, None], np.asarray(smooth), pixels)


def interpolated(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means, and where nothing is counted those of larger and larger surroundings: (rows, columns, 3)."""
    means = sums / np.maximum(counts, 1)[:, :, None]
    if (counts > 0).all() or max(counts.shape) == 1:
        return np.asarray(np.where(counts[:, :, None] > 0, means, 128.0) if not counts.any() else means)
    rows, columns = counts.shape
    even = np.pad(sums, ((0, rows % 2), (0, columns % 2), (0, 0))), np.pad(counts, ((0, rows % 2), (0, columns % 2)))
    half = [v[::2, ::2] + v[1::2, ::2] + v[::2, 1::2] + v[1::2, 1::2] for v in even]
    coarse = interpolated(*half)
    bands = [Image.fromarray(coarse[:, :, c].astype(np.float32)) for c in range(3)]
    box = (0, 0, columns / 2, rows / 2)
    finer = np.dstack([np.asarray(b.resize((columns, rows), Image.Resampling.BILINEAR, box=box)) for b in bands])
    return np.where(counts[:, :, None] > 0, means, finer)
