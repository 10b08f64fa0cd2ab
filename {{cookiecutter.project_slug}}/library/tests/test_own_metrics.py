"""Metrics of the team's own: from `[gate] metrics` to the gate's condition, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from dataset import DataError
from ninesteps.errors import SettingsError
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from ninesteps.step_code import bundle
from ninesteps.validation.example import example_evaluation
from ninesteps.validation.own_metrics import MODULE
from ninesteps.validation.repository import definition_violations
from own_metrics import own_value

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = '''\
"""Ours."""

from helper import CALL


def cost_per_customer(labels, predictions, scores):
    return CALL * float(predictions.mean())


def _private():
    pass
'''


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """This repository with a metric of its own in the gate."""
    shutil.copytree(ROOT / "model_build", tmp_path / "model_build")
    settings = (ROOT / "pipeline.toml").read_text(encoding="utf-8")
    old = 'metric = "auc > 0.75"'
    assert settings.count(old) == 1
    new = 'metric = "auc > 0.75 and cost_per_customer < 2.5"\nmetrics = ["cost_per_customer"]'
    (tmp_path / "pipeline.toml").write_text(settings.replace(old, new), encoding="utf-8")
    steps = tmp_path / bundle.STEPS
    (steps / "custom_metrics.py").write_text(FUNCTION, encoding="utf-8")
    (steps / "helper.py").write_text("CALL = 2.0\n", encoding="utf-8")
    return tmp_path


def load(repository: Path) -> Settings:
    return loading.load(repository).with_backend("open_source")


def definition(settings: Settings) -> dict[str, Any]:
    from ninesteps.runs import compiled  # the SDK: seconds to import

    content: dict[str, Any] = json.loads(compiled.definition(settings, settings.environment()))
    return content


def test_the_definition_names_the_metric_and_has_no_findings(repository: Path) -> None:
    settings = load(repository)
    content = definition(settings)
    assert definition_violations(settings, json.dumps(content)) == []
    steps = {step["Name"]: step for step in content["Steps"]}
    arguments = steps["ChurnEvalBestModel"]["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert arguments[-2:] == ["--metric", "cost_per_customer"]
    paths = [c["LeftValue"]["Std:JsonGet"]["Path"]
             for c in steps["CheckAUCScoreChurnEvaluation"]["Arguments"]["Conditions"]]  # fmt: skip
    assert paths == [f"binary_classification_metrics.{name}.value"
                     for name in ("auc", "cost_per_customer")]  # fmt: skip


def test_a_gate_may_leave_it_out(repository: Path) -> None:
    settings = load(repository)
    gate = replace(settings.gate, metric="auc > 0.75")
    assert "cost_per_customer" in json.dumps(definition(replace(settings, gate=gate)))


def test_the_module_travels_with_the_evaluation_and_with_nothing_else(repository: Path) -> None:
    settings = load(repository)
    carrying = {script: {"custom_metrics.py", "helper.py"} <= set(code.files)
                for script in bundle.PROCESSING_SCRIPTS
                for code in [bundle.processing_code(settings, script)]}  # fmt: skip
    assert [script for script, carries in carrying.items() if carries] == ["evaluate.py"]
    assert "custom_metrics.py" not in bundle.training_code(settings, "train.py").files


def test_without_one_the_evaluations_code_has_no_such_module() -> None:
    code = bundle.processing_code(load(ROOT), "evaluate.py")
    assert "custom_metrics.py" not in code.files


def test_the_example_has_the_metric_without_calling_it(repository: Path) -> None:
    (repository / MODULE).write_text("def cost_per_customer(): raise SystemExit\n")
    content = example_evaluation(load(repository))
    metrics = content["binary_classification_metrics"]
    assert list(metrics)[-1] == "cost_per_customer"
    assert metrics["cost_per_customer"].keys() == metrics["auc"].keys()


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (None, "got none"),
        ("", "got none"),
        ("from __future__ import annotations\nimport cost_per_customer\n", "got none"),
        ("def _cost_per_customer(): pass\ndef cost(): pass\n", "got cost"),
        ("class A:\n    def cost_per_customer(self): pass\n", "got none"),
    ],
)
def test_a_name_without_a_function_is_refused_in_one_sentence(
    repository: Path, module: str | None, sentence: str
) -> None:
    (repository / MODULE).unlink()
    if module is not None:
        (repository / MODULE).write_text(module, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        example_evaluation(load(repository))
    assert str(refused.value) == (
        f"pipeline.toml [gate] metrics: expected a function cost_per_customer in {MODULE}, "
        f"{sentence}"
    )


def test_a_function_that_is_imported_by_name_is_one(repository: Path) -> None:
    (repository / MODULE).write_text("from helper import cost as cost_per_customer\n")
    assert example_evaluation(load(repository))


def test_a_module_that_is_no_python_is_named_with_its_line(repository: Path) -> None:
    (repository / MODULE).write_text("def cost_per_customer(\n")
    with pytest.raises(SettingsError, match=rf"^{MODULE}: line 1: "):
        example_evaluation(load(repository))


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), "0.9", None, np.array(0.9), np.array([0.9]), 1j, math.nan]
)
def test_what_is_no_number_is_no_metric(value: object) -> None:
    test, answers = Mock(labels=np.zeros(2)), Mock(labels=np.zeros(2), probabilities=None)
    with pytest.raises(DataError, match=r"custom_metrics\.py gain: expected a finite number, got "):
        own_value("gain", lambda *_: value, test, answers)  # type: ignore[arg-type, return-value]
    for number in (1, 0.5, np.float32(0.5), np.int64(3)):
        assert own_value("gain", lambda *_, n=number: n, test, answers) == number
