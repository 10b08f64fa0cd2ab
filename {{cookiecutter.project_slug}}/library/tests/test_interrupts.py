"""A signal at any moment of `pipeline run` ends it with a true sentence and what helps."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ninesteps.runs.run as local_run
from ninesteps.cli import here, main
from ninesteps.feature_store.ingest import Ingested
from ninesteps.local.history import History
from ninesteps.local.state import State
from ninesteps.settings import loading as pipeline_settings
from ninesteps.terminal.run import Progress
from pets import settings as pet_settings
from small_definitions import BUCKET, Bench, model, read, register
from versions import STAMPS

MOMENTS = int(os.environ.get("MOMENTS_TRIED", "24"))
"""How many moments a run is stopped at, evenly spread over its lines; 300 in the full tier."""

MODULES = ("cli/run.py", "runs/run.py", "local/engine.py", "local/state.py", "terminal/run.py")
"""Whose lines are the moments."""


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose pipeline makes a model and registers it, in this process alone."""
    local = tmp_path / ".local"
    uri = Bench(local).put(f"{BUCKET}/model.tar.gz", b"trees")
    package = register("Register", uri, DependsOn=["Create"])
    package["Arguments"]["CustomerMetadataProperties"] = STAMPS
    as_of = {"Name": "AsOf", "Type": "String"}
    definition = read(model("Create", uri), package, parameters=[as_of]).text
    monkeypatch.setattr(here, "local", lambda: local)
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    settings = pet_settings()
    monkeypatch.setattr(pipeline_settings, "load", lambda root: settings)
    monkeypatch.setattr(type(settings), "check_table", lambda self: None)
    ingested = Ingested(
        "s3://bucket/f", "2026-01-31T00:00:00Z", read=1, kept=1, found={},
        groups={"pets": "s3://bucket/f"},
    )  # fmt: skip
    monkeypatch.setattr(local_run, "ingest", lambda *_, **__: ingested)
    compiled = SimpleNamespace(definition=definition, code={})
    monkeypatch.setattr(local_run, "compiled", lambda *_: compiled)
    monkeypatch.setattr(local_run, "_put", lambda *_: None)
    monkeypatch.setattr(local_run, "whoami", lambda _: "Sam")
    monkeypatch.setattr(
        local_run, "write_report", lambda local, settings, execution, notice: execution.page.touch()
    )
    return local


def pipeline(*arguments: str) -> Result:
    return CliRunner().invoke(main.main, arguments)


