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
SPACING, SAMPLED = 64, 16  # rows: of every 64, 16 are looked at first
HARDLY, MUCH = 0.003, 0.2  # shares of the blocks, or of the cost
HOPE = 0.3  # times its estimate is what a layer of drawn blocks may cost in the end
CLEARLY = 1.3  # times the cost of codewords
QUICK = Methods(1, png=False)
MOST = 2.0  # times its estimate: more is hardly drawn
BAND, BANDS = 8, 3  # rows of blocks: of every 24, 8 are tried
REPEATED = 1.25  # the more of what is drawn repeats itself, the more a part of it costs beside the whole: measured
STEP_FACTOR, STEP_MAX = 16 / 3, 16  # a step is the power of two nearest to the root of 16 / λ; for gray, of a third
VERY_FEW = 4  # colours of a block's 64 pixels: a pattern,
FEW = 32  # colours: more are hardly drawn,
MOSTLY = 0.9  # unless most blocks have fewer
DEAR = 1.3  # times their estimate do codewords cost in a drawing, where their blocks have edges all around
OTHER = 0.1  # of the blocks, by which a mask differs that is worth a trial of its own
LARGE = 1 << 20  # pixels of pictures of which a third is tried
FEWER, FEWER_MIXED = 0.75, 0.9  # times what an exact picture, or an exact part of one, costs may one of fewer colours cost


@dataclass(frozen=True)
class Plan:
    """The best layer, and the estimates of costs by which it was chosen, of the whole picture: with it, and with others."""

    layer: Layer | None
    cost: float
    codewords: float  # with no layer
    lossless: float  # with all pixels in steps of 1
    shown: np.ndarray | None = None  # the picture in fewer colours, if the layer is to show that: uint8 (H, W, C)
    doubtful: bool = False  # whether exact pixels may cost less after all

    @property
    def is_whole(self) -> bool:
        """Whether all pixels are in the layer."""
        return self.layer is not None and self.layer.mask is None

    @property
    def is_exact(self) -> bool:
        """Whether all pixels are kept as they are."""
        return self.is_whole and self.layer is not None and self.layer.step == 1 and self.shown is None

    def kept(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """The blocks that are kept as they are, all or some, bool of this shape (rows, columns); None if there are none."""
        if self.layer is None or self.layer.step > 1 or self.cost >= self.codewords:
            return None
        return np.ones(shape, bool) if self.layer.mask is None else self.layer.mask


def plan(pixels: np.ndarray, lam: float, threads: int = 0, near: bool = True) -> Plan:
    """For a picture, uint8 (H, W, 3) or (H, W), and λ of its quality.

    threads: 0 for one a core. near: whether the layer may have fewer colours than the picture.
    """
    samples = np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1))
    if is_plain(samples, lam, threads):
        return Plan(None, math.inf, math.nan, math.nan)
    others, (costs, runs) = codeword_costs(samples, lam, threads), layer_costs(samples, threads)
    colours, drawn = distinct_colours(samples, threads), runs > DRAWN * BLOCK**2
    hopeful = drawn & (others > HOPE * costs) | patterns(colours, runs)
    exact, factor = tried(samples, costs, smoothed(np.where(hopeful, np.float32(1), np.float32(-1))))
    total, lossless = float(others.sum()), float(exact.sum())
    found = Plan(None, math.inf, total, lossless)
    coarse = step_for(lam, samples.shape[2])
    for step in (1, coarse) if coarse and noise_may_pay(samples, lam, coarse, threads) else (1,):
        costs = exact
        if step > 1:
            costs = layer_costs(divided(samples, step), threads)[0] + noise_cost(BLOCK**2, lam, step) + np.where(drawn, NEVER, 0)
        layer, cost = best_layer(step, others, costs, exact < FLAT)
        if cost < found.cost:
            found = Plan(layer, cost, total, lossless)
    return with_fewer_colours(samples, colours, others, lam, threads, found, factor) if near else found


def sampled(samples: np.ndarray) -> np.ndarray:
    """Some of the rows, in groups; all of a small picture, and of one of few rows."""
    height, width, channels = samples.shape
    if height * width < SMALL or height < SPACING:
        return samples
    whole = height // SPACING * SPACING
    return samples[:whole].reshape(-1, SPACING, width, channels)[:, :SAMPLED].reshape(-1, width, channels)


