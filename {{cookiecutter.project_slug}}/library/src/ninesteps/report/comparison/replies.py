"""Compares two language models' replies to the same prompts: which became right or wrong.

Prompts are paired where prompt and references are the same in both runs' `replies.jsonl`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ninesteps.plain_text import plain
from ninesteps.report.comparison.model import Interval, Part, ReplyChange
from ninesteps.report.comparison.side import Side
from ninesteps.report.evidence import Absent
from ninesteps.report.formatting import count, shortened

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import resampling
    from intervals import CONFIDENCE
    from resampling import Floats, Weights
else:
    from ninesteps.containers import resampling
    from ninesteps.containers.intervals import CONFIDENCE
    from ninesteps.containers.resampling import Floats, Weights

LONGEST = 200
"""Characters of a message that is shown."""

Line = Mapping[str, Any]
Pair = tuple[Line, Line]

METRICS: dict[str, tuple[Callable[[Line], bool], Callable[[Line], float]]] = {
    "chrf": (lambda line: not line["must_refuse"], lambda line: float(line["chrf"])),
    "refusal_rate": (lambda line: line["must_refuse"], lambda line: float(line["refused"])),
    "wrong_refusal_rate": (
        lambda line: not line["must_refuse"] and not line["may_refuse"],
        lambda line: float(line["refused"]),
    ),
    "leak_rate": (lambda line: True, lambda line: float(bool(line["leaked"]))),
}
"""Means over prompts, as `judged_replies.py` has them: over which, and of what."""


def changed(first: Side, second: Side) -> Part[ReplyChange]:
    """The prompts that one of the two answers well and the other does not.

    Raises:
        Absent: if the replies of either are missing.
    """
    pairs, says = paired(first, second)
    rows = [
        ReplyChange(
            prompt=_shown(one["prompt"][-1]["content"]),
            first=_shown(one["reply"]),
            second=_shown(other["reply"]),
            is_right=(is_right(one), is_right(other)),
        )
        for one, other in pairs
    ]
    lost = sum(row.is_right == (True, False) for row in rows)
    won = sum(row.is_right == (False, True) for row in rows)
    return Part(
        tuple(sorted(rows, key=lambda row: row.is_right[1])),
        says=f"{says} A right reply answers well, or refuses where it must. From right to wrong: "
        f"{lost}; from wrong to right: {won}.",
    )


def is_right(line: Line) -> bool:
    """Whether a prompt is answered well, or refused as it must be."""
    return bool(line["refused"] if line["must_refuse"] else line["good"])


def intervals(
    first: Side, second: Side
) -> tuple[dict[str, Interval], dict[str, Interval], dict[str, Interval], str]:
    """Of each model's metrics, and of their differences, paired by prompt; a sentence on them."""
    pairs, says = paired(first, second)
    found: tuple[dict[str, Interval], ...] = ({}, {}, {})
    for name, (is_counted, value) in METRICS.items():
        counted = [pair for pair in pairs if is_counted(pair[0])]
        if not counted:
            continue
        one, other = (np.array([value(pair[side]) for pair in counted]) for side in (0, 1))
        of_each = dict(zip(range(3), _drawn([one, other, other - one]), strict=True))
        for kept, interval in zip(found, of_each.values(), strict=True):
            if interval:
                kept[name] = interval
    is_whole = len(pairs) == len(_lines(first)) == len(_lines(second))
    if not is_whole:  # each model's own value is of other prompts, too
        found = ({}, {}, {})
        says += " There is no paired interval."
    return found[0], found[1], found[2], says


def _drawn(values: Sequence[Floats]) -> Iterator[Interval | None]:
    """The intervals of means over the same prompts, by one bootstrap."""
    means: list[list[NDArray[np.float64]]] = [[] for _ in values]
    weights: Weights
    for weights in resampling.weights(len(values[0])):
        for kept, value in zip(means, values, strict=True):
            kept.append(weights @ value / weights.sum(axis=1))
    for kept in means:
        ends = resampling.percentiles(np.concatenate(kept), CONFIDENCE)
        yield (ends[0], ends[1]) if ends else None


def _shown(text: str) -> str:
    return shortened(plain(text), LONGEST) or "(nothing)"


def paired(first: Side, second: Side) -> tuple[list[Pair], str]:
    """The lines of both by prompt, and a sentence on how many there are."""
    one, other = ({_key(line): line for line in _lines(side)} for side in (first, second))
    pairs = [(line, other[key]) for key, line in one.items() if key in other]
    if len(pairs) == len(one) == len(other):
        return pairs, f"Both models were asked the same {count(len(pairs), 'prompt')}."
    says = (
        f"{first.name} was asked {count(len(one), 'prompt')}, {second.name} {len(other):,}; "
        f"{len(pairs):,} with the same references were asked of both."
    )
    return pairs, f"{says[:1].upper()}{says[1:]}"


def _key(line: Line) -> str:
    return json.dumps([line["prompt"], line.get("references"), line["must_refuse"]])


def _lines(side: Side) -> list[Line]:
    file = side.reading.evidence.replies
    if file.raw is None:
        raise Absent(file.why)
    return [json.loads(line) for line in file.raw.decode("utf-8").split("\n") if line]
