"""The .aec file as a whole: the header, which says where everything lies, chunks, and the coded streams. docs/format.md is its
specification.

Only bytes are looked at here: every length and size is checked before it is used, and no pixel is decoded. A file is read by
its index, which says where everything lies; so a reader fetches only what it wants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from . import protection
from .chunks import CODED_CHECK, Chunk, Surplus, ascii_name, checksum, chunk, coded, length, load, read_varint, scan, varint
from .errors import DamagedFile, FileError, TruncatedFile, UnsupportedFile
from .header import Header
from .options import MAX_PIXELS

MAGIC = b"\x89AEC"  # the high bit, as PNG's, tells a file from text
FIRST_MAGIC = b"\x89AEC\r\n\x1a\n"  # of format version 1, which was never released

# Chunk types. A reader must refuse a file with an upper-case type that it does not know, and skip a lower-case one.
ALPHA, LAYER, LOSSLESS, QUALITIES, PROTECTION = b"A", b"M", b"L", b"Q", b"p"
METADATA = {"icc": b"i", "exif": b"e", "xmp": b"x"}
METADATA_MAX = 1 << 24  # bytes of each
CHUNKS_MAX = 4096
PROBLEMS_MAX = 20  # that are told of a damaged file
COPIES_MAX = 64  # places that are looked at for a copy of a damaged header
HEADER, STREAM = b"H", b"S"  # no chunks, but listed with them


@dataclass(frozen=True)
class Contents:
    """Everything in a file."""

    header: Header
    streams: Sequence[Sequence[bytes | None]]  # [stream][tile]: coded latents, coarse to fine; None if a damaged file lacks them
    metadata: dict[str, bytes] = field(default_factory=dict)  # by the names of METADATA
    alpha: bytes | None = None  # a PNG file of one 8-bit channel
    lossless: bytes | None = None  # the payload of lossless pixels; there are no streams then, unless the layer has a mask
    layer: bytes | None = None  # which of the pixels are lossless, and in which steps; None if all are exact
    qualities: bytes | None = None  # a map of quality_map.py
    protected: bool = False  # whether there is a protective copy of the header and of stream 0, if there are streams


def write(contents: Contents) -> bytes:
    """The bytes of a file; the header's `streams` and `ahead` follow from the contents. ValueError if a tile is missing."""
    parts = []
    for tile in (tile for stream in contents.streams for tile in stream):
        if tile is None:
            raise ValueError("a tile of a stream is missing")
        parts.append(tile)
    ahead = [chunk(METADATA[name], payload) for name, payload in contents.metadata.items()]
    if contents.alpha is not None:
        ahead.append(chunk(ALPHA, contents.alpha))
    if contents.layer is not None:
        ahead.append(chunk(LAYER, contents.layer))
    if contents.lossless is not None:
        ahead.append(chunk(LOSSLESS, contents.lossless))
    if contents.qualities is not None:
        ahead.append(chunk(QUALITIES, contents.qualities))
    header = replace(contents.header, streams=len(contents.streams), ahead=int(bool(parts and ahead)))
    lengths = [sum(map(len, ahead))] if header.ahead else []
    head = MAGIC + header.pack() + b"".join(map(varint, [*lengths, *map(len, parts)]))
    head += checksum(head, CODED_CHECK)
    data = b"".join([head, *ahead, *map(coded, parts)])
    if contents.protected and parts:
        coarse = parts[: header.tiles]
        groups = protection.groups_for(coarse, len(data) - protection.SHARE * (len(head) + 16))  # 16: chunk, number of groups
        data += chunk(PROTECTION, protection.pack(head, coarse, groups))
    return data


@dataclass
class Index:
    """What is in a file, and where."""

    header: Header
    head: Chunk
    streams: list[list[Chunk | None]]  # [stream][tile]; None if a damaged file lacks them
    chunks: list[Chunk] = field(default_factory=list)  # in the file's order, without those of the streams
    metadata: dict[str, Chunk] = field(default_factory=dict)  # by the names of METADATA
    alpha: Chunk | None = None
    lossless: Chunk | None = None
    layer: Chunk | None = None
    qualities: Chunk | None = None
    protection: Chunk | None = None
    problems: list[str] = field(default_factory=list)  # what is wrong with a damaged file
    repaired: dict[int, bytes] = field(default_factory=dict)  # tiles of stream 0 from the protective copy, by their number
    repairs: list[str] = field(default_factory=list)  # what came back from the protective copy
    surplus: int = 0  # problems with what is no part of the picture
    lost_layer: bool = False  # whether a damaged file lacks lossless pixels, or which they are

    def add_problem(self, problem: object) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(str(problem))
        elif len(self.problems) == PROBLEMS_MAX:
            self.problems.append("and more")

    @property
    def mixed(self) -> bool:
        """Whether some pixels are lossless, and the others codewords."""
        return self.lossless is not None and self.header.streams > 0

    @property
    def layers_fit(self) -> bool:
        """Whether there is a mask just if some pixels are lossless and others codewords, and a step only of lossless ones."""
        has_mask = self.layer is not None and self.layer.size > 1  # beyond the step
        return self.mixed == has_mask and (self.layer is None or self.lossless is not None)

    def everything(self) -> list[Chunk]:
        """The header, the chunks and the coded streams, in the file's order."""
        coded = [c for tiles in self.streams for c in tiles if c is not None]
        return sorted([self.head, *self.chunks, *coded], key=lambda c: c.start)


