"""Which pictures of some folders are versions of one another: by the embedding, whose points are kept beside the folders."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from .container import MAGIC
from .embedding import DIMENSIONS, SIDE, TABLES, Floats, descriptor, project, thumbnail
from .errors import AecodecError
from .files import load_reduced
from .folders import pictures_in
from .inspection import info
from .neighbours import neighbours
from .options import MAX_PIXELS
from .replacing import replacing

CACHE = ".aecodec-embeddings"
THRESHOLD = 0.85  # of a dot product of points; of two different pictures fewer than 1 pair in 100 000 reaches it


@dataclass(frozen=True)
class File:
    """A picture file: its pixels and its bytes say which of several to keep; `stamp` whether it has changed since."""

    path: Path
    width: int
    height: int
    bytes: int
    stamp: int  # nanoseconds since 1970

    @property
    def worth(self) -> tuple[int, int]:
        """Larger pictures, and of those with as many pixels larger files, lost less."""
        return self.width * self.height, self.bytes


@dataclass(frozen=True)
class Group:
    """Versions of one picture: the best first, then by their likeness to it, 1 being the same."""

    files: list[File]
    likeness: list[float]


@dataclass
class Found:
    files: list[File] = field(default_factory=list)
    points: list[Floats] = field(default_factory=list)
    failed: list[tuple[Path, Exception]] = field(default_factory=list)


def tables_name() -> str:
    """Of the projection, so that points of another one are not taken for those of this."""
    return hashlib.sha256((resources.files(__package__) / TABLES).read_bytes()).hexdigest()[:16]


def size_of(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            facts = info(path.read_bytes(), MAX_PIXELS)
            return facts["width"], facts["height"]
    with Image.open(path) as image:
        return image.size


def read(path: Path) -> tuple[File, Floats]:
    """Raises AecodecError or OSError."""
    status = path.stat()
    picture = load_reduced(path, SIDE)
    return File(path, *size_of(path), status.st_size, status.st_mtime_ns), descriptor(thumbnail(picture))


def load_cache(folder: Path) -> dict[str, tuple[File, Floats]]:
    """By the path inside the folder; nothing if there is none, or it is damaged, or of other tables."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        head, rest = (folder / CACHE).read_bytes().split(b"\n", 1)
        facts = json.loads(head)
        if facts["tables"] == tables_name():
            points = np.frombuffer(rest, "<f4").reshape(len(facts["files"]), DIMENSIONS).astype(np.float32)
            rows = zip(facts["files"], points, strict=True)
            return {str(name): (File(folder / str(name), *map(int, numbers)), point) for (name, *numbers), point in rows}
    return {}


def save_cache(folder: Path, files: list[File], points: list[Floats]) -> None:
    """A line of JSON, and float32 (files, DIMENSIONS), little-endian. Raises OSError."""
    rows = [[f.path.relative_to(folder).as_posix(), f.width, f.height, f.bytes, f.stamp] for f in files]
    with replacing(folder / CACHE) as out:
        out.write(json.dumps({"tables": tables_name(), "files": rows}).encode() + b"\n")
        out.write(np.array(points, "<f4").tobytes())


def scan(folder: Path, workers: int, progress: Callable[[int], object] = lambda done: None) -> Found:
    """The pictures below a folder with their points; those that it knows already, and that have not changed, are not read again."""
    known, found, new = load_cache(folder), Found(), []
    paths = pictures_in(folder)
    for path in paths:
        old = known.get(path.relative_to(folder).as_posix())
        status = path.stat()
        if old and (old[0].bytes, old[0].stamp) == (status.st_size, status.st_mtime_ns):
            found.files.append(old[0])
            found.points.append(old[1])
        else:
            new.append(path)
    progress(len(paths) - len(new))
    with ThreadPoolExecutor(workers) as pool:
        for path, task in [(p, pool.submit(read, p)) for p in new]:
            try:
                file, described = task.result()
                found.files.append(file)
                found.points.append(project(described))
            except (AecodecError, OSError, MemoryError) as error:
                found.failed.append((path, error))
            progress(1)
    if new or len(known) != len(found.files):
        with contextlib.suppress(OSError):  # a folder that cannot be written to is read anew each time
            save_cache(folder, found.files, found.points)
    return found


def groups(files: list[File], points: list[Floats], threshold: float = THRESHOLD) -> list[Group]:
    """Versions of the same pictures, the largest group first.

    The best file that is in no group yet leads one, of all that are in none and that close to it: no chain of likenesses joins
    pictures that are not alike. With faiss installed, a few pairs in a thousand are missed among 50 000 files or more.
    """
    order = sorted(range(len(files)), key=lambda i: (*(-w for w in files[i].worth), files[i].path.as_posix()))
    table = np.array([points[i] for i in order], np.float32).reshape(-1, DIMENSIONS)
    free = np.ones(len(order), bool)
    result = []
    for leader, close, likeness in neighbours(table, free, threshold):
        free[close] = False
        nearest = np.argsort(-likeness, kind="stable")
        members = [leader, *close[nearest].tolist()]
        alike = [1.0, *(round(min(1.0, float(x)), 4) for x in likeness[nearest])]
        result.append(Group([files[order[m]] for m in members], alike))
    return sorted(result, key=lambda g: (-len(g.files), g.files[0].path.as_posix()))
