"""The .aec file: a magic number, then typed, length-prefixed chunks with checksums. docs/format.md is its specification.

Only bytes are looked at here: every length and size is checked before it is used, and no pixel is decoded. A file is read by
its index, which says where everything lies; so a reader fetches only what it wants.
"""

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from itertools import count
from typing import BinaryIO

from crc32c import crc32c

from ._core import constants
from .errors import FileError
from .options import QUALITY_MAX, QUALITY_MIN

MAGIC = b"\x89AEC\r\n\x1a\n"  # as PNG's: a high bit, both line ends and a DOS end-of-file, to catch text-mode damage
VERSION = 1
MAX_PIXELS = 1 << 28  # larger pictures are refused, lest a few bytes claim all memory

# Chunk types. A reader must refuse a file with an upper-case type that it does not know, and skip a lower-case one.
HEADER, ALPHA, LOSSLESS, STREAM = b"H", b"A", b"L", b"S"
METADATA = {"icc": b"i", "exif": b"e", "xmp": b"x"}

GRAY, RGB = 0, 1


def packed(bits: int, low: int, high: int):
    """A header field of the packed integer: stored as value - low in so many bits."""
    return field(metadata={"bits": bits, "low": low, "high": high})


def varied(low: int, high: int):
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
            raise FileError("the header is too short")
        if payload[0] + 1 > VERSION:
            raise FileError(f"the file has format version {payload[0] + 1}; this program knows up to {VERSION}")
        word, at, values = int.from_bytes(payload[:size], "little"), size, {}
        for f in fields(cls):
            bits, low, high = (f.metadata[k] for k in ("bits", "low", "high"))
            if bits is None:
                value, at = read_varint(payload, at)
            else:
                value, word = word & ((1 << bits) - 1), word >> bits
            if value + low > high:
                raise FileError(f"the header's {f.name} is out of range: {value + low}")
            values[f.name] = value + low
        if at != len(payload):
            raise FileError("the header is too long")
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


@dataclass(frozen=True)
class Contents:
    """Everything in a file."""

    header: Header
    streams: list[list[bytes | None]]  # [stream][tile]: the coded latents, coarse to fine; None where a damaged file lacks them
    metadata: dict[str, bytes] = field(default_factory=dict)  # by the names of METADATA
    alpha: bytes | None = None  # a PNG file of one 8-bit channel
    lossless: bytes | None = None  # a WebP file of the pixels; there are no streams then


