"""What the network runs on: whether bfloat16 pays there, and how malloc must behave on a CPU."""

import contextlib
import ctypes

import torch

# mallopt's parameters, from glibc's malloc.h
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3


def keep_memory() -> None:
    """Has glibc keep freed memory for the next allocation; elsewhere nothing happens.

    By default it gives big tensors back to the kernel at every free, and pays a page fault for every page at the next
    allocation: CPU training then runs two to four times slower. OMP_PROC_BIND, which often goes with this, must not be set: it
    binds the main thread to one core, and the threads of aecodec._core, which are started from it, would all run there.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((MMAP_THRESHOLD, 2**31 - 1), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**28)):
            mallopt(parameter, value)


def has_cuda() -> bool:
    return torch.cuda.is_available()


def bfloat16_is_fast() -> bool:
    """Whether the processor, or the GPU, multiplies bfloat16 faster than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu.get_capabilities().get("avx512_bf16", False)
