"""The gate's language: what it means, what it refuses, and where it finds each metric."""

from __future__ import annotations

import numpy as np
import pytest

from ninesteps.settings import gate
from ninesteps.settings.floor import implies
from ninesteps.settings.gate import METRICS, GateError

FACETS = ("gender", "age_ge_40")
BINARY = METRICS["binary"]


def parse(text: str, problem: str = "binary") -> gate.Gate:
    return gate.parse(text, problem, FACETS)


def test_a_package_keeps_the_gate_in_the_letters_that_it_may_have() -> None:
    text = "auc > 0.8 and (recall >= 0.7 or dppl[gender] < 0.1)"
    assert gate.metadata(parse(text)) == "auc gt 0.8 and /recall ge 0.7 or dppl:gender lt 0.1/"


@pytest.mark.parametrize(
    "text",
    [
        "auc > 0.75",
        "auc > 0.8 and (recall >= 0.7 or dppl[gender] < 0.1)",
        "(auc > 0.8 or f1 < 1) and (di[age_ge_40] >= 0.8 or worst_dppl <= 0.1)",
        "((auc > 0.8 and f1 > 0.5) or recall > 0.9) and worst_di > 0.8",
        "accuracy >= 1e-05 and flagged_share < 0.25",
    ],
)
def test_the_gate_of_a_package_is_read_as_it_was_written(text: str) -> None:
    written = gate.written(gate.metadata(parse(text)))
    assert written == str(parse(text))
    assert parse(written) == parse(text)


def test_a_gate_that_a_package_cannot_keep_is_refused() -> None:
    long = parse(" or ".join(["average_precision > 0.123456"] * 9))
    with pytest.raises(GateError, match="expected a gate of at most 256 characters, got 293"):
        gate.both(long, None)


def holds(parsed: gate.Gate, values: dict[str, float]) -> bool:
    """What SageMaker's conditions do, for gates on metrics without a facet."""
    if isinstance(parsed, gate.Comparison):
        value, number = values[parsed.metric], parsed.number
        signs = {">": value > number, ">=": value >= number}
        return {**signs, "<": value < number, "<=": value <= number}[parsed.sign]
    if isinstance(parsed, gate.AllOf):
        return all(holds(part, values) for part in parsed.parts)
    return any(holds(part, values) for part in parsed.parts)


ENDS = {">": ("0",), ">=": ("1", "7.5e-1"), "<": ("1.", "7.5e-1"), "<=": ("0.0",)}
"""The signs, each with numbers at the end of what a metric can be that decide something."""


def random_gate(source: np.random.Generator, depth: int = 0) -> str:
    if depth == 4 or source.random() < 0.3:
        sign = source.choice([*ENDS])
        return f"{source.choice(BINARY)} {sign} {source.choice(['.5', '0.25', *ENDS[sign]])}"
    joint = source.choice([" and ", " or "])
    parts = [random_gate(source, depth + 1) for _ in range(source.integers(2, 4))]
    text = joint.join(parts)
    return f"({text})" if source.random() < 0.5 else text


@pytest.mark.parametrize("seed", range(5))
def test_and_or_and_brackets_mean_what_they_mean_in_python(seed: int) -> None:
    source = np.random.default_rng(seed)
    for _ in range(200):
        text = random_gate(source)
        values = {metric: source.choice([0, 0.25, 0.5, 0.75, 1]) for metric in BINARY}
        expected = eval(text, {}, values)  # noqa: S307
        assert holds(parse(text), values) == expected, text
        assert holds(parse(str(parse(text))), values) == expected, text


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("auc>.75", "auc > 0.75"),
        ("  auc  >=  1.  ", "auc >= 1"),
        ("f1 < 5e-2", "f1 < 0.05"),
        ("f1 > 0.", "f1 > 0"),
        ("recall>0.7 AND precision>0.6", "recall > 0.7 and precision > 0.6"),
        ("((auc > 0.5))", "auc > 0.5"),
        ("auc > 0.8 and (f1 > 0.5 Or f1 < 0.1)", "auc > 0.8 and (f1 > 0.5 or f1 < 0.1)"),
        ("dppl[ gender ] < 0.1", "dppl[gender] < 0.1"),
        ("worst_di >= 0.8", "worst_di >= 0.8"),
    ],
)
def test_spelling_is_free_where_it_cannot_mislead(text: str, understood: str) -> None:
    assert str(parse(text)) == understood
    assert gate.digest(parse(text)) == gate.digest(parse(understood))


