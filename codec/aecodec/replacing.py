"""Outputs that appear whole or not at all: written beside their place, and moved there when they are done."""

import contextlib
import io
import os
import secrets
import shutil
import socket
import stat
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PREFIX, SUFFIX = ".aecodec-", ".tmp"  # of temporary files: short, as a name may be as long as the file system takes
STALE = 60  # seconds without a change after which the temporary file of a process that is gone is removed

lock = threading.RLock()
temporaries: set[str] = set()  # that are being written
folders: set[str] = set()  # for what is on its way
cleaned: set[str] = set()  # folders that have been looked through for stale ones
closing = False  # no more are to be begun


def host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def is_written_through(path: Path) -> bool:
    """Whether an output is no file to be replaced: a device, a pipe, a descriptor of this process."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    folder = os.path.realpath(path.parent)
    return (
        not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or folder.startswith("/proc/") or str(path) in ("/dev/stdout", "/dev/stderr")
    )


@contextlib.contextmanager
def replacing(path: Path, exclusive: bool = False) -> Iterator[BinaryIO]:
    """A file that takes `path`'s place when the block ends, and vanishes if it fails.

    A symbolic link is followed. An older file's mode is kept; a new one has the umask's. Devices and pipes are written to, when
    the block ends. exclusive: an older file, or one that somebody else makes in the meantime, is a FileExistsError. Every OSError
    names `path`.
    """
    try:
        if is_written_through(path):
            memory = io.BytesIO()  # as writers of formats seek, and pipes cannot
            yield memory
            with open(path, "wb", buffering=0) as through:
                write_all(through.fileno(), memory.getbuffer())
            return
        target = os.path.realpath(path)
        if os.path.isdir(target):
            raise IsADirectoryError(21, "Is a directory", str(path))
        if exclusive and os.path.lexists(target):
            raise FileExistsError(17, "File exists", str(path))
        with temporary_in(os.path.dirname(target)) as (file, temporary):
            yield file
            file.flush()
            keep_mode(target, temporary)
            file.close()
            place(temporary, target, exclusive)
    except OSError as error:
        unnamed = error.filename is None and error.errno is not None  # as of a write to a full disk
        if unnamed or (error.filename is not None and PREFIX in os.path.basename(os.fsdecode(error.filename))):
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


@contextlib.contextmanager
def temporary_in(folder: str) -> Iterator[tuple[BinaryIO, str]]:
    """A new file, which is removed if it is still there when the block ends."""
    remove_stale(folder)
    name = os.path.join(folder, f"{PREFIX}{host()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")
    with lock:
        if closing:
            raise InterruptedError(4, "Interrupted", name)
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        temporaries.add(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file, name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
        with lock:
            temporaries.discard(name)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for what is on its way from or to another machine, which is removed when the block ends."""
    with lock:
        if closing:
            raise InterruptedError(4, "Interrupted", tempfile.gettempdir())
        name = tempfile.mkdtemp(prefix=PREFIX)
        folders.add(name)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
        with lock:
            folders.discard(name)


def keep_mode(target: str, temporary: str) -> None:
    """Gives a new file the mode and, as far as this user may, the owner of the one whose place it takes."""
    try:
        before = os.stat(target)
    except FileNotFoundError:
        return
    with contextlib.suppress(OSError, AttributeError):
        os.chown(temporary, before.st_uid, before.st_gid)
    os.chmod(temporary, stat.S_IMODE(before.st_mode))


def place(temporary: str, target: str, exclusive: bool) -> None:
    if exclusive:
        try:
            os.link(temporary, target)  # unlike a renaming, it never replaces
            return
        except FileExistsError:
            raise FileExistsError(17, "File exists", target) from None
        except OSError:  # a file system without links
            if os.path.lexists(target):
                raise FileExistsError(17, "File exists", target) from None
    os.replace(temporary, target)


def write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def remove_stale(folder: str) -> None:
    """Removes what killed processes of this machine left in a folder; once for each folder."""
    with lock:
        if folder in cleaned:
            return
        cleaned.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if entry.name.startswith(f"{PREFIX}{host()}-") and entry.name.endswith(SUFFIX) and is_stale(entry):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def is_stale(entry: "os.DirEntry[str]") -> bool:
    process = entry.name.split("-")[2]
    try:
        if not process.isdigit() or time.time() - entry.stat(follow_symlinks=False).st_mtime < STALE:
            return False
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def give_up() -> None:
    """Removes what is being written, for a program that is about to end at once; nothing more can be begun."""
    global closing
    with lock:
        closing = True
        for name in temporaries:
            with contextlib.suppress(OSError):
                os.unlink(name)
        for name in folders:
            shutil.rmtree(name, ignore_errors=True)
