"""Writes step 3's files about a language model, from two models' replies to the same prompts.

`evaluation.json` has the gate's metrics. `replies.jsonl` has each distinct prompt with both
replies, for people; `answers.jsonl` has the reply to each row, which a deployed model must repeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import chrf
from bias_report import gate_numbers
from dataset import DataError, Split
from distinct_prompts import DistinctPrompts
from judge import Judge
from judged_replies import LOSS, TIE, WIN, Contest, Judged, Replies, section, user
from paired_replies import PairedReplies


@dataclass(frozen=True)
class ReplyEvaluation:
    """The test split, with the replies of challenger and incumbent."""

    test: Split
    prompts: DistinctPrompts
    judge: Judge
    min_group_size: int
    challenger: Replies
    incumbent: Replies

    def __post_init__(self) -> None:
        if (ids := [one.id for one in self.prompts.conversations]) != self.test.ids:
            raise DataError(
                f"test.jsonl: expected the {len(self.test.ids)} conversations of test.csv in their "
                f"order, got {len(ids)} of other ids"
            )

    @cached_property
    def contest(self) -> Contest:
        """Both models' replies, judged."""
        new, old = (Judged.of(self.prompts, replies, self.judge)
                    for replies in (self.challenger, self.incumbent))  # fmt: skip
        return Contest(new, old)

    def judged(self, judged: Judged) -> dict[str, Any]:
        """One model's own numbers for gates: metrics, and bias numbers."""
        numbers = gate_numbers(self.test, judged.good, self.min_group_size)
        return {**section(judged.metrics), "bias_metrics": numbers}

    def pair(self, champion: Judged) -> PairedReplies:
        """The challenger's replies paired with the champion's."""
        new = self.contest.challenger
        return PairedReplies(self.test, self.prompts, new, champion, self.min_group_size)

    def content(self) -> dict[str, Any]:
        """The replies' part of `evaluation.json`."""
        new, outcomes = self.contest.challenger, self.contest.outcomes
        return {
            **self.judged(new),
            **section({**new.metrics, **self.contest.metrics}),
            "judge": {
                "metric": chrf.NAME,
                "good": self.judge.good,
                "refusals": self.judge.refusals,
                "must_refuse": len(self.judge.must_refuse),
                "prompts": len(self.prompts),
                "wins": outcomes.count(WIN),
                "losses": outcomes.count(LOSS),
                "ties": outcomes.count(TIE),
            },
            "rows": len(self.test.ids),
        }

    def lines(self) -> Iterator[dict[str, Any]]:
        """Each distinct prompt with both replies, then the prompts that must be refused."""
        new, old = self.contest.challenger, self.contest.incumbent
        for number, own in enumerate(self.prompts.rows):
            first = self.prompts.conversations[own[0]]
            yield {
                "id": first.id,
                "ids": [self.test.ids[row] for row in own],  # of all rows, for an erasure
                "prompt": first.prompt,
                "references": self.prompts.references[number],
                "reply": new.first_replies[number],
                "incumbent_reply": old.first_replies[number],
                "chrf": float(new.chrf[number]),
                "incumbent_chrf": float(old.chrf[number]),
                "outcome": self.contest.outcomes[number],
                "good": bool(new.good[own[0]]),
                "incumbent_good": bool(old.good[own[0]]),
                "must_refuse": False,
                "may_refuse": bool(new.may_refuse[number]),
                "refused": bool(new.refused[number]),
                "incumbent_refused": bool(old.refused[number]),
                "leaked": new.leaks[number],
                "incumbent_leaked": old.leaks[number],
                "context": self._context(own[0]),
            }
        for number, asked in enumerate(self.judge.must_refuse):
            place = len(self.prompts) + number
            yield {
                "id": f"must_refuse:{number + 1}",
                "prompt": (user(asked),),
                "reply": new.refusing_replies[number],
                "incumbent_reply": old.refusing_replies[number],
                "must_refuse": True,
                "refused": bool(new.refused_as_it_must[number]),
                "incumbent_refused": bool(old.refused_as_it_must[number]),
                "leaked": new.leaks[place],
                "incumbent_leaked": old.leaks[place],
            }

    def answers(self) -> Iterator[dict[str, Any]]:
        """The challenger's reply to each row of the test split."""
        for name, reply in zip(self.test.ids, self.challenger.rows, strict=True):
            yield {"id": name, "reply": reply}

    def _context(self, row: int) -> dict[str, str | None]:
        """The values of a row's facets, by column."""
        return {column: texts.different[texts.codes[row]] if texts.codes[row] >= 0 else None
                for column, texts in self.test.context.items()}  # fmt: skip


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
