"""The .aec file as a whole: which chunks there are, in which order. docs/format.md is its specification.

Only bytes are looked at here: every length and size is checked before it is used, and no pixel is decoded. A file is read by
its index, which says where everything lies; so a reader fetches only what it wants.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from .chunks import MAGIC, Chunk, chunk, load, scan
from .errors import DamagedFile, FileError, TruncatedFile, UnsupportedFile
from .header import MAX_PIXELS, Header

# Chunk types. A reader must refuse a file with an upper-case type that it does not know, and skip a lower-case one.
HEADER, ALPHA, LOSSLESS, STREAM = b"H", b"A", b"L", b"S"
METADATA = {"icc": b"i", "exif": b"e", "xmp": b"x"}


@dataclass(frozen=True)
class Contents:
    """Everything in a file."""

    header: Header
    streams: Sequence[Sequence[bytes | None]]  # [stream][tile]: coded latents, coarse to fine; None if a damaged file lacks them
    metadata: dict[str, bytes] = field(default_factory=dict)  # by the names of METADATA
    alpha: bytes | None = None  # a PNG file of one 8-bit channel
    lossless: bytes | None = None  # a WebP file of the pixels; there are no streams then


def write(contents: Contents) -> bytes:
    """The bytes of a file. Raises ValueError if a tile of a stream is missing."""
    parts = [MAGIC, chunk(HEADER, contents.header.pack())]
    parts += [chunk(METADATA[name], payload) for name, payload in contents.metadata.items()]
    if contents.alpha is not None:
        parts.append(chunk(ALPHA, contents.alpha))
    if contents.lossless is not None:
        parts.append(chunk(LOSSLESS, contents.lossless))
    for stream in contents.streams:
        for tile in stream:
            if tile is None:
                raise ValueError("a tile of a stream is missing")
            parts.append(chunk(STREAM, tile))
    return b"".join(parts)


@dataclass
class Index:
    """What is in a file, and where."""

    header: Header
    streams: list[list[Chunk | None]]  # [stream][tile]; None if a damaged file lacks them
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
    its header is. Raises FileError if the bytes are not a whole, undamaged file.
    """
    found: Index | None = None
    coded: list[Chunk | None] = []
    try:
        for c in scan(file):
            if (found is None) != (c.kind == HEADER):
                raise DamagedFile("the header is missing" if found is None else "the file has two headers")
            if found is None:
                header = Header.unpack(load(file, c))
                if header.width * header.height > max_pixels:
                    size = f"{header.width} x {header.height}"
                    raise UnsupportedFile(f"the file claims {size} pixels, more than the limit of {max_pixels}")
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
            raise TruncatedFile("the file is cut short")
        if len(coded) < found.parts(streams):
            raise TruncatedFile(f"the file is cut short: {len(coded)} of {found.parts(streams)} coded parts are there")
    except FileError as error:
        if found is None or not partial:
            raise
        found.problems.append(str(error))
        coded += [None] * (found.parts(streams) - len(coded))
    tiles = found.header.tiles
    found.streams = [coded[i : i + tiles] for i in range(0, found.parts(streams), tiles)]
    return found


def file_chunk(found: Index, coded: list[Chunk | None], c: Chunk, intact: bool, streams: int) -> None:
    """Puts a chunk where it belongs. Raises FileError if it belongs nowhere."""
    names = {kind: name for name, kind in METADATA.items()}
    if c.kind == STREAM or (coded and not intact):  # a damaged chunk among those of the streams is one of them
        if len(coded) == found.parts(streams):
            raise DamagedFile("the file has more coded data than its size allows")
        coded.append(c if intact else None)
    elif not intact:
        pass
    elif c.kind == ALPHA and found.alpha is None:
        found.alpha = c
    elif c.kind == LOSSLESS and found.lossless is None and not coded:
        found.lossless = c
    elif c.kind in names and names[c.kind] not in found.metadata:
        found.metadata[names[c.kind]] = c
    elif c.kind in (ALPHA, LOSSLESS):
        raise DamagedFile(f"the file has a chunk '{c.kind.decode('latin-1')}' too many, or in the wrong place")
    elif not c.kind.islower():
        raise UnsupportedFile(f"the file has a chunk '{c.kind.decode('latin-1')}' that this program cannot use")


def read(file: BinaryIO, found: Index) -> Contents:
    """Loads everything that an index found. Raises FileError if a checksum is wrong."""

    def loaded(c: Chunk | None) -> bytes | None:
        return None if c is None else load(file, c)

    streams = [[loaded(c) for c in tiles] for tiles in found.streams]
    metadata = {name: load(file, c) for name, c in found.metadata.items()}
    return Contents(found.header, streams, metadata, loaded(found.alpha), loaded(found.lossless))
