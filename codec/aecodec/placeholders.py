"""A picture as a short string: what a page shows until the picture itself is there.

The job of BlurHash and ThumbHash, by a transform coder with trained tables. The picture is reduced to 32 pixels on its long side;
the largest coefficients of its DCT along the axes of its colours (KLT) are quantised, and their magnitudes coded by rANS (Duda,
2013) in one number, whose digits in base 64 (the URL-safe alphabet of RFC 4648) are the string. How likely a magnitude is follows
from the magnitudes before it. The number begins, before any magnitude is pushed on it, as the row of signs: so no bit of the
coder's state is wasted. All of decoding is integer arithmetic, and examples/placeholder.js does the same.
"""

import bisect
import functools
import json
from importlib import resources
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .arguments import sides, whole
from .errors import DamagedFile, OptionError
from .picture import Picture

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LENGTH_DEFAULT, LENGTH_MIN, LENGTH_MAX = 28, 6, 100
SIDE_MAX = 4096  # of the picture that a string is turned into
LONG_SIDE = 32  # of the picture that is coded
FREQUENCY_BITS = 14
UNIT_BITS, ANGLES = 12, 4096  # of the cosines; of angles in a turn
UNIT = 1 << UNIT_BITS
STEPS = [48, 57, 68, 81, 96, 114, 136, 161, 192, 228, 272, 323, 384, 457, 543, 646]  # in 1/16 levels: fourth roots of 2 apart
STEP_TABLE = [1 << FREQUENCY_BITS - 4] * len(STEPS)
KINDS = [13000, 2200, 900, 200, 84]  # frequencies of colour, gray, either with alpha; the last is for what may come
GIVEN_MAX = 3  # of a magnitude, as the others see it
ESCAPE = 255  # the most above the last magnitude of the tables
BIT_PRICES = (0.08, 0.12, 0.17, 0.24)  # in squared steps
REFINEMENTS = 4

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Shape:
    """The tables for pictures of one shape: wide, square or tall."""

    def __init__(self, described: dict[str, Any]):
        places = np.array(described["places"])
        self.scale, self.places = np.array(described["scale"], np.int64), places
        give, take = (np.array(described[name], np.int64) for name in ("give", "take"))
        self.weights = np.tril(take @ give.T, -1)  # [later][earlier]: what a magnitude adds to a scale's index, in 1/256

    def planes(self, count: int) -> "Shape":
        """The tables of the first planes alone."""
        kept = object.__new__(Shape)
        inside = self.places[:, 0] < count
        kept.scale, kept.places, kept.weights = self.scale[inside], self.places[inside], self.weights[inside][:, inside]
        return kept


class Tables:
    """weights/placeholder.json, which aecodec/train/placeholder.py fits."""

    def __init__(self) -> None:
        text = (resources.files(__package__) / "weights" / "placeholder.json").read_text()
        stored = json.loads(text)
        self.axes = np.array(stored["axes"], np.float64)
        self.ratios: list[int] = stored["ratios"]
        self.ratio_table: list[int] = stored["ratio_frequencies"]
        self.frequencies: list[list[int]] = stored["frequencies"]
        self.starts = [starts(row) for row in self.frequencies]
        self.excess = np.pad(np.array(stored["excess"], np.int64), ((0, 0), (1, 0)))
        self.bits = FREQUENCY_BITS - np.log2(np.array(self.frequencies, float))
        self.bits[:, 1:] += 1  # the sign
        self.bits[:, -1] += 8
        self.last = len(self.frequencies[0]) - 1
        shapes = {name: Shape(s) for name, s in stored["shapes"].items()}
        self.shapes = {(name, planes): s.planes(planes) for name, s in shapes.items() for planes in (1, 3)}

    def shape(self, ratio: int, planes: int) -> Shape:
        name = "landscape" if ratio * 5 >= 6 * 1024 else "portrait" if ratio * 6 <= 5 * 1024 else "square"
        return self.shapes[name, planes]

    def index(self, level: Any) -> Any:
        return np.clip(level >> 8, 0, len(self.frequencies) - 1)

    def values(self, index: Ints, magnitude: Ints) -> Ints:
        """What magnitudes stand for, in 1/64 steps."""
        return 64 * magnitude + self.excess[index, np.minimum(magnitude, 3)]


tables = functools.cache(Tables)


def starts(frequencies: list[int]) -> list[int]:
    return [0, *accumulate(frequencies)][:-1]


