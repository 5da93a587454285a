""".aec files to pictures: whole, in part, reduced, or as far as a damaged file goes."""

import contextlib
import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from . import _core, alpha, chunks, container, lossless, quality_map
from .errors import DamagedFile, OptionError, PictureError, UnsupportedFile
from .folding import unfolded
from .header import GRAY, MAX_PIXELS
from .model import Model, shipped
from .picture import Picture, crop, reduce

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
        model: another model than the shipped one.
        check: the checksums of all parts at once, not only of those that are used.

    Raises:
        TruncatedFile, DamagedFile: the file is cut short or damaged; with `partial`, its header is.
        UnsupportedFile: the source is no .aec file, or needs another model or version of aecodec, or has too many pixels.
        OSError: the source cannot be read.
    """

    def __init__(
        self,
        source: str | Path | bytes | BinaryIO,
        *,
        partial: bool = False,
        threads: int = 0,
        max_pixels: int = MAX_PIXELS,
        model: Model | None = None,
        check: bool = False,
    ):
        self._model = model or shipped()
        self._threads = threads
        self._file: BinaryIO
        if isinstance(source, bytes | bytearray | memoryview):
            self._file, self._owned = io.BytesIO(source), True
        elif isinstance(source, str | Path):
            self._file, self._owned = open(source, "rb"), True
        else:
            self._file, self._owned = source, False
        try:
            self.index = container.index(self._file, max_pixels, check=check or partial, partial=partial)
            self.header = self.index.header
            if self.header.model != self._model.mark and not self.lossless:
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
        """Pillow's: L, LA, RGB or RGBA."""
        return ("L" if self.header.colour == GRAY else "RGB") + ("A" if self.index.alpha else "")

    @property
    def lossless(self) -> bool:
        """Whether the pixels are exactly those that were compressed: a synthetic picture's may be."""
        return self.index.lossless is not None

    @property
    def problems(self) -> list[str]:
        """What is wrong with a damaged file, a line each; empty unless `partial` was asked for."""
        return self.index.problems

    @property
    def qualities(self) -> np.ndarray | None:
        """The map of qualities, uint8 (rows, columns), of 64x64 pixels each (of a thin picture, as it is folded); None if there
        is none and `quality` holds everywhere."""
        c = self.index.qualities
        return None if c is None else quality_map.unpack(chunks.load(self._file, c), self.header)

    @functools.cached_property
    def _frame(self) -> _core.Frame:
        return self._model.frame(self.header, self.qualities)

    @property
    def repairs(self) -> list[str]:
        """What of `problems` does not matter, as a protective copy (`protect=True`) had it: "the header", "stream 0, tile 3"."""
        return self.index.repairs

    @property
    def guesses(self) -> bool:
        """Whether a part of a damaged file is missing, so that pixels are guessed, or alpha or metadata left out."""
        missing = any(c is None for tiles in self.index.streams for c in tiles)
        return missing or len(self.problems) > len(self.repairs)

    @property
    def metadata(self) -> dict[str, bytes]:
        """ICC profile, EXIF and XMP, as far as there are any, under the names icc, exif and xmp."""
        return {name: chunks.load(self._file, c) for name, c in self.index.metadata.items()}

    def decode(self, scale: int = 1, region: Region | None = None, bits: int = 8) -> np.ndarray:
        """The picture, or a part of it, or a reduced one.

        Args:
            scale: 1, 2, 4 or 8: the picture reduced to (⌈height/scale⌉, ⌈width/scale⌉). 2 and 4 give means of the full picture's
                pixels; 8 is nearly as exact, from the coarse codes alone.
            region: (x, y, width, height) in pixels of the full picture; if that is reduced, the crop of the reduced picture that
                holds it. These are exactly the pixels that a crop of the whole would have, but only the tiles that they depend on
                are read. None for the whole picture.
            bits: 8, or 16 for the network's values with less rounding; the pixels of 8 bits are not exactly those.

        Returns:
            uint8, 0 to 255, or uint16, 0 to 65535: (h, w, 3), (h, w), or with alpha (h, w, 4), (h, w, 2).

        Raises:
            OptionError: there is no such scale or number of bits, or the region is not inside the picture.
            FileError: a part that is needed is damaged.
        """
        return self.picture(scale, region, bits).to_array()

    def picture(self, scale: int = 1, region: Region | None = None, bits: int = 8) -> Picture:
        """What `decode` gives, as a `Picture` with alpha apart and with the metadata; the same arguments and errors."""
        if bits not in (8, 16):
            raise OptionError(f"pixels have 8 or 16 bits, not {bits}")
        opacity = None
        box = self._box(scale, region)
        if self.index.alpha is not None:
            data = chunks.load(self._file, self.index.alpha)
            opacity = crop(reduce(alpha.unpack(data, self.header.height, self.header.width), scale), box)
            if bits == 16:
                opacity = opacity.astype(np.uint16) * 257
        pixels = self._exact(scale, box, bits) if self.lossless else self._pixels(self._streams(scale, box), scale, box, bits)
        return Picture(pixels, opacity, self.metadata)

    def progressive(self, scale: int = 1) -> Iterator[np.ndarray]:
        """The whole picture again and again, each time better: from the first stream alone, from the first two, ..., from all.

        Args:
            scale: as for `decode`.

        Yields:
            uint8 (h, w, 3) or (h, w), without alpha, always of full size; once only if the file is lossless.

        Raises:
            OptionError: there is no such scale.
            FileError: a part that is needed is damaged.
        """
        box = self._box(scale, None)
        if self.lossless:
            yield self._exact(scale, box, 8)
            return
        streams = self._streams(scale, box)
        needed = max(i for i, tiles in enumerate(streams) if tiles != [None] * len(tiles)) + 1
        for count in range(1, needed + 1):
            missing: list[bytes | None] = [None] * self.header.tiles
            known = [tiles if i < count else missing for i, tiles in enumerate(streams)]
            yield self._pixels(known, scale, box)

    def codes(self) -> list[np.ndarray]:
        """The indices of the codewords.

        Returns:
            the arrays of `Tokens.stages`.

        Raises:
            PictureError: the file has its pixels without loss, and no codewords.
            FileError: a part is damaged.
        """
        if self.lossless:
            raise PictureError("the file has its pixels without loss, and no codewords")
        streams = self._streams(1, self._box(1, None))
        with damage():
            return self._model.network.decode_codes(streams, self._frame, self._threads)

    def _box(self, scale: int, region: Region | None) -> Region:
        """The region as (top, left, bottom, right) of the reduced picture."""
        if scale not in SCALES:
            raise OptionError(f"scale must be one of {', '.join(map(str, SCALES))}, not {scale}")
        x, y, w, h = region or (0, 0, *self.size)
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > self.header.width or y + h > self.header.height:
            size = f"{self.header.width} x {self.header.height}"
            raise OptionError(f"the region {x},{y},{w},{h} is not inside the picture of {size} pixels")
        return y // scale, x // scale, -(-(y + h) // scale), -(-(x + w) // scale)

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
            return container.load_part(self._file, self.index, stream, tile) if inside else None

        return [[wanted(stream, tile) for tile in range(self.header.tiles)] for stream in range(len(self.index.streams))]

    def _exact(self, scale: int, box: Region, bits: int) -> np.ndarray:
        h = self.header
        assert self.index.lossless is not None  # the caller has looked
        pixels = lossless.unpack(chunks.load(self._file, self.index.lossless), h.height, h.width, h.colour == GRAY)
        pixels = crop(reduce(pixels, scale), box)
        return pixels if bits == 8 else pixels.astype(np.uint16) * 257

    def _pixels(self, streams: list[list[bytes | None]], scale: int, box: Region, bits: int = 8) -> np.ndarray:
        network, frame, fold = self._model.network, self._frame, self.header.fold
        with damage():
            decode = network.decode if bits == 8 else network.decode_sixteen_bit
            pixels = decode(streams, frame, *self._coded(scale, box), self._threads)
        if self.header.colour == GRAY:
            pixels = np.asarray((pixels.sum(2, dtype=np.uint32) // 3).astype(pixels.dtype))
        if fold is None:
            return pixels
        return np.ascontiguousarray(reduce(unfolded(pixels, fold, self._enlarged(scale, box)), scale))


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Turns what the runtime says of a corrupt stream into a DamagedFile."""
    try:
        yield
    except _core.CorruptStream as error:
        raise DamagedFile(f"the file is damaged: {error}") from error


def decode(data: bytes, threads: int = 0, max_pixels: int = MAX_PIXELS, model: Model | None = None) -> Picture:
    """Decompresses a file whole. Raises FileError if it is damaged, cut short, or not for this model."""
    return Decoder(data, threads=threads, max_pixels=max_pixels, model=model, check=True).picture()
