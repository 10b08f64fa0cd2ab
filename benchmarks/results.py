"""What was measured: kept as JSON, printed at 80 columns, written as Markdown."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).parent / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
OURS = "pipeline"
LIBRARY = "XGBoost alone"
"""The library's own training of one model, on the same rows: a search cannot grow less."""


@dataclass(frozen=True)
class Measured:
    """One thing's seconds, a repetition each."""

    name: str
    seconds: list[float]
    cpu: list[float] = field(default_factory=list)
    """The processors' seconds, of all processes together: what neighbours cannot change."""

    @property
    def median(self) -> float:
        """The one to quote."""
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> float:
        """The one to quote; 0 where it was not measured, or is too little to be."""
        return statistics.median(self.cpu or [0.0])


@dataclass(frozen=True)
class Comparison:
    """Several ways to do the same; the first measured is ours."""

    title: str
    measured: list[Measured]
    base: str  # the name of the one that the others are divided by
    limit: float  # how many times the base ours may take
    cpu_limit: float | None = None  # ... and how many times its processors' seconds

    def ratio(self, one: Measured) -> float:
        """How many times the base's median one's is."""
        return one.median / self._base.median

    def cpu_ratio(self, one: Measured) -> float | None:
        """The same of the processors' seconds, where both were measured."""
        base = self._base.median_cpu
        return one.median_cpu / base if base and one.median_cpu else None

    @property
    def above(self) -> list[str]:
        """Which of our numbers are above their limits."""
        ours = self.measured[0]
        cpu, most = self.cpu_ratio(ours), self.cpu_limit
        return [
            *(["seconds"] if self.ratio(ours) > self.limit else []),
            *(["CPU"] if most is not None and cpu is not None and cpu > most else []),
        ]

    @property
    def _base(self) -> Measured:
        (base,) = (other for other in self.measured if other.name == self.base)
        return base


@dataclass(frozen=True)
class StepCost:
    """What a step, or the ingest, took of one table."""

    seconds: float
    peak_bytes: int  # 0: not known


@dataclass(frozen=True)
class Scale:
    """Every step's cost, by the number of rows: a growing table through all nine steps."""

    rows: list[int]
    steps: dict[str, list[StepCost]]  # one a number of rows


@dataclass(frozen=True)
class WayCost:
    """What one way to ingest or query a large table took."""

    seconds: float
    cpu: float  # the processors' seconds
    peak_bytes: int


@dataclass(frozen=True)
class Size:
    """A large table ingested and queried in several ways, each once."""

    rows: int
    costs: dict[str, WayCost]  # such as "ours ingest"

    MOST_BYTES: ClassVar = 2 * 10**9
    MOST_OF_SORT: ClassVar = 1.5  # times the seconds of DuckDB's scan and sort

    @property
    def query_ratio(self) -> float:
        """How many times DuckDB's scan and sort the query as of a moment takes."""
        return self.costs["ours query"].seconds / self.costs["duckdb query"].seconds

    @property
    def falls_short(self) -> list[str]:
        """What is above its limit."""
        peaks = {part: self.costs[f"ours {part}"].peak_bytes for part in ("ingest", "query")}
        short = [f"memory of {part}" for part, peak in peaks.items() if peak > self.MOST_BYTES]
        return [*short, *(["seconds of query"] if self.query_ratio > self.MOST_OF_SORT else [])]


@dataclass
class Results:
    """All parts, each with the machine that it was measured on."""

    machine: dict[str, str]
    comparisons: dict[str, Comparison]
    scale: Scale | None = None
    size: Size | None = None


