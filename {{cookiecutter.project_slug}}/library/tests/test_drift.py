"""Profiles of training splits, and how far two of them lie apart."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

import feature_profile
from dataset import Columns, Split, Texts
from ninesteps.report.drift import Drift, drifts


def profile(column: Any, texts: Any = ("a",), labels: Any = None) -> dict[str, Any]:
    """The profile of a split with one feature and one column of a facet."""
    values = np.asarray(column, dtype=np.float32)
    columns = Columns(
        record_id="id", label="y", problem="binary", favourable_label=1, label_threshold=None,
        facets=(), group_variable="kind", context=("kind",), features=("x",),
    )  # fmt: skip
    kinds = Texts.of(np.resize(np.array(texts, dtype=object), len(values)))
    given = np.zeros(len(values)) if labels is None else np.asarray(labels, dtype=float)
    split = Split(columns, ["id"] * len(values), given, {"kind": kinds}, values[:, np.newaxis])
    found: dict[str, Any] = json.loads(json.dumps(feature_profile.profile(split)))
    return found


def drift(before: dict[str, Any], now: dict[str, Any], name: str = "x") -> Drift:
    return next(one for one in drifts(before, now) if one.name == name)


def test_the_same_data_have_not_moved() -> None:
    made = profile(np.random.default_rng(1).normal(size=3_000), ["a", "b", "b"])
    assert [(one.psi, one.ks or 0.0) for one in drifts(made, made)] == [(0, 0)] * 3


def test_shares_of_few_values_are_compared_exactly() -> None:
    """By hand: (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5)."""
    before, now = profile([0, 1] * 50), profile([0] * 80 + [1] * 20)
    found = drift(before, now)
    assert found.psi == pytest.approx(0.3 * np.log(1.6) + 0.3 * np.log(2.5))
    assert found.ks == pytest.approx(0.3)
    assert found.is_exact
    assert found.reading == "much"


def test_a_value_that_is_new_and_one_that_is_gone_count() -> None:
    assert drift(profile([0, 1] * 50), profile([1, 2] * 50)).psi > 3
    found = drift(
        profile([0, 1] * 50, ["a", "b"]), profile([0, 1] * 50, ["b", "c"]), "kind (facet)"
    )
    assert found.psi > 3
    assert found.ks is None


def test_missing_values_are_a_part_of_the_distribution() -> None:
    before, now = profile([0.0, 1.0] * 50), profile([0.0, 1.0] * 25 + [np.nan] * 50)
    found = drift(before, now)
    assert found.missing == (0, 0.5)
    assert found.psi > 1
    assert found.ks == pytest.approx(0)
    empty = profile([np.nan] * 100)
    assert drift(before, empty).psi > 5
    assert drift(empty, empty).psi == 0


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("kind", ["normal", "many zeros"])
def test_percentiles_tell_it_nearly_as_well_as_all_values(shift: float, kind: str) -> None:
    source = np.random.default_rng(7)
    first, second = source.normal(size=8_000), source.normal(shift, 1, 6_000)
    if kind == "many zeros":
        first, second = np.maximum(first, 0), np.maximum(second, 0)
    found = drift(profile(first), profile(second))
    assert not found.is_exact
    assert found.ks == pytest.approx(ks_2samp(first, second).statistic, abs=0.02)
    edges = np.unique(np.quantile(first, np.linspace(0, 1, 11)[1:-1]))
    p, q = (np.bincount(np.searchsorted(edges, v), minlength=len(edges) + 1) / len(v)
            for v in (first, second))  # fmt: skip
    keep = (p > 0) & (q > 0)
    psi = float(((q - p) * np.log(np.where(keep, q, 1) / np.where(keep, p, 1)))[keep].sum())
    assert found.psi == pytest.approx(psi, abs=0.02 + 0.1 * psi)


def test_the_most_moved_stands_first_and_columns_that_are_gone_are_left_out() -> None:
    before = profile([0, 1] * 50, ["a", "b"], [0, 1] * 50)
    now = profile([0, 1] * 50, ["a", "b"], [0] * 90 + [1] * 10)
    assert next(iter(drifts(before, now))).name == "the label"
    del now["features"]["x"]
    assert "x" not in [one.name for one in drifts(before, now)]


def test_a_profile_holds_no_extreme_and_no_long_list() -> None:
    values = np.append(np.random.default_rng(2).normal(size=5_000), [1e6, -1e6])
    made = profile(values, [f"person {n}" for n in range(80)])
    text = json.dumps(made)
    assert "1000000" not in text
    assert "person" not in text
    assert made["context"]["kind"] == {"missing": 0, "different": 80}
    assert len(made["features"]["x"]["quantiles"]) == 99
    assert made["features"]["x"]["quantiles"][49] == pytest.approx(np.median(values), abs=0.01)


def test_up_to_fifty_values_are_counted() -> None:
    for many, how in ((50, "values"), (51, "quantiles")):
        assert how in profile(np.arange(many))["features"]["x"]
    made = profile([0.1, 0.1, 2.5])["features"]["x"]
    assert made["values"] == [[0.1, 2], [2.5, 1]]
