"""aecodec shards"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from ..errors import AecodecError
from ..options import QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN
from . import signals
from .batch import counted, followed, one_line, prepare_pillow, threads_of
from .compress import effort_option, say_if_refining_is_missing
from .messages import say

if TYPE_CHECKING:
    from ..shards import Task


@dataclass(frozen=True)
class Job:
    source: str
    target: str


@dataclass(frozen=True)
class Outcome:
    source: str
    target: str
    status: str  # "done", "kept" if it was there already, or "failed"
    stats: dict[str, Any] | None = None  # its record
    message: str = ""  # why it failed


@click.group()
def shards() -> None:
    """Compress or decompress the pictures in WebDataset tars and parquet files.

    IN is a path or a URL (s3://..., with fsspec) of a shard, a pattern, or a folder with shards. Each gives a shard of the same
    name in the folder or URL --output, and NAME_stats.json beside it, which says what came of its pictures. A picture that cannot
    be compressed stays as it was. Shards that are there already, made with the same options, are kept: a second run does only what
    is missing.
    """


def common(command: Callable[..., None]) -> Callable[..., None]:
    """What both commands take."""
    for option in reversed(
        [
            click.argument("inputs", metavar="IN...", nargs=-1, required=True),
            click.option("-o", "--output", required=True, help="A folder, or the URL of one, for the results."),
            click.option("--column", default="image", show_default=True, help="Of pictures, in parquet files."),
            click.option("--only", multiple=True, help="In tars, this extension alone, as jpg or seg.png; may be repeated."),
            click.option("-j", "--jobs", "workers", type=click.IntRange(1), help="Shards at a time.  [default: one a core]"),
            click.option("--ray", "address", help="Work on a Ray cluster: auto, its address, or local for one of this machine."),
            click.option("-f", "--force", is_flag=True, help="Replace existing results."),
            click.option("--quiet", is_flag=True, help="Say nothing but errors."),
            click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout."),
        ]
    ):
        command = option(command)
    return command


@shards.command(short_help="Compress the pictures of shards.")
@common
@click.option("-q", "--quality", type=click.IntRange(QUALITY_MIN, QUALITY_MAX), default=QUALITY_DEFAULT, show_default=True)
@effort_option
def compress(inputs: tuple[str, ...], column: str, only: tuple[str, ...], quality: int, effort: int, **common: Any) -> None:
    """Compress the pictures of shards to .aec files in shards: 0001.jpg becomes 0001.aec, 0001.txt stays."""
    from ..shards import Task

    if not (common["quiet"] or common["as_json"]):
        say_if_refining_is_missing(effort)
    run(inputs, Task("compress", quality, effort, column=column, only=only), **common)


@shards.command(short_help="Decompress the .aec files of shards.")
@common
@click.option("--format", "suffix", default="png", show_default=True, help="Of the pictures: png, jpg, webp, tiff, ...")
def decompress(inputs: tuple[str, ...], column: str, only: tuple[str, ...], suffix: str, **common: Any) -> None:
    """Decompress the .aec files of shards to pictures in shards."""
    from ..shards import Task

    run(inputs, Task("decompress", suffix=f".{suffix}", column=column, only=only), **common)


def run(
    inputs: tuple[str, ...],
    task: "Task",
    output: str,
    workers: int | None,
    address: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Does every shard, says what came of them, and ends the program with status 1 if one failed."""
    from ..storage import guarded, without_empty

    task.rows([])  # options out of range are the call's errors, not those of every shard
    with guarded(output):
        jobs = plan(inputs, output)
    if address is None:
        workers, threads = threads_of(len(jobs), workers)
        task = replace(task, threads=threads)
        results = in_threads(partial(attempt, task=task, force=force), jobs, workers)
    else:
        results = in_cluster(jobs, task, force, address, workers)
    report = Report(as_json)

    def interrupted() -> None:
        say("aecodec: interrupted; the shards that were not finished are not there", err=True)
        if as_json:
            report.say()

    signals.before_end.append(interrupted)
    with without_empty(output):
        for outcome in followed(results, len(jobs), "shard", quiet):
            report.add(outcome)
    signals.before_end.remove(interrupted)
    if as_json or not quiet:
        report.say()
    if report.counts["failed"]:
        sys.exit(1)


def plan(inputs: tuple[str, ...], output: str) -> list[Job]:
    """Raises AecodecError if two results or their records would have one name, OSError if an input is not there."""
    from ..shards import KINDS, record_of
    from ..storage import absolute, found

    sources = [source for given in inputs for source in found(given, KINDS)]
    targets = [f"{output.rstrip('/') or '/'}/{PurePosixPath(source).name}" for source in sources]
    twice = [record for record, n in Counter(map(record_of, targets)).items() if n > 1]
    if twice:
        raise AecodecError(f"two shards would have the record {twice[0]}")
    return [Job(absolute(source), absolute(target)) for source, target in zip(sources, targets, strict=True)]


def attempt(job: Job, task: "Task", force: bool) -> Outcome:
    from .. import storage
    from ..shards import convert, finished

    prepare_pillow()  # this may be a worker's process
    try:
        record = None if force else finished(job.target)
        if record is not None:
            if record["settings"] != task.settings():
                raise AecodecError(f"{job.target} was made with other options or another model; -f replaces it")
            return Outcome(job.source, job.target, "kept", record)
        if not force and storage.size(job.target) is not None:
            raise AecodecError(f"{job.target} exists already, without a record that fits; -f replaces it")
        return Outcome(job.source, job.target, "done", asdict(convert(job.source, job.target, task)))
    except Exception as error:  # whatever it is, it is this shard's, and the others are still to be done
        text = one_line(error)
        at = "" if job.source in text or job.target in text else f"{job.source}: "
        return Outcome(job.source, job.target, "failed", message=at + text)


def in_threads(work: Callable[[Job], Outcome], jobs: list[Job], workers: int) -> Iterator[Outcome]:
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, jobs)


