"""Many inputs: the workers, what came of each, and what is said at the end."""

import contextlib
import functools
import io
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol, TypeVar

import click

from ..errors import AecodecError, OptionError
from ..options import MAX_MEMORY, MAX_PIXELS
from . import signals
from .messages import say
from .paths import STREAM, Job, is_through
from .remote import Place, anywhere, is_remote, near, renamed
from .size import Size


@dataclass
class Outcome:
    source: str
    target: str
    status: str = "done"  # or "kept", if the target was there already, or "failed"
    bytes_before: int = 0
    bytes_after: int = 0
    width: int = 0
    height: int = 0
    quality: int | None = None
    psnr: float | None = None  # dB, if it was asked for and there is a loss
    ssimulacra2: float | None = None  # likewise
    lossless: bool | None = None  # of what was compressed
    noise: float | None = None  # that was taken out, if that was asked for: its standard deviation
    message: str = ""  # why it failed, or what is wrong with the input all the same


@dataclass(frozen=True)
class CommonOptions:
    """The options of `compress` and `decompress` alike."""

    output: Path | None
    recursive: bool
    force: bool
    workers: int | None
    threads: int | None
    quiet: bool
    as_json: bool
    address: str | None  # of a Ray cluster

    def threads_for(self, jobs: int) -> tuple[int, int]:
        """-> the workers here, and the threads of each: of a cluster's, one."""
        return threads_of(jobs, self.workers, 1 if self.address and self.threads is None else self.threads)


@dataclass(frozen=True)
class Batch:
    """What to do with the inputs, and how to speak of it."""

    jobs: list[Job]
    single: bool  # one file that was named: its existing output is an error, not a reason to go on
    workers: int
    common: CommonOptions


class HasMessage(Protocol):
    @property
    def message(self) -> str: ...


Told = TypeVar("Told", bound=HasMessage)


def prepare_pillow() -> None:
    """In every process of the command line."""
    warnings.filterwarnings("ignore", module="PIL")  # they are for programmers
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses from twice this on


def one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def name_of(source: PurePath) -> str:
    """An input's name for messages."""
    return "stdin" if source == STREAM else str(source)


def about(source: PurePath, text: str) -> str:
    """What is said of an input, with its name before it; once, if it is there already."""
    name = name_of(source)
    return text if text.startswith(f"{name}:") else f"{name}: {text}"


def said_of(source: PurePath, error: BaseException) -> str:
    """An error as a line that names the input."""
    return about(source, one_line(error))


def counted(count: int, thing: str) -> str:
    """As "1 file", "2 files"."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the common options, as `common`."""
    names = [f.name for f in fields(CommonOptions)]

    @functools.wraps(command)
    def bundled(**values: Any) -> None:
        common = CommonOptions(**{name: values.pop(name) for name in names})
        command(common=common, **values)

    for option in reversed(
        [
            click.option("-o", "--output", type=Place(), help="A folder for the outputs, or for one a file; or a URL (s3://...)."),
            click.option("-r", "--recursive", is_flag=True, help="Take folders, with all that is in them."),
            click.option("-f", "--force", is_flag=True, help="Replace existing outputs."),
            click.option("-j", "--jobs", "workers", type=click.IntRange(min=1), help="Files at a time.  [default: one a core]"),
            click.option("-t", "--threads", type=click.IntRange(min=0), help="Of each file.  [default: all cores share the files]"),
            click.option("--ray", "address", help="Work on a Ray cluster: auto, its address, or local for one of this machine."),
            click.option("--quiet", is_flag=True, help="Say nothing but errors."),
            click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout, or stderr if the result is there."),
        ]
    ):
        bundled = option(bundled)
    return bundled


