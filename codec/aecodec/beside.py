"""Pieces of work beside one another."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def beside(work: Callable[[], T], threads: int) -> Callable[[], T]:
    """Starts work in a thread if there may be more than one, and the system has one; what is returned waits for the result."""
    if threads == 1:
        return work
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(work).result
    except RuntimeError:  # no more threads
        return work
    finally:
        pool.shutdown(wait=False)


def together(works: Sequence[Callable[[], T]], threads: int) -> list[T]:
    """What all of them return."""
    others = [beside(w, threads) for w in works[1:]]
    return [w() for w in (*works[:1], *others)]
