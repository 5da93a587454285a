"""The command line."""

import json
import sys
from pathlib import Path

import click

from . import __version__
from .errors import AecodecError
from .quality import QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN

FILE = click.Path(path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class Commands(click.Group):
    """Ends with one line on stderr and exit status 1 where a command cannot do its work; 2 is click's, for wrong usage."""

    def invoke(self, context: click.Context):
        try:
            return super().invoke(context)
        except (AecodecError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                sys.exit(1)
            message = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
            click.echo(f"aecodec: {' '.join(message.split()) or 'out of memory'}", err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aecodec")
def main() -> None:
    """A learned image codec: small files, the same pixels on every machine."""


def target_of(source: Path, target: Path | None, suffix: str, force: bool) -> Path:
    target = target or source.with_suffix(suffix)
    if target.exists() and not force:
        raise AecodecError(f"{target} exists already; -f replaces it")
    return target


def named(source: Path, work):
    """Puts the file's name before what is wrong with it."""
    try:
        return work()
    except AecodecError as error:
        raise type(error)(f"{source}: {error}") from error


threads_option = click.option("-t", "--threads", type=click.IntRange(min=0), default=0, help="0 means one a core.")
force_option = click.option("-f", "--force", is_flag=True, help="Replace an existing output file.")


@main.command()
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="[OUT]", type=FILE, required=False)
@click.option("-q", "--quality", type=click.IntRange(QUALITY_MIN, QUALITY_MAX), default=QUALITY_DEFAULT, show_default=True)
@force_option
@threads_option
def compress(source: Path, target: Path | None, quality: int, force: bool, threads: int) -> None:
    """Compress the picture IN to the .aec file OUT (by default IN with the suffix .aec)."""
    from .files import SUFFIX, compress_file

    target = target_of(source, target, SUFFIX, force)
    size = named(source, lambda: compress_file(source, target, quality, threads))
    before = source.stat().st_size
    click.echo(f"{target}: {size} bytes, {100 * size / before:.1f} % of {source.name}")


@main.command()
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="[OUT]", type=FILE, required=False)
@force_option
@threads_option
def decompress(source: Path, target: Path | None, force: bool, threads: int) -> None:
    """Decompress the .aec file IN to the picture OUT, in the format of its suffix (by default IN with the suffix .png)."""
    from .files import decompress_file

    target = target_of(source, target, ".png", force)
    named(source, lambda: decompress_file(source, target, threads))


@main.command()
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(source: Path, as_json: bool) -> None:
    """Say what is in an .aec file."""
    from .inspection import info

    facts = named(source, lambda: info(source.read_bytes()))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(
        f"{source}: {facts['width']} x {facts['height']} {facts['colour']}{' with alpha' if facts['alpha'] else ''}, ", nl=False
    )
    click.echo(f"quality {facts['quality']}, {facts['bytes']} bytes, {facts['bits_per_pixel']} bits per pixel")
    click.echo(f"format version {facts['version']}, model {facts['model']}, tiles of {1 << facts['tile_log2']} pixels")
    for name, size in facts["metadata"].items():
        click.echo(f"{name}: {size} bytes")
    for stream in facts["streams"]:
        click.echo(f"codes at {' and '.join(stream['scales'])}: {stream['bytes']} bytes in {stream['tiles']} tiles")


@main.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of pictures.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the run; made if missing.")
@click.option("--resume", type=FOLDER, help="Go on with the run in this folder.")
@click.option("--weights", type=FILE, help="Start from this model's weights; with --scalar-share 0, from its codebooks too.")
@click.option("--export", type=FILE, help="Where to write the trained model.  [default: model.safetensors in the run's folder]")
@click.option("--minutes", type=click.FloatRange(min=0), help="Of training in all, over every resume.  [default: 100]")
@click.option(
    "--scalar-share", type=click.FloatRange(0, 1), help="Share of the minutes before the codebook phase.  [default: 0.45]"
)
@click.option("--batch", type=click.IntRange(1), help="Crops a step.  [default: 4]")
@click.option("--crop", type=click.IntRange(64), help="Pixels on a side of a crop, a multiple of 64.  [default: 256]")
@click.option("--learning-rate", type=click.FloatRange(0, 1), help="Of Adam, before it falls.  [default: 0.001]")
@click.option("--decay-share", type=click.FloatRange(0, 1), help="Share of the minutes in which it falls.  [default: 0.25]")
@click.option("--seed", type=int, help="Of the initial weights, the crops and the noise.  [default: 0]")
@click.option("--device", help="Of torch.  [default: cuda where there is one, else cpu]")
def train(data: Path, out: Path | None, resume: Path | None, weights: Path | None, export: Path | None, **settings) -> None:
    """Train the network on a folder of pictures, and export the model."""
    if resume is None and out is None:
        raise click.UsageError("one of --out and --resume is needed")
    if resume is not None and weights is not None:
        raise click.UsageError("--resume has its own weights; --weights starts a new run")
    if settings["crop"] and settings["crop"] % 64:
        raise click.UsageError("--crop must be a multiple of 64")
    from .train import environment

    environment.restart_if_needed()
    from .train.loop import train

    train(data, out, resume, weights, export, {k: v for k, v in settings.items() if v is not None})


@main.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of pictures.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the results; made if missing."
)
@click.option("--codecs", default="jpeg,jpeg444,webp,avif,jxl,jp2,aec", show_default=True, help="Comma-separated.")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Pictures at a time; timings are of one thread each."
)
def bench(data: Path, out: Path, codecs: str, jobs: int) -> None:
    """Compare codecs on a folder of pictures: rates, distortions, times, BD-rates and plots."""
    from .bench import run

    run.bench(data, out, codecs.split(","), jobs)
