"""The compiled definition: offline, the same bytes each time, the nine steps of the design."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from conftest import Repository
from definitions import references, service_errors, steps_by_name

NAMES_AND_TYPES = {
    "ChurnModelProcess": "Processing",
    "ChurnHyperParameterTuning": "Tuning",
    "ChurnEvalBestModel": "Processing",
    "ChurnCreateModel": "Model",
    "ChurnModelConfigFile": "Processing",
    "ChurnTransform": "Transform",
    "ClarifyProcessingStep": "Processing",
    "RegisterChurnModel": "RegisterModel",
    "CheckAUCScoreChurnEvaluation": "Condition",
}

WAITS_FOR = {
    "ChurnModelProcess": set(),
    "ChurnHyperParameterTuning": {"ChurnModelProcess"},
    "ChurnEvalBestModel": {"ChurnModelProcess", "ChurnHyperParameterTuning"},
    "ChurnCreateModel": {"ChurnHyperParameterTuning"},
    "ChurnModelConfigFile": {"ChurnModelProcess", "ChurnCreateModel"},
    "ChurnTransform": {"ChurnModelProcess", "ChurnCreateModel"},
    "ClarifyProcessingStep": {
        "ChurnModelProcess",
        "ChurnHyperParameterTuning",
        "ChurnModelConfigFile",
        "ChurnTransform",
    },
    "CheckAUCScoreChurnEvaluation": {"ChurnEvalBestModel", "ClarifyProcessingStep"},
    "RegisterChurnModel": {
        "ChurnModelProcess",
        "ChurnHyperParameterTuning",
        "ChurnEvalBestModel",
        "ChurnModelConfigFile",
        "ChurnTransform",
        "ClarifyProcessingStep",
    },
}


@pytest.fixture(scope="module")
def text(churn: Repository) -> str:
    return churn.pipeline("compile").stdout


@pytest.fixture(scope="module")
def definition(text: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    return content


@pytest.fixture(scope="module")
def steps(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return steps_by_name(definition)


def test_another_machine_gives_the_same_bytes_to_a_file(churn: Repository, text: str) -> None:
    """One that hashes otherwise, in another time zone, with defaults of its own for the SDK."""
    config = churn.path.parent / "config.yaml"
    config.write_text(
        "SchemaVersion: '1.0'\n"
        "SageMaker: {ProcessingJob: {NetworkConfig: {EnableNetworkIsolation: true}}}\n"
    )
    file = churn.path.parent / "definition.json"
    own: dict[str, Any] = {
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
    }
    assert churn.pipeline("compile", "-o", file, **own).stdout == ""
    assert file.read_text() == text


def test_an_environment_that_is_not_there_is_one_sentence(churn: Repository) -> None:
    done = churn.pipeline("compile", "--env", "prod", status=2)
    assert done.stderr == (
        "pipeline: pipeline.toml environments: expected a table [environments.prod], got none\n"
    )


def test_check_says_the_gate_and_the_next_firings(render: Any) -> None:
    repository = render(retraining_cadence="cron(0 6 1 1 ? *)")
    repository.edit("pipeline.toml", 'timezone = "UTC"', 'timezone = "Asia/Tokyo"')
    done = repository.pipeline("check", status=2)
    assert done.stderr.startswith("pipeline: README.md: differs from pipeline.toml")
    repository.pipeline("readme")
    printed = repository.pipeline("check").stdout
    assert "the gate is auc > 0.75" in printed
    assert "features    32 features; all have a meaning in pipeline.toml" in printed
    assert "9 steps; no problems found" in printed
    assert len(re.findall(r"^ +\w{3} \d{4}-01-01 06:00 JST$", printed, re.MULTILINE)) == 5


def test_what_was_in_order_is_not_checked_again_until_something_moves(render: Any) -> None:
    repository = render()
    kept = repository.path / ".local" / "checked.json"
    first = repository.pipeline("check")
    again = repository.pipeline("check", PYTHONPROFILEIMPORTTIME="1")
    assert again.stdout == first.stdout
    slow = {"sagemaker", "botocore.loaders", "numpy", "pyarrow", "yaml"}
    imported = {line.rpartition("|")[2].strip() for line in again.stderr.splitlines()}
    assert not imported & slow
    whole = repository.pipeline("check", "--no-cache", PYTHONPROFILEIMPORTTIME="1")
    assert whole.stdout == first.stdout
    assert "botocore.loaders" in whole.stderr
    said = kept.read_text(encoding="utf-8")
    moved = {
        "feature_store/features.py": ("def features(", "def feature("),
        "model_deploy/infrastructure/pipeline.yaml": ("s3:GetObject", "s3:*"),
        "data/churn.csv": ("retained", "kept"),
    }
    for file, (old, new) in moved.items():
        path = repository.path / file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="")
        repository.pipeline("check", status=2)
        path.write_text(text, encoding="utf-8", newline="")
    assert kept.read_text(encoding="utf-8") == said  # what fails is not kept
    assert repository.pipeline("check").stdout == first.stdout


def test_check_says_which_feature_has_no_meaning_and_refuses_the_meaning_of_none(
    render: Any,
) -> None:
    repository = render()
    repository.edit("pipeline.toml", ', meaning = "E-mails sent to the customer"', "")
    printed = repository.pipeline("check").stdout
    assert "features    32 features; 1 without a meaning in pipeline.toml: esent" in printed
    repository.edit("pipeline.toml", "\nclicked = {", "\nclickt = {")
    done = repository.pipeline("check", status=2)
    assert done.stderr == (
        "pipeline: pipeline.toml [features.dictionary]: expected the name of a feature that "
        "feature_store/features.py gives, got 'clickt'; did you mean 'clicked'?\n"
    )


def test_check_refuses_settings_that_cannot_be_used(render: Any) -> None:
    repository = render()
    repository.edit("pipeline.toml", '"monthly"', '"monthly-ish"')
    done = repository.pipeline("check", status=2)
    assert re.match(
        r"pipeline: pipeline\.toml line \d+ \[schedule\] cadence: expected daily, weekly,",
        done.stderr,
    )


def test_the_nine_names_and_types(steps: dict[str, Any]) -> None:
    assert {name: step["Type"] for name, step in steps.items()} == NAMES_AND_TYPES


def test_who_waits_for_whom(steps: dict[str, Any]) -> None:
    found = {
        name: set(step.get("DependsOn", [])) | references(step["Arguments"])
        for name, step in steps.items()
    }
    assert found == WAITS_FOR


def test_the_gate_names_evaluation_and_bias_report_in_depends_on(steps: dict[str, Any]) -> None:
    check = steps["CheckAUCScoreChurnEvaluation"]
    assert set(check["DependsOn"]) == {"ChurnEvalBestModel", "ClarifyProcessingStep"}


def test_parameters_are_instances_and_the_moment(definition: dict[str, Any]) -> None:
    kinds = {p["Name"]: p["Type"] for p in definition["Parameters"]}
    assert kinds == {
        "AsOf": "String",
        **{f"{job}InstanceType": "String" for job in ("Processing", "Training", "Transform")},
        **{f"{job}InstanceCount": "Integer" for job in ("Processing", "Training", "Transform")},
    }


def test_gate_and_approval_are_literals(steps: dict[str, Any]) -> None:
    (condition,) = steps["CheckAUCScoreChurnEvaluation"]["Arguments"]["Conditions"]
    assert condition["Type"] == "GreaterThan"
    assert condition["RightValue"] == 0.75
    assert (
        condition["LeftValue"]["Std:JsonGet"]["Path"] == "binary_classification_metrics.auc.value"
    )
    package = steps["RegisterChurnModel"]["Arguments"]
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["CustomerMetadataProperties"]["gate"] == "auc gt 0.75"
    assert package["ModelPackageDescription"].endswith("auc > 0.75")


def test_botocore_takes_every_request(steps: dict[str, Any]) -> None:
    assert len(steps.keys() - {"CheckAUCScoreChurnEvaluation"}) == 8
    assert not list(service_errors(steps))


def test_metadata_has_only_letters_that_sagemaker_takes(steps: dict[str, Any]) -> None:
    metadata = steps["RegisterChurnModel"]["Arguments"]["CustomerMetadataProperties"]
    for value in metadata.values():
        if isinstance(value, str):
            assert re.fullmatch(r"[\w\s.:/=+\-@]{1,256}", value), value


def test_the_search(steps: dict[str, Any]) -> None:
    config = steps["ChurnHyperParameterTuning"]["Arguments"]["HyperParameterTuningJobConfig"]
    assert config["Strategy"] == "Bayesian"
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert config["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 12,
        "MaxParallelTrainingJobs": 4,
    }
    names = [r["Name"] for ranges in config["ParameterRanges"].values() for r in ranges]
    assert sorted(names) == ["alpha", "eta", "max_depth", "min_child_weight", "num_round"]
    assert "MetricDefinitions" not in json.dumps(steps["ChurnHyperParameterTuning"])


def test_jobs_are_cached_retried_and_tagged(steps: dict[str, Any]) -> None:
    for name, kind in NAMES_AND_TYPES.items():
        if kind in ("Processing", "Tuning", "Transform"):
            assert steps[name]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}, name
        if kind != "Condition":
            assert steps[name]["RetryPolicies"], name
        if kind not in ("Condition", "RegisterModel"):  # a package has its group's tags
            assert steps[name]["Arguments"]["Tags"], name


def test_no_input_is_composed_from_the_execution_id(steps: dict[str, Any]) -> None:
    """After a cache hit an input lies under an older execution's prefix."""
    for name, step in steps.items():
        arguments = step["Arguments"]
        inputs = [
            arguments.get("ProcessingInputs"),
            arguments.get("TrainingJobDefinition", {}).get("InputDataConfig"),
            arguments.get("TransformInput"),
            arguments.get("PrimaryContainer"),
            arguments.get("InferenceSpecification"),
            arguments.get("AppSpecification"),
        ]
        assert "Execution." not in json.dumps(inputs), name


