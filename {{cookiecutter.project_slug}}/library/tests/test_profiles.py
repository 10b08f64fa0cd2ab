"""What the template holds a pipeline to: which bias gates cover which facets."""

from __future__ import annotations

import pytest

from ninesteps.errors import SettingsError
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.profile import Profile, missing_facets, uncovered
from ninesteps.settings import facets, gate

FACETS = facets.parse("gender, age>=40, city=a|b")


def open_(text: str, problem: str = "binary") -> list[str]:
    """The facets that a bias gate leaves open."""
    keys = tuple(facet.key for facet in FACETS)
    read = gate.parse(text, problem, keys) if text else None
    return [str(facet) for facet in uncovered(read, FACETS)]


ALL = ["gender", "age>=40", "city=a|b"]


@pytest.mark.parametrize(
    "text",
    [
        "worst_dppl < 0.1",
        "worst_dppl < 0.2",
        "worst_dppl <= 0.2",
        "worst_dppl <= 0.000001",
        "worst_di > 0.8",
        "worst_di >= 0.8",
        "worst_di > 0.999",
        "worst_dppl < 0.1 and flagged_share < 0.5",
        "flagged_share < 0.5 and worst_di > 0.9",
        "worst_dppl < 0.1 or worst_di > 0.9",
        "(worst_dppl < 0.9 or auc > 0.5) and worst_dppl < 0.1",
        "dppl[gender] < 0.1 and dppl[age_ge_40] < 0.1 and di[city_a_b] > 0.8",
        "(dppl[gender] < 0.1 or di[gender] > 0.8) and dppl[age_ge_40] < 0.1 and di[city_a_b] > 0.8",
        "worst_dppl < 0.1 or dppl[gender] < 0.1 and dppl[age_ge_40] < 0.1 and di[city_a_b] > 0.8",
    ],
)
def test_a_gate_that_limits_every_facet_covers_them(text: str) -> None:
    assert open_(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auc > 0.5",
        "flagged_share < 0.1",
        "worst_dppl < 0.201",
        "worst_dppl <= 0.99",
        "worst_dppl <= 0",  # nought is no limit to keep: it is the wish that nothing passes
        "worst_dppl > 0.1",
        "worst_dppl >= 0.1",
        "worst_di > 0.799",
        "worst_di > 0",
        "worst_di >= 1",
        "worst_di < 0.9",
        "worst_di <= 0.9",
        "worst_dppl < 0.1 or auc > 0.5",
        "worst_dppl < 0.1 or worst_di > 0.5",
        "worst_dppl < 0.3 and worst_di > 0.7",
        "worst_dppl < 0.1 or (worst_di > 0.8 or worst_dppl > 0.5)",
    ],
)
def test_a_gate_that_can_be_passed_with_any_gap_covers_none(text: str) -> None:
    assert open_(text) == ALL


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("dppl[gender] < 0.1", ["age>=40", "city=a|b"]),
        ("di[age_ge_40] > 0.8", ["gender", "city=a|b"]),
        ("dppl[gender] < 0.1 and di[city_a_b] >= 0.8", ["age>=40"]),
        ("dppl[gender] < 0.1 or di[city_a_b] >= 0.8", ALL),  # either alone lets the other pass
        ("dppl[gender] < 0.1 or worst_di >= 0.8", ["age>=40", "city=a|b"]),
        ("dppl[gender] < 0.3 and dppl[age_ge_40] < 0.2 and di[city_a_b] > 0.7",
         ["gender", "city=a|b"]),
    ],
)  # fmt: skip
def test_a_facet_is_covered_by_one_part_of_an_and_and_by_all_parts_of_an_or(
    text: str, left: list[str]
) -> None:
    assert open_(text) == left


def test_a_residual_limits_no_gap_between_shares() -> None:
    assert open_("worst_mean_residual < 0.1", "regression") == ALL
    assert open_("worst_mean_residual < 0.1 and worst_di > 0.8", "regression") == []


def test_without_facets_nothing_is_left_open() -> None:
    assert list(uncovered(None, ())) == []


def test_facets_that_are_asked_for_are_found_by_their_columns() -> None:
    profile = Profile(facets=("gender", "age", "location"))
    assert missing_facets(profile, FACETS) == ["location"]
    assert missing_facets(profile, ()) == ["gender", "age", "location"]
    assert missing_facets(Profile(), ()) == []


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_of_the_library_can_be_read(name: str) -> None:
    assert profiles.load(name)
    assert len(profiles.digest(name)) == 64


def test_an_unknown_profile_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError) as refused:
        profiles.load("chrun")
    assert str(refused.value) == (
        "pipeline.toml [project] profile: expected one of assist, attrition, churn, custom, fraud, "
        "hr, salary, got 'chrun'; did you mean 'churn'?"
    )
