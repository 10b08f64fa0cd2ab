"""The compiled definition of this repository: nine steps, and an engine that takes them all."""

import json
import re
from pathlib import Path

import pytest

from cli import settings as pipeline_settings
from local_sagemaker.definition import Definition, read_definition

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def text() -> str:
    from model_build import pipeline

    settings = pipeline_settings.load(ROOT)
    return pipeline.definition(settings, settings.environment())


@pytest.fixture(scope="module")
def definition(text: str) -> Definition:
    return read_definition(text)


def test_there_are_nine_steps(definition: Definition) -> None:
    types = sorted(step.type for step in definition.steps.values())
    assert types == [
        "Condition",
        *["Model", "Processing", "Processing", "Processing", "Processing"],
        *["RegisterModel", "Transform", "Tuning"],
    ]


def test_a_version_is_registered_only_behind_the_gate(definition: Definition) -> None:
    (register,) = (s for s in definition.steps.values() if s.type == "RegisterModel")
    assert register.branch is not None
    condition, outcome = register.branch
    assert definition.steps[condition].type == "Condition"
    assert outcome is True
    assert register.arguments["ModelApprovalStatus"] == "PendingManualApproval"


def test_the_code_that_the_definition_names_is_what_compile_puts_there(text: str) -> None:
    from model_build import pipeline

    settings = pipeline_settings.load(ROOT)
    objects = pipeline.code_objects(settings, settings.environment())
    prefixes = {uri.rpartition("/")[0] for uri in objects}
    assert set(re.findall(r"s3://[^\"]+/code/[0-9a-f]+", text)) == prefixes


def test_container_arguments_keep_within_sagemakers_limit(text: str) -> None:
    for step in json.loads(text)["Steps"]:
        specification = step["Arguments"].get("AppSpecification", {})
        for argument in specification.get("ContainerArguments", []):
            assert len(str(argument)) <= 256
