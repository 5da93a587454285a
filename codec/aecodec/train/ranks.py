"""The processes of a run that torchrun starts, called ranks: each has all the weights, and a part of every step's crops.

Data parallelism with the gradients' mean taken in one piece, after all of them are there, and not by DistributedDataParallel: the
loss goes in and out of network, codebooks and preview, which no one module's `forward` is; half of the parameters have no gradient
in one of the phases; and one addition in a fixed order makes two ranks compute what one does in two parts, to the bit.

Gloo carries what is on CPUs, NCCL what is on GPUs. A run that was not started by torchrun is a single rank, to which all of this
is nothing.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import AecodecError


@dataclass(frozen=True)
class Ranks:
    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the rank whose clock counts, and that validates, logs, saves and exports."""
        return self.rank == 0

    def parts(self, accumulate: int) -> range:
        """Which parts of a step are this rank's, if each makes so many, one after the other."""
        return range(self.rank * accumulate, (self.rank + 1) * accumulate)

    def average(self, tensors: list[Tensor]) -> None:
        """Gives every rank the mean over all ranks, in the tensors' place."""
        if self.count > 1:
            flat = flattened(tensors)
            with reached():
                dist.all_reduce(flat)
            fill(tensors, flat / self.count)

    def share(self, tensors: list[Tensor]) -> None:
        """Gives every rank what the leading one has, in the tensors' place."""
        if self.count > 1:
            flat = flattened(tensors)
            with reached():
                dist.broadcast(flat, 0)
            fill(tensors, flat)

    def agree(self, seconds: float, number: int) -> tuple[float, int]:
        """-> the leading rank's seconds, and the number of a signal that has come to any rank, or 0."""
        if self.count == 1:
            return seconds, number
        told = torch.tensor([seconds if self.leads else 0.0, number], dtype=torch.float64)
        with reached():
            dist.all_reduce(told, dist.ReduceOp.MAX)
        return told[0].item(), int(told[1].item())


ALONE = Ranks()


def flattened(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([t.detach().flatten() for t in tensors])


@torch.no_grad()
def fill(tensors: list[Tensor], flat: Tensor) -> None:
    for t, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        t.copy_(part.view(t.shape))


@contextlib.contextmanager
def reached() -> Iterator[None]:
    """What the libraries say when a rank has gone is long, and none of it is about the run."""
    try:
        yield
    except RuntimeError as error:
        why = " ".join(str(error).split())[:100]
        raise AecodecError(f"another process of the run is gone, or cannot be reached ({why})") from error


def is_restarted() -> bool:
    """Whether torchrun has started the processes again, as one was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """The ranks of this run, each with a GPU of its own if the device is one.

    Raises AecodecError if there are fewer GPUs than processes on this machine, or the others do not come.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Ranks()
        return
    on_gpu = device == "cuda"
    if on_gpu:
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise AecodecError(f"every process wants a GPU of its own, and this machine has {gpus} (--nproc-per-node {gpus})")
        torch.cuda.set_device(local)
    with reached():
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