def test_no_digit_of_a_number_is_lost_in_the_text_that_is_hashed() -> None:
    strict, lax = parse("auc > 0.75000000001"), parse("auc > 0.75")
    assert str(strict) == "auc > 0.75000000001"
    assert gate.digest(strict) != gate.digest(lax)
    assert str(parse("rmse < 1234567", "regression")) == "rmse < 1234567"


NO_METRIC = (
    "expected a metric of a binary problem (auc, accuracy, precision, recall, f1, "
    "average_precision, flagged_share, worst_dppl, worst_di, dppl[facet], di[facet]), got "
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected a gate such as `auc > 0.75`, got an empty one"),
        ("  ", "expected a gate such as `auc > 0.75`, got an empty one"),
        ("AUC > 0.5", f"{NO_METRIC}`AUC`"),
        ("rmse < 5", f"{NO_METRIC}`rmse`"),
        ("not auc > 0.5", f"{NO_METRIC}`not`"),
        ("0.5 < auc", f"{NO_METRIC}`0.5`"),
        ("auc", "expected a comparison such as `auc > 0.75`, got `auc`"),
        ("auc >", "expected a comparison such as `auc > 0.75`, got `auc >`"),
        ("auc > 0.5 and", "expected a comparison such as `auc > 0.75`, got nothing"),
        (
            "auc = 0.5",
            "expected a metric, sign, number, bracket, and / or in `auc = 0.5`, got `= 0.5`",
        ),
        (
            "auc ≥ 0.5",
            "expected a metric, sign, number, bracket, and / or in `auc ≥ 0.5`, got `≥ 0.5`",
        ),
        ("auc and 0.5", "expected one of > >= < <= after `auc`, got `and`"),
        ("auc > high", "expected a finite number after `auc >`, got `high`"),
        ("auc > nan", "expected a finite number after `auc >`, got `nan`"),
        ("auc > inf", "expected a finite number after `auc >`, got `inf`"),
        ("auc < 1e400", "expected a finite number after `auc <`, got `1e400`"),
        ("auc > 0_75", "unexpected `_75` in `auc > 0_75`; join comparisons with and / or"),
        (
            "auc > 0,75",
            "expected a metric, sign, number, bracket, and / or in `auc > 0,75`, got `,75`",
        ),
        (
            "auc > 0.5 f1 > 0.5",
            "unexpected `f1` in `auc > 0.5 f1 > 0.5`; join comparisons with and / or",
        ),
        ("(auc > 0.5 f1 > 0.5)", "unexpected `f1`; join comparisons with and / or"),
        ("(auc > 0.5", "expected a closing bracket, got the end of the gate"),
        ("auc > 0.5)", "unexpected `)` in `auc > 0.5)`; join comparisons with and / or"),
        ("(" * 1000 + "auc > 0.5" + ")" * 1000, "expected at most 100 brackets, got 1000"),
        (
            "dppl[race] < 0.1",
            "expected one of this pipeline's facets (gender, age_ge_40), got `dppl[race]`",
        ),
        ("dppl < 0.1", f"{NO_METRIC}`dppl`"),
        ("auc[gender] > 0.5", f"{NO_METRIC}`auc[gender]`"),
    ],
)
def test_what_is_no_gate_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(GateError) as refused:
        parse(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_metric_of_the_other_problem_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(GateError, match=r"a metric of a regression problem \(rmse, .*, got `auc`"):
        parse("auc > 0.5", "regression")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("auc > 0", "binary_classification_metrics.auc.value"),
        ("worst_dppl < 1", "bias_metrics.worst_dppl.value"),
        ("di[age_ge_40] > 0", "bias_metrics.di.age_ge_40.value"),
    ],
)
def test_a_metric_is_read_by_name(text: str, path: str) -> None:
    (comparison,) = gate.comparisons(parse(text))
    assert comparison.json_path == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("r2 > 0.5", "regression_metrics.r2.value"),
        ("rmse < 5", "regression_metrics.rmse.value"),
        ("worst_mean_residual < 2000", "bias_metrics.worst_mean_residual.value"),
        ("worst_di >= 0.8", "bias_metrics.worst_di.value"),
        ("dppl[gender] < 0.1", "bias_metrics.dppl.gender.value"),
    ],
)
def test_a_regression_metric_is_read_from_its_own_section(text: str, path: str) -> None:
    (comparison,) = gate.comparisons(parse(text, "regression"))
    assert comparison.json_path == path


def test_residuals_are_of_regressions_alone() -> None:
    with pytest.raises(GateError, match=r"metric of a binary .*, got `worst_mean_residual`"):
        parse("worst_mean_residual < 1")


