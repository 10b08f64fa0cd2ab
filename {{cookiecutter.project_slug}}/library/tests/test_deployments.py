"""The history of deployments on this machine is read from lines that people can edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninesteps.local.endpoint.deployments import DEPLOYMENTS, FOLDER, of_version

BEGAN = {"event": "began", "at": "2026-11-01T00:00:00Z", "version": 1, "before": None}
ENDED = {"event": "ended", "at": "2026-11-01T00:01:00Z", "version": 1, "outcome": "deployed"}


@pytest.mark.parametrize(
    "damaged",
    [
        json.dumps(BEGAN)[:30],
        json.dumps({**BEGAN, "version": "one"}),
        json.dumps({**BEGAN, "at": None}),
        json.dumps({"event": "began"}),
        "5",
        "[1, 2]",
        "",
    ],
)
def test_a_damaged_line_hides_no_other_deployment(tmp_path: Path, damaged: str) -> None:
    lines = [damaged, json.dumps({**BEGAN, "who": "operator@example.com"}), json.dumps(ENDED)]
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / DEPLOYMENTS).write_text("\n".join(lines), encoding="utf-8")
    (found,) = of_version(tmp_path, "pets", 1)
    assert (found.began, found.ended) == (BEGAN["at"], ENDED["at"])
    assert (found.what, found.who) == ("deployed", "operator@example.com")
