"""The lossless layer of a picture that is not all lossless: which blocks it has, and in which steps. docs/format.md, section 1.

The rest of such a picture comes from codewords. It is mixed raster content (ITU-T T.44) of two layers and a mask.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from .errors import DamagedFile

BLOCK = 8  # pixels a side
STEP_MAX = 64
DAMAGED = "the mask of the lossless pixels is damaged"


@dataclass(frozen=True)
class Layer:
    """step: a sample n of the payload stands for min(255, step·n). mask: bool, the blocks that it has; None if all."""

    step: int
    mask: np.ndarray | None

    def pack(self) -> bytes:
        mask = b"" if self.mask is None else zlib.compress(np.packbits(self.mask, axis=1).tobytes(), 9)
        return bytes([self.step]) + mask

    @classmethod
    def unpack(cls, data: bytes, height: int, width: int) -> "Layer":
        """The inverse of `pack`, of a picture of this size. Raises DamagedFile."""
        if not data or not 1 <= data[0] <= STEP_MAX:
            raise DamagedFile(DAMAGED)
        if len(data) == 1:
            return cls(data[0], None)
        rows, columns = blocks_of(height, width)
        size, inflate = rows * -(-columns // 8), zlib.decompressobj()
        try:
            bits = inflate.decompress(data[1:], size + 1)
        except zlib.error as error:
            raise DamagedFile(DAMAGED) from error
        if len(bits) != size or not inflate.eof or inflate.unused_data:
            raise DamagedFile(DAMAGED)
        return cls(data[0], np.unpackbits(np.frombuffer(bits, np.uint8).reshape(rows, -1), axis=1, count=columns).astype(bool))


def blocks_of(height: int, width: int) -> tuple[int, int]:
    return -(-height // BLOCK), -(-width // BLOCK)


def divided(samples: np.ndarray, step: int) -> np.ndarray:
    """uint8 -> the samples of the payload, uint8."""
    return samples if step == 1 else ((samples.astype(np.uint16) + step // 2) // step).astype(np.uint8)


def multiplied(samples: np.ndarray, step: int) -> np.ndarray:
    """The inverse of `divided`, as nearly as there is one."""
    return samples if step == 1 else np.minimum(255, samples.astype(np.uint16) * step).astype(np.uint8)


def expanded(mask: np.ndarray, height: int, width: int, scale: int = 1) -> np.ndarray:
    """A mask of blocks -> one of the pixels of a picture of height x width pixels, reduced by `scale`: 1, 2, 4 or 8."""
    size = BLOCK // scale
    return mask.repeat(size, 0).repeat(size, 1)[: -(-height // scale), : -(-width // scale)]