def machine() -> str:
    """Processor, cores, memory, system and Python of this machine."""
    name = platform.processor() or platform.machine()
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpuinfo.is_file() and (found := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        name = found[1]
    memory = ""
    if meminfo.is_file() and (found := re.search(r"MemTotal:\s*(\d+) kB", meminfo.read_text())):
        memory = f", {int(found[1]) / 2**20:.0f} GB"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = platform.python_version()
    return f"{name}, {cores} cores{memory}, {platform.system()}, Python {python}"


def load() -> Results:
    """What was measured before; parts that are measured again replace theirs."""
    if not KEPT.is_file():
        return Results({}, {})
    content = json.loads(KEPT.read_text(encoding="utf-8"))
    comparisons = {
        part: Comparison(**{**one, "measured": [Measured(**m) for m in one["measured"]]})
        for part, one in content["comparisons"].items()
    }
    scale = content["scale"] and Scale(
        content["scale"]["rows"],
        {n: [StepCost(**c) for c in costs] for n, costs in content["scale"]["steps"].items()},
    )
    size = content.get("size") and Size(
        content["size"]["rows"],
        {name: WayCost(**cost) for name, cost in content["size"]["costs"].items()},
    )
    return Results(content["machine"], comparisons, scale, size)


def save(results: Results) -> None:
    """Keep as JSON, and write the tables into the page and the README."""
    text = json.dumps(asdict(results), indent=1)
    KEPT.write_text(text + "\n", encoding="utf-8")
    _write_block(PAGE, "\n\n".join(markdown(results)))
    _write_block(README, short_markdown(results))


def as_text(comparison: Comparison) -> Iterable[str]:
    """A comparison's lines, within 80 columns."""
    yield comparison.title
    for one in comparison.measured:
        low, high = min(one.seconds), max(one.seconds)
        yield (
            f"  {one.name:<42}{one.median:>8.3f} s ({low:.3f} to {high:.3f})"
            f"{comparison.ratio(one):>8.2f}x"
        )
        if (cpu := comparison.cpu_ratio(one)) is not None:
            yield f"    {'processors':<40}{one.median_cpu:>8.3f} s{cpu:>25.2f}x"
    ours = comparison.measured[0]
    ratio, cpu, most = comparison.ratio(ours), comparison.cpu_ratio(ours), comparison.cpu_limit
    if most is not None and cpu is not None:
        yield f"  at most {most:g} times its processors' seconds: {_verdict(cpu <= most)}"
    verdict = _verdict(ratio <= comparison.limit)
    yield f"  at most {comparison.limit:g} times {comparison.base}: {verdict}"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "NOT MET"


def _met_or_not(above: list[str]) -> str:
    return f"not met ({', '.join(above)})" if above else "met"


def scale_as_text(scale: Scale) -> Iterable[str]:
    """The table of a growing number of rows, within 80 columns."""
    yield f"{'rows':<25}" + "".join(f"{rows:>15,}" for rows in scale.rows) + f"{'growth':>10}"
    for name, costs in scale.steps.items():
        cells = "".join(f"{_cost(cost):>15}" for cost in costs)
        yield f"{name:<25}{cells}{_growth(costs):>10}"
    worse = [n for n in scale.steps if n != LIBRARY and not _is_linear(scale, n)]
    yield "nothing is worse than linear" if not worse else f"WORSE THAN LINEAR: {', '.join(worse)}"


def size_as_text(size: Size) -> Iterable[str]:
    """The large table's lines, within 80 columns."""
    yield f"{size.rows:,} rows"
    for name, cost in size.costs.items():
        cells = f"{cost.seconds:>9.0f} s{cost.cpu:>9.0f} s CPU{cost.peak_bytes / 1e9:>9.2f} GB"
        yield f"  {name:<25}{cells}"
    yield f"  the query is {size.query_ratio:.2f} times DuckDB's scan and sort"
    short = ", ".join(size.falls_short)
    yield f"  at most {size.MOST_BYTES / 1e9:g} GB and {size.MOST_OF_SORT:g} times: " + (
        f"NOT MET: {short}" if short else "met"
    )


def markdown(results: Results) -> Iterable[str]:
    """Every table, for the page."""
    for part, comparison in results.comparisons.items():
        rows = [
            f"| {one.name} | {one.median:.3f} | {min(one.seconds):.3f} | {max(one.seconds):.3f} "
            f"| {comparison.ratio(one):.2f} |{_cpu_cells(comparison, one)}"
            for one in comparison.measured
        ]
        has_cpu = any(one.cpu for one in comparison.measured)
        head = (
            f"| | median, s | least | most | ratio |{' CPU, s | ratio |' if has_cpu else ''}\n"
            f"|---|---:|---:|---:|---:|{'---:|---:|' if has_cpu else ''}"
        )
        yield f"### {comparison.title}\n\n{head}\n" + "\n".join(rows)
        most = comparison.cpu_limit
        cpu = "" if most is None else f" and {most:g} times its CPU seconds"
        met = _met_or_not(comparison.above)
        yield (
            f"Limit: {comparison.limit:g} times `{comparison.base}`{cpu}: {met}. "
            f"Measured on: {results.machine[part]}."
        )
    if scale := results.scale:
        columns = " | ".join(f"{rows:,} rows" for rows in scale.rows)
        head = f"| | {columns} | growth |\n|---|{'---:|' * (len(scale.rows) + 1)}"
        rows = [
            f"| {name} | {' | '.join(map(_cost, costs))} | {_growth(costs)} |"
            for name, costs in scale.steps.items()
        ]
        yield "### A growing table through the nine steps\n\n" + f"{head}\n" + "\n".join(rows)
        yield f"Measured on: {results.machine['scale']}."
    if size := results.size:
        rows = [
            f"| {name} | {cost.seconds:.0f} | {cost.cpu:.0f} | {cost.peak_bytes / 1e9:.2f} |"
            for name, cost in size.costs.items()
        ]
        head = "| | seconds | CPU, s | peak, GB |\n|---|---:|---:|---:|"
        yield f"### {size.rows:,} rows of 30 features\n\n{head}\n" + "\n".join(rows)
        yield (
            f"The query takes {size.query_ratio:.2f} times as long as DuckDB's scan and sort. "
            f"Limit: {size.MOST_OF_SORT:g} times, and {size.MOST_BYTES / 1e9:g} GB for ours: "
            f"{_met_or_not(size.falls_short)}. Measured on: {results.machine['size']}."
        )


def short_markdown(results: Results) -> str:
    """A line a comparison, for the README."""
    rows = [
        f"| {c.title} | {c.measured[0].median:.2f} s | {c.base} | "
        f"{c.ratio(c.measured[0]):.2f} | {_others(c)} |"
        for c in results.comparisons.values()
    ]
    head = "| | `pipeline` | compared with | ratio | ratios of others |\n|---|---:|---|---:|---|\n"
    machines = "; ".join(dict.fromkeys(results.machine.values()))
    said = [head + "\n".join(rows), f"Medians, measured on: {machines}."]
    if results.scale:
        costs = [costs[-1] for name, costs in results.scale.steps.items() if name != LIBRARY]
        seconds, peak = sum(c.seconds for c in costs), max(c.peak_bytes for c in costs)
        memory = f"; the largest step used {peak / 1e6:,.0f} MB of memory" if peak else ""
        said.append(f"A table of {results.scale.rows[-1]:,} rows took {seconds:,.0f} s{memory}.")
    return "\n\n".join(said)


def _cpu_cells(comparison: Comparison, one: Measured) -> str:
    if not one.cpu:
        return ""
    ratio = comparison.cpu_ratio(one)
    return f" {one.median_cpu:.3f} | {'' if ratio is None else f'{ratio:.2f}'} |"


def _others(comparison: Comparison) -> str:
    others = [o for o in comparison.measured[1:] if o.name != comparison.base]
    return ", ".join(f"{o.name} {comparison.ratio(o):.1f}" for o in others)


def _cost(cost: StepCost) -> str:
    peak = f" {cost.peak_bytes / 1e9:.2f} GB" if cost.peak_bytes else ""
    return f"{_short(cost.seconds)} s{peak}"


def _growth(costs: list[StepCost]) -> str:
    first, last = costs[0], costs[-1]
    memory = f" {_short(last.peak_bytes / first.peak_bytes)}x" if first.peak_bytes else ""
    return f"{_short(last.seconds / first.seconds)}x{memory}"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _is_linear(scale: Scale, name: str) -> bool:
    """Whether neither seconds nor memory grew by more than the rows did, from size to size.

    A search may grow by what the library's own training does, where that is more: its rows leave
    the processor's cache.
    """
    alone = scale.steps.get(LIBRARY, []) if "Tuning" in name else []
    grown = [later.seconds / cost.seconds for cost, later in pairwise(alone)]
    rows = [more / fewer for fewer, more in pairwise(scale.rows)]
    allowed = list(map(max, rows, grown)) if grown else rows
    return all(
        later.seconds <= cost.seconds * most and later.peak_bytes <= cost.peak_bytes * growth
        for most, growth, (cost, later) in zip(
            allowed, rows, pairwise(scale.steps[name]), strict=True
        )
    )


def _write_block(file: Path, text: str) -> None:
    """Replace what stands between the marks, where a file has them."""
    begin, end = "<!-- measured by `tox run -e bench` -->", "<!-- end of what was measured -->"
    content = file.read_text(encoding="utf-8")
    before, found, rest = content.partition(begin)
    _, _, after = rest.partition(end)
    if found:
        block = f"{before}{begin}\n{text}\n{end}{after}"
        file.write_text(block, encoding="utf-8", newline="\n")
