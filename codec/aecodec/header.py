"""The header of an .aec file, whose fields have their one definition here: docs/format.md, section 1."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ._core import constants
from .chunks import read_varint, varint
from .errors import DamagedFile, TruncatedFile, UnsupportedFile
from .options import QUALITY_MAX, QUALITY_MIN

VERSION = 1
MAX_PIXELS = 1 << 28  # larger pictures are refused, lest a few bytes claim all memory
GRAY, RGB = 0, 1


def packed(bits: int, low: int, high: int) -> Any:
    """A header field of the packed integer: stored as value - low in so many bits."""
    return field(metadata={"bits": bits, "low": low, "high": high})


def varied(low: int, high: int) -> Any:
    """A header field after the packed integer: stored as value - low in a variable number of bytes."""
    return field(metadata={"bits": None, "low": low, "high": high})


@dataclass(frozen=True)
class Header:
    """The header chunk's fields, in the order in which they are stored; this is their one definition."""

    version: int = packed(8, 1, VERSION)
    model: int = packed(32, 0, 2**32 - 1)  # identity of the model that decodes the file
    colour: int = packed(4, GRAY, RGB)
    tile_log2: int = packed(4, constants.TILE_LOG2_MIN, constants.TILE_LOG2_MAX)  # tiles are squares of 2^tile_log2 pixels
    quality: int = packed(8, QUALITY_MIN, QUALITY_MAX)
    width: int = varied(1, 1 << 24)
    height: int = varied(1, 1 << 24)

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
    def unpack(cls, payload: bytes) -> "Header":
        size = sum(f.metadata["bits"] or 0 for f in fields(cls)) // 8
        if len(payload) < size:
            raise DamagedFile("the header is too short")
        if payload[0] + 1 > VERSION:
            raise UnsupportedFile(f"the file has format version {payload[0] + 1}; this program knows up to {VERSION}")
        word, at, values = int.from_bytes(payload[:size], "little"), size, {}
        for f in fields(cls):
            bits, low, high = (f.metadata[k] for k in ("bits", "low", "high"))
            if bits is None:
                try:
                    value, at = read_varint(payload, at)
                except TruncatedFile as error:  # the chunk is whole, so its end is not the file's
                    raise DamagedFile("the header is too short") from error
            else:
                value, word = word & ((1 << bits) - 1), word >> bits
            if value + low > high:
                raise DamagedFile(f"the header's {f.name} is out of range: {value + low}")
            values[f.name] = value + low
        if at != len(payload):
            raise DamagedFile("the header is too long")
        return cls(**values)

    @property
    def tile_rows(self) -> int:
        return -(-self.height // (1 << self.tile_log2))

    @property
    def tile_columns(self) -> int:
        return -(-self.width // (1 << self.tile_log2))

    @property
    def tiles(self) -> int:
        return self.tile_rows * self.tile_columns

    def describe(self) -> dict[str, str | int]:
        """The fields for people and programs."""
        return {**asdict(self), "colour": "RGB" if self.colour == RGB else "gray", "model": f"{self.model:08x}"}
