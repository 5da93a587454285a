"""Pieces of work beside one another."""

import os
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
    """What all of them return. threads: 0 for one a core; no more are at work than that.

    If one of them fails, those that were not started are left out.
    """
    if threads == 1 or len(works) < 2:
        return [w() for w in works]
    pool = ThreadPoolExecutor(min(len(works), threads or os.cpu_count() or 1))
    try:
        results = [pool.submit(w) for w in works]
    except RuntimeError:  # no more threads
        return [w() for w in works]
    else:
        return [r.result() for r in results]
    finally:
        pool.shutdown(cancel_futures=True)
