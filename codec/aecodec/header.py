"""The header's fields of an .aec file, which have their one definition here: docs/format.md, section 1."""

from dataclasses import dataclass, field, fields
from typing import Any

from ._core import constants
from .chunks import read_varint, varint
from .errors import DamagedFile, TruncatedFile, UnsupportedFile
from .fold import Fold, fold_of
from .options import QUALITY_MAX, QUALITY_MIN

FIRST_VERSION, VERSION = 2, 2  # that are read
MAX_SIDE = 1 << 24  # in pixels
GRAY, RGB, NEUTRAL = range(3)
COLOUR_NAMES = ("gray", "RGB", "neutral")  # the last: red, green and blue, which are equal everywhere


def packed(bits: int, low: int, high: int, **options: Any) -> Any:
    """A header field of the packed integer: stored as value - low in so many bits."""
    return field(metadata={"bits": bits, "low": low, "high": high}, **options)


def varied(low: int, high: int) -> Any:
    """A header field after the packed integer: stored as value - low in a variable number of bytes."""
    return field(metadata={"bits": None, "low": low, "high": high})


@dataclass(frozen=True)
class Header:
    """The header's fields, in the order in which they are stored."""

    version: int = packed(4, FIRST_VERSION, VERSION)
    ahead: int = packed(1, 0, 1, default=0, kw_only=True)  # whether chunks stand before the coded streams
    reserved: int = packed(3, 0, 0, default=0, kw_only=True)
    model: int = packed(24, 0, 2**24 - 1)  # the low bits of the identity of the model that decodes the file
    colour: int = packed(2, GRAY, NEUTRAL)
    tile_log2: int = packed(4, constants.TILE_LOG2_MIN, constants.TILE_LOG2_MAX)  # tiles are squares of 2^tile_log2 pixels
    quality: int = packed(7, QUALITY_MIN, QUALITY_MAX)
    streams: int = packed(
        3, 0, constants.MAX_STREAMS, default=0, kw_only=True
    )  # coded streams of a tile; 0 if the file has no codewords
    width: int = varied(1, MAX_SIDE)
    height: int = varied(1, MAX_SIDE)

    def pack(self) -> bytes:
        word, shift, tail = 0, 0, b""
        for f in fields(self):
            value, bits = getattr(self, f.name) - f.metadata["low"], f.metadata["bits"]
            if bits is None:
                tail += varint(value)
            else:
                word |= value << shift
                shift += bits
        return word.to_bytes(shift // 8, "little") + tail

    @classmethod
    def unpack(cls, data: bytes) -> tuple["Header", int]:
        """-> the header that data begin with, and where it ends. Raises FileError if it is none, or not whole."""
        size = sum(f.metadata["bits"] or 0 for f in fields(cls)) // 8
        if len(data) < size:
            raise TruncatedFile("the file is cut short")
        version = FIRST_VERSION + data[0] % 16
        if version > VERSION:
            raise UnsupportedFile(f"the file has format version {version}; this program knows up to {VERSION}")
        word, at, values = int.from_bytes(data[:size], "little"), size, {}
        for f in fields(cls):
            bits, low, high = (f.metadata[k] for k in ("bits", "low", "high"))
            if bits is None:
                value, at = read_varint(data, at)
            else:
                value, word = word & ((1 << bits) - 1), word >> bits
            if value + low > high and f.name in ("reserved", "colour"):
                raise UnsupportedFile("the file uses a part of the format that this program does not know")
            if value + low > high:
                raise DamagedFile(f"the header's {f.name} is out of range: {value + low}")
            values[f.name] = value + low
        return cls(**values), at

    @property
    def fold(self) -> Fold | None:
        """How the picture is folded to what is coded; None if it is coded as it is."""
        return fold_of(self.height, self.width)

    @property
    def coded_size(self) -> tuple[int, int]:
        """(rows, columns) of what is coded, in pixels."""
        return self.fold.coded_size if self.fold else (self.height, self.width)

    @property
    def tile_rows(self) -> int:
        return -(-self.coded_size[0] // (1 << self.tile_log2))

    @property
    def tile_columns(self) -> int:
        return -(-self.coded_size[1] // (1 << self.tile_log2))

    @property
    def tiles(self) -> int:
        return self.tile_rows * self.tile_columns

    @property
    def parts(self) -> int:
        """How many coded parts the file has: one a stream and tile."""
        return self.streams * self.tiles

    def describe(self) -> dict[str, str | int]:
        """The fields for people and programs."""
        shown = ("version", "model", "colour", "tile_log2", "quality", "width", "height")
        values = {name: getattr(self, name) for name in shown}
        return {**values, "colour": COLOUR_NAMES[self.colour], "model": f"{self.model:06x}"}
