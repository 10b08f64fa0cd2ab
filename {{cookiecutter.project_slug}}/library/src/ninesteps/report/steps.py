"""Each step's part of the page: what it does, its inputs, outputs and parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ninesteps.report.evidence import Absent
from ninesteps.report.facet_names import facet_name
from ninesteps.report.facts import RunFacts, Source, StepFacts
from ninesteps.report.formatting import listed, shortened
from ninesteps.report.judgement import read_condition
from ninesteps.settings import gate as gates

MOST_LINES, MOST_CHARACTERS = 40, 4_000
"""How much of the end of a log is shown."""

MOST_VALUE = 600
"""Characters of one parameter."""

_DOES = {
    "process.py": "Reads the feature store as of the run's point in time, splits the rows into "
    "training, validation and test, and measures bias in the training data.",
    "evaluate.py": "Measures the best model on the test split, which no model has seen.",
    "analysis_config.py": "Writes the configuration of the bias analysis.",
    "clarify.py": "Measures bias in the data and in the predictions, and explains what the "
    "predictions depend on.",
    "Tuning": "Trains many models with different settings and keeps the one that does best on the "
    "validation split.",
    "Training": "Trains a model.",
    "Model": "Creates a SageMaker model from the best one, so that it can make predictions.",
    "Transform": "Makes predictions for the test split, as the model would in use.",
    "RegisterModel": "Adds the model to the registry, where a person approves or rejects it.",
    "Condition": "The gate: compares the metrics with limits that were set before the run.",
    "Processing": "Runs a script.",
    "Fail": "Ends the run as failed.",
}


@dataclass(frozen=True)
class StepPart:
    """What the page shows of one step."""

    number: int
    step: StepFacts
    does: str
    came_to: str  # in a sentence
    after: str  # which steps it waits for
    inputs: list[tuple[str, str]]
    outputs: list[tuple[str, str]]
    parameters: list[tuple[str, str]]
    log: str
    no_log: str  # why there is none


def step_parts(facts: RunFacts, source: Source) -> list[StepPart]:
    """The parts of all steps, in order."""
    numbers = {step.name: number for number, step in enumerate(facts.steps, 1)}
    return [_part(numbers, step, source) for step in facts.steps]


def _part(numbers: dict[str, int], step: StepFacts, source: Source) -> StepPart:
    lines = list(source.log(step))
    waits = sorted(numbers[name] for name in step.waits_for if name in numbers)
    steps = "step" if len(waits) == 1 else "steps"
    after = f"after {steps} {listed([str(n) for n in waits])}" if waits else "runs first"
    return StepPart(
        number=numbers[step.name],
        step=step,
        does=_DOES.get(role(step), ""),
        came_to=_came_to(step),
        after=after,
        inputs=list(inputs(step.request)),
        outputs=list(_outputs(step)),
        parameters=list(_parameters(step)),
        log=_tail(lines),
        no_log=_no_log(step) if not lines else "",
    )


def role(step: StepFacts) -> str:
    """A step's role: the script that it runs, if that is a known one, or else its type."""
    words = step.request.get("AppSpecification", {}).get("ContainerEntrypoint", [])
    script = str(words[-1]).rpartition("/")[2] if words else ""
    return script if script in _DOES else step.type


def _came_to(step: StepFacts) -> str:
    if step.reason:
        verb = {"Skipped": "It was skipped", "Failed": "It failed"}.get(step.status, step.status)
        return f"{verb}: {step.reason}"
    if step.type == "Condition" and step.outcome is not None:
        return "The model passes the gate." if step.outcome else "The model fails the gate."
    detail = f"{step.detail}. " if step.detail else ""
    return f"{detail}{step.taken}"


def _no_log(step: StepFacts) -> str:
    if step.log_place:
        return f"No log lines to show. Log: {step.log_place}."
    return "This step runs no process, so it has no log."


def _tail(lines: Iterable[str]) -> str:
    text = "\n".join(shortened(line, 400) for line in list(lines)[-MOST_LINES:])
    return text if len(text) <= MOST_CHARACTERS else f"…{text[-MOST_CHARACTERS:]}"


