"""Computes the numbers that the feature group stores about a conversation.

The model learns only from the messages, which are stored beside these numbers. The numbers are for
queries and for looking at what people ask. `messages` is JSON, checked and without personal data.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """How long a conversation is, whether it was resolved, and its language and region."""
    messages = table["messages"].map(json.loads)
    columns = {
        "turns": messages.map(len).astype("int64"),
        "prompt_words": messages.map(lambda said: _words(said[-2])).astype("int64"),
        "reply_words": messages.map(lambda said: _words(said[-1])).astype("int64"),
        "resolved": table["resolved"],
    }
    return pd.DataFrame({**columns, **_one_hot(table, categories)}, index=table.index, copy=False)


def findings(table: pd.DataFrame) -> dict[str, int]:
    """The number of odd rows of each kind; these rows are kept unchanged."""
    turns = table["messages"].map(json.loads).map(len)
    return {"conversation with earlier messages": int((turns > 3).sum())}


def _one_hot(
    table: pd.DataFrame, categories: dict[str, tuple[str, ...]]
) -> dict[str, pd.Series[Any]]:  # fmt: skip
    """A column of 0 and 1 for each known value: the same columns for every table."""
    return {
        f"{column}_{value}": (table[column] == value).astype("int64")
        for column, values in categories.items()
        for value in values
    }


def _words(message: dict[str, str]) -> int:
    return len(message["content"].split())
