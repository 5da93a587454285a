"""aecodec decompress"""

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..folders import is_aec
from . import batch
from .batch import Batch, CommonOptions, Outcome
from .paths import STREAM, Job, plan
from .remote import Place
from .size import Range

if TYPE_CHECKING:
    import numpy as np

    from ..decoder import Decoder

FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "tiff": "TIFF", "ppm": "PPM"}  # ours, and Pillow's names
SUFFIXES = {"jpeg": ".jpg"}
STRENGTH_DEFAULT = 0.5  # of grain
RULE = "OUT must not end in .aec"


class Rectangle(click.ParamType):  # type: ignore[type-arg]  # older releases of click have no type argument
    name = "x,y,w,h"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> tuple[int, int, int, int]:
        try:
            x, y, w, h = map(int, value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not of the form X,Y,WIDTH,HEIGHT", param, context)
        return x, y, w, h


@click.command(short_help="Decompress .aec files to pictures.")
@click.argument("inputs", metavar="IN... [OUT]", type=Place(), nargs=-1, required=True)
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Of the pictures.  [default: by OUT's suffix, or png]")
@click.option("--scale", type=click.Choice(["1", "2", "4", "8"]), default="1", help="Reduce the sides by so much.  [default: 1]")
@click.option("--bits", type=click.Choice(["8", "16"]), help="Of a sample; 16 for PNG and TIFF.  [default: the file's own]")
@click.option("--region", type=Rectangle(), help="Only these pixels of the full picture.")
@click.option("--strip", is_flag=True, help="Drop ICC profile, EXIF and XMP.")
@click.option("--output-quality", type=click.IntRange(1, 100), help="Of JPEG, WebP and AVIF.  [default: 95, 95, 90]")
@click.option(
    "--grain",
    type=Range(0, 1),
    is_flag=False,
    flag_value=STRENGTH_DEFAULT,
    default=0.0,
    help=f"Draw texture that was left out, 0 to 1.  [default: 0; {STRENGTH_DEFAULT} without a number]",
)
@click.option("--allow-partial", is_flag=True, help="Show what is left of damaged and truncated files.")
@click.option("--mask", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG of what is a guess: white is all of it.")
@batch.limits
@batch.options
def decompress(
    inputs: tuple[Path, ...],
    kind: str | None,
    scale: str,
    bits: str | None,
    region: tuple[int, int, int, int] | None,
    strip: bool,
    output_quality: int | None,
    grain: float,
    allow_partial: bool,
    mask: Path | None,
    limit_pixels: int,
    limit_memory: float,
    common: CommonOptions,
) -> None:
    """Decompress .aec files to pictures.

    "decompress a.aec a.png" names the output; otherwise it is beside the input, or in the folder --output, as a.png. "-" is stdin
    and stdout. Existing outputs of folders and of several inputs are kept unless --force is given.
    """
    from .. import sixteen_bit
    from ..decoder import Decoder
    from ..errors import OptionError
    from ..files import picture_format, refuse_same
    from ..picture import Picture

    suffix = SUFFIXES.get(kind or "png", f".{kind or 'png'}")
    planned, single = plan(inputs, common.output, common.recursive, is_aec, suffix, lambda p: not is_aec(p), RULE, is_format)
    if mask is not None and not (single and allow_partial):
        raise click.UsageError("--mask is for one file, with --allow-partial")
    workers, threads = common.threads_for(len(planned))

    def work(job: Job) -> Outcome:
        if mask is not None:
            refuse_same(job.source, mask)
            if mask.suffix.lower() not in ("", ".png"):
                raise OptionError(f"{mask}: --mask writes a PNG, so its name must end in .png")
            if mask == job.target:
                raise OptionError(f"{mask}: the picture and the mask are the same file")
        format = FORMATS[kind or "png"] if kind or job.target == STREAM else picture_format(job.target)
        source = io.BytesIO(batch.read_stdin()) if job.source == STREAM else job.source
        with Decoder(
            source,
            partial=allow_partial,
            threads=threads,
            max_pixels=limit_pixels,
            max_memory=int(limit_memory),
            check=region is None and scale == "1",
            grain=grain,
        ) as decoder:
            own = 8 if format not in sixteen_bit.FORMATS else None
            picture = decoder.picture(int(scale), region, own if bits is None else int(bits))
            guessed = decoder.guessed(int(scale), region) if decoder.guesses or mask is not None else None
            damage = describe_damage(decoder, guessed)
        if strip:
            picture = replace(picture, metadata={})
        before = len(source.getvalue()) if isinstance(source, io.BytesIO) else source.stat().st_size
        with batch.writing(job.target, not common.force, job.makes_folder) as out:
            notes = picture.save(out, format, output_quality)
            after = out.seek(0, io.SEEK_END)
            if mask is not None and guessed is not None:
                with batch.writing(mask, not common.force) as file:
                    Picture(guessed).save(file, "PNG")
        message = batch.noted(job, [damage, *notes] if damage else notes)
        return Outcome(str(job.source), str(job.target), "done", before, after, picture.width, picture.height, message=message)

    batch.run(Batch(planned, single, workers, common), work)


def describe_damage(decoder: "Decoder", guessed: "np.ndarray | None") -> str:
    """What is wrong with a damaged file, what of it came back, and what that means; nothing of an intact one.

    guessed: the mask of the part that was decoded, if there are guesses.
    """
    from ..repair import NOTHING_LEFT

    if not decoder.problems:
        return ""
    rest = "nothing is missing"
    if decoder.guesses and guessed is not None:
        shares = (((guessed > 0) & (guessed < NOTHING_LEFT)).mean(), "in part"), ((guessed == NOTHING_LEFT).mean(), "wholly")
        parts = [f"{max(1, round(100 * share))} % of the pixels {how}" for share, how in shares if share]
        rest = f"the rest is a guess: {', '.join(parts)}" if parts else "the rest is a guess"
    return "; ".join([*decoder.problems, *(f"{part} is repaired from the protective copy" for part in decoder.repairs), rest])


def is_format(path: Path) -> bool:
    """Whether a name is that of a picture file that can be written."""
    from ..errors import OptionError
    from ..files import picture_format

    try:
        return bool(picture_format(path))
    except OptionError:
        return False
