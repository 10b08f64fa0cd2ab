"""The metric gate's small language: `auc > 0.75 and (recall > 0.7 or precision > 0.9)`.

A gate is parsed once, here, and becomes SageMaker conditions in `model_build/pipeline.py`. It may
name the library's metrics for the problem type and the team's own (`[gate] metrics`). Standard
library only: the template's hook reads a gate before anything is installed.

Grammar (`and` binds tighter than `or`, as in Python)::

    gate       = all { "or" all }
    all        = term { "and" term }
    term       = "(" gate ")" | comparison
    comparison = metric ( ">" | ">=" | "<" | "<=" ) ( number | champion )
    champion   = "champion." metric [ ( "+" | "-" ) number ]
    metric     = name | ("dppl" | "di") "[" facet "]"

`champion` is the version that serves, scored on the same test split. The metric after it must be
the same as the one before the sign; their difference decides.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

METRICS = {
    "binary": (
        "auc",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "average_precision",
        "flagged_share",
    ),
    "regression": ("rmse", "mae", "r2"),
    "language_model": (
        "loss",
        "perplexity",
        "chrf",
        "win_rate",
        "win_rate_low",
        "decided",
        "refusal_rate",
        "wrong_refusal_rate",
        "leak_rate",
    ),
}
"""The metrics in `evaluation.json`, by problem type."""

SECTIONS = {
    "binary": "binary_classification_metrics",
    "regression": "regression_metrics",
    "language_model": "language_model_metrics",
}
"""The section of `evaluation.json` that has them, by problem type."""

BIAS_METRICS = {
    "binary": ("worst_dppl", "worst_di"),
    "regression": ("worst_dppl", "worst_di", "worst_mean_residual"),
    "language_model": ("worst_dppl", "worst_di"),
}
"""The bias metrics in it that cover all facets, by problem type."""

FACET_METRICS = ("dppl", "di")

FAIR_SIDE = {"dppl": "<", "worst_dppl": "<", "worst_mean_residual": "<", "di": ">", "worst_di": ">"}
"""The sign with which a gate limits a bias metric: a gap is absolute and should be small; a ratio
of the lower share to the higher should be near 1."""

UNBOUNDED = ("rmse", "mae", "worst_mean_residual", "loss", "perplexity", "decided")
"""Metrics from 0 without an upper limit, such as those in the label's unit. The others are at most
1, and all but r2 at least 0."""

WON_OR_LOST = ("win_rate", "win_rate_low", "decided")
"""Metrics that already compare with the champion, which has none of its own."""

EXAMPLES = {
    "binary": "auc > 0.75",
    "regression": "rmse < 1000",
    "language_model": "win_rate_low > 0.5",
}
"""An example for each problem type, for messages."""

METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""The names that a team's own metric may have, except those that `is_reserved`."""

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

_RESERVED = ("and", "or", "not", "champion")
"""Words of the language."""

MAX_BRACKETS = 100
"""More than anyone could read."""

_WORD = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?(?:\[[^\]]*\])?"  # also dppl[facet], champion.auc
_SIGN = r">=|<=|>|<|\(|\)"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(rf"\s*(?:{_WORD}|{_SIGN}|{_NUMBER}|[-+])")
_FACET_METRIC = re.compile(r"(dppl|di)\[\s*([^\]]*?)\s*\]")


CHAMPION = "champion"
"""The name of the version that serves, in gates and in `evaluation.json`."""

DIFFERENCE = "_difference"
"""The suffix of a metric's name in `evaluation.json` for its difference from the champion's."""

MAX_METADATA = 256
"""The most characters that SageMaker allows in a value of a model package's metadata."""


class GateError(ValueError):
    """A gate that cannot be read; the message says what was expected and what was got.

    `asked` is the unknown name, and `known` are the names that exist.
    """

    def __init__(self, message: str, asked: str = "", known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.asked, self.known = asked, known


@dataclass(frozen=True)
class Comparison:
    """One metric compared with one number, such as `auc > 0.75`.

    Or its difference from the champion's: `auc >= champion.auc - 0.005` is `auc - champion.auc`
    compared with -0.005.
    """

    metric: str
    sign: str
    number: float
    facet: str | None = None  # the facet's key, for dppl[facet] and di[facet]
    section: str = field(default="", compare=False)  # of evaluation.json, for a team's own metric
    is_of_champion: bool = False  # the number limits the difference from the champion's value

    @property
    def measured(self) -> str:
        """The metric as written in a gate: `auc`, or `dppl[gender]`."""
        return self.metric if self.facet is None else f"{self.metric}[{self.facet}]"

    @property
    def name(self) -> str:
        """What is compared with the number: the metric, or `auc - champion.auc`."""
        own = self.measured
        return f"{own} - {CHAMPION}.{own}" if self.is_of_champion else own

    @property
    def is_bias(self) -> bool:
        """Whether it compares a bias metric, not a metric of the model's quality."""
        return self.facet is not None or any(self.metric in n for n in BIAS_METRICS.values())

    @property
    def json_path(self) -> str:
        """The path in `evaluation.json` of the value that is compared."""
        if self.is_of_champion:
            facet = "" if self.facet is None else f".{self.facet}"
            return f"{CHAMPION}.{self.metric}{DIFFERENCE}{facet}.value"
        return self.measured_path

    @property
    def measured_path(self) -> str:
        """The path in `evaluation.json` of the model's own metric."""
        if self.facet is not None:
            return f"bias_metrics.{self.metric}.{self.facet}.value"
        if self.section:
            return f"{self.section}.{self.metric}.value"
        if any(self.metric in names for names in BIAS_METRICS.values()):
            return f"bias_metrics.{self.metric}.value"
        problem = next(name for name, metrics in METRICS.items() if self.metric in metrics)
        return f"{SECTIONS[problem]}.{self.metric}.value"

    @property
    def argument(self) -> str:
        """A comparison with the champion as an argument of step 3, which writes the difference."""
        return f"{self.measured_path} {self.sign} {_digits(self.number)}"

    def holds(self, value: float) -> bool:
        """Whether a value of the metric passes."""
        return bool(_COMPARE[self.sign](value, self.number))

    def __str__(self) -> str:
        # In full: the text's digest identifies the gate, so no digit may be lost.
        if not self.is_of_champion:
            return f"{self.measured} {self.sign} {_digits(self.number)}"
        offset = f" {'-' if self.number < 0 else '+'} {_digits(abs(self.number))}"
        compared = f"{self.measured} {self.sign} {CHAMPION}.{self.measured}"
        return compared + (offset if self.number else "")


def _digits(number: float) -> str:
    return repr(number).removesuffix(".0")


@dataclass(frozen=True)
class AllOf:
    """Every part must pass."""

    parts: tuple[Gate, ...]

    def __str__(self) -> str:
        return " and ".join(f"({p})" if isinstance(p, AnyOf) else str(p) for p in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """One part must pass."""

    parts: tuple[Gate, ...]

    def __str__(self) -> str:
        return " or ".join(str(p) for p in self.parts)


Gate = Comparison | AllOf | AnyOf


@dataclass(frozen=True)
class _Names:
    """What a gate may name."""

    problem: str
    facets: tuple[str, ...]
    own: tuple[str, ...]  # metrics of the team's own


def parse(
    text: str, problem: str, facet_keys: tuple[str, ...] = (), own_metrics: tuple[str, ...] = ()
) -> Gate:
    """Read a gate for a problem type, one of `METRICS`.

    Besides the library's metrics, it may name these facets and these metrics of the team's own.

    Raises:
        GateError: with one sentence for the person who wrote the gate.
    """
    tokens = list(_tokens(text))
    if not tokens:
        raise GateError(f"expected a gate such as `{EXAMPLES[problem]}`, got an empty one")
    if tokens.count("(") > MAX_BRACKETS:
        raise GateError(f"expected at most {MAX_BRACKETS} brackets, got {tokens.count('(')}")
    gate, rest = _any(tokens, _Names(problem, facet_keys, own_metrics))
    if rest:
        raise GateError(f"unexpected `{rest[0]}` in `{text}`; join comparisons with and / or")
    _check_one_side(gate)
    return gate


def both(metric_gate: Gate, bias_gate: Gate | None) -> Gate:
    """The gate that decides: the metric gate and, if there is one, the bias gate.

    Raises:
        GateError: if it is too long for a model package's metadata, or compares a metric with the
            champion's on both sides.
    """
    gate = metric_gate if bias_gate is None else AllOf((metric_gate, bias_gate))
    _check_one_side(gate)
    if (length := len(metadata(gate))) > MAX_METADATA:
        raise GateError(f"expected a gate of at most {MAX_METADATA} characters, got {length}")
    return gate


def is_reserved(name: str) -> bool:
    """Whether a team's own metric cannot have this name, because gates use it already."""
    known = {name for names in (METRICS, BIAS_METRICS) for part in names.values() for name in part}
    return name in known or name in (*FACET_METRICS, *_RESERVED)


def own_metrics_in(text: str) -> tuple[str, ...]:
    """The words of a gate that can only be metrics of the team's own, each once.

    For reading a gate that was checked before, without its settings.
    """
    words = (token for token in _tokens(text) if METRIC_NAME.fullmatch(token))
    return tuple(dict.fromkeys(word for word in words if not is_reserved(word)))


def comparisons(gate: Gate) -> Iterator[Comparison]:
    """Every comparison in a gate, left to right."""
    if isinstance(gate, Comparison):
        yield gate
    else:
        for part in gate.parts:
            yield from comparisons(part)


def of_champion(gate: Gate) -> list[Comparison]:
    """The comparisons with the champion, each once, in the order of the gate."""
    return [*dict.fromkeys(c for c in comparisons(gate) if c.is_of_champion)]


def differences(section: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The differences from the champion in `evaluation.json`.

    Args:
        section: its section of the champion.

    Returns:
        By the metric's name as in a gate: the difference and, if it was measured, both models'
        values and the interval.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, content in section.items():
        metric = key.removesuffix(DIFFERENCE)
        if metric == key or not isinstance(content, Mapping):
            continue
        if "value" in content:
            found[metric] = dict(content)
        else:
            found |= {f"{metric}[{facet}]": dict(one) for facet, one in content.items()}
    return found


def _check_one_side(gate: Gate) -> None:
    """Refuse a metric that is compared with the champion's on both sides.

    If no version serves, step 3 writes one difference, which must pass every comparison with the
    champion; if the champion cannot be scored, it must pass none.
    """
    first: dict[str, Comparison] = {}
    for comparison in of_champion(gate):
        other = first.setdefault(comparison.measured, comparison)
        if other.sign[0] != comparison.sign[0]:
            raise GateError(
                f"expected comparisons of {comparison.measured} with "
                f"{CHAMPION}.{comparison.measured} in one direction, got `{other}` and "
                f"`{comparison}`"
            )


def ways(gate: Gate) -> Iterator[tuple[Comparison, ...]]:
    """The ways through a gate: a model passes if it passes all comparisons of one way."""
    if isinstance(gate, Comparison):
        yield (gate,)
    elif isinstance(gate, AnyOf):
        for part in gate.parts:
            yield from ways(part)
    else:
        for chosen in itertools.product(*map(ways, gate.parts)):
            yield tuple(itertools.chain(*chosen))


def check_bias(gate: Gate, facet_keys: tuple[str, ...]) -> None:
    """Refuse limits on bias without effect: on the wrong side, or made optional by an `or`.

    If a comparison limits a facet, every way through the gate must limit it, though other
    comparisons may do so. A comparison with the champion does not replace one with a number: if no
    version serves, it passes every model.

    Raises:
        GateError: with one sentence for the person who wrote the gate.
    """
    bias = [c for c in comparisons(gate) if c.metric in FAIR_SIDE]
    for comparison in bias:
        _check_side(comparison)
    for way in ways(gate) if bias else ():
        for facet in facet_keys:
            of_facet = [c for c in bias if c.facet in (None, facet)]
            limits = [c for c in of_facet if not c.is_of_champion] or of_facet
            if limits and not any(c in limits for c in way):
                raise GateError(
                    f"`{limits[0]}` has no effect if `{AllOf(way)}` is enough: each side of an "
                    f"`or` must limit the bias by {facet}"
                )


def holds(gate: Gate, value: Callable[[Comparison], float]) -> bool:
    """Whether a model passes a gate, given a function for the metrics' values, which is called for
    all."""
    if isinstance(gate, Comparison):
        return gate.holds(value(gate))
    outcomes = [holds(part, value) for part in gate.parts]
    return any(outcomes) if isinstance(gate, AnyOf) else all(outcomes)


def digest(gate: Gate) -> str:
    """SHA-256 of the parsed gate, for the model package's metadata."""
    return hashlib.sha256(str(gate).encode()).hexdigest()


_SIGN_WORDS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt"}


def metadata(gate: Gate) -> str:
    """The gate in the characters that SageMaker allows in a model package's metadata.

    Signs become words and brackets slashes: `auc gt 0.8 and /recall ge 0.7 or f1 gt 0.9/`.
    """
    text = str(gate)
    for sign, word in {**_SIGN_WORDS, "(": "/", ")": "/", "[": ":", "]": ""}.items():
        text = text.replace(sign, word)
    return text


def written(text: str) -> str:
    """A gate from a model package's metadata, with its signs and brackets restored."""
    for sign, word in _SIGN_WORDS.items():
        text = text.replace(f" {word} ", f" {sign} ")
    text = re.sub(r":(\w+)", r"[\1]", text)
    text = re.sub(r"(?<!\S)/+", lambda opens: "(" * len(opens[0]), text)
    return text.replace("/", ")")


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].strip()[:20]
            raise GateError(
                f"expected a metric, sign, number, bracket, and / or in `{text}`, got `{rest}`"
            )
        yield match.group().strip()
        position = match.end()


def _any(tokens: list[str], names: _Names) -> tuple[Gate, list[str]]:
    part, tokens = _all(tokens, names)
    parts = [part]
    while tokens and tokens[0].lower() == "or":
        part, tokens = _all(tokens[1:], names)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else AnyOf(tuple(parts))), tokens


def _all(tokens: list[str], names: _Names) -> tuple[Gate, list[str]]:
    part, tokens = _term(tokens, names)
    parts = [part]
    while tokens and tokens[0].lower() == "and":
        part, tokens = _term(tokens[1:], names)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else AllOf(tuple(parts))), tokens


def _term(tokens: list[str], names: _Names) -> tuple[Gate, list[str]]:
    if tokens and tokens[0] == "(":
        gate, rest = _any(tokens[1:], names)
        if not rest:
            raise GateError("expected a closing bracket, got the end of the gate")
        if rest[0] != ")":
            raise GateError(f"unexpected `{rest[0]}`; join comparisons with and / or")
        return gate, rest[1:]
    if len(tokens) < 3:
        got = f"`{' '.join(tokens)}`" if tokens else "nothing"
        raise GateError(f"expected a comparison such as `{EXAMPLES[names.problem]}`, got {got}")
    name, sign, right = tokens[:3]
    if name.partition(".")[0].lower() == CHAMPION:
        raise GateError(f"expected a metric before the sign and `{CHAMPION}.` and the same metric "
                        f"after it, got `{name} {sign} {right}`")  # fmt: skip
    metric, facet = _metric(name, names)
    if sign not in (">", ">=", "<", "<="):
        raise GateError(f"expected one of > >= < <= after `{name}`, got `{sign}`")
    is_own = metric in names.own
    section = SECTIONS[names.problem] if is_own else ""
    is_of_champion = right.partition(".")[0].lower() == CHAMPION
    if is_of_champion and metric in WON_OR_LOST:
        raise GateError(f"expected a number after `{metric} {sign}`, because {metric} already "
                        f"compares with the version that serves, got `{right}`")  # fmt: skip
    if is_of_champion:
        number, rest = _offset(Comparison(metric, sign, 0, facet, is_of_champion=True), tokens[2:])
    else:
        number, rest = _number(right, f"{name} {sign}"), tokens[3:]
    comparison = Comparison(metric, sign, number, facet, section, is_of_champion)
    return comparison if is_own else _decisive(
        comparison
    ), rest  # the range of an own metric is unknown


