"""Training pictures: loading, the train/validation split, and random crops assembled in a background thread."""

import itertools
import queue
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..picture import SUFFIXES
from .draws import CROPS, sequence
from .scenes import scene
from .synthetic import synthetic

VALIDATION_SHARE = 20  # one picture in 20, by a hash of its name, is never trained on
SYNTHETIC_SHARE = 0.04  # of crops are drawings
SCENE_SHARE = 0.08  # of crops are drawn as if photographed
VIVID_SHARE = 0.25  # of the others have their contrast and saturation raised, up to clipped colours
CONTRAST, SATURATION = 0.6, 1.5  # by up to how much of themselves
GRAY_SHARE = 0.05  # of crops are turned gray, so that gray pictures cost no chroma


Member = Path | zipfile.Path  # a picture's file


def is_validation(path: Member) -> bool:
    return zlib.crc32(path.name.encode()) % VALIDATION_SHARE == 0


def load(path: Member) -> np.ndarray:
    """-> uint8 (H, W, 3)"""
    with path.open("rb") as file, Image.open(file) as im:
        return np.asarray(im.convert("RGB"))


def load_or_skip(path: Member) -> np.ndarray | None:
    """The same, or None, with a line on stderr, if the picture cannot be read."""
    try:
        return load(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        sys.stderr.write(f"aecodec: {path}: skipped, as it cannot be read ({' '.join(str(error).split())})\n")  # whole: threads do
        return None


def pictures(data: Path) -> list[Member]:
    """The pictures of a folder, or of a zip file (which pack.py makes), by their names. Raises ValueError if it is neither."""
    try:
        root = data if data.is_dir() else zipfile.Path(data)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{data} is neither a folder nor a zip file") from error
    return sorted((p for p in root.iterdir() if p.suffix.lower() in SUFFIXES), key=lambda p: p.name)


def split(data: Path) -> tuple[list[Member], list[Member]]:
    """-> the training and the validation pictures. Raises ValueError if either would be empty."""
    paths = pictures(data)
    train, validation = [p for p in paths if not is_validation(p)], [p for p in paths if is_validation(p)]
    if not train or not validation:
        raise ValueError(f"{data}: too few pictures to train on ({len(train)}) and to validate on ({len(validation)})")
    return train, validation


def evenly(held_out: list[Member], count: int) -> list[Member]:
    """About `count` of the pictures held out, which weights are chosen by.

    Not the first of each few: of ours these were trained on by run m, by mistake (docs/training.md).
    """
    step = max(1, len(held_out) // count)
    return held_out[min(1, step - 1) :: step]


def vivid(x: Tensor, contrast: float | Tensor, saturation: float | Tensor) -> Tensor:
    """More contrast and stronger colours: float (..., H, W, 3), 0..255 -> the same, rounded."""
    gray = x.mean(-1, keepdim=True)
    middle = gray.mean((-3, -2), keepdim=True)
    return (middle + contrast * (gray + saturation * (x - gray) - middle)).round().clamp(0, 255)


class Crops:
    """An endless iterator of float32 batches (batch, 3, crop, crop), pixels 0..255, channels last, after `start`."""

    def __init__(self, paths: list[Member], batch: int, crop: int, seed: int):
        with ThreadPoolExecutor() as pool:
            pictures = list(pool.map(load_or_skip, paths))
        self.pictures = [torch.from_numpy(p.copy()) for p in pictures if p is not None and min(p.shape[:2]) >= crop]
        if not self.pictures:
            raise ValueError(f"no training picture is as large as a crop of {crop}x{crop}")
        self.batch, self.crop, self.seed = batch, crop, seed
        self.ready: queue.Queue[Tensor] = queue.Queue(maxsize=4)
        self.worker: threading.Thread | None = None

    def _one(self, rng: np.random.Generator) -> Tensor:
        kind = rng.random()
        if kind < SYNTHETIC_SHARE + SCENE_SHARE:
            return torch.from_numpy((synthetic if kind < SYNTHETIC_SHARE else scene)(self.crop, rng).copy())
        p = self.pictures[rng.integers(len(self.pictures))]
        i, j = (rng.integers(s - self.crop + 1) for s in p.shape[:2])
        p = p[i : i + self.crop, j : j + self.crop]
        if rng.random() < 0.5:
            p = p.flip(1)
        if rng.random() < 0.5:
            p = p.transpose(0, 1)
        colours = rng.random()
        if colours < GRAY_SHARE:
            p = p.float().mean(2, keepdim=True).round().to(torch.uint8).expand(-1, -1, 3)
        elif colours < GRAY_SHARE + VIVID_SHARE:
            p = vivid(p.float(), 1 + CONTRAST * rng.random(), 1 + SATURATION * rng.random()).to(torch.uint8)
        return p

    def sample(self, count: int, *seeds: int) -> Tensor:
        """`count` crops that depend on the seeds alone, whatever else has been drawn."""
        rng = np.random.default_rng(sequence(self.seed, CROPS, *seeds))
        crops = torch.stack([self._one(rng) for _ in range(count)])
        return crops.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)

    def start(self, step: int, parts: range = range(1)) -> None:
        """Begins to prepare the batches of this and all later steps: one for each of these parts of a step."""

        def fill() -> None:
            for n in itertools.count(step):
                for part in parts:
                    self.ready.put(self.sample(self.batch, n, part))

        self.worker = threading.Thread(target=fill, daemon=True)
        self.worker.start()

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        return self.ready.get()