def inputs(request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A step's inputs by name: S3 URIs, or references that are not resolved yet."""
    for entry in request.get("ProcessingInputs", []):
        yield entry.get("InputName", ""), _value(entry.get("S3Input", {}).get("S3Uri"))
    for channel in _channels(request):
        source = channel.get("DataSource", {}).get("S3DataSource", {})
        yield channel.get("ChannelName", ""), _value(source.get("S3Uri"))
    if transformed := request.get("TransformInput"):
        yield "data", _value(transformed["DataSource"]["S3DataSource"]["S3Uri"])
    if container := request.get("PrimaryContainer"):
        yield "model", _value(container.get("ModelDataUrl"))
    for container in request.get("InferenceSpecification", {}).get("Containers", []):
        yield "model", _value(container.get("ModelDataUrl"))
    for part, content in request.get("ModelMetrics", {}).items():
        for entry in content.values():
            yield f"metrics: {part}", _value(entry.get("S3Uri"))


def _channels(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The channels of a training job or a search; several definitions have the same ones."""
    several = request.get("TrainingJobDefinitions") or [
        request.get("TrainingJobDefinition", request)
    ]
    channels: list[dict[str, Any]] = several[0].get("InputDataConfig", [])
    return channels


def _outputs(step: StepFacts) -> Iterator[tuple[str, str]]:
    request = step.request
    for entry in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        yield entry.get("OutputName", ""), _value(entry.get("S3Output", {}).get("S3Uri"))
    definitions = request.get("TrainingJobDefinitions") or [
        request.get("TrainingJobDefinition", request)
    ]
    if output := definitions[0].get("OutputDataConfig"):
        yield "models", _value(output.get("S3OutputPath"))
    if best := request.get("BestTrainingJob"):
        yield "best training job", _value(best.get("TrainingJobName"))
    if output := request.get("TransformOutput"):
        yield "predictions", _value(output.get("S3OutputPath"))
    for name in ("ModelArn", "ModelPackageArn"):
        if name in step.answer:
            yield name, _value(step.answer[name])
    if step.outcome is not None:
        yield "outcome", "passes" if step.outcome else "fails"


_SHOWN = (
    "AppSpecification",
    "Environment",
    "ProcessingResources",
    "HyperParameterTuningJobConfig",
    "StaticHyperParameters",
    "AlgorithmSpecification",
    "ResourceConfig",
    "TransformResources",
    "DataProcessing",
    "BatchStrategy",
    "CustomerMetadataProperties",
    "ModelApprovalStatus",
    "ModelPackageGroupName",
    "ErrorMessage",
    "StoppingCondition",
)
"""The parts of a request that are shown as parameters."""


def _parameters(step: StepFacts) -> Iterator[tuple[str, str]]:
    arguments = step.request.get("AppSpecification", {}).get("ContainerArguments", [])
    yield from _readable(_words(arguments))
    if step.type == "Condition":
        for condition in step.arguments.get("Conditions", []):
            yield "condition", _condition(condition)
    definitions = step.request.get("TrainingJobDefinitions")
    for request in definitions or [step.request, step.request.get("TrainingJobDefinition", {})]:
        prefix = f"{request.get('DefinitionName')}: " if definitions else ""
        for name in _SHOWN:
            if name in request:
                yield from _readable(_flat(f"{prefix}{name}", request[name]))
    if definitions and "HyperParameterTuningJobConfig" in step.request:
        yield from _flat(
            "HyperParameterTuningJobConfig", step.request["HyperParameterTuningJobConfig"]
        )


def _condition(condition: dict[str, Any]) -> str:
    """A comparison as a gate is written, `auc > 0.75`; any other condition as JSON."""
    try:
        return str(read_condition(condition))
    except (Absent, LookupError, TypeError):
        return _value(condition)


def _readable(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Parameters, with the gate and facets written as in pipeline.toml."""
    for name, text in pairs:
        yield name, gates.written(text) if name == "gate" else _as_facet(text)


def _as_facet(text: str) -> str:
    """A facet's argument, written as in the settings; any other text unchanged."""
    if not text.startswith('{"key": '):
        return text
    try:
        return facet_name(json.loads(text))
    except (ValueError, LookupError, TypeError):
        return text


def _words(arguments: list[Any]) -> Iterator[tuple[str, str]]:
    """`--name value` in pairs."""
    name = ""
    for word in arguments:
        if isinstance(word, str) and word.startswith("--") and not name:
            name = word
        else:
            yield name or "argument", _value(word)
            name = ""
    if name:
        yield name, ""


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The leaves of a request, by their last names."""
    if name.endswith(("ContainerArguments", "TuningJobCompletionCriteriaConfig")):
        return
    if isinstance(value, dict) and not _is_reference(value):
        for key, item in value.items():
            yield from _flat(key if key not in ("Name",) else name, item)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for item in value:
            label = str(item.get("Name", name))
            rest = ", ".join(f"{k} {_value(v)}" for k, v in item.items() if k != "Name")
            yield label, rest
    else:
        yield name, _value(value)


def _is_reference(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Get", "Std:"))


def _value(value: Any) -> str:
    """A value as text; an unresolved reference is shown by its name."""
    if value is None:
        return ""
    if isinstance(value, dict) and _is_reference(value):
        ((kind, operand),) = value.items()
        if kind == "Get":
            return f"⟨{operand}⟩"
        if kind == "Std:Join":
            return shortened(
                str(operand["On"]).join(_value(v) for v in operand["Values"]), MOST_VALUE
            )
    if isinstance(value, list):
        value = " ".join(_value(item) for item in value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, MOST_VALUE)
