"""aecodec sample"""

from pathlib import Path

import click

from . import batch
from .size import Range


class Size(click.ParamType):  # type: ignore[type-arg]  # older releases of click have no type argument
    name = "WIDTHxHEIGHT"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> tuple[int, int]:
        try:
            width, height = map(int, value.split("x"))
        except ValueError:
            self.fail(f"{value!r} is not of the form WIDTHxHEIGHT", param, context)
        return width, height


@click.command(short_help="Draw a picture from the codec's prior.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--size", type=Size(), help="Of the picture.  [default: 512x512]")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Which picture.")
@click.option("--temperature", type=Range(0, 4), default=1.0, show_default=True, help="0: only what is likeliest.")
@click.option("-q", "--quality", type=click.IntRange(1, 100), help="How fine its details are.  [default: 60, or that of --like]")
@click.option("--like", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Keep this .aec file's coarse codes.")
@click.option("--from", "stage", type=click.IntRange(0, 7), default=0, show_default=True, help="The first stage that is drawn.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing file.")
def sample(
    out: Path,
    size: tuple[int, int] | None,
    seed: int,
    temperature: float,
    quality: int | None,
    like: Path | None,
    stage: int,
    force: bool,
) -> None:
    """Draw a picture from the codec's prior, as a picture file or as an .aec file, by the suffix of OUT.

    The prior says how likely codes are after those that are coarser; it is what makes files small. A picture drawn from it shows
    what it knows of pictures: textures and edges, but no things. --like PHOTO.aec --from 4 keeps a photograph's coarse codes.
    """
    from ..decoder import decode
    from ..files import picture_format
    from ..folders import SUFFIX
    from ..sampling import sample_file

    if like is not None and size is not None:
        raise click.UsageError("--like has its own --size")
    if like is None and stage:
        raise click.UsageError("--from needs a file to be --like")
    format = None if out.suffix.lower() == SUFFIX else picture_format(out)
    data = sample_file(
        None if like else size or (512, 512),
        seed=seed,
        temperature=temperature,
        quality=quality,
        like=like.read_bytes() if like else None,
        stage=stage,
    )
    with batch.writing(out, not force) as file:
        if format is None:
            file.write(data)
        else:
            decode(data).save(file, format)
