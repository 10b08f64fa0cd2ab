"""Every scenario: its nine steps run on its sample; and one made up by data alone."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import (
    EVERY_SCENARIO,
    GENERATED,
    QUESTIONS,
    SAMPLED,
    Rendered,
    Repository,
    Run,
    in_full_tier,
    render_scenario,
)
from drafts import adopt
from page_structure import check_structure

Ran = Callable[[str], Run]

TABLES = tuple(
    name
    for name in SAMPLED
    if QUESTIONS["_scenarios"][name]["problem_type"] in ("binary", "regression")
)
"""The scenarios whose models learn from tables: `test_assist.py` has the other one."""

METRIC_WORDS = {"churn": "AUC", "fraud": "Recall", "attrition": "AUC", "salary": "RMSE"}
BIASED = {
    "churn": "BIASED_CITY",
    "fraud": "BIASED_REGION",
    "attrition": "BIASED_LOCATION",
    "salary": "BIASED_ETHNICITY",
}
"""Which constant of its generator names the group that a bias was planted in."""


@pytest.mark.parametrize("scenario", SAMPLED if EVERY_SCENARIO else TABLES)
def test_every_feature_and_every_column_has_a_meaning(ran: Ran, scenario: str) -> None:
    from ninesteps.report.dictionary import rows
    from ninesteps.settings import loading

    settings = loading.load(ran(scenario).repository.path)
    columns = ran(scenario).read(f"{prefix(scenario)}ModelProcess/test/columns.json")
    found = rows(settings, columns["features"])
    assert [row.name for row in found if not row.meaning] == []
    computed = settings.features.dictionary
    assert all(entry.columns for entry in computed.values())
    assert computed.keys() <= set(columns["features"])
    unseen = {row.name for row in found if not row.is_seen}
    assert unseen >= {*settings.model.exclude, *settings.data.pseudonyms}


def prefix(scenario: str) -> str:
    answer: str = QUESTIONS["_scenarios"][scenario]["step_prefix"]
    return answer


def biased_group(scenario: str) -> str:
    group: str = getattr(importlib.import_module(scenario), BIASED[scenario])
    return group


def evaluation(run: Run, scenario: str) -> dict[str, Any]:
    content: dict[str, Any] = run.read(
        f"{prefix(scenario)}EvalBestModel/evaluation/evaluation.json"
    )
    return content


@pytest.mark.parametrize("scenario", TABLES)
def test_a_run_ends_with_its_report(ran: Ran, scenario: str) -> None:
    """All parts are there, but for drift: nothing was run before."""
    run = ran(scenario)
    (name,) = re.findall(r"^report     (.+)$", run.output, re.MULTILINE)
    page = check_structure((run.repository.path / name).read_text(encoding="utf-8"))
    absent = [one.text for one in page.elements if one.attributes.get("class") == "absent"]
    assert [text for text in absent if "nothing to compare with" not in text] in (
        [], ["This run computed none."]
    )  # fmt: skip
    assert "the outcome is the same" in page.section("gate").text
    group = biased_group(scenario)
    assert f" {group}" in page.section("bias").text
    summary = (run.repository.path / name).with_suffix(".md").read_text(encoding="utf-8")
    assert "### The gate: `" in summary
    assert re.search(rf"^\| \w+ \| {group} \|", summary, re.MULTILINE)


@pytest.mark.parametrize("scenario", TABLES)
def test_the_nine_steps_run_and_register_a_version(ran: Ran, scenario: str) -> None:
    run, p = ran(scenario), prefix(scenario)
    table = run.output[run.output.index("seconds") :]
    rows = re.findall(r"^(\d)  (\w+) +(\w+) +Succeeded +\d+\.\d$", table, re.MULTILINE)
    assert [name for _, name, _ in rows] == [
        f"{p}ModelProcess",
        f"{p}HyperParameterTuning",
        f"{p}EvalBestModel",
        f"{p}CreateModel",
        f"{p}ModelConfigFile",
        f"{p}Transform",
        "ClarifyProcessingStep",
        f"Register{p}Model",
        f"Check{METRIC_WORDS[scenario]}Score{p}Evaluation",
    ]
    assert re.search(r"^registered \S+ version 1, PendingManualApproval$", table, re.MULTILINE)


@pytest.mark.parametrize("scenario", TABLES)
def test_the_version_has_a_model_card_that_meets_sagemakers_schema(ran: Ran, scenario: str) -> None:
    run = ran(scenario)
    card = json.loads(run.repository.pipeline("card", "1", "--json").stdout)
    assert {part["name"] for part in card["evaluation_details"]} == {
        "Test split", "Outcomes by group", "Most influential features",
    }  # fmt: skip
    assert "wrong format" not in card["additional_information"]["caveats_and_recommendations"]
    shown = run.repository.pipeline("card", "1").stdout
    whole = re.findall(r"^.{81,}$", shown, re.M)  # URIs and digests are not broken
    assert whole
    assert all(len(line.split()[-1]) > 80 - 30 for line in whole)
    assert card["model_overview"]["model_artifact"][0] in shown


@pytest.mark.parametrize("scenario", TABLES)
def test_the_planted_bias_comes_out_worst_by_the_generators_margin(ran: Ran, scenario: str) -> None:
    generator, biased = importlib.import_module(scenario), biased_group(scenario)
    found = evaluation(ran(scenario), scenario)["bias_metrics"]["groups"]
    groups = [group for facet in found.values() for group in facet if group["counted"]]
    (planted,) = (group for group in groups if group["value"] == biased)
    others = [abs(group["dppl"]) for group in groups if group is not planted]
    assert planted["dppl"] >= generator.BIAS_GAP
    assert planted["dppl"] - max(others) >= generator.BIAS_MARGIN


@pytest.mark.parametrize("scenario", TABLES)
def test_the_evaluation_has_every_metric_that_a_gate_can_name(ran: Ran, scenario: str) -> None:
    from ninesteps.settings.gate import BIAS_METRICS, METRICS

    problem = QUESTIONS["_scenarios"][scenario]["problem_type"]
    section = {"binary": "binary_classification_metrics", "regression": "regression_metrics"}
    content = evaluation(ran(scenario), scenario)
    assert set(content[section[problem]]) == set(METRICS[problem])
    assert set(BIAS_METRICS[problem]) < set(content["bias_metrics"])
    printed = " ".join(ran(scenario).output.split())
    for name, metric in content[section[problem]].items():
        assert f"{name} {metric['value']:.4g}" in printed


@pytest.mark.parametrize("scenario", TABLES)
def test_bias_report_and_evaluation_agree(ran: Ran, scenario: str) -> None:
    run = ran(scenario)
    analysis = run.read("ClarifyProcessingStep/analysis_result/analysis.json")
    columns = run.read(f"{prefix(scenario)}ModelProcess/test/columns.json")
    keys = {facet["key"]: facet["column"] for facet in columns["facets"]}
    assert set(analysis) == {
        "version", "pre_training_bias_metrics", "post_training_bias_metrics", "explanations"
    }  # fmt: skip
    facets = analysis["post_training_bias_metrics"]["facets"]
    for key, groups in evaluation(run, scenario)["bias_metrics"]["groups"].items():
        for group, report in zip(groups, facets[f"facet_{keys[key]}"], strict=True):
            metrics = {metric["name"]: metric["value"] for metric in report["metrics"]}
            assert list(metrics) == sorted(metrics)
            assert (metrics["DPPL"], metrics["DI"]) == (group["dppl"], group["di"])


@pytest.mark.parametrize("scenario", TABLES)
def test_what_a_gate_reads_is_what_the_bias_report_says(ran: Ran, scenario: str) -> None:
    """Worked out of `analysis.json` alone, but for which groups are large enough to count."""
    run = ran(scenario)
    analysis = run.read("ClarifyProcessingStep/analysis_result/analysis.json")
    columns = run.read(f"{prefix(scenario)}ModelProcess/test/columns.json")
    numbers = evaluation(run, scenario)["bias_metrics"]
    reported = analysis["post_training_bias_metrics"]["facets"]
    gaps, ratios = {}, {}
    for facet in columns["facets"]:
        counted = {g["value"] for g in numbers["groups"][facet["key"]] if g["counted"]}
        metrics = [{m["name"]: m["value"] for m in group["metrics"]}
                   for group in reported[f"facet_{facet['column']}"]
                   if group["value_or_threshold"] in counted]  # fmt: skip
        assert len(metrics) == len(counted) > 0
        gaps[facet["key"]] = max(abs(m["DPPL"]) for m in metrics)
        ratios[facet["key"]] = min(min(m["DI"], 1 / m["DI"]) for m in metrics)
    assert {key: n["value"] for key, n in numbers["dppl"].items()} == gaps
    assert {key: n["value"] for key, n in numbers["di"].items()} == ratios
    assert numbers["worst_dppl"]["value"] == max(gaps.values())
    assert numbers["worst_di"]["value"] == min(ratios.values())


@pytest.mark.parametrize("scenario", TABLES)
def test_the_analysis_is_configured_as_the_sdk_accepts_it(
    ran: Ran, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clarify = importlib.import_module("sagemaker.core.clarify")
    run, p = ran(scenario), prefix(scenario)
    config = run.read(f"{p}ModelConfigFile/config/analysis_config.json")
    clarify.ANALYSIS_CONFIG_SCHEMA_V1_0.validate(config)
    (baseline,) = config["methods"]["shap"]["baseline"]
    assert len(baseline) == len(run.read(f"{p}ModelProcess/test/columns.json")["features"])
    bucket, _, key = config["predicted_label_dataset_uri"].removeprefix("s3://").partition("/")
    predictions = run.repository.path / ".local/s3" / bucket / key / "test.csv.out"
    first = predictions.read_text(encoding="utf-8").partition("\n")[0].split(",")
    assert len(first) == len(config["predicted_label_headers"])


@pytest.mark.parametrize("scenario", TABLES)
def test_what_is_excluded_is_measured_and_never_seen(ran: Ran, scenario: str) -> None:
    run = ran(scenario)
    settings = tomllib.loads((run.repository.path / "pipeline.toml").read_text("utf-8"))
    columns = run.read(f"{prefix(scenario)}ModelProcess/test/columns.json")
    for name in settings["model"].get("exclude", []):
        assert name in columns["context"]
        assert not [f for f in columns["features"] if f.lower().split("_")[0] == name]


# Fraud: the past learns, the future tests, and a high recall shows its price


def test_no_customer_is_in_two_splits_and_each_split_is_before_the_next(ran: Ran) -> None:
    run = ran("fraud")
    with (run.repository.path / "data/fraud.csv").open(newline="", encoding="utf-8") as rows:
        customer_of = {row["transaction_id"]: row["customer_id"] for row in csv.DictReader(rows)}
    customers, times, positives = [], [], []
    for split in ("train", "validation", "test"):
        path = run.execution / "FraudModelProcess" / split / f"{split}.csv"
        with path.open(newline="", encoding="utf-8") as lines:
            found = [row[:3] for row in csv.reader(lines)]
        customers.append({customer_of[identifier] for identifier, _, _ in found})
        times.append([moment for _, moment, _ in found])
        positives.append(sum(label == "1" for _, _, label in found))
    assert sum(map(len, customers)) == len(set.union(*customers))
    assert max(times[0]) < min(times[1]) <= max(times[1]) < min(times[2])
    assert min(positives[1:]) >= 300


def test_a_recall_gates_threshold_lies_above_it_by_the_lower_bound(ran: Ran) -> None:
    content = evaluation(ran("fraud"), "fraud")
    decision = content["decision"]
    assert decision["rule"] == "recall"
    assert decision["recall_target"] == 0.95
    assert decision["reached"] is True
    assert decision["recall_lower_bound"] > 0.95
    metrics = {n: m["value"] for n, m in content["binary_classification_metrics"].items()}
    assert metrics["flagged_share"] < 0.3  # not by flagging everybody
    assert metrics["precision"] > 0.2


@in_full_tier
def test_the_price_of_recall_may_be_gated_too(render: Callable[..., Repository]) -> None:
    gate = "recall > 0.95 and precision > 0.9 and flagged_share < 0.1"
    repository = render(scenario="fraud", metric_gate=gate)
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 2")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 2")
    printed = repository.pipeline("run").stdout
    assert re.search(r"precision 0\.\d+ > 0\.9  fails by", printed)
    assert "registered nothing" in printed


# Attrition: two algorithms, and a bias gate that nobody gets around


def test_both_algorithms_were_tried_and_the_better_one_is_registered(ran: Ran) -> None:
    run = ran("attrition")
    content = evaluation(run, "attrition")
    best = {name: one["objective"]["validation:auc"] for name, one in content["algorithms"].items()}
    assert set(best) == {"xgboost", "lightgbm"}
    assert content["algorithm"] == max(best, key=lambda name: best[name])
    assert content["objective"]["validation:auc"] == max(best.values())
    for name, one in content["algorithms"].items():
        assert one["trials"] >= 3
        assert set(one["binary_classification_metrics"]) >= {"auc", "recall"}
        assert f"{name} {one['objective']['validation:auc']:.3f}"[:-1] in run.output


def test_attrition_has_fifty_features(ran: Ran) -> None:
    columns = ran("attrition").read("AttritionModelProcess/test/columns.json")
    assert len(columns["features"]) >= 50
    assert {facet["column"] for facet in columns["facets"]} == {
        "gender", "age", "ethnicity", "location"
    }  # fmt: skip


def test_attrition_asks_for_two_pairs_of_eyes_and_a_second_approval(ran: Ran) -> None:
    repository = ran("attrition").repository
    started_by = json.loads(repository.pipeline("registry", "1", "--json").stdout)["started_by"]
    own = ("--who", started_by.upper(), "--why", "it is mine")
    said = repository.pipeline("approve", "1", *own, status=2).stderr
    assert "[approval] require_second_approver of pipeline.toml asks for somebody else" in said
    said = repository.pipeline("approve", "1", "--for", "production", *own, status=2).stderr
    assert "employee-attrition version 1 is not approved yet: pipeline approve 1" in said


def test_the_biased_sample_is_refused_by_the_bias_gate_alone(
    template: Path, tmp_path: Path
) -> None:
    repository = render_scenario(template, tmp_path, "attrition")
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 6")
    biased = repository.path / "data/attrition_biased.csv"
    done = repository.pipeline("run", "--data", biased, "--require-registered", status=3)
    assert re.search(r"auc 0\.\d+ > 0\.78  passes by", done.stdout)
    assert re.search(r"recall 0\.\d+ > 0\.7  passes by", done.stdout)
    assert re.search(r"worst_dppl 0\.\d+ < 0\.1  fails by", done.stdout)
    assert "registered nothing" in done.stdout


NO_LIMIT = "bias_gate: expected a limit for every facet, got"
UNGATED = {
    "bias_gate=": f"{NO_LIMIT} '', which does not limit gender, age>=40, ethnicity,",
    "bias_gate=worst_dppl < 0.3": f"{NO_LIMIT} 'worst_dppl < 0.3', which does not limit gender, ",
    "bias_gate=worst_dppl > 0.1": f"{NO_LIMIT} 'worst_dppl > 0.1', which does not limit gender, ",
    "bias_gate=dppl[gender] < 0.1": f"{NO_LIMIT} 'dppl[gender] < 0.1', which does not limit age",
    "bias_gate=worst_dppl < 0.1 or auc > 0.5": f"{NO_LIMIT} 'worst_dppl < 0.1 or auc > 0.5', whi",
    "bias_facets=": "bias_facets: expected facets over gender, age, ethnicity, location too",
    "bias_facets=gender, age>=40, ethnicity, location=L1|L2": (
        "bias_facets: expected facets over location too, value by value, got "
        "'gender, age>=40, ethnicity, location=L1|L2'"
    ),
    "problem_type=regression": "metric_gate: expected a metric of a regression problem (rmse, ",
    "bias_facets=gender, age>=40, location": (
        "bias_facets: expected facets over ethnicity too, value by value, got "
        "'gender, age>=40, location'"
    ),
}


A_RECALL = "expected a recall of at most 0.9"
BELOW_THE_FLOOR = {
    "attrition": {
        "metric_gate=recall > 0.7": "there is no `auc > 0.7`",
        "metric_gate=auc > 0.8 and recall > 0.01": "`recall > 0.01` is weaker than `recall > 0.6`",
        "metric_gate=auc > 0.8 and recall >= 0.6": "`recall >= 0.6` is weaker than `recall > 0.6`",
        "metric_gate=auc > 0.8 and recall < 0.1 or recall > 0.7": (
            "there is no `recall > 0.6` and `auc > 0.8 and recall < 0.1 and worst_dppl < 0.1` is"
        ),
        "metric_gate=auc > 0.8 and recall > 0.999": A_RECALL,
        "metric_gate=auc > 0.8 and recall > 0.7 or auc > 0.8 and recall > 0.95": A_RECALL,
    },
    "churn": {"metric_gate=f1 > 0.9": "there is no `auc > 0.7`"},
    "fraud": {"metric_gate=recall > 0.5": "`recall > 0.5` is weaker than `recall > 0.9`"},
    "salary": {
        "metric_gate=rmse < 20000": "`rmse < 20000` is weaker than `rmse < 15000 or r2 > 0.6`",
        "metric_gate=mae < 9000": "there is no `rmse < 15000 or r2 > 0.6`",
    },
}


@pytest.mark.parametrize(
    ("scenario", "answer", "sentence"),
    [(name, *case) for name, cases in BELOW_THE_FLOOR.items() for case in cases.items()],
)
def test_a_gate_below_the_floor_does_not_render(
    template: Path, tmp_path: Path, scenario: str, answer: str, sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-o", tmp_path, template,
         f"scenario={scenario}", answer],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    said = done.stderr.splitlines()[0]
    read = repr(answer.partition("=")[2])
    if sentence == A_RECALL:
        assert said.startswith(f"metric_gate: {sentence}, got {read}: ")
    else:
        assert re.match(rf"metric_gate: expected at least `.*`, got {re.escape(read)}, ", said)
        assert f", got {read}, where {sentence}" in said
    assert f"the profile {scenario} requires" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("answer", "sentence"), UNGATED.items())
def test_without_its_bias_gate_attrition_does_not_render(
    template: Path, tmp_path: Path, answer: str, sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-o", tmp_path, template,
         "scenario=attrition", answer],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "compile", "check"])
def test_without_its_bias_gate_attrition_does_not_load(
    template: Path, tmp_path: Path, command: str
) -> None:
    repository = render_scenario(template, tmp_path, "attrition")
    repository.edit("pipeline.toml", 'bias = "worst_dppl < 0.1"', 'bias = ""')
    done = repository.pipeline(command, status=2)
    assert re.sub(r" line \d+", "", done.stderr).startswith(
        f"pipeline: pipeline.toml [gate] {NO_LIMIT.replace('_gate', '')} ''"
    )
    assert len(done.stderr.splitlines()) == 1
    assert not (repository.path / ".local").exists()


WEAKENED = {
    "a number instead of a class": (
        [('problem = "binary"', 'problem = "regression"'),
         ('objective = "validation:auc"', 'objective = "validation:rmse"'),
         ('metric = "auc > 0.78 and recall > 0.70"', 'metric = "rmse < 1"'),
         ('favourable_label = 0', 'favourable_label = 1')],
        "[project] problem: expected binary, got 'regression'",
    ),
    "groups that are too small to count": (
        [("favourable_label = 0", "favourable_label = 0\nmin_group_size = 700")],
        "[bias] min_group_size: expected at most 100, got 700",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), WEAKENED.values(), ids=WEAKENED)
def test_a_mandatory_bias_gate_is_not_got_around_by_other_settings(
    template: Path, tmp_path: Path, changes: list[tuple[str, str]], sentence: str
) -> None:
    repository = render_scenario(template, tmp_path, "attrition")
    text = (repository.path / "pipeline.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(threshold|min_group_size) = .*\n( {5,}#.*\n)*", "", text)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    (repository.path / "pipeline.toml").write_text(text, encoding="utf-8")
    done = repository.pipeline("compile", status=2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_sensitive_attribute_cannot_be_fed_to_the_attrition_model(
    template: Path, tmp_path: Path
) -> None:
    repository = render_scenario(template, tmp_path, "attrition")
    settings = (repository.path / "pipeline.toml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^exclude = .*$", settings, re.MULTILINE)
    repository.edit("pipeline.toml", line, 'exclude = ["gender", "ethnicity", "location"]')
    done = repository.pipeline("compile", status=2)
    assert "[model] exclude: expected age to be excluded too" in done.stderr


# Custom: nothing until a table is named, then anything


@pytest.mark.parametrize("command", ["run", "compile", "check"])
def test_custom_says_what_to_do_until_a_table_is_named(rendered: Rendered, command: str) -> None:
    done = rendered("custom").pipeline(command, status=2)
    assert (
        "no table is named yet; `pipeline schema FILE --label NAME --write` drafts [data]"
        in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("sample", TABLES if EVERY_SCENARIO else ("churn",))
def test_custom_runs_on_a_table_from_its_draft_alone(
    render: Callable[..., Repository], sample: str
) -> None:
    chosen = QUESTIONS["_scenarios"][sample]
    repository = render(
        scenario="custom", problem_type=chosen["problem_type"], label=chosen["label"]
    )
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 1")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 1")
    folder = (
        GENERATED
        if sample == QUESTIONS["_in_place"]["scenario"]
        else GENERATED / "scenarios" / sample
    )
    adopt(repository, folder / "data" / f"{sample}.csv")
    printed = repository.pipeline("run").stdout
    assert len(re.findall(r"^\d  \w+ +\w+ +Succeeded", printed, re.MULTILINE)) >= 8


# A scenario is data


LOANS = """\
[project]
name = "Loan defaults"
pipeline = "loan-defaults"
profile = "loans"
prefix = "Loan"
problem = "binary"

