"""Runs that take steps over, go on, or are looked at afterwards, as a person types them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import Repository, in_full_tier
from page_structure import check_structure

STEPS = (
    "ChurnModelProcess",
    "ChurnHyperParameterTuning",
    "ChurnEvalBestModel",
    "ChurnCreateModel",
    "ChurnModelConfigFile",
    "ChurnTransform",
    "ClarifyProcessingStep",
)
"""The steps that are taken over where nothing has changed."""


def last(repository: Repository) -> dict[str, Any]:
    """The newest run, as `pipeline show` has it."""
    return dict(json.loads(repository.pipeline("show", "last", "--json").stdout))


def taken_over(run: dict[str, Any]) -> dict[str, str]:
    return {s["step"]: s["cached_from"] for s in run["steps"] if s["cached_from"]}


def test_a_run_with_nothing_changed_takes_every_job_over_and_has_the_right_model(
    used: Repository,
) -> None:
    first = last(used)
    assert taken_over(first) == {}
    done = used.pipeline("run")
    assert taken_over(last(used)) == dict.fromkeys(STEPS, first["run"])
    rows = re.findall(r"^\d  (\w+) +\w+ +Cached +from (\w{12})$", done.stdout, re.MULTILINE)
    assert rows == [(name, first["run"]) for name in STEPS]
    versions = json.loads(used.pipeline("registry", "--json").stdout)
    assert [version["version"] for version in versions] == [2, 1]
    assert versions[0]["execution"] == last(used)["run"]
    assert (
        "registered customer-churn version 2, PendingManualApproval\n"
        "           the same bytes as version 1\n"
    ) in done.stdout
    assert [version["same_model_as"] for version in versions] == [1, None]
    assert "(the same bytes as version 1)" in page_of(used, last(used)["run"])


def test_a_run_with_nothing_changed_imports_neither_the_sdk_nor_the_libraries(
    used: Repository,
) -> None:
    used.pipeline("run")
    done = used.pipeline("run", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert {"click", "rich", "sqlite3"} <= imported
    heavy = {"sagemaker", "boto3", "pandas", "numpy", "xgboost", "optuna", "duckdb", "jinja2"}
    assert not imported & heavy


def page_of(repository: Repository, run: str) -> str:
    return (repository.path / ".local/runs" / run / "report.html").read_text(encoding="utf-8")


def test_the_page_of_a_run_with_nothing_changed_is_as_if_made_again(used: Repository) -> None:
    """... though most of it is that of the run whose results it reuses."""
    first = last(used)["run"]
    done = used.pipeline("run")
    run = last(used)["run"]
    assert f"report     .local/runs/{run}/report.html\n" in done.stdout
    quick = page_of(used, run)
    check_structure(quick)
    assert run in quick
    before_lineage, lineage, _ = quick.partition('<section id="lineage"')
    assert lineage  # which names the run that made the results
    assert f"<dd>{first}</dd>" not in before_lineage
    assert "Cached" in quick
    number = json.loads(used.pipeline("registry", "--json").stdout)[0]["version"]
    assert f"customer-churn version {number}" in quick
    (used.path / ".local/runs" / run / "report.json").unlink()
    for places in used.path.glob(".local/runs/*/report.json"):
        places.rename(places.with_suffix(".away"))
    used.pipeline("report", run)
    assert page_of(used, run) == quick


def test_a_run_says_where_it_came_from_and_what_is_not_committed(used: Repository) -> None:
    assert last(used)["origin"]["repository"]["unknown"] == "this folder is not in a git repository"
    try:
        for words in (["init"], ["add", "-A"], ["-c", "user.name=Jo", "-c", "user.email=jo@x",
                      "-c", "commit.gpgsign=false", "commit", "-m", "all"]):  # fmt: skip
            subprocess.run(["git", *words], cwd=used.path, check=True, capture_output=True)
        done = used.pipeline("run")
        assert "\ncode " not in done.stdout
        clean = last(used)["origin"]
        assert (clean["repository"]["is_dirty"], clean["table"]["path"]) == (
            False,
            "data/churn.csv",
        )
        with (used.path / "README.md").open("a", encoding="utf-8") as readme:
            readme.write("Changed.\n")
        done = used.pipeline("run")
        commit = clean["repository"]["commit"]
        said = f"1 file differs from commit {commit[:12]} (README.md)"
        assert f"\ncode       {said}\n" in done.stdout
        assert last(used)["origin"] == {**clean, "repository": {
            **clean["repository"], "is_dirty": True, "changed": ["README.md"], "changed_count": 1,
        }}  # fmt: skip
    finally:
        shutil.rmtree(used.path / ".git", ignore_errors=True)
    shown = used.pipeline("show", "last").stdout
    assert f"\ncommit     {commit}; 1 file differs from it (README.md)\n" in shown
    table = clean["table"]
    assert (
        f"\nrows       {table['rows']:,} read, {table['kept']:,} kept, {table['used']:,} used\n"
        in shown
    )
    assert table["rows"] - sum(one["rows"] for one in table["left_out"]) == table["used"]
    number = json.loads(used.pipeline("registry", "--json").stdout)[0]["version"]
    said_at_approval = used.pipeline(
        "approve", str(number), "--who", "Jo <jo@x>", "--why", "as agreed"
    ).stderr
    assert f"version {number} was made from uncommitted code: {said}" in said_at_approval
    assert said in check_structure(page_of(used, last(used)["run"])).section("origin").text


def test_a_page_is_written_where_it_is_asked_for(used: Repository, tmp_path: Path) -> None:
    used.pipeline("run")
    run = last(used)["run"]
    file = tmp_path / "page.html"
    assert used.pipeline("report", "last", "-o", file).stdout == f"{file}\n"
    assert file.read_text(encoding="utf-8") == page_of(used, run)
    assert file.with_suffix(".md").read_text(encoding="utf-8").startswith("## Customer churn: ")
    done = used.pipeline(
        "report", "last", "-o", file, "--open", PATH="", BROWSER="", DISPLAY="", WAYLAND_DISPLAY=""
    )
    assert done.stdout == f"{file}\n"
    no_browser = "pipeline: notice: this machine has no browser to open"
    assert done.stderr == f"{no_browser} {file.as_uri()}\n"
    said = used.pipeline("report", "last", "-o", tmp_path / "page.md", status=2).stderr
    assert "page.md" in said
    assert "there is no run 'zzz'" in used.pipeline("report", "zzz", status=2).stderr
    said = used.pipeline("report", "last", "--env", "nowhere", status=2).stderr
    assert "expected a table [environments.nowhere], got none" in said


def test_an_approval_is_on_the_page_that_is_written_after_it(used: Repository) -> None:
    used.pipeline("run")
    run, number = last(used)["run"], json.loads(used.pipeline("registry", "--json").stdout)[0]
    assert 'id="approval"' not in page_of(used, run)
    version = str(number["version"])
    said = used.pipeline("approve", version, "--who", "Jo <jo@x>", "--why", "as agreed").stdout
    assert f"\nreport: .local/runs/{run}/report.html\n" in said
    page = used.path / ".local/runs" / run / "report.html"
    opened = used.pipeline("report", version, "--open", BROWSER="echo %s").stdout
    assert sorted(opened.splitlines()) == sorted([str(page), page.as_uri()])
    section = check_structure(page_of(used, run)).section("approval").text
    assert "Jo <jo@x> set the version to Approved" in section


PANEL = """
from ninesteps.report.own_panels import Panel, Run