def test_every_output_is_under_the_executions_own_prefix(steps: dict[str, Any]) -> None:
    for name, step in steps.items():
        for output in step["Arguments"].get("ProcessingOutputConfig", {}).get("Outputs", []):
            values = output["S3Output"]["S3Uri"]["Std:Join"]["Values"]
            assert {"Get": "Execution.PipelineExecutionId"} in values, name


def test_the_query_is_a_file_under_its_own_hash_and_the_moment_an_argument(
    steps: dict[str, Any],
) -> None:
    request = steps["ChurnModelProcess"]["Arguments"]
    (query,) = [i for i in request["ProcessingInputs"] if i["InputName"] == "query"]
    assert re.fullmatch(r"s3://[^/]+/customer-churn/code/[0-9a-f]{16}", query["S3Input"]["S3Uri"])
    words = request["AppSpecification"]["ContainerArguments"]
    assert words[words.index("--as-of") + 1] == {"Get": "Parameters.AsOf"}


def test_no_account_but_the_documentations(text: str) -> None:
    """But for that of AWS's images, which the SDK knows by region."""
    own = re.sub(r"\d{12}\.dkr\.ecr\.", "", text)
    assert set(re.findall(r"\b\d{12}\b", own)) == {"111122223333"}


def test_a_gate_with_or_and_brackets_becomes_conditions(tmp_path: Any, render: Any) -> None:
    repository = render(metric_gate="auc > 0.8 or (auc > 0.7 and f1 > 0.9)")
    text = repository.pipeline("compile").stdout
    check = json.loads(text)["Steps"][-1]["Arguments"]["Conditions"]
    (either,) = check
    assert either["Type"] == "Or"
    assert [part["Type"] for part in either["Conditions"]] == ["GreaterThan", "Not"]


def test_a_comment_in_the_bias_step_moves_only_that_steps_code(render: Any, text: str) -> None:
    repository = render()
    with (repository.path / "model_build/steps/clarify.py").open("a") as file:
        file.write("# a comment\n")
    before = steps_by_name(json.loads(text))
    after = steps_by_name(json.loads(repository.pipeline("compile").stdout))
    differing = {name for name, step in after.items() if step != before[name]}
    assert differing == {
        "ClarifyProcessingStep", "CheckAUCScoreChurnEvaluation", "RegisterChurnModel"
    }  # fmt: skip
    code = [
        (old, new)
        for old, new in zip(
            json.dumps(before["ClarifyProcessingStep"], indent=1).splitlines(),
            json.dumps(after["ClarifyProcessingStep"], indent=1).splitlines(),
            strict=True,
        )
        if old != new
    ]
    assert len(code) == 1
    assert "/code/" in code[0][0]
    named = [dict(step["RegisterChurnModel"]["Arguments"]) for step in (before, after)]
    for arguments in named:  # the version names what is not the template's
        del arguments["CustomerMetadataProperties"]
    assert named[0] == named[1]
