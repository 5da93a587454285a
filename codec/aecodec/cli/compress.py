"""aecodec compress"""

import io
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from ..folders import SUFFIX, is_aec, is_picture
from ..options import DEVICES, EFFORT_DEFAULT, EFFORT_MAX, EFFORT_MIN, MAX_PIXELS, QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN
from . import batch
from .batch import Batch, CommonOptions, Outcome
from .messages import say
from .paths import STREAM, Job, plan
from .remote import Place
from .size import Positive, Range, Size

if TYPE_CHECKING:
    from ..picture import Picture
    from ..quality_map import Region
    from ..target import TargetResult

RULE = "OUT must end in .aec, or be a device or a pipe"


class Interest(click.ParamType):  # type: ignore[type-arg]
    name = "x,y,w,h=+n"

    def convert(
        self, value: str, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[tuple[int, int, int, int], int]:
        try:
            region, offset = value.split("=")
            x, y, w, h = map(int, region.split(","))
            return (x, y, w, h), int(offset)
        except ValueError:
            self.fail(f"{value!r} is not of the form X,Y,WIDTH,HEIGHT=+20", param, context)


class Noise(click.ParamType):  # type: ignore[type-arg]
    name = "auto|sigma"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str | float:
        try:
            return value if value == "auto" else float(value)
        except ValueError:
            self.fail(f"{value!r} is neither auto nor the standard deviation of noise", param, context)


effort_option = click.option(
    "-e",
    "--effort",
    type=click.IntRange(EFFORT_MIN, EFFORT_MAX),
    default=EFFORT_DEFAULT,
    show_default=True,
    help="Fast (1) to small (9); 5 to 9 refine only if torch is installed.",
)


def say_if_refining_is_missing(effort: int) -> None:
    """Once a command, on stderr: the files would be those of another effort than was asked for."""
    from ..effort import lacks_torch

    if lacks_torch(effort):
        say(f'aecodec: effort {effort} is {EFFORT_DEFAULT} without torch (pip install "aecodec[train]")', err=True)


@click.command(short_help="Compress pictures to .aec files.")
@click.argument("inputs", metavar="IN... [OUT.aec]", type=Place(), nargs=-1, required=True)
@click.option("-q", "--quality", type=click.IntRange(QUALITY_MIN, QUALITY_MAX), help=f"[default: {QUALITY_DEFAULT}]")
@effort_option
@click.option("--target-size", type=Size(), help="The best quality in so many bytes: 50000, 50k, 48KiB.")
@click.option("--target-bpp", type=Positive(), help="The best quality in so many bits per pixel.")
@click.option("--target-psnr", type=Positive(), help="The smallest file with this PSNR in dB.")
@click.option("--target-ssimulacra2", type=Range(max=100), help="The smallest file with this SSIMULACRA2.")
@click.option("--lossless", is_flag=True, help="Keep every sample of 8 or 16 bits as it is.")
@click.option("--protect", is_flag=True, help="Add a protective copy of the coarse codes: up to a quarter more bytes.")
@click.option("--roi", type=Interest(), multiple=True, help="A region of interest, and its offset of quality; may be repeated.")
@click.option(
    "--denoise",
    type=Noise(),
    is_flag=False,
    flag_value="auto",
    help="Take out the noise that there is (auto), or noise of this standard deviation, 0 to 100.",
)
@click.option("--device", type=click.Choice(DEVICES), default="cpu", help="cuda: analyse pictures on a GPU; needs torch.")
@click.option("--strip", is_flag=True, help="Drop ICC profile, EXIF and XMP.")
@click.option("--first-frame", is_flag=True, help="Of animations, take the first picture.")
@click.option(
    "--limit-pixels", type=click.IntRange(1), default=MAX_PIXELS, help=f"Refuse larger pictures.  [default: {MAX_PIXELS}]"
)
@batch.options
def compress(
    inputs: tuple[Path, ...],
    quality: int | None,
    effort: int,
    target_size: float | None,
    target_bpp: float | None,
    target_psnr: float | None,
    target_ssimulacra2: float | None,
    lossless: bool,
    protect: bool,
    roi: tuple["Region", ...],
    denoise: str | float | None,
    device: str,
    strip: bool,
    first_frame: bool,
    limit_pixels: int,
    common: CommonOptions,
) -> None:
    """Compress pictures, in any format that Pillow reads, to .aec files.

    "compress a.png a.aec" names the output; otherwise it is beside the input, or in the folder --output, as a.aec. "-" is stdin
    and stdout. Existing outputs of folders and of several inputs are kept unless --force is given.
    """
    if sum(v is not None for v in (quality, target_size, target_bpp, target_psnr, target_ssimulacra2)) + lossless > 1:
        raise click.UsageError("only one of --quality, the targets and --lossless can be met")
    if device != DEVICES[0]:
        from ..effort import known

        known(device)  # or every file would say so
    jobs, single = plan(inputs, common.output, common.recursive, is_picture, SUFFIX, is_aec, RULE)
    if not (lossless or common.quiet or common.as_json):
        say_if_refining_is_missing(effort)
    workers, threads = common.threads_for(len(jobs))
    wish = Wish(quality, target_size, target_bpp, target_psnr, target_ssimulacra2, lossless, effort, protect, roi, denoise, device)

    def work(job: Job) -> Outcome:
        return compress_one(job, wish, threads, strip, first_frame, limit_pixels, not common.force)

    batch.run(Batch(jobs, single, workers, common), work, lambda outcome: describe(outcome, wish.searched))


@dataclass(frozen=True)
class Wish:
    """What a file is to be like; no more than one of the first six is given."""

    quality: int | None
    size: float | None  # bytes
    bpp: float | None  # bits per pixel
    psnr: float | None  # dB
    ssimulacra2: float | None
    lossless: bool
    effort: int
    protect: bool
    regions: tuple["Region", ...]  # of interest, with their offsets of quality
    denoise: str | float | None
    device: str

    @property
    def searched(self) -> bool:
        """Whether the quality has to be found."""
        return any(v is not None for v in (self.size, self.bpp, self.psnr, self.ssimulacra2))

    def meet(self, picture: "Picture", threads: int) -> "TargetResult":
        """Compresses a picture so."""
        from .. import encoder, quality_map, target

        roi = quality_map.of_regions(picture.height, picture.width, self.regions) if self.regions else None
        how: dict[str, Any] = {"effort": self.effort, "protect": self.protect, "roi": roi, "device": self.device}
        if self.psnr is not None:
            return target.for_psnr(picture, self.psnr, threads, **how)
        if self.ssimulacra2 is not None:
            return target.for_ssimulacra2(picture, self.ssimulacra2, threads, **how)
        if self.size is not None:
            return target.for_size(picture, self.size, threads, **how)
        if self.bpp is not None:
            return target.for_size(picture, self.bpp * picture.pixels_count / 8, threads, **how)
        quality = QUALITY_DEFAULT if self.quality is None else self.quality
        if self.lossless:
            return target.TargetResult(encoder.encode_lossless(picture, self.effort), QUALITY_MAX)
        return target.TargetResult(encoder.encode(picture, quality, threads, **how), quality)


def compress_one(job: Job, wish: Wish, threads: int, strip: bool, first_frame: bool, limit_pixels: int, exclusive: bool) -> Outcome:
    from ..denoising import denoised
    from ..picture import Picture

    if job.source == STREAM:
        data = batch.read_stdin()
        before, picture = len(data), Picture.load(io.BytesIO(data), first_frame, limit_pixels)
        del data
    else:
        before, picture = job.source.stat().st_size, Picture.load(job.source, first_frame, limit_pixels)
    if strip:
        picture = replace(picture, metadata={}, notes=())
    picture, noise = denoised(picture, wish.denoise, wish.lossless, threads)
    found = wish.meet(picture, threads)
    data, exact = found.encoding.data, found.encoding.lossless
    with batch.writing(job.target, exclusive, job.makes_folder) as out:
        out.write(data)
    names, sizes = (str(job.source), str(job.target)), (before, len(data), picture.width, picture.height)
    psnr, ssimulacra2 = (None if exact or wished is None else found.score for wished in (wish.psnr, wish.ssimulacra2))
    message = batch.noted(job, picture.notes)
    taken = None if wish.denoise is None else round(noise, 1)
    return Outcome(*names, "done", *sizes, found.quality, psnr, ssimulacra2, exact, taken, message)


def describe(outcome: Outcome, searched: bool) -> str:
    """A line on one file; searched: say what was found, too."""
    line = f"{outcome.target}: {outcome.bytes_after} bytes"
    if outcome.bytes_before:  # a pipe's size is not known before
        name = batch.name_of(PurePath(PurePath(outcome.source).name))
        line += f", {100 * outcome.bytes_after / outcome.bytes_before:.1f} % of {name}"
    if searched:
        line += "; without loss" if outcome.lossless else f"; quality {outcome.quality}"
        line += f", {8 * outcome.bytes_after / (outcome.width * outcome.height):.4f} bits per pixel"
        line += "" if outcome.psnr is None else f", {outcome.psnr:.2f} dB"
        line += "" if outcome.ssimulacra2 is None else f", SSIMULACRA2 {outcome.ssimulacra2:.2f}"
    if outcome.noise is not None:
        line += f"; noise of {outcome.noise:.1f} taken out" if outcome.noise else "; no noise to take out"
    return line
