"""A protective copy: from it a tile of the coarsest stream that is lost comes back, and the header. docs/format.md, section 1.

Where there is room it is a plain second copy. Where there is not, tiles share their copies: the exclusive or of some tiles gives
back any one of them if the others are there (as in a RAID; Patterson, Gibson and Katz, SIGMOD 1988).
"""

from collections.abc import Sequence

from .chunks import read_varint, varint
from .errors import DamagedFile

SHARE = 5  # the copy takes at most 1/SHARE of the rest, if it can


def groups_for(tiles: Sequence[bytes], size: int) -> int:
    """How many groups there can be if the rest of the file takes so many bytes: the more, the more tiles can be lost."""
    longest = max(1, *map(len, tiles))
    return min(len(tiles), max(1, size // SHARE // longest))


def pack(head: bytes, tiles: Sequence[bytes], groups: int) -> bytes:
    """The copy. tiles: of stream 0; tile t belongs to group t mod groups, so that neighbours are apart."""
    return head + varint(groups) + b"".join(exclusive_or(tiles[g::groups]) for g in range(groups))


def exclusive_or(tiles: Sequence[bytes]) -> bytes:
    """Byte by byte, shorter ones filled up with zeros."""
    size = max(map(len, tiles))
    value = 0
    for tile in tiles:
        value ^= int.from_bytes(tile.ljust(size, b"\0"), "little")
    return value.to_bytes(size, "little")


def repaired(copy: bytes, head_size: int, tiles: Sequence[bytes | None], lengths: Sequence[int]) -> dict[int, bytes]:
    """The tiles that come back, by their number. tiles: of stream 0, None what is lost; lengths: what their lengths are.

    Raises DamagedFile if the copy does not fit the tiles.
    """
    groups, at = read_varint(copy, head_size)
    if not 1 <= groups <= len(tiles) or at + sum(max(lengths[g::groups]) for g in range(groups)) != len(copy):
        raise DamagedFile("the protective copy does not fit the file")
    found = {}
    for group in range(groups):
        members, size = range(group, len(tiles), groups), max(lengths[group::groups])
        lost = [t for t in members if tiles[t] is None]
        if len(lost) == 1:
            others = [tile for t in members if (tile := tiles[t]) is not None]
            found[lost[0]] = exclusive_or([*others, copy[at : at + size]])[: lengths[lost[0]]]
        at += size
    return found
