"""The instances that a pipeline's jobs and its endpoint need at once: types and numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ninesteps.definition import values
from ninesteps.definition.order import steps_before
from ninesteps.definition.step_content import StepContent, step_contents
from ninesteps.infrastructure.permissions import CLARIFY_IMAGE
from ninesteps.settings.deploy import AB_TEST
from ninesteps.settings.settings import Settings

PROCESSING, TRAINING, TRANSFORM, ENDPOINT = (
    "processing job",
    "training job",
    "transform job",
    "endpoint",
)
"""The uses of instances, as Service Quotas names them."""


@dataclass(frozen=True)
class Jobs:
    """The jobs of one kind that a step starts."""

    step: str
    use: str
    instance_type: str
    instances: int  # of each job
    jobs: int  # in all
    at_once: int  # of them
    max_seconds: int  # that one may take; 0: the definition sets no limit

    @property
    def most(self) -> int:
        """Instances at once."""
        return self.instances * self.at_once


@dataclass(frozen=True)
class Need:
    """How many instances of a type are needed at once for one use."""

    use: str
    instance_type: str
    count: int
    why: str


def jobs(definition: Mapping[str, Any]) -> list[Jobs]:
    """The jobs that an execution starts, as the parameters' defaults have them."""
    defaults = {p["Name"]: p.get("DefaultValue") for p in definition.get("Parameters", [])}
    return [job for step in step_contents(definition) for job in _jobs(step, defaults)]


def needs(definition: Mapping[str, Any], settings: Settings) -> list[Need]:
    """What one execution and one simultaneous rollout need at once, by use and type."""
    started = jobs(definition)
    steps = {step.name: step for step in step_contents(definition)}
    found: list[Need] = []
    for use, instance_type in dict.fromkeys((job.use, job.instance_type) for job in started):
        of_kind = [job for job in started if (job.use, job.instance_type) == (use, instance_type)]
        together = most_at_once(of_kind, steps)
        why = " and ".join(dict.fromkeys(job.step for job in together))
        found.append(Need(use, instance_type, sum(job.most for job in together), why))
    deploy, of_jobs = settings.deploy, settings.compute.processing_instance
    found.append(Need(PROCESSING, of_jobs, 1, "a rollout's job"))
    # UpdateEndpoint starts a second fleet of the same size; staging's, of one, has ended by then.
    # An A/B test has two such fleets, and is entered and left beside what serves.
    served, fleets = "the endpoint and the new one that takes over", 2
    if deploy.rollout == AB_TEST:
        served, fleets = "the endpoint and the two variants of an A/B test", 3
    most = max(deploy.instances, deploy.max_instances)
    found.append(Need(ENDPOINT, deploy.instance_type, fleets * most, served))
    if CLARIFY_IMAGE in json.dumps(definition):
        found.append(Need(ENDPOINT, of_jobs, 1, "Clarify's shadow endpoint"))
    return list(_added(found))


def _added(found: Sequence[Need]) -> Iterator[Need]:
    """One for each use and type."""
    for kind in dict.fromkeys((need.use, need.instance_type) for need in found):
        same = [need for need in found if (need.use, need.instance_type) == kind]
        why = "; ".join(need.why for need in same)
        yield Need(*kind, sum(need.count for need in same), why)


def most_at_once(jobs: Sequence[Jobs], steps: Mapping[str, StepContent]) -> list[Jobs]:
    """The jobs that can run at the same time and have the most instances together.

    Steps can run at the same time if neither waits for the other, and if no condition makes only
    one of them run.
    """
    waiting = {name: step.waits_for for name, step in steps.items()}
    before = {job.step: steps_before(job.step, waiting) for job in jobs}

    def fits(one: Jobs, other: Jobs) -> bool:
        first, second = steps[one.step].branch, steps[other.step].branch
        is_either = first and second and first[0] == second[0] and first[1] != second[1]
        waits = one.step in before[other.step] or other.step in before[one.step]
        return not waits and not is_either

    def best(left: list[Jobs]) -> list[Jobs]:
        if not left:
            return []
        first, rest = left[0], left[1:]
        others = [job for job in rest if fits(first, job)]
        taken = [first, *best(others)]
        if len(others) == len(rest):  # it is in nobody's way
            return taken
        return max(taken, best(rest), key=lambda chosen: sum(job.most for job in chosen))

    return best(list(jobs))


def _jobs(step: StepContent, defaults: Mapping[str, Any]) -> Iterator[Jobs]:
    """The jobs of one step; each definition of a search may use all of the search's jobs.

    The fields are those of the requests in the API reference.
    """
    places = {
        "Processing": (PROCESSING, "", "ProcessingResources.ClusterConfig"),
        "Training": (TRAINING, "", "ResourceConfig"),
        "Transform": (TRANSFORM, "", "TransformResources"),
        "Tuning": (TRAINING, "TrainingJobDefinition", "ResourceConfig"),
    }
    if step.type not in places:
        return

    def number(content: Any, path: str) -> int:
        found = [value for _, value in values.places(content, path)]
        value = _resolved(found[0], defaults) if found else 0
        return value if isinstance(value, int) else 0

    use, definition, resources = places[step.type]
    limits = "HyperParameterTuningJobConfig.ResourceLimits"
    most = number(step.arguments, f"{limits}.MaxNumberOfTrainingJobs")
    parallel = number(step.arguments, f"{limits}.MaxParallelTrainingJobs")
    requests = (
        [request for path in (definition, f"{definition}s[]") for _, request in step.at(path)]
        if definition
        else [step.arguments]
    )
    found = {}
    for request in requests:
        for _, cluster in values.places(request, resources):
            instance_type = str(_resolved(cluster.get("InstanceType"), defaults))
            found[instance_type] = Jobs(
                step=step.name,
                use=use,
                instance_type=instance_type,
                instances=number(cluster, "InstanceCount"),
                jobs=most or 1,
                at_once=parallel or 1,
                max_seconds=number(request, "StoppingCondition.MaxRuntimeInSeconds"),
            )
    yield from found.values()


def _resolved(value: Any, defaults: Mapping[str, Any]) -> Any:
    """A value, or the default of the parameter that is used for it."""
    if values.function_of(value) == "Get":
        return defaults.get(str(value["Get"]).removeprefix("Parameters."))
    return value
