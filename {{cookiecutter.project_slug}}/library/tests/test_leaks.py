"""A column that alone ranks the label almost perfectly is seen, and an ordinary one is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dataset import Columns, Split
from leaks import suspicious_features
from ninesteps.feature_store.leaks import SUSPICIOUS, ranking_power

ROWS = 3_000
DRAWN = np.random.default_rng(7)
LABELS = (DRAWN.random(ROWS) < 0.2).astype("float64")
AMOUNTS = np.exp(DRAWN.normal(size=ROWS))


def series(values: Any) -> pd.Series[Any]:
    return pd.Series(values)


def flipped(share: float) -> NDArray[np.float64]:
    return np.where(DRAWN.random(ROWS) < share, 1 - LABELS, LABELS)


LEAKS = {
    "a copy": series(LABELS),
    "its opposite": series(1 - LABELS),
    "a copy with a few errors": series(flipped(0.002)),
    "a noisy score": series(LABELS * 5 + DRAWN.normal(size=ROWS)),
    "high at both ends": series(LABELS * 5 * DRAWN.choice([-1, 1], ROWS) + DRAWN.normal(size=ROWS)),
    "four categories": series(np.where(LABELS == 1, DRAWN.choice(["a", "b"], ROWS), "c")),
    "being there": series(np.where(LABELS == 1, DRAWN.random(ROWS), np.nan)),
    "a text that is there": series([f"reason {n}" if y else None for n, y in enumerate(LABELS)]),
    "a day": series(pd.Timestamp("2026-01-01") + pd.to_timedelta(LABELS * 30, unit="D")),
}

ORDINARY = {
    "noise": series(DRAWN.normal(size=ROWS)),
    "a strong feature": series(LABELS * 2 + DRAWN.normal(size=ROWS)),
    "a name in each row": series([f"n{n}" for n in range(ROWS)]),
    "the same in every row": series(np.ones(ROWS)),
    "nothing": series(np.full(ROWS, np.nan)),
    "a tenth of it wrong": series(flipped(0.1)),
}


@pytest.mark.parametrize("column", LEAKS.values(), ids=LEAKS)
def test_a_column_that_knows_the_label_ranks_it(column: pd.Series[Any]) -> None:
    assert SUSPICIOUS < ranking_power(column, LABELS) <= 1


@pytest.mark.parametrize("column", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_column_does_not(column: pd.Series[Any]) -> None:
    assert ranking_power(column, LABELS) < 0.97


def test_of_numbers_the_rank_counts() -> None:
    converted = series(1 / AMOUNTS * np.exp(DRAWN.normal(size=ROWS) / 30))
    assert ranking_power(converted, AMOUNTS) > SUSPICIOUS
    assert ranking_power(series(AMOUNTS * np.exp(DRAWN.normal(size=ROWS))), AMOUNTS) < 0.9


def test_rows_without_a_label_do_not_count_and_too_few_say_nothing() -> None:
    some = np.where(np.arange(ROWS) < 100, LABELS, np.nan)
    assert ranking_power(series(LABELS), some) > SUSPICIOUS
    assert ranking_power(series(LABELS[:20]), LABELS[:20]) == 0
    assert ranking_power(series(LABELS), np.where(np.arange(ROWS) < 4, 1.0, 0.0)) == 0
    assert ranking_power(series(LABELS), np.full(ROWS, np.nan)) == 0


def test_a_large_table_is_judged_by_some_of_its_rows_and_the_same_each_time() -> None:
    labels = np.tile(LABELS, 10)
    column = series(labels * 3 + np.random.default_rng(1).normal(size=len(labels)))
    assert ranking_power(column, labels) == ranking_power(column, labels)


def named(values: dict[str, NDArray[Any]], labels: NDArray[np.float64], problem: str) -> list[str]:
    """The features that step 1 names."""
    columns = Columns("id", "y", problem, 1, None, (), None, (), tuple(values))
    features = np.stack(list(values.values()), axis=1).astype("float32")
    return list(suspicious_features(Split(columns, [], labels, {}, features)))


def test_a_feature_that_knows_a_rare_class_is_named_and_an_ordinary_one_is_not() -> None:
    drawn = np.random.default_rng(5)
    labels = (drawn.random(30_000) < 0.003).astype("float64")
    noise = drawn.normal(size=len(labels))
    values = {
        "noise": noise,
        "score": labels * 5 + noise,
        "strong": labels * 2 + noise,
        "being there": np.where(labels == 1, noise, np.nan),
    }
    assert named(values, labels, "binary") == ["being there", "score"]  # the best first


def test_a_feature_that_knows_an_amount_that_is_mostly_zero_is_named() -> None:
    drawn = np.random.default_rng(5)
    amounts = np.where(drawn.random(30_000) < 0.0005, drawn.random(30_000), 0)
    values = {"noise": drawn.normal(size=len(amounts)), "in pounds": -amounts}
    assert named(values, amounts, "regression") == ["in pounds"]
