"""The metric gate's small language: `auc > 0.75 and (recall > 0.7 or precision > 0.9)`.

A gate is parsed once, here, and becomes SageMaker conditions in `model_build/pipeline.py`. It may
name the library's metrics of the problem type and those of the team's own (`[gate] metrics`).
Standard library alone: the template's hook reads a gate before anything is installed.

Grammar (`and` binds tighter than `or`, as in Python)::

    gate       = all { "or" all }
    all        = term { "and" term }
    term       = "(" gate ")" | comparison
    comparison = metric ( ">" | ">=" | "<" | "<=" ) ( number | champion )
    champion   = "champion." metric [ ( "+" | "-" ) number ]
    metric     = name | ("dppl" | "di") "[" facet "]"

`champion` is the version that serves, scored on the same test split. The metric after it is the one
that is compared: what decides is their difference.
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
"""The metrics that `evaluation.json` holds, by problem type."""

SECTIONS = {
    "binary": "binary_classification_metrics",
    "regression": "regression_metrics",
    "language_model": "language_model_metrics",
}
"""Where `evaluation.json` has them, by problem type."""

BIAS_METRICS = {
    "binary": ("worst_dppl", "worst_di"),
    "regression": ("worst_dppl", "worst_di", "worst_mean_residual"),
    "language_model": ("worst_dppl", "worst_di"),
}
"""Those of its bias numbers that concern all facets, by problem type."""

FACET_METRICS = ("dppl", "di")

FAIR_SIDE = {"dppl": "<", "worst_dppl": "<", "worst_mean_residual": "<", "di": ">", "worst_di": ">"}
"""The sign with which a gate limits a bias number: a gap has no sign and should be small, a ratio
of the lower share to the higher should be near 1."""

UNBOUNDED = ("rmse", "mae", "worst_mean_residual", "loss", "perplexity", "decided")
"""Metrics from 0 without an end, such as those in the label's own unit; the others end at 1, and
all but r2 begin at 0."""

WON_OR_LOST = ("win_rate", "win_rate_low", "decided")
"""Metrics that are of a comparison with the incumbent: the champion has none of its own."""

EXAMPLES = {
    "binary": "auc > 0.75",
    "regression": "rmse < 1000",
    "language_model": "win_rate_low > 0.5",
}
"""A comparison of each problem type, for a message."""

METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a metric of the team's own may be called; `is_reserved` says which names are taken."""

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

_RESERVED = ("and", "or", "not", "champion")
"""Words of the language."""

MAX_BRACKETS = 100
"""More than anybody can read."""

_WORD = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?(?:\[[^\]]*\])?"  # also dppl[facet], champion.auc
_SIGN = r">=|<=|>|<|\(|\)"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(rf"\s*(?:{_WORD}|{_SIGN}|{_NUMBER}|[-+])")
_FACET_METRIC = re.compile(r"(dppl|di)\[\s*([^\]]*?)\s*\]")


CHAMPION = "champion"
"""The version that serves, as a gate calls it, and as `evaluation.json` calls its section."""

DIFFERENCE = "_difference"
"""What follows a metric's name where `evaluation.json` has its difference from the champion's."""

MAX_METADATA = 256
"""How many characters SageMaker keeps of one value of a model package's metadata."""


class GateError(ValueError):
    """A gate that cannot be read; the message says what was expected and what was got.

    `asked` is a name that is not known, and `known` are those that are.
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
    section: str = field(default="", compare=False)  # of evaluation.json, for a metric of one's own
    is_of_champion: bool = False  # the number is of the difference from the champion's value

    @property
    def measured(self) -> str:
        """The metric, as a gate writes it: `auc`, or `dppl[gender]`."""
        return self.metric if self.facet is None else f"{self.metric}[{self.facet}]"

    @property
    def name(self) -> str:
        """What is compared with the number: the metric, or `auc - champion.auc`."""
        own = self.measured
        return f"{own} - {CHAMPION}.{own}" if self.is_of_champion else own

    @property
    def is_bias(self) -> bool:
        """Whether it is of a bias number, not of a metric of the model."""
        return self.facet is not None or any(self.metric in n for n in BIAS_METRICS.values())

    @property
    def json_path(self) -> str:
        """Where `evaluation.json` has the value that is compared."""
        if self.is_of_champion:
            facet = "" if self.facet is None else f".{self.facet}"
            return f"{CHAMPION}.{self.metric}{DIFFERENCE}{facet}.value"
        return self.measured_path

    @property
    def measured_path(self) -> str:
        """Where it has the metric of the model itself."""
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
        """A comparison with the champion as step 3 is told of it, which writes the difference."""
        return f"{self.measured_path} {self.sign} {_digits(self.number)}"

    def holds(self, value: float) -> bool:
        """Whether a value of the metric passes."""
        return bool(_COMPARE[self.sign](value, self.number))

    def __str__(self) -> str:
        # In full: the digest of the text stands for the number, so no digit of it may be lost.
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

    It may name these facets and these metrics of the team's own, beside the library's.

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
    """The gate that decides: the metric gate and, where there is one, the bias gate.

    Raises:
        GateError: if it is too long to be kept with the versions that pass it, or compares a
            metric with the champion's on both sides.
    """
    gate = metric_gate if bias_gate is None else AllOf((metric_gate, bias_gate))
    _check_one_side(gate)
    if (length := len(metadata(gate))) > MAX_METADATA:
        raise GateError(f"expected a gate of at most {MAX_METADATA} characters, got {length}")
    return gate


def is_reserved(name: str) -> bool:
    """Whether a metric of the team's own cannot be called so: the gate's language has that word."""
    known = {name for names in (METRICS, BIAS_METRICS) for part in names.values() for name in part}
    return name in known or name in (*FACET_METRICS, *_RESERVED)


def own_metrics_in(text: str) -> tuple[str, ...]:
    """The words of a gate that can only be metrics of the team's own, each once.

    For who reads a gate that was checked before and has no settings beside it.
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
    """What `evaluation.json` says of each metric that is compared with the champion's.

    Args:
        section: its section of the champion.

    Returns:
        Value and, of one that was measured, both models' values and the interval, by the metric's
        name as a gate writes it.
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
    """Refuse a metric that must lie neither above nor below the champion's.

    Where no version serves, the one difference that is written must pass every comparison with it,
    and where the champion cannot be scored, none.
    """
    first: dict[str, Comparison] = {}
    for comparison in of_champion(gate):
        other = first.setdefault(comparison.measured, comparison)
        if other.sign[0] != comparison.sign[0]:
            raise GateError(
                f"expected comparisons of {comparison.measured} with {CHAMPION}."
                f"{comparison.measured} on one side, got `{other}` and `{comparison}`"
            )


def ways(gate: Gate) -> Iterator[tuple[Comparison, ...]]:
    """The ways through a gate: a model passes it by passing all comparisons of one of them."""
    if isinstance(gate, Comparison):
        yield (gate,)
    elif isinstance(gate, AnyOf):
        for part in gate.parts:
            yield from ways(part)
    else:
        for chosen in itertools.product(*map(ways, gate.parts)):
            yield tuple(itertools.chain(*chosen))


def check_bias(gate: Gate, facet_keys: tuple[str, ...]) -> None:
    """Refuse limits on bias that limit none: of the wrong side, or made optional by an `or`.

    A facet that a comparison limits must be limited in every way through the gate, be it by
    another comparison. A comparison with the champion stands in for none with a number: where no
    version serves it passes every model.

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
                    f"`{limits[0]}` decides nothing where `{AllOf(way)}` is enough: what an `or` "
                    f"puts beside a limit on bias must limit the bias by {facet} too"
                )


