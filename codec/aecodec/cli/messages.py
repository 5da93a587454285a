"""What is said on stdout and stderr: one line, whatever is in the name of a file."""

import sys
import unicodedata

import click

BYTES = range(0xDC80, 0xDD00)  # surrogates that stand for bytes 128 to 255 of a name that is no UTF-8


def say(line: str, err: bool = False) -> None:
    """Prints a line on stdout or stderr, with what cannot be shown as an escape: a name may hold line breaks and worse."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(printable(line).encode(encoding, "backslashreplace").decode(encoding), err=err)


def printable(text: str) -> str:
    """A text without control characters and lone surrogates, which are escaped as in Python."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else escaped(c) for c in text)


def escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code & 0xFF:02x}" if code in BYTES else character.encode("unicode_escape").decode()
