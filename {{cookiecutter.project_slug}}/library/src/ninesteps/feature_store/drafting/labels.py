"""Finds the label, and how its values count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.misspelt import misspelt
from ninesteps.feature_store.drafting.numbers import Notation, notation_of
from ninesteps.feature_store.drafting.toml_lines import (
    comment,
    example,
    rows,
    setting,
    some,
    table,
    value,
)
from ninesteps.feature_store.drafting.words import Words, missing_words
from ninesteps.settings.data import Quality, Split

OUTCOMES = re.compile(
    "label|target|y|class|churn(ed)?|retained|retention|attrition|left|exited|stayed|fraud(ulent)?"
    "|default(ed)?|respon(se|ded)|outcome|survived|converted|subscribed|purchased|approved"
    "|cancell?ed|returned|diagnosis"
)
AMOUNTS = re.compile("salary|wages?|income|earnings|price|cost|sales|revenue|demand")
POSITIVE = re.compile("yes|y|true|t|1|pos(itive)?|churn(ed)?|left|fraud|default(ed)?")
NEGATIVE = re.compile("no|n|false|f|0|neg(ative)?")
"""Words in the names of labels and in their values."""

MOST_CLASSES = 10  # of a label; more are not an outcome


@dataclass(frozen=True, eq=False)
class Label:
    """A column as a label."""

    column: Contents

    @cached_property
    def notation(self) -> Notation | None:
        """The notation of its numbers, if it has more than two and not in plain notation."""
        if self.column.different <= 2 or self.column.is_number:
            return None
        read = notation_of(self.column)
        return read if read and read.fits and not read.column.is_plain else None

    @cached_property
    def words(self) -> Words:
        """Texts that may mean "no value"."""
        return self.notation.words if self.notation else missing_words(self.column)

    @cached_property
    def classes(self) -> list[tuple[tuple[str, ...], int]]:
        """Its texts, those that differ in case, are one word (Y and yes) or look misspelt together
        with what they stand for, the rarest first, and the rows of each."""
        merged: dict[str, list[str]] = {}
        rows_of: dict[str, int] = {}
        for text, count in self.rows_of.items():
            word = self._class_of(self.misspelt.get(text, text))
            merged.setdefault(word, []).append(text)
            rows_of[word] = rows_of.get(word, 0) + count
        order = sorted(merged, key=lambda word: rows_of[word])
        return [(tuple(merged[word]), rows_of[word]) for word in order]

    @property
    def rows_of(self) -> dict[str, int]:
        """The rows of each text that is a value."""
        texts, counts = self.column.counted
        both = zip(texts.to_pylist(), counts.tolist(), strict=True)
        return {text: count for text, count in both if text not in self.words.rows_of}

    @cached_property
    def misspelt(self) -> dict[str, str]:
        """The common text that each rare one looks like, if they are no numbers."""
        if self.is_number or self.column.different > 20 * MOST_CLASSES:
            return {}
        return misspelt(self.rows_of)

    def _class_of(self, text: str) -> str:
        if self.is_number:
            return repr(float(text))
        word = text.casefold()
        boolean = re.fullmatch("(yes|y|true|t|1)|(no|n|false|f|0)", word)
        return word if not boolean else "1" if boolean[1] else "0"

    @cached_property
    def is_number(self) -> bool:
        """Whether all its texts are numbers, except words that may mean "no value"."""
        known = ~self.words.are(self.column.counted[0])
        return bool(known.any()) and not np.isnan(self.column.numbers[known]).any()

    @cached_property
    def problem(self) -> str:
        """`binary`, `regression`, or empty if it can be neither."""
        if self.notation:
            return "regression"
        if self.column.different > 20 * MOST_CLASSES:
            return "regression" if self.is_number else ""
        if self.is_number and len(self.classes) > 2:
            return "regression"
        return "binary" if 2 <= len(self.classes) <= MOST_CLASSES else ""

    @cached_property
    def is_zero_or_one(self) -> bool:
        """Whether it is clear which of its values counts as 1."""
        known = self.column.numbers[~np.isnan(self.column.numbers)]
        return self.is_number and set(known) == {0.0, 1.0}

    @cached_property
    def positive(self) -> tuple[int, bool]:
        """The position of the class that counts as 1, and whether its word says so."""
        for place, (texts, _) in enumerate(self.classes):
            if not self.is_number and POSITIVE.fullmatch(texts[0].casefold()):
                return place, True
        for place, (texts, _) in enumerate(self.classes):
            if not self.is_number and NEGATIVE.fullmatch(texts[0].casefold()):
                return next(other for other in range(len(self.classes)) if other != place), False
        return 0, False

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The label of each distinct text: 0 and 1, or the number; NaN for no value."""
        if self.notation:
            return self.notation.numbers
        texts = self.column.counted[0].to_pylist()
        if self.problem == "regression" or self.is_zero_or_one:
            return self.column.numbers
        place, _ = self.positive
        class_of = {t: float(n == place) for n, (same, _) in enumerate(self.classes) for t in same}
        return np.array([class_of.get(text, np.nan) for text in texts])


