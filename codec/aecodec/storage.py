"""Where files and shards lie: paths of this machine, or URLs of whatever fsspec knows (s3://, gs://, az://, https://, ...).

Outputs appear when they are whole: files by `replacing`, objects because a store shows none before its last byte has come.
"""

import contextlib
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .errors import AecodecError, OptionError


def is_url(path: str) -> bool:
    return "://" in path and not path.startswith("file://")


def local(path: str) -> Path:
    return Path(path.removeprefix("file://"))


def remote(url: str) -> tuple[Any, str]:
    """-> fsspec's file system, and the path in it."""
    try:
        import fsspec

        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError as error:
        raise OptionError(f'{url}: URLs need fsspec, and what it needs for them (pip install "aecodec[s3]"): {error}') from error
    except ValueError as error:
        raise OptionError(f"{url}: {error}") from error


def absolute(path: str) -> str:
    """The same path in any working folder."""
    return path if is_url(path) else str(local(path).absolute())


@contextlib.contextmanager
def guarded(path: str) -> Iterator[None]:
    """Whatever a store's library raises, such as botocore's errors of credentials, becomes an OSError that names the path."""
    try:
        yield
    except (AecodecError, OSError):
        raise
    except Exception as error:
        raise OSError(f"{path}: {' '.join(str(error).split())}") from error


@contextlib.contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    if not is_url(path):
        with local(path).open("rb") as file:
            yield file
        return
    system, place = remote(path)
    with system.open(place, "rb") as file:
        yield file


@contextlib.contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """A file that takes its place when the block ends, and vanishes if it fails."""
    import tempfile

    from .replacing import replacing, temporary_in  # the command line starts without it

    if not is_url(path):
        local(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(local(path)) as file:
            yield file
        return
    system, place = remote(path)
    with temporary_in(tempfile.gettempdir()) as (file, name):
        yield file
        file.flush()
        system.put_file(name, place)


@contextlib.contextmanager
def without_empty(folder: str) -> Iterator[None]:
    """A folder of this machine, and those above it, that are made meanwhile are removed if they are empty when the block ends."""
    above = [] if is_url(folder) else [local(folder), *local(folder).parents]
    new = [place for place in above if not place.exists()]
    try:
        yield
    finally:
        for place in new:
            with contextlib.suppress(OSError):
                place.rmdir()


def size(path: str) -> int | None:
    """In bytes; None if there is no such file."""
    try:
        if not is_url(path):
            return local(path).stat().st_size
        system, place = remote(path)
        system.invalidate_cache()
        return int(system.size(place))
    except FileNotFoundError:
        return None


def same(a: str, b: str) -> bool:
    if is_url(a) or is_url(b):
        return is_url(a) and is_url(b) and remote(a) == remote(b)
    return local(a).exists() and local(b).exists() and local(a).samefile(local(b))


def found(given: str, suffixes: tuple[str, ...]) -> list[str]:
    """What a path, a URL, a pattern of either, or a folder stands for. Raises OSError if that is nothing."""
    system, place = remote(given) if is_url(given) else (None, str(local(given)))
    if system is None:
        inside = (
            glob.glob(glob.escape(place) + "/*") if Path(place).is_dir() else [place] if Path(place).exists() else glob.glob(place)
        )
    else:
        inside = system.ls(place, detail=False) if system.isdir(place) else system.glob(place) if glob.has_magic(place) else [place]
        inside = [system.unstrip_protocol(p) for p in inside]
    taken = sorted(p for p in inside if p.lower().endswith(suffixes))
    if not taken:
        raise FileNotFoundError(2, f"no such {' or '.join(suffixes)} files", given)
    return taken