# At an end of what a metric can be, the sign decides whether a comparison decides anything.
BOUNDED = [*((name, "binary") for name in (*BINARY, "worst_dppl", "worst_di", "di[gender]")),
           ("dppl[age_ge_40]", "regression")]  # fmt: skip


@pytest.mark.parametrize(("metric", "problem"), BOUNDED)
@pytest.mark.parametrize(
    "comparison", ["> 1", "<= 1", "> 1.1", "< 2", ">= 7", ">= 0", "< 0", "> -0.1", "<= -1", ">= -0"]
)
def test_what_a_share_can_never_or_must_always_be_is_refused(
    metric: str, problem: str, comparison: str
) -> None:
    with pytest.raises(GateError) as refused:
        parse(f"{metric} {comparison}", problem)
    name = metric.partition("[")[0]
    assert str(refused.value).endswith(f"decides nothing: {name} is always between 0 and 1")
    assert f"`{metric} {comparison[:2].strip()} " in str(refused.value)


@pytest.mark.parametrize(("metric", "problem"), BOUNDED)
@pytest.mark.parametrize("comparison", ["> 0", "<= 0", ">= 1", "< 1", "> 0.999", "<= 0.001"])
def test_what_a_share_may_be_or_not_is_allowed_up_to_the_ends(
    metric: str, problem: str, comparison: str
) -> None:
    assert str(parse(f"{metric} {comparison}", problem)) == f"{metric} {comparison}"


@pytest.mark.parametrize("metric", ["rmse", "mae", "worst_mean_residual"])
def test_an_error_has_no_end_but_nought(metric: str) -> None:
    for comparison in ("> 0", "<= 0", "< 1", ">= 1", "> 1e300", "<= 5000"):
        assert parse(f"{metric} {comparison}", "regression")
    for comparison in (">= 0", "< 0", "> -1", "<= -1e9"):
        with pytest.raises(GateError, match=f"decides nothing: {metric} is always at 0 or above"):
            parse(f"{metric} {comparison}", "regression")


def test_r2_ends_at_one_and_may_be_as_negative_as_it_likes() -> None:
    assert str(parse("r2 > -1 and r2 <= -1e9", "regression")) == "r2 > -1 and r2 <= -1000000000"
    assert parse("r2 >= 1 or r2 < 1 or r2 >= 0 or r2 < 0", "regression")
    for comparison in ("> 1", "<= 1", "< 1.5", ">= 2"):
        with pytest.raises(GateError, match="decides nothing: r2 is always at 1 or below"):
            parse(f"r2 {comparison}", "regression")


def test_a_comparison_that_decides_nothing_is_refused_wherever_it_stands() -> None:
    for text in ("auc > 0.5 or recall >= 0", "auc > 0.5 and (f1 > 0.5 or flagged_share <= 1)"):
        with pytest.raises(GateError, match="decides nothing"):
            parse(text)


def test_comparisons_come_left_to_right() -> None:
    parsed = parse("auc > 0.1 and (f1 > 0.2 or recall > 0.3) and precision > 0.4")
    assert [c.number for c in gate.comparisons(parsed)] == [0.1, 0.2, 0.3, 0.4]


def test_the_bias_gate_is_anded_to_a_metric_gate_whatever_that_is() -> None:
    metric, bias = parse("auc > 0.9 or f1 > 0.9"), parse("flagged_share < 0.5")
    decides = gate.both(metric, bias)
    assert str(decides) == "(auc > 0.9 or f1 > 0.9) and flagged_share < 0.5"
    assert not holds(decides, {"auc": 1, "f1": 1, "flagged_share": 0.6})
    assert gate.both(metric, None) is metric


# Limits on bias


