"""Pictures to .aec bytes: where picture, network and container meet. The way back is in decoder.py."""

from dataclasses import dataclass, replace

import numpy as np

from . import alpha, container, limits, lossless, quality_map
from ._core import constants
from .arguments import whole
from .beside import beside
from .container import Contents
from .decoder import decode
from .effort import Effort, encode_best, level_of
from .errors import OptionError, PictureError
from .folding import folded
from .header import GRAY, MAX_SIDE, NEUTRAL, RGB, VERSION, Header
from .layer import Layer, divided, expanded
from .lossless import Methods
from .metrics import mean_squared_error
from .model import Model, shipped
from .options import EFFORT_DEFAULT, MAX_MEMORY, MODES, QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from .picture import Picture
from .plan import Plan, plan
from .segment import blanked, filled
from .sixteen_bit import is_eight

# Smaller tiles make regions cheaper: of 12 megapixels, a region of 256x256 takes 8 to 30 % of the whole with tiles of 512 pixels,
# and 20 to 40 % with 1024. They cost 0.1 to 0.3 % of the file there, and more in a small picture.
TILE_LOG2, TILE_LOG2_OF_LARGE, LARGE = 10, 9, 1 << 22
# At most; and at least so many, if smaller tiles can do it: what is lost is small, and so is its copy.
PROTECTED_TILE_LOG2, PROTECTED_TILES = 8, 4
PNG_PIXELS, LONG_EFFORT = 1 << 16, 5
DOUBT = 0.85  # of an estimated cost: what is below that needs no comparison with what was estimated


@dataclass(frozen=True)
class Encoding:
    """A compressed picture, and what the prior expected it to take."""

    data: bytes
    predicted_bits: list[float]  # a stage; empty if all pixels are in a layer
    lossless: bool = False
    layered: bool = False  # whether some pixels are in a layer, or all


def header_for(height: int, width: int, quality: int, colour: int, model: Model, protect: bool = False) -> Header:
    """Raises OptionError if the quality is not 1 to 100, PictureError if a side is longer than files can say."""
    quality = whole("quality", quality, QUALITY_MIN, QUALITY_MAX)
    if max(height, width) > MAX_SIDE:
        raise PictureError(f"the picture is {width} x {height} pixels; sides of more than {MAX_SIDE} have no place in a file")
    large = height * width >= LARGE
    tile_log2 = PROTECTED_TILE_LOG2 if protect else TILE_LOG2_OF_LARGE if large else TILE_LOG2
    header = Header(VERSION, model.mark, colour, tile_log2, quality, width, height)
    while protect and header.tiles < PROTECTED_TILES and header.tile_log2 > constants.TILE_LOG2_MIN:
        header = replace(header, tile_log2=header.tile_log2 - 1)
    return header


def unaffordable(header: Header) -> str:
    """Why coding a picture would take too much memory; empty if it does not."""
    needed = limits.encoding_memory(*header.coded_size)
    size = f"{header.width} x {header.height}"
    return f"compressing {size} pixels takes about {needed >> 20} MB of memory, too much" if needed > MAX_MEMORY else ""


def written(
    picture: Picture,
    header: Header,
    streams: list[list[bytes]],
    samples: bytes | None = None,
    layer: Layer | None = None,
    protect: bool = False,
    qualities: np.ndarray | None = None,
) -> bytes:
    """The file of a picture's codes, or of its lossless samples, or of both."""
    packed = quality_map.pack(qualities, header.quality)
    opacity, mask = None if picture.alpha is None else alpha.pack(picture.alpha), None if layer is None else layer.pack()
    return container.write(Contents(header, streams, picture.metadata, opacity, samples, mask, packed, protect))


def encode_lossless(picture: Picture, effort: int = EFFORT_DEFAULT) -> Encoding:
    """Keeps any picture, of 8 or 16 bits, without loss.

    Raises OptionError if the effort is not 1 to 9, PictureError if the picture's file had more bits than the picture.
    """
    level_of(effort)
    if picture.rounded:
        raise PictureError("the samples have more bits than can be read, and cannot be kept without loss")
    header = header_for(picture.height, picture.width, QUALITY_MAX, GRAY if picture.gray else RGB, shipped())
    return kept_exactly(picture, header, Methods(6 if effort > 6 else 5))


