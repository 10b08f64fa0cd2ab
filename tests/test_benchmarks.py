"""The benchmarks' own sums: what is said to hold does, and what does not is said."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import noop
import real
import results
import size
import timing
import tracing
from results import OURS, Comparison, Measured, Results, Scale, Size, StepCost, WayCost

FLOOR = "bare processes, two at a time"


def compared(ours: float, limit: float = 3) -> Comparison:
    measured = [Measured(OURS, [9.0, ours, 0.1]), Measured(FLOOR, [0.5, 0.5, 0.7])]
    return Comparison("Nine no-op steps, the engine's start included", measured, FLOOR, limit)


@pytest.mark.parametrize(("ours", "said"), [(1.5, ": met"), (1.51, ": NOT MET")])
def test_ours_is_held_against_the_limit_by_medians(ours: float, said: str) -> None:
    lines = list(results.as_text(compared(ours)))
    assert lines[-1].endswith(f"at most 3 times {FLOOR}{said}")
    assert f"{ours / 0.5:.2f}x" in lines[1]
    assert all(len(line) <= 80 for line in lines)


def growing(*seconds: float, peaks: tuple[int, ...] = (10**8, 10**8)) -> Scale:
    costs = [StepCost(*cost) for cost in zip(seconds, peaks, strict=True)]
    return Scale([1000, 10_000], {"ChurnHyperParameterTuning": costs})


@pytest.mark.parametrize(
    ("scale", "is_linear"),
    [
        (growing(1, 10), True),
        (growing(1, 10.1), False),
        (growing(1, 10, peaks=(10**8, 10**9)), True),
        (growing(1, 10, peaks=(10**8, 10**9 + 1)), False),
        (growing(1, 10, peaks=(0, 0)), True),
    ],
)
def test_what_grows_more_than_the_rows_is_named(scale: Scale, is_linear: bool) -> None:
    *table, verdict = results.scale_as_text(scale)
    named = "WORSE THAN LINEAR: ChurnHyperParameterTuning"
    assert verdict == ("nothing is worse than linear" if is_linear else named)
    assert all(len(line) <= 80 for line in table)


@pytest.mark.parametrize(
    ("step", "alone", "is_linear"),
    [
        ("ChurnHyperParameterTuning", 12.0, True),  # as the library's own training
        ("ChurnHyperParameterTuning", 11.0, False),
        ("ChurnHyperParameterTuning", 9.0, False),
        ("ChurnTransform", 12.0, False),  # no search
    ],
)
def test_a_search_may_grow_as_the_librarys_own_training(
    step: str, alone: float, is_linear: bool
) -> None:
    steps = {step: [StepCost(1, 0), StepCost(11.5, 0)],
             results.LIBRARY: [StepCost(1, 0), StepCost(alone, 0)]}  # fmt: skip
    *_, verdict = results.scale_as_text(Scale([1000, 10_000], steps))
    assert verdict == (
        "nothing is worse than linear" if is_linear else f"WORSE THAN LINEAR: {step}"
    )


def test_three_sizes_fit_80_columns() -> None:
    costs = [StepCost(9.9, 10**9), StepCost(99, 10**10), StepCost(990, 9 * 10**10)]
    scale = Scale([10**4, 10**5, 10**6], {"ChurnHyperParameterTuning": costs})
    header, line, _ = results.scale_as_text(scale)
    cells = ["9.9 s 1.00 GB", "99 s 10.00 GB", "990 s 90.00 GB", "100x 90x"]
    assert line.split() == f"ChurnHyperParameterTuning {' '.join(cells)}".split()
    assert len(header) == len(line) == 80


def test_kept_results_are_read_again_and_written_between_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = "<!-- measured by `tox run -e bench` -->\nold\n<!-- end of what was measured -->"
    for name in ("PAGE", "README", "KEPT"):
        monkeypatch.setattr(results, name, tmp_path / name)
        (tmp_path / name).write_text(f"# before\n\n{marks}\n\nafter\n")
    machine = {"nine": "a machine", "scale": "a machine"}
    machine["size"] = "another machine"
    known = Results(machine, {"nine": compared(1.0)}, growing(1, 5), large(10**9, 10**9, 15, 10))
    results.save(known)
    assert results.load() == known
    for name in ("PAGE", "README"):
        text = (tmp_path / name).read_text()
        assert text.startswith("# before\n\n<!--") and text.endswith("-->\n\nafter\n")
        assert "old" not in text
        assert "| 2.00 |" in text  # the ratio
        assert "a machine" in text


def large(ingest: int, query: int, seconds: float, sort: float) -> Size:
    """A large table's costs: peaks of ours, and the seconds of both queries."""
    ours = {"ours ingest": WayCost(9, 9, ingest), "ours query": WayCost(seconds, 9, query)}
    return Size(10**7, {**ours, "duckdb query": WayCost(sort, 9, 9 * 10**9)})


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (large(2 * 10**9, 2 * 10**9, 15, 10), "met"),
        (large(2 * 10**9 + 1, 1, 1, 10), "NOT MET: memory of ingest"),
        (large(1, 2 * 10**9 + 1, 1, 10), "NOT MET: memory of query"),
        (large(1, 1, 15.1, 10), "NOT MET: seconds of query"),
    ],
)
def test_a_large_table_has_limits_of_memory_and_of_the_querys_seconds(
    measured: Size, said: str
) -> None:
    *table, verdict = results.size_as_text(measured)
    assert verdict == f"  at most 2 GB and 1.5 times: {said}"
    assert all(len(line) <= 80 for line in table)
    (markdown, limits) = results.markdown(Results({"size": "here"}, {}, None, measured))
    assert "| ours ingest | 9 | 9 |" in markdown
    assert (": not met (" in limits) == (said != "met")


