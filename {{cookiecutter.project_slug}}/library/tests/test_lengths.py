"""Texts that an execution puts together are measured at their longest, as far as that is known."""

from __future__ import annotations

from typing import Any

import pytest

from ninesteps.validation.compiled import Compiled
from ninesteps.validation.lengths import longest

ID = {"Get": "Execution.PipelineExecutionId"}
OUTPUT = {"Std:Join": {"On": "/", "Values": ["s3://b", ID, "One"]}}  # 6 + 1 + 12 + 1 + 3
CONTENT: dict[str, Any] = {
    "Parameters": [{"Name": "Kind", "Type": "String", "DefaultValue": "ml.m5.large",
                    "EnumValues": ["ml.m5.large", "ml.m5.24xlarge"]}],
    "Steps": [
        {"Name": "One", "Type": "Processing", "Arguments": {"ProcessingOutputConfig": {"Outputs": [
            {"OutputName": "test", "S3Output": {"S3Uri": OUTPUT}}]}}},
        {"Name": "Round", "Type": "Transform", "Arguments": {
            "TransformOutput": {"S3OutputPath": {"Get": "Steps.Round.TransformOutput.S3OutputPath"}}
        }},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "characters"),
    [
        ("abc", 3),
        (ID, 12),
        (OUTPUT, 23),
        ({"Get": "Parameters.Kind"}, len("ml.m5.24xlarge")),
        ({"Get": "Steps.One.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"}, 23),
        ({"Get": "Steps.One.ProcessingJobName"}, 63),
        ({"Get": "Steps.Search.TrainingJobSummaries[0].TrainingJobName"}, 0),  # there is none
        ({"Get": "Steps.One.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"}, 0),
        ({"Get": "Steps.Round.TransformOutput.S3OutputPath"}, 0),  # a circle
        ({"Std:Join": {"On": "/", "Values": []}}, 0),
        ({"Std:JsonGet": {"Path": "a"}}, 0),
        (5, 0),
    ],
)
def test_a_text_at_its_longest(value: Any, characters: int) -> None:
    assert longest(value, Compiled(CONTENT, {})) == characters
