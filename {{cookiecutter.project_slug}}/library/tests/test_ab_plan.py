"""`pipeline ab-plan`: what a test needs, by simulated tests that come in blocks of users."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ab_decision import Rules
from ninesteps.cli.main import main
from ninesteps.runs.ab_plan import marks, plan
from ninesteps.runs.ab_simulation import shares, simulate, simulate_blocks
from pets import settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_users_in_blocks_are_the_same_test_as_one_by_one() -> None:
    rules, rates, runs = Rules(first_users=200, min_users=50), (0.5, 0.6), 200
    w, blocks = shares(rules, 3000), np.full(300, 10)
    one = simulate(rules, rates, w, runs, 1).better
    many = simulate_blocks(rules, rates, w[::10], blocks, runs, 2).better
    one, many = (np.where(ends > 0, ends, 3000) for ends in (one, many))
    error = np.sqrt((one.var() + many.var()) / runs)
    assert many.mean() == pytest.approx(one.mean(), abs=10 + 3 * error)


def test_more_users_and_larger_differences_decide_sooner() -> None:
    rules = Rules(max_days=17)
    few, many = (plan(rules, users, 0.5, (0.0, 0.05, 0.1)) for users in (200, 2000))
    assert few[0].better[14] < 0.05
    assert few[1].better[14] < few[2].better[14]
    assert few[1].better[14] < many[1].better[14]
    assert many[2].days == pytest.approx(10, abs=0.2)  # a week of users, and three days' wait
    assert few[0].users is None
    (worse,) = plan(rules, 2000, 0.5, (-0.1,))
    assert worse.worse[7] > 0.95
    assert worse.better[14] == 0


def test_a_plan_speaks_of_days_whose_users_count() -> None:
    assert marks(Rules()) == [7, 14, 25]
    assert marks(Rules(max_days=10)) == [7]


def test_the_command_says_it_in_words_and_as_json() -> None:
    told = CliRunner().invoke(main, ["ab-plan", "--users", "500", "--differences", "0.1"])
    assert told.exit_code == 0, told.output
    assert "500 users a day, 0.5 of them with a good outcome" in told.output
    given = ["ab-plan", "--users", "500", "--differences", "0.1", "--json"]
    content = json.loads(CliRunner().invoke(main, given).stdout)
    assert [one["difference"] for one in content["plans"]] == [0.1]
    assert content["plans"][0]["better_within_days"]["25"] > 0.95


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--differences", "0.6"], "expected differences that leave a rate between 0 and 1"),
        (["--differences", "many"], "expected numbers from -1 to 1 with commas between them"),
        (["--differences", "nan"], "expected numbers from -1 to 1 with commas between them"),
        (["--rate", "1"], "1.0 is not in the range 0<x<1"),
        (["--rate", "nan"], "expected a number"),
        (["--users", "0"], "0 is not in the range"),
    ],
)
def test_wrong_use_gets_one_sentence(given: list[str], sentence: str) -> None:
    told = CliRunner().invoke(main, ["ab-plan", *given])
    assert told.exit_code == 2
    assert sentence in " ".join(told.stderr.split())


def test_every_rule_of_a_test_is_a_setting() -> None:
    names = {rule.name for rule in dataclasses.fields(Rules)}
    assert settings().ab_rules.keys() == names
