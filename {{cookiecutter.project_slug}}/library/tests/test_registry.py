"""What the commands say of the registry, and how they ask who decides and why."""

from __future__ import annotations

import gc
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ninesteps.cli import here, main
from ninesteps.errors import SettingsError
from ninesteps.local.endpoint import control
from ninesteps.local.state import State
from ninesteps.registry.local import LocalRegistry
from ninesteps.repository import identity
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.settings import Settings
from pets import changed
from pets import settings as pet_settings
from reports import CAME_FROM
from versions import STAMPS, Registered

JO = ("--who", "Jo Doe", "--why", "auc is fine")
AL = ("--who", "Al", "--why", "staging answers")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    """A machine with two versions, on which the commands are typed."""
    machine = Registered(tmp_path / ".local")
    machine.register(auc=0.91, recall=0.5)
    machine.register(auc=0.925, recall=0.625)
    monkeypatch.setattr(here, "local", lambda: machine.local)
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    use(monkeypatch, pet_settings())
    return machine


def use(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(pipeline_settings, "load", lambda root: settings)


def pipeline(*arguments: str, status: int = 0) -> Result:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(main.main, arguments)
    assert done.exit_code == status, done.output
    return done


def sentence(*arguments: str) -> str:
    said = pipeline(*arguments, status=2).stderr
    assert said.startswith("pipeline: ") and said.count("\n") == 1
    return said.removeprefix("pipeline: ").strip()


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


# What is shown


def test_looking_at_the_registry_and_at_runs_leaves_every_file_as_it_was(
    machine: Registered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def contents() -> dict[Path, tuple[bytes, int]]:
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}

    gc.collect()  # of who registered the versions: a connection writes when it is closed
    before = contents()
    for command in (
        ("registry",),
        ("registry", "1"),
        ("registry", "--json"),
        ("runs",),
        ("audit", "--verify"),
        ("audit", "--head"),
    ):
        pipeline(*command)
        assert contents() == before, command
    monkeypatch.setattr(here, "local", lambda: tmp_path / "none")
    pipeline("runs")
    for missing in (
        ("registry",),
        ("registry", "1"),
        ("audit", "--verify"),
        ("show", "last"),
        ("logs", "last", "Step"),
    ):
        pipeline(*missing, status=2)
    assert not (tmp_path / "none").exists()


def test_the_latest_runs_are_listed_as_many_as_are_asked_for(machine: Registered) -> None:
    listed = json.loads(pipeline("runs", "--json").stdout)
    assert len(listed) == 2
    assert json.loads(pipeline("runs", "--last", "1", "--json").stdout) == listed[:1]


def test_versions_are_listed_with_state_and_the_gates_metrics(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = {"metric": "auc > 0.5 and recall > 0.1", "bias": "dppl[species] < 0.9"}
    use(monkeypatch, changed(pet_settings(), gate=gate))
    pipeline("reject", "1", *JO)
    name, head, *listed = pipeline("registry").stdout.splitlines()
    assert (name, head.split()) == ("pets", ["version", "status", "registered", "metrics"])
    second, *more = rows("\n".join(listed))
    assert second.startswith("2 PendingManualApproval 20")
    assert second.endswith(" auc 0.925, recall 0.625,")
    assert more[0] == "dppl[species] 0.25"
    assert more[1].startswith("1 Rejected 20") and more[1].endswith(" auc 0.91, recall 0.5,")
    assert max(map(len, (head, *listed))) <= 80


def test_the_version_that_serves_is_marked(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "serves" not in pipeline("registry").stdout
    monkeypatch.setattr(control, "serving", lambda local: 1)
    _, _, *listed = pipeline("registry").stdout.splitlines()
    first = next(place for place, line in enumerate(listed) if line.strip().startswith("1 "))
    assert [place for place, line in enumerate(listed) if "serves" in line] == [first + 1]
    found = {v["version"]: v["serves"] for v in json.loads(pipeline("registry", "--json").stdout)}
    assert found == {2: False, 1: True}


def test_a_version_whose_evaluation_is_gone_or_damaged_says_so(machine: Registered) -> None:
    machine.file(1, "evaluation.json").unlink()
    machine.file(2, "evaluation.json").write_text('{"binary_classification_metrics": {"auc": 1}}')
    second, first = rows(pipeline("registry").stdout)[2:]
    assert first.endswith("evaluation.json is gone")
    assert second.endswith("evaluation.json is damaged")
    assert "metrics evaluation.json is gone" in rows(pipeline("registry", "1").stdout)
    listed = json.loads(pipeline("registry", "--json").stdout)
    assert [(v["metrics"], v["fault"]) for v in listed] == [
        ({}, "evaluation.json is damaged"), ({}, "evaluation.json is gone")
    ]  # fmt: skip


def test_the_newest_are_listed_and_how_many_there_are_is_said(machine: Registered) -> None:
    last = rows(pipeline("registry", "--last", "1").stdout)
    assert last[2].startswith("2 ") and last[3] == "and 1 older: --last 2"
    assert [v["version"] for v in json.loads(pipeline("registry", "--json").stdout)] == [2, 1]


def test_a_registry_without_a_version_says_so(
    machine: Registered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    State(tmp_path / "none/state.db")
    monkeypatch.setattr(here, "local", lambda: tmp_path / "none")
    assert pipeline("registry").stdout == "pets: no version is registered\n"
    assert pipeline("registry", "--json").stdout == "[]\n"
    assert sentence("approve", "1", *JO) == "pets has no version 1: no version is registered"


@pytest.mark.parametrize("command", [("registry",), ("registry", "1", "--json"),
                                     ("lineage", "1"), ("lineage", "--of", "x"), ("card", "1"),
                                     ("reproduce", "1"), ("deploy", "1"), ("diff", "1", "2"),
                                     ("audit", "1"), ("audit", "--head"),
                                     ("approve", "1", *JO), ("reject", "1", *JO)])  # fmt: skip
def test_where_nothing_has_run_or_all_was_deleted_that_is_said(
    machine: Registered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(here, "local", lambda: tmp_path / "gone")
    assert sentence(*command) == (
        f"{tmp_path / 'gone'} has no state.db: nothing has run here, or the folder was deleted; "
        "only a backup brings its runs, versions and decisions back"
    )
    assert not (tmp_path / "gone").exists()


def test_a_version_is_shown_with_what_was_found_in_its_data(machine: Registered) -> None:
    group, split = machine.local / "s3/bucket/pets/feature-store/0a", machine.local / "s3/test"
    split.mkdir(parents=True)
    (group / "data").mkdir(parents=True)
    summary = {"location": "", "latest": "", "read": 3000, "kept": 3000, "used": 600,
               "found": {"older row of the same chip: not used": 2400},
               "names": {"w": "Gewicht [kg]"}}  # fmt: skip
    (group / "ingested.json").write_text(json.dumps(summary), "utf-8")
    found = {"rows": {"test": 90}, "rows_with_a_twin": {"test": 4}, "suspicious_features": {"w": 1}}
    (split / "findings.json").write_text(json.dumps(found), "utf-8")
    rows_at = "s3://bucket/pets/feature-store/0a/data"
    stamps = {**STAMPS, "test_split": "s3://test"}
    number = machine.register(stamps=stamps, catalog=[("store", "pets", rows_at)], auc=0.999)
    said = " ".join(rows(pipeline("registry", str(number)).stdout))
    for text in (
        "data 3,000 rows read, 600 used; 2,400 older row of the same chip: not used",
        "3 warnings - 'Gewicht [kg]' alone ranks the label almost perfectly (1)",
        "4 of 90 test rows have the same features, label and facets as a training",
        "auc 0.999 is suspiciously high",
    ):
        assert text in said
    data = json.loads(pipeline("registry", str(number), "--json").stdout)["data"]
    assert data["table"].startswith("3,000 rows read, 600 used")
    assert len(data["remarks"]) == 3
    for file in (split / "findings.json", group / "ingested.json"):
        file.write_text("{", "utf-8")
    assert "warning - auc 0.999" in " ".join(rows(pipeline("registry", str(number)).stdout))


def test_a_version_of_which_nothing_was_kept_says_nothing_of_its_data(machine: Registered) -> None:
    said = rows(pipeline("registry", "1").stdout)
    assert not [line for line in said if line.startswith("data") or "warning" in line]
    shown = json.loads(pipeline("registry", "1", "--json").stdout)
    assert shown["data"] == {"table": "", "remarks": [], "not_known": ""}


def test_a_version_says_where_it_came_from_and_that_it_has_an_earlier_ones_bytes(
    machine: Registered,
) -> None:
    number = machine.register(origin=CAME_FROM, model=b"the archive of run1")
    said = rows(pipeline("registry", str(number)).stdout)
    assert said[1] == "status PendingManualApproval, same bytes as version 1"
    assert f"commit {'0a' * 20}; 1 file differs from it" in said
    assert "left out 10: empty chip" in said
    content = json.loads(pipeline("registry", str(number), "--json").stdout)
    assert (content["origin"], content["same_model_as"]) == (CAME_FROM, 1)
    listed = json.loads(pipeline("registry", "--json").stdout)
    assert [version["same_model_as"] for version in listed] == [1, None, None]
    assert "same bytes as version 1" in pipeline("registry").stdout
    other = rows(pipeline("registry", "2").stdout)
    assert other[1] == "status PendingManualApproval"
    assert "came from not recorded: it was made by an earlier version of the library" in other


def test_whoever_approves_is_told_of_code_that_is_not_committed_and_of_the_same_bytes(
    machine: Registered,
) -> None:
    number = machine.register(origin=CAME_FROM, model=b"the archive of run1")
    pipeline("reject", "1", *AL)
    said = pipeline("approve", str(number), *JO).stderr.splitlines()
    changes = f"1 file differs from commit {'0a' * 6} (pipeline.toml)"
    assert said[0] == (
        f"pipeline: notice: pets version {number} was made from uncommitted code: {changes}"
    )
    assert said[1].startswith(
        f"pipeline: notice: pets version {number} has the same bytes as version 1, which was "
        "rejected by Al at "
    )
    assert pipeline("approve", "2", *JO).stderr == ""


def test_a_version_that_learnt_from_an_erased_record_says_so_to_whoever_approves_it(
    machine: Registered,
) -> None:
    facts = {"record": "0a" * 32, "key": "k", "files": {}, "learnt": [1]}
    machine.state.append_event("erased", facts)
    (entry,) = [entry for entry in machine.state.events() if entry.kind == "erased"]
    one = f"was trained on a record that was erased on {entry.at[:10]}, or was selected with it"
    shown = " ".join(pipeline("registry", "1").stdout.split())
    assert f"erased it {one} " in shown
    assert json.loads(pipeline("registry", "1", "--json").stdout)["erased"] == one
    assert json.loads(pipeline("registry", "2", "--json").stdout)["erased"] is None
    notice = (
        f"pipeline: notice: pets version 1 {one}: the next `pipeline run` registers a version "
        "that did not\n"
    )
    assert pipeline("approve", "1", *JO).stderr == notice
    assert pipeline("approve", "2", *JO).stderr == ""
    machine.state.append_event("erased", facts)
    said = json.loads(pipeline("registry", "1", "--json").stdout)["erased"]
    assert said.startswith("was trained on 2 records that were erased, the last on ")


def test_nothing_of_a_run_is_shown_under_settings_that_cannot_be_read(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings() -> None:
        raise SettingsError("expected TOML")

    monkeypatch.setattr(here, "settings", settings)
    done = pipeline("show", machine.runs[0], status=2)
    assert (done.stdout, done.stderr) == ("", "pipeline: pipeline.toml: expected TOML\n")


def test_one_version_is_shown_with_its_evidence_and_every_change(machine: Registered) -> None:
    pipeline("approve", "1", "--who", "[red]Jo", "--why", "fine [sic]")
    pipeline("reject", "1", "--who", "Al", "--why", "a leak")
    machine.file(1, "model.tar.gz").write_bytes(b"another")
    said = rows(pipeline("registry", "1").stdout)
    assert said[:2] == ["pets version 1", "status Rejected"]
    assert "started by Sam Lee <sam@example.com>" in said
    assert "gate auc > 0.5" in said
    metrics = "metrics auc 0.91, recall 0.5, worst_dppl 0.25, worst_di 0.5,"
    assert said[said.index(metrics) + 1] == "dppl[species] 0.25, di[species] 0.5"
    texts = "\n".join(said)
    assert "evidence evaluation.json sha256 " in texts and "unchanged since registration" in texts
    assert "was changed after registration" in " ".join(texts.split())
    changes = texts[texts.index("changes ") :].splitlines()
    assert changes[0].endswith("PendingManualApproval -> Approved")
    assert changes[1] == "[red]Jo: fine [sic]"
    rules = " ".join(changes[2:4])
    assert rules.startswith("under gate auc > 0.5, require_second_approver = false, before_prod")
    assert changes[4].endswith("Approved -> Rejected") and changes[5] == "Al: a leak"
    assert "next" not in texts

    content = json.loads(pipeline("registry", "1", "--json").stdout)
    assert content["status"] == "Rejected" and content["started_by"].startswith("Sam Lee")
    assert [c["who"] for c in content["changes"]] == ["[red]Jo", "Al"]
    assert content["metrics"]["dppl[species]"] == 0.25
    faults = {e["uri"].rpartition("/")[2]: e["fault"] for e in content["evidence"]}
    assert faults["evaluation.json"] == "" != faults["model.tar.gz"]


def test_an_approver_sees_what_a_version_was_made_under_and_what_is_overridden(
    machine: Registered,
) -> None:
    own = "curves.py 0123456789abcdef / metrics.py 0123456789abcdef"
    other = {**STAMPS, "profile_sha256": "0" * 64, "library": "1.3.0", "overridden": own,
             "overridden_sha256": "ab" * 32}  # fmt: skip
    machine.register(stamps=other)
    machine.register(stamps={})
    digest = STAMPS["profile_sha256"][:12]
    said = rows(pipeline("registry", "1").stdout)
    assert f"profile custom sha256 {digest} unchanged since then" in said
    assert f"library {STAMPS['library']}" in said
    assert "overridden no file of the template or the library" in said
    text = " ".join(rows(pipeline("registry", "3").stdout))
    assert (
        f"profile custom sha256 000000000000 expected the profile 'custom' with sha256 {digest}"
        in text
    )
    assert f"library 1.3.0 overridden {own} sha256 of all abababababab" in text
    text = " ".join(rows(pipeline("registry", "4").stdout))
    assert "profile expected profile, profile_sha256, library in its metadata, got none" in text

    content = json.loads(pipeline("registry", "3", "--json").stdout)
    assert {key: content[key] for key in other} == other


def test_the_floors_of_pipeline_toml_decide_what_is_approved(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, changed(pet_settings(), project={"profile": "churn"}))
    assert sentence("approve", "1", *JO) == (
        "pets version 1: expected the profile 'churn', got 'custom': run the pipeline again"
    )
    assert sentence("approve", "1").startswith("pets version 1: expected the profile")
    use(monkeypatch, pet_settings())
    pipeline("approve", "1", *JO)


def test_the_way_on_is_said(machine: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {"before_production": True}
    use(monkeypatch, changed(pet_settings(), approval=rules))
    assert "next pipeline approve 1, or pipeline reject 1" in rows(pipeline("registry", "1").stdout)
    said = rows(pipeline("approve", "1", *JO).stdout)
    assert said[0].startswith("pets version 1 was approved by Jo Doe at 20")
    written_by = "report: pipeline report 1"
    assert said[1:] == [written_by, "next: pipeline approve 1 --for production"]
    said = rows(pipeline("approve", "1", "--for", "production", *AL).stdout)
    assert said[0].startswith("pets version 1 was approved for production by Al at 20")
    assert said[1:] == [written_by, "next: pipeline deploy 1"]
    listed = rows(pipeline("registry").stdout)
    assert listed[3].startswith("1 Approved, Production 20")
    (_, first) = json.loads(pipeline("registry", "--json").stdout)
    assert (first["status"], first["stages"]) == ("Approved", {"Production": "Approved"})


def test_whoever_may_be_another_is_told_and_kept(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, changed(pet_settings(), approval={"require_second_approver": True}))
    done = pipeline("approve", "1", "--who", "slee", "--why", "auc is fine")
    assert "pipeline: notice: slee may be Sam Lee <sam@example.com>, who started" in done.stderr
    assert machine.version(1).status == "Approved"


def test_an_approval_that_does_not_count_any_more_is_shown_with_what_helps(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline("approve", "1", "--who", "sam@example.com", "--why", "mine")
    use(monkeypatch, changed(pet_settings(), approval={"require_second_approver": True}))
    shown = " ".join(rows(pipeline("registry", "1").stdout))
    assert "was approved by sam@example.com, who started run run1, and [approval]" in shown
    assert "next pipeline approve 1, or pipeline reject 1" in shown
    assert "next: pipeline deploy 1" in pipeline("approve", "1", *JO).stdout


@pytest.mark.parametrize(
    ("when", "stands"),
    [("before", "is PendingManualApproval"), ("after", "was approved by Jo Doe")],
)
def test_who_stops_a_decision_is_told_whether_it_was_kept(
    machine: Registered, monkeypatch: pytest.MonkeyPatch, when: str, stands: str
) -> None:
    keep = LocalRegistry.keep

    def stopped(self: LocalRegistry, *arguments: Any) -> bool:
        if when == "after":
            keep(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalRegistry, "keep", stopped)
    said = pipeline("approve", "1", *JO, status=130).stderr
    assert said.startswith(f"pipeline: stopped; pets version 1 {stands}")
    assert (machine.version(1).status == "Approved") == (when == "after")


# What is typed


@pytest.mark.parametrize(
    "typed",
    [
        "0",
        "-1",
        "99999999999999999999",
        "latest",
        "1.0",
        "\u0661",
        "",
        "1 2",
        "1e0",
        "0x1",
    ],
)
@pytest.mark.parametrize("command", ["registry", "approve", "reject"])
def test_what_is_no_version_is_refused(machine: Registered, command: str, typed: str) -> None:
    options = () if command == "registry" else JO
    said = sentence(command, typed, *options)
    assert said == f"expected a version's number such as 1, got {typed!r}"


@pytest.mark.parametrize("typed", ["v1", "+1", "version 01"])
def test_a_number_with_a_word_before_it_is_told_as_the_number_that_was_meant(
    machine: Registered, typed: str
) -> None:
    said = f"expected a version's number such as 1, got {typed!r}; did you mean '1'?"
    assert sentence("registry", typed) == said


@pytest.mark.parametrize("command", ["registry", "approve", "reject"])
def test_a_version_that_there_is_not_is_refused(machine: Registered, command: str) -> None:
    options = () if command == "registry" else JO
    assert sentence(command, "999999999", *options) == (
        "pets has no version 999999999: it has 1 to 2"
    )


def test_who_and_why_must_be_said_where_nobody_can_be_asked(machine: Registered) -> None:
    nobody = "got none, and there is no terminal to ask at"
    assert sentence("approve", "1") == f"expected --who and --why, {nobody}"
    assert sentence("reject", "1", "--who", "Jo") == f"expected --why, {nobody}"
    assert sentence("approve", "1", "--why", "good") == f"expected --who, {nobody}"
    assert sentence("approve", "1", "--who", "Jo", "--why", " ").startswith(
        "why: expected a reason, got ' '"
    )
    assert machine.version(1).decisions == ()


def test_a_version_that_cannot_be_decided_on_is_refused_before_anybody_is_asked(
    machine: Registered,
) -> None:
    pipeline("reject", "1", *JO)
    assert sentence("approve", "1").startswith("pets version 1 was rejected by Jo Doe at ")


def read_until(terminal: int, end: bytes, seconds: float = 30) -> bytes:
    """What is written to a terminal until something that ends so, or nothing for a while."""
    said = b""
    while not said.endswith(end) and select.select([terminal], [], [], seconds)[0]:
        try:
            said += os.read(terminal, 1000)
        except OSError:  # nobody writes any more
            break
    return said


AT_A_TERMINAL = """
import os, pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests ignores
os.close(os.open(os.ttyname(0), os.O_RDWR))     # from now on it is this session's terminal
from pets import settings
from ninesteps.cli import here, main
from ninesteps.settings import loading
local = pathlib.Path(sys.argv[1])
here.local, here.root = (lambda: local), (lambda: local.parent)
loading.load = lambda root: settings()
main.main(sys.argv[2:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
@pytest.mark.parametrize(
    ("who", "typed", "status", "kept"),
    [
        ("Git Name", "\nauc is fine\n", 0, ("Git Name <git@example.com>", "auc is fine")),
        ("Sam Lee", "\nJo Doe\nfine\n", 0, ("Jo Doe", "fine")),
        ("Git Name", "Jo Doe\n\nstill fine\n", 0, ("Jo Doe", "still fine")),
        ("Git Name", "Jo Doe\n   \n", 2, None),
        ("Git Name", "Jo Doe\n\x03", 130, None),
        ("Git Name", "\x04", 130, None),
    ],
    ids=["default", "not-the-starter", "asked-again", "blank", "Ctrl-C", "Ctrl-D"],
)
def test_at_a_terminal_who_and_why_are_asked_for(
    machine: Registered,
    tmp_path: Path,
    who: str,
    typed: str,
    status: int,
    kept: tuple[str, str] | None,
) -> None:
    import pty

    git(tmp_path, "init")
    git(tmp_path, "config", "user.name", who)
    git(tmp_path, "config", "user.email", "git@example.com")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, str(machine.local), "approve", "1"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    for line in typed.splitlines(keepends=True):
        said = read_until(ours, b": ")
        os.write(ours, line.encode())
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        said += read_until(ours, b"\n", seconds=2)
        if typed.endswith("\x03") and b"stopped" not in said:  # Python may miss one
            os.write(ours, b"\x03")
    assert process.wait(timeout=10) == status, said.decode()
    assert b"Traceback" not in said
    decisions = [(d.who, d.why) for d in machine.version(1).decisions]
    assert decisions == ([kept] if kept else [])
    os.close(ours)


# Who sits here


def git(folder: Path, *words: str) -> None:
    command = ["git", "-C", str(folder), *words]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of git where nothing else says who somebody is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("LOGNAME", "login")
    git(tmp_path, "init")
    return tmp_path


def test_git_says_who_it_is_and_else_the_login_does(repository: Path) -> None:
    assert identity.whoami(repository) == "login"
    git(repository, "config", "user.email", "jo@example.com")
    assert identity.whoami(repository) == "jo@example.com"
    git(repository, "config", "user.name", " Jo\n Doë ")
    assert identity.whoami(repository) == "Jo Doë <jo@example.com>"


def test_without_git_the_login_says_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(repository, "config", "user.name", "Jo")
    monkeypatch.setenv("PATH", str(repository))
    assert identity.whoami(repository) == "login"


def test_where_nothing_says_it_nobody_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert identity.whoami(repository) == ""