def index(file: BinaryIO, max_pixels: int = MAX_PIXELS, *, check: bool, partial: bool = False) -> Index:
    """Finds everything in a file.

    check: of every part's checksum, not of the header's alone. partial: takes what is intact of a damaged file, as long as
    its header is. Raises FileError if the bytes are not a whole, undamaged file.
    """
    end = length(file)
    problem = None
    try:
        header, head, ahead, coded = read_head(file, end)
    except FileError as error:
        if not partial:
            raise
        header, head, ahead, coded = read_head(file, end, find_copy(file, error))
        problem = str(error)
    if header.width * header.height > max_pixels:
        size = f"{header.width} x {header.height}"
        raise UnsupportedFile(f"the file claims {size} pixels, more than the limit of {max_pixels}")
    found = Index(header, head, [])
    if problem is not None:
        found.add_problem(problem)
        found.repairs.append("the header")

    def intact(c: Chunk) -> bool:
        try:
            if check:
                load(file, c)
        except FileError as error:
            if not partial:
                raise
            found.add_problem(error)
            return False
        return True

    lost_map: list[Chunk] = []  # without it no code can be read

    def take(chunks: Iterator[Chunk]) -> None:
        try:
            for c in chunks:
                if len(found.chunks) == CHUNKS_MAX:
                    raise UnsupportedFile(f"the file has more than {CHUNKS_MAX} chunks")
                found.chunks.append(c)
                if intact(c):
                    file_chunk(found, c)
                elif c.kind in (LAYER, LOSSLESS):
                    found.lost_layer = True
                elif c.kind == QUALITIES:
                    lost_map.append(c)
        except FileError as error:
            if not partial:
                raise
            found.add_problem(error)
            found.surplus += isinstance(error, Surplus)

    whole = [c for c in coded if c.end <= end]
    take(scan(file, head.end, ahead if header.streams and ahead <= end else end, lambda: not coded and found.lossless is not None))
    parts = [c if intact(c) else None for c in whole] + [None] * (len(coded) - len(whole))
    if len(whole) < len(coded):
        cut = f"the file is cut short: {len(whole)} of {len(coded)} coded parts are there"
        if not partial:
            raise TruncatedFile(cut)
        found.add_problem(cut)
    elif coded:
        take(scan(file, coded[-1].end, end, lambda: True))
    if not partial:
        check_pixels(found)
    elif found.header.streams and (found.lost_layer or not found.layers_fit):
        found.lossless, found.lost_layer = None, True  # of no use if it is not known which pixels it has
    found.streams = [parts[i : i + header.tiles] for i in range(0, len(parts), header.tiles)]
    if found.streams and found.protection is not None and None in found.streams[0]:
        repair(file, found, coded[: header.tiles])
    if lost_map:
        found.streams = [[None] * header.tiles for _ in range(header.streams)]
    return found


def check_pixels(found: Index) -> None:
    """Raises DamagedFile unless every pixel is there once: lossless, as codewords, or in one of both as the layer's mask says."""
    if found.lossless is None and not found.header.streams:
        raise DamagedFile("the file has no pixels")
    if not found.layers_fit:
        raise DamagedFile("the file has its pixels twice" if found.mixed else "the file has a mask for pixels that it lacks")


def repair(file: BinaryIO, found: Index, coarse: list[Chunk]) -> None:
    """Takes what is missing of stream 0 from the protective copy. coarse: where its tiles should be."""
    assert found.protection is not None  # the caller has looked
    tiles = [None if c is None else load(file, c) for c in found.streams[0]]
    try:
        found.repaired = protection.repaired(load(file, found.protection), found.head.end, tiles, [c.size for c in coarse])
    except FileError as error:
        found.add_problem(error)
    for tile in found.repaired:
        found.streams[0][tile] = coarse[tile]
        found.repairs.append(f"stream 0, tile {tile}")