def kept_exactly(picture: Picture, header: Header, methods: Methods) -> Encoding:
    """All pixels without loss: colours and alpha together, or each for itself."""
    found = [written(picture, header, [], lossless.pack(picture.pixels, methods))]
    if picture.alpha is not None:
        joint = lossless.pack(picture.to_array(), methods)
        found.append(container.write(Contents(header, [], picture.metadata, b"", joint)))
    return Encoding(min(found, key=len), [], lossless=True, layered=True)


def methods_for(picture: Picture, effort: int) -> Methods:
    """PNG is tried where it may be smaller than WebP, which is in small pictures, or if there is time."""
    return Methods(min(6, effort), png=picture.pixels_count < PNG_PIXELS or effort >= LONG_EFFORT)


def encode_in_steps(picture: Picture, step: int, effort: int = EFFORT_DEFAULT, threads: int = 0) -> Encoding:
    """Keeps all pixels in a lossless layer, in steps: 1 is exact. Raises OptionError if the effort is not 1 to 9."""
    model, eight, level = shipped(), picture.eight_bit(), level_of(effort)
    header = header_for(picture.height, picture.width, QUALITY_MAX, GRAY if picture.gray else RGB, model)
    job = Job(picture, eight, header, model, level, threads, methods_for(picture, effort))
    return job.exact() if step == 1 else job.layered(Layer(step, None))


def encode(
    picture: Picture,
    quality: int = QUALITY_DEFAULT,
    threads: int = 0,
    model: Model | None = None,
    effort: int = EFFORT_DEFAULT,
    mode: str = "auto",
    protect: bool = False,
    roi: np.ndarray | None = None,
    device: str = "cpu",
) -> Encoding:
    """Compresses a picture.

    Args:
        picture: of 8 bits; of 16, which only "lossless" keeps.
        quality: a whole number, 1 to 100.
        threads: 0 for one a core.
        model: another model than the shipped one.
        effort: 1 to 9, fast to small.
        mode: "auto" keeps what is synthetic without loss, the whole picture or parts of it, if that costs less, by bits and λ
            times the squared error, and what is mere noise in a lossless layer of larger steps; "lossy" codes codewords alone;
            "lossless" keeps every sample, and asks for no quality.
        protect: add a protective copy of the header and the coarsest codes, for at most a quarter more bytes if there are several
            tiles; a picture that is kept without loss has none.
        roi: offsets of quality, whole numbers (H, W); each 64x64 pixels get the largest of theirs. None for the same everywhere.
            What is in a lossless layer is chosen by the quality alone.
        device: "cpu", or "cuda" to analyse the picture there, in floating point; the file may differ by some codes.

    Returns:
        the file, and what the prior expected of it.

    Raises:
        OptionError: the quality or the effort is out of range, or there is no such mode or device.
        PictureError: a side is too long, coding takes too much memory, or "lossless" is asked for, and the picture's file had more
            bits than the picture.
    """
    if mode not in MODES:
        raise OptionError(f"mode must be one of {', '.join(MODES)}, not {mode}")
    threads, level = whole("threads", threads, 0), level_of(effort, device)
    if mode == "lossless":
        return encode_lossless(picture, effort)
    model, eight = model or shipped(), picture.eight_bit()
    colour = GRAY if picture.gray else NEUTRAL if eight.neutral else RGB
    header = header_for(picture.height, picture.width, quality, colour, model, protect)
    qualities = None if roi is None else quality_map.of_roi(roi, header)
    job = Job(picture, eight, header, model, level, threads, methods_for(picture, effort), protect, qualities)
    trouble = unaffordable(header)
    if mode == "lossy":
        if trouble:
            raise PictureError(trouble)
        return job.codewords()
    chosen = plan(eight.pixels, quality_to_lambda(quality), threads, near=qualities is None and not trouble)
    if not trouble:
        return job.best(chosen)
    if chosen.layer is None or chosen.layer.mask is not None or chosen.layer.step > 1:
        raise PictureError(trouble)
    return job.exact()


