"""Conversations of the offline store in splits: a prompt, however often asked, stands in one alone.

People ask the same things. Divided by record id, most of what a test asks the model has learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import conversations
from conversations import Conversation, ConversationError
from dataset import Columns, DataError
from hash_split import split_of
from splits import SPLITS, check_split, write_split

PROMPT = "prompt of the group"  # no column of a feature group has spaces
"""The column that keeps rows of one prompt together."""


def read_conversations(table: pa.Table, record_id: str, column: str) -> list[Conversation]:
    """The conversation of each row.

    Raises:
        DataError: that names the record which has none.
    """
    if column not in table.column_names:
        has = ", ".join(table.column_names)
        raise DataError(f"the feature group: expected a column {column!r}, got {has}")
    ids = pc.cast(table[record_id], pa.string()).to_pylist()
    found = []
    for name, text in zip(ids, table[column].to_pylist(), strict=True):
        try:
            messages = conversations.parsed(text if isinstance(text, str) else "null")
        except ConversationError as error:
            raise DataError(f"{column!r} of the record {name!r}: {error}") from None
        found.append(conversations.conversation(name, messages))
    return found


def with_prompts(table: pa.Table, found: Sequence[Conversation]) -> pa.Table:
    """The rows with what tells the groups of the same prompt apart."""
    keys = [conversations.normalised(one.prompt) for one in found]
    return table.append_column(PROMPT, pa.chunked_array([pa.array(keys, pa.string())]))


def check(rows: pa.Table, name: str, columns: Columns, least: int, prompts: int) -> None:
    """Check that a split has enough rows.

    Args:
        prompts: how many different ones all splits have together.

    Raises:
        DataError: if it has not; few different prompts may be why.
    """
    try:
        check_split(rows, name, columns, least)
    except DataError as error:
        raise DataError(
            f"{error}; the conversations have {prompts} distinct "
            f"{'prompt' if prompts == 1 else 'prompts'}, each of which is in one split alone"
        ) from None


def write(
    rows: pa.Table, found: Sequence[Conversation], folder: Path, name: str, columns: Columns
) -> None:
    """Write a split: `<name>.csv`, `groups.csv`, `columns.json`, and `<name>.jsonl` in its order.

    Args:
        found: the conversations of the rows, in their order.
    """
    write_split(rows, folder, name, columns, PROMPT)
    order = pc.sort_indices(rows[columns.record_id])  # as `write_split` orders them
    conversations.write(folder / f"{name}.jsonl", (found[row] for row in order.to_pylist()))


def findings(
    table: pa.Table, chosen: NDArray[np.int64], record_id: str, salt: str, shares: Sequence[float]
) -> dict[str, object]:
    """What to know of the splits before one trusts a metric: `findings.json`, for people to read.

    Of the test's different prompts, how many stand in train too: as the rows were divided, and as
    they would have been by their record ids.
    """
    prompts = np.array(table[PROMPT].to_pylist(), dtype=object)
    ids = pc.cast(table[record_id], pa.string()).to_pylist()
    counts = np.bincount(chosen[chosen >= 0], minlength=len(SPLITS))
    by_id = _crossing(prompts, split_of(ids, salt, shares))
    print(  # noqa: T201
        f"divided by record id, {by_id['in_train_too']} of {by_id['test']} different test prompts "
        "would stand in train too"
    )
    return {
        "rows": {name: int(count) for name, count in zip(SPLITS, counts, strict=True)},
        "prompts": {
            "different": len(set(prompts)),
            "by_prompt": _crossing(prompts, chosen),
            "by_record_id": by_id,
        },
    }


def _crossing(prompts: NDArray[np.object_], chosen: NDArray[np.int64]) -> dict[str, int]:
    train, _, test = (set(prompts[chosen == number]) for number in range(len(SPLITS)))
    return {"test": len(test), "in_train_too": len(test & train)}
