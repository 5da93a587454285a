"""aecodec anomaly"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import AecodecError
from ..folders import pictures_in
from . import batch
from .messages import say
from .paths import STREAM, expand, targets, unique
from .size import Range

if TYPE_CHECKING:
    from ..anomaly import AnomalyModel
    from ..picture import Picture

FOLDER = click.Path(file_okay=False, path_type=Path)
MAP, OVERLAY = "-map.png", "-overlay.png"


@click.group(short_help="Find the odd picture out.")
def anomaly() -> None:
    """Learn what good pictures have in common, and tell how odd others are, and where."""


@anomaly.command()
@click.argument("inputs", metavar="FOLDER...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The model's file.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing file.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def fit(inputs: tuple[Path, ...], output: Path, force: bool, quiet: bool, as_json: bool) -> None:
    """Learn from good pictures alone, of any kind or .aec files, with all that is in the folders: at least 5, better 100.

    Pictures that cannot be read are named and left out; the exit status is then 1.
    """
    from ..anomaly import fit as fitted

    if output.exists() and not force:
        raise AecodecError(f"{output} exists already; -f replaces it")
    paths, failures = found(inputs), Failures()

    def pictures() -> Iterator["Picture"]:
        with batch.progress(len(paths), quiet or as_json) as bar:
            for path in paths:
                if (picture := failures.load(path)) is not None:
                    yield picture
                bar.update(1)

    model = fitted(pictures())
    with batch.writing(output, not force) as out:
        out.write(model.to_bytes())
    if as_json:
        click.echo(json.dumps({**of_model(model), "failed": failures.messages}, indent=1))
    elif not quiet:
        say(f"{output}: {certainty(model)}")
    failures.end()


@dataclass
class Verdict:
    """What is said of a file; `score` and what follows are None if it could not be read, and `error` says why."""

    file: str
    score: float | None = None
    odd: bool | None = None
    share_of_good: float | None = None  # that are as odd
    share_between: tuple[float, float] | None = None  # with a confidence of 0.9
    map: str | None = None
    overlay: str | None = None
    error: str | None = None


@anomaly.command()
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="FILE...", type=click.Path(path_type=Path, allow_dash=True), nargs=-1, required=True)
@click.option("--map", "folder", type=FOLDER, help="A folder for heat maps and overlays, as PNG.")
@click.option("--threshold", type=Range(0, 1), default=0.5, show_default=True, help="From which score on to call it odd.")
@click.option("-f", "--force", is_flag=True, help="Replace existing maps.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def score(model_path: Path, inputs: tuple[Path, ...], folder: Path | None, threshold: float, force: bool, as_json: bool) -> None:
    """Print how odd pictures are, from 0 to 1: one of 20 good ones reaches 0.5.

    FILE is a picture of any kind, an .aec file, a folder with all that is in it, or "-" for stdin. Files that cannot be read are
    named, and the exit status is then 1.
    """
    from ..anomaly import load

    model = load(model_path)
    paths, failures = found(inputs), Failures()
    maps = places(paths, folder)
    verdicts = []
    for path, place in zip(paths, maps, strict=True):
        try:
            verdict = judged(model, path, place, threshold, force)
        except Exception as error:  # whatever it is, it is this file's
            verdict = Verdict(str(path), error=failures.note(path, error))
        verdicts.append(verdict)
        if not as_json and verdict.score is not None:
            say(f"{verdict.score:.3f} {'odd ' if verdict.odd else 'good'} {path}")
    if as_json:
        click.echo(json.dumps({"model": of_model(model), "files": [asdict(v) for v in verdicts]}, indent=1))
    elif model.pictures < 100:
        say(certainty(model), err=True)
    failures.end()


def judged(model: "AnomalyModel", path: Path, place: tuple[Path, Path] | None, threshold: float, force: bool) -> Verdict:
    from ..anomaly.maps import heat, overlay

    picture = load_picture(path)
    value, places = model.score(picture)
    share, between = model.share_of_good(value)
    if place is not None:
        place[0].parent.mkdir(parents=True, exist_ok=True)
        for target, image in zip(place, (heat(places), overlay(picture, places)), strict=True):
            with batch.writing(target, not force) as out:
                image.save(out, "PNG")
    names = (None, None) if place is None else (str(place[0]), str(place[1]))
    return Verdict(str(path), round(value, 6), value >= threshold, round(share, 6), between, *names)


class Failures:
    """Files that could not be read: each is named on stderr, and the others are gone on with."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def note(self, path: Path, error: Exception) -> str:
        self.messages.append(batch.said_of(path, error))
        say(f"aecodec: {self.messages[-1]}", err=True)
        return self.messages[-1]

    def load(self, path: Path) -> "Picture | None":
        try:
            return load_picture(path)
        except Exception as error:  # whatever it is, it is this file's
            self.note(path, error)
            return None

    def end(self) -> None:
        if self.messages:
            sys.exit(1)


def load_picture(path: Path) -> "Picture":
    from ..files import load

    return load(batch.read_stdin() if path == STREAM else path)


def found(inputs: tuple[Path, ...]) -> list[Path]:
    """The files themselves, and the pictures of folders. Raises AecodecError if a folder has none."""
    files = []
    for path in expand(inputs)[0]:
        inside = pictures_in(path) if path.is_dir() else [path]
        if not inside:
            raise AecodecError(f"{path}: there are no pictures in this folder")
        files += inside
    return files


def places(paths: list[Path], folder: Path | None) -> list[tuple[Path, Path]] | list[None]:
    """The heat map and the overlay of each file. Raises AecodecError if two have one name."""
    if folder is None:
        return [None] * len(paths)
    maps = unique(targets([(Path("stdin") if path == STREAM else path, folder) for path in paths], MAP))
    return [(m, m.with_name(m.name.removesuffix(MAP) + OVERLAY)) for m in maps]


def of_model(model: "AnomalyModel") -> dict[str, object]:
    return {"pictures": model.pictures, "good_that_reach_half": model.uncertainty}


def certainty(model: "AnomalyModel") -> str:
    low, high = (100 * share for share in model.uncertainty)
    return f"fitted to {model.pictures} pictures; of good ones {low:.1f} to {high:.1f} % reach 0.5 (with a confidence of 90 %)"
