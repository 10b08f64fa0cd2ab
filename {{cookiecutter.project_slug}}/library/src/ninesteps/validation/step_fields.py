"""Checks a step's fields beside its request: names, types, retries, caching, property files.

botocore's model has none of them. The sources are AWS's JSON schema of pipeline definitions, and
the developer guide's pages "Retry Policy for Pipeline Steps" and "Turn on step caching".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ninesteps.definition.known_fields import RETRIED, STEP_FIELDS, STEP_TYPES
from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import places
from ninesteps.validation import service
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import either, expected
from ninesteps.validation.requests import mismatches

_FIELDS = tuple(name.removesuffix("!") for name in STEP_FIELDS)
_DURATION = re.compile(
    r"P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?", re.IGNORECASE
)
_MOST_ATTEMPTS = 20


def check_fields(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """A step has a unique name, a known type and known fields."""
    name = step.content.get("Name", "")
    yield from mismatches(name, service.model().shape_for("StepName"), "Name", compiled)
    if not name:
        yield "Name: expected a name, got none"
    namesakes = sum(other.name == step.name for other in compiled.steps)
    if namesakes > 1:
        yield f"Name: expected one step of this name, got {namesakes}"
    if step.type not in STEP_TYPES:
        yield expected("Type", service.nearest(step.type, STEP_TYPES), step.type)
    if not isinstance(step.content.get("Arguments"), dict):
        yield expected("Arguments", "an object", step.content.get("Arguments"))
    for field in step.content:
        if field not in _FIELDS:
            yield f"{field}: unknown field of a step, expected {service.nearest(field, _FIELDS)}"


def check_retries(step: StepContent, _: Compiled) -> Iterator[str]:
    """Retried faults can happen to such a step: a job's fault only if it has a job."""
    known = [fault for fault in RETRIED if step.type in service.JOBS or fault.startswith("Step.")]
    if step.type == "Tuning":  # its trials are retried by the search, or never
        known.remove("SageMaker.JOB_INTERNAL_ERROR")
    for where, fault in places(step.content, "RetryPolicies[].ExceptionType[]"):
        if step.type not in service.CALLS:
            yield expected(where, f"none (a {step.type} step is never retried)", fault)
        elif fault not in known:
            right = f"a fault that a {step.type} step is retried for ({either(known)})"
            yield expected(where, right, fault)
    for where, attempts in places(step.content, "RetryPolicies[].MaxAttempts"):
        if not isinstance(attempts, int) or not 1 <= attempts <= _MOST_ATTEMPTS:
            yield expected(where, f"1 to {_MOST_ATTEMPTS}", attempts)
    yield from _trial_retries(step)


def _trial_retries(step: StepContent) -> Iterator[str]:
    """A search retries its own trials: the step's retries do not apply to them."""
    attempts = "RetryStrategy.MaximumRetryAttempts"
    for path in ("TrainingJobDefinition", "TrainingJobDefinitions[]"):
        for where, definition in step.at(path):
            if step.type == "Tuning" and not [*places(definition, attempts)]:
                yield (
                    f"{where}.{attempts}: expected the number of retries of a trial, got none (the "
                    "step's RetryPolicies do not apply to its trials)"
                )


def check_caching(step: StepContent, _: Compiled) -> Iterator[str]:
    """A job's outputs are cached for a valid duration; other steps are never cached."""
    for where, cached in places(step.content, "CacheConfig"):
        if step.type not in service.JOBS:
            yield expected(where, f"none (only {either(service.JOBS)} steps are cached)", cached)
        after = cached.get("ExpireAfter") if isinstance(cached, dict) else None
        if not _DURATION.fullmatch(str(after)):
            right = "an ISO 8601 duration such as 'P30D'"
            yield expected(f"{where}.ExpireAfter", right, after)


def check_property_files(step: StepContent, _: Compiled) -> Iterator[str]:
    """A property file is in one of its step's outputs."""
    outputs = [o for _, o in step.at("ProcessingOutputConfig.Outputs[].OutputName")]
    for where, output in places(step.content, "PropertyFiles[].OutputName"):
        if output not in outputs:
            yield expected(where, f"one of the step's outputs ({either(outputs)})", output)
