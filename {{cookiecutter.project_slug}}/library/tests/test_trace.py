"""`pipeline trace`: where a record was used, and its erasure from everything below `.local`."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import hmac
import io
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import test_ingest_account as ingests
from ninesteps.cli import main
from ninesteps.errors import DeployError, StateError
from ninesteps.feature_store import stored
from ninesteps.local import erasures, pseudonyms
from ninesteps.local.erasures import Erasure, Erasures
from ninesteps.local.state import KeptStep, Record, State, run_lock
from ninesteps.local.step_cache import listing_sha256
from ninesteps.runs import ingesting
from ninesteps.runs.rehearsal import Known, Rehearsal
from ninesteps.settings import loading
from ninesteps.tracing import erasing, reasons, rewriting, uses
from ninesteps.tracing.index import Index, Place, index_lines, line_at
from ninesteps.tracing.reasons import Reason, tells
from pets import raw_file
from test_ingest_account import settings

_pets = ingests._pets
"""The fixture of a repository of pets."""

OF = settings(online=True)
IDS = ("007", "-17", "a b", 'it"s', "Ünï", "a,b", "1", "0", "7", "--erase", "x.y")
"""Ids as they come: numbers, texts with spaces and quotes, one that looks like an option."""

EVERY = {"train": IDS[3:], "validation": ("-17", "a b"), "test": ("007", "1b")}
BUCKET = "s3://sagemaker-us-east-1-111122223333/pets/executions"


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def table(folder: Path, ids: Sequence[str]) -> ingesting.Table:
    """A table in the stores of this machine."""
    rows = [f"{quoted(one)},{n % 2},1.5,2020-01-31,cat,2026-01-01T10:30:00Z"
            for n, one in enumerate(ids)]  # fmt: skip
    file = raw_file(folder, *rows)
    read = ingesting.table(folder / ".local", OF, OF.environment(), file)
    ingesting.put_online(folder / ".local", read)
    return read


def run(folder: Path, name: str, splits: dict[str, Sequence[str]], explained: int = 0) -> None:
    """A run with splits, answers and explanations, which registered a version.

    Args:
        explained: records of the test split; 0: all.
    """
    local, digests = folder / ".local", dict[str, str]()

    def write(end: str, rows: Sequence[Sequence[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        uri, content = f"{BUCKET}/{name}/{end}", text.getvalue().encode()
        uses.Storage(local / "s3").write(uri, content)
        digests[uri] = hashlib.sha256(content).hexdigest()

    columns = json.dumps({"features": ["age", "is_cat"]}).encode()
    uses.Storage(local / "s3").write(f"{BUCKET}/{name}/PetModelProcess/test/columns.json", columns)
    digests[f"{BUCKET}/{name}/PetModelProcess/test/columns.json"] = hashlib.sha256(
        columns
    ).hexdigest()

    for split, ids in splits.items():
        rows = [(one, "2026-01-01T10:30:00.000Z", 1, "cat", 1.5, 1) for one in sorted(ids)]
        write(f"PetModelProcess/{split}/{split}.csv", rows)
    tested = sorted(splits["test"])
    answers = [(1, (n + 1) / 10) for n, _ in enumerate(tested)]
    pairs = zip(tested, answers, strict=True)
    write("PetTransform/test.csv.out", [(one, *said) for one, said in pairs])
    write("PetEval/evaluation/answers.csv", answers)
    shap = [("age_label0",), *((n,) for n in range(explained or len(tested)))]
    write("Clarify/analysis_result/explanations_shap/out.csv", shap)
    state = State(local / "state.db")
    state.start_execution(name, "pets", {}, "{}", [])
    record = Record(digests=digests)
    state.note_step(KeptStep(name, "PetModelProcess", "Processing", "Succeeded", 1, "", record))
    container = {"ModelDataUrl": f"{BUCKET}/{name}/model.tar.gz"}
    request = {"InferenceSpecification": {"Containers": [container]}}
    group = OF.model_package_group
    state.register(group, "PendingManualApproval", name, "RegisterPetModel", request)
    (local / "runs" / name / "logs").mkdir(parents=True)
    (local / "runs" / name / "report.html").write_text("<p>dots</p>", encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A repository with a table and two runs, of different splits."""
    table(tmp_path, IDS)
    run(tmp_path, "first", EVERY)
    run(tmp_path, "second", {**EVERY, "train": ("007", *IDS[3:]), "test": ("1b", "2b")})
    return tmp_path