@dataclass(frozen=True)
class Job:
    """What is to be compressed, and how."""

    original: Picture
    picture: Picture  # with 8 bits
    header: Header
    model: Model
    level: Effort
    threads: int
    methods: Methods
    protect: bool = False
    qualities: np.ndarray | None = None  # a map

    def best(self, chosen: Plan) -> Encoding:
        """The plan's, or another where the plan's estimates are close."""
        layer = chosen.layer
        if layer is None or DOUBT * chosen.cost > chosen.codewords:
            found = self.codewords()
            if 8 * len(found.data) > chosen.lossless:  # flat blocks, whose edges are all between them, are estimated as cheap
                found = min(found, self.exact(), key=self.cost)
            return found
        if chosen.is_whole:
            found = self.exact() if chosen.is_exact else self.layered(layer, chosen.shown)
            if self.cost(found) >= DOUBT * chosen.codewords:
                found = min(found, self.codewords(), key=self.cost)
        else:
            found = self.layered(layer, chosen.shown) if chosen.cost < chosen.codewords else self.codewords()
        near = not found.lossless and (chosen.doubtful or 8 * len(found.data) >= DOUBT * chosen.lossless)
        return min(found, self.exact(), key=self.cost) if near else found

    def codewords(self) -> Encoding:
        """No layer."""
        streams, bits = self.coded(self.picture.rgb())
        return Encoding(written(self.picture, self.header, streams, protect=self.protect, qualities=self.qualities), bits)

    def coded(self, rgb: np.ndarray) -> tuple[list[list[bytes]], list[float]]:
        return encode_best(
            self.model, folded(rgb, self.header.fold), self.header, self.level, self.threads, qualities=self.qualities
        )

    def exact(self) -> Encoding:
        """All pixels without loss, in 8 bits if they have no more."""
        picture = self.picture if self.original.sixteen_bits and is_eight(self.original.to_array()) else self.original
        return kept_exactly(picture, self.header, self.methods)

    def layered(self, layer: Layer, shown: np.ndarray | None = None) -> Encoding:
        """Some pixels in a layer, and the others as codewords; or all in a layer of larger steps, or of fewer colours.

        shown: what the layer is to show, uint8, if it is not the picture.
        """
        pixels = self.picture.pixels
        samples = divided(pixels if shown is None else shown.reshape(pixels.shape), layer.step)
        if layer.mask is None:
            payload = lossless.pack(samples, self.methods)
            return Encoding(written(self.picture, self.header, [], payload, layer, self.protect), [], layered=True)
        inside = blanked(samples, expanded(layer.mask, *pixels.shape[:2]))
        packed = beside(lambda: lossless.pack(inside, replace(self.methods, png=False)), self.threads)
        streams, bits = self.coded(filled(self.picture.rgb(), layer.mask))
        data = written(self.picture, self.header, streams, packed(), layer, self.protect, self.qualities)
        return Encoding(data, bits, layered=True)

    def cost(self, encoding: Encoding) -> float:
        """Bits, and λ times the squared error of what they decode to, summed over pixels."""
        if encoding.lossless:
            return 8 * len(encoding.data)
        decoded = decode(encoding.data, self.threads, model=self.model).pixels
        return 8 * len(encoding.data) + self.distortion(decoded)

    def distortion(self, decoded: np.ndarray) -> float:
        """λ of the quality, or of the map's, times the squared error of a pixel's samples, summed over pixels."""
        pixels = self.picture.pixels
        if self.qualities is None:
            return quality_to_lambda(self.header.quality) * mean_squared_error(pixels, decoded) * self.picture.pixels_count
        height, width = pixels.shape[:2]
        difference = folded(pixels.reshape(height, width, -1), self.header.fold).astype(np.float32)
        difference -= folded(decoded.reshape(height, width, -1), self.header.fold)
        errors = quality_map.of_cells(np.add, np.square(difference, out=difference).mean(axis=2))
        return sum(quality_to_lambda(int(q)) * float(errors[self.qualities == q].sum()) for q in np.unique(self.qualities))
