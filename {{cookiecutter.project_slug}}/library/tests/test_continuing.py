"""What a run that has not succeeded says to type next: what helps, and nothing that would loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ninesteps.local.engine import RunOptions
from ninesteps.local.execution import Execution
from ninesteps.local.history import History
from ninesteps.local.state import State
from ninesteps.runs.continuing import failure, next_command
from pets import settings
from small_definitions import Bench, read, s3_input


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def run(
    bench: Bench, script: str, only: str = "", origin: dict[str, Any] | None = None, **given: str
) -> Execution:
    parameter = {"Name": "AsOf", "Type": "String"}
    more = {"Name": "Count", "Type": "Integer", "DefaultValue": 1}
    steps = read(bench.processing("First", "pass"), bench.processing("Second", script),
                 parameters=[parameter, more])  # fmt: skip
    given = {"AsOf": "2026-01-31T00:00:00Z", **given}
    done = bench.engine.run("p", steps, given, options=RunOptions(only=only), origin=origin)
    return History(bench.root).execution(done.id)


def test_a_script_that_failed_is_fixed_and_run_again(bench: Bench) -> None:
    execution = run(bench, "raise ValueError('no')")
    assert next_command(execution, settings()) == (
        "after fixing code, data or settings: pipeline run --set AsOf=2026-01-31T00:00:00Z"
    )
    assert failure(execution, settings()).startswith("Second failed: ValueError: no")


def test_what_was_no_fault_of_its_code_may_be_resumed_as_it_is(bench: Bench) -> None:
    missing = bench.processing("Read", "pass", inputs=[s3_input("a", "s3://bucket/none")])
    done = bench.run(missing)
    execution = History(bench.root).execution(done.id)
    assert next_command(execution, settings()) == (
        "after fixing code, data or settings: pipeline run; if there is nothing to fix: "
        f"pipeline run --resume {done.id}"
    )


def test_an_interrupted_run_is_resumed(bench: Bench) -> None:
    execution = run(bench, "pass")
    State(bench.root / "state.db").end_execution(execution.id, "Stopped")
    stopped = History(bench.root).execution(execution.id)
    assert next_command(stopped, settings()) == f"pipeline run --resume {execution.id}"


def test_a_new_run_is_started_as_the_one_that_failed(bench: Bench) -> None:
    table = {"path": "my data.csv", "last": "2026-01-31T00:00:00Z"}
    execution = run(bench, "raise ValueError", "2", {"table": table}, Count="3")
    assert next_command(execution, settings()) == (
        "after fixing code, data or settings: "
        "pipeline run --data 'my data.csv' --only Second --set Count=3"
    )
