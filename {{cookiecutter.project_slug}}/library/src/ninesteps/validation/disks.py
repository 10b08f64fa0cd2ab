"""Checks that no encryption key is given for instances whose local disks do not support one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import places
from ninesteps.settings.operation import LOCAL_DISKS
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected
from ninesteps.validation.requests import parameter

INSTANCES = (
    "ProcessingResources.ClusterConfig",
    "ResourceConfig",
    "TransformResources",
    "TrainingJobDefinition.ResourceConfig",
    "TrainingJobDefinitions[].ResourceConfig",
)
"""Where requests name their instance types."""


def check_disk_keys(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """SageMaker refuses a job with a key for instances whose local disks do not support one."""
    for path in INSTANCES:
        for where, instances in step.at(path):
            for place, key in places(instances, "VolumeKmsKeyId", where):
                for kind in _types(instances.get("InstanceType"), compiled):
                    if key and re.fullmatch(LOCAL_DISKS, kind):
                        yield expected(place, f"none for {kind}, whose disks allow no key", key)


def _types(value: Any, compiled: Compiled) -> list[str]:
    """The instance types that a value can be: itself, or a parameter's default and choices."""
    spec = parameter(value, compiled) if isinstance(value, dict) else None
    if spec is None:
        return [str(value)]
    return [str(v) for path in ("DefaultValue", "EnumValues[]") for _, v in places(spec, path)]
