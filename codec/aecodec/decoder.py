""".aec files to pictures: whole, in part, reduced, or as far as a damaged file goes."""

import contextlib
import functools
import io
import threading
from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import BinaryIO

import numpy as np

from . import _core, alpha, chunks, container, limits, lossless, quality_map, repair
from .arguments import real, whole
from .chunks import Chunk
from .errors import DamagedFile, OptionError, PictureError, UnsupportedFile
from .folding import unfolded
from .grain import grained
from .header import GRAY, NEUTRAL, RGB
from .layer import Layer, expanded, multiplied
from .model import Model, shipped
from .options import MAX_MEMORY, MAX_PIXELS
from .picture import Picture, crop, reduce, reduce_weighted
from .sixteen_bit import to_eight

SCALES = (1, 2, 4, 8)
Region = tuple[int, int, int, int]  # x, y, width, height in pixels of the full picture


class Decoder:
    """Decodes from a file what is asked for, and reads no more than that takes.

    with aecodec.Decoder("photo.aec") as decoder:
        thumbnail = decoder.decode(scale=8)
        detail = decoder.decode(region=(1200, 800, 256, 256))

    Args:
        source: a path, the bytes of a file, or a seekable binary file, which the decoder reads while it is used and does not close.
        partial: take what is intact of a damaged or truncated file; `problems` says what is wrong with it.
        threads: 0 for one a core.
        max_pixels: a file that claims more is refused.
        max_memory: bytes; what would take more to decode, by an estimate from the file's header, is refused.
        model: another model than the shipped one.
        check: the checksums of all parts at once, not only of those that are used.
        grain: 0 to 1; how much texture that was left out is drawn from the prior, in pictures of full size; the same every time and
            everywhere. Decoding takes about four times as long then. Files with guesses and previews have none.

    Raises:
        TruncatedFile, DamagedFile: the file is cut short or damaged; with `partial`, its header is.
        UnsupportedFile: the source is no .aec file, or needs another model or version of aecodec, or has too many pixels.
        OptionError: an argument is of a wrong type, or a limit no whole number of at least 1, or the grain out of range.
        OSError: the source cannot be read.
    """

    def __init__(
        self,
        source: str | Path | bytes | BinaryIO,
        *,
        partial: bool = False,
        threads: int = 0,
        max_pixels: int = MAX_PIXELS,
        max_memory: int = MAX_MEMORY,
        model: Model | None = None,
        check: bool = False,
        grain: float = 0,
    ):
        self._model = model or shipped()
        self._threads = whole("threads", threads, 0)
        max_pixels = whole("max_pixels", max_pixels, 1, 1 << 62)
        self._max_memory = whole("max_memory", max_memory, 1, 1 << 62)
        self._grain = real("grain", grain, 0, 1)
        self._reading = threading.Lock()
        self._file: BinaryIO
        if isinstance(source, bytes | bytearray | memoryview):
            self._file, self._owned = io.BytesIO(source), True
        elif isinstance(source, str | Path):
            self._file, self._owned = open(source, "rb"), True
        elif hasattr(source, "read") and hasattr(source, "seek"):
            self._file, self._owned = source, False
        else:
            raise OptionError(f"the source must be a path, bytes or a binary file, not {type(source).__name__}")
        try:
            self.index = container.index(self._file, max_pixels, check=check or partial, partial=partial)
            self.header = self.index.header
            if self.header.model != self._model.mark and self._is_coded:
                wanted, have = f"{self.header.model:06x}", f"{self._model.mark:06x}"
                raise UnsupportedFile(f"the file needs model {wanted}, and this version of aecodec has model {have}")
            if self.header.streams not in (0, self._model.streams):
                raise DamagedFile(f"the file has {self.header.streams} coded streams, but its model has {self._model.streams}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file if the decoder opened it; `with` does so."""
        if self._owned:
            self._file.close()

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, as Pillow has it."""
        return self.header.width, self.header.height

    @property
    def quality(self) -> int:
        """1 to 100, as the header has it."""
        return self.header.quality

    @property
    def mode(self) -> str:
        """Pillow's of the picture with 8 bits: L, LA, RGB or RGBA."""
        return ("L" if self.header.colour == GRAY else "RGB") + ("A" if self.index.alpha else "")

    @property
    def lossless(self) -> bool:
        """Whether the pixels are exactly those that were compressed: a synthetic picture's may be."""
        return self.index.lossless is not None and self.index.layer is None

    @property
    def mixed(self) -> bool:
        """Whether some pixels are from a lossless layer, and the others from codewords."""
        return self.index.mixed

    @property
    def bits(self) -> int:
        """Of a sample: 16 if the file keeps those without loss, else 8."""
        c = self.index.lossless
        if c is None or not self.lossless:
            return 8
        self._file.seek(c.payload)
        return 16 if lossless.has_sixteen_bits(self._file.read(min(c.size, lossless.HEAD))) else 8

    @property
    def problems(self) -> list[str]:
        """What is wrong with a damaged file, a line each; empty unless `partial` was asked for."""
        return self.index.problems

    @property
    def qualities(self) -> np.ndarray | None:
        """The map of qualities, uint8 (rows, columns), of 64x64 pixels each (of a thin picture, as it is folded); None if there
        is none and `quality` holds everywhere."""
        c = self.index.qualities
        return None if c is None else quality_map.unpack(self._load(c), self.header)

    @functools.cached_property
    def _frame(self) -> _core.Frame:
        return self._model.frame(self.header, self.qualities)

    @property
    def repairs(self) -> list[str]:
        """What of `problems` does not matter, as a protective copy (`protect=True`) had it: "the header", "stream 0, tile 3"."""
        return self.index.repairs

    @property
    def guesses(self) -> bool:
        """Whether a part of a damaged file is missing, so that pixels are guessed (`guessed` says which), or alpha or metadata left
        out."""
        missing = any(c is None for tiles in self.index.streams for c in tiles)
        return missing or len(self.problems) > len(self.repairs) + self.index.surplus

    @functools.cached_property
    def _coarse_guesses(self) -> np.ndarray | None:
        """Of tiles that a damaged file has nothing of, those for `Network.decode`; None if there are none, or nothing else."""
        lost = [c is None for c in self.index.streams[0]]
        if not any(lost) or all(lost):
            return None
        nothing: list[list[bytes | None]] = [[None] * self.header.tiles] * (self.header.streams - 1)
        with self._reading:
            coarse = [container.load_part(self._file, self.index, 0, tile) for tile in range(self.header.tiles)]
        with damage():
            codes = self._model.network.decode_codes([coarse, *nothing], self._frame, self._threads, 1)[0]
        return repair.coarse_guesses(self._model, self.header, self.qualities, codes, lost)

    def guessed(self, scale: int = 1, region: Region | None = None) -> np.ndarray:
        """Which parts of a damaged file's picture are guesses; the same arguments and errors as those of `decode`.

        Returns:
            uint8 of the size of what `decode` gives, (h, w): 0 where the colours are exactly those of the undamaged file, 255 where
            nothing is left and all is guessed from what is around it, and between them the share of the stages of codes that are
            guessed: the greater, the coarser is what is still known.
        """
        box = self._box(scale, region)
        scale = int(scale)
        self._afford(scale, box, 8)
        full = self._enlarged(scale, box)
        values = self._guessed_codes(scale, full)
        rows, columns = (np.arange(0, size, scale) for size in values.shape)
        return np.asarray(np.maximum.reduceat(np.maximum.reduceat(values, rows, 0), columns, 1))

    def _guessed_codes(self, scale: int, box: Region) -> np.ndarray:
        """`guessed` of a box of the full picture, if that is decoded for a reduced one."""
        if self.index.lost_layer or not self._is_coded:  # nobody knows which pixels were in the lost layer
            exact = self.index.lossless is not None
            return np.full((box[2] - box[0], box[3] - box[1]), 0 if exact else repair.NOTHING_LEFT, np.uint8)
        stages = {p["scale"]: p["stages"] for p in self._model.shape["previews"]}.get(scale, len(self._model.shape["stages"]))
        if self.index.alpha or self.header.fold:
            stages = len(self._model.shape["stages"])  # reduced from the full picture
        streams = [[None if c is None else b"" for c in tiles] for tiles in self.index.streams]
        values = repair.mask(self._model, self.header, self._model.network.missing(streams, self._frame)[:stages])
        fold = self.header.fold
        values = crop(values, box) if fold is None else unfolded(crop(values, fold.coded_box(box)), fold, box).copy()
        if self.mixed and (mask := self._layer().mask) is not None:
            values[crop(expanded(mask, self.header.height, self.header.width), box)] = 0
        return values

    @property
    def metadata(self) -> dict[str, bytes]:
        """ICC profile, EXIF and XMP, as far as there are any, under the names icc, exif and xmp."""
        return {name: self._load(c) for name, c in self.index.metadata.items()}

    def decode(self, scale: int = 1, region: Region | None = None, bits: int | None = None) -> np.ndarray:
        """The picture, or a part of it, or a reduced one.

        Args:
            scale: 1, 2, 4 or 8: the picture reduced to (⌈height/scale⌉, ⌈width/scale⌉). 2 and 4 give means of the full picture's
                pixels; 8 is nearly as exact, from the coarse codes alone. Where there is transparency, all are means of the full
                picture's pixels, in which each counts as much as it is opaque.
            region: (x, y, width, height) in pixels of the full picture; if that is reduced, the crop of the reduced picture that
                holds it. These are exactly the pixels that a crop of the whole would have, but only the tiles that they depend on
                are read. None for the whole picture.
            bits: 8, or 16 for the network's values with less rounding; the pixels of 8 bits are not exactly those. None for the
                file's own, `Decoder.bits`.

        Returns:
            uint8, 0 to 255, or uint16, 0 to 65535: (h, w, 3), (h, w), or with alpha (h, w, 4), (h, w, 2).

        Raises:
            OptionError: there is no such scale or number of bits, or the region is not inside the picture.
            FileError: a part that is needed is damaged.
        """
        return self.picture(scale, region, bits).to_array()

    def picture(self, scale: int = 1, region: Region | None = None, bits: int | None = None) -> Picture:
        """What `decode` gives, as a `Picture` with alpha apart and with the metadata; the same arguments and errors."""
        if bits is not None and (not isinstance(bits, Real) or bits not in (8, 16)):
            raise OptionError(f"pixels have 8 or 16 bits, not {bits!r:.40}")
        box = self._box(scale, region)
        scale, bits = int(scale), self.bits if bits is None else int(bits)
        self._afford(scale, box, bits)
        full = self._enlarged(scale, box)
        opacity = self._opacity(full, bits)
        if opacity is None or scale == 1 or (opacity == np.iinfo(opacity.dtype).max).all():
            pixels = self._colours(scale, box, bits)
        else:
            pixels = reduce_weighted(self._colours(1, full, bits), opacity, scale)
        opacity = None if opacity is None else reduce(opacity, scale)
        return Picture(pixels, opacity, self.metadata)

    def _colours(self, scale: int, box: Region, bits: int) -> np.ndarray:
        """Those of a box of a reduced picture."""
        if not self._is_coded:
            return self._samples(scale, box, bits)[0]
        streams = self._grained if scale == 1 and self._grain and not self.guesses else self._streams(scale, box)
        return self._overlaid(self._pixels(streams, scale, box, bits), scale, box, bits)

    def _opacity(self, box: Region, bits: int) -> np.ndarray | None:
        """The alpha of a box of the picture, if it has one."""
        c = self.index.alpha
        if c is None:
            return None
        if not c.size:
            return self._samples(1, box, bits)[1]
        return part_of(alpha.unpack(self._load(c), self.header.height, self.header.width), 1, box, bits)

    def progressive(self, scale: int = 1) -> Iterator[np.ndarray]:
        """The whole picture again and again, each time better: from the first stream alone, from the first two, ..., from all.

        Args:
            scale: as for `decode`.

        Yields:
            uint8 (h, w, 3) or (h, w), without alpha, always of full size; once only if no codewords are in the file.

        Raises:
            OptionError: there is no such scale.
            FileError: a part that is needed is damaged.
        """
        box = self._box(scale, None)
        scale = int(scale)
        self._afford(scale, box, 8)
        if not self._is_coded:
            yield self._samples(scale, box, 8)[0]
            return
        streams = self._streams(scale, box)
        needed = max((i + 1 for i, tiles in enumerate(streams) if any(t is not None for t in tiles)), default=1)
        for count in range(1, needed + 1):
            missing: list[bytes | None] = [None] * self.header.tiles
            known = [tiles if i < count else missing for i, tiles in enumerate(streams)]
            yield self._overlaid(self._pixels(known, scale, box), scale, box)

    @functools.cached_property
    def _grained(self) -> list[list[bytes | None]]:
        """All streams, with grain in the finest stage."""
        with damage():
            streams = grained(self._model.network, self._frame, self._codes(), self._grain, self._threads)
        return [list(tiles) for tiles in streams]

    def codes(self) -> list[np.ndarray]:
        """The indices of the codewords.

        Returns:
            the arrays of `Tokens.stages`.

        Raises:
            PictureError: the file has its pixels without loss, or some of them, and no codewords for these.
            FileError: a part is damaged.
        """
        if self.index.lossless is not None:
            some = "some of its" if self.mixed else "its"
            raise PictureError(f"the file has {some} pixels without loss, and no codewords for them")
        return self._codes()

    def _codes(self) -> list[np.ndarray]:
        box = self._box(1, None)
        self._afford(1, box, 8, codes=True)
        streams = self._streams(1, box)
        with damage():
            return self._model.network.decode_codes(streams, self._frame, self._threads)

    def _box(self, scale: int, region: Region | None) -> Region:
        """The region as (top, left, bottom, right) of the reduced picture."""
        if not isinstance(scale, Real) or scale not in SCALES:
            raise OptionError(f"scale must be one of {', '.join(map(str, SCALES))}, not {scale!r:.40}")
        scale = int(scale)
        try:
            numbers = (0, 0, *self.size) if region is None else [whole("a region's number", n, -(2**62), 2**62) for n in region]
            x, y, w, h = numbers
        except (TypeError, ValueError) as error:
            raise OptionError(f"region must be four whole numbers, not {region!r:.40}") from error
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > self.header.width or y + h > self.header.height:
            size = f"{self.header.width} x {self.header.height}"
            raise OptionError(f"the region {x},{y},{w},{h} is not inside the picture of {size} pixels")
        return y // scale, x // scale, -(-(y + h) // scale), -(-(x + w) // scale)

    def _afford(self, scale: int, box: Region, bits: int, codes: bool = False) -> None:
        """Raises UnsupportedFile if decoding a box of a reduced picture would take too much memory."""
        h, area = self.header, (box[2] - box[0]) * (box[3] - box[1])
        needed = 8 * area * (bits // 8)
        if self.index.lossless is not None:
            needed += limits.LOSSLESS_PIXEL * h.height * h.width
        if self._is_coded:
            rows, columns = h.coded_size
            wanted = (1, self._enlarged(scale, box)) if self.index.alpha else (scale, box)
            coded_scale, (top, left, bottom, right) = self._coded(*wanted)
            reach = ((right - left) * coded_scale + (8 << h.tile_log2)) if not codes else columns  # with the tiles around it
            needed += limits.decoding_memory(bottom - top, min(columns, reach), coded_scale == SCALES[-1])
            needed += limits.CODES_PIXEL * limits.padded(rows) * limits.padded(columns) if codes else 0
        if self.index.alpha is not None:
            needed += limits.ALPHA_PIXEL * h.height * h.width
        if needed > self._max_memory:
            limit = f"the limit of {self._max_memory >> 20} MB"
            raise UnsupportedFile(f"decoding this takes about {needed >> 20} MB of memory, more than {limit}")

    def _load(self, c: Chunk) -> bytes:
        """A chunk's payload; several threads may ask at once."""
        with self._reading:
            return chunks.load(self._file, c)

    def _coded(self, scale: int, box: Region) -> tuple[int, Region]:
        """The scale and the box of what is coded that hold a box of a reduced picture."""
        fold = self.header.fold
        return (scale, box) if fold is None else (1, fold.coded_box(self._enlarged(scale, box)))

    def _enlarged(self, scale: int, box: Region) -> Region:
        """The box of the full picture of which a box of the reduced one has the means."""
        top, left, bottom, right = (n * scale for n in box)
        return top, left, min(bottom, self.header.height), min(right, self.header.width)

    def _streams(self, scale: int, box: Region) -> list[list[bytes | None]]:
        """The coded tiles that a box of a reduced picture depends on; None for all others."""
        areas = self._model.network.tiles(self._frame, *self._coded(scale, box))

        def wanted(stream: int, tile: int) -> bytes | None:
            row, column = divmod(tile, self.header.tile_columns)
            top, left, bottom, right = areas[stream]
            inside = top <= row < bottom and left <= column < right
            if not inside:
                return None
            with self._reading:
                return container.load_part(self._file, self.index, stream, tile)

        return [[wanted(stream, tile) for tile in range(self.header.tiles)] for stream in range(len(self.index.streams))]

    @property
    def _is_coded(self) -> bool:
        return self.header.streams > 0

    def _layer(self) -> Layer:
        c = self.index.layer
        return Layer.unpack(self._load(c), self.header.height, self.header.width) if c else Layer(1, None)

    def _samples(self, scale: int, box: Region, bits: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The colours of the lossless layer, and the alpha if it is with them."""
        h, joint = self.header, self.index.alpha is not None and not self.index.alpha.size
        if self.index.lossless is None:  # of a damaged file: nothing is left, and gray is the guess
            shape = (box[2] - box[0], box[3] - box[1], *(() if h.colour == GRAY else (3,)))
            return np.full(shape, 128 if bits == 8 else 128 * 257, np.uint8 if bits == 8 else np.uint16), None
        samples = lossless.unpack(self._load(self.index.lossless), h.height, h.width, h.colour == GRAY, joint)
        if self.index.layer is not None:
            if joint or samples.dtype != np.uint8:
                raise DamagedFile("the lossless pixels do not fit the picture")
            samples = multiplied(samples, self._layer().step)
        samples = part_of(samples, scale, box, bits)
        if not joint:
            return samples, None
        colours = samples[:, :, 0] if h.colour == GRAY else samples[:, :, :3]
        return np.ascontiguousarray(colours), np.ascontiguousarray(samples[:, :, -1])

    def _overlaid(self, pixels: np.ndarray, scale: int, box: Region, bits: int = 8) -> np.ndarray:
        """Pixels from codewords with those of the lossless layer, if there is one, where its mask says so."""
        if self.index.lossless is None or not self.mixed:
            return pixels
        mask = self._layer().mask
        assert mask is not None  # the file is mixed
        inside = crop(expanded(mask, self.header.height, self.header.width, scale), box)
        return np.where(inside if pixels.ndim == 2 else inside[:, :, None], self._samples(scale, box, bits)[0], pixels)

    def _pixels(self, streams: list[list[bytes | None]], scale: int, box: Region, bits: int = 8) -> np.ndarray:
        network, frame, fold = self._model.network, self._frame, self.header.fold
        guesses = self._coarse_guesses
        if guesses is None and not any(tile is not None for tile in streams[0]):  # gray, at once: a few bytes may claim much
            shape = (box[2] - box[0], box[3] - box[1]) + (() if self.header.colour == GRAY else (3,))
            return np.full(shape, 128 if bits == 8 else 128 * 257, np.uint8 if bits == 8 else np.uint16)
        with damage():
            decode = network.decode if bits == 8 else network.decode_sixteen_bit
            pixels = decode(streams, frame, *self._coded(scale, box), self._threads, guesses)
        if self.header.colour != RGB:
            pixels = np.asarray((pixels.sum(2, dtype=np.uint32) // 3).astype(pixels.dtype))
        if self.header.colour == NEUTRAL:
            pixels = np.asarray(np.dstack([pixels] * 3))
        if fold is None:
            return pixels
        return np.ascontiguousarray(reduce(unfolded(pixels, fold, self._enlarged(scale, box)), scale))


def part_of(samples: np.ndarray, scale: int, box: Region, bits: int) -> np.ndarray:
    """A box of the reduced picture, with 8 or 16 bits."""
    if bits == 8 and samples.dtype == np.uint16:
        samples = to_eight(samples)
    if bits == 16 and samples.dtype == np.uint8:
        samples = samples.astype(np.uint16) * 257
    return crop(reduce(samples, scale), box)


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Turns what the runtime says of a corrupt stream into a DamagedFile."""
    try:
        yield
    except _core.CorruptStream as error:
        raise DamagedFile(f"the file is damaged: {error}") from error


def decode(
    data: bytes,
    threads: int = 0,
    max_pixels: int = MAX_PIXELS,
    model: Model | None = None,
    max_memory: int = MAX_MEMORY,
    grain: float = 0,
) -> Picture:
    """Decompresses a file whole. Raises FileError if it is damaged, cut short, not for this model, or exceeds a limit."""
    decoder = Decoder(data, threads=threads, max_pixels=max_pixels, max_memory=max_memory, model=model, check=True, grain=grain)
    return decoder.picture()