def panels(run: Run) -> list[Panel]:
    return [Panel("Ours", f"{run.metrics['auc']:.3f} of ours")]
"""


def test_own_panels_are_on_the_page_until_their_code_changes(used: Repository) -> None:
    file = used.path / "model_build/report_panels.py"
    try:
        file.write_text(PANEL.replace(":.3f", ":d"), encoding="utf-8")
        said = used.pipeline("run").stderr
        where = "model_build/report_panels.py: line 5: ValueError: Unknown format code 'd'"
        assert said.startswith(
            f"pipeline: notice: the report lacks the repository's own panels: {where}"
        )
        page = check_structure(page_of(used, last(used)["run"]))
        assert where in page.section("own-panel-1").text
        file.write_text(PANEL, encoding="utf-8")
        assert used.pipeline("run").stderr == ""
        first = check_structure(page_of(used, last(used)["run"])).section("own-panel-1").text
        done = used.pipeline("run", PYTHONPROFILEIMPORTTIME="1")
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
        assert not imported & {"jinja2", "model_build.report_panels"}
        again = check_structure(page_of(used, last(used)["run"])).section("own-panel-1").text
        assert again == first and " of ours" in again
    finally:
        file.unlink()


def test_drift_is_since_the_last_run_on_other_data(used: Repository) -> None:
    used.pipeline("run")
    versions = json.loads(used.pipeline("registry", "--json").stdout)
    approved = [v["version"] for v in versions if v["status"] == "Approved"]  # by another test
    none = "learnt from the same training data" if approved else "there is nothing to compare with"
    assert none in page_of(used, last(used)["run"])
    table = (used.path / "data/churn.csv").read_text().splitlines(keepends=True)
    fewer = used.path.parent / "fewer.csv"
    fewer.write_text("".join([table[0], *(row for row in table[1:] if "BLR" not in row)]))
    first = last(used)["run"]
    used.pipeline("run", "--data", fewer)
    text = check_structure(page_of(used, last(used)["run"])).section("data").text
    other = f"version {approved[0]}" if approved else f"run {first}"
    assert f"Compared with {other} of " in text
    assert re.search(r"city_BLR \d\.\d+ \d\.\d+ much", text)
    newest = json.loads(used.pipeline("registry", "--json").stdout)[0]
    assert int(newest["warnings"]) >= 1
    assert f"moved much since {other}" in newest["warnings_text"]
    number = str(newest["version"])
    said = used.pipeline("diff", first, number).stdout
    assert used.pipeline("registry", number, "--against", first).stdout == said
    assert re.search(r"^city_BLR +\d\.\d+ +\d\.\d+ +much$", said, re.MULTILINE)
    assert re.search(r"^table, SHA-256 +\w{12} +\w{12}$", said, re.MULTILINE)
    assert "\nSettings              the same\n" in said
    page = check_structure(page_of(used, last(used)["run"])).section("comparison").text
    if approved:
        assert page.startswith("Compared with version ")
    else:
        assert page.startswith("Compared with run ")
        assert "is the latest earlier run with another result" in page
        before = str(versions[0]["version"])
        used.pipeline("approve", before, "--who", "Jo <jo@x>", "--why", "as agreed")
        used.pipeline("report", last(used)["run"])
        text = check_structure(page_of(used, last(used)["run"])).section("data").text
        assert f"Compared with version {before} of " in text
        assert ", the newest approved version before it." in text
        shown = used.pipeline("registry", number).stdout
        assert f"since version {before}" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("file", "runs"),
    [
        ("clarify.py", ["ClarifyProcessingStep"]),
        # It names where this execution's predictions lie, so it is never the same bytes again.
        pytest.param(
            "analysis_config.py",
            ["ChurnModelConfigFile", "ClarifyProcessingStep"],
            marks=in_full_tier,
        ),
        pytest.param("evaluate.py", ["ChurnEvalBestModel"], marks=in_full_tier),
    ],
)
def test_a_change_in_one_steps_file_runs_that_step_alone(
    used: Repository, file: str, runs: list[str]
) -> None:
    """Process and tuning are taken over; so is what gets the same bytes again."""
    script = used.path / "model_build/steps" / file
    text = script.read_text()
    try:
        script.write_text(f"{text}\n# a comment\n")
        used.pipeline("run")
    finally:
        script.write_text(text)
    assert [name for name in STEPS if name not in taken_over(last(used))] == runs


def test_a_changed_setting_is_compiled_anew(used: Repository) -> None:
    """... and what it does not concern is taken over."""
    settings = (used.path / "pipeline.toml").read_text()
    try:
        used.edit("pipeline.toml", 'metric = "auc > 0.75"', 'metric = "auc > 0.999"')
        done = used.pipeline("run", "--require-registered", status=3)
    finally:
        (used.path / "pipeline.toml").write_text(settings)
    assert "gate       auc > 0.999  fails" in done.stdout
    page = check_structure(page_of(used, last(used)["run"]))
    assert page.root.all("h1")[0].text.endswith("The model failed the gate")
    assert taken_over(last(used)).keys() == set(STEPS)
    assert "gate       auc > 0.75  passes" in used.pipeline("run").stdout


def test_without_the_cache_every_step_runs(used: Repository) -> None:
    used.pipeline("run", "--no-cache")
    assert taken_over(last(used)) == {}


def test_a_stopped_run_goes_on_by_the_command_that_it_prints(used: Repository) -> None:
    process = used.start("run", "--no-cache", until=f"Executing  {STEPS[1]}\n")
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    command = re.fullmatch(r"pipeline: stopped; next: pipeline (run --resume (\w{12}))\n", said)
    assert command
    run, registered = command[2], len(json.loads(used.pipeline("registry", "--json").stdout))
    listed = used.pipeline("runs").stdout.splitlines()
    assert listed[0].startswith(f"{run}  stopped")
    assert listed[-1] == f"next, for the last run: pipeline run --resume {run}"
    logs = used.path / ".local/runs" / run / "logs"
    before = (logs / "ChurnModelProcess.log").stat().st_mtime_ns
    done = used.pipeline(*command[1].split())
    assert f"registered customer-churn version {registered + 1}" in done.stdout
    assert (last(used)["run"], last(used)["status"]) == (run, "Succeeded")
    assert (logs / "ChurnModelProcess.log").stat().st_mtime_ns == before
    assert "nothing to resume" in used.pipeline(*command[1].split(), status=2).stderr


def test_events_are_a_json_object_a_line(used: Repository) -> None:
    done = used.pipeline("run", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert [kind for kind in kinds if kind != "working"][:2] == ["ingested", "started"]
    assert kinds[-1] == "ended"
    assert set(kinds) == {"ingested", "started", "step", "ended"}, "nothing had to be read"
    ended = {e["step"]: e["status"] for e in events if e["event"] == "step"}
    assert len(ended) == 9 and set(ended.values()) == {"Succeeded"}
    assert events[-1]["registered"][0].startswith("customer-churn version")


def test_a_run_can_be_looked_at_later(used: Repository) -> None:
    run = last(used)["run"]
    assert used.pipeline("runs").stdout.splitlines()[0].startswith(f"{run}  registered version ")
    newest = json.loads(used.pipeline("runs", "--json").stdout)[0]
    assert (newest["run"], newest["verdict"]) == (run, "registered")
    assert newest["version"]
    for name in (run, run[:6], "last"):
        shown = used.pipeline("show", name).stdout
        assert shown.startswith(f"run {run}: registered\n")
        assert "auc 0.9" in shown and "9  CheckAUCScoreChurnEvaluation" in shown
    assert [line for line in shown.splitlines() if len(line) > 80 and "/" not in line] == []


LOOKS = (
    "runs", "show last", "registry", "registry 1", "card 1", "lineage 1", "cost", "check",
    "audit --verify", "audit 1", "ab-plan", "diff last 1", "--help",
)  # fmt: skip


def test_no_command_prints_lines_that_a_terminal_of_80_columns_would_break(
    used: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for a path, an address or a hash, which cannot be broken; and no line ends in blanks."""
    monkeypatch.setenv("COLUMNS", "80")
    for command in LOOKS:
        for line in used.pipeline(*command.split(), status=None).stdout.splitlines():
            is_whole = len(line.split()) < 5 and re.search(r"\S+/\S+|[0-9a-f]{64}", line)
            assert len(line) <= 80 or is_whole, f"{command}: {line}"
            assert line == line.rstrip(" "), f"{command}: {line!r}"


