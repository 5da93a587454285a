"""Maps of qualities: regions of interest get more bits, others fewer. docs/format.md, section 1, has how files hold them.

A cell is a position of the coarsest level, 64 x 64 pixels of what is coded. Maps are uint8 (rows, columns) of qualities 1 to 100.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeVar

import numpy as np

from .chunks import read_varint, varint
from .errors import DamagedFile, FileError, OptionError
from .folding import folded
from .header import Header
from .options import QUALITY_MAX, QUALITY_MIN

CELL = 64  # pixels on a side
OFFSET_MAX = QUALITY_MAX - QUALITY_MIN
T = TypeVar("T")
Region = tuple[tuple[int, int, int, int], int]  # (x, y, width, height) in pixels, and an offset


def shape_of(header: Header) -> tuple[int, int]:
    """(rows, columns) of a file's map."""
    rows, columns = header.coded_size
    return -(-rows // CELL), -(-columns // CELL)


def of_regions(height: int, width: int, regions: Iterable[Region]) -> np.ndarray:
    """Offsets int8 (H, W) of a picture, 0 outside the regions; later ones cover earlier ones. OptionError if one is not inside."""
    roi = np.zeros((height, width), np.int8)
    for (x, y, w, h), offset in regions:
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
            raise OptionError(f"the region {x},{y},{w},{h} is not inside the picture of {width} x {height} pixels")
        if abs(offset) > OFFSET_MAX:
            raise OptionError(f"an offset of quality must be {-OFFSET_MAX} to {OFFSET_MAX}, not {offset}")
        roi[y : y + h, x : x + w] = offset
    return roi


def of_roi(roi: np.ndarray, header: Header) -> np.ndarray | None:
    """The map of offsets (H, W); a cell has the largest of its pixels'. None if all are 0. Raises OptionError if they are none."""
    roi = np.asarray(roi)
    if roi.shape != (header.height, header.width) or roi.dtype.kind not in "iu":
        shape = f"{header.height}, {header.width}"
        raise OptionError(f"roi must be whole numbers ({shape}), an offset a pixel, not {roi.dtype} {roi.shape}")
    if not -OFFSET_MAX <= int(roi.min()) <= int(roi.max()) <= OFFSET_MAX:
        raise OptionError(f"an offset of quality must be {-OFFSET_MAX} to {OFFSET_MAX}, not {roi.min()} or {roi.max()}")
    if not roi.any():
        return None
    cells = of_cells(np.maximum, folded(roi.astype(np.int8), header.fold)).astype(np.int16)
    qualities = np.clip(header.quality + cells, QUALITY_MIN, QUALITY_MAX).astype(np.uint8)
    return None if (qualities == header.quality).all() else qualities


def of_cells(reduction: np.ufunc, values: np.ndarray) -> np.ndarray:
    """What a reduction makes of every cell's values, (H, W) of what is coded -> (rows, columns)."""
    rows, columns = (np.arange(0, n, CELL) for n in values.shape)
    return np.asarray(reduction.reduceat(reduction.reduceat(values, rows, 0), columns, 1))


def runs(values: Iterable[T]) -> Iterator[tuple[int, T]]:
    """(how often, value) of what follows itself."""
    for value, same in groupby(values):
        yield len(list(same)), value


def pack(qualities: np.ndarray | None, quality: int) -> bytes | None:
    """Runs of equal rows, in each of which runs of equal offsets from the header's quality; None of no map."""
    if qualities is None:
        return None
    offsets = (qualities.astype(np.int16) - quality).astype(np.int8)
    out = b""
    for count, row in runs(row.tobytes() for row in offsets):
        out += varint(count - 1) + b"".join(varint(length - 1) + bytes([offset]) for length, offset in runs(row))
    return out


def unpack(data: bytes, header: Header) -> np.ndarray:
    """The inverse of `pack`. Raises DamagedFile unless the data are a map of the file's size."""
    rows, columns = shape_of(header)
    cells, done, at = np.empty((rows, columns), np.int8), 0, 0
    try:
        while done < rows:
            count, at = read_varint(data, at)
            if count >= rows - done:
                raise DamagedFile("the map of qualities is larger than the picture")
            row = cells[done]
            filled = 0
            while filled < columns:
                length, at = read_varint(data, at)
                if length >= columns - filled or at == len(data):
                    raise DamagedFile("the map of qualities is larger than the picture")
                row[filled : filled + length + 1] = data[at] - 256 * (data[at] > 127)
                at, filled = at + 1, filled + length + 1
            cells[done : done + count + 1] = row
            done += count + 1
    except FileError as error:
        raise DamagedFile(f"the map of qualities is damaged: {error}") from error
    qualities = header.quality + cells.astype(np.int16)
    if at != len(data) or qualities.min() < QUALITY_MIN or qualities.max() > QUALITY_MAX:
        raise DamagedFile("the map of qualities is damaged: it is too long, or a quality is out of range")
    return qualities.astype(np.uint8)
