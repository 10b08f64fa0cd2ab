"""The decision threshold, against trying every one."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from decision import CONFIDENCE, DecisionThreshold, choose_threshold
from intervals import lower_bound
from ninesteps.settings.judgement import Model

SCORES = {
    "accuracy": accuracy_score,
    "f1": lambda labels, flags: f1_score(labels, flags, zero_division=0),
}
TARGETS = {"accuracy": None, "f1": None, "recall": 0.6}
Floats = NDArray[np.float64]


def score(rule: str, labels: Floats, flagged: NDArray[np.bool_]) -> float:
    return float(SCORES[rule](labels, flagged.astype(np.float64)))


def threshold_of(rule: str, labels: Floats, probabilities: Floats) -> float:
    return choose_threshold(rule, labels, probabilities, TARGETS[rule]).threshold


def random_case(seed: int) -> tuple[Floats, Floats]:
    """Labels, of one class at times, and probabilities with many, few or no ties."""
    source = np.random.default_rng(seed)
    n = int(source.integers(1, 40))
    labels = (source.random(n) < source.uniform(0.1, 0.9)).astype(np.float64)
    steps = int(source.choice([4, 10, 10**6]))
    probabilities = np.clip(np.round((source.random(n) * 0.8 + 0.2 * labels) * steps) / steps, 0, 1)
    return labels, probabilities


def every_threshold(probabilities: Floats) -> list[float]:
    values = np.unique(probabilities)
    return [0.0, *((values[1:] + values[:-1]) / 2), float(np.nextafter(1, 2))]


def bound(hits: float, positives: float) -> float:
    """Clopper and Pearson's lower bound of hits among positives, 90 %, one-sided."""
    return float(stats.beta.ppf(0.1, hits, positives - hits + 1)) if hits else 0.0


@pytest.mark.parametrize("rule", SCORES)
@pytest.mark.parametrize("seed", range(25))
def test_no_threshold_is_better_and_none_as_good_is_nearer_to_a_half(rule: str, seed: int) -> None:
    labels, probabilities = random_case(seed)
    threshold = choose_threshold(rule, labels, probabilities).threshold
    reached = score(rule, labels, probabilities >= threshold)
    scores = {t: score(rule, labels, probabilities >= t) for t in every_threshold(probabilities)}
    assert reached == pytest.approx(max(scores.values()), abs=1e-12)
    equals = [t for t, s in scores.items() if s == pytest.approx(reached, abs=1e-12)]
    assert abs(threshold - 0.5) == pytest.approx(min(abs(t - 0.5) for t in equals), abs=1e-12)


@pytest.mark.parametrize("rule", Model.THRESHOLDS)
def test_a_threshold_lies_between_probabilities_as_a_model_gives_them(rule: str) -> None:
    source = np.random.default_rng(1)
    for _ in range(20):
        probabilities = source.random(200).astype(np.float32).astype(np.float64)
        labels = (source.random(200) < probabilities).astype(np.float64)
        threshold = threshold_of(rule, labels, probabilities)
        assert threshold not in probabilities
        assert ((probabilities * (1 + 1e-9) >= threshold) == (probabilities >= threshold)).all()


def test_the_rules_are_not_one() -> None:
    labels = np.array([0.0] * 8 + [1] * 2 + [0] * 4 + [1])
    probabilities = np.array([0.1] * 8 + [0.4] * 6 + [0.05])
    assert choose_threshold("accuracy", labels, probabilities).threshold > 0.4  # 12 of 15 right
    assert 0.1 < choose_threshold("f1", labels, probabilities).threshold <= 0.4
    assert choose_threshold("recall", labels, probabilities, 0.4).threshold <= 0.05


def test_all_probabilities_alike_flag_all_or_none() -> None:
    many, few = np.array([1.0, 1, 0]), np.array([0.0, 0, 1])
    assert choose_threshold("accuracy", many, np.full(3, 0.7)).threshold <= 0.7
    assert choose_threshold("accuracy", few, np.full(3, 0.7)).threshold > 0.7


@pytest.mark.parametrize("rule", Model.THRESHOLDS)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_a_threshold_too(rule: str, label: int) -> None:
    probabilities = np.array([0.2, 0.6, 0.6])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threshold = threshold_of(rule, np.full(3, float(label)), probabilities)
    assert 0 <= threshold <= np.nextafter(1, 2)


def test_certainty_can_be_flagged_and_can_be_left_alone() -> None:
    sure, alone = np.array([1.0, 1.0, 0.5]), np.array([0.0, 0.0, 0.5])
    assert choose_threshold("accuracy", np.zeros(3), sure).threshold > 1
    assert choose_threshold("accuracy", np.ones(3), alone).threshold == 0


@pytest.mark.parametrize("rule", Model.THRESHOLDS)
def test_a_rule_that_the_settings_offer_is_one_that_there_is(rule: str) -> None:
    decision = choose_threshold(rule, np.array([0.0, 1]), np.array([0.2, 0.6]), TARGETS[rule])
    assert (decision.rule, decision.recall_target) == (rule, TARGETS[rule])


def test_there_is_no_other_rule() -> None:
    with pytest.raises(KeyError):
        choose_threshold("precision", np.array([0.0, 1]), np.array([0.2, 0.6]), 0.5)


