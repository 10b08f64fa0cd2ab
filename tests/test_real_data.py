"""Real tables: the churn lab's own customers beside plain XGBoost, and three by `custom`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import SHARED_DATA, Repository, Run, in_full_tier, render_scenario
from drafts import adopt

TABLE = SHARED_DATA / "storedata_total.csv"

EMPLOYEES = SHARED_DATA / "hr_attrition_ibm.csv"
CLAIMS = SHARED_DATA / "fraud_auto_claims_aws_synthetic.csv"
WAGES = SHARED_DATA / "salary_cps1988.csv"

pytestmark = pytest.mark.skipif(
    not all(file.is_file() for file in (TABLE, EMPLOYEES, CLAIMS, WAGES)),
    reason=f"{SHARED_DATA} is not on this machine",
)

COUNTED = {
    "rows read": 30_801,
    "rows used": 30_769,
    "missing created": 20,
    "missing firstorder": 20,
    "unreadable date in firstorder": 12,
    "missing lastorder": 20,
    "unreadable date in lastorder": 23,
    "empty custid": 20,
    "duplicate custid": 12,
    "first order after last order": 6,
}
LAB_SETTINGS = {"objective": "binary:logistic", "eval_metric": "auc", "eta": "0.3"}
LAB_ROUNDS = 100
LIMIT = "auc > 0.75"
"""Churn's own gate."""


@pytest.fixture(scope="module")
def refused(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on real customers whose gate nothing reaches."""
    repository = render_scenario(template, tmp_path_factory.mktemp("customers"), "churn")
    repository.edit("pipeline.toml", LIMIT, "auc > 0.999")
    run = Run(repository, repository.pipeline("run", "--data", TABLE).stdout)
    assert repository.pipeline("registry", "--json").stdout.strip() == "[]"
    return run


@in_full_tier
def test_a_gate_out_of_reach_refuses_and_says_by_how_much(refused: Run) -> None:
    assert re.search(r"auc 0\.\d+ > 0\.999  fails by 0\.0\d+", refused.output)
    assert "registered nothing" in refused.output


def test_real_customers_are_as_good_as_plain_xgboost(refused: Run) -> None:
    """The model is the refused run's: with the gate of churn it is registered."""
    repository = refused.repository
    repository.edit("pipeline.toml", "auc > 0.999", LIMIT)
    done = repository.pipeline("run", "--data", TABLE)
    for what, count in COUNTED.items():
        assert re.search(rf"^ +{count:,}  {what}", done.stdout, re.MULTILINE), what
    assert "registered customer-churn version 1" in done.stdout
    metrics = refused.read("ChurnEvalBestModel/evaluation/evaluation.json")
    tuned = metrics["binary_classification_metrics"]["auc"]["value"]
    plain = plain_xgboost(refused.execution / "ChurnModelProcess")
    print(f"\ntest AUC: tuned {tuned:.5f}, plain XGBoost on the same split {plain:.5f}")
    assert tuned >= plain - 0.003
    assert tuned >= 0.970


def plain_xgboost(folder: Path) -> float:
    """The test AUC of XGBoost with the lab's settings on the very same splits."""
    import booster
    from dataset import read_split
    from metrics import auc

    train, test = (read_split(folder / name, name) for name in ("train", "test"))
    data = booster.DMatrix(train.features, label=train.labels)
    model = booster.train({**LAB_SETTINGS, "nthread": 2}, data, num_boost_round=LAB_ROUNDS)
    return auc(test.labels, model.predict(booster.DMatrix(test.features)).astype("float64"))


def few_trials(repository: Repository) -> None:
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 3")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 3")


def test_a_table_without_the_facets_is_a_clear_error_with_the_attrition_settings(
    render: Callable[..., Repository],
) -> None:
    repository = render(scenario="attrition")
    done = repository.pipeline("run", "--data", EMPLOYEES, status=2)
    assert re.search(r"expected a column .*'ethnicity', 'location', got Age, Attr", done.stderr)
    assert len(done.stderr.splitlines()) == 1


@in_full_tier
def test_real_employees_run_with_the_facets_that_the_table_has(
    render: Callable[..., Repository],
) -> None:
    repository = render(
        scenario="custom",
        label="Attrition",
        metric_gate="auc > 0.7",
        bias_gate="worst_dppl < 0.1",
        bias_facets="Gender, Age>=40",
    )
    few_trials(repository)
    repository.edit("pipeline.toml", "exclude = []", 'exclude = ["Gender", "Age"]')
    adopt(repository, EMPLOYEES)
    printed = repository.pipeline("run").stdout
    assert re.search(r"^ +1,470  rows used", printed, re.MULTILINE)
    assert re.search(r"auc 0\.[78]\d+ > 0\.7  passes", printed)
    # Of 220 test rows fewer than 100 are women, and fewer than 100 are 40 or older.
    assert "gender, age_ge_40: no group of 100 rows beside 100 others" in printed
    assert "registered nothing" in printed


@in_full_tier
def test_on_real_claims_a_recall_above_its_bound_is_out_of_reach(
    render: Callable[..., Repository],
) -> None:
    repository = render(
        scenario="custom",
        label="fraud",
        metric_gate="recall > 0.95 and precision > 0.5",
        bias_facets="customer_gender, customer_age>=60",
    )
    few_trials(repository)
    repository.edit("pipeline.toml", 'threshold = "accuracy"', 'threshold = "recall"')
    adopt(repository, CLAIMS)
    printed = repository.pipeline("run").stdout
    recall = r"validation recall at least 0\.\d+ \(90 % confidence\), not above 0\.95"
    assert re.search(recall, printed)
    assert "registered nothing" in printed


@in_full_tier
def test_real_wages_are_a_regression(render: Callable[..., Repository]) -> None:
    repository = render(
        scenario="custom",
        problem_type="regression",
        label="wage",
        metric_gate="r2 > 0.2",
        bias_facets="ethnicity, region",
    )
    few_trials(repository)
    adopt(repository, WAGES)
    printed = repository.pipeline("run").stdout
    assert re.search(r"r2 0\.\d+ > 0\.2  passes", printed)
    assert "registered custom-pipeline version 1" in printed
