"""What a file is made of: typed chunks with checksums, and numbers of variable length. docs/format.md, section 1."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO

from ._core import crc32c
from .errors import DamagedFile, TruncatedFile

CHUNK_CHECK, CODED_CHECK = 4, 3  # bytes of a CRC-32C, the low ones, after a chunk; after the header and a coded stream


class Surplus(DamagedFile):
    """Bytes after the picture's end, which take nothing from it."""


def varint(value: int) -> bytes:
    """LEB128: seven bits a byte, low ones first, the high bit set if more follow."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """-> the value, and where the next byte is.

    Raises TruncatedFile past the data's end, DamagedFile past 5 bytes or on padding zeros.
    """
    value = 0
    for i in count():
        if at + i >= len(data):
            raise TruncatedFile("the file is cut short")
        byte = data[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            if i and not byte:
                raise DamagedFile("a length is not in its shortest form")
            return value, at + i + 1
        if i == 4:
            raise DamagedFile("a length is too large")
    raise AssertionError


def checksum(data: bytes, size: int) -> bytes:
    """The low bytes of the CRC-32C. Of 3 bytes, a single wrong bit in less than a megabyte changes at least one."""
    return crc32c(data).to_bytes(4, "little")[:size]


def chunk(kind: bytes, payload: bytes) -> bytes:
    body = kind + varint(len(payload)) + payload
    return body + checksum(body, CHUNK_CHECK)


def coded(payload: bytes) -> bytes:
    """A tile of a coded stream. An empty one needs no checksum."""
    return payload + checksum(payload, CODED_CHECK) if payload else b""


@dataclass(frozen=True)
class Chunk:
    """Where a chunk, or a tile of a coded stream, lies in a file."""

    kind: bytes
    name: str  # for messages
    start: int  # of what is checked
    payload: int  # where it starts
    size: int  # of the payload, in bytes
    check: int = CHUNK_CHECK  # bytes of the checksum

    @property
    def end(self) -> int:
        return self.payload + self.size + self.check


def ascii_name(kind: bytes) -> str:
    """A chunk's type in quotes, fit for a line of text whatever the byte is."""
    return ascii(kind.decode("latin-1"))


def scan(file: BinaryIO, at: int, end: int, is_complete: Callable[[], bool] = lambda: False) -> Iterator[Chunk]:
    """The chunks in a part of a file, without a look at what is in them. Raises FileError if they do not follow one another.

    is_complete: whether the picture is in what was before, so that what cannot be a chunk is a Surplus.
    """
    while at < end:
        file.seek(at)
        head = file.read(min(6, end - at))
        if is_complete() and not head[:1].isalpha():
            raise Surplus(
                f"after the picture's end, at byte {at}, the file goes on with what is no part of it: {end - at} of {end} bytes"
            )
        try:
            size, used = read_varint(head, 1)
        except TruncatedFile:
            size, used = end, 1  # of a length that is cut short
        found = Chunk(head[:1], f"chunk {ascii_name(head[:1])}", at, at + used, size)
        if found.end > end:
            behind = " after its pixels, or goes on with bytes that are no part of it" if is_complete() else ""
            raise TruncatedFile(f"the file is cut short{behind}")
        yield found
        at = found.end


def load(file: BinaryIO, c: Chunk) -> bytes:
    """A chunk's payload. Raises DamagedFile if its checksum is wrong."""
    file.seek(c.start)
    data = file.read(c.end - c.start)
    body = data[: c.payload - c.start + c.size]
    if len(data) < c.end - c.start or checksum(body, c.check) != data[len(body) :]:
        raise DamagedFile(f"the file is damaged: {c.name} at byte {c.start} has a wrong checksum")
    return body[c.payload - c.start :]


def length(file: BinaryIO) -> int:
    """Of the file, in bytes."""
    return file.seek(0, io.SEEK_END)
