"""Sizes in bytes as people write them."""

import math
from typing import Any

import click

UNITS = {"": 1, "k": 1000, "ki": 1024, "m": 10**6, "mi": 1024**2, "g": 10**9, "gi": 1024**3}


class Size(click.ParamType):  # type: ignore[type-arg]  # older releases of click have no type argument
    name = "bytes"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> float:
        text = str(value).lower().removesuffix("b")
        number = text.rstrip("kmgi")
        try:
            size = float(number) * UNITS[text[len(number) :]]
        except (KeyError, ValueError):
            size = math.nan
        if not 1 <= size < 2**62:
            self.fail(f"{value!r} is not a size such as 50000, 50k or 48KiB", param, context)
        return size


class Range(click.FloatRange):
    """A number in a range, which nan and infinity are not."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        number: float = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, context)
        return number


class Positive(click.ParamType):  # type: ignore[type-arg]  # as above
    name = "number"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.fail(f"{value!r} is no number above 0", param, context)
        return number