@pytest.mark.parametrize(
    "text",
    [
        "worst_dppl < 0.999",
        "worst_dppl <= 0",
        "worst_di > 0.001",
        "worst_di >= 1",
        "dppl[gender] < 0.1",
        "dppl[gender] < 0.1 or di[gender] > 0.8",
        "worst_dppl < 0.1 or worst_di > 0.9",
        "(worst_dppl < 0.9 or auc > 0.5) and worst_dppl < 0.1",
        "worst_dppl < 0.1 or dppl[gender] < 0.1 and dppl[age_ge_40] < 0.1",
        "auc > 0.7 and (auc > 0.8 or recall > 0.5) and di[gender] > 0.5",
        "auc < 0.9 or recall > 0.1",
    ],
)
def test_a_limit_that_every_way_through_keeps_is_one(text: str) -> None:
    gate.check_bias(parse(text), FACETS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dppl[gender] > 0.1", "asks for bias: dppl is an absolute gap, at best 0"),
        ("worst_dppl >= 0.1", "asks for bias: worst_dppl is an absolute gap"),
        ("worst_di <= 0.8", "asks for bias: worst_di is a ratio, at best 1"),
        ("auc > 0.5 and di[gender] < 0.8", "asks for bias"),
        ("dppl[gender] < 1", "decides nothing: dppl is an absolute gap"),
        ("worst_di > 0", "decides nothing: worst_di is a ratio"),
        ("worst_dppl < 0.1 or auc > 0.5", "has no effect if `auc > 0.5` is enough"),
        ("auc > 0.9 or (auc > 0.7 and worst_di > 0.8)", "if `auc > 0.9` is enough"),
        ("dppl[gender] < 0.1 or dppl[age_ge_40] < 0.1",
         "`dppl[age_ge_40] < 0.1` has no effect if `dppl[gender] < 0.1` is enough: each side "
         "of an `or` must limit the bias by age_ge_40"),
        ("worst_dppl < 0.1 or dppl[gender] < 0.1", "must limit the bias by age_ge_40"),
    ],
)  # fmt: skip
def test_a_limit_on_bias_that_limits_none_is_refused_in_one_sentence(
    text: str, sentence: str
) -> None:
    with pytest.raises(GateError) as refused:
        gate.check_bias(parse(text), FACETS)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_residuals_are_held_below_a_number() -> None:
    gate.check_bias(parse("worst_mean_residual < 1", "regression"), FACETS)
    with pytest.raises(GateError, match="`worst_mean_residual > 1` asks for bias"):
        gate.check_bias(parse("worst_mean_residual > 1", "regression"), FACETS)


@pytest.mark.parametrize("number", ["0", "1e-9", "0.1", "0.999999", "1"])
@pytest.mark.parametrize("sign", [">", ">=", "<", "<="])
@pytest.mark.parametrize("metric", ["worst_dppl", "worst_di", "worst_mean_residual"])
def test_no_limit_that_is_taken_passes_the_numbers_of_groups_that_are_all_too_small(
    metric: str, sign: str, number: str
) -> None:
    worst = {"worst_dppl": 1.0, "worst_di": 0.0, "worst_mean_residual": 1.7e308}
    try:
        parsed = parse(f"{metric} {sign} {number}", "regression")
        gate.check_bias(parsed, FACETS)
    except GateError:
        return
    assert not holds(parsed, worst)


OWN = ("cost_per_customer", "lift_at_10")


@pytest.mark.parametrize(("problem", "section"), gate.SECTIONS.items())
@pytest.mark.parametrize("number", ["-12.5", "0", "1", "1e6"])
@pytest.mark.parametrize("sign", [">", ">=", "<", "<="])
def test_a_metric_of_ones_own_is_compared_with_any_number_either_way(
    problem: str, section: str, number: str, sign: str
) -> None:
    parsed = gate.parse(f"lift_at_10 {sign} {number}", problem, FACETS, OWN)
    assert isinstance(parsed, gate.Comparison)
    assert parsed.json_path == f"{section}.lift_at_10.value"
    assert parsed.holds(float(number)) == ("=" in sign)
    assert not parsed.is_bias


def test_metrics_of_ones_own_stand_among_the_others() -> None:
    text = "auc > 0.8 and (cost_per_customer < 2.5 or lift_at_10 >= 3 and dppl[gender] < 0.1)"
    parsed = gate.parse(text, "binary", FACETS, OWN)
    assert str(parsed) == text
    gate.check_bias(gate.parse("cost_per_customer < 2.5", "binary", FACETS, OWN), FACETS)
    assert gate.own_metrics_in(f"{text} AND cost_per_customer > 0") == OWN


def test_a_metric_of_ones_own_is_known_where_it_is_named_only() -> None:
    with pytest.raises(GateError, match=r"flagged_share, worst_dppl.*, got `lift_at_10`"):
        parse("lift_at_10 > 1")
    with pytest.raises(GateError, match=r"flagged_share, lift_at_10, worst_dppl.*, got `lift`"):
        gate.parse("lift > 1", "binary", FACETS, ("lift_at_10",))


@pytest.mark.parametrize("name", ["auc", "rmse", "worst_di", "dppl", "and", "champion", "chrf"])
def test_names_that_the_language_has_are_reserved(name: str) -> None:
    assert gate.is_reserved(name)


def test_a_floor_is_not_met_by_a_metric_of_ones_own() -> None:
    team = gate.parse("lift_at_10 > 3", "binary", FACETS, OWN)
    assert not implies(team, parse("auc > 0.7"))
    assert implies(gate.AllOf((team, parse("auc > 0.7"))), parse("auc > 0.7"))