def limits(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command that reads .aec files the options `limit_pixels` and `limit_memory`."""
    pixels = click.option(
        "--limit-pixels",
        type=click.IntRange(min=1),
        default=MAX_PIXELS,
        help=f"Refuse files that claim more.  [default: {MAX_PIXELS}]",
    )
    memory = click.option(
        "--limit-memory",
        type=Size(),
        default=str(MAX_MEMORY),
        help=f"Refuse what takes more to decode: 500M, 2GiB.  [default: {MAX_MEMORY >> 30}GiB]",
    )
    return pixels(memory(command))


def noted(job: Job, notes: Iterable[str]) -> str:
    """What is to be said of a file that is done all the same, as a line; empty if nothing is."""
    return f"{name_of(job.source)}: {'; '.join(notes)}" if notes else ""


@contextlib.contextmanager
def writing(target: Path, exclusive: bool, makes_folder: bool = False) -> Iterator[BinaryIO]:
    """Stdout, or a file that appears when it is whole.

    exclusive: one that is there already is an error. makes_folder: its folder is made if it is missing, now that there is
    something to write.
    """
    if target == STREAM:
        if sys.stdout is None:
            raise OSError("stdout is closed")
        memory = io.BytesIO()  # as writers of formats seek, and pipes cannot
        yield memory
        try:
            sys.stdout.buffer.write(memory.getbuffer())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdout") from error
        return
    from ..replacing import replacing

    if makes_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(target, exclusive) as out:
            yield out
    except FileExistsError as error:
        raise AecodecError(f"{target} exists already; -f replaces it") from error


def is_stream(target: Path) -> bool:
    """Whether an output is stdout, or may be: a device, a pipe, a descriptor. Nothing else is to be said there."""
    return target == STREAM or is_through(target)


def read_stdin() -> bytes:
    if sys.stdin is None:
        raise OSError("stdin is closed")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdin") from error


def threads_of(batch_size: int, workers: int | None, threads: int | None = None) -> tuple[int, int]:
    """-> the workers, and the threads of each (0: one a core), where None is what suits."""
    workers = workers or min(batch_size, os.cpu_count() or 1) or 1
    return workers, (0 if workers == 1 else 1) if threads is None else threads


def run(batch: Batch, work: Callable[[Job], Outcome], describe: Callable[[Outcome], str] | None = None) -> None:
    """Does every job, says what came of it, and ends the program with status 1 if one failed.

    describe: what to say of a single file that was named, if it is not on stdout.
    """
    common, outcomes = batch.common, list[Outcome]()

    def interrupted() -> None:
        say("aecodec: interrupted; what was not finished is not there", err=True)
        if common.as_json:
            report(batch, outcomes)

    signals.before_end.append(interrupted)
    results = in_cluster(batch, work) if common.address else in_threads(batch, work)
    for outcome in followed(results, len(batch.jobs), "file", common.quiet or batch.single):
        outcomes.append(outcome)
    signals.before_end.remove(interrupted)
    if describe and batch.single and not common.quiet and not common.as_json:
        for outcome in outcomes:
            if outcome.status == "done" and not is_stream(Path(outcome.target)):
                say(describe(outcome))
    report(batch, outcomes)
    if any(o.status == "failed" for o in outcomes):
        sys.exit(1)


def attempt(job: Job, work: Callable[[Job], Outcome], single: bool, common: CommonOptions) -> Outcome:
    """What came of a job, whatever that is."""
    from ..files import refuse_same
    from ..replacing import is_written_through

    there = job
    try:
        if is_remote(job.source) or is_remote(job.target):
            if job.source == job.target:
                raise OptionError(f"{job.source}: input and output are the same file")
        elif STREAM not in (job.source, job.target):
            refuse_same(job.source, job.target)
        is_new = job.target == STREAM or not job.target.exists() or (not is_remote(job.target) and is_written_through(job.target))
        if not is_new and not common.force:
            if single:
                raise AecodecError(f"{job.target} exists already; -f replaces it")
            return Outcome(str(job.source), str(job.target), "kept")
        makes_folder = not is_remote(job.target) and (not single or job.target.parent == common.output)
        with near(replace(job, makes_folder=makes_folder), common.force) as there:
            outcome = work(there)
        said = renamed(outcome.message, there, job)
        return replace(outcome, source=str(job.source), target=str(job.target), message=said)
    except Exception as error:  # whatever it is, it is this file's, and the others are still to be done
        text = renamed(one_line(error), there, job)
        names_a_file = (isinstance(error, OSError) and error.filename) or str(job.target) in text or job.source == STREAM
        return Outcome(str(job.source), str(job.target), "failed", message=text if names_a_file else about(job.source, text))


def in_threads(batch: Batch, work: Callable[[Job], Outcome]) -> Iterator[Outcome]:
    with ThreadPoolExecutor(batch.workers) as pool:
        yield from pool.map(lambda job: attempt(job, work, batch.single, batch.common), batch.jobs)


def elsewhere(job: Job, work: Callable[[Job], Outcome], single: bool, common: CommonOptions) -> Outcome:
    """`attempt`, in a process of its own."""
    prepare_pillow()
    return attempt(job, work, single, common)


def in_cluster(batch: Batch, work: Callable[[Job], Outcome]) -> Iterator[Outcome]:
    from .. import cluster

    common = batch.common
    if any(STREAM in (job.source, job.target) for job in batch.jobs):
        raise OptionError("--ray works on files, not on stdin or stdout")
    assert common.address is not None  # it was asked for
    cluster.connect(common.address)
    jobs = map(anywhere, batch.jobs)
    for job, result in cluster.each(elsewhere, jobs, (work, batch.single, common), common.workers):
        lost = said_of(job.source, result) if isinstance(result, Exception) else ""
        yield Outcome(str(job.source), str(job.target), "failed", message=lost) if lost else result


def progress(total: int, hidden: bool, unit: str = "file") -> Any:
    """A bar on stderr, if that is a terminal."""
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, disable=True if hidden else None, leave=False)


def followed(outcomes: Iterable[Told], total: int, unit: str, hidden: bool) -> Iterator[Told]:
    """The outcomes as they come, with a bar of how many there are, and what they have to say on stderr."""
    with progress(total, hidden, unit) as bar:
        for outcome in outcomes:
            yield outcome
            bar.update(1)
            if outcome.message:
                bar.clear()
                say(f"aecodec: {outcome.message}", err=True)


def report(batch: Batch, outcomes: list[Outcome]) -> None:
    done = [o for o in outcomes if o.status == "done"]
    before, after = sum(o.bytes_before for o in done), sum(o.bytes_after for o in done)
    counts = Counter(o.status for o in outcomes)
    pixels = sum(o.width * o.height for o in done)
    coded = sum(o.bytes_before if o.quality is None else o.bytes_after for o in done)  # only `compress` has a quality
    bpp = 8 * coded / pixels if pixels else None
    if batch.common.as_json:
        summary: dict[str, int | float | None] = {"files": len(outcomes), **{k: counts[k] for k in ("done", "kept", "failed")}}
        summary |= {"bytes_before": before, "bytes_after": after, "mean_bpp": bpp and round(bpp, 4)}
        text = json.dumps({"files": [asdict(o) for o in outcomes], "summary": summary}, indent=1)
        click.echo(text, err=any(is_stream(j.target) for j in batch.jobs))  # where the picture is not
    elif not batch.common.quiet and not batch.single:
        line = f"{counted(len(outcomes), 'file')}: {counts['done']} done, {counts['kept']} kept, {counts['failed']} failed"
        if done:
            line += f"; {before} -> {after} bytes, mean {bpp:.3f} bits per pixel"
        say(line)