def holds(gate: Gate, value: Callable[[Comparison], float]) -> bool:
    """Whether a model passes a gate, given the value of each metric: all are asked for."""
    if isinstance(gate, Comparison):
        return gate.holds(value(gate))
    outcomes = [holds(part, value) for part in gate.parts]
    return any(outcomes) if isinstance(gate, AnyOf) else all(outcomes)


def digest(gate: Gate) -> str:
    """SHA-256 of the gate as it is understood, for the model package's metadata."""
    return hashlib.sha256(str(gate).encode()).hexdigest()


_SIGN_WORDS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt"}


def metadata(gate: Gate) -> str:
    """The gate in the characters that SageMaker lets a model package's metadata have.

    Signs become words and brackets slashes: `auc gt 0.8 and /recall ge 0.7 or f1 gt 0.9/`.
    """
    text = str(gate)
    for sign, word in {**_SIGN_WORDS, "(": "/", ")": "/", "[": ":", "]": ""}.items():
        text = text.replace(sign, word)
    return text


def written(text: str) -> str:
    """A gate of a model package's metadata with its signs and brackets again."""
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
        raise GateError(f"expected a number after `{metric} {sign}`, which compares with the "
                        f"version that serves already, got `{right}`")  # fmt: skip
    if is_of_champion:
        number, rest = _offset(Comparison(metric, sign, 0, facet, is_of_champion=True), tokens[2:])
    else:
        number, rest = _number(right, f"{name} {sign}"), tokens[3:]
    comparison = Comparison(metric, sign, number, facet, section, is_of_champion)
    return comparison if is_own else _decisive(comparison), rest  # of its own nothing is known


def _offset(plain: Comparison, tokens: list[str]) -> tuple[float, list[str]]:
    """What is added to the champion's value of a metric, and the tokens after it."""
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
    return float(text) + 0.0  # -0.0 is 0.0


def _decisive(comparison: Comparison) -> Comparison:
    """Refuse a comparison that no model can fail, or none can pass: it decides nothing."""
    least = -math.inf if comparison.metric == "r2" else 0.0
    most = math.inf if comparison.metric in UNBOUNDED else 1.0
    if comparison.is_of_champion:
        least, most = least - most, most - least
    number = comparison.number
    inside = least < number < most
    # At an end, `> 0` and `<= 0` can still go either way, and so can `>= 1` and `< 1`.
    if inside or number == (least if comparison.sign in (">", "<=") else most):
        return comparison
    if comparison.is_of_champion:
        lies = "between -1 and 1"
    else:
        lies = {0.0: "between 0 and 1", -math.inf: "at 1 or below"}[least]
        lies = "at 0 or above" if comparison.metric in UNBOUNDED else lies
    what = comparison.name if comparison.is_of_champion else comparison.metric
    raise GateError(f"`{comparison}` decides nothing: {what} lies {lies}")


def _check_side(comparison: Comparison) -> None:
    """Refuse a comparison of a bias number that asks for bias, or that any amount of it passes."""
    side, number = FAIR_SIDE[comparison.metric], comparison.number
    is_gap = side == "<"
    what = "a gap without a sign, 0 at best" if is_gap else "a ratio, 1 at best"
    if comparison.sign[0] != side:
        raise GateError(
            f"`{comparison}` asks for bias: {comparison.metric} is {what}; expected a gate that "
            f"keeps it {'below' if is_gap else 'above'} a number"
        )
    if comparison.is_of_champion:
        return
    # Only where no group counts is a gap 1 or a ratio 0.
    passes_all = comparison.sign == side and number == (1.0 if is_gap else 0.0)
    if passes_all and comparison.metric not in UNBOUNDED:
        raise GateError(
            f"`{comparison}` decides nothing: {comparison.metric} is {what}, and every model passes"
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
