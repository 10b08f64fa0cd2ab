"""A run's warnings: what is one, what is not, and the sentence that says it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ninesteps.feature_store.ingest import Ingested
from ninesteps.report.evidence import File
from ninesteps.report.facts import Previous, RunFacts
from ninesteps.report.run_warnings import MALFORMED, metadata, of_protected, of_rows_left_out
from ninesteps.report.warning_files import Files, warnings


def profile(rows: int = 100, **missing: int) -> dict[str, Any]:
    """A profile of numbers 0 to 9 with so many rows without one."""
    columns = {
        name: {"missing": gone, "values": [[n, (rows - gone) // 10] for n in range(10)]}
        for name, gone in missing.items()
    }
    label = {"missing": 0, "values": [[0, rows // 2], [1, rows // 2]]}
    return {"rows": rows, "label": label, "features": columns, "context": {}}


def said(
    now: dict[str, Any],
    before: dict[str, Any] | None = None,
    splits: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
    **facts: Any,
) -> list[str]:
    """The warnings of a run with this profile and these findings, and of an earlier one."""
    previous = Previous("earlier", "2026", json.dumps(before).encode()) if before else None
    run = RunFacts(
        "now", "pets", "Pets", "here", "Succeeded", "", "", "", "", {}, "", (),
        previous=previous, **facts,
    )  # fmt: skip

    def file(content: object) -> File:
        return File("x.json", raw=json.dumps(content).encode())

    return warnings(run, Files(file(evaluation or {}), file({}), file(now), file(splits or {})))


def test_a_run_of_which_nothing_is_odd_has_none() -> None:
    assert said(profile(age=0), profile(age=0)) == []
    assert said(profile(age=50)) == []


def test_columns_that_are_mostly_empty_are_one_warning() -> None:
    assert said(profile(age=51, weight=90, height=50)) == [
        "most training rows have no value: age 51% and weight 90%"
    ]


def test_values_that_went_missing_and_those_that_moved_are_told_with_the_earlier_run() -> None:
    assert said(profile(age=15), profile(age=5)) == [
        "more values are missing than in run earlier: age 15%, before 5%"
    ]
    assert said(profile(age=14), profile(age=5)) == []
    moved = profile(age=0)
    moved["features"]["age"]["values"] = [[9, 100]]
    (sentence,) = said(moved, profile(age=0))
    assert sentence.startswith("the training data moved much since run earlier: age (PSI ")


def test_a_profile_of_another_shape_is_no_warning_and_no_error() -> None:
    assert said({"rows": 0}) == said({"features": 3}, profile(age=0)) == []


@pytest.mark.parametrize(
    "splits", [{"suspicious_features": 3}, {"suspicious_features": {"age": "high"}},
               {"rows_with_a_twin": {"test": 2}}, {"rows_with_a_twin": []}],
)  # fmt: skip
def test_findings_of_another_shape_are_a_warning_and_hide_no_other(splits: dict[str, Any]) -> None:
    table = Ingested("", "", 100, 80, {}, suspicious={"fate": 0.99}, left_out={"no id": 20})
    malformed, first, second = said(profile(age=0), splits=splits, table=table)
    assert malformed == MALFORMED
    assert first.startswith("'fate' alone ranks the label")
    assert second.startswith("20 of 100 rows")


def test_rows_that_are_left_out_are_a_warning_if_they_are_many() -> None:
    assert of_rows_left_out(100, {"no label": 5}) == []
    assert of_rows_left_out(0, {}) == []
    assert of_rows_left_out(1200, {"no label": 100, "empty id": 20, "x": 0}) == [
        "120 of 1,200 rows (10%) are left out: no label in 100, empty id in 20"
    ]


def test_a_protected_column_says_what_to_do_unless_it_is_meant() -> None:
    (without,) = of_protected({"sex": "gender"}, {})
    assert without.startswith("features are made of 'sex' (sex or gender), by which people are")
    assert "[model] exclude" in without and "[bias] facets" in without
    (on_purpose,) = of_protected({"sex": "gender"}, {"sex": "agreed by the board"})
    assert on_purpose.endswith("on purpose: agreed by the board ([model.protected])")
    (hint,) = of_protected({"plz": "home"}, {})
    assert "which often reveals origin or gender" in hint
    assert of_protected({"x": "of a later version"}, {}) == []


def test_what_the_table_says_comes_first() -> None:
    table = Ingested("", "", 100, 80, {}, protected={"sex": "gender"}, left_out={"no id": 20},
                     suspicious={"fate": 0.99})  # fmt: skip
    metrics = {"binary_classification_metrics": {"auc": {"value": 0.999}}}
    told = said(profile(age=51), evaluation=metrics, table=table)
    starts = ("'fate' alone", "features are made of 'sex'", "20 of 100 rows", "most training rows",
              "auc 0.999 is suspiciously high")  # fmt: skip
    assert len(told) == len(starts)
    assert all(text.startswith(start) for text, start in zip(told, starts, strict=True))


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 301])
def test_a_reason_is_one_line(reason: str) -> None:
    from ninesteps.settings.judgement import Model
    from ninesteps.settings.toml import RuleBroken

    with pytest.raises(RuleBroken, match="why the model uses it"):
        Model(protected={"sex": reason})
    with pytest.raises(RuleBroken, match="a column that is not in"):
        Model(exclude=("sex",), protected={"sex": "why"})


def test_a_registered_version_has_their_number_and_as_much_of_them_as_fits() -> None:
    assert metadata([]) == {"warnings": "0"}
    assert metadata(["the data, (100%) moved"]) == {
        "warnings": "1", "warnings_text": "the data 100 moved"}  # fmt: skip
    assert metadata(["one", "two!"])["warnings_text"] == "one / two"
    long = metadata(["x" * 300, "two", "three"])["warnings_text"]
    assert (len(long), long[-20:]) == (256, "xxx ... / and 2 more")
    assert len(metadata(["x" * 300])["warnings_text"]) == 256
    assert len(metadata(["x" * 120, "y" * 120, "z" * 120])["warnings_text"]) == 256
