"""The bias step's two backends: one program, compiled for two images."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from ninesteps.definition.definition import read_definition
from ninesteps.errors import DefinitionError
from ninesteps.validation import check_definition
from ninesteps.validation.example import example_evaluation
from test_compiled_pipeline import settings_of

Json = dict[str, Any]
STEP = "ClarifyProcessingStep"
OPEN_ALONE = ("code", "model", "predictions")
"""What the script reads and Clarify's image gets otherwise, or does not need."""


@cache
def compiled(name: str, backend: str) -> str:
    from ninesteps.runs.compiled import definition  # the SDK: seconds to import

    settings = settings_of(name).with_backend(backend)
    return definition(settings, settings.environment())


def bias_step(content: Json) -> Json:
    step: Json = next(step for step in content["Steps"] if step["Name"] == STEP)
    return step


@pytest.fixture(params=["own", "comparing", "regression"])
def name(request: pytest.FixtureRequest) -> str:
    settings_of(str(request.param))  # or it is skipped
    return str(request.param)


def test_the_definitions_differ_in_image_entrypoint_and_the_scripts_own_inputs(name: str) -> None:
    opened, managed = (json.loads(compiled(name, b)) for b in ("open_source", "clarify"))
    specification = bias_step(opened)["Arguments"].pop("AppSpecification")
    image = bias_step(managed)["Arguments"].pop("AppSpecification")
    assert "sagemaker-xgboost:" in specification["ImageUri"]
    assert specification["ContainerEntrypoint"][-1].endswith("/clarify.py")
    assert image.keys() == {"ImageUri"}
    assert image["ImageUri"].endswith("/sagemaker-clarify-processing:1.0")
    inputs = bias_step(opened)["Arguments"]["ProcessingInputs"]
    dropped = [given for given in inputs if given["InputName"] in OPEN_ALONE]
    assert len(dropped) == len(OPEN_ALONE)
    bias_step(opened)["Arguments"]["ProcessingInputs"] = [i for i in inputs if i not in dropped]
    assert opened == managed


def test_the_image_finds_what_it_reads_under_its_names_and_waits_for_both_who_write_it(
    name: str,
) -> None:
    """The transform too, which it does not name: the configuration does."""
    definition = read_definition(compiled(name, "clarify"))
    step, prefix = definition.steps[STEP], settings_of(name).project.prefix
    places = {i["InputName"]: i["S3Input"]["LocalPath"] for i in step.arguments["ProcessingInputs"]}
    assert places == {
        "analysis_config": "/opt/ml/processing/input/config",
        "dataset": "/opt/ml/processing/input/data",
    }
    (output,) = step.arguments["ProcessingOutputConfig"]["Outputs"]
    written = (output["OutputName"], output["S3Output"]["LocalPath"])
    assert written == ("analysis_result", "/opt/ml/processing/output")
    assert {f"{prefix}ModelConfigFile", f"{prefix}Transform"} <= step.waits_for


def test_the_dataset_is_the_table_and_no_prefix_with_other_files(name: str) -> None:
    (dataset,) = (i for i in bias_step(json.loads(compiled(name, "clarify")))["Arguments"]
                  ["ProcessingInputs"] if i["InputName"] == "dataset")  # fmt: skip
    assert dataset["S3Input"]["S3Uri"]["Std:Join"]["Values"][-1] == "test.csv"


@pytest.mark.parametrize("backend", ["open_source", "clarify"])
def test_step_5_names_the_place_that_step_6_writes_to_and_does_not_wait_for_it(
    name: str, backend: str
) -> None:
    prefix = settings_of(name).project.prefix
    steps = read_definition(compiled(name, backend)).steps
    config, transform = steps[f"{prefix}ModelConfigFile"], steps[f"{prefix}Transform"]
    assert transform.name not in config.waits_for
    assert config.name not in transform.waits_for
    words = config.arguments["AppSpecification"]["ContainerArguments"]
    named = words[words.index("--transform-step") + 1]
    (output,) = config.arguments["ProcessingOutputConfig"]["Outputs"]
    own = output["S3Output"]["S3Uri"]["Std:Join"]["Values"]
    written = transform.arguments["TransformOutput"]["S3OutputPath"]["Std:Join"]["Values"]
    assert own[-2:] == [config.name, "config"]
    assert [*own[:-2], named] == written
    # Neither is reused without the other on SageMaker: each is given the model's new name.
    model = {"Get": f"Steps.{prefix}CreateModel.ModelName"}
    assert model in words
    assert transform.arguments["ModelName"] == model


@pytest.mark.parametrize("backend", ["open_source", "clarify"])
def test_neither_has_findings(name: str, backend: str) -> None:
    content = json.loads(compiled(name, backend))
    assert check_definition(content, example_evaluation(settings_of(name))) == []


def test_the_script_is_not_published_where_it_does_not_run(name: str) -> None:
    from ninesteps.step_code.bundle import code_objects

    for backend, there in (("open_source", True), ("clarify", False)):
        settings = settings_of(name).with_backend(backend)
        uris = code_objects(settings, settings.environment())
        assert any(uri.endswith("/clarify.py") for uri in uris) is there


# What the check finds


def _words(step: Json) -> None:
    step["Arguments"]["AppSpecification"]["ContainerArguments"] = ["--all"]


def _program(step: Json) -> None:
    step["Arguments"]["AppSpecification"]["ContainerEntrypoint"] = ["python3"]


def _input(step: Json) -> None:
    step["Arguments"]["ProcessingInputs"][0]["InputName"] = "config"


def _output(step: Json) -> None:
    step["Arguments"]["ProcessingOutputConfig"]["Outputs"][0]["OutputName"] = "result"


def _image(step: Json) -> None:
    step["Arguments"]["AppSpecification"]["ImageUri"] = "111122223333.dkr/sagemaker-xgboost:3.2-0"


MISTAKES: dict[str, Callable[[Json], None]] = {
    "ContainerArguments: expected none (Clarify's image has its own), got ['--all']": _words,
    "ContainerEntrypoint: expected none (Clarify's image has its own), got ['python3']": _program,
    "ProcessingInputs[].InputName: expected analysis_config and dataset for Clarify's image, "
    "got config, dataset": _input,
    "Outputs[].OutputName: expected analysis_result for Clarify's image, got result": _output,
    "ContainerEntrypoint: expected a script, got none": _image,
}


@pytest.mark.parametrize("says", MISTAKES)
def test_what_clarifys_image_would_refuse_is_found(says: str) -> None:
    content = copy.deepcopy(json.loads(compiled("comparing", "clarify")))
    MISTAKES[says](bias_step(content))
    findings = check_definition(content, example_evaluation(settings_of("comparing")))
    assert [finding for finding in map(str, findings)
            if finding.startswith(f"step {STEP}: ") and says in finding]  # fmt: skip


# This machine


@pytest.fixture
def managed() -> Iterator[Any]:
    yield read_definition(compiled("comparing", "clarify"))


def test_the_engine_refuses_a_job_that_only_its_image_can_run(managed: Any) -> None:
    for only in ("", STEP, "RegisterPetModel"):
        with pytest.raises(DefinitionError) as refused:
            managed.check_can_run(only)
        assert str(refused.value) == (
            f"step {STEP}: expected a ContainerEntrypoint, got none: its image's own program runs "
            "on SageMaker only"
        )


def test_what_comes_before_that_job_can_be_run(managed: Any) -> None:
    managed.check_can_run("PetEvalBestModel")
    read_definition(compiled("comparing", "open_source")).check_can_run()
