"""What stands beside a step's request: names, types, retries, caching, property files.

botocore's model has none of it. The sources are AWS's JSON schema of pipeline definitions, and the
developer guide's pages "Retry Policy for Pipeline Steps" and "Turn on step caching".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ninesteps.definition.known_fields import RETRIED, STEP_FIELDS, STEP_TYPES
from ninesteps.definition.reader import Compiled, Step, places
from ninesteps.validation import service
from ninesteps.validation.finding import either, read
from ninesteps.validation.requests import mismatches

_FIELDS = tuple(name.removesuffix("!") for name in STEP_FIELDS)
_DURATION = re.compile(
    r"P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?", re.IGNORECASE
)
_MOST_ATTEMPTS = 20


def check_fields(step: Step, compiled: Compiled) -> Iterator[str]:
    """A step has a name of its own, a type that there is, and fields that are read."""
    name = step.content.get("Name", "")
    yield from mismatches(name, service.model().shape_for("StepName"), "Name", compiled)
    if not name:
        yield "Name is missing, where every step has one"
    namesakes = sum(other.name == step.name for other in compiled.steps)
    if namesakes > 1:
        yield f"{namesakes} steps have this name, where one is right"
    if step.type not in STEP_TYPES:
        yield f"Type is {step.type!r}, where {service.nearest(step.type, STEP_TYPES)} is right"
    if not isinstance(step.content.get("Arguments"), dict):
        yield f"Arguments is {read(step.content.get('Arguments'))}, where an object is right"
    for field in step.content:
        if field not in _FIELDS:
            yield f"{field} was read, where a step has {service.nearest(field, _FIELDS)}"


def check_retries(step: Step, _: Compiled) -> Iterator[str]:
    """What is retried can happen to such a step: a job's fault only where there is a job."""
    known = [fault for fault in RETRIED if step.type in service.JOBS or fault.startswith("Step.")]
    for where, fault in places(step.content, "RetryPolicies[].ExceptionType[]"):
        if step.type not in service.CALLS:
            yield f"{where} is {read(fault)}, where a {step.type} step is never retried"
        elif fault not in known:
            right = f"a {step.type} step is retried for {either(known)}"
            yield f"{where} is {read(fault)}, where {right}"
    for where, attempts in places(step.content, "RetryPolicies[].MaxAttempts"):
        if not isinstance(attempts, int) or not 1 <= attempts <= _MOST_ATTEMPTS:
            yield f"{where} is {read(attempts)}, where 1 to {_MOST_ATTEMPTS} is right"


def check_caching(step: Step, _: Compiled) -> Iterator[str]:
    """A job is taken over for a time that SageMaker can read; other steps are never taken over."""
    for where, cached in places(step.content, "CacheConfig"):
        if step.type not in service.JOBS:
            yield f"{where} was read, where {either(service.JOBS)} steps alone are cached"
        after = cached.get("ExpireAfter") if isinstance(cached, dict) else None
        if not _DURATION.fullmatch(str(after)):
            right = "an ISO 8601 duration such as 'P30D'"
            yield f"{where}.ExpireAfter is {read(after)}, where {right} is right"


def check_property_files(step: Step, _: Compiled) -> Iterator[str]:
    """A property file is looked for in an output that its step has."""
    outputs = [o for _, o in step.at("ProcessingOutputConfig.Outputs[].OutputName")]
    for where, output in places(step.content, "PropertyFiles[].OutputName"):
        if output not in outputs:
            yield f"{where} is {read(output)}, where the step has the output {either(outputs)}"