def label_lines(label: Label) -> list[str]:
    """`label`, `positive` and `negative`."""
    remarks = [_what_it_is(label)]
    if label.column.missing:
        is_refused = label.column.missing > Quality.dropped * len(label.column.cells)
        then = "more than a run accepts (see [data.quality] dropped)" if is_refused else "left out"
        remarks += [f"{rows(label.column.missing)} without one: {then}"]
    return [
        *setting(f"label = {value(label.column.name)}", [*remarks, *_doubts(label)]),
        *([f"label_column = {table(label.notation.keys)}"] if label.notation else []),
        *_positive_lines(label),
    ]


def _what_it_is(label: Label) -> str:
    if label.problem == "regression":
        return 'numbers: [project] problem = "regression"'
    if label.problem == "binary":
        count = {2: "two"}.get(len(label.classes), str(len(label.classes)))
        return f'{count} values: [project] problem = "binary"'
    different = label.column.different
    values = f"{different:,} different value{'s' * (different != 1)}"
    if label.words.rows:
        values += f", {len(label.words.rows_of)} of which may mean no value"
    return f"expected two values, or numbers, got {values}"


def _doubts(label: Label) -> list[str]:
    """Remarks on the label."""
    known = label.numbers[~np.isnan(label.numbers)]
    if label.problem != "regression" or not len(known):
        return []
    if len(known) <= MOST_CLASSES and bool((known % 1 == 0).all()):
        return ["few values: if they are classes, say which count as 1 (positive, negative)"]
    return []


def _positive_lines(label: Label) -> list[str]:
    if label.problem != "binary" or label.is_zero_or_one:
        return []
    place, is_known = label.positive
    positive, _ = label.classes[place]
    others = [texts for number, (texts, _) in enumerate(label.classes) if number != place]
    looks = [
        f"{example(text)} ({rows(label.rows_of[text])}) looks like {example(near)} misspelt: is it?"
        for text, near in label.misspelt.items()
    ]
    negative = [text for texts in others for text in texts]
    chosen: str | tuple[str, ...] = positive if len(positive) > 1 else positive[0]
    if len(negative) == 1:
        count = "count" if len(positive) > 1 else "counts"
        remarks = [f"{count} as 1, {example(negative[0])} as 0"]
        remarks += [] if is_known else ["the rarer one: is it the one to find?"]
        return setting(f"positive = {value(chosen)}", [*remarks, *looks])
    remarks = ["count as 1" if len(positive) > 1 else "counts as 1"]
    if len(others) > 1:
        remarks += ["is this right? Each other value belongs here or in negative, or in missing"]
    return [
        *setting(f"positive = {value(chosen)}", [*remarks, *looks]),
        *setting(f"negative = {value(negative)}", ["count as 0"]),
    ]


def few_rows(label: Label) -> str:
    """A warning if a split will have too few rows; else empty."""
    known = ~np.isnan(label.numbers)
    count, what = int(label.column.counted[1][known].sum()), "rows"
    if label.problem == "binary":
        count, what = _rarer(label)
    share, least = min(Split.train, Split.validation, Split.test), Split.min_positives
    expected = share * count
    if not label.problem or expected - 2 * expected**0.5 >= least:
        return ""
    needed = next(n for n in range(10_000) if share * n - 2 * (share * n) ** 0.5 >= least)
    chance = "too few" if expected + 2 * expected**0.5 < least else "perhaps too few"
    return (
        f"{chance} {what}: of {count:,} about {expected:.0f} fall into the smallest split, but "
        f"[split] min_positives requires {least}; about {needed} would be enough."
    )


def _rarer(label: Label) -> tuple[int, str]:
    """The number of rows of a binary label's rarer class, and their name."""
    counts = label.column.counted[1]
    positive = int(counts[label.numbers == 1].sum())
    negative = int(counts[label.numbers == 0].sum())
    if positive <= negative:
        return positive, "rows that count as 1"
    return negative, "rows that count as 0"


def label_question(candidates: list[str]) -> list[str]:
    """The draft of a missing label, with candidates."""
    likely = f" Likely: {some(candidates, 5)}." if candidates else ""
    return [
        *comment(
            "Which column is to be predicted? Draft again with its name, since the rest depends on "
            f"it: add `--label NAME`.{likely}"
        ),
        'label = ""',
    ]


def candidates(columns: list[Contents]) -> list[str]:
    """The columns that may be the label, the likeliest first."""
    labels = [Label(column) for column in columns]
    ranked = sorted((one for one in labels if one.problem), key=_rank)[::-1]
    by_name = [one.column.name for one in ranked if _strength(one)]
    return by_name or [one.column.name for one in ranked]


def _rank(label: Label) -> tuple[int, int]:
    """How likely it is the label: by its name, then by its values; in a tie, the last column
    wins."""
    is_plain = label.problem == "binary" and len(label.classes) == 2
    return _strength(label), is_plain * (1 + (label.is_zero_or_one or label.positive[1]))


def _strength(label: Label) -> int:
    words, is_binary = label.column.words, label.problem == "binary"
    reasons = (
        OUTCOMES.fullmatch(" ".join(words)),
        is_binary and any(map(OUTCOMES.fullmatch, words)),
        AMOUNTS.fullmatch(" ".join(words)),
        not is_binary and any(map(AMOUNTS.fullmatch, words[-1:])),
    )
    return next((4 - place for place, reason in enumerate(reasons) if reason), 0)
