"""Splits conversations of the offline store so that the same prompt is always in one split.

People ask the same questions. Split by record id, most test prompts would also be in training.
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
"""The column that keeps rows with the same prompt together."""


def read_conversations(table: pa.Table, record_id: str, column: str) -> list[Conversation]:
    """The conversation of each row.

    Raises:
        DataError: naming a record without a valid one.
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
    """The rows with a column that identifies each group of the same prompt."""
    keys = [conversations.normalised(one.prompt) for one in found]
    return table.append_column(PROMPT, pa.chunked_array([pa.array(keys, pa.string())]))


def check(rows: pa.Table, name: str, columns: Columns, least: int, prompts: int) -> None:
    """Check that a split has enough rows.

    Args:
        prompts: the number of distinct prompts in all splits together.

    Raises:
        DataError: if it has not, possibly because there are few distinct prompts.
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
    order = pc.sort_indices(rows[columns.record_id])  # the same order as in `write_split`
    conversations.write(folder / f"{name}.jsonl", (found[row] for row in order.to_pylist()))


def findings(
    table: pa.Table, chosen: NDArray[np.int64], record_id: str, salt: str, shares: Sequence[float]
) -> dict[str, object]:
    """The findings about the splits that may affect metrics: `findings.json`, for people.

    It counts the test's distinct prompts that are also in train: with the actual split, and with a
    split by record id.
    """
    prompts = np.array(table[PROMPT].to_pylist(), dtype=object)
    ids = pc.cast(table[record_id], pa.string()).to_pylist()
    counts = np.bincount(chosen[chosen >= 0], minlength=len(SPLITS))
    by_id = _crossing(prompts, split_of(ids, salt, shares))
    print(  # noqa: T201
        f"divided by record id, {by_id['in_train_too']} of {by_id['test']} distinct test prompts "
        "would also be in train"
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
