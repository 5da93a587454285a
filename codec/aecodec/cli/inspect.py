"""aecodec info, verify, compare: they look at files and change none."""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import AecodecError, FileError, PictureError
from .batch import limits, said_of, writing
from .messages import say

if TYPE_CHECKING:
    import numpy as np

    from ..picture import Picture

FILE = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
AMPLIFICATION = 8  # of differences, in the picture of them


@click.command()
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--stages", "folder", type=FOLDER, help="A folder for pictures of what there is after each stage of codes.")
@click.option("-f", "--force", is_flag=True, help="Replace existing pictures of stages.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@limits
def info(source: Path, folder: Path | None, force: bool, as_json: bool, limit_pixels: int, limit_memory: float) -> None:
    """Say what is in an .aec file."""
    from ..inspection import info

    data = source.read_bytes()
    try:
        facts = info(data, limit_pixels)
        if folder is not None:
            facts["stages"] = write_stages(data, folder, force, limit_pixels, int(limit_memory))
    except (FileError, PictureError) as error:
        raise type(error)(f"{source}: {error}") from error
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    colour = facts["colour"] + (" with alpha" if facts["alpha"] else "")
    size = f"{facts['bytes']} bytes, {facts['bits_per_pixel']} bits per pixel"
    low, high = facts["qualities"]
    quality = f"quality {facts['quality']}" + (f" (qualities {low} to {high} in its parts)" if low < high else "")
    say(f"{source}: {facts['width']} x {facts['height']} {colour}, {quality}, {size}")
    say(f"format version {facts['version']}, model {facts['model']}, tiles of {1 << facts['tile_log2']} pixels")
    for name, size in facts["metadata"].items():
        say(f"{name}: {size} bytes")
    layer = sum(c["bytes"] for c in facts["chunks"] if c["type"] in "LM")
    if layer:
        say(f"{kind_of_layer(facts)}: {layer} bytes")
    if facts["protected"]:
        say(f"protective copy: {sum(c['bytes'] for c in facts['chunks'] if c['type'] == 'p')} bytes")
    for stream in facts["streams"]:
        tiles = stream["tiles"]
        each = f"{len(tiles)} tile{'s' * (len(tiles) > 1)}" + (f" of {min(tiles)} to {max(tiles)} bytes" if len(tiles) > 1 else "")
        say(f"codes at {' and '.join(stream['scales'])}: {stream['bytes']} bytes in {each}")
    for number, stage in enumerate(facts.get("stages", ())):
        say(f"stage {number}, at {stage['scale']}: {stage['bytes']} bytes, together {stage['together']}: {stage['picture']}")


def kind_of_layer(facts: dict[str, Any]) -> str:
    if facts["lossless"]:
        return "pixels without loss"
    if facts["mixed"]:
        return "a layer of some pixels"
    return "a layer of all pixels, in steps or fewer colours"


def write_stages(data: bytes, folder: Path, force: bool, limit_pixels: int, limit_memory: int) -> list[dict[str, Any]]:
    """The picture after every stage, as a file -> what there is to say of each."""
    from ..inspection import stages
    from ..picture import Picture

    found: list[dict[str, Any]] = []
    for number, (facts, pixels) in enumerate(stages(data, limit_pixels, limit_memory)):
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"stage-{number}.png"
        with writing(target, not force) as out:
            Picture(pixels).save(out, "PNG")
        found.append({**facts, "together": sum(f["bytes"] for f in found) + facts["bytes"], "picture": str(target)})
    return found


@click.command()
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@click.option("--quiet", is_flag=True, help="Say nothing of intact files.")
@limits
def verify(files: tuple[Path, ...], quiet: bool, limit_pixels: int, limit_memory: float) -> None:
    """Check the structure and the checksums of .aec files."""
    from ..decoder import Decoder

    failed = False
    for path in files:
        try:
            with Decoder(path, max_pixels=limit_pixels, max_memory=int(limit_memory), check=True):
                pass
        except (AecodecError, OSError) as error:
            failed = True
            text = said_of(path, error)
            if isinstance(error, FileError) and (repairs := repairs_of(path)):
                text += f"; decompress --allow-partial repairs {', '.join(repairs)}"
            say(f"aecodec: {text}", err=True)
            continue
        if not quiet:  # outside, lest a full disk behind stdout is taken for a fault of the file
            say(f"{path}: intact")
    sys.exit(1 if failed else 0)


def repairs_of(path: Path) -> list[str]:
    """What of a damaged file comes back from its protective copy."""
    from ..decoder import Decoder

    try:
        with Decoder(path, partial=True) as decoder:
            return decoder.repairs
    except (AecodecError, OSError):
        return []


@click.command()
@click.argument("first", metavar="A", type=FILE)
@click.argument("second", metavar="B", type=FILE)
@click.option("--difference", type=FILE, help=f"Write a picture of the differences, {AMPLIFICATION} times amplified around gray.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing picture of the differences.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@limits
def compare(
    first: Path, second: Path, difference: Path | None, force: bool, as_json: bool, limit_pixels: int, limit_memory: float
) -> None:
    """Compare two pictures, .aec files or others: PSNR and MS-SSIM, over colours without alpha."""
    import numpy as np

    from ..files import picture_format, refuse_same
    from ..metrics import psnr
    from ..picture import Picture

    pictures = [load(p, limit_pixels, int(limit_memory)) for p in (first, second)]
    if not all(p.sixteen_bits for p in pictures):
        pictures = [p.eight_bit() for p in pictures]
    a, b = (p.rgb() for p in pictures)
    if a.shape != b.shape:
        sizes = [f"{p.width} x {p.height}" for p in pictures]
        raise PictureError(f"the pictures have different sizes: {sizes[0]} and {sizes[1]}")
    if difference is not None:
        format = picture_format(difference)
        d = np.clip(128 + AMPLIFICATION * (a.astype(np.int16) - b), 0, 255).astype(np.uint8)
        for source in (first, second):
            refuse_same(source, difference)
        with writing(difference, not force) as out:
            Picture(d).save(out, format)
    db, similarity = psnr(*same_shape(pictures)), ms_ssim(a, b)
    if as_json:
        click.echo(json.dumps({"psnr": None if math.isinf(db) else round(db, 4), "ms_ssim": similarity}))
        return
    say("PSNR: " + ("the pictures are equal" if math.isinf(db) else f"{db:.2f} dB"))
    say("MS-SSIM: " + (similarity if isinstance(similarity, str) else f"{similarity:.5f}"))


def same_shape(pictures: list["Picture"]) -> "list[np.ndarray]":
    """The colours, with as many bits as they have; gray as RGB if the other picture is that."""
    import numpy as np

    if len({p.gray for p in pictures}) == 1:
        return [p.pixels for p in pictures]
    return [np.repeat(p.pixels[:, :, None], 3, axis=2) if p.gray else p.pixels for p in pictures]


def load(path: Path, limit_pixels: int, limit_memory: int) -> "Picture":
    """A picture's file, or an .aec file."""
    from ..decoder import decode
    from ..folders import SUFFIX
    from ..picture import Picture

    try:
        if path.suffix.lower() == SUFFIX:
            return decode(path.read_bytes(), 0, limit_pixels, max_memory=limit_memory)
        return Picture.load(path, max_pixels=limit_pixels)
    except AecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def ms_ssim(a: "np.ndarray", b: "np.ndarray") -> float | str:
    """Or why there is none."""
    from .. import metrics

    try:
        value = metrics.ms_ssim(a, b)
    except ImportError:
        return "needs torch and pytorch-msssim: pip install 'aecodec[bench]'"
    return f"needs pictures of {metrics.MS_SSIM_MIN_SIDE} pixels a side" if value is None else round(value, 6)
