"""A definition is read as a whole, or refused with a sentence that names what is not known."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ninesteps.definition.definition import read_definition
from ninesteps.errors import DefinitionError
from small_definitions import (
    BUCKET,
    IN,
    OUT,
    Json,
    compare,
    condition,
    container,
    fail,
    get,
    join,
    metric,
    output_of,
    read,
    s3_input,
    step,
)

RETRY = {"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2}
SOURCE = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{BUCKET}/data"}}


def whole() -> Json:
    """A definition with a step of every type; each of the wrong ones differs in one place."""
    target = {"S3Uri": f"{BUCKET}/out", "LocalPath": f"{OUT}/metrics"}
    process = {
        "AppSpecification": {"ContainerEntrypoint": ["python3", f"{IN}/code/script.py"]},
        "ProcessingInputs": [s3_input("code", join(BUCKET, get("Parameters.Code")))],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "metrics", "S3Output": target}]},
    }
    file = {"PropertyFileName": "Evaluation", "OutputName": "metrics", "FilePath": "e.json"}
    job = {
        "AlgorithmSpecification": {"TrainingImage": "xgboost", "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": SOURCE}],
        "OutputDataConfig": {"S3OutputPath": f"{BUCKET}/models"},
    }
    static = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"{BUCKET}/code.tar"}
    search = {
        "Strategy": "Bayesian",
        "ResourceLimits": {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": 2},
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
        "ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0", "MaxValue": "1"}]
        },
    }
    tune = {
        "HyperParameterTuningJobConfig": search,
        "TrainingJobDefinition": {**job, "StaticHyperParameters": static},
    }
    transform = {
        "ModelName": get("Steps.Create.ModelName"),
        "TransformInput": {"DataSource": SOURCE, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"{BUCKET}/answers", "AssembleWith": "Line"},
    }
    package = {
        "ModelPackageGroupName": "group",
        "InferenceSpecification": {"Containers": [container(output_of("Evaluate", "metrics"))]},
        "ModelApprovalStatus": "PendingManualApproval",
    }
    no_bias = {"Type": "Not", "Condition": {"Type": "In", "QueryValue": 1, "Values": [2, 3]}}
    holds = [
        compare(metric("auc.value"), "GreaterThan", 0.75),
        {"Type": "Or", "Conditions": [no_bias, compare(get("Parameters.Code"), "Equals", "x")]},
    ]
    return {
        "Parameters": [{"Name": "Code", "Type": "String", "DefaultValue": "code"}],
        "Steps": [
            step("Evaluate", "Processing", process, PropertyFiles=[file], RetryPolicies=[RETRY]),
            step("Train", "Training", {**job, "HyperParameters": static}),
            step("Tune", "Tuning", tune, DependsOn=["Evaluate"]),
            step("Create", "Model", {"PrimaryContainer": container(f"{BUCKET}/model.tar.gz")}),
            step("Transform", "Transform", transform),
            condition(
                "Check",
                *holds,
                then=(step("Register", "RegisterModel", package),),
                otherwise=(fail("Refuse", get("Steps.Train.TrainingJobName")),),
                DependsOn=["Transform"],
            ),
        ],
    }


def at(content: Any, path: str) -> Any:
    for name in path.split("."):
        content = content[int(name)] if name.isdigit() else content[name]
    return content


def put(path: str, value: object) -> Callable[[Json], None]:
    """A change: this value at this path."""
    folder, _, name = path.rpartition(".")

    def change(content: Json) -> None:
        place = at(content, folder) if folder else content
        place[int(name) if name.isdigit() else name] = value

    return change


def drop(path: str) -> Callable[[Json], None]:
    folder, _, name = path.rpartition(".")
    return lambda content: (at(content, folder) if folder else content).pop(name)


def refusal(change: Callable[[Json], object]) -> str:
    content = copy.deepcopy(json.loads(json.dumps(whole())))
    change(content)
    with pytest.raises(DefinitionError) as refused:
        read_definition(json.dumps(content))
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def test_the_whole_definition_is_read_and_its_order_known() -> None:
    definition = read_definition(json.dumps(whole()))
    waits = {name: sorted(step.waits_for) for name, step in definition.steps.items()}
    assert waits == {
        "Evaluate": [],
        "Train": [],
        "Tune": ["Evaluate"],
        "Create": [],
        "Transform": ["Create"],
        "Check": ["Evaluate", "Transform"],
        "Register": ["Check", "Evaluate"],
        "Refuse": ["Check", "Train"],
    }
    assert definition.steps["Register"].branch == ("Check", True)
    assert definition.steps["Refuse"].branch == ("Check", False)


PROCESS, TRAIN, TUNE = "Steps.0.Arguments", "Steps.1.Arguments", "Steps.2.Arguments"
TRANSFORM, CHECK = "Steps.4.Arguments", "Steps.5.Arguments"
SEARCH = f"{TUNE}.HyperParameterTuningJobConfig"
INPUT = f"{PROCESS}.ProcessingInputs.0.S3Input"
RANGE = f"{SEARCH}.ParameterRanges.ContinuousParameterRanges.0"

UNKNOWN = {
    "a field of the definition": (put("Colour", 1), ["the definition", "'Colour'"]),
    "a field of a parameter": (put("Parameters.0.Min", 1), ["Parameters[0]", "'Min'"]),
    "a step type": (put("Steps.0.Type", "Lambda"), ["step Evaluate", "'Lambda'", "Processing, "]),
    "a step type that is no text": (put("Steps.0.Type", ["x"]), ["step Evaluate", "['x']"]),
    "a field of a step": (put("Steps.0.Colour", 1), ["step Evaluate", "'Colour'"]),
    "a field of the arguments": (put(f"{PROCESS}.Colour", 1), ["step Evaluate", "'Colour'"]),
    "a field deep in the arguments": (
        put(f"{INPUT}.Colour", 1),
        ["step Evaluate: Arguments.ProcessingInputs[0].S3Input", "'Colour'"],
    ),
    "a field marked in the table": (put("Steps.0.Name!", "x"), ["step Evaluate", "'Name!'"]),
    "a field of a branch's step": (
        put(f"{CHECK}.IfSteps.0.Arguments.Colour", 1),
        ["step Register", "'Colour'"],
    ),
    "a retried exception": (
        put("Steps.0.RetryPolicies.0.ExceptionType", ["Job.FAILED"]),
        ["step Evaluate", "RetryPolicies[0]", "'Job.FAILED'"],
    ),
    "a field of a retry policy": (
        put("Steps.0.RetryPolicies.0.Colour", 1),
        ["step Evaluate", "RetryPolicies[0]", "'Colour'"],
    ),
    "a run condition": (
        put("Steps.2.DependsOn", [{"Name": "Evaluate", "RunCondition": "Failed"}]),
        ["step Tune", "DependsOn[0]", "RunCondition"],
    ),
    "a function": (
        put(f"{PROCESS}.Environment", {"A": {"Std:Split": {}}}),
        ["step Evaluate", "'Std:Split'"],
    ),
    "a field of a function": (
        put(f"{PROCESS}.Environment", {"A": {"Std:Join": {"On": "", "Values": [1], "Colour": 1}}}),
        ["step Evaluate: Arguments.Environment.A: Std:Join", "'Colour' is not known"],
    ),
    "a parameter": (
        put(f"{INPUT}.S3Uri", get("Parameters.Data")),
        ["step Evaluate", "'Parameters.Data'"],
    ),
    "an execution variable": (
        put(f"{INPUT}.S3Uri", get("Execution.Owner")),
        ["step Evaluate", "'Execution.Owner'"],
    ),
    "a kind of reference": (put(f"{INPUT}.S3Uri", get("Secrets.A")), ["'Secrets.A'"]),
    "a reference that is no text": (
        put(f"{INPUT}.S3Uri", get(5)),
        ["step Evaluate: Arguments.ProcessingInputs[0].S3Input.S3Uri: Get", "a string, got 5"],
    ),
    "a property file": (
        put(f"{CHECK}.Conditions.0.LeftValue", metric("auc", name="Transform")),
        ["step Check", "'Steps.Transform.PropertyFiles.Evaluation'"],
    ),
    "a property file's output": (
        put("Steps.0.PropertyFiles.0.OutputName", "metrix"),
        ["step Evaluate", "property file Evaluation", "'metrix'"],
    ),
    "JsonGet from a property": (
        put(
            f"{CHECK}.Conditions.0.LeftValue",
            {"Std:JsonGet": {"PropertyFile": get("Steps.Train.Arn"), "Path": "a"}},
        ),
        ["step Check", "Std:JsonGet", "PropertyFile or an S3Uri"],
    ),
    "JsonGet from nothing": (
        put(f"{CHECK}.Conditions.0.LeftValue", {"Std:JsonGet": {"Path": "a"}}),
        ["step Check", "Std:JsonGet", "PropertyFile or an S3Uri"],
    ),
    "a condition type": (
        put(f"{CHECK}.Conditions.0.Type", "Contains"),
        ["step Check", "condition type", "'Contains'", "GreaterThan"],
    ),
    "a condition type inside others": (
        put(f"{CHECK}.Conditions.1.Conditions.0.Condition.Type", "Contains"),
        ["step Check", "'Contains'"],
    ),
    "a field of a condition": (
        put(f"{CHECK}.Conditions.0.Tolerance", 0.1),
        ["step Check: GreaterThan", "'Tolerance'"],
    ),
    "the older SDKs' Not": (
        put(f"{CHECK}.Conditions.0", {"Type": "Not", "Expression": compare(1, "Equals", 1)}),
        ["step Check: Not", "'Condition' is missing"],
    ),
    "a data type": (put(f"{INPUT}.S3DataType", "ManifestFile"), ["S3DataType", "'ManifestFile'"]),
    "an input mode": (put(f"{INPUT}.S3InputMode", "Pipe"), ["S3InputMode", "'Pipe'"]),
    "a compression": (put(f"{INPUT}.S3CompressionType", "Gzip"), ["S3CompressionType", "'Gzip'"]),
    "a channel's data type": (
        put(f"{TRAIN}.InputDataConfig.0.DataSource.S3DataSource.S3DataType", "ManifestFile"),
        ["step Train", "S3DataType", "'ManifestFile'"],
    ),
    "a channel's mode": (
        put(f"{TRAIN}.AlgorithmSpecification.TrainingInputMode", "Pipe"),
        ["step Train", "TrainingInputMode", "'Pipe'"],
    ),
    "a search strategy": (put(f"{SEARCH}.Strategy", "Grid"), ["step Tune", "'Grid'", "Bayesian"]),
    "a direction": (
        put(f"{SEARCH}.HyperParameterTuningJobObjective.Type", "maximize"),
        ["step Tune", "'maximize'", "Maximize, Minimize"],
    ),
    "an early stopping rule": (
        put(f"{SEARCH}.TrainingJobEarlyStoppingType", "Median"),
        ["step Tune", "'Median'"],
    ),
    "a scaling": (
        put(f"{RANGE}.ScalingType", "ReverseLogarithmic"),
        ["step Tune", "ContinuousParameterRanges[0]", "'ReverseLogarithmic'"],
    ),
    "a transform's content type": (
        put(f"{TRANSFORM}.TransformInput.ContentType", "application/json"),
        ["step Transform", "ContentType", "'application/json'", "text/csv"],
    ),
    "a transform's way to split": (
        put(f"{TRANSFORM}.TransformInput.SplitType", "RecordIO"),
        ["step Transform", "SplitType", "'RecordIO'"],
    ),
    "an approval state": (
        put(f"{CHECK}.IfSteps.0.Arguments.ModelApprovalStatus", "Fine"),
        ["step Register", "ModelApprovalStatus", "'Fine'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_is_refused_by_name(
    change: Callable[[Json], None], words: list[str]
) -> None:
    sentence = refusal(change)
    for word in words:
        assert word in sentence


MISSING = {
    "Steps": ["the definition", "'Steps'"],
    "Parameters.0.Name": ["Parameters[0]", "'Name'"],
    "Parameters.0.Type": ["Parameters[0]", "'Type'"],
    "Steps.0.Name": ["step Steps[0]", "'Name'"],
    "Steps.0.Type": ["step Evaluate", "'Type'"],
    "Steps.0.Arguments": ["step Evaluate", "'Arguments'"],
    "Steps.0.PropertyFiles.0.FilePath": ["step Evaluate", "PropertyFiles[0]", "'FilePath'"],
    "Steps.0.RetryPolicies.0.ExceptionType": ["step Evaluate", "'ExceptionType'"],
    f"{PROCESS}.AppSpecification": ["step Evaluate", "'AppSpecification'"],
    f"{INPUT}.S3Uri": ["step Evaluate", "'S3Uri'"],
    f"{INPUT}.LocalPath": ["step Evaluate", "'LocalPath'"],
    f"{PROCESS}.ProcessingOutputConfig.Outputs.0.S3Output": ["step Evaluate", "'S3Output'"],
    f"{TRAIN}.OutputDataConfig": ["step Train", "'OutputDataConfig'"],
    f"{TRAIN}.HyperParameters.sagemaker_program": ["step Train", "'sagemaker_program'"],
    f"{TRAIN}.InputDataConfig.0.DataSource": ["step Train", "'DataSource'"],
    f"{SEARCH}.ResourceLimits": ["step Tune", "'ResourceLimits'"],
    f"{RANGE}.MaxValue": ["step Tune", "'MaxValue'"],
    f"{TUNE}.TrainingJobDefinition": ["step Tune", "'TrainingJobDefinition'"],
    "Steps.3.Arguments.PrimaryContainer.ModelDataUrl": ["step Create", "'ModelDataUrl'"],
    f"{TRANSFORM}.ModelName": ["step Transform", "'ModelName'"],
    f"{TRANSFORM}.TransformInput.SplitType": ["step Transform", "'SplitType'"],
    f"{TRANSFORM}.TransformOutput.AssembleWith": ["step Transform", "'AssembleWith'"],
    f"{CHECK}.Conditions": ["step Check", "'Conditions'"],
    f"{CHECK}.Conditions.0.RightValue": ["step Check", "'RightValue'"],
    f"{CHECK}.IfSteps.0.Arguments.ModelApprovalStatus": ["step Register", "'ModelApprovalStatus'"],
    f"{CHECK}.ElseSteps.0.Arguments": ["step Refuse", "'Arguments'"],
}


@pytest.mark.parametrize(("path", "words"), MISSING.items())
def test_what_is_missing_is_named(path: str, words: list[str]) -> None:
    sentence = refusal(drop(path))
    for word in (*words, "missing"):
        assert word in sentence


def several(content: Json) -> None:
    """The search over two training definitions, instead of over one."""
    tune = at(content, TUNE)
    config = tune["HyperParameterTuningJobConfig"]
    shared = {
        **tune.pop("TrainingJobDefinition"),
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    tune["TrainingJobDefinitions"] = [
        {"DefinitionName": name, **copy.deepcopy(shared)} for name in ("trees", "lines")
    ]


def test_a_search_over_several_training_definitions_is_read() -> None:
    content = whole()
    several(content)
    put(f"{SEARCH}.TrainingJobEarlyStoppingType", "Off")(content)
    tune = read_definition(json.dumps(content)).steps["Tune"]
    names = [
        definition["DefinitionName"] for definition in tune.arguments["TrainingJobDefinitions"]
    ]
    assert names == ["trees", "lines"]


SECOND = f"{TUNE}.TrainingJobDefinitions.1"
OF_SEVERAL = {
    "early stopping": (
        put(f"{SEARCH}.TrainingJobEarlyStoppingType", "Auto"),
        ["TuningJobConfig.TrainingJobEarlyStoppingType: expected Off, got 'Auto'"],
    ),
    "an objective for all": (
        put(f"{SEARCH}.HyperParameterTuningJobObjective", {"Type": "Maximize", "MetricName": "a"}),
        ["HyperParameterTuningJobConfig", "'HyperParameterTuningJobObjective' is not known"],
    ),
    "ranges for all": (
        put(f"{SEARCH}.ParameterRanges", {}),
        ["HyperParameterTuningJobConfig", "'ParameterRanges' is not known"],
    ),
    "one definition beside them": (
        put(f"{TUNE}.TrainingJobDefinition", {}),
        ["'TrainingJobDefinition' is not known"],
    ),
    "a field": (put(f"{SECOND}.Colour", 1), ["TrainingJobDefinitions[1]", "'Colour' is not known"]),
    "a field of a training job": (
        put(f"{SECOND}.AlgorithmSpecification.Colour", 1),
        ["TrainingJobDefinitions[1].AlgorithmSpecification", "'Colour' is not known"],
    ),
    "a direction": (
        put(f"{SECOND}.TuningObjective.Type", "maximize"),
        ["TrainingJobDefinitions[1].TuningObjective.Type", "Maximize, Minimize, got 'maximize'"],
    ),
    "a scaling": (
        put(f"{SECOND}.HyperParameterRanges.ContinuousParameterRanges.0.ScalingType", "Log"),
        ["[1].HyperParameterRanges.ContinuousParameterRanges[0].ScalingType", "got 'Log'"],
    ),
    "no list": (put(f"{TUNE}.TrainingJobDefinitions", {}), ["'TrainingJobDefinitions' is missing"]),
    "an object for a list": (
        put(f"{TUNE}.TrainingJobDefinitions", {"trees": {}}),
        ["TrainingJobDefinitions: expected a list, got {'trees': {}}"],
    ),
    **{
        f"no {field}": (drop(f"{SECOND}.{field}"), ["[1]", f"'{field}' is missing"])
        for field in (
            "DefinitionName", "TuningObjective", "HyperParameterRanges", "StaticHyperParameters",
            "AlgorithmSpecification", "OutputDataConfig",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), OF_SEVERAL.values(), ids=OF_SEVERAL)
def test_what_a_search_over_several_cannot_have_is_refused_by_name(
    change: Callable[[Json], None], words: list[str]
) -> None:
    def changed(content: Json) -> None:
        several(content)
        change(content)

    sentence = refusal(changed)
    for word in ("step Tune: Arguments", *words):
        assert word in sentence


@pytest.mark.parametrize("field", ["DefinitionName", "TuningObjective", "HyperParameterRanges"])
def test_what_only_several_definitions_have_is_refused_of_one(field: str) -> None:
    sentence = refusal(put(f"{TUNE}.TrainingJobDefinition.{field}", "x"))
    assert f"step Tune: Arguments.TrainingJobDefinition: the field {field!r} is not" in sentence


NAMED = "expected 1 to 64 characters (letters, digits, - and _)"
MISSHAPEN = {
    "a list for an object": (
        put(f"{PROCESS}.AppSpecification", ["python3"]),
        "AppSpecification: expected an object, got ['python3']",
    ),
    "an object for a list": (put(f"{PROCESS}.ProcessingInputs", {}), "expected a list, got {}"),
    "a text for a list": (put("Steps.2.DependsOn", "Evaluate"), "expected a list, got"),
    "a number for a step": (
        put("Steps.0", 7),
        "the definition.Steps[0]: expected an object, got 7",
    ),
    "a number for a name": (put("Steps.0.Name", 7), "step 7.Name: expected a string, got 7"),
    "a number for a condition": (
        put(f"{CHECK}.Conditions.0", 7),
        "condition type: expected one of Equals, GreaterThan, GreaterThanOrEqualTo, LessThan, "
        "LessThanOrEqualTo, In, Or, Not, got 7",
    ),
    "no condition": (put(f"{CHECK}.Conditions", []), "'Conditions' is missing or empty"),
    "no alternative": (
        put(f"{CHECK}.Conditions.1.Conditions", []),
        "'Conditions' is missing or empty",
    ),
    "no step": (put("Steps", []), "'Steps' is missing or empty"),
    "a name that is a path": (
        put("Steps.1.Name", "../x"),
        f"step ../x.Name: {NAMED}, got '../x'",
    ),
    "a name that is too long": (
        put("Steps.1.Name", "x" * 65),
        f"Name: {NAMED}, got 'xxx",
    ),
}


@pytest.mark.parametrize(("change", "words"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_what_has_another_shape_is_refused(change: Callable[[Json], None], words: str) -> None:
    assert words in refusal(change)


@pytest.mark.parametrize("text", ["[]", "7", "null", '"steps"'])
def test_a_definition_that_is_no_object(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"the definition: expected an object, got "):
        read_definition(text)


def test_a_definition_that_is_no_json() -> None:
    with pytest.raises(DefinitionError, match=r"definition is not valid JSON: .* line 1 column 2"):
        read_definition("{")


ORDER = {
    "two steps of one name": (
        put("Steps.1.Name", "Evaluate"),
        "two steps are named Evaluate",
    ),
    "a name used again in a branch": (
        put(f"{CHECK}.ElseSteps.0.Name", "Tune"),
        "two steps are named Tune",
    ),
    "two parameters of one name": (
        lambda content: content["Parameters"].append(content["Parameters"][0]),
        "two parameters are named Code",
    ),
    "a step that DependsOn names and is not there": (
        put("Steps.2.DependsOn", ["Prepare"]),
        "step Tune waits for Prepare, which does not exist",
    ),
    "a step that a property names and is not there": (
        put(f"{INPUT}.S3Uri", output_of("Prepare", "train")),
        "step Evaluate waits for Prepare, which does not exist",
    ),
    "a circle": (
        put("Steps.0.DependsOn", ["Transform", "Tune"]),
        "these steps wait for each other in a circle: Evaluate, Tune",
    ),
    "a condition that waits for its own branch": (
        put("Steps.5.DependsOn", ["Register"]),
        "in a circle: Check, Register",
    ),
    "a step that waits for itself": (
        put("Steps.1.DependsOn", ["Train"]),
        "in a circle: Train",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), ORDER.values(), ids=ORDER)
def test_steps_that_cannot_be_put_in_order(change: Callable[[Json], object], sentence: str) -> None:
    assert refusal(change).endswith(sentence)


# Parameters


def parameter(type_: str, **fields: object) -> Json:
    return {"Name": "P", "Type": type_, **fields}


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("String", "5", "5"),
        ("Integer", "5", 5),
        ("Integer", "-5", -5),
        ("Float", "0.5", 0.5),
        ("Float", "5", 5.0),
        ("Boolean", "true", True),
        ("Boolean", "False", False),
    ],
)
def test_a_given_text_becomes_a_value_of_the_parameters_type(
    type_: str, text: str, value: object
) -> None:
    read_value = read(fail("F"), parameters=[parameter(type_)]).parameter_values({"P": text})["P"]
    assert read_value == value
    assert type(read_value) is type(value)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("Integer", "two"),
        ("Integer", "2.5"),
        ("Integer", ""),
        ("Float", "high"),
        ("Float", "nan"),
        ("Float", "inf"),
        ("Boolean", "yes"),
        ("Boolean", "1"),
    ],
)
def test_a_text_of_another_type_is_refused(type_: str, text: str) -> None:
    definition = read(fail("F"), parameters=[parameter(type_)])
    sentence = f"parameter P: expected {type_}, got '?{text}'?$"
    with pytest.raises(DefinitionError, match=sentence):
        definition.parameter_values({"P": text})


@pytest.mark.parametrize(
    ("type_", "default"),
    [("Integer", "5"), ("Integer", True), ("Integer", 5.0), ("String", 5), ("Boolean", "true"),
     ("Float", "0.5"), ("String", None)],
)  # fmt: skip
def test_a_default_of_another_type_is_refused(type_: str, default: object) -> None:
    with pytest.raises(DefinitionError, match=f"parameter P: expected {type_}, got "):
        read(fail("F"), parameters=[parameter(type_, DefaultValue=default)])


def test_a_parameter_type_that_is_not_known() -> None:
    with pytest.raises(DefinitionError, match=r"expected one of String, Integer, .*, got 'List'"):
        read(fail("F"), parameters=[parameter("List")])


def test_a_value_outside_the_listed_ones_is_refused() -> None:
    listed = parameter("String", EnumValues=["small", "large"], DefaultValue="small")
    definition = read(fail("F"), parameters=[listed])
    assert definition.parameter_values({"P": "large"}) == {"P": "large"}
    with pytest.raises(DefinitionError, match="P: expected one of small, large, got 'huge'"):
        definition.parameter_values({"P": "huge"})
    with pytest.raises(DefinitionError, match="P: expected one of small, large, got 'huge'"):
        read(fail("F"), parameters=[{**listed, "DefaultValue": "huge"}])


def test_a_parameter_without_a_value_and_one_that_there_is_not() -> None:
    definition = read(fail("F"), parameters=[parameter("String")])
    with pytest.raises(DefinitionError, match="the pipeline parameter P has no value"):
        definition.parameter_values({})
    with pytest.raises(DefinitionError, match="no pipeline parameter 'Q'; there is P"):
        definition.parameter_values({"P": "x", "Q": "y"})
    with pytest.raises(DefinitionError, match="no pipeline parameter 'Q'; there is none"):
        read(fail("F")).parameter_values({"Q": "y"})


def test_a_default_is_used_where_nothing_is_given() -> None:
    definition = read(fail("F"), parameters=[parameter("Integer", DefaultValue=0)])
    assert definition.parameter_values({}) == {"P": 0}
