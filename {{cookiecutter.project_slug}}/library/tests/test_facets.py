"""The facets' language, and the groups that the steps make of it."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pytest

from dataset import DataError, Texts
from dataset import Facet as StepFacet
from facet_groups import groups
from ninesteps.settings.facets import FacetError, parse


def raw(*values: str | None) -> Texts:
    return Texts.of(values)


def groups_of(text: str, values: Texts) -> dict[str, list[int]]:
    """The groups of a facet as the steps see it, past its container argument: rows by name."""
    (facet,) = parse(text)
    step_facet = StepFacet.from_json(json.loads(facet.argument))
    return {name: np.flatnonzero(who).tolist() for name, who in groups(step_facet, values)}


@pytest.mark.parametrize(
    ("text", "read", "key"),
    [
        ("gender", "gender", "gender"),
        (" gender ", "gender", "gender"),
        ("Job Level", "Job Level", "job_level"),
        ("age>=40", "age>=40", "age_ge_40"),
        ("age >= 40", "age>=40", "age_ge_40"),
        ("age > 40.0", "age>40", "age_gt_40"),
        ("score>0.5", "score>0.5", "score_gt_0_5"),
        ("degrees > -5", "degrees>-5", "degrees_gt_minus_5"),
        ("income>=1234567", "income>=1234567", "income_ge_1234567"),
        ("ethnicity=a|b", "ethnicity=a|b", "ethnicity_a_b"),
        ("ethnicity = a b | c", "ethnicity=a b|c", "ethnicity_a_b_c"),
        ('name="O\'Hara"', 'name="O\'Hara"', "name_o_hara"),
        ("größe", "größe", "gr_e"),
    ],
)
def test_a_facet_has_one_reading_and_a_key_that_gates_can_name(
    text: str, read: str, key: str
) -> None:
    (facet,) = parse(text)
    assert (str(facet), facet.key) == (read, key)
    assert parse(str(facet)) == (facet,)
    assert re.fullmatch(r"[a-z0-9_]+", facet.key)


def test_facets_are_separated_by_commas_and_may_be_none() -> None:
    assert [facet.key for facet in parse("gender, age>=40,ethnicity=a|b")] == [
        "gender",
        "age_ge_40",
        "ethnicity_a_b",
    ]
    assert parse("") == parse("  ") == ()


def test_thresholds_that_differ_in_the_seventh_digit_or_the_sign_are_two_facets() -> None:
    assert len(parse("income>=1234567, income>=1234568, income>=-1234567")) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("age<40", "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got `age<40`"),
        (
            "age=>40",
            "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got `age=>40`",
        ),
        ("age>=", "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got `age>=`"),
        ("=a", "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got `=a`"),
        ("a|b", "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got `a|b`"),
        ("gender,", "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got ``"),
        ("gender,,age", "expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got ``"),
        (
            "ethnicity=a|",
            "expected values as in `ethnicity=a|b`, got an empty one in `ethnicity=a|`",
        ),
        ("age>=old", "expected a number as in `age>=40`, got `old` in `age>=old`"),
        ("age>=nan", "expected a finite number as in `age>=40`, got `nan` in `age>=nan`"),
        ("age>1e999", "expected a finite number as in `age>=40`, got `1e999` in `age>1e999`"),
        ("gender, gender", "`gender` is named twice in `gender, gender` (as `gender`)"),
        ("Gender, gender", "`Gender` is named twice in `Gender, gender` (as `gender`)"),
        ("年齢", "expected a letter a to z or a digit in the facet's name, got `年齢`"),
        ("年齢>=40", "expected a letter a to z or a digit in the facet's name, got `年齢>=40`"),
        (
            "city=" + "|".join(["Llanfairpwllgwyngyll"] * 12),
            "expected a facet that fits into a container argument (256 characters), got",
        ),
    ],
)
def test_what_is_no_facet_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FacetError) as refused:
        parse(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_alone_is_each_value_against_all_others_and_nobody_without_one() -> None:
    values = raw("b", "a", None, "b", "None")
    assert groups_of("city", values) == {"None": [4], "a": [1], "b": [0, 3]}


def test_values_are_one_group_and_a_missing_value_is_not_the_text_none() -> None:
    values = raw("b", "a", None, "c", "None", "a b")
    assert groups_of("city=a|b", values) == {"a,b": [0, 1]}
    assert groups_of("city=None", values) == {"None": [4]}
    assert groups_of("city=a b", values) == {"a b": [5]}
    assert groups_of("city=nowhere", values) == {"nowhere": []}


@pytest.mark.parametrize(
    ("text", "name", "rows"),
    [
        ("age>=40", "[40, 75]", [1, 2, 4]),
        ("age>40", "(40, 75]", [2, 4]),
        ("age>=40.5", "[40.5, 75]", [2, 4]),
        ("age>=0", "[0, 75]", [0, 1, 2, 4]),
        ("age>=-3", "[-3, 75]", [0, 1, 2, 4, 5]),
        ("age>80", "(80, 75]", []),
    ],
)
def test_a_threshold_compares_numbers_and_says_whether_it_is_within(
    text: str, name: str, rows: list[int]
) -> None:
    values = raw("9", "40", "75", None, "41.5", "-3")
    assert groups_of(text, values) == {name: rows}


def test_a_facet_whose_values_are_all_missing_has_no_group_or_an_empty_one() -> None:
    assert groups_of("city", raw(None, None)) == {}
    assert groups_of("age>40", raw(None, None)) == {"(40, nan]": []}


def test_a_threshold_on_words_is_refused() -> None:
    with pytest.raises(DataError, match=r"the facet age_gt_40: expected numbers, but .* 'old'"):
        groups_of("age>40", raw("41", "old"))


def test_whole_numbers_of_few_values_are_still_above_a_threshold() -> None:
    """A facet of integers with few values is compared, not taken for categories."""
    values = Texts.of(pa.chunked_array([pa.array([40, 41, 41, 55, None])]))
    assert groups_of("age>40", values) == {"(40, 55]": [1, 2, 3]}
    assert groups_of("age", values) == {"40": [0], "41": [1, 2], "55": [3]}
    assert groups_of("age=40|55", values) == {"40,55": [0, 3]}


def test_numbers_with_a_fraction_read_as_they_are_written() -> None:
    """A column of whole numbers with a gap comes as floating point: 1, not 1.0, is its text."""
    values = Texts.of(pa.chunked_array([pa.array([1.0, 2.5, None, 1.0])]))
    assert groups_of("grade=1", values) == {"1": [0, 3]}
    assert groups_of("grade", values) == {"1": [0, 3], "2.5": [1]}
    assert groups_of("grade>=2.5", values) == {"[2.5, 2.5]": [1]}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_texts_are_the_same_of_every_arrow_type(kind: pa.DataType) -> None:
    values = Texts.of(pa.chunked_array([pa.array(["b", "a", None, "b"]).cast(kind)]))
    assert values.raw.tolist() == ["b", "a", None, "b"]
    assert groups_of("city", values) == {"a": [1], "b": [0, 3]}


def test_texts_in_several_chunks_are_one_column() -> None:
    values = Texts.of(pa.chunked_array([pa.array(["b", None]), pa.array(["c", "b"])]))
    assert values.raw.tolist() == ["b", None, "c", "b"]


def test_a_value_that_is_no_number_by_ieee_is_above_nothing() -> None:
    assert groups_of("age>40", raw("41", "nan", "inf", "-inf")) == {"(40, inf]": [0, 2]}


def test_a_column_that_names_people_is_no_facet() -> None:
    values = raw(*map(str, range(1_001)))
    with pytest.raises(
        DataError, match=r"the facet badge: expected at most 1,000 different values, got 1,001"
    ):
        groups_of("badge", values)
    assert groups_of("badge>=1000", values) == {"[1000, 1000]": [1000]}