def push(x: int, frequencies: list[int], start: list[int], symbol: int) -> int:
    f = frequencies[symbol]
    return (x // f << FREQUENCY_BITS) + x % f + start[symbol]


def pop(x: int, frequencies: list[int], start: list[int]) -> tuple[int, int]:
    """-> the number without its last symbol, and that."""
    slot = x & (1 << FREQUENCY_BITS) - 1
    symbol = bisect.bisect_right(start, slot) - 1
    return frequencies[symbol] * (x >> FREQUENCY_BITS) + slot - start[symbol], symbol


def grid(ratio: int) -> tuple[int, int]:
    """width, height of the picture that is coded; ratio: width / height in 1/1024."""
    if ratio >= 1024:
        return LONG_SIDE, max(1, (LONG_SIDE * 2048 + ratio) // (2 * ratio))
    return max(1, (LONG_SIDE * 2 * ratio + 1024) // 2048), LONG_SIDE


@functools.cache
def cosines() -> Floats:
    return np.asarray(np.rint(UNIT * np.sqrt(2) * np.cos(2 * np.pi / ANGLES * np.arange(ANGLES))))


@functools.lru_cache(64)
def basis(size: int, count: int) -> Floats:
    """(count, size) whole numbers: the DCT's functions at the middles of pixels, with a mean square of UNIT²."""
    u, x = np.arange(count)[:, None], np.arange(size)
    rows: Floats = cosines()[(2 * ANGLES * u * (2 * x + 1) + 4 * size) // (8 * size) % ANGLES]
    rows[0] = UNIT
    rows.flags.writeable = False
    return rows


def encode(picture: Picture, length: int) -> str:
    """See `aecodec.placeholder`."""
    length = whole("length", length, LENGTH_MIN, LENGTH_MAX)
    t, found = tables(), picture.width * 1024 / picture.height
    ratio = min(range(len(t.ratios)), key=lambda i: abs(np.log(found / t.ratios[i])))
    planes, gray, opaque = reduced(picture, grid(t.ratios[ratio]))
    shape, luma = t.shape(t.ratios[ratio], 1 if gray else 3), t.shape(t.ratios[ratio], 1)
    parts = ([] if opaque else [luma]) + [shape]
    coefficients = np.concatenate([transformed(p, s) for p, s in zip(planes, parts, strict=True)])
    kind = gray + 2 * (not opaque)
    budget = 6 * length - sum(FREQUENCY_BITS - np.log2(f) for f in (KINDS[kind], t.ratio_table[ratio], STEP_TABLE[0]))
    for _ in range(20):
        step, magnitude = chosen(coefficients, parts, budget)
        x = packed(magnitude, coefficients < 0, parts, step)
        x = push(x, STEP_TABLE, starts(STEP_TABLE), step)
        x = push(push(x, t.ratio_table, starts(t.ratio_table), ratio), KINDS, starts(KINDS), kind)
        if x.bit_length() <= 6 * length:
            return digits(x)
        budget -= max(1.0, x.bit_length() - 6 * length)
    raise OptionError(f"{length} characters are too few for this picture")


def reduced(picture: Picture, size: tuple[int, int]) -> tuple[list[Floats], bool, bool]:
    """-> the alpha, if there is some, and the colours, (1 or 3, h, w) less 128; whether they are gray; whether all is opaque."""
    picture = picture.eight_bit()
    image = Image.fromarray(picture.to_array()).resize(size, Image.Resampling.BOX, reducing_gap=3)
    small = np.asarray(image).astype(float)
    colours = small if picture.alpha is None else small[..., :-1]
    colours = colours.reshape(*small.shape[:2], -1)
    opacity = None if picture.alpha is None else small[..., -1]
    if opacity is not None and opacity.min() < 255:
        weight = np.maximum(opacity, 1e-3)[..., None]
        mean = (colours * weight).sum((0, 1)) / weight.sum()
        colours = mean + (colours - mean) * np.minimum(1, opacity / 64)[..., None]  # what nobody sees costs nothing
    else:
        opacity = None
    gray = colours.shape[2] == 1
    axes = tables().axes / (1 << 14)
    plane = (colours[..., 0] - 128)[None] * np.sqrt(3) if gray else np.einsum("cd,hwd->chw", axes, colours - 128)
    found = [plane] if opacity is None else [(opacity - 128)[None] * np.sqrt(3), plane]
    return found, gray, opacity is None


def transformed(planes: Floats, shape: Shape) -> Floats:
    """(planes, h, w) -> the coefficients of a shape, (n,), in levels; those beyond the grid are zero."""
    h, w = planes.shape[1:]
    spectrum = np.zeros((len(planes), LONG_SIDE, LONG_SIDE))
    spectrum[:, :h, :w] = basis(h, h) @ planes @ basis(w, w).T / (h * w * UNIT**2)
    c, u, v = shape.places.T
    return np.asarray(spectrum[c, u, v])


def chosen(coefficients: Floats, parts: list[Shape], budget: float) -> tuple[int, Ints]:
    """The step and the magnitudes of the least squared error whose bits fit the budget: rate-distortion optimal quantisation."""
    search = Search(coefficients, parts)
    _, error, bits = search.magnitudes(range(len(STEPS)), BIT_PRICES[1:2], 1)
    middle = int(np.where(bits <= 1.1 * budget, error, np.inf).argmin())
    steps = range(max(0, middle - 1), min(len(STEPS), middle + 2))
    magnitude, error, bits = search.magnitudes(steps, BIT_PRICES)
    error[bits > budget] = np.inf
    at, price = np.unravel_index(int(error.argmin()), error.shape)
    if np.isinf(error[at, price]):
        return len(STEPS) - 1, np.zeros(len(coefficients), np.int64)
    return steps[at], search.refined(steps[at], magnitude[at, price], budget)


class Search:
    """What quantising coefficients costs, of many choices at once."""

    def __init__(self, coefficients: Floats, parts: list[Shape]):
        self.size = np.abs(coefficients)
        self.scale = np.concatenate([s.scale for s in parts])
        self.weights = block_diagonal([s.weights for s in parts]).T.astype(float)

    def index(self, step: Ints, magnitude: Ints) -> Ints:
        given = np.minimum(magnitude, GIVEN_MAX).astype(float) @ self.weights
        return np.asarray(tables().index(self.scale - 256 * step + given.astype(np.int64)))

    def error(self, step: Ints, index: Ints, magnitude: Ints) -> Floats:
        """Squared, in steps."""
        return np.asarray((self.size * (16 / np.array(STEPS)[step]) - tables().values(index, magnitude) / 64) ** 2)

    def bits(self, index: Ints, magnitude: Ints) -> Floats:
        return np.asarray(tables().bits.take(index * (tables().last + 1) + np.minimum(magnitude, tables().last)))

    def magnitudes(self, steps: range, prices: tuple[float, ...], passes: int = 2) -> tuple[Ints, Floats, Floats]:
        """-> magnitudes (steps, prices, n), their squared error in levels and their bits (steps, prices)."""
        step, price = np.array(steps)[:, None, None], np.array(prices)[:, None]
        ratio = self.size * (16 / np.array(STEPS)[step])
        upper = np.minimum(np.floor(ratio + 0.5), tables().last + ESCAPE).astype(np.int64)
        shape = (len(steps), len(prices), len(self.size))
        options = [np.broadcast_to(m, shape) for m in (upper, np.maximum(upper - 1, 0), np.zeros_like(upper))]
        magnitude = np.broadcast_to(np.floor(ratio + 0.36).astype(np.int64), shape)
        for _ in range(passes):
            index = self.index(step, magnitude)
            costs = [self.error(step, index, m) + price * self.bits(index, m) for m in options]
            magnitude = np.choose(np.argmin(costs, 0), options)
        index = self.index(step, magnitude)
        error = self.error(step, index, magnitude) * (np.array(STEPS)[step] / 16) ** 2
        return magnitude, error.sum(2), self.bits(index, magnitude).sum(2)

    def refined(self, step: int, magnitude: Ints, budget: float) -> Ints:
        """What is left of the budget buys the best single steps upwards."""
        for _ in range(REFINEMENTS):
            short = np.flatnonzero(self.size * 16 / STEPS[step] > magnitude + 0.4)
            tried = np.concatenate([magnitude[None], magnitude + np.eye(len(magnitude), dtype=np.int64)[short]])
            index = self.index(np.array(step), tried)
            total = self.error(np.array(step), index, tried).sum(1)
            total[1:][self.bits(index[1:], tried[1:]).sum(1) > budget] = np.inf
            if total.argmin() == 0:
                break
            magnitude = tried[total.argmin()]
        return magnitude


def block_diagonal(blocks: list[Ints]) -> Ints:
    size = sum(len(b) for b in blocks)
    out, at = np.zeros((size, size), np.int64), 0
    for b in blocks:
        out[at : at + len(b), at : at + len(b)] = b
        at += len(b)
    return out


def packed(magnitude: Ints, negative: NDArray[np.bool_], parts: list[Shape], step: int) -> int:
    """The number that `unpacked` reads the magnitudes and signs from."""
    t, x = tables(), 0
    scale = np.concatenate([s.scale for s in parts]) - 256 * step
    level = scale + block_diagonal([s.weights for s in parts]) @ np.minimum(magnitude, GIVEN_MAX)
    for sign in negative[magnitude > 0][::-1]:
        x = 2 * x + int(sign)
    for m, i in zip(magnitude[::-1].tolist(), t.index(level)[::-1].tolist(), strict=True):
        if m >= t.last:
            x, m = (x << 8) + m - t.last, t.last
        x = push(x, t.frequencies[i], t.starts[i], m)
    return x


def unpacked(x: int, parts: list[Shape], step: int) -> list[Ints]:
    """-> the parts' coefficients, in 1/1024 levels. Raises ValueError if the number is none that `packed` makes."""
    t, signs = tables(), []
    found: list[Ints] = []
    for shape in parts:
        level, values = shape.scale - 256 * step, np.zeros(len(shape.scale), np.int64)
        for i in range(len(values)):
            index = min(max(level.item(i) >> 8, 0), len(t.starts) - 1)
            x, m = pop(x, t.frequencies[index], t.starts[index])
            if m == t.last:
                x, m = x >> 8, m + (x & 255)
            if m:
                signs.append((len(found), i))
                level = level + min(m, GIVEN_MAX) * shape.weights[:, i]
                values[i] = (64 * m + t.excess.item(index, min(m, 3))) * STEPS[step]
        found.append(values)
    for part, i in signs:
        if x & 1:
            found[part][i] *= -1
        x >>= 1
    if x:
        raise ValueError("bits are left over")
    return found


def digits(x: int) -> str:
    text = ""
    while x:
        x, digit = divmod(x, 64)
        text = ALPHABET[digit] + text
    return text or ALPHABET[0]


def decode(text: str, size: tuple[int, int] | None) -> Picture:
    """See `aecodec.from_placeholder`."""
    t, x = tables(), 0
    if not isinstance(text, str) or not 1 <= len(text) <= LENGTH_MAX:
        raise DamagedFile(f"a placeholder is a string of 1 to {LENGTH_MAX} characters")
    try:
        if strange := set(text) - set(ALPHABET):
            raise ValueError(f"{min(strange)!r} is not in its alphabet")
        for c in text:
            x = 64 * x + ALPHABET.index(c)
        x, kind = pop(x, KINDS, starts(KINDS))
        x, ratio = pop(x, t.ratio_table, starts(t.ratio_table))
        x, step = pop(x, STEP_TABLE, starts(STEP_TABLE))
        if kind > 3:
            raise ValueError("it is of a later version")
        gray, opaque = kind % 2 == 1, kind < 2
        shape, luma = t.shape(t.ratios[ratio], 1 if gray else 3), t.shape(t.ratios[ratio], 1)
        parts = ([] if opaque else [luma]) + [shape]
        found = unpacked(x, parts, step)
    except ValueError as error:
        raise DamagedFile(f"{text!r:.40} is no placeholder of a picture ({error})") from error
    width, height = grid(t.ratios[ratio]) if size is None else sides(size, SIDE_MAX)
    coded = grid(t.ratios[ratio])
    planes = [synthesised(values, s, coded, width, height) for values, s in zip(found, parts, strict=True)]
    alpha = None if opaque else in_levels(planes[0] * GRAY_GAIN)[0]
    colours = in_levels(planes[-1] * GRAY_GAIN)[0] if gray else in_levels(np.tensordot(tables().axes.T, planes[-1], 1))
    pixels = np.ascontiguousarray(colours if gray else colours.transpose(1, 2, 0))
    return Picture(pixels, alpha)


GRAY_GAIN = 9459  # 2^14 / √3: gray is a third of the luma axis's energy in each colour


def synthesised(values: Ints, shape: Shape, coded: tuple[int, int], width: int, height: int) -> Floats:
    """Coefficients -> (planes, height, width) in 1/256 levels. Whole numbers below 2^53, so that the floating point is exact."""
    c, u, v = shape.places.T
    inside = (v < coded[0]) & (u < coded[1])
    rows, columns = int(u.max()) + 1, int(v.max()) + 1
    spectrum = np.zeros((int(c.max()) + 1, rows, columns))
    spectrum[c[inside], u[inside], v[inside]] = values[inside]
    planes = basis(height, rows).T @ (spectrum @ basis(width, columns))
    return np.asarray(np.floor(planes / 2 ** (2 * UNIT_BITS + 2) + 0.5))


def in_levels(planes: Floats) -> NDArray[np.uint8]:
    """Whole numbers in 2^-22 levels, from -128 to 127 -> uint8."""
    return np.clip(np.floor(planes / 2**22 + 128.5), 0, 255).astype(np.uint8)
