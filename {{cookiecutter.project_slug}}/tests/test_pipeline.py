"""The pipeline that pipeline.toml describes: the request to SageMaker, and a local run.

The fixtures come from the library (`ninesteps.testing`). Add tests for your own pipeline here.
"""

from __future__ import annotations

from typing import Any

from ninesteps.settings import gate as gates
from ninesteps.settings.settings import Settings
from ninesteps.testing import SmallRun

Steps = dict[str, dict[str, Any]]


def test_nothing_is_found_that_aws_would_refuse(violations: list[str]) -> None:
    assert violations == []


def test_the_nine_steps_have_their_names(settings: Settings, steps: Steps) -> None:
    prefix, metric = settings.project.prefix, settings.metric_word
    assert list(steps) == [
        f"{prefix}ModelProcess",
        f"{prefix}HyperParameterTuning",
        f"{prefix}EvalBestModel",
        f"{prefix}CreateModel",
        f"{prefix}ModelConfigFile",
        f"{prefix}Transform",
        "ClarifyProcessingStep",
        f"Check{metric}Score{prefix}Evaluation",
        f"Register{prefix}Model",
    ]


def test_a_version_is_registered_by_the_gate_alone_and_waits_for_a_person(
    settings: Settings, definition: dict[str, Any], steps: Steps
) -> None:
    register = steps[f"Register{settings.project.prefix}Model"]
    assert register not in definition["Steps"]
    assert register["Arguments"]["ModelApprovalStatus"] == "PendingManualApproval"
    metadata = register["Arguments"]["CustomerMetadataProperties"]
    assert metadata["gate"] == gates.metadata(settings.full_gate)
    assert metadata["profile"] == settings.project.profile


def test_nothing_is_registered_before_its_bias_report(settings: Settings, steps: Steps) -> None:
    check = steps[f"Check{settings.metric_word}Score{settings.project.prefix}Evaluation"]
    assert "ClarifyProcessingStep" in check["DependsOn"]


def test_the_nine_steps_run_and_measure_all_that_the_gate_asks_for(
    settings: Settings, small_run: SmallRun
) -> None:
    names = [name for name in small_run.steps if not name.startswith("Register")]
    assert {small_run.steps[name] for name in names} == {"Succeeded"}
    for comparison in gates.comparisons(settings.full_gate):
        value: Any = small_run.evaluation
        for key in comparison.json_path.split("."):
            value = value[key]
        assert isinstance(value, int | float), comparison
    assert "explanations" in small_run.analysis