[data]
file = "data/loans.csv"
record_id = "loan"
label = "defaulted"
snapshot = "2026-01-31T00:00:00Z"

[data.columns]
income = { type = "number" }
debt = { type = "number" }
branch = { type = "category", values = ["north", "south"] }

[split]
salt = "loans"

[tuning]
jobs = 2
parallel = 2

[tuning.ranges]
eta = { min = 0.1, max = 0.5 }
num_round = { min = 10, max = 20, integer = true }

[gate]
metric = "auc > 0.6"
bias = ""

[bias]
facets = "branch"
backend = "open_source"

[schedule]
cadence = "weekly"

[deploy]
rollout = "canary"

[notify]
email = ""

[aws]
region = "us-east-1"
"""


@pytest.fixture
def with_loans(template: Path, tmp_path: Path) -> Path:
    """A copy of the template with one more scenario: an entry and a folder, no line of Python."""
    copy = tmp_path / "template"
    shutil.copytree(template, copy)
    questions = json.loads((copy / "cookiecutter.json").read_text(encoding="utf-8"))
    questions["_scenarios"]["loans"] = {
        "project_name": "Loan defaults",
        "problem_type": "binary",
        "step_prefix": "Loan",
        "label": "defaulted",
        "metric_gate": "auc > 0.6",
        "bias_gate": "",
        "bias_facets": "branch",
        "retraining_cadence": "weekly",
    }
    questions["scenario"].append("loans")
    (copy / "cookiecutter.json").write_text(json.dumps(questions), encoding="utf-8")
    scenarios = copy / GENERATED.name / "scenarios"
    shutil.copytree(scenarios / "custom/feature_store", scenarios / "loans/feature_store")
    shutil.copytree(scenarios / "custom/tests", scenarios / "loans/tests")
    profiles = copy / GENERATED.name / "library/src/ninesteps/profiles"
    shutil.copyfile(profiles / "custom.toml", profiles / "loans.toml")
    (scenarios / "loans/pipeline.toml").write_text(LOANS, encoding="utf-8")
    rows = [
        f"L{n},{int(n % 7 < n % 3 + 2)},{1000 + n % 7 * 100},{n % 3 * 50},{'ns'[n % 2]}"
        for n in range(900)
    ]
    text = "\n".join(["loan,defaulted,income,debt,branch", *rows, ""])
    text = text.replace(",n\n", ",north\n").replace(",s\n", ",south\n")
    (scenarios / "loans/data").mkdir()
    (scenarios / "loans/data/loans.csv").write_text(text, encoding="utf-8")
    return copy


def test_a_scenario_made_up_by_data_alone_runs(with_loans: Path, tmp_path: Path) -> None:
    repository = render_scenario(with_loans, tmp_path / "out", "loans")
    printed = repository.pipeline("run").stdout
    assert "LoanModelProcess" in printed
    assert "CheckAUCScoreLoanEvaluation" in printed
    assert "registered loan-defaults version 1" in printed
    assert not (repository.path / "data/churn.csv").exists()


def test_a_choice_without_a_folder_is_refused(with_loans: Path, tmp_path: Path) -> None:
    shutil.rmtree(with_loans / GENERATED.name / "scenarios/loans")
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-o", tmp_path / "out", with_loans,
         "scenario=loans"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.startswith("scenario: the template has no folder scenarios/loans")


def test_no_python_asks_which_scenario_it_is_in() -> None:
    names = "|".join(QUESTIONS["_scenarios"])
    for path in GENERATED.rglob("*.py"):
        parts = path.relative_to(GENERATED).parts
        if parts[0] not in ("scenarios", "tests") and parts[:2] != ("library", "tests"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(rf"""==\s*["']({names})["']|ANSWERS\[|\bscenario ==""", text), path
