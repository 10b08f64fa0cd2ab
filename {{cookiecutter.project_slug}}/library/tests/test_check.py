"""The check of a compiled definition: no findings in this repository's, each mistake found.

One definition is compiled; every mistake is made in a copy of it, one at a time.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from mistakes import EXECUTION_ID, MISTAKES, Json, Mistake, comparison, of_type, processing
from ninesteps.definition.values import function_of
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.settings import Settings
from ninesteps.validation import Finding, check_definition, service
from ninesteps.validation.example import example_evaluation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings() -> Settings:
    own = pipeline_settings.load(ROOT)
    if not own.data.file:
        pytest.skip("pipeline.toml names no table yet")
    return own.with_backend("open_source")  # mistakes are made in its step too


@pytest.fixture(scope="module")
def good(settings: Settings) -> Json:
    from ninesteps.runs import compiled  # the SDK: seconds to import

    content: Json = json.loads(compiled.definition(settings, settings.environment()))
    return content


@pytest.fixture(scope="module")
def evaluation(settings: Settings) -> Json:
    return example_evaluation(settings)


def test_this_repositorys_definition_has_no_findings(good: Json, evaluation: Json) -> None:
    assert check_definition(good, evaluation) == []


def findings_after(
    good: Json, evaluation: Json, change: Callable[[Json], Any]
) -> tuple[Any, Json, list[Finding]]:
    """What a change gives back, the changed definition, and what is found in it."""
    content = copy.deepcopy(good)
    changed = change(content)
    return changed, content, check_definition(content, evaluation)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_nothing_else(
    mistake: Mistake, good: Json, evaluation: Json
) -> None:
    step, _, findings = findings_after(good, evaluation, mistake.make)
    sentences = [str(finding) for finding in findings]
    begins = f"step {step}: " if step else "the pipeline: "
    assert [s for s in sentences if s.startswith(begins) and mistake.is_said_in(s)]
    strangers = [s for s in sentences if not mistake.is_about(s)]
    assert not strangers
    assert all("expected" in sentence and "\n" not in sentence for sentence in sentences)


def right(content: Json) -> None:
    """Changes that a definition may have, all at once."""
    process, register = processing(content, "process.py"), of_type(content, "RegisterModel")
    process["CacheConfig"]["ExpireAfter"] = "P1Y2M3W4DT5H6M7S"
    process["DisplayName"] = "Préparer les données"
    process["Arguments"]["Environment"] = {"EXECUTION": EXECUTION_ID, "ZERO": ""}
    process["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"] = "s3://bucket"
    register["Arguments"]["ModelPackageDescription"] = "Größe ≥ 1, 客户 😀"
    register["Arguments"]["CustomerMetadataProperties"]["gate"] = "über 0.5 and /f1 gt 1e-3/"
    register["Arguments"]["Tags"] = [{"Key": "équipe", "Value": "数据"}]
    comparison(content)["RightValue"] = 1
    tuning = of_type(content, "Tuning")["Arguments"]["HyperParameterTuningJobConfig"]
    tuning["ResourceLimits"]["MaxParallelTrainingJobs"] = {"Get": "Parameters.Parallel"}
    content["Parameters"].append(
        {"Name": "Parallel", "Type": "Integer", "DefaultValue": 2, "EnumValues": [1, 2]}
    )
    retried = {"ExceptionType": ["Step.THROTTLING"], "ExpireAfterMin": 5}
    of_type(content, "Model")["RetryPolicies"].append(retried)
    content["Steps"].append({"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}})


def test_what_a_definition_may_have_is_no_finding(good: Json, evaluation: Json) -> None:
    assert findings_after(good, evaluation, right)[2] == []


def stand_in(value: Any, shape: Any) -> Any:
    """A request with a value of the right type for whatever an execution would put there."""
    if function_of(value):
        return 1 if shape.type_name in ("integer", "long") else "s3://bucket/key"
    if isinstance(value, dict) and shape.type_name in ("structure", "map"):
        members = getattr(shape, "members", None) or dict.fromkeys(
            value, getattr(shape, "value", 0)
        )
        return {k: stand_in(v, members[k]) if k in members else v for k, v in value.items()}
    if isinstance(value, list) and shape.type_name == "list":
        return [stand_in(item, shape.member) for item in value]
    return value


def refused(content: Json) -> Iterator[str]:
    """The steps whose requests botocore's own validator does not pass."""
    steps = [*content["Steps"], *of_type(content, "Condition")["Arguments"].get("IfSteps", [])]
    for step in steps:
        if step["Type"] in service.CALLS:
            shape = service.request(step["Type"])
            request = {service.CALLS[step["Type"]].given: "given", **step["Arguments"]}
            if ParamValidator().validate(stand_in(request, shape), shape).has_errors():
                yield step["Name"]


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_what_botocores_own_validator_finds_is_found(
    mistake: Mistake, good: Json, evaluation: Json
) -> None:
    _, content, findings = findings_after(good, evaluation, mistake.make)
    assert set(refused(content)) <= {finding.step for finding in findings}


def test_a_definition_of_any_shape_is_read(good: Json, evaluation: Json) -> None:
    """Whatever stands where something else is expected: a finding, and never an exception."""
    assert check_definition({}, {}) and check_definition({"Steps": [7, {}]}, {})
    for key in ("Arguments", "DependsOn", "RetryPolicies", "CacheConfig", "PropertyFiles", "Type"):
        for odd in (7, None, [], [[]], "x", {"Get": []}, {"Std:Join": 7}, [{"Name": {}}]):
            for number, step in enumerate(good["Steps"]):
                if key in step:
                    findings_after(
                        good,
                        evaluation,
                        lambda c, n=number, k=key, o=odd: c["Steps"][n].update({k: o}),
                    )
