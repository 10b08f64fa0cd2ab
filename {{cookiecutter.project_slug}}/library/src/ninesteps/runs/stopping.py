"""Ctrl-C, and signals that ask to end: they stop a run wherever they find it.

Python raises KeyboardInterrupt in whatever the main thread is doing. Where that is the deletion of
an object, it is printed and forgotten, so the signal is kept as well, for who looks a moment later.
"""

from __future__ import annotations

import signal
import threading

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")

_asked = threading.Event()


def listen(keyboard: bool) -> None:
    """Take the signals as Ctrl-C, so that no step runs on without this process.

    Args:
        keyboard: Ctrl-C too; not under a debugger, which has a use of its own for it.
    """
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        return  # which alone is given signals
    for name in SIGNALS:
        number = getattr(signal, name, None) if keyboard or name != "SIGINT" else None
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)


def _stop(_number: int, _frame: object) -> None:
    _asked.set()
    raise KeyboardInterrupt


def ignore() -> None:
    """Ignore further signals, so that the last message is printed whole."""
    for name in SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raise KeyboardInterrupt if a signal has come, once for each.

    Raises:
        KeyboardInterrupt: which may have been lost where it came.
    """
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt
