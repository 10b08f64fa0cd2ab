"""Where an account's bucket keeps what a pipeline was published from, and what was ingested.

The job that records a version's evidence takes this file with it, so it stands on the standard
library alone.
"""

from __future__ import annotations

import hashlib
import json


def origins(pipeline: str, definition: str) -> str:
    """The prefix of the records of a definition: one for each time that it was published.

    Args:
        definition: its JSON; a service may space it otherwise, so its content counts.
    """
    content = json.dumps(json.loads(definition), sort_keys=True, separators=(",", ":"))
    return f"{pipeline}/code/origins/{hashlib.sha256(content.encode()).hexdigest()}/"


def ingests(pipeline: str) -> str:
    """The prefix of the records of ingests; by their names the oldest comes first."""
    return f"{pipeline}/feature-store/ingests/"


def name(at: str, record: bytes) -> str:
    """The name of a record: the moment in UTC to the second, and the hash of its bytes."""
    digits = at.replace("-", "").replace(":", "")
    return f"{digits}-{hashlib.sha256(record).hexdigest()[:16]}.json"