def test_the_log_of_a_step_and_of_a_trial(used: Repository) -> None:
    log = used.pipeline("logs", "last", "ChurnHyperParameterTuning").stdout
    assert re.fullmatch(r"001  \[\d+\]\ttrain-auc:\S+\tvalidation-auc:\S+\n", log)
    trial = used.pipeline("logs", "last", "ChurnHyperParameterTuning", "--trial", "1").stdout
    assert trial.splitlines()[0].startswith("[0]\t")
    assert trial.splitlines()[-1] == log[5:].rstrip("\n")


def test_a_killed_run_can_be_looked_at_and_goes_on(used: Repository) -> None:
    process = used.start("run", "--no-cache", until=f"Executing  {STEPS[1]}\n")
    process.kill()
    process.communicate(timeout=60)
    shown = used.pipeline("show", "last").stdout
    assert re.search(r"^2  ChurnHyperParameterTuning +Tuning +Killed", shown, re.MULTILINE)
    assert "Traceback" not in used.pipeline("logs", "last", STEPS[1], status=None).stderr
    page = used.pipeline("report", "last").stdout.strip()
    assert "The run is killed" in check_structure(Path(page).read_text("utf-8")).html
    command = shown.splitlines()[-1].removeprefix("next").split()
    (code,) = used.path.glob(".local/s3/*/*/code")
    shutil.rmtree(code)  # by somebody who makes room
    assert used.pipeline(*command[1:]).returncode == 0


