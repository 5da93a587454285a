"""The command line."""

from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A learned image codec: small files, the same pixels everywhere."""


@main.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder of pictures.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the run; made if missing.")
@click.option("--resume", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Go on with the run in this folder.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Of training in all, over every resume.  [default: 100]")
@click.option("--scalar-share", type=click.FloatRange(0, 1), help="Share of the minutes before the codebook phase.  [default: 0.45]")
@click.option("--batch", type=click.IntRange(1), help="Crops a step.  [default: 4]")
@click.option("--crop", type=click.IntRange(64), help="Pixels on a side of a crop, a multiple of 64.  [default: 256]")
@click.option("--seed", type=int, help="Of the initial weights, the crops and the noise.  [default: 0]")
def train(data: Path, out: Path | None, resume: Path | None, **settings) -> None:
    """Train the network on a folder of pictures."""
    from .train import environment

    environment.restart_if_needed()
    from .train.loop import train

    if resume is None and out is None:
        raise click.UsageError("one of --out and --resume is needed")
    train(data, out, resume, {k: v for k, v in settings.items() if v is not None})
