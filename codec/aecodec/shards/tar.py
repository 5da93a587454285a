"""WebDataset shards (https://github.com/webdataset/webdataset): tars in which the members of a sample follow one another, and share
their name up to the first dot.

A tar is read as a stream, and nothing is extracted. tarfile ends quietly at a damaged header, as if the tar did: here that is an
error.
"""

import io
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from ..batch import Row
from ..errors import AecodecError, DamagedFile, TruncatedFile
from ..folders import is_aec, is_picture
from .tally import Tally

PICTURES, BYTES = 16, 64 << 20  # of a batch, which is in memory; up to four times these if the sample is longer
LIMIT = 1 << 30  # bytes: a larger member is copied, and not looked into
EXTENSION = 1 << 20  # bytes of a header's extension, which tarfile has in memory
EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


Rows = Callable[[list[bytes]], list[Row]]


class Member(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the mark of the end
            if len(buf) < tarfile.BLOCKSIZE:
                raise TruncatedFile("the tar ends before its end mark") from error
            raise DamagedFile(f"the tar is damaged, or none: {error}") from error
        if member.size < 0 or member.type in EXTENSIONS and member.size > EXTENSION:
            raise DamagedFile(f"the tar has a header of {member.size} bytes")
        return member


def members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Files, folders and all else. Raises FileError, OSError."""
    while True:
        try:
            member = tar.next()
        except (AecodecError, OSError):
            raise
        except Exception as error:  # tarfile raises ValueErrors and others of hostile headers
            raise DamagedFile(f"the tar is damaged: {' '.join(str(error).split())}") from error
        if member is None:
            return
        if member.issparse():
            raise DamagedFile(f"the tar has a sparse member, {member.name}")
        forget(tar)
        yield member


def extension(name: str) -> str:
    """What tells the members of a sample apart."""
    return name.rpartition("/")[2].partition(".")[2]


def forget(tar: tarfile.TarFile) -> None:
    """What it has read or written of headers, all of which it would keep."""
    tar.members = []  # type: ignore[attr-defined]


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], tar.extractfile(member))


def key(name: str) -> str:
    """What the members of a sample have in common."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def header(member: tarfile.TarInfo, name: str, size: int) -> tarfile.TarInfo:
    """What is worth keeping of a header, without what a stranger may have put in it."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, member.mode & 0o777
    info.mtime = int(member.mtime) if 0 <= member.mtime < 1 << 33 else 0
    return info


class Output:
    """The result, to which a batch of members is added at a time."""

    def __init__(self, tar: tarfile.TarFile, compress: bool, suffix: str, rows: Rows, tally: Tally, only: tuple[str, ...]):
        self.only = only
        self.tar, self.suffix, self.rows, self.tally = tar, suffix, rows, tally
        self.is_kind = is_picture if compress else is_aec
        self.batch: list[tuple[tarfile.TarInfo, bytes]] = []
        self.pictures = self.bytes = 0

    def wanted(self, name: str) -> bool:
        return self.is_kind(Path(name)) and (not self.only or extension(name) in self.only)

    def is_full(self, following: str) -> bool:
        """Whether to write the batch before a member of this name."""
        fill = max(self.pictures / PICTURES, self.bytes / BYTES)
        return fill >= 4 or fill >= 1 and key(following) != key(self.batch[-1][0].name)

    def add(self, member: tarfile.TarInfo, data: bytes) -> None:
        self.batch.append((member, data))
        self.pictures += self.wanted(member.name)
        self.bytes += len(data) + tarfile.BLOCKSIZE

    def write(self) -> None:
        """The batch. A.jpg becomes A.aec; but beside A.png the two become A.jpg.aec and A.png.aec, as of folders."""
        pictures = [i for i, (member, _) in enumerate(self.batch) if self.wanted(member.name)]
        done = dict(zip(pictures, self.rows([self.batch[i][1] for i in pictures]), strict=True))
        names = [member.name for member, _ in self.batch]
        for i, row in done.items():
            self.tally.add(names[i], len(self.batch[i][1]), row)
            if row.bytes is not None:
                names[i] = names[i].rpartition(".")[0] + self.suffix
        count = Counter(names)
        for i, (member, data) in enumerate(self.batch):
            row = done.get(i, Row(None, 0, 0, None))
            name = member.name + self.suffix if row.bytes is not None and count[names[i]] > 1 else names[i]
            data = data if row.bytes is None else row.bytes
            self.tar.addfile(header(member, name, len(data)), io.BytesIO(data))
        self.tally.others += len(self.batch) - len(done)
        self.batch, self.pictures, self.bytes = [], 0, 0
        forget(self.tar)

    def copy(self, member: tarfile.TarInfo, data: IO[bytes]) -> None:
        """A member that is too large for a batch."""
        self.write()
        self.tar.addfile(header(member, member.name, member.size), data)
        if self.wanted(member.name):
            self.tally.add(member.name, member.size, Row(None, 0, 0, f"FileError: more than {LIMIT} bytes"))
        else:
            self.tally.others += 1


def convert(source: BinaryIO, out: BinaryIO, compress: bool, suffix: str, rows: Rows, tally: Tally, only: tuple[str, ...]) -> None:
    """Writes a tar anew with other pictures. Raises FileError, OSError."""
    try:
        tar = tarfile.open(fileobj=source, mode="r|", tarinfo=Member)
    except tarfile.TarError as error:
        raise DamagedFile(f"the tar is damaged, or none: {error}") from error
    with tar, tarfile.open(fileobj=out, mode="w|") as written:
        output = Output(written, compress, suffix, rows, tally, only)
        for member in members(tar):
            if not member.isreg():
                tally.left_out += 1
                continue
            if output.is_full(member.name):
                output.write()
            try:
                if member.size > LIMIT:
                    output.copy(member, content(tar, member))
                    continue
                data = content(tar, member).read()
            except tarfile.TarError as error:
                raise TruncatedFile(f"the tar ends inside {member.name}") from error
            if len(data) < member.size:
                raise TruncatedFile(f"the tar ends inside {member.name}")
            output.add(member, data)
        output.write()
