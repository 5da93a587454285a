"""The process environment that training on a CPU needs."""

import os
import sys

# glibc gives big tensors back to the kernel at every free and pays a page fault for every page at the next allocation.
# With these, CPU training runs two to four times faster. OMP_PROC_BIND must not be set: it binds the main thread to one
# core, and the threads of aecodec._core, which are started from it, would all run there (0.27 instead of 0.45 Mpixel/s).
WANTED = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


def restart_if_needed() -> None:
    """Starts this process anew, with the same arguments, where the environment lacks something of WANTED.

    malloc and OpenMP read it only when a process starts.
    """
    if any(name not in os.environ for name in WANTED):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**WANTED, **os.environ})
