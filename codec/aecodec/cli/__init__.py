"""The command line: one module for each kind of command, and `batch` for what they share."""

import os
import sys
from typing import Any, NoReturn

import click

from .. import __version__
from ..errors import AecodecError
from . import anomaly, compress, decompress, duplicates, inspect, lab, placeholder, sample, shards, signals
from .batch import one_line, prepare_pillow
from .messages import say


class Commands(click.Group):
    """Ends with one line on stderr and exit status 1 if a command cannot do its work; 2 is click's, for wrong usage."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(130)
        except (AecodecError, OSError, MemoryError) as error:
            fail(error)

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except OSError as error:  # of help, which click writes before there is a command
            fail(error)
        finally:
            let_go_of_stdout()


def fail(error: BaseException) -> NoReturn:
    if not isinstance(error, BrokenPipeError):
        say(f"aecodec: {one_line(error)}", err=True)
    sys.exit(1)


def let_go_of_stdout() -> None:
    """What could not be written is forgotten: Python would try again when it ends, with words and an exit status of its own."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aecodec")
@click.pass_context
def main(context: click.Context) -> None:
    """A learned image codec: small files, the same pixels on every machine."""
    if context.invoked_subcommand not in ("train", "bench"):
        signals.end_at_once()
    prepare_pillow()


for command in (
    compress.compress,
    decompress.decompress,
    inspect.info,
    inspect.verify,
    inspect.compare,
    sample.sample,
    placeholder.placeholder,
    duplicates.duplicates,
    anomaly.anomaly,
    shards.shards,
    lab.train,
    lab.bench,
):
    main.add_command(command)
