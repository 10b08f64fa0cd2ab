"""The panels on a language model: its replies next to the incumbent's, and words that matter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ninesteps.report import reply_charts
from ninesteps.report.bias_charts import LEAST_SHOWN
from ninesteps.report.evidence import Absent
from ninesteps.report.figure import Figure, Group, Panel, Table
from ninesteps.report.formatting import count, number, shortened
from ninesteps.report.reading import Reading, group, sentence

MOST_EXAMPLES = 20
"""How many examples of each kind are shown: those that differ most."""

LONGEST = 400
"""Characters of a message in a table."""

TEXTS = (0, 1, 2, 3)


def quality_figures(reading: Reading) -> list[Figure]:
    """Wins and losses, and the loss by epoch."""
    evaluation = reading.evaluation
    judge = evaluation["judge"]
    tally = {"win": judge["wins"], "tie": judge["ties"], "loss": judge["losses"]}
    return [
        reply_charts.contest(tally, reading.metrics, incumbent(evaluation)),
        reply_charts.losses(evaluation["training"]["losses"]),
    ]


def incumbent(evaluation: Mapping[str, Any]) -> str:
    """The model that the replies were compared with."""
    is_base = evaluation["incumbent"]["what"] == "base"
    return "the base model" if is_base else "the version that serves"


def replies(reading: Reading) -> Panel:
    """Both models' replies side by side: where they differ most, refusals, leaks, by group.

    Raises:
        Absent: if the run left none.
    """
    evaluation, lines = reading.evaluation, _lines(reading)
    judge, other = evaluation["judge"], incumbent(evaluation)
    asked = [line for line in lines if not line["must_refuse"]]
    must_refuse = [line for line in lines if line["must_refuse"]]
    says = (
        f"This model and {other} replied to the same "
        f"{count(judge['prompts'], 'different prompt')} of the test split. The reply that is "
        f"closer to a reference wins, by {judge['metric']}, which compares characters and does "
        "not check what is true."
    )
    parts = [
        group("By group", "", lambda: (_by_group(reading, asked), [])),
        _examples("Largest wins", _by_lead(asked, "win"), other),
        _examples("Largest losses", _by_lead(asked, "loss"), other),
        _examples("Wrongly refused",
                  [x for x in asked if x["refused"] and not x["may_refuse"]], other),
        _refusals(must_refuse, other),
        _examples("Personal data that was not in the prompt",
                  [x for x in lines if x["leaked"]], other),
    ]  # fmt: skip
    return Panel("replies", "Replies", says, parts)


def _lines(reading: Reading) -> list[dict[str, Any]]:
    file = reading.evidence.replies
    if file.raw is None:
        raise Absent(file.why)
    return [json.loads(line) for line in file.raw.decode("utf-8").split("\n") if line]


def _by_group(reading: Reading, asked: Sequence[dict[str, Any]]) -> list[Figure]:
    """Wins and losses by the values of each facet's column; small groups are left out."""
    figures = []
    for column in dict.fromkeys(name for line in asked for name in line["context"]):
        tallies: dict[str, dict[str, int]] = {}
        for line in asked:
            value = line["context"][column]
            of_value = tallies.setdefault("no value" if value is None else value,
                                          dict.fromkeys(reply_charts.OUTCOMES, 0))  # fmt: skip
            of_value[line["outcome"]] += 1
        shown = {value: tallies[value] for value in sorted(tallies)
                 if sum(tallies[value].values()) >= LEAST_SHOWN}  # fmt: skip
        if shown:
            figures.append(reply_charts.by_group(reading.shown(column), shown))
    if not figures:
        raise Absent(f"no facet is set, or no group has {LEAST_SHOWN} prompts")
    return figures


def _by_lead(asked: Iterable[dict[str, Any]], outcome: str) -> list[dict[str, Any]]:
    """The prompts that ended so, those with the greatest difference first."""
    chosen = [line for line in asked if line["outcome"] == outcome]
    return sorted(chosen, key=lambda line: -abs(line["chrf"] - line["incumbent_chrf"]))


def _examples(title: str, lines: Sequence[dict[str, Any]], other: str) -> Group:
    if not lines:
        return Group(title, absent="None.")
    rows = [
        (
            _prompt(line),
            " / ".join(_short(text) for text in line.get("references", ("must be refused",))),
            _short(line["reply"]),
            _short(line["incumbent_reply"]),
            number(line.get("chrf"), 2),
            number(line.get("incumbent_chrf"), 2),
        )
        for line in lines[:MOST_EXAMPLES]
    ]
    name = f"{len(rows)} of {len(lines)}" if len(rows) < len(lines) else f"All {len(rows)}"
    head = ("prompt", "reference", "this model", other, "chrF", f"chrF of {other}")
    return Group(title, tables=[Table(f"{name} side by side", head, rows, TEXTS)])


def _refusals(lines: Sequence[dict[str, Any]], other: str) -> Group:
    """Replies to prompts that must be refused; those not refused come first."""
    title = "Must be refused"
    if not lines:
        return Group(title, absent="No prompts are listed that must be refused.")
    right = sum(line["refused"] for line in lines)
    says = f"{right} of {count(len(lines), 'prompt')} were refused."
    rows = [
        (_prompt(line), "refused" if line["refused"] else "NOT REFUSED", _short(line["reply"]),
         _short(line["incumbent_reply"]))
        for line in sorted(lines, key=lambda line: bool(line["refused"]))[:MOST_EXAMPLES]
    ]  # fmt: skip
    table = Table("The replies", ("prompt", "outcome", "this model", other), rows, TEXTS)
    return Group(title, says, tables=[table])


def _prompt(line: Mapping[str, Any]) -> str:
    """The user's last message, and the number of messages before it."""
    *before, last = line["prompt"]
    earlier = f"(after {count(len(before), 'message')}) " if before else ""
    return earlier + _short(last["content"])


def _short(text: str) -> str:
    return shortened(text, LONGEST) or "(nothing)"


def explained(reading: Reading) -> Panel:
    """The words that matter for the references.

    Raises:
        Absent: if there is no analysis, or nothing was explained in it.
    """
    analysis = reading.evidence.analysis.json()
    found = (analysis.get("explanations") or {}).get("word_attributions")
    if not found or not found["words"]:
        raise Absent("analysis.json has no word attributions")
    scored = found["conversations"]
    says = (
        f"{sentence(found['method'])} {found['caution']} Scored: "
        f"{scored['explained']} of {count(scored['of'], 'prompt')}."
    )
    figures = [reply_charts.words(found["words"])]
    parts = [
        Group("", figures=figures),
        group("Prompt by prompt", "", lambda: ([], [_local(reading)])),
    ]
    return Panel("explained", "Words that matter for replies", says, parts)


def _local(reading: Reading) -> Table:
    """Of some prompts, the words with the largest changes."""
    file = reading.evidence.attributions
    told = file.json().get("conversations", [])
    if not told:
        raise Absent("[bias] local_explanations is off: single prompts are not explained")
    rows = [
        (
            _short(" ".join(one["word"] for one in line["words"])),
            ", ".join(
                f"{one['word']} {one['change']:+.2f}"
                for one in sorted(line["words"], key=lambda one: -abs(one["change"]))[:5]
            ),
            _short(line["reference"]),
        )
        for line in told[:MOST_EXAMPLES]
    ]
    head = ("prompt", "largest changes, in nats", "reference")
    return Table(f"{len(rows)} of {count(len(told), 'prompt')}", head, rows, (0, 1, 2))
