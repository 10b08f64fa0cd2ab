"""What the reply to a conversation of the test split hangs on, as step 3 has worked it out."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ninesteps.local.storage import Storage
from ninesteps.tracing.uses import RunFiles

MOST = 5
"""Words that are told."""


@dataclass(frozen=True)
class Words:
    """The words of the user's last message that the reference reply hangs on."""

    changes: tuple[tuple[str, float], ...]  # word, nats; the strongest first
    method: str
    caution: str


def of(storage: Storage, run: RunFiles | None, identifier: str) -> Words:
    """The words of a record's conversation.

    Raises:
        StepError: if the file is gone.
        ValueError: if it has nothing of the record.
    """
    content = json.loads(storage.read(run.words)) if run and run.words else {}
    for one in content.get("conversations", ()):
        if one["id"] == identifier:
            found = sorted(((w["word"], w["change"]) for w in one["words"]), key=lambda w: -w[1])
            needed = tuple((word, change) for word, change in found if change > 0)[:MOST]
            return Words(needed, content["summary"]["method"], content["summary"]["caution"])
    raise ValueError(
        "what a reply depends on is kept for conversations of the test split alone, one of each "
        "prompt"
    )
