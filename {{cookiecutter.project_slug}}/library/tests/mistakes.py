"""Mistakes that a compiled definition can have, each as a function that makes it in a good one.

A mistake works in any scenario: steps are found by type and script, never by name. It gives the
name of the step that is to be named; "" is the pipeline.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Seed = Callable[[Json], str]

BUCKET = "s3://sagemaker-us-east-1-111122223333"
EXECUTION_ID = {"Get": "Execution.PipelineExecutionId"}


@dataclass(frozen=True)
class Mistake:
    """A mistake, and what its sentence has to say."""

    make: Seed
    says: str  # " ... " stands for anything between two parts
    also: tuple[str, ...]  # what the other findings say, where it breaks more than one rule

    def is_said_in(self, sentence: str) -> bool:
        return _matches(self.says, sentence)

    def is_about(self, sentence: str) -> bool:
        """Whether the sentence is one of those that the mistake brings about."""
        return any(_matches(fragment, sentence) for fragment in (self.says, *self.also))


def _matches(fragment: str, sentence: str) -> bool:
    return re.search(".*".join(map(re.escape, fragment.split(" ... "))), sentence) is not None


MISTAKES: dict[str, Mistake] = {}


def says(fragment: str, *also: str) -> Callable[[Seed], Seed]:
    def register(make: Seed) -> Seed:
        MISTAKES[make.__name__] = Mistake(make, fragment, also)
        return make

    return register


def steps(content: Json) -> Iterator[Json]:
    for step in content["Steps"]:
        yield step
        yield from step["Arguments"].get("IfSteps", [])


def of_type(content: Json, kind: str) -> Json:
    return next(step for step in steps(content) if step["Type"] == kind)


def processing(content: Json, script: str) -> Json:
    return next(
        step for step in steps(content)
        if step["Arguments"].get("AppSpecification", {}).get("ContainerEntrypoint", [""])[-1]
        .endswith(f"/{script}")
    )  # fmt: skip


def cluster(step: Json) -> Json:
    config: Json = step["Arguments"]["ProcessingResources"]["ClusterConfig"]
    return config


def trainings(step: Json) -> list[Json]:
    """A search's training definitions, one or several."""
    arguments = step["Arguments"]
    return arguments.get("TrainingJobDefinitions") or [arguments["TrainingJobDefinition"]]


def objective(step: Json) -> Json:
    config = step["Arguments"]["HyperParameterTuningJobConfig"]
    return config.get("HyperParameterTuningJobObjective") or trainings(step)[0]["TuningObjective"]


def ranges(step: Json) -> Json:
    config = step["Arguments"]["HyperParameterTuningJobConfig"]
    return config.get("ParameterRanges") or trainings(step)[0]["HyperParameterRanges"]


def package(step: Json) -> Json:
    return step["Arguments"]["InferenceSpecification"]["Containers"][0]


def comparison(content: Json) -> Json:
    """A comparison of the gate, whatever it stands in."""
    condition = of_type(content, "Condition")["Arguments"]["Conditions"][0]
    while "LeftValue" not in condition:
        condition = condition.get("Condition") or condition["Conditions"][0]
    return condition


KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd"

# Requests


@says("Arguments.ProcessingResources.ClusterConfig.VolumeSizeInGb: unknown field of ",
      "ClusterConfig.VolumeSizeInGB: expected a value, which Processing")  # fmt: skip
def a_misspelt_field(content: Json) -> str:
    step = processing(content, "process.py")
    cluster(step)["VolumeSizeInGb"] = cluster(step).pop("VolumeSizeInGB")
    return step["Name"]


@says("ClusterConfig.VolumeSizeInGB: expected a whole number, got '30'")
def a_text_for_a_number(content: Json) -> str:
    step = processing(content, "evaluate.py")
    cluster(step)["VolumeSizeInGB"] = "30"
    return step["Name"]


@says("ClusterConfig.VolumeSizeInGB: expected 1 to 16384, got 0")
def a_volume_of_nothing(content: Json) -> str:
    step = processing(content, "clarify.py")
    cluster(step)["VolumeSizeInGB"] = 0
    return step["Name"]


def parameter(content: Json, name: str) -> Json:
    return next(spec for spec in content["Parameters"] if spec["Name"] == name)


