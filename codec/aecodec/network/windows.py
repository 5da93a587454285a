"""A picture a window at a time, with what is around it: what the float network sees of it at once, for the memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .fixed_point import FEATURE_BITS


@dataclass(frozen=True)
class Side:
    """Of a window, in pixels: where its core begins and ends, and where it does with its margins."""

    begin: int
    end: int
    first: int
    last: int

    def inner(self, stride: int) -> slice:
        """The core, in what was made of the window, with a position every `stride` pixels."""
        return slice((self.begin - self.first) // stride, (self.end - self.first) // stride)

    def outer(self, stride: int) -> slice:
        """The core, in what is made of the picture."""
        return slice(self.begin // stride, self.end // stride)


def sides(size: int, core: int, margin: int) -> Iterator[Side]:
    for begin in range(0, size, core):
        end = min(size, begin + core)
        yield Side(begin, end, max(0, begin - margin), min(size, end + margin))


@dataclass(frozen=True)
class Window:
    rows: Side
    columns: Side
    x: Tensor  # (1, 3, H, W), 0..255
    quality: Tensor  # (1,), or a map (1, rows, columns) of the coarsest level's positions

    def put(self, made: Tensor, out: np.ndarray, stride: int) -> None:
        """Puts the core of what was made, (1, C, h, w), to its place in int16 (H, W, C), in units of fixed-point features."""
        core = made[0, :, self.rows.inner(stride), self.columns.inner(stride)].permute(1, 2, 0).float().cpu().numpy()
        fixed = np.clip(np.round(core * 2**FEATURE_BITS), -32768, 32767)
        out[self.rows.outer(stride), self.columns.outer(stride)] = fixed


def windows(
    pixels: np.ndarray, unit: int, quality: int, qualities: np.ndarray | None, core: int, margin: int, device: str = "cpu"
) -> Iterator[Window]:
    """Of uint8 (H, W, 3). unit: of pixels, that sides are padded to, and the core and the margin are multiples of.

    qualities: a map uint8 of the units, or None for `quality` everywhere.
    """
    h, w = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -h % unit), (0, -w % unit), (0, 0)), "edge")  # as the fixed-point stem does
    for rows in sides(padded.shape[0], core, margin):
        for columns in sides(padded.shape[1], core, margin):
            part = torch.from_numpy(padded[rows.first : rows.last, columns.first : columns.last].copy()).to(device)
            local = torch.tensor([float(quality)])
            if qualities is not None:
                cells = qualities[rows.first // unit : rows.last // unit, columns.first // unit : columns.last // unit]
                local = torch.from_numpy(cells.astype(np.float32))[None]
            yield Window(rows, columns, part.permute(2, 0, 1)[None].float(), local.to(device))
