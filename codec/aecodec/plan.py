"""What of a picture is to be kept in a lossless layer, and what as codewords: by estimates and trials of what that costs.

Costs are in bits: those of the file, and λ times the squared error. They are of blocks of 8x8 pixels, float32 (rows, columns); the
engine makes them (csrc/segment). Against whole pictures of the validation set, qualities 25 to 90, the estimates are within a fifth
for codewords, and for WebP within a fifth for photographs; text they make more expensive than it is, by up to 60 %.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ._core import codeword_costs, distinct_colours, fewer_colours, layer_costs
from .beside import together
from .layer import BLOCK, Layer, divided, expanded
from .lossless import Methods, pack
from .segment import FLAT, LEAST_GAIN, best_layer, blanked, filled, smoothed

DRAWN = 0.35  # of a block's pixels, at least, are like a neighbour if it is drawn: these are tried, and never kept in steps
NEVER = np.float32(1e4)  # bits
SMALL = 1 << 16  # pixels of pictures that are not sampled
LARGE = 1 << 20  # pixels of pictures of which a third is tried
SPACING, SAMPLED = 64, 16  # rows: of every 64, 16 are looked at first
HARDLY, MUCH = 0.003, 0.2  # shares of the blocks, or of the cost
HOPE = 0.3  # times its estimate is what a layer of drawn blocks may cost in the end
CLEARLY = 1.3  # times the cost of codewords
QUICK = Methods(1, png=False)
MOST = 2.0  # times its estimate: more is hardly drawn
BAND, BANDS = 8, 3  # rows of blocks: of every 24, 8 are tried
REPEATED = 1.25  # the more of what is drawn repeats itself, the more a part of it costs beside the whole: measured
STEP_FACTOR, STEP_MAX = 16.0, 16  # a step is the power of two nearest to the root of 16 / λ
FEW = 32  # colours of a block's 64 pixels: more are hardly drawn,
MOSTLY = 0.75  # unless most blocks have fewer
FEWER = 0.75  # times what an exact picture costs may one of fewer colours cost
DEAR = 1.3  # times their estimate do codewords cost in a drawing, where their blocks have edges all around
OTHER = 0.1  # of the blocks, by which a mask differs that is worth a trial of its own


@dataclass(frozen=True)
class Plan:
    """The best layer, and the estimates of costs by which it was chosen, of the whole picture: with it, and with others."""

    layer: Layer | None
    cost: float
    codewords: float  # with no layer
    lossless: float  # with all pixels in steps of 1
    shown: np.ndarray | None = None  # the picture in fewer colours, if the layer is to show that: uint8 (H, W, C)

    @property
    def is_whole(self) -> bool:
        """Whether all pixels are in the layer."""
        return self.layer is not None and self.layer.mask is None

    @property
    def is_exact(self) -> bool:
        """Whether all pixels are kept as they are."""
        return self.is_whole and self.layer is not None and self.layer.step == 1 and self.shown is None

    def kept(self, everything: np.ndarray) -> np.ndarray | None:
        """The blocks that are kept as they are, all or some, of a mask's shape; None if there are none."""
        if self.layer is None or self.layer.step > 1 or self.cost >= self.codewords:
            return None
        return everything if self.layer.mask is None else self.layer.mask


def plan(pixels: np.ndarray, lam: float, threads: int = 0, near: bool = True) -> Plan:
    """For a picture, uint8 (H, W, 3) or (H, W), and λ of its quality.

    threads: 0 for one a core. near: whether the layer may have fewer colours than the picture.
    """
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
        layer, cost = best_layer(step, others, costs, exact < FLAT)
        if cost < found.cost:
            found = Plan(layer, cost, total, lossless)
    return with_fewer_colours(samples, others, lam, threads, found) if near else found


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


def bands(rows: int) -> np.ndarray:
    """Which rows of blocks are tried, bool: all of a small picture."""
    return np.arange(rows) // BAND % BANDS == BANDS // 2 if rows >= BAND * BANDS else np.ones(rows, bool)


