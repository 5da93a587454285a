"""Which files the inputs stand for, and where their results go."""

import glob
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import AecodecError
from ..folders import pictures_in
from ..storage import guarded
from .messages import printable

STREAM = Path("-")  # stdin or stdout


@dataclass(frozen=True)
class Job:
    source: Path
    target: Path
    makes_folder: bool = False  # whether the target's folder is made if it is missing


def plan(
    inputs: tuple[Path, ...],
    output: Path | None,
    recursive: bool,
    wanted: Callable[[Path], bool],
    suffix: str,
    is_output: Callable[[Path], bool],
    rule: str,
    is_result: Callable[[Path], bool] | None = None,
) -> tuple[list[Job], bool]:
    """-> the jobs, and whether there is but one file, which was named.

    wanted: which files of a folder to take. is_output: whether a second argument is the first one's output, by its name; rule says
    so in words. is_result: whether a name that --output gives is one of a file, not of a folder; is_output if there is none.
    Raises AecodecError if two results would have one name, or a folder is given without --recursive, OSError and UsageError if
    one of two arguments is neither an input that is there nor an output.
    """
    names_file = is_result or is_output
    is_file = output is not None and not output.is_dir() and (output == STREAM or output.exists() or names_file(output))
    is_file = is_file and not inputs[0].is_dir()
    two = len(inputs) == 2 and output is None
    if two and (inputs[1] == STREAM or is_output(inputs[1]) or is_through(inputs[1])):
        return [Job(inputs[0], inputs[1])], True
    if len(inputs) == 1 and (is_file or inputs[0] == STREAM):
        if output is not None and not is_file:
            raise click.UsageError("stdin has no name that a file in a folder could take")
        return [Job(inputs[0], output or STREAM)], True
    if STREAM in inputs:
        raise click.UsageError("'-' stands alone, or with one other file")
    if two:
        refuse_missing(inputs[0], inputs[1], rule)
    with guarded(str(inputs[0])):
        paths, named = expand(inputs)
        placed = [place for path in paths for place in places(path, output, recursive, wanted)]
    sources = [source for source, _ in placed]
    jobs = [Job(*pair) for pair in zip(sources, unique(targets(placed, suffix)), strict=True)]
    return jobs, len(inputs) == 1 and named and not paths[0].is_dir()


def is_through(path: Any) -> bool:
    """Whether it is a device or a pipe of this machine: as a second argument it is always the output."""
    from ..replacing import is_written_through

    return isinstance(path, Path) and is_written_through(path)


def refuse_missing(first: Path, second: Path, rule: str) -> None:
    """Two inputs, one of which is not there, may be an output with a wrong name: that is told before anything is written.

    Raises FileNotFoundError, or UsageError with the rule that an output's name obeys.
    """
    with guarded(str(first)):
        missing = [path for path in (first, second) if not path.exists() and not glob.has_magic(str(path))]
    if first in missing:
        raise FileNotFoundError(2, "No such file or directory", str(first))
    if second in missing:
        raise click.UsageError(f"{printable(str(second))}: no such file to read; {rule}")


def expand(inputs: tuple[Path, ...]) -> tuple[list[Path], bool]:
    """The inputs with their patterns resolved -> the paths, and whether no pattern was among them.

    Raises AecodecError if a pattern matches nothing.
    """
    paths: list[Path] = []
    named = True
    for given in inputs:
        if given.exists() or not glob.has_magic(str(given)):
            paths.append(given)
            continue
        matches = sorted(matching(given))
        if not matches:
            raise AecodecError(f"{given}: no such files")
        paths += matches
        named = False
    return paths, named


def matching(given: Any) -> list[Path]:
    """What a pattern stands for, of this machine or of another."""
    if isinstance(given, Path):
        return list(map(Path, glob.glob(pattern(given), recursive=True)))
    return [given.with_segments(given.fs.unstrip_protocol(p)) for p in given.fs.glob(given.path)]


def pattern(given: Path) -> str:
    """The pattern of an input: folders that are there by this very name stand for themselves, whatever characters it has."""
    there = next((p for p in given.parents if p.exists()), Path())
    return str(Path(glob.escape(str(there))) / given.relative_to(there))


def places(path: Path, output: Path | None, recursive: bool, wanted: Callable[[Path], bool]) -> list[tuple[Path, Path]]:
    """A file, or the files of a folder that are wanted, each with the folder that its result goes to.

    Raises AecodecError if it is a folder and those are not to be taken.
    """
    if not path.is_dir():
        return [(path, output or path.parent)]
    if not recursive:
        raise AecodecError(f"{path} is a folder; -r takes what is in it")
    files = pictures_in(path, wanted)
    return [(file, output.joinpath(*file.relative_to(path).parts[:-1]) if output else file.parent) for file in files]


def targets(placed: list[tuple[Path, Path]], suffix: str) -> list[Path]:
    """The results' names: a.jpg gives a.aec; but beside a.png the two give a.jpg.aec and a.png.aec."""
    short = [folder / (source.stem + suffix) for source, folder in placed]
    count = Counter(short)
    return [t if count[t] == 1 else t.with_name(source.name + suffix) for t, (source, _) in zip(short, placed, strict=True)]


def unique(names: list[Path]) -> list[Path]:
    """The names themselves. Raises AecodecError if one occurs twice."""
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise AecodecError(f"two inputs would be written to {twice[0]}")
    return names
