"""What good pictures have in common, and how far a picture is from it: fitted in seconds, to those pictures alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ModelError, OptionError
from ..picture import Picture
from ..replacing import replacing
from .calibration import Level, interval
from .codebook import BEND, CODEWORDS, DIMENSIONS, Codebook, Usual, contrast
from .denoiser import Denoiser
from .descriptors import CHANNELS, SCALES, Floats, describe
from .storage import packed, read

PICTURES_MIN = 5
FOLDS = 5  # that good pictures are held out in, of consecutive ones: neighbours in a series are often nearly the same
WEIGHT = 0.2  # of a standard deviation of the codebook's distance, as a factor e^WEIGHT beside the de-noiser's surprise
LEAST = 1e-9  # of surprises


@dataclass(frozen=True)
class Scale:
    """The two judges of a grid, and what is usual of the second."""

    denoiser: Denoiser
    codebook: Codebook
    usual: Usual

    @classmethod
    def fitted(cls, grids: Floats) -> "tuple[Scale, Floats]":
        """-> what is fitted, and the surprises (N, n, n) of the pictures themselves, each by a fit without it."""
        rebuilt = held_out(grids, lambda rest, some: Denoiser.fitted(rest).surprise(some))
        distance = held_out(grids, lambda rest, some: Codebook.fitted(rest).distance(some))
        scale = cls(Denoiser.fitted(grids), Codebook.fitted(grids), Usual.fitted(contrast(grids), distance, rebuilt))
        return scale, scale.joined(grids, rebuilt, distance)

    def surprise(self, grids: Floats) -> Floats:
        """(N, n, n, C) -> (N, n, n), about 1 in good pictures."""
        return self.joined(grids, self.denoiser.surprise(grids), self.codebook.distance(grids))

    def joined(self, grids: Floats, rebuilt: Floats, distance: Floats) -> Floats:
        joined: Floats = rebuilt / self.usual.level * np.exp(WEIGHT * self.usual.unusual(contrast(grids), distance))
        return joined

    @classmethod
    def of_tensors(cls, tensors: dict[str, Floats], n: int) -> "Scale":
        """Those of the grid of n x n cells. Raises ValueError if one is missing or has another shape than it must have."""
        codewords = tensors.get(f"{n}.codebook.codewords", np.empty((0, 0)))
        k = min(max(len(codewords), 1), CODEWORDS)
        size, patch = n * n * CHANNELS, 9 * CHANNELS
        shapes: dict[type, dict[str, tuple[int, ...]]] = {
            Denoiser: {"mean": (size,), "precision": (size, size), "spread": (n * n, CHANNELS, CHANNELS)},
            Codebook: {"mean": (patch,), "axes": (patch, DIMENSIONS), "codewords": (k, DIMENSIONS)},
            Usual: {"bend": (BEND,), "place": (n, n), "deviation": (1,), "level": (1,)},
        }
        parts = []
        for kind, wanted in shapes.items():
            values = {name: tensors.get(f"{n}.{kind.__name__.lower()}.{name}") for name in wanted}
            for name, value in values.items():
                if value is None or value.shape != wanted[name]:
                    raise ValueError(f"{n}.{kind.__name__.lower()}.{name} must be {wanted[name]}")
            parts.append(kind(**values))
        scale = cls(*parts)
        if min(scale.usual.deviation[0], scale.usual.level[0]) < LEAST:
            raise ValueError("what is usual must be positive")
        return scale


class AnomalyModel:
    """What `fit` gives and `load` reads.

    Attributes:
        pictures: how many it was fitted to.
        good: (pictures,) the surprises of those, each by a fit without it, from the least on.
        peaks: the same of their most surprising places.
        uncertainty: the share of good pictures that reach a score of 0.5 lies between these two, with a confidence of 0.9. The
            aim is 0.05; few pictures can only say so much.
    """

    def __init__(self, scales: list[Scale], good: Floats, peaks: Floats) -> None:
        self.scales, self.good, self.peaks = scales, np.sort(good), np.sort(peaks)
        self.pictures = len(good)
        self._picture, self._place = Level.of(self.good), Level.of(self.peaks)
        self.uncertainty = interval(int((self._picture(self.good) >= 0.5).sum()), self.pictures)

    def score(self, image: "np.ndarray | Image.Image | Picture") -> tuple[float, NDArray[np.float32]]:
        """How odd a picture is, and where.

        Args:
            image: a picture as `aecodec.compress` takes it, of any size; it is squashed to the shape that all are judged in.

        Returns:
            a score from 0 to 1: one of 20 good pictures reaches 0.5, and every other one 0.1; and float32 (H, W) of the picture's
            size, from 0 to 1, in which one of 20 good pictures reaches 0.5 anywhere.

        Raises:
            PictureError: the picture is not of this kind.
        """
        picture = of(image)
        surprise, places = self.surprise(picture)
        fine = Image.fromarray(places.astype(np.float32)).resize((picture.width, picture.height), Image.Resampling.BILINEAR)
        return float(self._picture(np.array(surprise))), self._place(np.asarray(fine, np.float64)).astype(np.float32)

    def surprise(self, picture: Picture) -> tuple[float, Floats]:
        """What the score is made of, which has no upper end: of the picture, and of the cells of the finest grid."""
        places = together([scale.surprise(g[None]) for scale, g in zip(self.scales, describe(picture), strict=True)])
        return float(overall(places)[0]), places[0]

    def share_of_good(self, score: float) -> tuple[float, tuple[float, float]]:
        """The share of good pictures that reach a score.

        Returns:
            (1 + reached) / (1 + pictures), which is a p-value, and an interval that has the true share with a confidence of 0.9.
        """
        reached = int((self._picture(self.good) >= score).sum())
        return (1 + reached) / (1 + self.pictures), interval(reached, self.pictures)

    def tensors(self) -> dict[str, Floats]:
        """All numbers of the model, by name."""
        found = {"good": self.good, "peaks": self.peaks}
        for n, scale in zip(SCALES, self.scales, strict=True):
            found |= {f"{n}.{part}.{name}": value for part, holder in vars(scale).items() for name, value in vars(holder).items()}
        return found

    @classmethod
    def of_tensors(cls, tensors: dict[str, Floats]) -> "AnomalyModel":
        """The inverse of `tensors`. Raises ValueError if they are not of this kind."""
        good, peaks = (np.sort(tensors.get(name, np.empty(0))) for name in ("good", "peaks"))
        if good.ndim != 1 or good.shape != peaks.shape or len(good) < PICTURES_MIN or min(good[0], peaks[0]) <= 0:
            raise ValueError("the good pictures' surprises are missing or wrong")
        scales = [Scale.of_tensors(tensors, n) for n in SCALES]
        model = cls(scales, good, peaks)
        if model.tensors().keys() != tensors.keys():
            raise ValueError("there are tensors that no model has")
        return model

    def to_bytes(self) -> bytes:
        """What `load` reads, as a file."""
        return packed(self.tensors())

    def save(self, path: Path | str) -> None:
        """Writes a file that `load` reads; an older one is replaced when the new one is whole. Raises OSError."""
        with replacing(Path(path)) as out:
            out.write(self.to_bytes())


def load(path: Path | str) -> AnomalyModel:
    """Reads what `AnomalyModel.save` wrote. Files of strangers are safe to load.

    Raises:
        ModelError: the file is none, damaged, or of another version.
        OSError: it cannot be read.
    """
    tensors = read(Path(path))
    try:
        return AnomalyModel.of_tensors(tensors)
    except ValueError as error:
        raise ModelError(f"{path}: no model of anomalies ({error})") from error


def fit(images: "Iterable[np.ndarray | Image.Image | Picture]") -> AnomalyModel:
    """Learns what good pictures look like, so that others can be told from them. Nothing bad has to be shown.

    Args:
        images: at least 5 good pictures, as `aecodec.compress` takes them; one at a time is held. In the order in which they were
            taken, if they have one: those near each other are held out together.

    Returns:
        the model; its `score` judges pictures.

    Raises:
        PictureError: a picture is not of this kind.
        OptionError: there are too few.
    """
    described = [describe(of(image)) for image in images]
    if len(described) < PICTURES_MIN:
        raise OptionError(
            f"{len(described)} pictures are too few to say what is usual; at least {PICTURES_MIN} are needed, better 100"
        )
    fitted = [Scale.fitted(np.stack(grids)) for grids in zip(*described, strict=True)]
    places = together([surprise for _, surprise in fitted])
    model = AnomalyModel([scale for scale, _ in fitted], overall(places), places.max((1, 2)))
    return AnomalyModel.of_tensors(
        {name: t.astype(np.float32).astype(np.float64) for name, t in model.tensors().items()}
    )  # as a file has it


def of(image: "np.ndarray | Image.Image | Picture") -> Picture:
    return image if isinstance(image, Picture) else Picture.of(image)


def held_out(grids: Floats, judge: Callable[[Floats, Floats], Floats]) -> Floats:
    """What is said of every picture by a fit to the others: judge(the others, some)."""
    fold = np.arange(len(grids)) * FOLDS // len(grids)
    return np.concatenate([judge(grids[fold != k], grids[fold == k]) for k in range(FOLDS)])


def together(scales: list[Floats]) -> Floats:
    """The geometric mean of the scales, on the finest grid, (N, n, n): odd is what is so from near and from afar."""
    logarithms = [np.log(np.maximum(refined(s), LEAST)) for s in scales]
    return np.asarray(np.exp(np.mean(logarithms, 0)))


def refined(places: Floats) -> Floats:
    """(N, m, m) -> (N, n, n), bilinearly, n cells a side being those of the finest grid."""
    n = SCALES[0]
    if places.shape[1] == n:
        return places
    images = (Image.fromarray(p.astype(np.float32)).resize((n, n), Image.Resampling.BILINEAR) for p in places)
    return np.stack([np.asarray(image, np.float64) for image in images])


def overall(places: Floats) -> Floats:
    """(N, n, n) -> (N,): the root mean square, so that a small fault counts."""
    return np.asarray(np.sqrt(np.square(places).mean((1, 2))))
