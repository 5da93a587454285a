"""Shards of a data set: WebDataset tars and parquet files of pictures, one in and one out, the unit of retry and resume.

Beside each shard that is made lies its record, `NAME_stats.json`, as of img2dataset (https://github.com/rom1504/img2dataset): what
was asked for, and what came of it. It is written last: a shard with no such record, or not of the size that it says, is made again.

A picture that cannot be compressed stays in the shard as it was, bytes and name, so that nothing is lost; the record says why.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from .. import __version__, storage
from ..batch import Row, compress_rows, decompress_rows
from ..errors import OptionError
from ..folders import SUFFIX
from ..model import shipped
from ..options import EFFORT_DEFAULT, QUALITY_DEFAULT
from . import parquet, tar
from .tally import Tally

RECORD = "_stats.json"
LONGEST = 1 << 20  # bytes of a record
KINDS = (".tar", ".parquet")


@dataclass(frozen=True)
class Task:
    """What to do with every shard. A plain value, which can be sent to another machine."""

    operation: str = "compress"  # or "decompress"
    quality: int = QUALITY_DEFAULT
    effort: int = EFFORT_DEFAULT
    suffix: str = ".png"  # of decompressed pictures
    column: str = "image"  # of parquet files: of bytes, or of structs {bytes, path}
    only: tuple[str, ...] = ()  # in tars, these extensions alone: all after a name's first dot, as "jpg" or "seg.png"
    threads: int = 1  # of a picture

    def settings(self) -> dict[str, Any]:
        """What the pictures depend on."""
        own = ("quality", "effort") if self.operation == "compress" else ("suffix",)
        chosen = {k: getattr(self, k) for k in own} | {"only": sorted(self.only)}
        return {"operation": self.operation, **chosen, "model": f"{shipped().identity:08x}"}

    def rows(self, pictures: list[bytes]) -> list[Row]:
        """Raises OptionError if the quality, the effort or the suffix is none."""
        work: Callable[[Any], Any] = partial(compress_rows, quality=self.quality, effort=self.effort, threads=self.threads)
        if self.operation == "decompress":
            work = partial(decompress_rows, suffix=self.suffix, threads=self.threads)
        done = work({"bytes": pictures})
        return list(map(Row, *(done.get(name, ()) for name in Row._fields)))


@dataclass(frozen=True)
class Stats:
    """A shard's record."""

    source: str
    target: str
    settings: dict[str, Any]
    version: str  # of aecodec
    pictures: Tally
    shard_bytes_before: int
    shard_bytes_after: int
    seconds: float
    began: float = field(default_factory=time.time)  # seconds since 1970


def record_of(target: str) -> str:
    return target.removesuffix(PurePosixPath(target).suffix) + RECORD


def finished(target: str) -> dict[str, Any] | None:
    """The record of a shard that is there and whole; None if it has to be made. Raises OSError."""
    try:
        with storage.reading(record_of(target)) as file:
            record = json.loads(file.read(LONGEST))
        whole = storage.size(target) == record["shard_bytes_after"] and isinstance(record["settings"], dict)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return dict(record) if whole else None


def convert(source: str, target: str, task: Task) -> Stats:
    """Compresses or decompresses the pictures of a shard; all else in it stays as it is. Takes the memory of a few pictures.

    Args:
        source: the path or the URL (with fsspec) of a .tar or .parquet file. In tars, members with a picture's suffix (or .aec) are
            taken; in parquet files, a column of bytes, or of structs {bytes, path}, of which the path is never opened.
        target: the same of the result, which is replaced if it exists, when it is whole, and its record after it.

    Returns:
        the record.

    Raises:
        OptionError: source and target are one file, or not of one kind; an option is out of range; there is no such column.
        FileError: the source is damaged, cut short, or no shard.
        OSError: it cannot be read, or the target not written.
    """
    kinds = {PurePosixPath(path).suffix.lower() for path in (source, target)}
    if len(kinds) > 1 or not kinds <= set(KINDS):
        raise OptionError(f"{source}: a shard is a {' or '.join(KINDS)} file, and remains one")
    if storage.same(source, target):
        raise OptionError(f"{source}: input and output are the same file")
    task.rows([])
    began, clock, tally = time.time(), time.perf_counter(), Tally()
    suffix = SUFFIX if task.operation == "compress" else task.suffix
    with storage.guarded(source), storage.reading(source) as file, storage.writing(target) as out:
        if kinds == {".tar"}:
            tar.convert(file, out, task.operation == "compress", suffix, task.rows, tally, task.only)
        else:
            parquet.convert(file, out, task.operation == "compress", suffix, task.rows, tally, task.column)
        out.flush()
        after = out.tell()
    seconds, before = round(time.perf_counter() - clock, 3), storage.size(source) or 0
    stats = Stats(source, target, task.settings(), __version__, tally, before, after, seconds, began)
    with storage.writing(record_of(target)) as out:
        out.write(json.dumps(asdict(stats), indent=1).encode())
    return stats