@says("VolumeKmsKeyId: expected none for ml.g5.xlarge, whose disks allow no key, got")
def a_key_for_disks_that_take_none(content: Json) -> str:
    step = of_type(content, "Tuning")
    trainings(step)[0]["ResourceConfig"]["VolumeKmsKeyId"] = KEY
    parameter(content, "TrainingInstanceType")["DefaultValue"] = "ml.g5.xlarge"
    return step["Name"]


@says("TransformResources.VolumeKmsKeyId: expected none for ml.g4dn.xlarge, whose disks allow no")
def a_key_for_disks_of_one_choice(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["TransformResources"]["VolumeKmsKeyId"] = KEY
    parameter(content, "TransformInstanceType")["EnumValues"] = ["ml.m5.large", "ml.g4dn.xlarge"]
    return step["Name"]


@says("ClusterConfig.InstanceCount: expected 1 to 100, got 99999999999")
def more_instances_than_there_are(content: Json) -> str:
    step = processing(content, "process.py")
    cluster(step)["InstanceCount"] = 99999999999
    return step["Name"]


@says("(by the parameter TransformInstanceCount): expected 1 to 2147483647, got 2147483648")
def a_number_of_more_than_32_bits(content: Json) -> str:
    step = of_type(content, "Transform")
    parameter(content, "TransformInstanceCount")["DefaultValue"] = 2**31
    return step["Name"]


@says("Arguments.RoleArn: expected a value, which CreateProcessingJobRequest requires, got none")
def no_role(content: Json) -> str:
    step = processing(content, "process.py")
    del step["Arguments"]["RoleArn"]
    return step["Name"]


@says("Arguments.RoleArn: expected a string that matches ... got 'SageMakerPipelineRole'",
      "Arguments.RoleArn: expected 20 to 2048 characters, got 21")  # fmt: skip
def a_role_by_its_name(content: Json) -> str:
    step = processing(content, "process.py")
    step["Arguments"]["RoleArn"] = "SageMakerPipelineRole"
    return step["Name"]


@says("S3InputMode: expected Pipe or File, got 'Files'")
def an_unknown_input_mode(content: Json) -> str:
    step = processing(content, "process.py")
    step["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3InputMode"] = "Files"
    return step["Name"]


@says("Arguments.Tags: expected a list, got {'Key': 'a', 'Value': 'b'}")
def an_object_for_a_list(content: Json) -> str:
    step = of_type(content, "Model")
    step["Arguments"]["Tags"] = {"Key": "a", "Value": "b"}
    return step["Name"]


@says(
    "Arguments.CustomerMetadataProperties.gate: expected a string that matches ... got 'auc > 0.75'"
)
def a_sign_that_metadata_cannot_have(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    step["Arguments"]["CustomerMetadataProperties"]["gate"] = "auc > 0.75"
    return step["Name"]


@says("Arguments.ModelPackageDescription: expected a string that matches ... got 'a\\nb'")
def a_line_break_in_a_description(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    step["Arguments"]["ModelPackageDescription"] = "a\nb"
    return step["Name"]


@says("Arguments.DataProcessing.InputFilter: expected 0 to 63 characters, got 64")
def a_filter_of_64_characters(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["DataProcessing"]["InputFilter"] = f"$[{','.join(['10'] * 20)},1]"
    return step["Name"]


@says("DataProcessing.InputFilter: expected $, $[5:] or $[0,-1], got '$.messages'")
def a_filter_of_another_type_of_records(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["DataProcessing"]["InputFilter"] = "$.messages"
    return step["Name"]


@says("TransformOutput.Accept: expected text/csv, as ContentType is, got 'application/jsonlines'")
def answers_of_another_type_than_the_records(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["TransformOutput"]["Accept"] = "application/jsonlines"
    return step["Name"]


@says("AppSpecification.ContainerArguments: expected 1 to 100 items, got 101")
def too_many_arguments(content: Json) -> str:
    step = processing(content, "evaluate.py")
    step["Arguments"]["AppSpecification"]["ContainerArguments"] = ["--x"] * 101
    return step["Name"]


@says("AppSpecification.ContainerArguments[1]: expected 0 to 256 characters, got 257")
def a_long_argument(content: Json) -> str:
    step = processing(content, "process.py")
    step["Arguments"]["AppSpecification"]["ContainerArguments"][1] = "x" * 257
    return step["Name"]


@says("CustomerMetadataProperties.test_split: expected at most 256 characters, got up to ")
def metadata_that_gets_too_long_with_an_executions_id(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    metadata = step["Arguments"]["CustomerMetadataProperties"]
    written = {"Std:Join": {"On": "/", "Values": ["s3://b", EXECUTION_ID, "x" * 238]}}
    metadata["test_split"] = written  # 257 with the id
    return step["Name"]


@says("ContainerArguments[1]: expected at most 256 characters, got up to 259")
def an_argument_that_gets_too_long_with_a_models_name(content: Json) -> str:
    step = processing(content, "evaluate.py")
    name = {"Get": f"Steps.{of_type(content, 'Model')['Name']}.ModelName"}
    written = {"Std:Join": {"On": "", "Values": ["x" * 196, name]}}
    step["Arguments"]["AppSpecification"]["ContainerArguments"][1] = written
    return step["Name"]


@says("Arguments.Environment.NOTE: expected 0 to 256 characters, got 257")
def a_long_variable(content: Json) -> str:
    step = processing(content, "process.py")
    step["Arguments"]["Environment"] = {"NOTE": "x" * 257}
    return step["Name"]


@says("the name of Arguments.Environment.a-b: expected a string that matches ... got 'a-b'")
def a_variable_with_a_hyphen(content: Json) -> str:
    step = processing(content, "process.py")
    step["Arguments"]["Environment"] = {"a-b": "x"}
    return step["Name"]


@says("StoppingCondition.MaxRuntimeInSeconds: expected a whole number, got True")
def a_truth_value_for_a_number(content: Json) -> str:
    step = of_type(content, "Tuning")
    trainings(step)[0]["StoppingCondition"]["MaxRuntimeInSeconds"] = True
    return step["Name"]


@says("TransformResources.InstanceCount: expected a whole number, "
      "got {'Get': 'Parameters.TransformInstanceType'}, which is a string",
      "parameter TransformInstanceCount: not used")  # fmt: skip
def a_parameter_of_another_type(content: Json) -> str:
    step = of_type(content, "Transform")
    resources = step["Arguments"]["TransformResources"]
    resources["InstanceCount"] = resources["InstanceType"]
    return step["Name"]


@says("(by the parameter TransformInstanceType): expected ml.m5.large ... got 'ml.m5.larg'")
def a_default_that_no_instance_has(content: Json) -> str:
    (spec,) = (p for p in content["Parameters"] if p["Name"] == "TransformInstanceType")
    spec["DefaultValue"] = "ml.m5.larg"
    return of_type(content, "Transform")["Name"]


@says("ModelDataUrl: expected a string, got {'Get': 'Steps ... , which is an object")
def a_property_of_another_type(content: Json) -> str:
    step, search = of_type(content, "Model"), of_type(content, "Tuning")["Name"]
    best = {"Get": f"Steps.{search}.BestTrainingJob"}
    step["Arguments"]["PrimaryContainer"]["ModelDataUrl"] = best
    return step["Name"]


# What stands beside requests


@says("Name: expected a string that matches ... got 'step 1'")
def a_name_with_a_space(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    step["Name"] = "step 1"
    return step["Name"]


@says("Name: expected one step of this name, got 2")
def two_steps_of_one_name(content: Json) -> str:
    step = of_type(content, "Model")
    content["Steps"].append(copy.deepcopy(step))
    return step["Name"]


@says("Type: expected RegisterModel ... got 'Registration'")
def an_unknown_step_type(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    step["Type"] = "Registration"
    del step["RetryPolicies"]
    return step["Name"]


@says("DependOn: unknown field of a step, expected DependsOn")
def a_misspelt_step_field(content: Json) -> str:
    step = of_type(content, "Model")
    step["DependOn"] = []
    return step["Name"]


@says("DependsOn[0]: expected ... got 'Prepare'")
def waiting_for_no_step(content: Json) -> str:
    step = of_type(content, "Tuning")
    step["DependsOn"] = ["Prepare"]
    return step["Name"]


@says("RetryPolicies[0].ExceptionType[0]: expected a fault that a Model step is retried for "
      "... got 'SageMaker.JOB_INTERNAL_ERROR'")  # fmt: skip
def a_jobs_fault_of_a_step_without_a_job(content: Json) -> str:
    step = of_type(content, "Model")
    step["RetryPolicies"][0]["ExceptionType"][0] = "SageMaker.JOB_INTERNAL_ERROR"
    return step["Name"]


@says("ExceptionType[0]: expected a fault that a RegisterModel step is retried for "
      "... got 'SageMaker.RESOURCE_LIMIT'")  # fmt: skip
def a_quota_of_a_step_without_a_job(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    step["RetryPolicies"][0]["ExceptionType"] = ["SageMaker.RESOURCE_LIMIT"]
    return step["Name"]


@says("Environment: expected nothing that changes the result without SageMaker's step "
      "cache comparing it, got {'THRESHOLD_RULE': 'f1'}")  # fmt: skip
def a_search_by_what_its_cache_does_not_compare(content: Json) -> str:
    step = of_type(content, "Tuning")
    trainings(step)[0]["Environment"] = {"THRESHOLD_RULE": "f1"}
    return step["Name"]


@says("Arguments.WarmStartConfig: expected nothing that changes the result", "WarmStartConfig")
def a_search_that_begins_where_another_ended(content: Json) -> str:
    step = of_type(content, "Tuning")
    parent = [{"HyperParameterTuningJobName": "earlier"}]
    step["Arguments"]["WarmStartConfig"] = {
        "ParentHyperParameterTuningJobs": parent, "WarmStartType": "IdenticalDataAndAlgorithm"
    }  # fmt: skip
    return step["Name"]


@says("RetryStrategy.MaximumRetryAttempts: expected the number of retries of a trial, got none")
def a_search_that_tries_no_trial_again(content: Json) -> str:
    step = of_type(content, "Tuning")
    for training in trainings(step):
        del training["RetryStrategy"]
    return step["Name"]


@says("RetryStrategy.MaximumRetryAttempts: expected 1 to 30, got 31")
def a_search_that_tries_a_trial_too_often(content: Json) -> str:
    step = of_type(content, "Tuning")
    trainings(step)[0]["RetryStrategy"]["MaximumRetryAttempts"] = 31
    return step["Name"]


@says("ExceptionType[1]: expected a fault that a Tuning step is retried for "
      "... got 'SageMaker.JOB_INTERNAL_ERROR'")  # fmt: skip
def a_search_that_is_retried_for_a_trials_fault(content: Json) -> str:
    step = of_type(content, "Tuning")
    step["RetryPolicies"][0]["ExceptionType"].insert(1, "SageMaker.JOB_INTERNAL_ERROR")
    return step["Name"]


@says("ExceptionType[0]: expected a fault that a Processing step is retried for "
      "... got 'Step.SERVICE_ERROR'")  # fmt: skip
def an_unknown_fault(content: Json) -> str:
    step = processing(content, "process.py")
    step["RetryPolicies"][0]["ExceptionType"][0] = "Step.SERVICE_ERROR"
    return step["Name"]


@says("RetryPolicies[0].MaxAttempts: expected 1 to 20, got 21")
def too_many_attempts(content: Json) -> str:
    step = of_type(content, "Transform")
    step["RetryPolicies"][0]["MaxAttempts"] = 21
    return step["Name"]


@says("CacheConfig.ExpireAfter: expected an ISO 8601 duration such as 'P30D', got '30 days'")
def a_duration_in_words(content: Json) -> str:
    step = of_type(content, "Tuning")
    step["CacheConfig"]["ExpireAfter"] = "30 days"
    return step["Name"]


@says("CacheConfig: expected none (only Processing, Training, Tuning or Transform steps are")
def a_cached_model(content: Json) -> str:
    step = of_type(content, "Model")
    step["CacheConfig"] = {"Enabled": True, "ExpireAfter": "P30D"}
    return step["Name"]


@says("PropertyFiles[0].OutputName: expected one of the step's outputs (evaluation), got 'metrics'")
def a_property_file_of_no_output(content: Json) -> str:
    step = processing(content, "evaluate.py")
    step["PropertyFiles"][0]["OutputName"] = "metrics"
    return step["Name"]


# Parameters


@says("Version: expected '2020-12-01', got '2020-12-02'")
def another_version(content: Json) -> str:
    content["Version"] = "2020-12-02"
    return ""


@says("parameter AsOf: expected one parameter of this name, got 2")
def two_parameters_of_one_name(content: Json) -> str:
    content["Parameters"].append({"Name": "AsOf", "Type": "String"})
    return ""


@says("parameter Threshold: not used")
def an_unused_parameter(content: Json) -> str:
    content["Parameters"].append({"Name": "Threshold", "Type": "Float", "DefaultValue": 0.5})
    return ""


@says("parameter ProcessingInstanceCount: Type: expected String ... got 'Number'")
def an_unknown_parameter_type(content: Json) -> str:
    (spec,) = (p for p in content["Parameters"] if p["Name"] == "ProcessingInstanceCount")
    spec["Type"] = "Number"
    return ""


@says("parameter TrainingInstanceCount: DefaultValue: expected Integer, got '1'",
      "(by the parameter TrainingInstanceCount): expected a whole number, got '1'")  # fmt: skip
def a_default_of_another_type(content: Json) -> str:
    (spec,) = (p for p in content["Parameters"] if p["Name"] == "TrainingInstanceCount")
    spec["DefaultValue"] = "1"
    return ""


@says("the name of a parameter: expected a string that matches", "expected the parameter")
def a_parameter_with_a_space(content: Json) -> str:
    (spec,) = (p for p in content["Parameters"] if p["Name"] == "AsOf")
    spec["Name"] = "As Of"
    content["Metadata"] = {"of": {"Get": "Parameters.As Of"}}
    return ""


@says("the definition: expected at most 1048576 characters, got ")
def a_definition_that_is_too_long(content: Json) -> str:
    content["Metadata"] = {"note": "x" * 1048576}
    return ""


@says("PipelineExperimentConfig: expected none (each execution would first create an experiment")
def an_experiment_that_each_execution_makes(content: Json) -> str:
    content["PipelineExperimentConfig"] = {
        "ExperimentName": {"Get": "Execution.PipelineName"},
        "TrialName": {"Get": "Execution.PipelineExecutionId"},
    }
    return ""


# References


@says("ModelName: expected the parameter ... got 'Parameters.ModelName'")
def a_parameter_that_is_not_there(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["ModelName"] = {"Get": "Parameters.ModelName"}
    return step["Name"]


@says("of: expected the execution variable ... got 'Execution.Id'")
def an_execution_variable_that_is_not_there(content: Json) -> str:
    content["Metadata"] = {"of": {"Get": "Execution.Id"}}
    return ""


@says("ModelName: expected the step ... got 'Steps.Prepare.ModelName'")
def a_property_of_no_step(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["ModelName"] = {"Get": "Steps.Prepare.ModelName"}
    return step["Name"]


@says("ModelName: expected a property of the Model step ... : it has no Name, but ")
def a_property_that_is_not_there(content: Json) -> str:
    step, model = of_type(content, "Transform"), of_type(content, "Model")["Name"]
    step["Arguments"]["ModelName"] = {"Get": f"Steps.{model}.Name"}
    return step["Name"]


@says("expected a property of the Tuning step "
      "... : HyperParameterTrainingJobSummary has no Best, but ")  # fmt: skip
def a_property_within_one_that_is_not_there(content: Json) -> str:
    step, search = of_type(content, "Model"), of_type(content, "Tuning")["Name"]
    best = {"Get": f"Steps.{search}.TrainingJobSummaries[0].Best"}
    step["Arguments"]["PrimaryContainer"]["ModelDataUrl"] = best
    return step["Name"]


@says("expected a property of the Processing step "
      "... : its request gives no 'all', but train, validation, test")  # fmt: skip
def an_output_that_is_not_there(content: Json) -> str:
    step, process = of_type(content, "Tuning"), processing(content, "process.py")["Name"]
    outputs = f"Steps.{process}.ProcessingOutputConfig.Outputs"
    channel = trainings(step)[0]["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    channel["S3Uri"] = {"Get": f"{outputs}['all'].S3Output.S3Uri"}
    return step["Name"]


@says("expected a property of the Tuning step ... : its request gives no TrainingJobDefinition")
def the_other_kind_of_searchs_property(content: Json) -> str:
    """Of a search over one algorithm, what one over several has, and the other way round."""
    step, search = of_type(content, "Model"), of_type(content, "Tuning")
    is_one = "TrainingJobDefinition" in search["Arguments"]
    other = "TrainingJobDefinitions[0]" if is_one else "TrainingJobDefinition"
    uri = {"Get": f"Steps.{search['Name']}.{other}.OutputDataConfig.S3OutputPath"}
    step["Arguments"]["PrimaryContainer"]["ModelDataUrl"] = uri
    return step["Name"]


@says("ModelDataUrl: expected Get, Std:Join or Std:JsonGet, got the function Std:Concat")
def an_unknown_function(content: Json) -> str:
    step = of_type(content, "Model")
    step["Arguments"]["PrimaryContainer"]["ModelDataUrl"] = {"Std:Concat": ["a", "b"]}
    return step["Name"]


@says("Std:Join: expected On, a string, and Values, a list, got {'Values': []}")
def a_join_by_nothing(content: Json) -> str:
    step = of_type(content, "Model")
    step["Arguments"]["PrimaryContainer"]["ModelDataUrl"] = {"Std:Join": {"Values": []}}
    return step["Name"]


@says("expected a property file that ... declares (Metrics), got ")
def a_property_file_that_is_not_declared(content: Json) -> str:
    processing(content, "evaluate.py")["PropertyFiles"][0]["PropertyFileName"] = "Metrics"
    return of_type(content, "Condition")["Name"]


@says("expected a value of evaluation.json ( ... got 'binary_classification_metrics.roc.value'")
def a_metric_that_is_not_measured(content: Json) -> str:
    read = comparison(content)["LeftValue"]["Std:JsonGet"]
    read["Path"] = "binary_classification_metrics.roc.value"
    return of_type(content, "Condition")["Name"]


@says("expected a value of evaluation.json ( ... got 'bias_metrics.worst_dppl'")
def a_path_that_ends_too_early(content: Json) -> str:
    comparison(content)["LeftValue"]["Std:JsonGet"]["Path"] = "bias_metrics.worst_dppl"
    return of_type(content, "Condition")["Name"]


@says("it waits for itself through ", "it waits for itself")
def a_circle(content: Json) -> str:
    step = processing(content, "process.py")
    step["DependsOn"] = [of_type(content, "Tuning")["Name"]]
    return step["Name"]


@says("it waits for itself")
def waiting_for_its_own_branch(content: Json) -> str:
    step = of_type(content, "Condition")
    step["DependsOn"].append(of_type(content, "RegisterModel")["Name"])
    return step["Name"]


@says(".Type: expected ... got 'Contains'")
def an_unknown_condition(content: Json) -> str:
    comparison(content)["Type"] = "Contains"
    return of_type(content, "Condition")["Name"]


@says(".RightValue: expected a value for ")
def half_a_comparison(content: Json) -> str:
    del comparison(content)["RightValue"]
    return of_type(content, "Condition")["Name"]


@says("Arguments.Conditions: expected one or more conditions, got none")
def no_conditions(content: Json) -> str:
    step = of_type(content, "Condition")
    step["Arguments"]["Conditions"] = []
    return step["Name"]


# Order and safety


@says("expected it in a condition's IfSteps, behind a gate, got it in Steps",
      "the registration could come before its bias report")  # fmt: skip
def registering_without_a_gate(content: Json) -> str:
    register = of_type(content, "Condition")["Arguments"]["IfSteps"].pop()
    content["Steps"].append(register)
    return register["Name"]


@says("got it in the ElseSteps of ")
def registering_what_the_gate_refuses(content: Json) -> str:
    arguments = of_type(content, "Condition")["Arguments"]
    arguments["ElseSteps"].append(arguments["IfSteps"].pop())
    return arguments["ElseSteps"][0]["Name"]


@says("the registration could come before its bias report")
def a_gate_that_does_not_wait_for_the_bias_report(content: Json) -> str:
    report = processing(content, "clarify.py")["Name"]
    of_type(content, "Condition")["DependsOn"].remove(report)
    return of_type(content, "RegisterModel")["Name"]


@says("expected a step that writes its bias report")
def no_bias_report(content: Json) -> str:
    specification = processing(content, "clarify.py")["Arguments"]["AppSpecification"]
    specification["ContainerEntrypoint"][-1] = "/opt/ml/processing/input/code/report.py"
    return of_type(content, "RegisterModel")["Name"]


@says("ModelApprovalStatus: expected 'PendingManualApproval', written out, got 'Approved'")
def approving_without_a_person(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    step["Arguments"]["ModelApprovalStatus"] = "Approved"
    return step["Name"]


@says("PendingManualApproval', written out, got {'Get': 'Parameters.Approval'}")
def approving_by_a_parameter(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    value = {"Name": "Approval", "Type": "String", "DefaultValue": "PendingManualApproval"}
    content["Parameters"].append(value)
    step["Arguments"]["ModelApprovalStatus"] = {"Get": "Parameters.Approval"}
    return step["Name"]


@says("RightValue: expected a number, written out in the gate, got {'Get': 'Parameters.Gate'}")
def a_gate_as_a_parameter(content: Json) -> str:
    content["Parameters"].append({"Name": "Gate", "Type": "Float", "DefaultValue": 0.75})
    comparison(content)["RightValue"] = {"Get": "Parameters.Gate"}
    return of_type(content, "Condition")["Name"]


@says("LeftValue: expected a value that the gate reads by Std:JsonGet, got 1.0")
def a_gate_that_reads_nothing(content: Json) -> str:
    comparison(content)["LeftValue"] = 1.0
    return of_type(content, "Condition")["Name"]


@says("expected a property of the step that wrote it, got a value composed from "
      "Execution.PipelineExecutionId")  # fmt: skip
def a_training_input_put_together_again(content: Json) -> str:
    step = of_type(content, "Tuning")
    uri = {"Std:Join": {"On": "/", "Values": [BUCKET, EXECUTION_ID, "train"]}}
    channel = trainings(step)[0]["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    channel["S3Uri"] = uri
    return step["Name"]


@says("Arguments.TransformInput.DataSource.S3DataSource.S3Uri: expected a property of ... composed")
def a_transform_input_put_together_again(content: Json) -> str:
    step = of_type(content, "Transform")
    uri = {"Std:Join": {"On": "/", "Values": [BUCKET, EXECUTION_ID, "test.csv"]}}
    step["Arguments"]["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] = uri
    return step["Name"]


@says("Arguments.ModelMetrics.Bias.Report.S3Uri: expected a property of ... composed from")
def a_report_put_together_again(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    uri = {"Std:Join": {"On": "/", "Values": [BUCKET, EXECUTION_ID, "analysis.json"]}}
    step["Arguments"]["ModelMetrics"]["Bias"]["Report"]["S3Uri"] = uri
    return step["Name"]


@says("AppSpecification.ContainerArguments[0]: expected a property of ... composed from")
def the_executions_id_as_an_argument(content: Json) -> str:
    step = processing(content, "evaluate.py")
    step["Arguments"]["AppSpecification"]["ContainerArguments"][0] = EXECUTION_ID
    return step["Name"]


@says(f"expected Execution.PipelineExecutionId as a part of it, got {BUCKET}/predictions,")
def an_output_that_executions_share(content: Json) -> str:
    step = of_type(content, "Transform")
    step["Arguments"]["TransformOutput"]["S3OutputPath"] = f"{BUCKET}/predictions/"
    return step["Name"]


@says("expected another place than that of")
def an_output_that_steps_share(content: Json) -> str:
    """The later step writes below the earlier one's prefix."""
    step = processing(content, "clarify.py")
    prefix = of_type(content, "Transform")["Arguments"]["TransformOutput"]["S3OutputPath"]
    (output,) = step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    output["S3Output"]["S3Uri"] = copy.deepcopy(prefix)
    output["S3Output"]["S3Uri"]["Std:Join"]["Values"].append("report")
    return step["Name"]


@says("expected another place than that of Arguments.ProcessingOutputConfig.Outputs[0]")
def two_outputs_of_a_step_in_one_place(content: Json) -> str:
    step = processing(content, "process.py")
    one, other, *_ = step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    other["S3Output"]["S3Uri"] = one["S3Output"]["S3Uri"]
    return step["Name"]


# The search, and SageMaker's own algorithms


@says("MetricDefinitions: expected none (sagemaker-xgboost has its own), "
      "got [{'Name': 'validation:auc'")  # fmt: skip
def metrics_of_its_own(content: Json) -> str:
    step = of_type(content, "Tuning")
    defined = [{"Name": "validation:auc", "Regex": "auc=(.*)"}]
    trainings(step)[0]["AlgorithmSpecification"]["MetricDefinitions"] = defined
    return step["Name"]


@says("MetricName: expected a metric of sagemaker-xgboost ( ... got 'validation:aucpr'")
def an_objective_that_is_not_known(content: Json) -> str:
    step = of_type(content, "Tuning")
    objective(step)["MetricName"] = "validation:aucpr"
    return step["Name"]


@says(".Type: expected 'M ... imize' for validation:")
def the_wrong_direction(content: Json) -> str:
    step = of_type(content, "Tuning")
    other = {"Maximize": "Minimize", "Minimize": "Maximize"}
    objective(step)["Type"] = other[objective(step)["Type"]]
    return step["Name"]


@says("Name: expected a hyperparameter that sagemaker-xgboost tunes ( ... got 'num_leaves'")
def a_hyperparameter_of_another_algorithm(content: Json) -> str:
    step = of_type(content, "Tuning")
    ranges(step)["ContinuousParameterRanges"][0]["Name"] = "num_leaves"
    return step["Name"]


@says("Name: expected 'num_round' in IntegerParameterRanges, got it in Continuous")
def a_whole_number_tuned_as_a_fraction(content: Json) -> str:
    step = of_type(content, "Tuning")
    ranges(step)["ContinuousParameterRanges"][0]["Name"] = "num_round"
    return step["Name"]


@says("EarlyStoppingType: expected 'Off' with TrainingJobDefinitions, got 'Auto'",
      "request gives no TrainingJobDefinition")  # fmt: skip
def early_stopping_of_several(content: Json) -> str:
    step = of_type(content, "Tuning")
    arguments = step["Arguments"]
    config = arguments["HyperParameterTuningJobConfig"]
    config["TrainingJobEarlyStoppingType"] = "Auto"
    if one := arguments.pop("TrainingJobDefinition", None):
        several = {"TuningObjective": config.pop("HyperParameterTuningJobObjective"),
                   "HyperParameterRanges": config.pop("ParameterRanges")}  # fmt: skip
        arguments["TrainingJobDefinitions"] = [{**one, **several, "DefinitionName": "one"}]
    return step["Name"]


@says("WarmStartConfig: expected none with TrainingJob", "gives no TrainingJobDefinition", "'Auto'",
      "WarmStartConfig: expected nothing that changes the result")  # fmt: skip
def a_warm_start_of_several(content: Json) -> str:
    name = early_stopping_of_several(content)
    of_type(content, "Tuning")["Arguments"]["WarmStartConfig"] = {
        "WarmStartType": "TransferLearning",
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "earlier"}],
    }
    return name


# The feature store


@says("ProcessingInputs[1].DatasetDefinition: expected S3Input, got DatasetDefinition: SageMaker ")
def a_dataset_definition(content: Json) -> str:
    step = processing(content, "process.py")
    step["Arguments"]["ProcessingInputs"][1] = {
        "InputName": "features",
        "DatasetDefinition": {
            "LocalPath": "/opt/ml/processing/input/features",
            "DataDistributionType": "FullyReplicated",
            "InputMode": "File",
            "AthenaDatasetDefinition": {
                "Catalog": "AwsDataCatalog",
                "Database": "sagemaker_featurestore",
                "QueryString": "SELECT 1",
                "OutputS3Uri": f"{BUCKET}/queries",
                "OutputFormat": "PARQUET",
            },
        },
    }
    name: str = step["Name"]
    return name


# Serving


@says("Arguments.PrimaryContainer.Environment.SAGEMAKER_PROGRAM: expected the name of ... got ''")
def a_model_without_a_script(content: Json) -> str:
    step = of_type(content, "Model")
    step["Arguments"]["PrimaryContainer"]["Environment"]["SAGEMAKER_PROGRAM"] = ""
    return step["Name"]


@says("Containers[0].Environment.SAGEMAKER_SUBMIT_DIRECTORY: expected ... got none")
def a_package_without_its_scripts_place(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    del package(step)["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"]
    return step["Name"]


@says("Containers[0].Environment.SAGEMAKER_PROGRAM: expected ... got none",
      "Containers[0].Environment.SAGEMAKER_SUBMIT_DIRECTORY: expected ... got none")  # fmt: skip
def a_package_without_an_environment(content: Json) -> str:
    step = of_type(content, "RegisterModel")
    del package(step)["Environment"]
    return step["Name"]
