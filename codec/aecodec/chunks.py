"""Typed, length-prefixed chunks with checksums, and the numbers of variable length in them: docs/format.md, section 1."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO

from ._core import crc32c
from .errors import DamagedFile, TruncatedFile, UnsupportedFile

MAGIC = b"\x89AEC\r\n\x1a\n"  # as PNG's: a high bit, both line ends and a DOS end-of-file, to catch text-mode damage


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


def chunk(kind: bytes, payload: bytes) -> bytes:
    body = kind + varint(len(payload)) + payload
    return body + crc32c(body).to_bytes(4, "little")


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies in a file."""

    kind: bytes
    start: int  # of the chunk
    payload: int  # where it starts
    size: int  # of the payload, in bytes


def scan(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a file, without a look at what is in them. Raises FileError if they do not follow one another."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if not magic:
            raise TruncatedFile("the file is empty")
        if MAGIC.startswith(magic):
            raise TruncatedFile("the file is cut short")
        if magic[:4] == MAGIC[:4]:
            raise DamagedFile("the file's first bytes are damaged, as a transfer in text mode would")
        raise UnsupportedFile("this is not an .aec file")
    at = len(MAGIC)
    while at < end:
        file.seek(at)
        head = file.read(6)
        size, used = read_varint(head, 1)
        if size + 4 > end - at - used:
            raise TruncatedFile("the file is cut short")
        yield Chunk(head[:1], at, at + used, size)
        at += used + size + 4


def load(file: BinaryIO, c: Chunk) -> bytes:
    """A chunk's payload. Raises DamagedFile if its checksum is wrong."""
    file.seek(c.start)
    data = file.read(c.payload - c.start + c.size + 4)
    if crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise DamagedFile(f"the file is damaged: chunk '{c.kind.decode('latin-1')}' at byte {c.start} has a wrong checksum")
    return data[c.payload - c.start : -4]