def tried(pixels: np.ndarray, costs: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The costs of a lossless layer, of which those of the blocks that seem drawn are corrected by a quick trial, of some rows."""
    some = bands(len(drawn))
    whole = bool(some.all()) or float(costs[some][drawn[some]].sum()) < LEAST_GAIN
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


@dataclass(frozen=True)
class Shown:
    """What a layer shows: the picture, or the same in fewer colours."""

    samples: np.ndarray  # uint8 (H, W, C)
    errors: np.ndarray  # squared, the means of a pixel's samples: float32 (H, W)

    @classmethod
    def in_fewer_colours(cls, samples: np.ndarray, lam: float, mask: np.ndarray, threads: int) -> "Shown":
        """In the colours that are best for these blocks; the others stay as they are."""
        return cls(*fewer_colours(samples, lam, np.ascontiguousarray(expanded(mask, *samples.shape[:2])), threads))

    def cost(self, mask: np.ndarray, lam: float, some: np.ndarray | None = None) -> float:
        """Of a layer with these blocks: bits by a trial, of some rows if they are given, and λ times the squared error."""
        inside = expanded(mask, *self.errors.shape)
        rows = slice(None) if some is None else some.repeat(BLOCK)[: len(inside)]
        part = self.samples[rows] if self.samples.shape[2] > 1 else self.samples[rows, :, 0]
        bits = 8 * len(pack(blanked(part, inside[rows]), QUICK))
        share = 1.0 if some is None else max(1, int(mask[some].sum())) / max(1, int(mask.sum()))
        return bits / share + lam * float(self.errors[inside].sum())


@dataclass(frozen=True)
class Candidate:
    """Fewer colours, and what is estimated of a layer of them."""

    shown: Shown
    mask: np.ndarray | None  # the blocks that are best in it; None if all are
    whole: float  # what a layer of all blocks costs
    drawing: bool  # whether hardly a block is not drawn


def candidate(samples: np.ndarray, others: np.ndarray, lam: float, threads: int) -> Candidate | None:
    """None if little is drawn."""
    few = smoothed(np.where(distinct_colours(samples, threads) <= FEW, np.float32(1), np.float32(-1)))
    if few.mean() > MOSTLY:
        few[:] = True
    if float(others[few].sum()) < LEAST_GAIN:
        return None
    shown = Shown.in_fewer_colours(samples, lam, few, threads)
    costs, runs = layer_costs(shown.samples, threads)
    errors = np.float32(lam) * sums(shown.errors)
    drawn = few & (runs > DRAWN * BLOCK**2) & (others > HOPE * costs + errors)
    hopeful = smoothed(np.where(drawn, np.float32(1), np.float32(-1)))
    if float(others[hopeful].sum()) < LEAST_GAIN:
        return None
    bits = shown.cost(hopeful, lam, bands(len(others))) - float(errors[hopeful].sum())
    total = costs * np.float32(bits / float(costs[hopeful].sum())) + errors
    layer, _ = best_layer(1, others, total, costs < FLAT)
    return Candidate(shown, layer.mask, float(total.sum()), bool(few.all()))


def with_fewer_colours(samples: np.ndarray, others: np.ndarray, lam: float, threads: int, found: Plan) -> Plan:
    """A plan whose layer shows the picture in fewer colours, if trials say that it is cheaper than the one that was found.

    All pixels in the layer, or the blocks that are best in it, or those of the plan that was found. A picture that would be
    exact stays so unless much is saved.
    """
    option = candidate(samples, others, lam, threads)
    if option is None:
        return found
    exact = Shown(samples, np.zeros(samples.shape[:2], np.float32))
    rgb = samples if samples.shape[2] > 1 else samples.repeat(3, axis=2)
    dear = DEAR if option.drawing else 1.0
    some = bands(len(others)) if others.size * BLOCK**2 > LARGE else None

    def total(what: Shown, mask: np.ndarray) -> float:
        """Of a layer with these blocks, and of codewords for what they leave."""
        cost = what.cost(mask, lam, some)
        return cost if mask.all() else cost + dear * float(codeword_costs(filled(rgb, mask), lam, threads).sum())

    everything = np.ones(others.shape, bool)
    kept = found.kept(everything)
    masks = [] if kept is None or kept.all() else [kept]
    if option.mask is not None and (not masks or (option.mask != kept).mean() > OTHER):
        masks.append(option.mask)
    works = [partial(total, option.shown, m) for m in masks]
    totals = together(works if kept is None else [*works, partial(total, exact, kept)], threads)
    rival = found.cost if kept is None else totals.pop() * (FEWER if found.is_exact else 1)
    most = min(found.codewords, rival)
    if option.drawing or option.whole < CLEARLY * min([most, *totals]):
        masks.append(everything)
        totals.append(total(option.shown, everything))
    if min(totals, default=math.inf) >= most:
        return found
    best = int(np.argmin(totals))
    mask, pixels = masks[best], option.shown.samples
    if not mask.all():  # without the colours of the other blocks
        pixels = Shown.in_fewer_colours(samples, lam, mask, threads).samples
    return replace(found, layer=Layer(1, None if mask.all() else mask), cost=totals[best], shown=pixels)


def sums(values: np.ndarray) -> np.ndarray:
    """(H, W) -> of every block, (rows, columns)."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % BLOCK), (0, -width % BLOCK)))
    return np.asarray(padded.reshape(padded.shape[0] // BLOCK, BLOCK, -1, BLOCK).sum((1, 3)))
