"""What callers pass: values of a wrong type or size are an OptionError, which names the argument."""

import math
from numbers import Real
from typing import Any

from .errors import OptionError

NATIVE_MAX = 2**31 - 1  # of what goes to the engine as an int


def whole(name: str, value: Any, low: int, high: int = NATIVE_MAX) -> int:
    """A whole number, of Python or NumPy, or a float that is one. Raises OptionError."""
    try:
        number = int(value) if not isinstance(value, str | bytes | bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != value or not low <= number <= high:
        too_large = number is not None and number > high
        of = f"from {low} to {high}" if high < NATIVE_MAX or too_large else f"of at least {low}"
        raise OptionError(f"{name} must be a whole number {of}, not {value!r:.40}")
    return number


def real(name: str, value: Any, low: float, high: float) -> float:
    """A real number, of Python or NumPy. Raises OptionError."""
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.nan
    if not low <= number <= high:
        raise OptionError(f"{name} must be from {low:g} to {high:g}, not {value!r:.40}")
    return number


def sides(size: Any, high: int) -> tuple[int, int]:
    """(width, height) of a picture, 1 to `high` each. Raises OptionError."""
    try:
        width, height = size
    except (TypeError, ValueError) as error:
        raise OptionError(f"size must be (width, height), not {size!r:.40}") from error
    return whole("width", width, 1, high), whole("height", height, 1, high)


def buffer(name: str, value: Any) -> bytes:
    """Anything that holds bytes. Raises OptionError."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise OptionError(f"{name} must be bytes, not {type(value).__name__}")
    return bytes(value)
