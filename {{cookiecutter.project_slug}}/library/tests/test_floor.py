"""The floor: when one gate lets through only what another would, and what is said if not."""

from __future__ import annotations

import pytest

from ninesteps.settings import gate
from ninesteps.settings.floor import implies, shortfall

FACETS = ("gender",)


def parse(text: str) -> gate.Gate:
    return gate.parse(text, "binary", FACETS)


@pytest.mark.parametrize(
    ("team", "floor"),
    [
        ("auc > 0.7", "auc > 0.7"),
        ("auc > 0.7", "auc >= 0.7"),
        ("auc >= 0.71", "auc > 0.7"),
        ("flagged_share < 0.4", "flagged_share <= 0.5"),
        ("flagged_share <= 0.4", "flagged_share < 0.5"),
        ("auc > 0.8 and recall > 0.7", "auc > 0.7"),
        ("recall > 0.7 and auc > 0.8", "auc > 0.7 and recall > 0.6"),
        ("auc > 0.8 and auc > 0.1", "auc > 0.7"),
        ("auc > 0.8 or auc > 0.9", "auc > 0.7"),
        ("auc > 0.8 and (recall > 0.7 or recall >= 0.9)", "auc > 0.7 and recall > 0.6"),
        ("auc > 0.8 or recall > 0.9", "auc > 0.7 or recall > 0.6"),
        ("auc > 0.8", "auc > 0.7 or recall > 0.6"),
        ("(auc > 0.8 or f1 > 0.8) and recall > 0.7", "recall > 0.6 and (f1 > 0.7 or auc > 0.7)"),
        ("(auc > 0.8 or f1 > 0.8) and recall > 0.7", "recall > 0.6 and f1 > 0.7 or auc > 0.7"),
        ("dppl[gender] < 0.1", "dppl[gender] < 0.2"),
    ],
)
def test_a_gate_that_is_as_strict_in_every_way_through_it_meets_the_floor(
    team: str, floor: str
) -> None:
    assert implies(parse(team), parse(floor))


@pytest.mark.parametrize(
    ("team", "floor", "said"),
    [
        ("auc > 0.6", "auc > 0.7", "`auc > 0.6` is weaker than `auc > 0.7`"),
        ("auc >= 0.7", "auc > 0.7", "`auc >= 0.7` is weaker than `auc > 0.7`"),
        ("auc < 0.9", "auc > 0.7", "there is no `auc > 0.7`"),
        ("flagged_share < 0.6", "flagged_share < 0.5",
         "`flagged_share < 0.6` is weaker than `flagged_share < 0.5`"),
        ("recall > 0.9", "auc > 0.7", "there is no `auc > 0.7`"),
        ("auc > 0.8", "auc > 0.7 and recall > 0.6", "there is no `recall > 0.6`"),
        ("auc > 0.8 or recall > 0.9", "auc > 0.7",
         "there is no `auc > 0.7` and `recall > 0.9` is enough"),
        ("auc > 0.8 and (recall > 0.7 or f1 > 0.7)", "recall > 0.6",
         "there is no `recall > 0.6` and `auc > 0.8 and f1 > 0.7` is enough"),
        ("auc > 0.8 or auc > 0.6", "auc > 0.7",
         "`auc > 0.6` is weaker than `auc > 0.7` and `auc > 0.6` is enough"),
        ("recall > 0.5", "auc > 0.7 or recall > 0.6",
         "`recall > 0.5` is weaker than `auc > 0.7 or recall > 0.6`"),
        ("recall > 0.7", "auc > 0.7 or recall > 0.6 and f1 > 0.7",
         "`recall > 0.7` is weaker than `auc > 0.7 or recall > 0.6 and f1 > 0.7`"),
        ("precision > 0.9 and recall > 0.9", "f1 > 0.8", "there is no `f1 > 0.8`"),
        ("dppl[gender] < 0.1", "worst_dppl < 0.2", "there is no `worst_dppl < 0.2`"),
    ],
)  # fmt: skip
def test_what_is_missing_or_weaker_is_named(team: str, floor: str, said: str) -> None:
    short = shortfall(parse(team), parse(floor))
    assert short is not None
    assert str(short) == said
    assert not implies(parse(team), parse(floor))
