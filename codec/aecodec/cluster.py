"""Files or shards as tasks of Ray (Moritz et al., "Ray: a distributed framework for emerging AI applications", 2018), here or on
many machines.

Ray places the tasks, and gives one whose worker died to another; nothing of a scheduler is written here.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from .errors import OptionError

RETRIES = 3  # of a job whose worker was lost
AHEAD = 2  # tasks that Ray knows of, for each core of the cluster

J = TypeVar("J")


def connect(address: str) -> None:
    """To the cluster at an address; "auto" is the one that this machine is part of, "local" a new one, of this machine alone.

    Raises OptionError if Ray is missing or the address is none, OSError if no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise OptionError('--ray needs Ray (pip install "aecodec[ray]")') from error
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except ConnectionError as error:
        raise ConnectionError(f"no Ray cluster at {address!r}: {' '.join(str(error).split())}") from error
    except (ValueError, RuntimeError) as error:
        raise OptionError(f"--ray {address}: {' '.join(str(error).split())}") from error


def each(work: Callable[..., Any], jobs: Iterable[J], arguments: tuple[Any, ...], limit: int | None) -> Iterator[tuple[J, Any]]:
    """work(job, *arguments) of every job, a core each, in the order in which they end -> the job, and its result or a RayError.

    limit: tasks at a time; by default all cores of the cluster are kept busy.
    """
    import ray

    with contextlib.redirect_stdout(sys.stderr):  # where Ray says, on its own account, that a worker died
        task = ray.remote(work).options(num_cpus=1, max_retries=RETRIES)
        resources: Any = ray.cluster_resources
        running: dict[Any, J] = {}
        waiting = iter(jobs)
        while True:
            room = limit or AHEAD * max(1, int(resources().get("CPU", 1)))  # a cluster may grow
            running |= {task.remote(job, *arguments): job for job in islice(waiting, max(0, room - len(running)))}
            if not running:
                return
            for done in ray.wait(list(running))[0]:
                job = running.pop(done)
                try:
                    yield job, ray.get(done)
                except ray.exceptions.RayError as error:
                    yield job, error