def test_what_cannot_be_read_is_one_sentence_or_made_anew(used: Repository) -> None:
    script = used.path / "model_build/steps/process.py"
    text = script.read_text()
    try:
        script.write_text("x = (\n" + text)
        for command in ("run", "check"):
            said = used.pipeline(command, status=2).stderr
            assert said.startswith("pipeline: model_build/steps/process.py: line 1: '(' was")
    finally:
        script.write_text(text)
    for file in (*used.path.glob(".local/definitions/*"), *used.path.rglob("ingested.json")):
        file.write_text("")
    used.pipeline("run")
    assert taken_over(last(used)).keys() == set(STEPS[1:]), "put anew, the rows have other moments"


def test_what_is_not_there_is_one_sentence(used: Repository) -> None:
    for command, sentence in {
        ("show", "zzz"): "there is no run 'zzz'; `pipeline runs` lists them",
        ("logs", "last", "Evaluate"): "there is no step 'Evaluate'; there is 1 ChurnModelProcess",
        ("logs", "last", "ChurnCreateModel"): "ChurnCreateModel has no log",
        ("logs", "last", "ChurnHyperParameterTuning", "--trial", "9"): "has no trial 9",
        ("run", "--only", "Evaluate"): "there is no step 'Evaluate'; there is 1 ChurnModelProcess",
        ("run", "--resume", "zzz"): "there is no run 'zzz'",
        (
            "run",
            "--resume",
            "last",
            "--data",
            "x.csv",
        ): "--resume takes the table, parameters and steps of the run",
        ("run", "--only", STEPS[2], "--debug", STEPS[1]): (
            "--debug and --only: expected the same step"
        ),
    }.items():
        done = used.pipeline(*command, status=2)
        assert sentence in done.stderr, command
        assert "Traceback" not in done.stderr


