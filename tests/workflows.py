"""Workflow files of a CI, held to what can be known of them without it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".gitlab-ci.yml": "vendor.gitlab-ci",
}
"""The schemas that check-jsonschema brings along, by the files that they are for."""


def workflow(path: Path) -> dict[str, Any]:
    """A workflow of GitHub Actions, parsed, which holds no secret of any kind."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"secrets\.(?!GITHUB_TOKEN\b)|aws-(access|secret)", text), path
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def unpinned(path: Path) -> list[str]:
    """The actions that a workflow uses otherwise than by a commit, with its version beside it."""
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"^\s*(?:- )?uses: *(.*)$", text, re.MULTILINE)
    assert used, path
    pinned = r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    return [action for action in used if not re.fullmatch(pinned, action)]


def schema_errors(path: Path) -> Iterator[str]:
    """What a workflow's schema says against it; nothing of a file that it takes."""
    schema = next(name for pattern, name in SCHEMAS.items() if path.match(pattern))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield done.stdout + done.stderr
