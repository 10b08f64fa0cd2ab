"""A table of ten million rows ingested and queried here, by plain DuckDB and by pandas."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from noop import HERE
from results import Size, WayCost
from timing import seconds_of

ROWS = 10_000_000
WAYS = ("ours", "duckdb", "pandas")
PARTS = ("ingest", "query")


def size(folder: Path, rows: int) -> Size:
    """Each way once, in a process of its own, one after the other."""
    table = folder / "table.csv"
    if not table.is_file():
        seconds_of([sys.executable, HERE / "size_table.py", str(rows), table])
    costs = {f"{way} {part}": _cost(way, part, folder) for part in PARTS for way in WAYS}
    return Size(rows, costs)


def _cost(way: str, part: str, folder: Path) -> WayCost:
    """Seconds, processors' seconds and peak memory of a process and those that it waits for."""
    command = [sys.executable, str(HERE / "size_ways.py"), way, part, str(folder)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = WayCost(seconds, usage.ru_utime + usage.ru_stime, peak)
    print(f"  {way} {part}: {seconds:.0f} s, {cost.cpu:.0f} s CPU, {peak / 1e9:.2f} GB", flush=True)
    return cost
