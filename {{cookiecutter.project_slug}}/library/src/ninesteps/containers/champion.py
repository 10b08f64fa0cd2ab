"""The champion: the version that serves, scored on the same test split as the new model.

A gate may compare a metric with the champion's. SageMaker's conditions cannot calculate, so each
difference is written to `evaluation.json`, where a condition compares it with a number.
"""

from __future__ import annotations

import operator
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from archive_process import CSV
from container import input_uri
from dataset import Columns, DataError
from served_model import ServedModel

SECTION = "champion"
DIFFERENCE = "_difference"
"""The same as in `ninesteps.settings.gate`, whose conditions read the differences here."""

SCORED, NONE_SERVES, NOT_SCORED = "scored", "none serves", "not scored"
"""Outcomes: without a champion all terms pass; if it cannot be scored, none does."""

MOST_NAMED = 5
"""The most columns that a sentence names."""

Answered = TypeVar("Answered")
"""The evaluation of a model's answers."""

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Term:
    """A comparison of the gate with the champion: the difference of a metric, and its limit."""

    path: str  # of the metric in evaluation.json, such as binary_classification_metrics.auc.value
    sign: str
    number: float

    @staticmethod
    def read(text: str) -> Term:
        """Read an argument such as `binary_classification_metrics.auc.value >= -0.005`."""
        path, sign, number = text.split(" ")
        return Term(path, sign, float(number))

    @property
    def difference(self) -> tuple[str, ...]:
        """The path of the difference in the section: `auc_difference`, `dppl_difference`, ..."""
        _, metric, *rest = self.path.split(".")
        return (f"{metric}{DIFFERENCE}", *rest[:-1])

    def passes(self, difference: float) -> bool:
        """Whether a difference passes."""
        return bool(_COMPARE[self.sign](difference, self.number))


class Pair(Protocol):
    """The paired answers of two models, such as `paired_bootstrap.Paired`."""

    def intervals(self, paths: Sequence[str]) -> Mapping[str, list[float] | None]:
        """The interval of each metric's difference, by its path in evaluation.json."""

    def as_json(self) -> dict[str, Any]:
        """The method of the intervals."""


@dataclass(frozen=True)
class Aligned(ServedModel):
    """A model that selects its own features, in its own order, from a split's records."""

    positions: tuple[int, ...]  # of its features in the split

    def ask(self, requests: Sequence[str], kind: str = CSV) -> list[str]:
        """The archive's answers to requests that have the features of the test split."""
        if self.positions:
            requests = [_chosen(request, self.positions) for request in requests]
        return super().ask(requests, kind)


def _chosen(request: str, positions: Sequence[int]) -> str:
    rows = (line.split(",") for line in request.splitlines())
    return "".join(",".join(row[p] for p in positions) + "\n" for row in rows)


