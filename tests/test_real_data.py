"""The lab's own customers: from raw columns to a registered model, beside plain XGBoost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SHARED_DATA, Repository

TABLE = SHARED_DATA / "storedata_total.csv"

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason=f"{TABLE} is not on this machine")

COUNTED = {
    "rows read": 30_801,
    "put into the feature store": 30_781,
    "unreadable date in created": 20,
    "unreadable date in firstorder": 32,
    "unreadable date in lastorder": 43,
    "empty custid": 20,
    "repeated custid": 12,
    "first order after last order": 6,
}
LAB_SETTINGS = {"objective": "binary:logistic", "eval_metric": "auc", "eta": "0.3"}
LAB_ROUNDS = 100


def test_real_customers_are_as_good_as_plain_xgboost(render: Callable[..., Repository]) -> None:
    repository = render()
    done = repository.pipeline("run", "--data", TABLE)
    for what, count in COUNTED.items():
        assert re.search(rf"^ +{count:,}  {what}", done.stdout, re.MULTILINE), what
    assert "registered customer-churn version 1" in done.stdout
    (execution,) = repository.path.glob(".local/s3/*/*/executions/*")
    evaluation = execution / "ChurnEvalBestModel/evaluation/evaluation.json"
    metrics = json.loads(evaluation.read_text())["binary_classification_metrics"]
    tuned, plain = metrics["auc"]["value"], plain_xgboost(execution / "ChurnModelProcess")
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


def test_a_gate_out_of_reach_refuses_and_says_by_how_much(
    render: Callable[..., Repository],
) -> None:
    repository = render(metric_gate="auc > 0.999")
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 2")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 2")
    done = repository.pipeline("run", "--data", TABLE)
    assert re.search(r"auc 0\.\d+ > 0\.999  fails by 0\.0\d+", done.stdout)
    assert "registered nothing" in done.stdout
    assert repository.pipeline("registry", "--json").stdout.strip() == "[]"
