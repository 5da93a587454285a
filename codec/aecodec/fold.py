"""Thin pictures are coded as squarer ones, so that they cost what their pixels cost: docs/format.md, section 3, "Thin pictures".

Of a wide picture, pieces of its columns are put below one another; of a tall one, pieces of its rows beside one another.
"""

import math
from dataclasses import dataclass

SHORT = 32  # half of what sides are padded to multiples of: the padding would be as large as the picture
WIDE = 1 << 16  # the memory of the runtime grows with the width
UNIT = 64  # pieces are multiples of this
Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels


@dataclass(frozen=True)
class Fold:
    height: int  # of the picture, in pixels
    width: int
    length: int  # of a piece, along the long side
    count: int  # of pieces

    @property
    def wide(self) -> bool:
        return self.width > self.height

    @property
    def coded_size(self) -> tuple[int, int]:
        """(rows, columns) of the picture that is coded."""
        stacked = self.count * min(self.height, self.width)
        return (stacked, self.length) if self.wide else (self.length, stacked)

    def coded_box(self, box: Box) -> Box:
        """The part of the coded picture that holds a part of the picture: whole pieces, but for the short side of a single one."""
        top, left, bottom, right = box if self.wide else (box[1], box[0], box[3], box[2])
        first, last = left // self.length, (right - 1) // self.length
        short = min(self.height, self.width)
        rows = (first * short + top, first * short + bottom) if first == last else (first * short, (last + 1) * short)
        columns = (left % self.length, (right - 1) % self.length + 1) if first == last else (0, self.length)
        return (rows[0], columns[0], rows[1], columns[1]) if self.wide else (columns[0], rows[0], columns[1], rows[1])


def fold_of(height: int, width: int) -> Fold | None:
    """How a picture of this size is folded; None if it is coded as it is."""
    short, long = min(height, width), max(height, width)
    if short > SHORT and width <= WIDE:
        return None
    length = UNIT * -(-(math.isqrt(height * width - 1) + 1) // UNIT)  # the least whose square holds all pixels
    return Fold(height, width, length, -(-long // length)) if length < long else None
