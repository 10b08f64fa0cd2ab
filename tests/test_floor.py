"""The floor holds whatever the gates are, and every scenario's file of standards has its own."""

from __future__ import annotations

import os
import tomllib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import QUESTIONS, SCENARIOS, overlay
from ninesteps.profiles import profile as profiles
from ninesteps.settings import gate as gates
from ninesteps.settings.floor import implies

NUMBERS = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
METRICS = ("auc", "recall", "flagged_share")
GATES = st.recursive(
    st.builds(
        gates.Comparison, st.sampled_from(METRICS), st.sampled_from([">", ">=", "<", "<="]), NUMBERS
    ),
    lambda parts: st.builds(
        lambda kind, several: kind(tuple(several)),
        st.sampled_from([gates.AllOf, gates.AnyOf]),
        st.lists(parts, min_size=2, max_size=3),
    ),
    max_leaves=8,
)
VALUES = st.fixed_dictionaries({name: NUMBERS | st.floats(0, 1) for name in METRICS})
TRIED = settings(max_examples=int(os.environ.get("ANSWERS_TRIED", "200")), derandomize=True)


def holds(gate: gates.Gate, values: dict[str, float]) -> bool:
    """What SageMaker's conditions say of a model with these metrics."""
    if isinstance(gate, gates.AllOf):
        return all(holds(part, values) for part in gate.parts)
    if isinstance(gate, gates.AnyOf):
        return any(holds(part, values) for part in gate.parts)
    value, number = values[gate.metric], gate.number
    return {">": value > number, ">=": value >= number,
            "<": value < number, "<=": value <= number}[gate.sign]  # fmt: skip


def weakened(gate: gates.Gate, by: float) -> gates.Gate:
    """A gate that asks for less by a number everywhere."""
    if isinstance(gate, gates.Comparison):
        less = gate.number - by if ">" in gate.sign else gate.number + by
        return gates.Comparison(gate.metric, gate.sign, less)
    return type(gate)(tuple(weakened(part, by) for part in gate.parts))


@TRIED
@given(team=GATES, floor=GATES, values=VALUES)
def test_no_model_gets_through_a_gate_above_the_floor_that_the_floor_would_not_let_through(
    team: gates.Gate, floor: gates.Gate, values: dict[str, float]
) -> None:
    assume(implies(team, floor))
    assert not holds(team, values) or holds(floor, values)


@TRIED
@given(team=GATES, more=GATES, by=st.sampled_from([0.0, 0.1]))
def test_a_gate_meets_itself_and_whatever_is_weaker(
    team: gates.Gate, more: gates.Gate, by: float
) -> None:
    floor = weakened(team, by)
    assert implies(team, floor)
    assert implies(gates.AllOf((team, more)), floor)
    assert implies(team, gates.AnyOf((more, floor)))


def test_the_longest_gate_with_the_most_ways_through_it_is_judged_at_once() -> None:
    either = "(f1 > 0 or f1 > 0 or f1 > 0)"
    team = gates.parse(" and ".join([either] * 7), "binary")
    gates.both(team, None)  # 256 letters, the most that a version keeps, let no more through
    with pytest.raises(gates.GateError):
        gates.both(gates.parse(" and ".join([either] * 8), "binary"), None)
    assert not implies(team, gates.parse("auc > 0.5", "binary"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_floor_of_its_own_below_its_default_gate(scenario: str) -> None:
    defaults = QUESTIONS["_scenarios"][scenario]
    settings = tomllib.loads((overlay(scenario) / "pipeline.toml").read_text(encoding="utf-8"))
    assert settings["project"]["profile"] == scenario
    profile = profiles.load(scenario)
    if not defaults["metric_gate"]:
        assert profile.metric_gate == profile.problem == ""
        return
    assert profile.problem == defaults["problem_type"]
    floor, gate = (
        gates.parse(read, defaults["problem_type"])
        for read in (profile.metric_gate, defaults["metric_gate"])
    )
    assert implies(gate, floor)
    assert not implies(floor, gate)
