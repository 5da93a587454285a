"""Ends the program at once when it is told to, and leaves nothing half-written."""

import os
import signal
import sys
import threading
from collections.abc import Callable

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
before_end: list[Callable[[], None]] = []  # what is to be said


def end_at_once() -> None:
    """From now on, the signals end the program: by a thread, as the main one may be far away in the engine."""
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    heard = [n for n in numbers if signal.getsignal(n) not in (signal.SIG_IGN, None)]  # nohup ignores one, and so do we
    if threading.current_thread() is not threading.main_thread():
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in heard:
        signal.signal(number, lambda *_: None)
    threading.Thread(target=watch, args=(reader, set(heard)), daemon=True).start()


def watch(reader: int, heard: set[int]) -> None:
    while (number := os.read(reader, 1)[0]) not in heard:
        pass
    from ..replacing import give_up

    give_up()
    try:
        for say in before_end:
            say()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    finally:
        os._exit(128 + number)
