"""The command line: one module for each kind of command, and `jobs` for what they share."""

import sys
from typing import Any

import click

from .. import __version__
from ..errors import AecodecError
from . import anomaly, compress, decompress, duplicates, inspect, lab, placeholder, sample, shards, signals
from .batch import one_line, prepare_pillow


class Commands(click.Group):
    """Ends with one line on stderr and exit status 1 if a command cannot do its work; 2 is click's, for wrong usage."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except BrokenPipeError:
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)
        except (AecodecError, OSError, MemoryError) as error:
            click.echo(f"aecodec: {one_line(error)}", err=True)
            sys.exit(1)


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
