"""aecodec placeholder"""

from pathlib import Path

import click

from . import batch
from .paths import STREAM
from .sample import Size


@click.command(short_help="A picture as a short string, and back.")
@click.argument("path", metavar="PICTURE | OUT", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--length", type=click.IntRange(6, 100), default=28, show_default=True, help="The most characters to print.")
@click.option("--decode", "text", metavar="STRING", help="Write the picture that a string stands for to OUT.")
@click.option("--size", type=Size(), help="Of OUT, in pixels.  [default: 32 on the longer side]")
@click.option("-f", "--force", is_flag=True, help="Replace an existing file.")
def placeholder(path: Path, length: int, text: str | None, size: tuple[int, int] | None, force: bool) -> None:
    """Print a short string that stands for a picture (a file of any kind, or an .aec file), or turn one back into a picture.

    A page can hold the string and show it, as a blur in the right colours, until the picture itself is loaded:
    examples/placeholder.js does so in browsers.
    """
    from ..errors import AecodecError
    from ..files import load_reduced, picture_format
    from ..placeholders import LONG_SIDE, decode, encode

    if text is None:
        if size is not None or force:
            raise click.UsageError("--size and --force are of --decode")
        try:
            click.echo(encode(load_reduced(batch.read_stdin() if path == STREAM else path, LONG_SIDE), length))
        except AecodecError as error:
            raise type(error)(f"{batch.name_of(path)}: {error}") from error
        return
    format = "PNG" if path == STREAM else picture_format(path)
    picture = decode(text, size)
    with batch.writing(path, not force) as out:
        picture.save(out, format)