def in_cluster(jobs: list[Job], task: "Task", force: bool, address: str, workers: int | None) -> Iterator[Outcome]:
    from .. import cluster

    cluster.connect(address)
    for job, result in cluster.each(attempt, jobs, (task, force), workers):
        lost = f"{job.source}: {one_line(result)}" if isinstance(result, Exception) else ""
        yield Outcome(job.source, job.target, "failed", message=lost) if lost else result


SUMMED = ("done", "failed", "bytes_before", "bytes_after")  # of the shards' tallies


class Report:
    """What is said at the end. Records are kept only if they are to be printed: there may be a million."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.shards: list[Outcome] = []
        self.counts = dict.fromkeys(("done", "kept", "failed"), 0)
        self.pictures = dict.fromkeys(SUMMED, 0)

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.status] += 1
        if outcome.status == "done" and outcome.stats is not None:
            self.pictures = {name: n + outcome.stats["pictures"][name] for name, n in self.pictures.items()}
        if self.as_json:
            self.shards.append(outcome)

    def say(self) -> None:
        total, counts, pictures = sum(self.counts.values()), self.counts, self.pictures
        if self.as_json:
            summary = {"shards": total, **counts, "pictures": pictures}
            click.echo(json.dumps({"shards": [asdict(o) for o in self.shards], "summary": summary}, indent=1))
            return
        line = f"{counted(total, 'shard')}: {counts['done']} done, {counts['kept']} kept, {counts['failed']} failed"
        if counts["done"]:
            line += f"; {counted(pictures['done'], 'picture')}, {pictures['bytes_before']} -> {pictures['bytes_after']} bytes"
            line += f"; left as they were: {counted(pictures['failed'], 'picture')}, see the records" if pictures["failed"] else ""
        say(line)
