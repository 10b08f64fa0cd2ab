"""An A/B test decides wrongly no more often than it says, however often one looks, by simulation.

`AB_RUNS` says how many tests are simulated for each case; tolerances are three standard errors.
"""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from ab_decision import ABTest, Bets, Rules, rate_interval
from ab_events import Outcome, Reply, user_digest, variant_of
from ninesteps.runs.ab_simulation import Ends, evidence, shares, simulate

RUNS = int(os.environ.get("AB_RUNS", "80"))
IS_FULL = RUNS >= 2000

LOOSE = Rules(first_users=1000, min_users=1)
"""Without a least number of users: the bets alone decide."""


def ends(rates: tuple[object, object], w: np.ndarray, rules: Rules = LOOSE) -> Ends:
    return simulate(rules, rates, w, RUNS, seed=17)


def within(share: float, most: float) -> bool:
    """Whether a share of the runs is at most some share, up to three standard errors."""
    return share <= most + 3 * np.sqrt(most * (1 - most) / RUNS)


def tell(text: str) -> None:
    """Say a figure, which `pytest -s` shows."""
    print(f"\n{text}")  # noqa: T201


def fixed(share: float, users: int) -> np.ndarray:
    return np.full(users, share)


def test_many_tests_at_once_are_computed_as_one_event_by_event() -> None:
    rules, users = Rules(first_users=60, margin=0.02), 400
    w, chance = np.empty(users), np.random.default_rng(4)
    arms, values = np.empty((1, users), bool), chance.random((1, users)) < 0.9
    test, seen = ABTest(rules), []
    for number in range(users):
        share, user = test.share, user_digest("s", str(number))
        w[number], variant = share / 100, variant_of(user, share)
        arms[0, number] = variant == "challenger"
        test.add(Reply(number, f"r{number}", user, share, variant, 200, 1))
        test.add(Outcome(number, f"r{number}", bool(values[0, number])))
        seen.append((test.e_better, test.e_worse))
    assert w.tolist() == shares(rules, users).tolist()
    for side, expected in zip(evidence(rules, arms, values, w), zip(*seen, strict=True),
                              strict=True):  # fmt: skip
        assert side[0] == pytest.approx(expected, abs=1e-9)


USERS = 8000 if IS_FULL else 2500


@pytest.mark.parametrize("rate", [0.5, 0.97])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_equal_versions_are_told_apart_in_one_test_of_twenty_at_most(
    share: float, rate: float
) -> None:
    found = ends((rate, rate), fixed(share, USERS))
    wrong = ((found.better > 0) | (found.worse > 0)).mean()
    tell(f"share {share}, rate {rate}: {wrong:.2%} wrong")
    assert within(wrong, 0.05)


def test_a_share_that_grows_while_the_rate_drifts_decides_no_more_often_wrongly() -> None:
    drift = np.linspace(0.4, 0.6, USERS)
    found = ends((drift, drift), shares(LOOSE, USERS))
    wrong = ((found.better > 0) | (found.worse > 0)).mean()
    tell(f"ramp and drift: {wrong:.2%} wrong")
    assert within(wrong, 0.05)


def test_a_version_that_is_worse_by_more_than_the_margin_seldom_passes() -> None:
    rules = Rules(margin=0.05, min_users=1)
    found = ends((0.8, 0.75), fixed(0.5, USERS), rules)
    wrong = (found.better > 0).mean()
    tell(f"margin: {wrong:.2%} wrong")
    assert within(wrong, 0.025)


@pytest.mark.parametrize(
    ("case", "rates", "share", "users", "power", "mean"),
    [
        ("50 -> 60 at 50/50", (0.5, 0.6), 0.5, 4000, 0.99, 866),
        *([
            ("50 -> 55 at 50/50", (0.5, 0.55), 0.5, 20000, 0.998, 3523),
            ("50 -> 55 at 10/90", (0.5, 0.55), 0.1, 20000, 0.91, 9160),
            ("50 -> 55, 10 to 50 at 1000", (0.5, 0.55), None, 20000, 0.99, 4128),
            ("97 -> 98 at 50/50", (0.97, 0.98), 0.5, 20000, 0.9, 10000),
        ] if IS_FULL else []),
    ],
)  # fmt: skip
def test_a_difference_is_found_as_soon_as_stated(
    case: str,
    rates: tuple[float, float],
    share: float | None,
    users: int,
    power: float,
    mean: float,
) -> None:
    w = shares(LOOSE, users) if share is None else fixed(share, users)
    found = ends(rates, w).better
    lasted = np.where(found > 0, found, users)
    tell(f"{case}: power {(found > 0).mean():.1%}, mean {lasted.mean():.0f}")
    assert within(1 - (found > 0).mean(), 1 - power)
    assert lasted.mean() <= mean + 3 * lasted.std() / np.sqrt(RUNS)


def test_an_interval_of_a_rate_holds_at_all_times_at_once() -> None:
    chance, users = np.random.default_rng(6), 1000 if IS_FULL else 300
    looks = np.unique(np.geomspace(1, users, 40).astype(int))
    missed = 0
    for _ in range(RUNS):
        good = np.cumsum(chance.random(users) < 0.7)
        bounds = [rate_interval(int(good[n - 1]), int(n)) for n in looks]
        missed += not all(low <= 0.7 <= high for low, high in bounds)
    tell(f"intervals of a rate: {missed / RUNS:.2%} missed it at some time")
    assert within(missed / RUNS, 0.05)


