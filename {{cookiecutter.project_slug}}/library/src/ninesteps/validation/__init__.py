"""Checks a compiled definition for everything that can be known before AWS sees it.

SageMaker accepts nearly any definition, and a faulty step fails only when its turn comes, after
hours. The rules are in the modules of this package, one function each. They read botocore's model
of the service, and no other files, settings or network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninesteps.validation import (
    caching,
    conditions,
    disks,
    managed_bias,
    parameters,
    references,
    registration,
    requests,
    search,
    serving,
    step_fields,
    storage,
    transforms,
)
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import Finding

__all__ = ["Finding", "check_definition", "check_values"]

PIPELINE_RULES = (
    parameters.check_pipeline,
    parameters.check_parameters,
    references.check_pipeline_references,
)
STEP_RULES = (
    step_fields.check_fields,
    step_fields.check_retries,
    step_fields.check_caching,
    caching.check_cache_key,
    step_fields.check_property_files,
    requests.check_request,
    disks.check_disk_keys,
    managed_bias.check_program,
    references.check_references,
    references.check_waiting,
    conditions.check_conditions,
    conditions.check_evaluation_paths,
    conditions.check_gate,
    registration.check_registration,
    registration.check_bias_report,
    storage.check_inputs,
    storage.check_outputs,
    search.check_metric_definitions,
    search.check_search,
    search.check_one_algorithm,
    serving.check_serving,
    transforms.check_filters,
)


def check_definition(definition: dict[str, Any], evaluation: Mapping[str, Any]) -> list[Finding]:
    """The findings in a definition, step by step; empty if there are none.

    `evaluation` is an example of the evaluation step's `evaluation.json`: only its keys matter.
    """
    compiled = Compiled(definition, evaluation)
    findings = [Finding("", message) for rule in PIPELINE_RULES for message in rule(compiled)]
    for step in compiled.steps:
        findings += [Finding(step.name, message)
                  for rule in STEP_RULES for message in rule(step, compiled)]  # fmt: skip
    return list(dict.fromkeys(findings))


def check_values(definition: dict[str, Any], values: Mapping[str, Any]) -> list[str]:
    """What SageMaker would refuse with these parameter values instead of the defaults."""
    declared = [{**spec, "DefaultValue": values.get(spec["Name"], spec.get("DefaultValue"))}
                for spec in definition.get("Parameters", [])
                if spec["Name"] in values or "DefaultValue" in spec]  # fmt: skip
    compiled = Compiled({**definition, "Parameters": declared}, {})
    found = [m for step in compiled.steps for m in requests.check_request(step, compiled)]
    sentences = []
    for name in values:
        mark = f"{requests.by_parameter(name)}: "
        sentences += [f"parameter {name}: {m.partition(mark)[2]}" for m in found if mark in m]
    return list(dict.fromkeys(sentences))
