"""aecodec compress"""

import io
import sys
from dataclasses import replace
from pathlib import Path

import click

from ..options import EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN, QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN
from . import batch
from .batch import STREAM, Batch, Job, Outcome, Shared

UNITS = {"": 1, "k": 1000, "ki": 1024, "m": 10**6, "mi": 1024**2}


class Size(click.ParamType):
    name = "bytes"

    def convert(self, value, param, context):
        text = value.lower().removesuffix("b")
        number = text.rstrip("kmi")
        try:
            return float(number) * UNITS[text[len(number) :]]
        except (KeyError, ValueError):
            self.fail(f"{value!r} is not a size such as 50000, 50k or 48KiB", param, context)


@click.command(short_help="Compress pictures to .aec files.")
@click.argument("inputs", metavar="IN... [OUT.aec]", type=click.Path(path_type=Path, allow_dash=True), nargs=-1, required=True)
@click.option("-q", "--quality", type=click.IntRange(QUALITY_MIN, QUALITY_MAX), help=f"[default: {QUALITY_DEFAULT}]")
@click.option(
    "-e",
    "--effort",
    type=click.IntRange(EFFORT_MIN, EFFORT_MAX),
    default=EFFORT_DEFAULT,
    show_default=True,
    help="Fast (1) to small (9); 7 to 9 refine only where torch is installed.",
)
@click.option("--target-size", type=Size(), help="The best quality in so many bytes: 50000, 50k, 48KiB.")
@click.option("--target-bpp", type=click.FloatRange(min=0, min_open=True), help="The best quality in so many bits per pixel.")
@click.option("--target-psnr", type=click.FloatRange(min=0, min_open=True), help="The smallest file with this PSNR in dB.")
@click.option("--strip", is_flag=True, help="Drop ICC profile, EXIF and XMP.")
@click.option("--first-frame", is_flag=True, help="Of animations, take the first picture.")
@batch.options
def compress(
    inputs: tuple[Path, ...],
    quality: int | None,
    effort: int,
    target_size: float | None,
    target_bpp: float | None,
    target_psnr: float | None,
    strip: bool,
    first_frame: bool,
    shared: Shared,
) -> None:
    """Compress pictures, in any format that Pillow reads, to .aec files.

    "compress a.png a.aec" names the output; otherwise it is beside the input, or in the folder --output, as a.aec. "-" is stdin
    and stdout. Existing outputs of folders and of several inputs are kept unless --force is given.
    """
    if sum(v is not None for v in (quality, target_size, target_bpp, target_psnr)) > 1:
        raise click.UsageError("only one of --quality, --target-size, --target-bpp and --target-psnr can be met")
    from .. import encoder, target
    from ..files import SUFFIX
    from ..picture import Picture

    planned, single = batch.plan(inputs, shared, is_picture, SUFFIX, lambda p: p.suffix == SUFFIX)
    workers, threads = batch.threads_of(len(planned), shared)
    searched = target_size is not None or target_bpp is not None or target_psnr is not None

    def work(job: Job) -> Outcome:
        if job.source == STREAM:
            data = sys.stdin.buffer.read()
            before, picture = len(data), Picture.load(io.BytesIO(data), first_frame)
            del data
        else:
            before, picture = job.source.stat().st_size, Picture.load(job.source, first_frame)
        height, width = picture.pixels.shape[:2]
        if strip:
            picture = replace(picture, metadata={})
        if target_psnr is not None:
            found = target.for_psnr(picture, target_psnr, threads, effort)
        elif target_size is not None or target_bpp is not None:
            size = target_size if target_size is not None else target_bpp * width * height / 8
            found = target.for_size(picture, size, threads, effort)
        else:
            chosen = QUALITY_DEFAULT if quality is None else quality
            found = target.Found(encoder.encode(picture, chosen, threads, effort=effort), chosen)
        result = found.encoding.data
        with batch.writing(job.target) as out:
            out.write(result)
        names, sizes = (str(job.source), str(job.target)), (before, len(result), width, height)
        exact = found.encoding.lossless
        outcome = Outcome(*names, "done", *sizes, found.quality, None if exact else found.psnr, exact)
        if single and job.target != STREAM and not shared.quiet and not shared.as_json:
            line = f"{job.target}: {len(result)} bytes, {100 * len(result) / before:.1f} % of {job.source.name}"
            if searched:
                line += "; without loss" if exact else f"; quality {found.quality}"
                line += f", {8 * len(result) / (width * height):.4f} bits per pixel"
                line += "" if outcome.psnr is None else f", {outcome.psnr:.2f} dB"
            click.echo(line)
        return outcome

    batch.run(Batch(planned, single, workers, shared), work)


def is_picture(path: Path) -> bool:
    from PIL import Image

    from ..files import SUFFIX

    known = Image.registered_extensions()
    return path.suffix.lower() in known and path.suffix.lower() != SUFFIX and known[path.suffix.lower()] in Image.OPEN
