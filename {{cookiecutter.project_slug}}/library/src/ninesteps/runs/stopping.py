"""Ctrl-C and signals to terminate, which stop a run at any point.

Python raises KeyboardInterrupt in whatever the main thread is doing. If that is the deletion of an
object, Python prints and discards it, so the signal is also recorded, to be checked a moment later.
"""

from __future__ import annotations

import signal
import threading

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")

_asked = threading.Event()


def listen(keyboard: bool) -> None:
    """Treat the signals as Ctrl-C, so that no step outlives this process.

    Args:
        keyboard: Ctrl-C too; not under a debugger, which uses it itself.
    """
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread gets signals
    for name in SIGNALS:
        number = getattr(signal, name, None) if keyboard or name != "SIGINT" else None
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)


def _stop(_number: int, _frame: object) -> None:
    _asked.set()
    raise KeyboardInterrupt


def ignore() -> None:
    """Ignore further signals, so that the last message is printed in full."""
    for name in SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raise KeyboardInterrupt once for each signal that has arrived.

    Raises:
        KeyboardInterrupt: which Python may have discarded when the signal arrived.
    """
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt
