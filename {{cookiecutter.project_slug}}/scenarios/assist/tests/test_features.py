"""The features of a conversation: edit these tests along with features.py."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from feature_store.features import features, findings

CATEGORIES = {"language": ("de", "en"), "region": ("north", "south")}
ASKED = [
    {"role": "user", "content": "How many days of leave?"},
    {"role": "assistant", "content": "You have 28."},
]


def table(*conversations: list[dict[str, str]], **columns: Any) -> pd.DataFrame:
    """One conversation a row; rows are numbered from 7."""
    rows = {"resolved": 1.0, "language": "en", "region": "south", **columns}
    messages = [json.dumps(messages) for messages in conversations]
    return pd.DataFrame({"messages": messages, **rows}, index=range(7, 7 + len(messages)))


def test_a_conversation_is_counted_in_turns_and_words() -> None:
    found = features(table(ASKED, ASKED + ASKED), CATEGORIES)
    assert found["turns"].tolist() == [2, 4]
    assert found["prompt_words"].tolist() == [5, 5]
    assert found["reply_words"].tolist() == [3, 3]
    assert found.index.tolist() == [7, 8]


def test_language_and_region_are_flags_and_an_unknown_one_is_none() -> None:
    row = features(table(ASKED, language="fr"), CATEGORIES).loc[7]
    assert row[["language_de", "language_en", "region_north", "region_south"]].tolist() == [
        0, 0, 0, 1,
    ]  # fmt: skip


def test_whether_it_was_resolved_may_be_unknown() -> None:
    assert features(table(ASKED, resolved=float("nan")), CATEGORIES)["resolved"].isna().all()


def test_earlier_messages_are_counted() -> None:
    assert findings(table(ASKED, ASKED + ASKED)) == {"conversation with earlier messages": 1}