def varint(value: int) -> bytes:
    """LEB128: seven bits a byte, low ones first, the high bit where more follow."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """-> the value, and where the next byte is. Raises FileError past 5 bytes, the data's end, or padding zeros."""
    value = 0
    for i in count():
        if at + i >= len(data):
            raise FileError("the file is cut short")
        byte = data[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            if i and not byte:
                raise FileError("a length is not in its shortest form")
            return value, at + i + 1
        if i == 4:
            raise FileError("a length is too large")
    raise AssertionError


def chunk(kind: bytes, payload: bytes) -> bytes:
    body = kind + varint(len(payload)) + payload
    return body + crc32c(body).to_bytes(4, "little")


def write(contents: Contents) -> bytes:
    parts = [MAGIC, chunk(HEADER, contents.header.pack())]
    parts += [chunk(METADATA[name], payload) for name, payload in contents.metadata.items()]
    if contents.alpha is not None:
        parts.append(chunk(ALPHA, contents.alpha))
    if contents.lossless is not None:
        parts.append(chunk(LOSSLESS, contents.lossless))
    parts += [chunk(STREAM, tile) for stream in contents.streams for tile in stream]
    return b"".join(parts)


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies in a file."""

    kind: bytes
    start: int  # of the chunk
    payload: int  # where it starts
    size: int  # of the payload, in bytes


def scan(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a file, without a look at what is in them. Raises FileError where they do not follow one another."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if not magic:
            raise FileError("the file is empty")
        if magic[:4] == MAGIC[:4]:
            raise FileError("the file's first bytes are damaged, as a transfer in text mode would")
        raise FileError("this is not an .aec file")
    at = len(MAGIC)
    while at < end:
        file.seek(at)
        head = file.read(6)
        size, used = read_varint(head, 1)
        if size + 4 > end - at - used:
            raise FileError("the file is cut short")
        yield Chunk(head[:1], at, at + used, size)
        at += used + size + 4


def load(file: BinaryIO, c: Chunk) -> bytes:
    """A chunk's payload. Raises FileError where its checksum is wrong."""
    file.seek(c.start)
    data = file.read(c.payload - c.start + c.size + 4)
    if crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise FileError(f"the file is damaged: chunk '{c.kind.decode('latin-1')}' at byte {c.start} has a wrong checksum")
    return data[c.payload - c.start : -4]


@dataclass
class Index:
    """What is in a file, and where."""

    header: Header
    streams: list[list[Chunk | None]]  # [stream][tile]; None where a damaged file lacks them
    metadata: dict[str, Chunk]  # by the names of METADATA
    alpha: Chunk | None
    lossless: Chunk | None
    problems: list[str]  # what is wrong with a damaged file

    def parts(self, streams: int) -> int:
        """How many coded parts belong to a file of so many streams a tile."""
        return 0 if self.lossless else streams * self.header.tiles


def index(file: BinaryIO, streams: int, max_pixels: int = MAX_PIXELS, *, check: bool, partial: bool = False) -> Index:
    """Finds everything in a file of so many streams a tile.

    check: of every chunk's checksum, not of the header's alone. partial: takes what is intact of a damaged file, as long as
    its header is. Raises FileError where the bytes are not a whole, undamaged file.
    """
    found: Index | None = None
    coded: list[Chunk | None] = []
    try:
        for c in scan(file):
            if (found is None) != (c.kind == HEADER):
                raise FileError("the header is missing" if found is None else "the file has two headers")
            if found is None:
                header = Header.unpack(load(file, c))
                if header.width * header.height > max_pixels:
                    size = f"{header.width} x {header.height}"
                    raise FileError(f"the file claims {size} pixels, more than the limit of {max_pixels}")
                found = Index(header, [], {}, None, None, [])
                continue
            intact = True
            if check:
                try:
                    load(file, c)
                except FileError as error:
                    if not partial:
                        raise
                    found.problems.append(str(error))
                    intact = False
            file_chunk(found, coded, c, intact, streams)
        if found is None:
            raise FileError("the file is cut short")
        if len(coded) < found.parts(streams):
            raise FileError(f"the file is cut short: {len(coded)} of {found.parts(streams)} coded parts are there")
    except FileError as error:
        if found is None or not partial:
            raise
        found.problems.append(str(error))
        coded += [None] * (found.parts(streams) - len(coded))
    tiles = found.header.tiles
    found.streams = [coded[i : i + tiles] for i in range(0, found.parts(streams), tiles)]
    return found


def file_chunk(found: Index, coded: list[Chunk | None], c: Chunk, intact: bool, streams: int) -> None:
    """Puts a chunk where it belongs. Raises FileError where it belongs nowhere."""
    names = {kind: name for name, kind in METADATA.items()}
    if c.kind == STREAM or (coded and not intact):  # a damaged chunk among those of the streams is one of them
        if len(coded) == found.parts(streams):
            raise FileError("the file has more coded data than its size allows")
        coded.append(c if intact else None)
    elif not intact:
        pass
    elif c.kind == ALPHA and found.alpha is None:
        found.alpha = c
    elif c.kind == LOSSLESS and found.lossless is None and not coded:
        found.lossless = c
    elif c.kind in names and names[c.kind] not in found.metadata:
        found.metadata[names[c.kind]] = c
    elif not c.kind.islower():
        raise FileError(f"the file has a chunk '{c.kind.decode('latin-1')}' that this program cannot use")


def read(file: BinaryIO, found: Index) -> Contents:
    """Loads everything that an index found. Raises FileError where a checksum is wrong."""

    def loaded(c: Chunk | None) -> bytes | None:
        return None if c is None else load(file, c)

    streams = [[loaded(c) for c in tiles] for tiles in found.streams]
    metadata = {name: load(file, c) for name, c in found.metadata.items()}
    return Contents(found.header, streams, metadata, loaded(found.alpha), loaded(found.lossless))


def describe(header: Header) -> dict:
    """The header for people and programs."""
    return {**asdict(header), "colour": "RGB" if header.colour == RGB else "gray", "model": f"{header.model:08x}"}