# The recall rule


@pytest.mark.parametrize("positives", [1, 2, 7, 60, 3000])
def test_the_lower_bound_is_clopper_and_pearsons(positives: int) -> None:
    hits = np.arange(positives + 1, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bounds = lower_bound(hits, float(positives), CONFIDENCE)
    np.testing.assert_allclose(bounds[1:], stats.beta.ppf(0.1, hits[1:], positives - hits[1:] + 1))
    assert bounds[0] == 0
    assert bounds[-1] == pytest.approx(0.1 ** (1 / positives))
    # What the bound means: were it the true recall, so many hits or more came in 10 % of samples.
    seen = stats.binom.sf(hits[1:] - 1, positives, bounds[1:])
    np.testing.assert_allclose(seen, 0.1, rtol=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_no_threshold_whose_recall_is_sure_enough_is_more_precise(seed: int) -> None:
    labels, probabilities = random_case(seed)
    target = float(np.random.default_rng(seed).uniform(0.1, 0.8))
    chosen = choose_threshold("recall", labels, probabilities, target)
    tried = {}
    for threshold in every_threshold(probabilities):
        flagged = probabilities >= threshold
        hits, flags = float(labels[flagged].sum()), float(flagged.sum())
        tried[threshold] = (bound(hits, labels.sum()), hits, flags, hits / max(flags, 1))
    enough = {t: precision for t, (low, _, _, precision) in tried.items() if low > target}
    assert chosen.reached == bool(enough)
    assert chosen.recall_lower_bound == pytest.approx(tried[chosen.threshold][0])
    if enough:
        equals = [t for t, p in enough.items() if p == pytest.approx(max(enough.values()))]
        assert abs(chosen.threshold - 0.5) == min(abs(t - 0.5) for t in equals)
    else:
        best = max((hits, -flags) for _, hits, flags, _ in tried.values())
        assert (tried[chosen.threshold][1], -tried[chosen.threshold][2]) == best


LABELS = np.array([1.0] * 19 + [0] * 10 + [1] + [0] * 30)
PROBABILITIES = np.array([0.9] * 19 + [0.6] * 10 + [0.4] + [0.1] * 30)


@pytest.mark.parametrize(
    ("target", "threshold", "hits"),
    [
        (0.80, 0.75, 19),  # 19 of 20: recall is 0.95, and above 0.819 for sure
        (0.85, 0.25, 20),  # for which 0.95 is not sure enough, although it is above it
        (0.89, 0.25, 20),  # 20 of 20 is above 0.891 for sure
    ],
)
def test_recall_must_be_above_the_target_by_its_lower_bound(
    target: float, threshold: float, hits: int
) -> None:
    chosen = choose_threshold("recall", LABELS, PROBABILITIES, target)
    assert (chosen.threshold, chosen.reached) == (pytest.approx(threshold), True)
    assert chosen.recall_target == target
    assert chosen.recall_lower_bound == pytest.approx(bound(hits, 20))


def test_a_bound_exactly_at_the_target_is_not_above_it() -> None:
    at = float(lower_bound(np.array([19.0]), 20.0, CONFIDENCE)[0])
    assert choose_threshold("recall", LABELS, PROBABILITIES, at).threshold < 0.4
    below = float(np.nextafter(at, 0))
    assert choose_threshold("recall", LABELS, PROBABILITIES, below).threshold > 0.6


@pytest.mark.parametrize(("middle", "low", "threshold"), [(0.45, 0.1, 0.675), (0.46, 0.4, 0.43)])
def test_of_thresholds_as_precise_the_nearest_to_a_half_is_chosen(
    middle: float, low: float, threshold: float
) -> None:
    """Above and below the middle value half of what is flagged is positive, and enough of it."""
    labels = np.array([1.0] * 30 + [0] * 30 + [1] * 10 + [0] * 10 + [0])
    probabilities = np.array([0.9] * 60 + [middle] * 20 + [low])
    chosen = choose_threshold("recall", labels, probabilities, 0.6)
    assert chosen.threshold == pytest.approx(threshold)


def test_a_target_out_of_reach_takes_all_positives_with_the_fewest_others_and_says_so() -> None:
    chosen = choose_threshold("recall", LABELS, PROBABILITIES, 0.9)
    assert chosen == DecisionThreshold(
        "recall",
        threshold=pytest.approx(0.25),
        recall_target=0.9,
        recall_lower_bound=pytest.approx(0.1 ** (1 / 20)),
        reached=False,
    )


def test_the_recall_rule_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the recall that the gate asks for"):
        choose_threshold("recall", LABELS, PROBABILITIES)


def test_what_is_saved_of_a_decision_is_what_its_rule_has() -> None:
    plain = choose_threshold("f1", LABELS, PROBABILITIES)
    assert set(plain.as_json()) == {"rule", "threshold", "reached"}
    by_recall = choose_threshold("recall", LABELS, PROBABILITIES, 0.9)
    assert set(by_recall.as_json()) == {
        "rule", "threshold", "recall_target", "recall_lower_bound", "reached",
    }  # fmt: skip
    for decision in (plain, by_recall):
        assert DecisionThreshold(**json.loads(json.dumps(decision.as_json()))) == decision
