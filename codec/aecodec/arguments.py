"""What callers pass: values of a wrong type or size are an OptionError, which names the argument."""

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
        of = f"from {low} to {high}" if high < NATIVE_MAX else f"of at least {low}"
        raise OptionError(f"{name} must be a whole number {of}, not {value!r:.40}")
    return number


def buffer(name: str, value: Any) -> bytes:
    """Anything that holds bytes. Raises OptionError."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise OptionError(f"{name} must be bytes, not {type(value).__name__}")
    return bytes(value)
