"""Judges replies: which are good, which refuse, and when refusing is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chrf import best_chrf
from container import read_json
from refusals import refuses


@dataclass(frozen=True)
class Judge:
    """`[judge]` of the settings, with the prompts from its file."""

    good: float  # the lowest chrF of a good reply
    refusals: tuple[str, ...]  # how a refusal begins
    must_refuse: tuple[str, ...] = ()  # prompts that must be refused

    @staticmethod
    def read(folder: Path) -> Judge:
        """Read `judge.json` of a folder."""
        content = read_json(folder / "judge.json")
        texts = {name: tuple(content.get(name, ())) for name in ("refusals", "must_refuse")}
        return Judge(float(content["good"]), **texts)

    def refuses(self, reply: str) -> bool:
        """Whether a reply begins like a refusal; case and spaces are ignored."""
        return refuses(reply, self.refusals)

    def may_refuse(self, references: Iterable[str]) -> bool:
        """Whether one of the references refuses too."""
        return any(map(self.refuses, references))

    def is_good(self, reply: str, references: tuple[str, ...]) -> bool:
        """Whether a reply is similar enough to a reference, and refuses only if a reference
        does."""
        if self.refuses(reply) and not self.may_refuse(references):
            return False
        return best_chrf(reply, references) >= self.good
