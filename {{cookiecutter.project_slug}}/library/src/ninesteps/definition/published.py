"""Where an account's bucket stores the origins of published definitions, and of ingests.

The job that records a version's evidence includes this file, so it uses only the standard library.
"""

from __future__ import annotations

import hashlib
import json


def origins(pipeline: str, definition: str) -> str:
    """The prefix for a definition's records: one for each publication.

    Args:
        definition: its JSON; only the content counts, since a service may change the spacing.
    """
    content = json.dumps(json.loads(definition), sort_keys=True, separators=(",", ":"))
    return f"{pipeline}/code/origins/{hashlib.sha256(content.encode()).hexdigest()}/"


def ingests(pipeline: str) -> str:
    """The prefix for records of ingests; sorted by name, the oldest comes first."""
    return f"{pipeline}/feature-store/ingests/"


def name(at: str, record: bytes) -> str:
    """The name of a record: the time in UTC to the second, and the hash of its bytes."""
    digits = at.replace("-", "").replace(":", "")
    return f"{digits}-{hashlib.sha256(record).hexdigest()[:16]}.json"