def find_copy(file: BinaryIO, error: FileError) -> int:
    """Where the protective copy of the header begins, the last one if there are several. Raises `error` if there is none."""
    file.seek(0)
    data = file.read()
    at = len(data)
    for _ in range(COPIES_MAX):
        at = data.rfind(MAGIC, 1, at)
        if at < 0:
            break
        try:
            *_, head, _, _ = read_head(file, len(data), at)
        except FileError:
            continue
        if is_protection(data, at, head.end):
            return at
    raise error


def is_protection(data: bytes, at: int, size: int) -> bool:
    """Whether bytes with a header of `size` in front are those of a protective copy, and not of another file behind this one."""
    for start in range(max(0, at - 6), at - 1):
        try:
            length, payload = read_varint(data[:at], start + 1)
        except FileError:
            continue
        if data[start : start + 1] == PROTECTION and payload == at and length > size:
            return True
    return False


def load_part(file: BinaryIO, found: Index, stream: int, tile: int) -> bytes | None:
    """A tile of a coded stream, or None if it is lost. Raises DamagedFile if its checksum is wrong."""
    if stream == 0 and tile in found.repaired:
        return found.repaired[tile]
    c = found.streams[stream][tile]
    return None if c is None else load(file, c)


def read_head(file: BinaryIO, end: int, start: int = 0) -> tuple[Header, Chunk, int, list[Chunk]]:
    """-> the header, its place, where the coded streams begin, and where every part of them should be.

    start: of the bytes that are read, those of the header or of a copy of it. Raises FileError if they are no intact header.
    """
    file.seek(start)
    data = file.read(64)
    if not data.startswith(MAGIC):
        if not data:
            raise TruncatedFile("the file is empty")
        raise TruncatedFile("the file is cut short") if MAGIC.startswith(data) else UnsupportedFile("this is not an .aec file")
    if data.startswith(FIRST_MAGIC):
        raise UnsupportedFile("the file has format version 1, which no release wrote: compress the picture again")
    header, used = Header.unpack(data[len(MAGIC) :])
    if header.parts > end:  # every part has at least the byte of its length
        raise TruncatedFile("the file is cut short")
    data += file.read(5 * header.parts)  # at most, and that of the chunks ahead is in the first 64
    at, sizes = len(MAGIC) + used, []
    for _ in range(header.ahead + header.parts):
        size, at = read_varint(data, at)
        sizes.append(size)
    if len(data) < at + CODED_CHECK:
        raise TruncatedFile("the file is cut short")
    if checksum(data[:at], CODED_CHECK) != data[at : at + CODED_CHECK]:
        raise DamagedFile("the file is damaged: the header has a wrong checksum")
    head = Chunk(HEADER, "the header", 0, len(MAGIC), at - len(MAGIC), CODED_CHECK)
    first = at = head.end + sum(sizes[: header.ahead])
    coded = []
    for i, size in enumerate(sizes[header.ahead :]):
        name = f"stream {i // header.tiles}, tile {i % header.tiles},"
        coded.append(Chunk(STREAM, name, at, at, size, CODED_CHECK if size else 0))
        at = coded[-1].end
    return header, head, first, coded


def file_chunk(found: Index, c: Chunk) -> None:
    """Puts a chunk where it belongs. Raises FileError if it belongs nowhere."""
    names = {kind: name for name, kind in METADATA.items()}
    if c.kind == ALPHA and found.alpha is None:
        found.alpha = c
    elif c.kind == LOSSLESS and found.lossless is None:
        found.lossless = c
    elif c.kind == LAYER and found.layer is None:
        found.layer = c
    elif c.kind == QUALITIES and found.qualities is None:
        found.qualities = c
    elif c.kind == PROTECTION and found.protection is None:
        found.protection = c
    elif c.kind in names and c.size > METADATA_MAX:
        raise UnsupportedFile(f"the file has {names[c.kind].upper()} of {c.size} bytes, more than the limit of {METADATA_MAX}")
    elif c.kind in names and names[c.kind] not in found.metadata:
        found.metadata[names[c.kind]] = c
    elif c.kind in (ALPHA, LAYER, LOSSLESS, QUALITIES):
        raise DamagedFile(f"the file has a chunk {ascii_name(c.kind)} too many")
    elif not c.kind.islower():
        raise UnsupportedFile(f"the file has a chunk {ascii_name(c.kind)} that this program cannot use")


def read(file: BinaryIO, found: Index) -> Contents:
    """Loads everything that an index found. Raises FileError if a checksum is wrong."""

    def loaded(c: Chunk | None) -> bytes | None:
        return None if c is None else load(file, c)

    streams = [[load_part(file, found, s, t) for t in range(len(tiles))] for s, tiles in enumerate(found.streams)]
    metadata = {name: load(file, c) for name, c in found.metadata.items()}
    return Contents(
        found.header,
        streams,
        metadata,
        loaded(found.alpha),
        loaded(found.lossless),
        loaded(found.layer),
        loaded(found.qualities),
        found.protection is not None,
    )