def test_one_step_alone(used: Repository) -> None:
    done = used.pipeline("run", "--only", "ChurnEvalBestModel")
    assert "registered nothing: only ChurnEvalBestModel was selected" in done.stdout
    skipped = [s["step"] for s in last(used)["steps"] if s["status"] == "Skipped"]
    assert skipped == ["ChurnCreateModel", *STEPS[4:], "CheckAUCScoreChurnEvaluation",
                       "RegisterChurnModel"]  # fmt: skip


def test_a_breakpoint_stops_in_a_step_that_is_debugged(used: Repository) -> None:
    script = used.path / "model_build/steps/evaluate.py"
    text = script.read_text()
    line = '    result = output_path("evaluation")\n'
    try:
        script.write_text(text.replace(line, f"    breakpoint()\n{line}"))
        done = used.pipeline(
            "run", "--debug", "ChurnEvalBestModel", typed="p options.min_group_size\nc\n"
        )
    finally:
        script.write_text(text)
    assert "(Pdb) 100" in done.stdout
    assert "Succeeded  ChurnEvalBestModel" in done.stdout


@in_full_tier
def test_a_version_is_made_again_byte_for_byte_and_nothing_of_the_repository_is_changed(
    used: Repository, tmp_path: Path
) -> None:
    """One whose steps came from an earlier run: the chain of runs is followed."""
    used.pipeline("run")
    number = json.loads(used.pipeline("registry", "--json").stdout)[0]["version"]
    before, scratch = used.results(), tmp_path / "scratch"
    scratch.mkdir()
    done = used.pipeline("reproduce", number, "--json", TMPDIR=str(scratch))
    content = json.loads(done.stdout)
    artifacts = {
        f"{step['name']} {artifact['name']}": artifact["state"]
        for step in content["steps"]
        for artifact in step["artifacts"]
    }
    assert set(artifacts.values()) == {"identical"}
    for part in (
        "Feature Store ", "queries/", "train/train.csv", "-001/output/model.tar.gz",
        "evaluation/evaluation.json", "curves.json", "answers.csv", "analysis_config.json",
        "test.csv.out", "analysis.json", "explanations_shap/out.csv", "package request",
    ):  # fmt: skip
        assert any(part in name for name in artifacts), part
    assert len(content["runs"]) > 1
    assert {source["name"]: source["state"] for source in content["sources"]} == {
        "definition": "made again", "raw table": "as recorded", "code": "as recorded",
    }  # fmt: skip
    assert content["environment"] == []
    assert used.results() == before
    assert not [*scratch.iterdir()]
