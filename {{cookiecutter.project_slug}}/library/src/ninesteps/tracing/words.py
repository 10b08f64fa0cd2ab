"""The words that a reply to a conversation of the test split depends on, as computed by step 3."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ninesteps.local.storage import Storage
from ninesteps.tracing.uses import RunFiles

MOST = 5
"""How many words are shown."""


@dataclass(frozen=True)
class Words:
    """The words of the user's last message that the reference reply depends on."""

    changes: tuple[tuple[str, float], ...]  # word, nats; the strongest first
    method: str
    caution: str


def of(storage: Storage, run: RunFiles | None, identifier: str) -> Words:
    """The words of a record's conversation.

    Raises:
        StepError: if the file is gone.
        ValueError: if it has no words of the record.
    """
    content = json.loads(storage.read(run.words)) if run and run.words else {}
    for one in content.get("conversations", ()):
        if one["id"] == identifier:
            found = sorted(((w["word"], w["change"]) for w in one["words"]), key=lambda w: -w[1])
            needed = tuple((word, change) for word, change in found if change > 0)[:MOST]
            return Words(needed, content["summary"]["method"], content["summary"]["caution"])
    raise ValueError(
        "the words that a reply depends on are kept only for conversations of the test split, "
        "one of each prompt"
    )
