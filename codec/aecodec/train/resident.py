"""Pictures in the memory of a GPU, where crops of them are cut; other processes decode and draw them.

The crops of data.py, cut on the CPU in one thread, are too slow for a GPU, which trains on forty megapixels a second.
"""

import itertools
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .data import (
    CONTRAST,
    GRAY_SHARE,
    SATURATION,
    SCENE_SHARE,
    SYNTHETIC_SHARE,
    VIVID_SHARE,
    is_validation,
    load_or_skip,
    pictures,
    vivid,
)
from .scenes import scene
from .synthetic import synthetic

CAPACITY = 4 << 30  # bytes of pictures
DRAWINGS = 12000  # after which the oldest are replaced
REDUCED_SHARE = 0.2  # of photographs are crops of REDUCTION times the sides, reduced: sharper, and with more in them
REDUCTION = 1.5
ROUND = 60  # drawings between two looks into the folder


def draw(seed_and_size: tuple[int, int]) -> np.ndarray:
    """-> uint8 (size, size, 3)"""
    seed, size = seed_and_size
    rng = np.random.default_rng((seed, 77))
    of_all = SYNTHETIC_SHARE + SCENE_SHARE
    return (synthetic if rng.random() < SYNTHETIC_SHARE / of_all else scene)(size, rng).copy()


class Supply:
    """The training pictures of a folder, those that come into it later too, and drawings without end, made by other processes."""

    def __init__(self, folder: Path, sizes: list[int], jobs: int, seed: int):
        """sizes: of the drawings, in turns."""
        self.folder, self.sizes, self.seed = folder, sizes, seed
        self.ready: queue.Queue[tuple[np.ndarray, bool]] = queue.Queue(maxsize=64)  # a picture, and whether it is drawn
        self.pool = multiprocessing.get_context("spawn").Pool(jobs)
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        known: set[str] = set()
        seeds = itertools.count(self.seed)
        while True:
            new = [p for p in pictures(self.folder) if p.name not in known and not is_validation(p)]
            known |= {p.name for p in new}
            for picture in self.pool.imap(load_or_skip, new):
                if picture is not None:
                    self.ready.put((picture, False))
            tasks = [(next(seeds), self.sizes[n % len(self.sizes)]) for n in range(ROUND)]
            for picture in self.pool.imap(draw, tasks):
                self.ready.put((picture, True))

    def take(self, wanted: Callable[[], bool]) -> Iterator[tuple[np.ndarray, bool]]:
        """What is ready, and what comes as long as it is wanted."""
        while wanted() or not self.ready.empty():
            yield self.ready.get()

    def close(self) -> None:
        self.pool.terminate()


class Place(NamedTuple):
    """Where a picture lies."""

    start: int  # its first byte
    height: int
    width: int


class Resident:
    """Pictures on a device, and random crops of them, by the device's own random numbers."""

    def __init__(self, device: str, capacity: int = CAPACITY):
        self.bytes = torch.zeros(capacity, dtype=torch.uint8, device=device)
        self.used, self.replaced = 0, 0
        self.photographs: list[Place] = []
        self.drawings: list[Place] = []
        self.tables: dict[tuple[bool, int, int], Tensor | None] = {}

    def add(self, picture: np.ndarray, drawn: bool) -> None:
        """uint8 (H, W, 3). What there is no room for is left out."""
        if drawn and len(self.drawings) >= DRAWINGS:
            place = self.drawings[self.replaced % DRAWINGS]
            if (place.height, place.width) != picture.shape[:2]:
                return
            self.replaced += 1
        else:
            if self.used + picture.size > len(self.bytes):
                return
            place = Place(self.used, *picture.shape[:2])
            self.used += picture.size
            (self.drawings if drawn else self.photographs).append(place)
        self.bytes[place.start : place.start + picture.size] = torch.from_numpy(picture.reshape(-1)).to(self.bytes.device)

    def places(self, drawn: bool, crop: int) -> Tensor | None:
        """(n, 3) Places of pictures large enough for a crop; drawings are counted by the fifty."""
        rows = self.drawings if drawn else self.photographs
        key = (drawn, crop, len(rows) // 50 if drawn else len(rows))
        if key not in self.tables:
            fitting = [r for r in rows if min(r.height, r.width) >= crop]
            self.tables[key] = torch.tensor(fitting, device=self.bytes.device) if fitting else None
        return self.tables[key]

    def crops(self, number: int, crop: int, drawn_share: float) -> Tensor:
        """-> float32 (number, 3, crop, crop), 0..255, changed as those of data.py are."""
        device = self.bytes.device
        kind, which, down, right, turn, mirror, colours, contrast, saturation = torch.rand(
            9, number, device=device, dtype=torch.float64
        )
        photographs, drawings = self.places(False, crop), self.places(True, crop)
        if photographs is None:
            raise ValueError(f"no training picture is as large as a crop of {crop}x{crop}")
        rows = photographs[(which * len(photographs)).long()]
        drawn = torch.zeros(number, dtype=torch.bool, device=device)
        if drawings is not None:
            drawn = kind < drawn_share
            rows = torch.where(drawn[:, None], drawings[(which * len(drawings)).long()], rows)
        start, height, width = rows.unbind(1)

        def each(t: Tensor) -> Tensor:
            return t[:, None, None]

        u, v = torch.arange(crop, device=device)[None, :, None], torch.arange(crop, device=device)[None, None, :]
        turned, mirrored = each((turn < 0.5) & ~drawn), each((mirror < 0.5) & ~drawn)
        row, column = torch.where(turned, v, u), torch.where(turned, u, v)
        column = torch.where(mirrored, crop - 1 - column, column)
        row = row + each((down * (height - crop + 1)).long())
        column = column + each((right * (width - crop + 1)).long())
        first = each(start) + (row * each(width) + column) * 3
        x = self.bytes[first[..., None] + torch.arange(3, device=device)].float()  # (number, crop, crop, 3)

        more, stronger = (
            (1 + reach * t).float()[:, None, None, None] for t, reach in ((contrast, CONTRAST), (saturation, SATURATION))
        )
        is_gray, is_vivid = colours < GRAY_SHARE, (colours >= GRAY_SHARE) & (colours < GRAY_SHARE + VIVID_SHARE)
        x = torch.where(each(is_gray & ~drawn)[..., None], x.mean(3, keepdim=True).round().expand_as(x), x)
        x = torch.where(each(is_vivid & ~drawn)[..., None], vivid(x, more, stronger), x)
        return x.permute(0, 3, 1, 2)

    def batch(self, number: int, crop: int) -> Tensor:
        """-> float32 (number, 3, crop, crop), 0..255, channels last: photographs, some of them reduced, and drawings."""
        large, drawn_share = int(crop * REDUCTION), SYNTHETIC_SHARE + SCENE_SHARE
        reduced = round(number * REDUCED_SHARE) if self.places(False, large) is not None else 0
        x = self.crops(number - reduced, crop, drawn_share * number / (number - reduced))
        if reduced:
            small = F.interpolate(self.crops(reduced, large, 0), size=crop, mode="bicubic", antialias=True)
            x = torch.cat([x, small.round().clamp(0, 255)])
        return x.contiguous(memory_format=torch.channels_last)