def test_a_large_table_is_ingested_and_queried_in_each_way(tmp_path: Path) -> None:
    measured = size.size(tmp_path, 2_000)
    assert list(measured.costs) == [f"{way} {part}" for part in size.PARTS for way in size.WAYS]
    assert all(cost.cpu > 0 and cost.peak_bytes > 10**7 for cost in measured.costs.values())
    ours = pq.read_table(tmp_path / "ours-answer" / "rows.parquet", partitioning=None)
    pandas = pq.read_table(tmp_path / "pandas-answer.parquet")
    assert ours.num_rows == pandas.num_rows == len(set(ours["customer"].to_pylist()))
    both = [table.sort_by("customer") for table in (ours, pandas)]
    for name in ("customer", "event_time", "left", "number_00", "number_01", "opened", "plan"):
        assert both[0][name].to_pylist() == both[1][name].to_pylist()
    assert pq.read_table(tmp_path / "duckdb-answer.parquet").num_rows == 2_000


def test_the_engine_runs_a_graph_of_steps_as_often_as_asked(tmp_path: Path) -> None:
    once = noop.ours({"First": (), "Second": ("First",)}, tmp_path)
    assert once() > 0
    assert once() > 0
    logs = {log.name for log in tmp_path.glob("*/root/runs/*/logs/*.log")}
    assert logs == {"First.log", "Second.log"}


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match=r"ended with 3:\s+why"):
        timing.seconds_of([sys.executable, "-c", "print('why'); raise SystemExit(3)"])


def test_what_is_compared_runs_in_turns_after_a_first_that_does_not_count() -> None:
    done: list[str] = []

    def timed(name: str) -> timing.Timed:
        def once() -> float:
            done.append(name)
            return float(len(done))

        return once

    measured = timing.interleaved({"a": timed("a"), "b": timed("b")}, 2)
    assert "".join(done) == "ababab"
    assert [one.name for one in measured] == ["a", "b"]
    assert [one.seconds for one in measured] == [[3.0, 5.0], [4.0, 6.0]]
    assert [len(one.cpu) for one in measured] == [2, 2]


def test_the_processors_seconds_are_those_of_what_is_started_and_of_what_that_starts() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])\n{busy}"

    def once() -> float:
        sum(range(3_000_000))  # this process's own: not counted beside what is started
        return timing.seconds_of([sys.executable, "-c", code])

    (measured,) = timing.interleaved({"busy": once}, 1)
    assert 0.39 < measured.cpu[0] < 0.8


@pytest.mark.parametrize(("cpu", "said"), [(1.3, "met"), (1.31, "NOT MET")])
def test_the_processors_seconds_have_a_limit_of_their_own(cpu: float, said: str) -> None:
    measured = [Measured(OURS, [1.0], [cpu]), Measured(FLOOR, [2.0], [1.0])]
    lines = list(results.as_text(Comparison("Title", measured, FLOOR, 0.8, cpu_limit=1.3)))
    assert f"  at most 1.3 times its processors' seconds: {said}" in lines
    assert lines[-1].endswith(": met")
    (table, limits) = results.markdown(Results({"part": "here"}, {"part": Comparison(
        "Title", measured, FLOOR, 0.8, cpu_limit=1.3)}))  # fmt: skip
    assert f"| {OURS} | 1.000 | 1.000 | 1.000 | 0.50 | {cpu:.3f} | {cpu:.2f} |" in table
    assert f"1.3 times its CPU seconds: {'met' if cpu == 1.3 else 'not met (CPU)'}." in limits


@pytest.mark.skipif("BENCHMARKS_RUN" not in os.environ, reason="in the full tier: 20 s")
def test_one_process_comes_to_what_the_engine_did(tmp_path: Path) -> None:
    """It compares its own files with the engine's, and ends with another status if they differ."""
    compared = real.steps(tmp_path, repetitions=1)
    assert {one.name for one in compared.measured} == {OURS, real.ONE_PROCESS}


def test_a_record_is_traced_through_every_version_that_the_benchmark_makes(tmp_path: Path) -> None:
    found = tracing.measure(tmp_path, ids=300, versions=3).found
    assert [said.version for said in found.versions] == [3, 2, 1]
    assert all(said.use for said in found.versions)
    assert len(found.snapshots) == 3
    tested = [said for said in found.versions if said.use and said.use.split == "test"]
    assert len(tested) == 2
    assert [said.answer for said in tested] == [(1.0, said.version / 10) for said in tested]
