"""Inputs and outputs on other machines: URLs of whatever fsspec knows (s3://, gs://, https://, ...), as paths of universal_pathlib.

A file is fetched before the work on it begins, and what came of it is sent when it is whole, in one piece.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..errors import AecodecError, OptionError
from ..storage import is_url, local, remote
from .paths import STREAM, Job


class Place(click.ParamType):  # type: ignore[type-arg]  # older releases of click have no type argument
    """A path of this machine, or a URL."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if not is_url(value):
            return local(value)
        remote(value)  # whose libraries are there
        try:
            from upath import UPath
        except ImportError as error:
            raise OptionError(f'{value}: URLs need universal_pathlib (pip install "aecodec[s3]")') from error
        return UPath(value)  # but for its type it is a path


def is_remote(place: Path) -> bool:
    return not isinstance(place, Path)


def anywhere(job: Job) -> Job:
    """The job as another process of this machine, or of one with the same files, finds its files."""
    source, target = (place if is_remote(place) else place.absolute() for place in (job.source, job.target))
    return replace(job, source=source, target=target)


@contextlib.contextmanager
def near(job: Job, force: bool) -> Iterator[Job]:
    """The job with files of this machine in the place of others. What it has made is sent when the block ends.

    force: an older target is replaced; or else it is an AecodecError, even one that somebody has made in the meantime.
    """
    from ..replacing import temporary_folder

    if not is_remote(job.source) and not is_remote(job.target):
        yield job
        return
    with temporary_folder() as folder:
        source, target = job.source, job.target
        if is_remote(job.source):
            source = folder / f"in{job.source.suffix}"
            fetch(job.source, source)
        if is_remote(job.target):
            target = folder / f"out{job.target.suffix}"
        yield replace(job, source=source, target=target)
        if is_remote(job.target):
            send(target, job.target, force)


def fetch(source: Any, to: Path) -> None:
    with told_of(source):
        source.fs.get_file(source.path, str(to))


def send(made: Path, target: Any, force: bool) -> None:
    with told_of(target):
        target.fs.pipe_file(target.path, made.read_bytes(), mode="overwrite" if force else "create")


@contextlib.contextmanager
def told_of(place: Any) -> Iterator[None]:
    """Whatever a store's library raises becomes one error that names the place."""
    try:
        yield
    except FileExistsError as error:
        raise AecodecError(f"{place} exists already; -f replaces it") from error
    except Exception as error:
        raise OSError(f"{place}: {' '.join(str(error).split()) or type(error).__name__}") from error


def renamed(text: str, there: Job, job: Job) -> str:
    """What was said of a job's files near by, of the job's own."""
    for a, b in ((there.source, job.source), (there.target, job.target)):
        text = text if a in (b, STREAM) else text.replace(str(a), str(b))
    return text
