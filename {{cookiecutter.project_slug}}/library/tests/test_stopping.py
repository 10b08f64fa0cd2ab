"""A signal stops, also where Python loses the exception that it raises."""

from __future__ import annotations

import signal

import pytest

from ninesteps.runs import stopping

SIGNALS = ("SIGINT", "SIGTERM")


class Deleted:
    """An object during whose deletion a signal comes."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_raised_where_it_comes(name: str) -> None:
    stopping.listen(keyboard=True)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(getattr(signal, name))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", SIGNALS)
def test_one_that_is_lost_there_is_raised_at_the_next_look(name: str) -> None:
    stopping.listen(keyboard=True)
    stopping.check()
    Deleted(getattr(signal, name))  # where Python says that it ignores the exception
    with pytest.raises(KeyboardInterrupt):
        stopping.check()
    stopping.check()


def test_a_debugger_keeps_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGINT)
    stopping.listen(keyboard=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stopping.listen(keyboard=True)
    signal.raise_signal(signal.SIGTERM)
    stopping.check()