def is_plain(samples: np.ndarray, lam: float, threads: int) -> bool:
    """Whether a sample says that there is nothing for a layer: little is drawn and dear with codewords, and noise is not dear."""
    some, step = sampled(samples), step_for(lam, samples.shape[2])
    costs, runs = layer_costs(some, threads)
    drawn = runs > DRAWN * BLOCK**2
    if drawn.mean() > MUCH:
        return False
    if patterns(distinct_colours(some, threads), runs).mean() > HARDLY:
        return False
    if drawn.mean() > HARDLY:
        others = codeword_costs(some, lam, threads)
        gain = np.maximum(0, others - HOPE * costs)[drawn].sum()
        if gain > max(LEAST_GAIN * some.size / samples.size, HARDLY * float(others.sum())):
            return False
    return not (step and noise_may_pay(samples, lam, step, threads))


def patterns(colours: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """The blocks that are of few colours though no pixel is like a neighbour, bool: chequers, of which estimates know nothing."""
    return np.asarray((runs <= DRAWN * BLOCK**2) & (colours <= VERY_FEW))


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


def tried(samples: np.ndarray, costs: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, float]:
    """The costs of a lossless layer, of which those of the blocks that seem drawn are corrected by a quick trial, of some rows; and
    by which factor."""
    some = bands(len(drawn))
    whole = bool(some.all()) or float(costs[some][drawn[some]].sum()) < LEAST_GAIN
    if whole:
        some[:] = True
    estimate = float(costs[some][drawn[some]].sum())
    if estimate < LEAST_GAIN:
        return costs, 1.0
    ratio = quick_bits(samples[some.repeat(BLOCK)[: len(samples)]], drawn[some]) / estimate
    factor = min(MOST, ratio if whole or ratio > 1 else ratio**REPEATED)
    return np.where(drawn, costs * np.float32(factor), costs), factor


def step_for(lam: float, channels: int) -> int:
    """That in which a layer of noise is best, a power of two, so that smaller ones are never worse; 0 if it would be too coarse.

    Bits and λ times the error of uniform noise, the mean of a pixel's samples, are least where the step's square is 6 / (ln 2 · λ)
    for each of them.
    """
    step = 1 << max(0, round(math.log2(STEP_FACTOR * channels / lam) / 2))
    return step if step <= STEP_MAX else 0


@dataclass(frozen=True)
class Shown:
    """What a layer shows: the picture, or the same in fewer colours."""

    samples: np.ndarray  # uint8 (H, W, C)
    errors: np.ndarray  # squared, the means of a pixel's samples, of every block: float32 (rows, columns)

    def cost(self, mask: np.ndarray, lam: float, some: np.ndarray) -> float:
        """Of a layer with these blocks: bits, by a trial of some rows of blocks, and λ times the squared error."""
        rows = some.repeat(BLOCK)[: len(self.samples)]
        share = max(1, int(mask[some].sum())) / max(1, int(mask.sum()))
        return quick_bits(self.samples[rows], mask[some]) / share + lam * float(self.errors[mask].sum())


def in_fewer_colours(samples: np.ndarray, mask: np.ndarray, lam: float, threads: int) -> Shown:
    return Shown(*fewer_colours(samples, lam, np.ascontiguousarray(mask), threads))


def as_it_is(samples: np.ndarray, mask: np.ndarray) -> Shown:
    return Shown(samples, np.zeros(mask.shape, np.float32))


def with_fewer_colours(
    samples: np.ndarray, colours: np.ndarray, others: np.ndarray, lam: float, threads: int, found: Plan, factor: float
) -> Plan:
    """A plan whose layer shows the picture in fewer colours, if that is cheaper than what was found.

    colours: how many each block has. factor: see `tried`.

    A picture that would be exact stays so unless much is saved.
    """
    few = smoothed(np.where(colours <= FEW, np.float32(1), np.float32(-1)))
    if float(others[few].sum()) < LEAST_GAIN:
        return found
    if few.mean() > MOSTLY:
        few[:] = True
    kept = found.kept(few.shape)
    if few.all() or kept is None or kept.all():
        return drawn_plan(samples, few, others, lam, threads, found)
    return text_plan(samples, kept, lam, threads, found, factor)


def text_plan(samples: np.ndarray, kept: np.ndarray, lam: float, threads: int, found: Plan, factor: float) -> Plan:
    """The same for what is drawn beside a photograph: the blocks that were to be exact, of which no others are tried."""
    less = lam / min(1.0, factor)  # words repeat themselves, and so less is saved than colours' frequencies say
    shown, some = in_fewer_colours(samples, kept, less, threads), tried_rows(len(kept), kept.size)
    cost, rival = together([partial(what.cost, kept, lam, some) for what in (shown, as_it_is(samples, kept))], threads)
    return replace(found, cost=found.cost + cost - rival, shown=shown.samples) if cost < FEWER_MIXED * rival else found


def drawn_plan(samples: np.ndarray, few: np.ndarray, others: np.ndarray, lam: float, threads: int, found: Plan) -> Plan:
    """The same for a drawing, in which most blocks have few colours, or for a picture without an exact part.

    All pixels are in the layer, or the blocks that are best in it, or those of the plan that was found: by trials.
    """
    shown = in_fewer_colours(samples, few, lam, threads)
    costs, runs = layer_costs(shown.samples, threads)
    errors = np.float32(lam) * shown.errors
    hopeful = few & (runs > DRAWN * BLOCK**2) & (others > HOPE * costs + errors)
    hopeful = smoothed(np.where(hopeful, np.float32(1), np.float32(-1)))
    if float(others[hopeful].sum()) < LEAST_GAIN:
        return found
    some, everything = bands(len(others)), np.ones_like(hopeful)
    bits = shown.cost(hopeful, lam, some) - float(errors[hopeful].sum())
    costs = costs * np.float32(bits / float(costs[hopeful].sum())) + errors
    layer, _ = best_layer(1, others, costs, costs < FLAT)
    rgb = samples if samples.shape[2] > 1 else samples.repeat(3, axis=2)

    def rest(mask: np.ndarray) -> float:
        """What codewords cost for what a layer leaves."""
        dear = DEAR if few.all() else 1.0
        return 0.0 if mask.all() else dear * float(codeword_costs(filled(rgb, mask), lam, 1).sum())

    kept = found.kept(few.shape)
    masks = [] if kept is None else [kept]
    if layer.mask is not None and (kept is None or (layer.mask != kept).mean() > OTHER):
        masks.append(layer.mask)
    if (kept is None or not kept.all()) and (few.all() or float(costs.sum()) < min(found.cost, found.codewords)):
        masks.append(everything)
    if few.all():
        some = tried_rows(len(others), others.size)
    works = [partial(rest, m) for m in masks] + [partial(shown.cost, m, lam, some) for m in masks]
    if kept is not None:
        works.append(partial(as_it_is(samples, kept).cost, kept, lam, some))
    results, count = together(works, threads), len(masks)
    rests, layers, exact = results[:count], results[count : 2 * count], results[2 * count :]
    totals = [r + c for r, c in zip(rests, layers, strict=True)]
    rival = (rests[0] + exact[0]) * (FEWER if found.is_exact else 1) if exact else found.cost
    if min(totals, default=math.inf) >= min(found.codewords, rival):
        return found
    mask = masks[int(np.argmin(totals))]
    layer = Layer(1, None if mask.all() else mask)
    return replace(found, layer=layer, cost=min(totals), shown=shown.samples, doubtful=found.is_exact and layer.mask is not None)


def tried_rows(rows: int, blocks: int) -> np.ndarray:
    """Which rows of blocks are tried, bool, if it is to be exact: all but of a large picture."""
    return bands(rows) if blocks * BLOCK**2 > LARGE else np.ones(rows, bool)


def quick_bits(samples: np.ndarray, mask: np.ndarray) -> float:
    """What these blocks of a picture (H, W, 1) or (H, W, 3) take without loss, by a quick trial."""
    samples = samples if samples.shape[2] > 1 else samples[:, :, 0]
    return 8.0 * len(pack(blanked(samples, expanded(mask, *samples.shape[:2])), QUICK))
