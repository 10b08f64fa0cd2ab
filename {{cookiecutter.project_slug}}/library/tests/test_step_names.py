"""A step is named by its number, its name or the beginning of its name, in every command."""

from __future__ import annotations

import re

import pytest

from ninesteps.definition.step_names import numbered, step_name
from ninesteps.errors import DefinitionError

TYPES = {"ChurnProcess": "Processing", "ChurnTrain": "Training", "Check": "Condition",
         "Register": "RegisterModel"}  # fmt: skip
NAMES = ["ChurnProcess", "ChurnTrain", "Register", "Check"]


def test_steps_are_numbered_with_a_condition_after_what_it_decides_on() -> None:
    assert numbered(TYPES) == NAMES


@pytest.mark.parametrize(
    ("asked", "name"),
    [("1", "ChurnProcess"), ("4", "Check"), ("ChurnTrain", "ChurnTrain"), ("churnt", "ChurnTrain"),
     ("Che", "Check")],
)  # fmt: skip
def test_a_step_is_named_by_number_name_or_beginning(asked: str, name: str) -> None:
    assert step_name(asked, NAMES) == name


def test_a_name_that_another_one_begins_with_is_that_step() -> None:
    assert step_name("Check", ["CheckBias", "Check"]) == "Check"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Churn", "expected one step, got 'Churn', which begins ChurnProcess, ChurnTrain"),
        ("0", "there is no step '0'; there is 1 ChurnProcess, 2 ChurnTrain, 3 Register, 4 Check"),
        ("5", "there is no step '5'; there is 1 ChurnProcess"),
        ("²", "there is no step '²'; there is 1 ChurnProcess"),
        ("", "there is no step ''; there is 1 ChurnProcess"),
        ("Rigester", "there is no step 'Rigester'; .*; did you mean 'Register'\\?$"),
    ],
)
def test_a_step_that_is_not_there_is_refused_with_those_that_are(asked: str, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        step_name(asked, NAMES)
    assert re.match(said, str(refused.value))