def test_an_interval_narrows_and_has_the_rate_within() -> None:
    assert rate_interval(0, 0) == (0.0, 1.0)
    low, high = rate_interval(0, 50)
    assert low == pytest.approx(0, abs=1e-9)
    assert 0.05 < high < 0.2
    wide, narrow = rate_interval(70, 100), rate_interval(700, 1000)
    assert wide[0] < narrow[0] < 0.7 < narrow[1] < wide[1]


def test_the_difference_is_not_misled_by_a_share_that_grows_while_the_rate_drifts() -> None:
    """Most of main's users came while the rate was low: the plain rates alone differ."""
    missed, estimates = 0, []
    for seed in range(20):
        chance, bets = np.random.default_rng(seed), Bets()
        for number in range(2000):
            w, rate = (0.1, 0.3) if number < 1000 else (0.5, 0.7)
            arm = int(chance.random() < w)
            bets.add(arm, int(chance.random() < rate), w, 0.0)
        plain = bets.resolved[1] / bets.users[1] - bets.resolved[0] / bets.users[0]
        mean, low, high = bets.difference()
        estimates.append(mean)
        missed += not low <= 0 <= high
        assert plain > 0.08
    assert missed <= 2
    assert np.mean(estimates) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(
    ("rates", "share"),
    [((0.98, 0.98), 0.05), ((0.2, 0.9), 0.5),
     *([((0.5, 0.5), 0.5), ((0.97, 0.99), 0.1)] if IS_FULL else [])],
)  # fmt: skip
def test_an_interval_of_the_difference_holds_at_all_times_at_once(
    rates: tuple[float, float], share: float
) -> None:
    """An asymptotic one misses equal rates of 0.98 at a share of 5 % in one test of three."""
    users, runs = (4000, 400) if IS_FULL else (1500, 40)
    chance, missed = np.random.default_rng(3), 0
    looks = {2, 5, *np.geomspace(10, users, 30).astype(int).tolist()}
    for _ in range(runs):
        bets, is_in = Bets(), True
        for number in range(1, users + 1):
            arm = int(chance.random() < share)
            bets.add(arm, int(chance.random() < rates[arm]), share, 0.0)
            if number in looks:
                _, low, high = bets.difference()
                is_in &= low <= rates[1] - rates[0] <= high
        missed += not is_in
    tell(f"intervals of the difference, {rates} at {share}: {missed / runs:.2%} missed it")
    assert missed / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert high - low < (0.12 if share == 0.5 else 0.4)


def test_equal_versions_pass_a_margin() -> None:
    users = 20000 if IS_FULL else 8000
    found = ends((0.8, 0.8), fixed(0.5, users), Rules(margin=0.05, min_users=1)).better
    lasted = np.where(found > 0, found, users)
    tell(f"margin 0.05 at 0.8: mean {lasted.mean():.0f}")
    assert lasted.mean() <= 2656 + 3 * lasted.std() / np.sqrt(RUNS)


USERS_ONE_BY_ONE = 2500 if IS_FULL else 1500

TRIED = max(RUNS // 15, 8)
"""Tests that are simulated event by event."""


def one_by_one(seed: int, said: tuple[float, float], replies: int = 1) -> ABTest:
    """A test of equal versions whose users answer so often, each with some replies."""
    chance = np.random.default_rng(seed)
    test, users = ABTest(Rules(first_users=300, window_hours=1)), USERS_ONE_BY_ONE
    for number in range(users):
        user, time = user_digest(f"s{seed}", str(number)), 400.0 * number
        rate = 0.4 + 0.2 * number / users
        for again in range(replies):
            variant = variant_of(user, test.share)
            name = f"r{number}.{again}"
            test.add(Reply(time + again, name, user, test.share, variant, 200, 1))
            if chance.random() < said[variant == "challenger"]:
                test.add(Outcome(time + again, name, bool(chance.random() < rate)))
        if test.has_ended:
            break
    return test


def test_versions_whose_users_answer_unequally_often_end_as_invalid() -> None:
    found = [one_by_one(seed, (0.3, 0.6)) for seed in range(TRIED)]
    outcomes = [test.decision.outcome for test in found]
    users = [sum(test.bets.users) for test in found]
    tell(f"unequal rating rates: {sorted(set(outcomes))}, median users {np.median(users):.0f}")
    assert outcomes.count("invalid") >= 0.9 * TRIED
    assert "better" not in outcomes


def test_several_outcomes_of_a_user_count_once() -> None:
    found = [one_by_one(seed, (1, 1), replies=3) for seed in range(TRIED // 2)]
    wrong = sum(test.decision.outcome in ("better", "worse") for test in found)
    assert all(sum(test.bets.users) <= USERS_ONE_BY_ONE for test in found)
    assert within(wrong / len(found), 0.05)


def test_a_fair_test_is_hardly_ever_invalid() -> None:
    found = [one_by_one(100 + seed, (0.9, 0.9)) for seed in range(TRIED)]
    assert sum(test.decision.outcome == "invalid" for test in found) <= 0.01 * TRIED + 1
    state = len(json.dumps(found[0].as_json()))
    assert state < 20_000 + 12 * USERS_ONE_BY_ONE