def trace(monkeypatch: pytest.MonkeyPatch, *arguments: str, status: int = 0) -> Result:
    monkeypatch.setattr(loading, "load", lambda root: OF)
    done = CliRunner().invoke(main.main, ["trace", *arguments])
    assert done.exit_code == status, done.output
    return done


def content(monkeypatch: pytest.MonkeyPatch, identifier: str) -> dict[str, Any]:
    return dict(json.loads(trace(monkeypatch, "--json", "--", identifier).stdout))


def the_erasure(folder: Path, identifier: str) -> erasing.Erasing:
    return erasing.of(folder / ".local", OF, identifier)


def erase(folder: Path, identifier: str) -> None:
    task = the_erasure(folder, identifier)
    task.carry_out(task.plan())


def whole(folder: Path) -> dict[str, bytes]:
    """Every file below `.local` that is not the state, which has moments."""
    local = folder / ".local"
    return {
        file.relative_to(local).as_posix(): file.read_bytes()
        for file in sorted(local.rglob("*"))
        if file.is_file() and not file.name.startswith("state.db")
    }


# Where it was used


def test_tables_splits_versions_and_kept_answers_are_told(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = content(monkeypatch, "007")
    assert [one["event_times"] for one in found["tables"]] == [["2026-01-01T10:30:00.000Z"]]
    assert found["online_store"] == {"exists": True, "event_time": "2026-01-01T10:30:00.000Z"}
    newest, oldest = found["versions"]
    assert (newest["version"], newest["split"], newest["answer"]) == (2, "train", None)
    assert (oldest["version"], oldest["split"], oldest["how"]) == (1, "test", "kept by its run")
    assert oldest["answer"] == {"label": 1.0, "probability": 0.1}
    assert oldest["has_explanation"]
    shown = trace(monkeypatch, "007").stdout
    assert "version 2, PendingManualApproval: learnt from it (train split of run second" in shown
    assert "its run kept its answer: 1, with probability 0.1" in shown


def test_ids_of_every_kind_are_found(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for identifier in IDS:
        found = content(monkeypatch, identifier)
        split = next(name for name, ids in EVERY.items() if identifier in ids)
        assert found["versions"][1]["split"] == split, identifier
        assert len(found["tables"]) == 1, identifier


def test_a_record_that_is_nowhere_is_one_sentence(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for nobody in ("00", "07", "a", "cat", ""):
        said = trace(monkeypatch, "--", nobody, status=2).stderr
        assert f"pipeline: there is no record {nobody!r} on this machine: no table, split" in said


def test_where_nothing_was_run_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is no record '007'" in trace(monkeypatch, "007", status=2).stderr
    assert not (tmp_path / ".local").exists()


def test_an_index_has_no_id_and_is_read_once_for_each_content(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A split that has it ends the search: the second run is not looked through beyond it."""
    first = trace(monkeypatch, "007").stderr
    assert first.count("building an index") == 1
    assert "building an index" not in trace(monkeypatch, "Ünï").stderr
    indexes = sorted((here / ".local/trace").glob("*.ids"))
    assert len(indexes) == 1 + 4 + 1  # of the table; of the first run's four files; of the other's
    run(here, "third", EVERY)
    assert (
        "building an index" not in trace(monkeypatch, "007").stderr
    )  # it has the first one's files
    for index in indexes:
        assert not [
            one for one in IDS if len(one.encode()) > 3 and one.encode() in index.read_bytes()
        ]


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = pseudonyms.made(tmp_path)
    assert pseudonyms.made(tmp_path) == key == pseudonyms.read(tmp_path)
    file = tmp_path / pseudonyms.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key.of("Ünï") == hmac.digest(key.secret, "Ünï".encode(), "sha256").hex()
    file.write_bytes(b"short")
    with pytest.raises(StateError, match="expected a key of 32 bytes, got 5"):
        pseudonyms.read(tmp_path)


def test_an_index_finds_each_of_many_and_nothing_else(tmp_path: Path) -> None:
    file, index = tmp_path / "train.csv", Index(tmp_path / "some.ids", pseudonyms.Key(b"k" * 32))
    file.write_text("".join(f"{n},x\n" for n in range(3000)), encoding="utf-8")
    index_lines(index, file)
    assert index.count == 3000
    for n in range(3000):
        (place,) = index.find(str(n))
        assert (line_at(file, place.place), place.row) == (f"{n},x\n".encode(), n)
    assert index.find("3000") == []
    other = Index(index.file, pseudonyms.Key(b"o" * 32))
    assert not other.is_of("", file.stat().st_size)


def test_a_row_whose_hash_begins_alike_is_not_taken_for_the_record(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Index.find
    monkeypatch.setattr(Index, "find", lambda self, i: [Place(0, 0), *find(self, i)])
    oldest = content(monkeypatch, "1b")["versions"][1]
    assert (oldest["split"], oldest["answer"]["probability"]) == ("test", 0.2)


def test_a_split_that_was_changed_is_indexed_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert content(monkeypatch, "1b")["versions"][1]["split"] == "test"
    file = next((here / ".local/s3").rglob("first/**/test.csv"))
    file.write_text("2b,2026-01-01T10:30:00.000Z,1,cat,1.5,1\n", encoding="utf-8")
    assert content(monkeypatch, "2b")["versions"][1]["split"] == "test"
    assert content(monkeypatch, "1b")["versions"][1]["split"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--yes",), "--yes: expected --erase too"),
        (("--erase", "--json"), "--erase erases the record: expected no --json"),
        (("--erase",), "expected a terminal to ask at, got none: --yes erases"),
        (("--env", "prod", "--ask"), "--env: expected no --ask: it is of this machine"),
        (("--env", "prod", "--erase", "--yes"), "--env: expected no --yes: nothing is deleted"),
        (("--last", "2"), "--last is for an account: expected --env NAME too"),
    ],
)
def test_wrong_use_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    before = whole(here)
    assert sentence in trace(monkeypatch, "007", *arguments, status=2).stderr
    assert whole(here) == before


def test_where_rows_are_numbered_it_is_said_whose_number_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered = dataclasses.replace(OF, data=dataclasses.replace(OF.data, number_rows=True))
    monkeypatch.setitem(globals(), "OF", numbered)
    assert "in another table that row is a different person" in trace(monkeypatch, "1").stdout
    refused = trace(monkeypatch, "1", "--erase", "--yes", status=2).stderr
    assert "row 1 is a different person in each table; delete the row in pets.csv" in refused


def test_the_records_of_a_group_are_listed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        "[split] group: expected the column"
        in trace(monkeypatch, "cat", "--group", status=2).stderr
    )
    grouped = dataclasses.replace(OF, split=dataclasses.replace(OF.split, group="species"))
    monkeypatch.setitem(globals(), "OF", grouped)
    listed = trace(monkeypatch, "cat", "--group", "--json").stdout
    assert json.loads(listed) == sorted(IDS)
    assert trace(monkeypatch, "it's", "--group", status=2).stderr == (
        'pipeline: no table on this machine has species "it\'s"\n'
    )
    refused = trace(monkeypatch, "cat", "--group", "--erase", status=2).stderr
    assert "--group lists ids: expected no --erase" in refused


# Why


@pytest.mark.parametrize(
    ("feature", "is_told"),
    [("city", True), ("city_BLR", True), ("City=BLR", True), ("city BLR", True),
     ("capacity", False), ("citya", False), ("a_city", False)],
)  # fmt: skip
def test_a_facet_is_told_by_the_names_of_its_features(feature: str, is_told: bool) -> None:
    assert tells(feature, ["doorstep", "city"]) is is_told


@pytest.mark.parametrize(
    ("value", "usual", "amount", "sentence"),
    [
        (12.0, 118.0, -0.5, "A lower 'days' than usual (12; the median is 118) lowered it"),
        (200.0, 118.0, 0.5, "A higher 'days' than usual (200; the median is 118) raised it"),
        (1.0, 0.0, 0.5, "'days' = 1, where 0 is usual, raised it"),
        (118.0, 118.0, 0.5, "'days' = 118, the usual value, raised it"),
        (None, 118.0, -0.5, "A missing 'days' lowered it"),
        (3.0, None, -0.5, "'days' = 3, which has no usual value, lowered it"),
    ],
)
def test_a_reason_is_a_sentence(
    value: float | None, usual: float | None, amount: float, sentence: str
) -> None:
    said = Reason("days", value, usual, amount, 0.34).sentence("it")
    assert said == f"{sentence} (34% of the total effect)"


def test_reasons_name_features_as_the_table_does(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary of a table on this machine says how its columns are shown."""
    (summary,) = (here / ".local/s3").rglob("ingested.json")
    kept = {**json.loads(summary.read_text()), "names": {"age": "Age (yrs)"}}
    summary.write_text(json.dumps(kept))

    def explain(archive: str, *given: Any) -> reasons.Reasons:
        columns = {"features": ["age", "is_cat"], "context": [], "baseline": [3.0, 0.0]}
        said = {"answer": [1, 0.9], "threshold": 0.5, "values": [2.0, 1.0], "expected": 0.0,
                "method": "exact"}  # fmt: skip
        return reasons._reasons(said, columns, "5,1", (), given[-1])

    monkeypatch.setattr(reasons, "explain", explain)
    shown = trace(monkeypatch, "007").stdout
    assert "1. A higher 'Age (yrs)' than usual (5; the median is 3) raised" in shown
    assert "2. 'is_cat' = 1, where 0 is usual" in shown


# Erasing


def test_an_erasure_leaves_nothing_of_the_record_and_the_others_as_they_were(here: Path) -> None:
    local = here / ".local"
    (local / "runs/first/logs/step.log").write_text("for record '007'\nof 007 days\n")
    (local / "ingests").mkdir()
    refused = [["007", "2026-01-01"], ["-17", "2026-01-01"]]
    (local / "ingests/prod.json").write_text(json.dumps({"put": 1, "refused": refused}))
    sandbox = local / "runs/first/sandboxes/PetModelProcess-1/opt"
    sandbox.mkdir(parents=True)
    (sandbox / "train.csv").write_text("007,2026-01-01,1\n")
    failed = KeptStep("first", "Pet", "Processing", "Failed", 1, "of record '007'", Record())
    State(local / "state.db").note_step(failed)
    erase(here, "007")
    plain = [file for file, bytes_ in whole(here).items()
             if re.search(rb"(?<![0-9a-f])007(?![0-9a-f])", bytes_)]  # fmt: skip
    assert plain == ["runs/first/logs/step.log"]
    assert (local / plain[0]).read_text() == "for record '[erased]'\nof 007 days\n"
    assert b"'007'" not in b"".join(f.read_bytes() for f in local.glob("state.db*"))
    (step,) = [s for s in State(local / "state.db").steps("first") if s.name == "Pet"]
    assert step.reason == "of record '[erased]'"
    assert json.loads((local / "ingests/prod.json").read_text())["refused"] == [refused[1]]
    ids = [row for file in local.rglob("*.parquet") for row in pq.read_table(file)["chip"]]
    assert sorted(map(str, ids)) == sorted(set(IDS) - {"007"})
    test = next((local / "s3").rglob("first/**/test.csv"))
    assert test.read_text() == "1b,2026-01-01T10:30:00.000Z,1,cat,1.5,1\n"
    assert next((local / "s3").rglob("first/**/answers.csv")).read_text() == "1,0.2\n"
    assert next((local / "s3").rglob("first/**/out.csv")).read_text() == "age_label0\n1\n"
    assert next((local / "s3").rglob("second/**/out.csv")).read_text() == "age_label0\n0\n1\n"
    assert not sandbox.exists()
    assert not (local / "runs/first/report.html").exists()
    assert (local / "runs/second/report.html").exists()  # it learnt from it, and draws nobody


def test_ids_of_every_kind_are_erased_and_no_other(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [*IDS]
    while left:
        identifier = left.pop()
        erase(here, identifier)
        assert the_erasure(here, identifier).plan().changes == (), identifier
        rows = [row["chip"] for f in (here / ".local/s3").rglob("*.parquet")
                for row in pq.read_table(f).to_pylist()]  # fmt: skip
        assert sorted(rows) == sorted(left), identifier
        splits = [f for name in EVERY for f in (here / ".local/s3").rglob(f"first/**/{name}.csv")]
        kept = [row[0] for f in splits for row in csv.reader(f.open(newline="", encoding="utf-8"))]
        assert sorted(kept) == sorted([*left, "1b"]), identifier
    assert "nothing on this machine has it" in trace(monkeypatch, "--", "--erase").stdout


def test_explanations_of_some_rows_are_deleted_whole_since_places_tell_whose_they_are(
    tmp_path: Path,
) -> None:
    run(tmp_path, "first", {**EVERY, "test": ("007", "1b", "2b")}, explained=2)
    plan = the_erasure(tmp_path, "007").plan()
    assert [c.what for c in plan.changes if c.path.endswith("out.csv")] == [
        "local explanations, all of them"
    ]


def test_the_chain_tells_of_it_without_the_id_and_explains_the_digests(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = here / ".local"
    before = State(local / "state.db").steps("first")[0].record.digests
    assert erase(here, "007") is None
    state = State(local / "state.db")
    entry = state.events()[-1]
    assert (entry.kind, entry.facts["learnt"]) == ("erased", [2])
    assert state.event_faults() == []
    assert "007" not in re.sub("[0-9a-f]{16,}", "", json.dumps(dict(entry.facts)))
    told = erasures.read(local)
    changed = dict[str, str]()
    for uri, digest in before.items():
        now = hashlib.sha256(uses.Storage(local / "s3").file(uri).read_bytes()).hexdigest()
        assert told.after(uri, digest) == now
        changed |= {uri: told.says(uri, digest)} if now != digest else {}
    assert sorted(uri.rsplit("/", 1)[1] for uri in changed) == [
        "answers.csv", "out.csv", "test.csv", "test.csv.out"
    ]  # fmt: skip
    assert {*changed.values()} == {f"was changed by an erasure on {entry.at[:10]}"}
    assert told.says(next(iter(changed)), "0" * 64) == ""  # another change is another matter
    said = trace(monkeypatch, "007").stdout
    assert said == (
        f"record 007\nIt was erased on {entry.at}; nothing on this machine has it.\n"
        "Versions that had learnt from it or were selected on it: 2.\n"
    )
    trace(monkeypatch, "007", "--erase", "--yes")
    assert len(State(local / "state.db").events()) == entry.number


class Killed(BaseException):
    """As if the process had ended."""


def kills(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], bool]:
    """Ends an erasure at one of the moments at which it writes; says whether it has."""
    count, killed = 0, False

    def counted(do: Callable[..., Any], before: bool) -> Callable[..., Any]:
        def doing(*arguments: Any, **more: Any) -> Any:
            nonlocal count, killed
            count += 1
            if count == at:
                killed = True
                if not before:
                    do(*arguments, **more)
                raise Killed
            return do(*arguments, **more)

        return doing

    for owner, name in (
        (rewriting, "replace"), (rewriting, "without_lines"), (rewriting, "without_rows"),
        (erasing.Erasing, "_put_in_place"), (erasing.Erasing, "_take_entries_out"),
        (erasing.Erasing, "_forget_indexes"), (State, "append_event"), (Path, "unlink"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, counted(getattr(owner, name), before=at % 2 == 0))
    return lambda: killed


def test_an_erasure_that_is_killed_at_any_moment_comes_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, by_itself = tmp_path / "start", tmp_path / "by_itself"
    start.mkdir()
    table(start, IDS)
    run(start, "first", EVERY)
    pseudonyms.made(start / ".local")
    shutil.copytree(start, by_itself)
    erase(by_itself, "007")
    end, at = whole(by_itself), 0
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # it is not the disk that is tried
    while True:
        at += 1
        again = tmp_path / f"killed-{at}"
        shutil.copytree(start, again)
        with monkeypatch.context() as patched:
            is_killed = kills(patched, at)
            with contextlib.suppress(Killed):
                erase(again, "007")
            if not is_killed():
                break
        state = State(again / ".local/state.db")
        assert state.event_faults() == []
        task = the_erasure(again, "007")
        plan = task.plan()
        if plan.changes:
            task.carry_out(plan)
        assert whole(again) == end, at
        assert [e.kind for e in state.events()].count("erased") == 1, at
        (entry,) = [e for e in state.events() if e.kind == "erased"]
        (alone,) = [e for e in State(by_itself / ".local/state.db").events() if e.kind == "erased"]
        assert entry.facts == alone.facts, at
    assert at > 20


def test_no_index_has_the_hash_of_an_erased_record(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pseudonyms.made(here / ".local")
    for identifier in ("007", "1b"):
        trace(monkeypatch, identifier)
    has = [f for f in (here / ".local/trace").glob("*.ids") if Index(f, key).find("007")]
    assert len(has) >= 3
    erase(here, "007")
    assert [f for f in (here / ".local/trace").glob("*.ids") if Index(f, key).find("007")] == []


def test_what_a_killed_ingest_has_left_goes_too(here: Path) -> None:
    left = here / ".local/s3/.0123456789abcdef/reading"
    left.mkdir(parents=True)
    (left / "cells").write_bytes(b"007")
    erase(here, "-17")
    assert left.exists()  # it may be written just now
    os.utime(left.parent, (0, 0))
    erase(here, "007")
    assert not left.parent.exists()


def test_an_erasure_waits_for_runs_and_for_another_erasure(here: Path) -> None:
    task = the_erasure(here, "007")
    plan = task.plan()
    with (
        run_lock(here / ".local/runs/first"),
        pytest.raises(StateError, match="run first is in progress"),
    ):
        task.plan()
    (here / ".local/trace").mkdir()
    with (
        run_lock(here / ".local/trace"),
        pytest.raises(StateError, match="another erasure is in progress"),
    ):
        task.carry_out(plan)


def test_a_file_that_changes_after_the_plan_is_not_cut_at_places_of_before(here: Path) -> None:
    task = the_erasure(here, "007")
    plan = task.plan()
    answers = next((here / ".local/s3").rglob("first/**/answers.csv"))
    answers.write_text("0,0.7\n1,0.2\n", encoding="utf-8")
    with pytest.raises(StateError, match=r"answers.csv has changed since the erasure began"):
        task.carry_out(plan)
    assert answers.read_text() == "0,0.7\n1,0.2\n"


# After it


def later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Another table, which has an erased record again."""
    monkeypatch.setattr(loading, "load", lambda root: OF)
    rows = [f"{one},{n % 2},2.5,2020-01-31,dog,2026-02-01T10:30:00Z"
            for n, one in enumerate(("007", "-17", "x.y"))]  # fmt: skip
    return CliRunner().invoke(main.main, ["ingest", str(raw_file(folder, *rows))])


def test_a_version_is_deployed_on_the_rows_that_are_left(here: Path) -> None:
    local = here / ".local"
    (package,) = State(local / "state.db").model_packages(OF.model_package_group, 1)
    rehearsal = Rehearsal(here, local, OF)
    assert rehearsal.known(package) == Known(["1.5,1", "1.5,1"], ["1,0.1", "1,0.2"])
    erase(here, "007")
    assert rehearsal.known(package) == Known(["1.5,1"], ["1,0.2"])
    answers = next((local / "s3").rglob("first/**/test.csv.out"))
    answers.write_text("1b,0,0.2\n", encoding="utf-8")
    with pytest.raises(DeployError, match=r"test.csv.out: expected sha256"):
        rehearsal.known(package)


def test_rows_of_an_erased_record_are_left_out_of_a_later_table_loudly(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase(here, "007")
    day = erasures.read(here / ".local").every[0].at[:10]
    done = later(here, monkeypatch)
    assert done.exit_code == 0
    assert f"1 row of a record erased on {day}: left out\n" in done.stdout
    assert (f"pets.csv still has 1 row of a record that was erased on {day}: left out; delete "
            "them there\n") in done.stderr  # fmt: skip
    assert "nothing on this machine has it" in trace(monkeypatch, "007").stdout
    assert len(content(monkeypatch, "-17")["tables"]) == 2


def test_a_lost_key_is_said_where_it_matters(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    erase(here, "007")
    (here / ".local" / pseudonyms.FILE).unlink()
    done = later(here, monkeypatch)
    assert "1 record was erased under a key that trace/key does not have: " in done.stderr
    assert content(monkeypatch, "007")["erased"] is None


def test_the_table_of_before_is_not_read_again_after_an_erasure(here: Path) -> None:
    """Its rows are those that are left; its counts say so."""
    erase(here, "007")
    read = table(here, IDS)
    (found,) = [n for what, n in read.ingested.found.items() if what.startswith("row of a record")]
    assert (found, read.ingested.kept, read.ingested.used) == (1, len(IDS) - 1, len(IDS) - 1)
    assert stored.count(read.folder, "chip") == len(IDS) - 1


def test_a_folder_that_erasures_alone_have_changed_is_told_from_one_that_was_edited() -> None:
    """Its one digest is of all its files; an erasure notes each file's."""
    was = {"a.parquet": "1" * 64, "b.parquet": "2" * 64}
    files = {"s3://b/t/a.parquet": ("1" * 64, "3" * 64), "s3://b/t/b.parquet": ("2" * 64, "")}
    known = Erasures((Erasure("2026-02-01T00:00:00Z", "", "", files),))
    now = {"a.parquet": "3" * 64}
    said = known.of_folder("s3://b/t", listing_sha256(was), now)
    assert said == "was changed by an erasure on 2026-02-01"
    assert known.of_folder("s3://b/t", listing_sha256(was), {"a.parquet": "4" * 64}) == ""
    assert known.of_folder("s3://b/t", listing_sha256(was), {**now, "c.parquet": "5" * 64}) == ""
    assert Erasures().of_folder("s3://b/t", listing_sha256(was), now) == ""
