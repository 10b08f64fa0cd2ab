"""What SageMaker's step cache compares: every member of every request is decided upon."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import pets
from ninesteps.definition.step_content import step_contents
from ninesteps.runs import compiled
from ninesteps.settings.settings import Settings
from ninesteps.validation import caching, service

CHANGES_THE_RESULT: dict[str, set[str]] = {
    "Processing": set(),
    "Training": {"ServerlessJobConfig", "SessionChainingConfig"},
    "Tuning": {
        "Autotune", "WarmStartConfig",
        *(f"{where}.{member}" for where in ("TrainingJobDefinition", "TrainingJobDefinitions[]")
          for member in ("CheckpointConfig", "Environment")),
    },
    "Transform": set(),
}  # fmt: skip
"""What is not compared, and would give another result: no cached step may have it."""


def members(step_type: str) -> Iterator[str]:
    """The members of a request, and of a search's training definitions."""
    for name, shape in service.request(step_type).members.items():
        if step_type == "Tuning" and name == "TrainingJobDefinition":
            yield from (f"{name}.{member}" for member in shape.members)
        elif step_type == "Tuning" and name == "TrainingJobDefinitions":
            yield from (f"{name}[].{member}" for member in shape.member.members)
        else:
            yield name


@pytest.mark.parametrize("step_type", service.JOBS)
def test_every_member_of_a_request_is_decided_upon_once(step_type: str) -> None:
    decided = [
        *caching.COMPARED[step_type],
        *caching.OF_NO_EFFECT[step_type],
        *CHANGES_THE_RESULT[step_type],
    ]
    assert len(decided) == len(set(decided))
    assert sorted(decided) == sorted(members(step_type))


OWN = pets.changed(pets.settings(), model={"threshold": "accuracy"})
OTHERS = {
    "the threshold's rule": {"model": {"threshold": "f1"}},
    "the recall that is asked for": {
        "model": {"threshold": "recall"}, "gate": {"metric": "auc > 0.5 and recall > 0.8"}
    },
    "more recall": {
        "model": {"threshold": "recall"}, "gate": {"metric": "auc > 0.5 and recall > 0.9"}
    },
    "the algorithm": {"tuning": {"algorithms": ("lightgbm",)}},
    "another algorithm beside it": {"tuning": {"algorithms": ("xgboost", "lightgbm")}},
    "the seed": {"tuning": {"seed": 21}},
}  # fmt: skip
"""Settings that give other models, or choose other ones."""


def key_of(settings: Settings) -> str:
    """What SageMaker's cache compares of the search."""
    content = json.loads(compiled.definition(settings, settings.environment()))
    (step,) = (step for step in step_contents(content) if step.type == "Tuning")
    paths = caching.COMPARED[step.type]
    return json.dumps([[path, [*step.at(path)]] for path in paths])


def test_what_changes_a_search_is_in_its_key() -> None:
    settings = {what: pets.changed(OWN, **sections) for what, sections in OTHERS.items()}
    keys = {what: key_of(others) for what, others in {"own": OWN, **settings}.items()}
    assert len(set(keys.values())) == len(keys), "some have the key of others"
    assert key_of(OWN) == keys["own"]


def test_definitions_that_are_compared_have_keys_of_their_own() -> None:
    """Were they alike in what is compared, another order of them would be no other search."""
    settings = pets.changed(OWN, tuning={"algorithms": ("xgboost", "lightgbm")})
    content = json.loads(compiled.definition(settings, settings.environment()))
    (step,) = (step for step in step_contents(content) if step.type == "Tuning")
    chosen = [s["algorithm"] for _, s in step.at("TrainingJobDefinitions[].StaticHyperParameters")]
    assert chosen == ["xgboost", "lightgbm"]