def _offset(plain: Comparison, tokens: list[str]) -> tuple[float, list[str]]:
    """The number added to the champion's metric, and the tokens after it."""
    name, rest = tokens[0], tokens[1:]
    match = _FACET_METRIC.fullmatch(name.partition(".")[2])
    got = f"{match[1]}[{match[2]}]" if match else name.partition(".")[2]
    if got != plain.measured or not name.startswith(CHAMPION):
        raise GateError(
            f"expected `{CHAMPION}.{plain.measured}` after `{plain.measured} {plain.sign}`, the "
            f"same metric of the version that serves, got `{name}`"
        )
    if rest and rest[0] in ("+", "-"):
        number = rest[1] if len(rest) > 1 else "nothing"
        if number[0] in "+-":
            raise GateError(f"expected a number after `{plain} {rest[0]}`, got `{number}`")
        return _number(f"{rest[0]}{number}", str(plain)), rest[2:]
    if rest and rest[0][0] in "+-":
        return _number(rest[0], str(plain)), rest[1:]
    return 0.0, rest


def _number(text: str, after: str) -> float:
    if not re.fullmatch(_NUMBER, text) or not math.isfinite(float(text)):
        raise GateError(f"expected a finite number after `{after}`, got `{text}`")
    return float(text) + 0.0  # turns -0.0 into 0.0