@dataclass(frozen=True)
class Champion:
    """The champion's archive in step 3, and whether it can be scored."""

    uri: str
    sha256: str
    terms: Sequence[Term]
    model: ServedModel | None  # None if it is not scored
    outcome: str
    says: str  # why it is not scored

    @staticmethod
    def read(
        folder: Path, test: Path, terms: Sequence[Term], *, is_asked: bool = False
    ) -> Champion:
        """Unpack the archive in a folder; an empty archive means that no version serves.

        Args:
            test: the folder of the test split.
            terms: the gate's; without terms no archive is expected.
            is_asked: an archive is always expected, such as when models are compared reply by
                reply.

        Raises:
            DataError: if it is not a model archive of this kind.
        """
        if not terms and not is_asked:
            return Champion("", "", terms, None, NONE_SERVES, "the gate does not mention it")
        archives = [*folder.glob("*.tar.gz")]
        if len(archives) != 1:
            raise DataError(f"the champion: expected one archive *.tar.gz, got {len(archives)}")
        uri, columns = input_uri(folder.name), Columns.read(test)
        try:
            unpacked = ServedModel.unpack(archives[0])
            if not any(unpacked.folder.rglob("*")):
                says = "no version serves: each comparison with the champion passes"
                says = says if terms else "no version serves"
                return Champion(uri, unpacked.sha256, terms, None, NONE_SERVES, says)
            own = Columns.read(unpacked.folder / "code")
        except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, LookupError,
                TypeError) as error:  # fmt: skip
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise DataError(f"the champion {uri}: expected a model archive, got {why}") from None
        if fault := _fault(own, columns):
            return Champion(uri, unpacked.sha256, terms, None, NOT_SCORED, fault)
        positions = () if own.features == columns.features else tuple(
            columns.features.index(name) for name in own.features
        )  # fmt: skip
        model = Aligned(unpacked.folder, unpacked.sha256, positions)
        return Champion(uri, unpacked.sha256, terms, model, SCORED, "")

    @property
    def models(self) -> list[ServedModel]:
        """The models to score: one or none."""
        return [self.model] if self.model else []

    def section(
        self,
        content: Mapping[str, Any],
        answers: Mapping[str, Answered],
        judged: Callable[[Answered], Mapping[str, Any]],
        pair: Callable[[Answered], Pair],
    ) -> dict[str, Any]:
        """The champion's section of `evaluation.json`.

        Args:
            content: the evaluation of the new model.
            answers: of all models, by SHA-256 of their archives.
            judged: returns the evaluation of the champion's answers.
            pair: pairs them with the new model's.
        """
        section = {"outcome": self.outcome, "says": self.says, "uri": self.uri,
                   "sha256": self.sha256}  # fmt: skip
        if not self.model:
            return {**section, **decided(self.terms, passing=self.outcome == NONE_SERVES)}
        own = answers[self.sha256]
        return {**section, **compared(self.terms, content, judged(own), pair(own))}


def _fault(own: Columns, columns: Columns) -> str:
    """Why the champion cannot answer the records of the test split; empty if it can."""
    if own.problem != columns.problem:
        return (
            f"the champion is of a {own.problem} problem, and the new model of a {columns.problem} "
            "one: no comparison with it passes"
        )
    missing = [name for name in own.features if name not in columns.features]
    if not missing:
        return ""
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return (
        f"the champion needs {', '.join(missing[:MOST_NAMED])}{more}, which the test split does "
        "not have: no comparison with it passes"
    )


def compared(
    terms: Sequence[Term], content: Mapping[str, Any], champion: Mapping[str, Any], pair: Pair
) -> dict[str, Any]:
    """The champion's metrics, and each term's difference with its paired interval."""
    differences: dict[str, Any] = {}
    intervals = pair.intervals([term.path for term in _each(terms)])
    for term in _each(terms):
        new, serving = number_at(content, term.path), number_at(champion, term.path)
        metric = {"value": new - serving, "challenger": new, "champion": serving,
                  "interval": intervals[term.path]}  # fmt: skip
        _put(differences, term.difference, metric)
    return {**champion, **differences, "bootstrap": pair.as_json()}


def decided(terms: Sequence[Term], *, passing: bool) -> dict[str, Any]:
    """Placeholders for unmeasured differences: all terms pass, or all fail."""
    differences: dict[str, Any] = {}
    for term in _each(terms):
        alike = [t for t in terms if t.path == term.path]
        _put(differences, term.difference, {"value": _deciding(alike, passing=passing)})
    return differences


def _deciding(terms: Sequence[Term], *, passing: bool) -> float:
    """A number with which all of some terms pass, or none; 0 if possible."""
    numbers = [term.number for term in terms]
    is_above = (terms[0].sign[0] == ">") == passing
    beyond = max(numbers) + 1 if is_above else min(numbers) - 1
    return next(n for n in (0.0, beyond, 2 * beyond)
                if all(t.passes(n) == passing for t in terms))  # fmt: skip


def number_at(content: Mapping[str, Any], path: str) -> float:
    """The number at a path of an evaluation."""
    value: Any = content
    for key in path.split("."):
        value = value[key]
    return float(value)


def _each(terms: Sequence[Term]) -> Iterator[Term]:
    yield from {term.path: term for term in terms}.values()


def _put(content: dict[str, Any], path: Sequence[str], value: Mapping[str, Any]) -> None:
    for key in path[:-1]:
        content = content.setdefault(key, {})
    content[path[-1]] = value
