"""A definition that was edited where it is kept is not run, resumed, approved or deployed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from ninesteps.errors import RegistryError, StateError
from ninesteps.local.state import State
from ninesteps.runs import compiled as module
from ninesteps.runs.compiled import Compiled, compiled
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from small_definitions import Bench, register
from versions import Registered

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Churn's, of a repository with nothing else in it."""
    shutil.copytree(ROOT / "model_build", tmp_path / "model_build")
    shutil.copyfile(ROOT / "pipeline.toml", tmp_path / "pipeline.toml")
    return replace(loading.load(ROOT), root=tmp_path)


@pytest.fixture
def compile_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Compiled]:
    """Compiles as a run does; the text says how often that was work."""
    count: list[int] = []

    def definition(*_: object) -> str:
        count.append(1)
        return json.dumps({"gate": 0.75, "compiled": len(count)})

    monkeypatch.setattr(module, "definition", definition)
    folder = settings.root / ".local" / "definitions"
    return lambda: compiled(settings.root, folder, settings, settings.environment())


def test_a_kept_definition_is_used_as_long_as_it_is_as_it_was_written(
    settings: Settings, compile_again: Callable[[], Compiled]
) -> None:
    first = compile_again()
    assert compile_again() == first
    (file,) = (settings.root / ".local/definitions").iterdir()
    kept = file.read_text(encoding="utf-8")
    file.write_text(kept.replace("0.75", "0.01"), encoding="utf-8")
    assert json.loads(compile_again().definition) == {"gate": 0.75, "compiled": 2}
    file.write_text(kept, encoding="utf-8")  # as it was once written
    assert compile_again() == first
    file.write_text(json.dumps({**json.loads(kept), "code": {}}), encoding="utf-8")
    assert compile_again().code == first.code


@pytest.mark.parametrize("name", ["limits.py", "model_build/ranges.yaml"])
def test_a_file_that_a_definition_is_made_with_compiles_it_again(
    settings: Settings,
    compile_again: Callable[[], Compiled],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """A module from elsewhere in the repository, once imported; what lies beside pipeline.py."""
    (settings.root / name).write_text("1\n")
    imported = ModuleType("limits")
    imported.__file__ = str(settings.root / "limits.py")
    monkeypatch.setitem(sys.modules, "limits", imported)
    first = compile_again()
    assert compile_again() == first
    (settings.root / name).write_text("2\n")
    second = compile_again()
    assert second.definition != first.definition
    assert compile_again() == second


def change_definition(database: Path) -> None:
    """What a text editor could do to the state's file."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE executions SET definition = definition || ' '")


def test_a_definition_that_was_edited_in_the_state_is_not_resumed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    execution = bench.run(bench.processing("Fails", "raise SystemExit(1)"))
    assert execution.status == "Failed"
    assert bench.engine.resume(execution.id).status == "Failed"
    change_definition(bench.engine.state._file)
    with pytest.raises(StateError) as refused:
        bench.engine.resume(execution.id)
    assert str(refused.value) == (
        f"run {execution.id} cannot be resumed: its definition has changed since it began"
    )


def test_a_version_of_an_edited_definition_is_neither_approved_nor_deployed(tmp_path: Path) -> None:
    machine = Registered(tmp_path)
    machine.register()
    machine.register()
    approvals = machine.approvals()
    approvals.approve(1, "Jo Doe", "good")
    assert approvals.may_deploy(1)
    change_definition(tmp_path / "state.db")
    for refused in (
        lambda: approvals.may_deploy(1),
        lambda: approvals.approve(2, "Jo Doe", "good"),
    ):
        with pytest.raises(RegistryError, match=r"its evidence the definition of run run\d "
                                                "was changed after registration"):  # fmt: skip
            refused()


def test_digests_of_definitions_are_kept(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    state.note_definition("key", "one")
    state.note_definition("key", "one")
    state.note_definition("key", "other")
    assert len(state.definition_digests("key")) == 2
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        for change in ("UPDATE definitions SET sha256 = 'x'", "DELETE FROM definitions"):
            with pytest.raises(sqlite3.IntegrityError, match="the digest of a definition"):
                connection.execute(change)


@pytest.mark.parametrize("status", ["Approved", "Rejected"])
def test_nothing_is_registered_as_decided_on_already(tmp_path: Path, status: str) -> None:
    bench = Bench(tmp_path)
    uri = bench.put("s3://bucket/model.tar.gz", b"")
    registering = register("Register", uri)
    registering["Arguments"]["ModelApprovalStatus"] = status
    execution = bench.run(registering)
    assert execution.steps["Register"].reason == (
        f"ModelApprovalStatus: expected 'PendingManualApproval', since a person approves, got "
        f"{status!r}"
    )
    assert not bench.engine.state.model_packages("group")
