"""The laws of `laws.toml`, with their questions answered for one version."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ninesteps.audit.known import Known
from ninesteps.audit.verify import MANIFEST

WHERE, PROBABLY_NOT, NO = ANSWERS = ("where", "probably not", "no")
"""Whether a law concerns a profile's models: where its conditions are met, or not."""

_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Question:
    """What one article asks, and what the pack answers."""

    article: str
    title: str
    asks: str
    shows: tuple[str, ...]  # sentences with {facts}
    items: tuple[str, ...]  # files of the pack
    not_shown: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        """The facts that its sentences name."""
        return {name for sentence in self.shows for name in _NAME.findall(sentence)}


@dataclass(frozen=True)
class Concern:
    """Whether a law concerns what a profile's models are made for, and why."""

    answer: str
    why: str


@dataclass(frozen=True)
class Law:
    """A law, and its questions."""

    key: str
    name: str
    cite: str
    dates: str  # since when it applies
    concerns: dict[str, Concern]  # by profile; `default` for the others
    question: tuple[Question, ...]
    sex: tuple[str, ...] = ()  # columns that are a sex category
    race: tuple[str, ...] = ()  # ... and a race or ethnicity category

    def concern(self, profile: str) -> Concern:
        """Whether it concerns the models of a profile."""
        return self.concerns.get(profile, self.concerns["default"])


@dataclass(frozen=True)
class Laws:
    """All of `laws.toml`."""

    checked: str
    law: tuple[Law, ...]


@dataclass(frozen=True)
class Answer:
    """A question with what the pack shows of one version."""

    question: Question
    shows: tuple[str, ...]
    unknown: tuple[str, ...]  # why some sentences are not there
    items: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)  # items that cannot be had, and why


def load() -> Laws:
    """The laws of this library."""
    content = tomllib.loads((Path(__file__).parent / "laws.toml").read_text(encoding="utf-8"))
    return Laws(content["checked"], tuple(map(_law, content["law"])))


def _law(table: dict[str, Any]) -> Law:
    concerns = {profile: Concern(**concern) for profile, concern in table["concerns"].items()}
    questions = tuple(Question(**_tuples(question)) for question in table["question"])
    return Law(**{**_tuples(table), "concerns": concerns, "question": questions})


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}


def answered(question: Question, known: Known, items: Mapping[str, str]) -> Answer:
    """A question with the facts of a version.

    Args:
        items: the items of the pack; for a missing one, why.
    """
    items = {MANIFEST: "", **items}
    shows: list[str] = []
    unknown: dict[str, None] = {}
    for sentence in question.shows:
        names = _NAME.findall(sentence)
        if lacking := [name for name in names if name in known.unknown]:
            unknown |= {known.unknown[name]: None for name in lacking}
        else:
            shows.append(_NAME.sub(lambda match: known.texts[match[1]], sentence))
    found = tuple(name for name in question.items if items.get(name) == "")
    missing = {name: items[name] for name in question.items if items.get(name)}
    return Answer(question, tuple(shows), tuple(unknown), found, missing)