class Moment:
    """Sends a signal as the lines of this product's own code are run: before the nth of them."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith(MODULES):
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self


def check(done: Result, local: Path) -> str:
    """That what was said is so, and that what goes on does; what kind of moment it was."""
    state = State(local / "state.db", read_only=True)
    executions = state.executions()
    (said,) = done.stderr.splitlines()
    assert done.exit_code == 130 and said.startswith("pipeline: stopped"), done.output
    registered = [int(n) for n in re.findall(r"version (\d+) is registered", said)]
    if not executions:
        assert said in (
            "pipeline: stopped",
            "pipeline: stopped; nothing has run; next: pipeline run",
        )
        done = pipeline("run")
        assert done.exit_code == 0, done.output
        return "nothing"
    (execution,) = executions
    assert registered == state.versions(execution.id)
    if execution.status == "Succeeded":
        assert "--resume" not in said and registered == [1]
        assert "next: pipeline approve 1, or pipeline reject 1" in said
        has_page = History(local).execution(execution.id).page.exists()
        assert (f"pipeline report {execution.id}" in said) != has_page
        return "succeeded"
    assert said.endswith(f"; next: pipeline run --resume {execution.id}")
    again = pipeline("run", "--resume", execution.id)
    assert again.exit_code == 0, again.output
    assert State(local / "state.db", read_only=True).versions(execution.id) == [1]
    return "registered" if registered else "running"


def interrupted(moment: Moment) -> Result:
    """`pipeline run`, with a signal at that moment."""
    sys.settrace(moment)
    try:
        done = pipeline("run")
    finally:
        sys.settrace(None)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # another process has those of its own
        if number := getattr(signal, name, None):
            signal.signal(number, signal.default_int_handler)
    return done


def test_whenever_it_is_stopped_what_it_says_is_so(local: Path, tmp_path: Path) -> None:
    shutil.copytree(local, tmp_path / "before")
    whole = Moment(0)
    assert interrupted(whole).exit_code == 0
    kinds = set()
    for number in range(1, MOMENTS + 1):
        shutil.rmtree(local)
        shutil.copytree(tmp_path / "before", local)
        moment = Moment(-whole.left * number // (MOMENTS + 1))
        done = interrupted(moment)
        if moment.left <= 0 and done.exit_code:  # the last thing that is done is to say so
            kinds.add(check(done, local))
    assert {"running", "succeeded"} <= kinds


def raising(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, after: bool) -> None:
    """Have a signal come before or after a function does its work."""
    function = getattr(owner, name)

    def does(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, function)
        if not after:
            signal.raise_signal(signal.SIGTERM)
        result = function(*arguments, **named)
        if after:
            signal.raise_signal(signal.SIGTERM)
        return result

    monkeypatch.setattr(owner, name, does)


@pytest.mark.parametrize(
    ("owner", "name", "after", "kind"),
    [
        (local_run, "ingest", False, "nothing"),
        (local_run, "ingest", True, "nothing"),
        (local_run, "compiled", True, "nothing"),
        (State, "start_execution", False, "nothing"),
        (State, "start_execution", True, "running"),
        (State, "create_model", True, "running"),
        (State, "register", False, "registered"),  # by a step, whose end is waited for
        (State, "register", True, "registered"),
        (State, "end_execution", False, "registered"),
        (State, "end_execution", True, "succeeded"),
        (local_run, "write_report", False, "succeeded"),
        (local_run, "write_report", True, "succeeded"),
        (Progress, "ended", False, "succeeded"),
        (Progress, "ended", True, "succeeded"),
    ],
)
def test_between_two_phases_it_says_how_far_it_came(
    local: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, after: bool, kind: str
) -> None:
    raising(monkeypatch, owner, name, after)
    assert check(pipeline("run"), local) == kind


def test_what_has_succeeded_is_not_resumed_and_what_it_registered_is_said(local: Path) -> None:
    assert pipeline("run").exit_code == 0
    (execution,) = State(local / "state.db", read_only=True).executions()
    done = pipeline("run", "--resume", "last")
    assert done.exit_code == 2
    assert done.stderr == (
        f"pipeline: run {execution.id} has succeeded, and version 1 is registered: there is "
        "nothing to resume\n"
    )


def test_a_run_whose_version_could_not_be_approved_is_not_resumed(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of an earlier version of the library, which recorded no profile."""
    compiled = local_run.compiled
    old = compiled().definition.replace("profile", "profil")
    monkeypatch.setattr(local_run, "compiled", lambda *_: SimpleNamespace(definition=old, code={}))
    raising(monkeypatch, State, "create_model", after=True)
    done = pipeline("run")
    assert done.stderr == "pipeline: stopped; next: pipeline run\n"
    assert pipeline("runs").stdout.splitlines()[-1] == "next, for the last run: pipeline run"
    done = pipeline("run", "--resume", "last")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert (
        "cannot be resumed, because approval would refuse its version: expected pro" in done.stderr
    )
    state = State(local / "state.db", read_only=True)
    assert state.model_packages("group") == []


@pytest.mark.skipif(sys.platform == "win32", reason="there a file in use cannot be removed")
def test_a_folder_that_is_deleted_while_a_run_goes_on_is_one_sentence(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = State.create_model

    def deletes(self: State, *arguments: Any) -> None:
        shutil.rmtree(local)
        create(self, *arguments)

    monkeypatch.setattr(State, "create_model", deletes)
    done = pipeline("run")
    assert done.exit_code == 1
    assert done.stderr == (
        f"pipeline: {local.resolve() / 'state.db'} was removed or replaced while it was in use: "
        "what was recorded since then is lost; nothing has run; next: pipeline run\n"
    )
    monkeypatch.setattr(State, "create_model", create)
    Bench(local).put(f"{BUCKET}/model.tar.gz", b"trees")
    assert pipeline("run").exit_code == 0
