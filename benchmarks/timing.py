"""Seconds of whole processes, in turns: what is compared is measured in the same minutes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from results import Measured

AT_ONCE = 2
"""Processes at a time: the engine's and the floor's."""

Timed = Callable[[], float]
"""Does something once and gives the seconds of what is measured of it."""


def interleaved(timed: Mapping[str, Timed], repetitions: int) -> list[Measured]:
    """Do each once without counting, then all in turn, so many times: a slow minute hits all."""
    for once in timed.values():
        once()
    rounds = [{n: _with_cpu(once) for n, once in timed.items()} for _ in range(repetitions)]
    return [
        Measured(name, [times[name][0] for times in rounds], [times[name][1] for times in rounds])
        for name in timed
    ]


def _with_cpu(once: Timed) -> tuple[float, float]:
    """Seconds, and the processors' seconds of all processes that were started, or of this one.

    What is copied and removed before a command starts is this process's, and does not count.
    """
    before = [_cpu(whose) for whose in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    seconds = once()
    after = [_cpu(whose) for whose in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    started, own = (late - early for late, early in zip(after, before, strict=True))
    return seconds, started or own


def _cpu(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


def seconds_of(
    command: Sequence[str | Path],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> float:
    """Run a command to its end, from outside; what it says is shown if it fails."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        done = subprocess.run(
            list(map(str, command)), cwd=folder, env=environment, check=False,
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        if done.returncode:
            said.seek(0)
            text = said.read().decode(errors="replace")
            sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{text[-3000:]}")
    return seconds


def bare(count: int, at_once: int) -> Timed:
    """The floor: so many processes of Python that do nothing, so many at a time."""

    def start(names: Iterator[int]) -> None:
        for _ in names:
            subprocess.run([sys.executable, "-c", "pass"], check=True)

    def once() -> float:
        begin = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            shares = [iter(range(share, count, at_once)) for share in range(at_once)]
            list(pool.map(start, shares))
        return time.perf_counter() - begin

    return once
