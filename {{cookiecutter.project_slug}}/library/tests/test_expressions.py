"""Get, Std:Join, Std:JsonGet and conditions: what they come to, and when they are an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import StepError
from ninesteps.local.expressions import Compared, Values, evaluate
from ninesteps.local.storage import Storage
from small_definitions import BUCKET, Json, compare, get, join, metric, read, step

FOLDER = f"{BUCKET}/another-execution/Evaluate/metrics"
OUTPUT = {
    "OutputName": "metrics",
    "S3Output": {"S3Uri": FOLDER, "LocalPath": "/opt/ml/processing/o"},
}
FILE = {"PropertyFileName": "Evaluation", "OutputName": "metrics", "FilePath": "evaluation.json"}
EVALUATION = {
    "auc": {"value": 0.8},
    "confusion": [[40, 2], [3, 5]],
    "facets": [{"name": "city"}],
    "by group": {"a.b": 0.25},
    "note": "fine",
    "none": None,
    "yes": True,
}


@pytest.fixture
def values(tmp_path: Path) -> Values:
    """An execution in which Evaluate and Tune have ended."""
    process = {
        "AppSpecification": {"ContainerEntrypoint": ["python3", "/opt/ml/code.py"]},
        "ProcessingOutputConfig": {"Outputs": [OUTPUT]},
    }
    storage = Storage(tmp_path)
    storage.write(f"{FOLDER}/evaluation.json", json.dumps(EVALUATION).encode())
    return Values(
        definition=read(step("Evaluate", "Processing", process, PropertyFiles=[FILE])),
        storage=storage,
        parameters={"Name": "churn", "Count": 2, "Rate": 0.5, "Check": True},
        execution={"PipelineExecutionId": "abc"},
        properties={
            "Evaluate": process,
            "Tune": {"TrainingJobSummaries": [{"TrainingJobName": "job-7"}, {}], "Channels": [
                {"ChannelName": "train", "Rows": 70}, {"ChannelName": "test", "Rows": 30},
            ]},
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("as it stands", "as it stands"),
        (None, None),
        ({"a": [1, {"b": get("Parameters.Count")}]}, {"a": [1, {"b": 2}]}),
        ({"Get": "no function", "b": "beside it"}, {"Get": "no function", "b": "beside it"}),
        (get("Parameters.Name"), "churn"),
        (get("Parameters.Check"), True),
        (get("Execution.PipelineExecutionId"), "abc"),
        (get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"), "job-7"),
        (get("Steps.Tune.Channels['test'].Rows"), 30),
        (get("Steps.Evaluate.ProcessingOutputConfig.Outputs['metrics'].S3Output.S3Uri"), FOLDER),
        (join("s3://b", get("Parameters.Count"), get("Parameters.Check")), "s3://b/2/true"),
        (join(join("a", "b"), get("Parameters.Rate")), "a/b/0.5"),
        ({"Std:Join": {"On": "", "Values": ["a", "b"]}}, "ab"),
        (metric("auc.value"), 0.8),
        (metric("confusion[1][0]"), 3),
        (metric("facets[0].name"), "city"),
        (metric("['by group']['a.b']"), 0.25),
        (metric("none"), None),
        ({"Std:JsonGet": {"S3Uri": join(FOLDER, "evaluation.json"), "Path": "note"}}, "fine"),
    ],
)
def test_an_expression_comes_to_its_value(values: Values, expression: object, value: Any) -> None:
    assert values.resolve(expression) == value


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (get("Steps.Tune.BestTrainingJob.Name"), "has nothing at 'BestTrainingJob.Name'"),
        (get("Steps.Tune.TrainingJobSummaries[2]"), "has nothing at 'TrainingJobSummaries.2.'"),
        (get("Steps.Tune.Channels['validation'].Rows"), "has nothing at"),
        (metric("recall.value"), f"{FOLDER}/evaluation.json has nothing at 'recall.value'"),
        (metric("auc.value.mean"), "has nothing at 'auc.value.mean'"),
        (metric("confusion.value"), "has nothing at 'confusion.value'"),
        (metric("confusion[2]"), "has nothing at"),
        (metric("note[0]"), "has nothing at"),
        (metric("auc[0]"), "has nothing at"),
        (metric("auc["), "the path 'auc\\[' cannot be read"),
        (metric("auc..value"), "cannot be read"),
        (join("a", get("Steps.Tune.Channels")), "Std:Join: expected texts and numbers, got "),
        (join("a", None), "Std:Join: expected texts and numbers, got None"),
    ],
)
def test_what_is_not_there_is_an_error(values: Values, expression: object, words: str) -> None:
    with pytest.raises(StepError, match=words):
        values.resolve(expression)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"auc = 0.8", "evaluation.json cannot be read as JSON: Expecting value"),
        (b"\xff\xfe", "evaluation.json cannot be read as JSON: 'utf-8' codec"),
        (b'{"auc": {"value": NaN}}', "cannot be read as JSON: expected a number, got NaN"),
        (
            b'{"auc": {"value": -Infinity}}',
            "cannot be read as JSON: expected a number, got -Infinity",
        ),
    ],
)
def test_a_property_file_that_is_no_json(values: Values, content: bytes, words: str) -> None:
    values.storage.write(f"{FOLDER}/evaluation.json", content)
    with pytest.raises(StepError, match=words):
        values.resolve(metric("auc.value"))


def test_a_property_file_that_is_gone(values: Values) -> None:
    values.storage.file(f"{FOLDER}/evaluation.json").unlink()
    with pytest.raises(StepError, match=f"there is nothing at {FOLDER}/evaluation.json"):
        values.resolve(metric("auc.value"))


# Conditions

LITTLE, MUCH = compare(1, "GreaterThan", 2), compare(2, "GreaterThan", 1)


def negated(inner: Json) -> Json:
    return {"Type": "Not", "Condition": inner}


def either(*parts: Json) -> Json:
    return {"Type": "Or", "Conditions": list(parts)}


def among(value: object, *others: object) -> Json:
    return {"Type": "In", "QueryValue": value, "Values": list(others)}


@pytest.mark.parametrize(
    ("stated", "holds"),
    [
        (compare(1, "Equals", 1.0), True),
        (compare(1, "Equals", 2), False),
        (compare("a", "Equals", get("Parameters.Name")), False),
        (compare(get("Parameters.Check"), "Equals", True), True),
        (compare(2, "GreaterThan", 2), False),
        (compare(3, "GreaterThan", 2), True),
        (compare(2, "GreaterThanOrEqualTo", 2), True),
        (compare(1, "GreaterThanOrEqualTo", 2), False),
        (compare(2, "LessThan", 2), False),
        (compare(1, "LessThan", 2), True),
        (compare(2, "LessThanOrEqualTo", 2), True),
        (compare(3, "LessThanOrEqualTo", 2), False),
        (compare(metric("auc.value"), "GreaterThan", get("Parameters.Rate")), True),
        (among(get("Parameters.Name"), "fraud", "churn"), True),
        (among(4, 1, get("Parameters.Count")), False),
        (negated(LITTLE), True),
        (negated(MUCH), False),
        (negated(negated(MUCH)), True),
        (either(LITTLE, LITTLE, MUCH), True),
        (either(LITTLE, LITTLE), False),
        (negated(either(negated(MUCH), negated(MUCH))), True),
        (negated(either(negated(MUCH), negated(LITTLE))), False),
    ],
)
def test_a_condition_holds_or_does_not(values: Values, stated: Json, holds: bool) -> None:
    assert evaluate(stated, values, []) is holds


@pytest.mark.parametrize("wrong", ["0.8", None, True, [0.8], {"value": 0.8}])
@pytest.mark.parametrize(
    "stated",
    [
        lambda value: compare(value, "GreaterThan", 0.5),
        lambda value: compare(0.5, "LessThan", value),
        lambda value: compare(value, "LessThanOrEqualTo", 0.5),
        lambda value: compare(value, "Equals", 0.5),
        lambda value: among(value, 0.5, 0.8),
        lambda value: negated(compare(value, "GreaterThanOrEqualTo", 0.5)),
        lambda value: either(MUCH, compare(value, "GreaterThan", 0.5)),
    ],
)
def test_what_is_no_number_is_an_error_and_never_a_no(
    values: Values, wrong: object, stated: Callable[[object], Json]
) -> None:
    with pytest.raises(StepError, match=r"cannot compare .*: expected two numbers"):
        evaluate(stated(wrong), values, [])


@pytest.mark.parametrize(
    "stated",
    [
        compare("b", "GreaterThan", "a"),
        compare(True, "LessThanOrEqualTo", True),
        compare(None, "Equals", None),
        compare("1", "Equals", 1),
        compare(True, "Equals", 1),
        among("1", 1, 2),
        among([1], [1]),
    ],
)
def test_texts_are_not_ordered_and_nothing_equals_another_type(
    values: Values, stated: Json
) -> None:
    with pytest.raises(StepError, match="cannot compare "):
        evaluate(stated, values, [])


def test_a_metric_that_is_missing_is_an_error_and_never_a_no(values: Values) -> None:
    with pytest.raises(StepError, match=r"has nothing at 'recall.value'"):
        evaluate(negated(compare(metric("recall.value"), "GreaterThan", 0.5)), values, [])


def test_every_comparison_is_noted_with_the_values_that_were_read(values: Values) -> None:
    compared: list[Compared] = []
    parts = either(
        compare(metric("auc.value"), "GreaterThan", 0.9),
        negated(compare(metric("['by group']['a.b']"), "LessThan", get("Parameters.Rate"))),
        compare(get("Parameters.Count"), "Equals", 2),
        among(get("Parameters.Name"), "churn"),
        compare(1, "LessThanOrEqualTo", 0),
    )
    assert evaluate(parts, values, compared)
    assert compared == [
        Compared("auc.value", 0.8, ">", 0.9, False),
        Compared("['by group']['a.b']", 0.25, "<", 0.5, True),
        Compared("Parameters.Count", 2, "==", 2, True),
        Compared("Parameters.Name", "churn", "in", ["churn"], True),
        Compared("1", 1, "<=", 0, False),
    ]