def _decisive(comparison: Comparison) -> Comparison:
    """Refuse a comparison that every model passes, or every model fails."""
    least = -math.inf if comparison.metric == "r2" else 0.0
    most = math.inf if comparison.metric in UNBOUNDED else 1.0
    if comparison.is_of_champion:
        least, most = least - most, most - least
    number = comparison.number
    inside = least < number < most
    # At a limit, `> 0` and `<= 0` can still pass or fail, and so can `>= 1` and `< 1`.
    if inside or number == (least if comparison.sign in (">", "<=") else most):
        return comparison
    if comparison.is_of_champion:
        lies = "between -1 and 1"
    else:
        lies = {0.0: "between 0 and 1", -math.inf: "at 1 or below"}[least]
        lies = "at 0 or above" if comparison.metric in UNBOUNDED else lies
    what = comparison.name if comparison.is_of_champion else comparison.metric
    raise GateError(f"`{comparison}` decides nothing: {what} is always {lies}")


def _check_side(comparison: Comparison) -> None:
    """Refuse a comparison of a bias metric that requires bias, or that any amount of bias
    passes."""
    side, number = FAIR_SIDE[comparison.metric], comparison.number
    is_gap = side == "<"
    what = "an absolute gap, at best 0" if is_gap else "a ratio, at best 1"
    if comparison.sign[0] != side:
        raise GateError(
            f"`{comparison}` asks for bias: {comparison.metric} is {what}; expected a gate that "
            f"keeps it {'below' if is_gap else 'above'} a number"
        )
    if comparison.is_of_champion:
        return
    # A gap is 1, or a ratio 0, only if no group is counted.
    passes_all = comparison.sign == side and number == (1.0 if is_gap else 0.0)
    if passes_all and comparison.metric not in UNBOUNDED:
        raise GateError(
            f"`{comparison}` decides nothing: {comparison.metric} is {what}, so every model passes"
        )


def _metric(name: str, names: _Names) -> tuple[str, str | None]:
    if match := _FACET_METRIC.fullmatch(name):
        metric, facet = match.groups()
        if facet not in names.facets:
            has = ", ".join(names.facets) or "none"
            sentence = f"expected one of this pipeline's facets ({has}), got `{name}`"
            raise GateError(sentence, facet, names.facets)
        return metric, facet
    problem = names.problem
    known = (*METRICS[problem], *names.own, *BIAS_METRICS[problem])
    if name in known:
        return name, None
    offered = [*known, *(f"{metric}[facet]" for metric in FACET_METRICS)]
    raise GateError(
        f"expected a metric of a {problem} problem ({', '.join(offered)}), got `{name}`",
        name,
        offered,
    )
