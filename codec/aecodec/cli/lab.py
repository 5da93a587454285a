"""aecodec train, bench: for those who work on codecs."""

import sys
from pathlib import Path
from typing import Any

import click

from .messages import say
from .size import Range

FILE = click.Path(path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder or zip file of pictures.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the run; made if missing.")
@click.option("--resume", type=FOLDER, help="Go on with the run in this folder.")
@click.option("--weights", type=FILE, help="Start from this model's weights; with --scalar-share 0, from its codebooks too.")
@click.option("--export", type=FILE, help="Where to write the trained model.  [default: model.safetensors in the run's folder]")
@click.option(
    "--anneal",
    type=Range(min=0, min_open=True),
    help="With --resume: in --out, let a copy of the run's learning rate fall to nothing in so many minutes.",
)
@click.option("--minutes", type=Range(min=0), help="Of training in all, over every resume.  [default: 100]")
@click.option("--scalar-share", type=Range(0, 1), help="Share of the minutes before the codebook phase.  [default: 0.45]")
@click.option("--batch", type=click.IntRange(1), help="Crops a step, of all processes together.  [default: 4]")
@click.option("--accumulate", type=click.IntRange(1), help="Parts that a process makes its share of them in.  [default: 1]")
@click.option("--crop", type=click.IntRange(64), help="Pixels on a side of a crop, a multiple of 64.  [default: 256]")
@click.option("--learning-rate", type=Range(0, 1), help="Of Adam, before it falls.  [default: 0.001]")
@click.option("--decay-share", type=Range(0, 1), help="Share of the minutes in which it falls.  [default: 0.25]")
@click.option(
    "--trained/--untrained",
    default=None,
    help="Whether what the run starts from is: smaller rates for the layers that the whole picture passes through.",
)
@click.option("--visual", type=Range(0, 1), help="Share of what the eye sees in the distortion.  [default: by quality]")
@click.option("--preview", type=Range(0), help="Weight of the 1/8 preview's squared error in the loss.  [default: 0.25]")
@click.option("--seed", type=int, help="Of the initial weights, the crops and the noise.  [default: 0]")
@click.option("--device", help="Of torch.  [default: cuda if there is one, else cpu]")
def train(
    data: Path,
    out: Path | None,
    resume: Path | None,
    weights: Path | None,
    export: Path | None,
    anneal: float | None,
    **settings: Any,
) -> None:
    """Train the network on a folder of pictures, and export the model.

    On several GPUs or machines, start it by torchrun: "torchrun --nproc-per-node 4 -m aecodec train ...".
    """
    if resume is None and out is None:
        raise click.UsageError("one of --out and --resume is needed")
    if resume is not None and weights is not None:
        raise click.UsageError("--resume has its own weights; --weights starts a new run")
    if anneal is not None and (resume is None or out is None or out.resolve() == resume.resolve()):
        raise click.UsageError("--anneal needs a run to --resume and another folder as --out: the run itself stays as it is")
    if anneal is not None and (settings["minutes"] is not None or settings["decay_share"] is not None):
        raise click.UsageError("--anneal sets --minutes and --decay-share")
    if settings["crop"] and settings["crop"] % 64:
        raise click.UsageError("--crop must be a multiple of 64")
    from ..network.device import keep_memory

    keep_memory()
    from ..train.loop import Stopped, train

    try:
        train(data, out, resume, weights, export, anneal, {k: v for k, v in settings.items() if v is not None})
    except Stopped as error:
        say(f"aecodec: {error}", err=True)
        sys.exit(128 + error.number)


@click.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of pictures.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the results; made if missing."
)
@click.option(
    "--codecs",
    default="jpeg,jpeg_progressive,jpeg444,webp,avif,avif444,avif_slow,jxl,jp2,aec",
    show_default=True,
    help="Comma-separated.",
)
@click.option(
    "--distortions", default="psnr,ms_ssim,ssimulacra2", show_default=True, help="Comma-separated; butteraugli is the other."
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Pictures at a time; timings are of one thread each."
)
@click.option("--keep", is_flag=True, help="Let results of other codecs stay that are in --out already.")
def bench(data: Path, out: Path, codecs: str, distortions: str, jobs: int, keep: bool) -> None:
    """Compare codecs on a folder of pictures: rates, distortions, times, BD-rates and plots."""
    from ..bench import run

    run.bench(data, out, codecs.split(","), distortions.split(","), jobs, keep)
