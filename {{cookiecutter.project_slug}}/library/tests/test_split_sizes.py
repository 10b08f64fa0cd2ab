"""A table that is too small for three splits is refused before any step runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ninesteps.errors import RawTableError
from ninesteps.feature_store.split_sizes import check_split_sizes, rows_by_class
from ninesteps.settings.data import Data, Split
from ninesteps.settings.judgement import GateSettings
from ninesteps.settings.project import Project
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Range, Tuning

FILE = Path("pets.csv")
BINARY = Settings(
    project=Project("Pets", "pets", "Pet", "custom"),
    data=Data(label="adopted"),
    split=Split("pets"),
    tuning=Tuning(ranges={"eta": Range(0.1, 0.5)}),
    gate=GateSettings("auc > 0.5"),
)
REGRESSION = replace(BINARY, project=replace(BINARY.project, problem="regression"))


def counts(positives: int, negatives: int) -> dict[str, int]:
    labels = [1] * positives + [0] * negatives
    return rows_by_class(np.array(labels, dtype="float64"), BINARY)


@pytest.mark.parametrize(
    ("positives", "negatives", "sentence"),
    [
        (9, 21, "pets.csv: expected at least 20 rows that count as 1 in each split ([split] "
         "min_positives), got 9 in all, of which about 1 would be in the smallest"),
        (20, 19_980, "got 20 in all, of which about 3"),
        (500, 30, "expected at least 20 rows that count as 0 in each split"),
        (39, 9_000, "got 39 in all"),
    ],
)  # fmt: skip
def test_too_few_of_a_class_are_refused(positives: int, negatives: int, sentence: str) -> None:
    with pytest.raises(RawTableError) as refused:
        check_split_sizes(counts(positives, negatives), BINARY, FILE)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("positives", "negatives"), [(140, 200), (1_000, 9_000), (90, 900)])
def test_what_may_be_enough_is_left_to_step_1(positives: int, negatives: int) -> None:
    check_split_sizes(counts(positives, negatives), BINARY, FILE)


def test_a_lower_limit_and_a_grouped_split_are_known(tmp_path: Path) -> None:
    low = replace(BINARY, split=replace(BINARY.split, min_positives=2))
    check_split_sizes(counts(30, 30), low, FILE)
    grouped = replace(BINARY, split=replace(BINARY.split, group="owner"))
    check_split_sizes(counts(61, 61), grouped, FILE)  # one owner may have nearly all of them
    with pytest.raises(RawTableError):
        check_split_sizes(counts(59, 61), grouped, FILE)


def test_of_a_regression_all_rows_count() -> None:
    with pytest.raises(RawTableError, match="at least 20 rows in each split"):
        check_split_sizes(rows_by_class(np.full(30, 1.5), REGRESSION), REGRESSION, FILE)
