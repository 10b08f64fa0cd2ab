"""Reading compiled definitions in tests, and holding their requests against botocore's model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

REQUESTS = {
    "Processing": ("CreateProcessingJob", "ProcessingJobName"),
    "Tuning": ("CreateHyperParameterTuningJob", "HyperParameterTuningJobName"),
    "Model": ("CreateModel", "ModelName"),
    "Transform": ("CreateTransformJob", "TransformJobName"),
    "RegisterModel": ("CreateModelPackage", "ModelPackageName"),
}
"""What SageMaker calls for a step, and the name that it gives by itself."""


def stand_in(value: Any, shape: Any) -> Any:
    """A request with a value of the right type for whatever an execution would put there."""
    if isinstance(value, dict) and set(value) & {"Get", "Std:Join", "Std:JsonGet"}:
        return 1 if shape.type_name in ("integer", "long") else "s3://bucket/key"
    if shape.type_name == "structure":
        return {k: stand_in(v, shape.members[k]) if k in shape.members else v
                for k, v in value.items()}  # fmt: skip
    if shape.type_name == "list":
        return [stand_in(item, shape.member) for item in value]
    if shape.type_name == "map":
        return {k: stand_in(v, shape.value) for k, v in value.items()}
    return value


def steps_by_name(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every step, those in a condition's branches too."""
    return {step["Name"]: step for step in all_steps(definition["Steps"])}


def all_steps(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in found:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from all_steps(step["Arguments"].get(branch, []))


def references(value: Any) -> set[str]:
    """The steps that a value refers to, without those that a condition decides on."""
    value = {k: v for k, v in value.items() if k not in ("IfSteps", "ElseSteps")}
    return set(re.findall(r'"Get": "Steps\.([A-Za-z0-9]+)\.', json.dumps(value)))


def service_errors(steps: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What botocore says of the requests: it knows every field, its type, and what is required."""
    import botocore.session
    from botocore.validate import ParamValidator

    service = botocore.session.get_session().get_service_model("sagemaker")
    for name, step in steps.items():
        if step["Type"] not in REQUESTS:
            assert step["Type"] == "Condition", step["Type"]
            continue
        operation, given = REQUESTS[step["Type"]]
        shape = service.operation_model(operation).input_shape
        request = {**stand_in(step["Arguments"], shape), given: "given"}
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            yield f"{name}: {report.generate_report()}"
