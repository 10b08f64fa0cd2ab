"""The nine steps run for real on the sample, and what a person sees when something is wrong."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Repository, Run
from package_contents import CHURN, package_contents
from page_structure import check_structure

Render = Callable[..., Repository]


# What a run leaves behind


def test_it_ends_with_steps_gate_version_and_paths(churn_run: Run) -> None:
    table = churn_run.output[churn_run.output.index("seconds") :]
    rows = re.findall(r"^(\d)  (\w+) +(\w+) +Succeeded +\d+\.\d$", table, re.MULTILINE)
    assert [row[0] for row in rows] == list("123456789")
    evaluation = churn_run.read("ChurnEvalBestModel/evaluation/evaluation.json")
    auc = evaluation["binary_classification_metrics"]["auc"]["value"]
    assert f"auc {auc:.6g} > 0.75  passes by" in table
    assert "registered customer-churn version 1, PendingManualApproval" in table
    written = re.search(r"^wrote +(\S+)$", table, re.MULTILINE)
    assert written and churn_run.repository.path / written[1] == churn_run.execution


def test_every_line_but_paths_fits_80_columns(churn_run: Run) -> None:
    for line in churn_run.output.splitlines():
        assert len(line) <= 80 or "/" in line or line.startswith("note"), line


def test_odd_rows_are_counted_not_dropped_in_silence(churn_run: Run) -> None:
    counts = {
        "rows read": 5000,
        "rows used": 4993,
        "empty custid": 3,
        "duplicate custid": 4,
        "first order after last order": 3,
    }
    for what, count in counts.items():
        assert re.search(rf"^ +{count:,}  {what}", churn_run.output, re.MULTILINE), what
    assert len(re.findall(r"^ +\d  unreadable date in", churn_run.output, re.MULTILINE)) == 3


def test_each_step_has_its_log_and_each_trial(churn_run: Run) -> None:
    logs = {p.name for p in churn_run.repository.path.glob(".local/runs/*/logs/*")}
    assert {"ChurnModelProcess.log", "ChurnTransform.log", "ChurnHyperParameterTuning"} <= logs
    trials = list(churn_run.repository.path.glob(".local/runs/*/logs/*Tuning/*.log"))
    assert len(trials) == 12
    for trial in trials:
        assert re.search(r"^\[0\]\ttrain-auc:\S+\tvalidation-auc:\S+$", trial.read_text(), re.M)


def test_the_splits_share_no_customer_and_cover_all(churn_run: Run) -> None:
    folder = churn_run.execution / "ChurnModelProcess"
    ids = {}
    for split in ("train", "validation", "test"):
        with (folder / split / f"{split}.csv").open(newline="") as rows:
            ids[split] = [row[0] for row in csv.reader(rows)]
        assert ids[split] == sorted(ids[split])
    total = [i for split in ids.values() for i in split]
    assert len(total) == len(set(total)) == 5000 - 3 - 4
    assert len(ids["train"]) / len(total) == pytest.approx(0.7, abs=0.03)


def test_the_split_has_thirty_features_and_keeps_facets_from_the_model(churn_run: Run) -> None:
    columns = churn_run.read("ChurnModelProcess/test/columns.json")
    assert len(columns["features"]) >= 30
    head = columns["columns"][: -len(columns["features"])]
    assert head == ["custid", "event_time", "retained", "facet_doorstep", "facet_city"]


def test_predictions_are_those_of_the_evaluation(churn_run: Run) -> None:
    with (churn_run.execution / "ChurnTransform/test.csv.out").open(newline="") as rows:
        predicted = [int(row[1]) for row in csv.reader(rows)]
    evaluation = churn_run.read("ChurnEvalBestModel/evaluation/evaluation.json")
    share = evaluation["binary_classification_metrics"]["flagged_share"]["value"]
    assert sum(predicted) / len(predicted) == pytest.approx(share, abs=1e-12)


def test_a_record_is_shown_with_what_the_run_predicted_for_it(churn_run: Run) -> None:
    with (churn_run.execution / "ChurnTransform/test.csv.out").open(newline="") as rows:
        identifier, label, probability = next(csv.reader(rows))
    found = json.loads(churn_run.repository.pipeline("record", identifier, "--json").stdout)
    assert found["offline"]["custid"] == identifier
    assert found["model"]["label"] == int(label)
    assert found["model"]["probability"] == pytest.approx(float(probability), abs=1e-6)
    shown = churn_run.repository.pipeline("record", identifier).stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert f"model: version 1 (PendingManualApproval) predicts {label}, with" in shown[-1]


def test_the_registered_version_points_at_files_that_exist(churn_run: Run) -> None:
    (version,) = json.loads(churn_run.repository.pipeline("registry", "--json").stdout)
    assert version["status"] == "PendingManualApproval"
    assert version["gate"] == "auc gt 0.75"
    with sqlite3.connect(churn_run.repository.path / ".local/state.db") as state:
        (request,) = state.execute("SELECT request FROM model_packages").fetchone()
    uris = re.findall(r'"(s3://[^"]+)"', request)
    assert len(uris) >= 3
    for uri in uris:
        path = churn_run.repository.path / ".local/s3" / uri.removeprefix("s3://")
        assert path.is_file() or any(path.iterdir()), uri  # or a folder, and files below it


def test_the_registered_package_holds_what_the_seed_asks_for_and_nothing_else(
    churn_run: Run,
) -> None:
    with sqlite3.connect(churn_run.repository.path / ".local/state.db") as state:
        (request,) = state.execute("SELECT request FROM model_packages").fetchone()
    assert package_contents(json.loads(request)) == CHURN


def test_another_run_gives_the_same_metrics_and_the_next_version(churn_run: Run) -> None:
    first = churn_run.read("ChurnEvalBestModel/evaluation/evaluation.json")
    before = churn_run.execution
    done = churn_run.repository.pipeline("run", "--parallel", "1", "--no-cache")
    assert "version 2" in done.stdout
    runs = list(before.parent.iterdir())
    assert len(runs) == 2
    for again in runs:
        evaluation = again / "ChurnEvalBestModel/evaluation/evaluation.json"
        assert json.loads(evaluation.read_text()) == first


def test_a_killed_run_leaves_no_step_behind(used: Repository) -> None:
    """As a closed terminal or `kill` does it; Ctrl-C goes the same way."""
    process = used.start("run", until="Executing")
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(r"pipeline: stopped; next: pipeline run --resume [a-z0-9]{12}\n", said)
    with closing(sqlite3.connect(used.path / ".local/state.db")) as state:
        statuses = {status for (status,) in state.execute("SELECT status FROM executions")}
        steps = {status for (status,) in state.execute("SELECT status FROM steps")}
    assert "Stopped" in statuses
    assert "Executing" not in statuses | steps


# The gate


def test_a_refused_model_is_a_completed_run(render: Render) -> None:
    repository = render(metric_gate="auc > 0.999 and recall > 0.1")
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 1")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 1")
    done = repository.pipeline("run", "--require-registered", status=3)
    values = dict(re.findall(r"(auc|recall) (0\.\d+) >", done.stdout))
    short_by = 0.999 - float(values["auc"])
    assert f"auc {values['auc']} > 0.999  fails by {short_by:.4g}" in done.stdout
    assert f"recall {values['recall']} > 0.1  passes by" in done.stdout
    assert (
        "registered nothing: the model fails the gate CheckAUCScoreChurnEvaluation" in done.stdout
    )
    assert repository.pipeline("registry", "--json").stdout.strip() == "[]"


def test_the_managed_bias_step_is_refused_here_and_has_a_stand_in_for_one_run(
    render: Render,
) -> None:
    """The run that goes through is of a linear model, which kernel SHAP explains."""
    repository = render(bias_backend="clarify")
    done = repository.pipeline("run", status=2)
    assert re.sub(r" line \d+", "", done.stderr) == (
        "pipeline: pipeline.toml [bias] backend: expected 'open_source' on this machine, got "
        "'clarify': Clarify's image runs only on SageMaker; use "
        "pipeline run --bias-backend open_source\n"
    )
    kept = (".local/definitions/", ".local/state.db")  # what it was compiled to, and its digest
    assert not [name for name in repository.results() if not name.startswith(kept)]
    assert "no problems found" in repository.pipeline("check").stdout
    linear = 'seed = 20\n\n[tuning.static]\nbooster = "gblinear"\n'
    repository.edit("pipeline.toml", "seed = 20\n", linear)
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 1")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 1")
    repository.edit("pipeline.toml", "[schedule]", "local_explanations = false\n\n[schedule]")
    repository.pipeline("run", BIAS_BACKEND="open_source")
    (file,) = repository.path.glob(".local/s3/**/ClarifyProcessingStep/analysis_result/*")
    explained = json.loads(file.read_text(encoding="utf-8"))["explanations"]
    assert explained["method"].startswith("kernel SHAP of xgboost, which has no trees, in log-odds")
    assert 0 < explained["records"]["explained"] <= explained["records"]["of"]
    assert len(explained["pdp"]) == 5


def test_a_facet_without_a_large_enough_group_has_the_worst_number_and_says_so(
    render: Render,
) -> None:
    repository = render(bias_gate="worst_dppl < 0.9")
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 1")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 1")
    label = "favourable_label = 1"
    repository.edit("pipeline.toml", label, f"{label}\nmin_group_size = 500")
    printed = repository.pipeline("run").stdout
    assert "worst_dppl 1 < 0.9  fails by 0.1" in printed
    assert "city: no group of 500 rows beside 500 others, so the worst value counts" in printed


# Wrong input


def sample(repository: Repository) -> list[list[str]]:
    with (repository.path / "data/churn.csv").open(newline="", encoding="utf-8") as rows:
        return list(csv.reader(rows))


def no_such_column(rows: list[list[str]]) -> None:
    rows[0][rows[0].index("avgorder")] = "average"


def no_rows(rows: list[list[str]]) -> None:
    del rows[1:]


def one_class(rows: list[list[str]]) -> None:
    for row in rows[1:]:
        row[1] = "1"


def a_word_for_a_number(rows: list[list[str]]) -> None:
    rows[41][rows[0].index("esent")] = "many"


def a_label_of_two(rows: list[list[str]]) -> None:
    rows[6][1] = "2"


WRONG_TABLES: dict[Callable[[list[list[str]]], None], str] = {
    no_such_column: "expected a column 'avgorder', got custid, retained,",
    no_rows: "expected rows, got a header only",
    one_class: "the label 'retained': expected both 0 and 1 to learn from, got 1 in every row",
    a_word_for_a_number: "line 42: 'esent': expected a number, got 'many' (1 such row)",
    a_label_of_two: "line 7: the label 'retained': expected 0 or 1, got '2' (1 such",
}


@pytest.mark.parametrize(("spoil", "sentence"), WRONG_TABLES.items())
def test_a_wrong_table_is_one_sentence_and_touches_nothing(
    used: Repository, tmp_path: Path, spoil: Callable[[list[list[str]]], None], sentence: str
) -> None:
    rows = sample(used)
    spoil(rows)
    table = tmp_path / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    before = used.results()
    done = used.pipeline("run", "--data", table, status=2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert used.results() == before


def test_a_file_that_is_not_there(used: Repository, tmp_path: Path) -> None:
    before = used.results()
    done = used.pipeline("run", "--data", tmp_path / "none.csv", status=2)
    assert done.stderr == f"pipeline: there is no file {tmp_path / 'none.csv'}\n"
    assert used.results() == before


def test_a_step_whose_script_raises(used: Repository) -> None:
    script = used.path / "model_build/steps/evaluate.py"
    text = script.read_text()
    line = '    result = output_path("evaluation")\n'
    number = text[: text.index(line)].count("\n") + 1
    before = used.results()
    try:
        script.write_text(text.replace(line, '    raise RuntimeError("out of luck")\n'))
        done = used.pipeline("run", status=1)
    finally:
        script.write_text(text)
    (page,) = re.findall(r"^report     (.+)$", done.stdout, re.MULTILINE)
    failing = check_structure((used.path / page).read_text(encoding="utf-8"))
    assert failing.root.all("h1")[0].text.endswith("The run failed")
    assert "ChurnEvalBestModel failed: " in failing.section("gate").text
    failed = done.stdout[done.stdout.index("ChurnEvalBestModel failed\n") :].splitlines()
    assert failed[1:4] == [
        f"  evaluate.py, line {number}, in main",
        '    raise RuntimeError("out of luck")',
        f"  RuntimeError: out of luck (evaluate.py, line {number})",
    ]
    path = used.path / failed[4].split()[1]
    assert "RuntimeError: out of luck" in path.read_text()
    assert "registered nothing" in done.stdout
    assert "--resume" not in done.stdout
    advice = "next       after fixing code, data or settings: pipeline run"
    assert done.stdout.splitlines()[-1] == advice
    after = used.results()
    assert {name: after[name] for name in before if "state.db" not in name} == {
        name: content for name, content in before.items() if "state.db" not in name
    }
    assert len(json.loads(used.pipeline("registry", "--json").stdout)) == 1


WRONG_USE = {
    ("--set", "AsOf=yesterday"): "--set AsOf: expected a time in UTC such as",
    ("--set", "Colour=red"): "there is no pipeline parameter 'Colour'; there is AsOf,",
    ("--set", "TrainingInstanceCount=two"): "expected Integer, got 'two'",
    ("--set", "AsOf"): "--set: expected NAME=VALUE, such as AsOf=..., got 'AsOf'",
}


@pytest.mark.parametrize(("options", "sentence"), WRONG_USE.items())
def test_wrong_parameters(used: Repository, options: tuple[str, ...], sentence: str) -> None:
    done = used.pipeline("run", *options, status=2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_moment_before_the_data_has_no_rows(used: Repository) -> None:
    done = used.pipeline("run", "--set", "AsOf=2001-01-01T00:00:00Z", status=1)
    assert "the feature store has no rows as of 2001-01-01T00:00:00.000Z" in done.stdout


WRONG_SETTINGS = {
    ("jobs = 1", 'jobs = "1"'): "[tuning] jobs: expected a whole number, got '1'",
    ("salt =", "salz ="): "[split] salz: unknown key; expected one of salt,",
    ('metric = "auc > 0.75"', 'metric = "auk > 1"'): "[gate] metric: expected a metric of a binary",
    ("[split]", "[split"): "not valid TOML:",
}


@pytest.mark.parametrize(("change", "sentence"), WRONG_SETTINGS.items())
def test_wrong_settings(used: Repository, change: tuple[str, str], sentence: str) -> None:
    settings = used.path / "pipeline.toml"
    text = settings.read_text()
    try:
        used.edit("pipeline.toml", *change)
        done = used.pipeline("run", status=2)
    finally:
        settings.write_text(text)
    assert done.stderr.startswith("pipeline: pipeline.toml")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_audit_pack_is_checked_by_python_alone_and_nobodys_data_is_in_it(
    churn_run: Run, tmp_path: Path
) -> None:
    repository, file = churn_run.repository, tmp_path / "pack.zip"
    repository.pipeline("audit", "1", "-o", file)
    alone = [sys.executable, "-I", "-S", "-B", str(file)]
    done = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    with zipfile.ZipFile(file) as archive:
        content = b"\n".join(archive.read(name) for name in archive.namelist())
    with (repository.path / "data/churn.csv").open(encoding="utf-8", newline="") as table:
        ids = {row["custid"].encode() for row in csv.DictReader(table)} - {b""}
    assert len(ids) > 4_000
    assert not ids & set(re.findall(rb"[A-Z0-9]+", content))
    assert str(repository.path).encode() not in content
