"""A gate that speaks of the champion: its language, what it refuses, and what it compiles to."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import SettingsError
from ninesteps.profiles import profile
from ninesteps.settings import gate, loading
from ninesteps.settings.facets import parse as parse_facets
from ninesteps.settings.floor import shortfall
from ninesteps.settings.gate import GateError
from ninesteps.settings.settings import Settings
from ninesteps.step_code import bundle, no_champion
from ninesteps.validation.repository import definition_violations

ROOT = Path(__file__).resolve().parents[2]
FACETS = ("gender", "age_ge_40")
GATE = "auc > 0.75 and auc >= champion.auc - 0.005"
BIAS = "worst_dppl < 0.2 and (dppl[city] <= champion.dppl[city] + 0.02 or auc > 0.9)"


def parse(text: str, problem: str = "binary", own: tuple[str, ...] = ("gain",)) -> gate.Gate:
    return gate.parse(text, problem, FACETS, own)


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("auc >= champion.auc - 0.005", "auc >= champion.auc - 0.005"),
        ("auc>=champion.auc-0.005", "auc >= champion.auc - 0.005"),
        ("auc >= champion.auc -.005", "auc >= champion.auc - 0.005"),
        ("worst_dppl <= champion.worst_dppl + 0.02", "worst_dppl <= champion.worst_dppl + 0.02"),
        ("auc > champion.auc", "auc > champion.auc"),
        ("auc > champion.auc + 0", "auc > champion.auc"),
        ("auc > champion.auc - 0", "auc > champion.auc"),
        ("dppl[ gender ] < champion.dppl[gender]+1e-3",
         "dppl[gender] < champion.dppl[gender] + 0.001"),
        ("gain > champion.gain - 1e9", "gain > champion.gain - 1000000000"),
        ("(auc > champion.auc or f1 > 0.9) and recall > 0.5",
         "(auc > champion.auc or f1 > 0.9) and recall > 0.5"),
    ],
)  # fmt: skip
def test_a_gate_may_speak_of_the_champion(text: str, understood: str) -> None:
    parsed = parse(text)
    assert str(parsed) == understood
    assert parse(str(parsed)) == parsed
    assert gate.digest(parsed) == gate.digest(parse(understood))
    kept = gate.metadata(parsed)
    assert not set(kept) - set("abcdefghijklmnopqrstuvwxyz0123456789_.:/=+-@ "), kept
    assert gate.written(kept) == understood
    assert parse(gate.written(kept)) == parsed


def test_a_comparison_with_the_champion_is_another_than_one_with_its_number() -> None:
    (relative,), (plain,) = (
        [*gate.comparisons(parse(text))] for text in ("auc > champion.auc + 0.5", "auc > 0.5")
    )
    assert relative != plain
    assert (relative.number, relative.name) == (0.5, "auc - champion.auc")
    assert gate.digest(relative) != gate.digest(plain)


@pytest.mark.parametrize(
    ("text", "difference", "argument"),
    [
        ("auc >= champion.auc - 0.005", "champion.auc_difference.value",
         "binary_classification_metrics.auc.value >= -0.005"),
        ("worst_dppl <= champion.worst_dppl", "champion.worst_dppl_difference.value",
         "bias_metrics.worst_dppl.value <= 0"),
        ("di[gender] > champion.di[gender] - 0.1", "champion.di_difference.gender.value",
         "bias_metrics.di.gender.value > -0.1"),
        ("gain > champion.gain + 2", "champion.gain_difference.value",
         "binary_classification_metrics.gain.value > 2"),
    ],
)  # fmt: skip
def test_the_condition_and_the_step_agree_where_the_difference_lies(
    text: str, difference: str, argument: str
) -> None:
    from champion import SECTION, Term

    (comparison,) = gate.of_champion(parse(text))
    assert (comparison.json_path, comparison.argument) == (difference, argument)
    term = Term.read(argument)
    assert ".".join((SECTION, *term.difference, "value")) == difference
    assert (term.sign, term.number) == (comparison.sign, comparison.number)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("auc >= champion", "expected `champion.auc` after `auc >=`, the same metric of the "
         "version that serves, got `champion`"),
        ("auc >= champion.f1", "expected `champion.auc` after `auc >=`, the same metric of the "
         "version that serves, got `champion.f1`"),
        ("dppl[gender] < champion.dppl[age_ge_40]", "got `champion.dppl[age_ge_40]`"),
        ("dppl[gender] < champion.worst_dppl", "expected `champion.dppl[gender]` after"),
        ("auc > Champion.auc", "expected `champion.auc` after `auc >`"),
        ("champion.auc < auc", "expected a metric before the sign and `champion.` and the same "
         "metric after it, got `champion.auc < auc`"),
        ("champion > 0.5", "expected a metric before the sign"),
        ("auc > champion.auc -", "expected a finite number after `auc > champion.auc`, got"),
        ("auc > champion.auc - - 0.1", "expected a number after `auc > champion.auc -`, got `-`"),
        ("auc > champion.auc - high", "got `-high`"),
        ("auc > champion.auc 0.1", "unexpected `0.1`"),
        ("auc > champion.auc * 2", "got `* 2`"),
        ("auc > champion.auc - 1 + 2", "unexpected `+`"),
        ("auc > champion.auc - 1.5", "`auc > champion.auc - 1.5` decides nothing: auc - "
         "champion.auc is always between -1 and 1"),
        ("auc >= champion.auc - 1", "decides nothing"),
        ("worst_dppl <= champion.worst_dppl + 1", "decides nothing"),
        ("flagged_share < champion.flagged_share + 0.1 and flagged_share > champion.flagged_share",
         "expected comparisons of flagged_share with champion.flagged_share in one direction, got "
         "`flagged_share < champion.flagged_share + 0.1` and"),
        ("auc.f1 > 0.5", "got `auc.f1`"),
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_champion_is_refused_in_one_sentence(
    text: str, sentence: str
) -> None:
    with pytest.raises(GateError) as refused:
        parse(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "auc > champion.auc - 1",
        "auc <= champion.auc + 0.999",
        "auc >= champion.auc + 1",
        "gain > champion.gain - 1e300",
    ],
)
def test_an_offset_that_a_difference_may_have_is_allowed(text: str) -> None:
    assert parse(text)


def test_errors_have_no_end_on_either_side() -> None:
    for text in ("rmse <= champion.rmse + 500", "r2 > champion.r2 - 20", "mae < champion.mae - 9"):
        assert str(parse(text, "regression")) == text


def test_metric_gate_and_bias_gate_compare_a_metric_on_one_side() -> None:
    first, second = parse("auc > champion.auc"), parse("auc < champion.auc + 0.1")
    with pytest.raises(GateError, match=r"expected comparisons of auc with champion\.auc in one"):
        gate.both(first, second)


@pytest.mark.parametrize(
    "text",
    [
        "worst_dppl <= champion.worst_dppl + 0.02",
        "worst_dppl < 0.1 and worst_dppl <= champion.worst_dppl",
        "worst_dppl < champion.worst_dppl or worst_di > champion.worst_di",
        "(worst_dppl <= champion.worst_dppl or auc > 0.9) and worst_dppl < 0.1",
        "dppl[gender] < champion.dppl[gender] or dppl[gender] < champion.dppl[gender] + 0.1",
    ],
)
def test_limits_on_bias_may_be_the_champions(text: str) -> None:
    gate.check_bias(parse(text), FACETS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("worst_dppl >= champion.worst_dppl", "asks for bias: worst_dppl is an absolute gap"),
        ("worst_di < champion.worst_di", "asks for bias: worst_di is a ratio"),
        ("worst_dppl < 0.1 or worst_dppl <= champion.worst_dppl + 0.02",
         "`worst_dppl < 0.1` has no effect if `worst_dppl <= champion.worst_dppl + 0.02` is "
         "enough"),
        ("worst_dppl <= champion.worst_dppl or auc > 0.9",
         "`worst_dppl <= champion.worst_dppl` has no effect if `auc > 0.9` is enough"),
        ("worst_dppl < 0.1 or dppl[gender] < champion.dppl[gender]", "has no effect if"),
    ],
)  # fmt: skip
def test_an_or_with_the_champion_opens_no_hole(text: str, sentence: str) -> None:
    """Where no version serves, the comparison with it passes whatever the bias is."""
    with pytest.raises(GateError) as refused:
        gate.check_bias(parse(text), FACETS)
    assert sentence in str(refused.value)


def test_no_comparison_with_the_champion_satisfies_a_floor() -> None:
    floor = parse("auc > 0.7")
    for text in ("auc > champion.auc + 0.9", "auc > 0.8 or auc > champion.auc + 0.9"):
        assert shortfall(parse(text), floor) is not None, text
    assert shortfall(parse("auc > 0.8 and auc > champion.auc"), floor) is None


def test_no_comparison_with_the_champion_covers_a_facet() -> None:
    facets = parse_facets("gender")
    assert [*profile.uncovered(parse("worst_dppl < champion.worst_dppl + 0.1"), facets)] == [
        *facets
    ]
    assert [*profile.uncovered(parse("worst_dppl < 0.1"), facets)] == []


def test_own_metrics_are_found_beside_the_champion() -> None:
    assert gate.own_metrics_in("gain > champion.gain - 1 and auc > champion.auc") == ("gain",)


# Compiled


def with_gate(metric: str, bias: str = "") -> Settings:
    settings = loading.load(ROOT).with_backend("open_source")
    changed = dataclasses.replace(settings.gate, metric=metric, bias=bias)
    return dataclasses.replace(settings, gate=changed)


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    from ninesteps.runs import compiled  # the SDK: seconds to import

    settings = with_gate(GATE, BIAS)
    content: dict[str, Any] = json.loads(compiled.definition(settings, settings.environment()))
    return content


def test_the_champion_is_a_parameter_and_an_input_of_the_evaluation(
    definition: dict[str, Any],
) -> None:
    settings = with_gate(GATE)
    uri = no_champion.uri(settings, settings.environment())
    parameter = {"Name": "ChampionModel", "Type": "String", "DefaultValue": uri}
    assert parameter in definition["Parameters"]
    steps = {step["Name"]: step["Arguments"] for step in definition["Steps"]}
    evaluate = steps["ChurnEvalBestModel"]
    inputs = {i["InputName"]: i["S3Input"] for i in evaluate["ProcessingInputs"]}
    assert inputs["champion"]["S3Uri"] == {"Get": "Parameters.ChampionModel"}
    assert inputs["champion"]["LocalPath"] == "/opt/ml/processing/input/champion"
    assert evaluate["AppSpecification"]["ContainerArguments"][-4:] == [
        "--champion", "binary_classification_metrics.auc.value >= -0.005",
        "--champion", "bias_metrics.dppl.city.value <= 0.02",
    ]  # fmt: skip
    others = [name for name, arguments in steps.items() if "ChampionModel" in json.dumps(arguments)]
    assert others == ["ChurnEvalBestModel"]


def test_conditions_compare_the_difference_with_a_number(definition: dict[str, Any]) -> None:
    (check,) = (s for s in definition["Steps"] if s["Type"] == "Condition")
    of_metric, of_bias = check["Arguments"]["Conditions"]
    _, auc = (part["Condition"] for part in of_metric["Condition"]["Conditions"])
    _, either = (part["Condition"] for part in of_bias["Condition"]["Conditions"])
    dppl, _ = either["Conditions"]
    for condition, sign, number, path in (
        (auc, "GreaterThanOrEqualTo", -0.005, "champion.auc_difference.value"),
        (dppl, "LessThanOrEqualTo", 0.02, "champion.dppl_difference.city.value"),
    ):
        assert (condition["Type"], condition["RightValue"]) == (sign, number)
        assert condition["LeftValue"]["Std:JsonGet"]["Path"] == path


def test_the_definition_is_one_that_the_service_takes(definition: dict[str, Any]) -> None:
    settings = with_gate(GATE, BIAS)
    assert definition_violations(settings, json.dumps(definition)) == []
    wrong = json.dumps(definition).replace("champion.auc_difference", "champion.auc_gain")
    assert "champion.auc_difference.value" in str(definition_violations(settings, wrong))


def test_the_empty_archive_is_put_with_the_code_where_a_gate_needs_it() -> None:
    settings = with_gate(GATE)
    environment = settings.environment()
    objects = bundle.code_objects(settings, environment)
    assert objects[no_champion.uri(settings, environment)] == no_champion.archive()
    plain = with_gate("auc > 0.75")
    assert no_champion.uri(plain, environment) not in bundle.code_objects(plain, environment)
    assert no_champion.sha256()[:16] in no_champion.uri(settings, environment)


def test_a_gate_with_the_champion_alone_does_not_meet_the_profile() -> None:
    settings = with_gate("auc >= champion.auc - 0.005")
    with pytest.raises(SettingsError, match=r"expected at least `auc > 0\.7`, got"):
        loading._check_floor(settings, profile.load("churn"))
