"""What the report draws of errors: against scikit-learn, of bounded size, and about nobody."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import auc, confusion_matrix, roc_curve

import curves
from dataset import Columns, Facet, Split, Texts
from metrics import average_precision


def scored(n: int = 4_000, seed: int = 3) -> tuple[Any, Any, Any]:
    """Labels, probabilities with ties, and predictions at 0.5."""
    source = np.random.default_rng(seed)
    probabilities = np.round(source.beta(1.5, 3, n), 3)
    labels = (source.random(n) < probabilities).astype(np.float64)
    return labels, probabilities, (probabilities >= 0.5).astype(np.float64)


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    return curves.binary_curves(*scored(), 0.5)


def test_the_roc_curve_is_scikit_learns(drawn: dict[str, Any]) -> None:
    labels, probabilities, _ = scored()
    points = np.array(drawn["roc"])
    false_alarms, found, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    assert auc(*points.T) == pytest.approx(auc(false_alarms, found), abs=2e-4)
    whole = {(round(a, 5), round(b, 5)) for a, b in zip(false_alarms, found, strict=True)}
    assert {tuple(point) for point in drawn["roc"]} <= whole
    assert drawn["roc"][0] == [0, 0]
    assert drawn["roc"][-1] == [1, 1]


def test_the_precision_recall_curve_has_the_average_precision_under_it(
    drawn: dict[str, Any],
) -> None:
    labels, probabilities, _ = scored()
    recall, precision = np.array(drawn["precision_recall"]).T
    under = float((np.diff(recall, prepend=0) * precision).sum())
    assert under == pytest.approx(average_precision(labels, probabilities), abs=0.01)
    assert list(recall) == sorted(recall)


def test_the_counts_are_those_of_the_threshold(drawn: dict[str, Any]) -> None:
    labels, _, predictions = scored()
    (passed, alarms), (missed, hits) = confusion_matrix(labels, predictions)
    assert drawn["confusion"] == {"true_positive": hits, "false_positive": alarms,
                                  "false_negative": missed, "true_negative": passed}  # fmt: skip
    at = drawn["at_threshold"]
    assert (at["recall"]["part"], at["recall"]["rows"]) == (hits, hits + missed)
    assert (at["precision"]["part"], at["precision"]["rows"]) == (hits, hits + alarms)
    assert (at["specificity"]["part"], at["specificity"]["rows"]) == (passed, passed + alarms)
    assert all(s["interval"][0] < s["value"] < s["interval"][1] for s in at.values())


def test_of_honest_probabilities_the_calibration_is_on_the_diagonal(drawn: dict[str, Any]) -> None:
    bins = drawn["calibration"]
    assert sum(b["rows"] for b in bins) == drawn["rows"]
    inside = [b["interval"][0] <= b["said"] <= b["interval"][1] for b in bins]
    assert sum(inside) >= len(bins) - 1
    assert max(b["rows"] for b in bins) < 1.3 * drawn["rows"] / curves.BINS


def test_equal_probabilities_are_in_one_group() -> None:
    labels = np.array([0.0, 1.0] * 500)
    probabilities = np.repeat([0.2, 0.8], 500)
    bins = curves.binary_curves(labels, probabilities, labels, 0.5)["calibration"]
    assert [b["rows"] for b in bins] == [500, 500]


def test_where_nobody_is_flagged_there_is_no_precision() -> None:
    labels, probabilities = np.array([0.0, 1.0]), np.array([0.1, 0.2])
    drawn = curves.binary_curves(labels, probabilities, np.zeros(2), 0.5)
    assert drawn["at_threshold"]["precision"]["value"] is None
    assert drawn["at_threshold"]["precision"]["interval"] is None


def people_of(n: int, seed: int = 4) -> tuple[Split, Any]:
    """A regression's test split with a group of 7, and predictions that misjudge group b by 5."""
    source = np.random.default_rng(seed)
    kinds = np.array(["a", "b"])[source.integers(0, 2, n)].astype(object)
    kinds[:7] = "few"
    columns = Columns(
        record_id="id", label="pay", problem="regression", favourable_label=1, label_threshold=50.0,
        facets=(Facet("kind", "kind"),), group_variable=None, context=("kind",), features=("x",),
    )  # fmt: skip
    labels = source.normal(50, 10, n)
    predictions = labels + source.normal(0, 2, n) + np.where(kinds == "b", 5, 0)
    split = Split(columns, [str(i) for i in range(n)], labels, {"kind": Texts.of(kinds)},
                  np.zeros((n, 1), np.float32))  # fmt: skip
    return split, predictions


def test_a_misjudged_group_is_found_and_a_small_one_is_not_told_of() -> None:
    split, predictions = people_of(2_000)
    found = curves.regression_curves(split, predictions, 100)["by_group"]["kind"]
    groups = {one["value"]: one for one in found}
    assert groups["few"] == {"value": "few", "rows": 7}
    low, high = groups["b"]["interval"]
    assert low < 5 < high
    reach = norm.ppf(0.975) * 2 / groups["b"]["rows"] ** 0.5
    assert high - low == pytest.approx(2 * reach, rel=0.1)


def test_every_row_is_in_a_cell_or_counted_outside() -> None:
    split, predictions = people_of(2_000)
    drawn = curves.regression_curves(split, predictions, 100)
    cells, residuals = drawn["predicted_actual"], drawn["residuals"]
    assert sum(map(sum, cells["counts"])) + cells["outside"] == 2_000
    assert sum(residuals["counts"]) + residuals["outside"] == 2_000
    assert residuals["outside"] >= 20  # the outermost of them, at either end
    edge = cells["edges"][-1]
    assert edge < split.labels.max()
    middle = np.array(cells["counts"]).argmax()
    assert middle // curves.CELLS == pytest.approx(middle % curves.CELLS, abs=3)


@pytest.mark.parametrize("n", [200, 200_000])
def test_the_file_is_small_whatever_the_split(n: int) -> None:
    """... and has no number for each row."""
    split, predictions = people_of(n)
    for drawn in (
        curves.binary_curves(*scored(n), 0.5),
        curves.regression_curves(split, predictions, 100),
    ):
        assert len(json.dumps(drawn, allow_nan=False)) < 40_000


def test_labels_that_are_all_predicted_alike_are_drawn() -> None:
    split, _ = people_of(300)
    drawn = curves.regression_curves(split, np.full(300, 50.0), 100)
    assert drawn["calibration"][0]["said"] == 50.0
