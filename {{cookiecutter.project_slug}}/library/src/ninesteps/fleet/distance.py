"""How far behind repositories are, by the template's commits or the newest library found.

A library's version has a suffix of its content, which has no order (`1.4.0+g3f2a91c0`). So the
template's commits are counted. Without the template, plain versions are compared; equal ones are
ordered by the date of the commit that added each to a repository, if that is known.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ninesteps.errors import NineStepsError
from ninesteps.fleet.standing import Standing
from ninesteps.profiles.stamps import numbers
from ninesteps.repository import vendor

_LONGEST = 30
"""Seconds that a call of git may take."""


@dataclass(frozen=True)
class Template:
    """A git checkout of the template."""

    folder: Path

    @cached_property
    def commit(self) -> str:
        """The commit that is checked out.

        Raises:
            NineStepsError: if the folder is not a checkout.
        """
        commit = _git(self.folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if not commit:
            raise NineStepsError(f"--template: expected a git checkout, got {self.folder}")
        return commit

    def commits_since(self, commit: str) -> int | None:
        """How many commits are newer than a commit; None if the checkout does not have it."""
        count = _git(self.folder, "rev-list", "--count", f"{commit}..{self.commit}", "--")
        return int(count) if count else None


def measure(standings: Sequence[Standing], template: Template | None) -> str:
    """Note how far behind each repository is; give the newest library version found, or ""."""
    if template is not None:
        commits = {s.template_commit for s in standings if s.template_commit}
        behind = {commit: template.commits_since(commit) for commit in commits}
        for standing in standings:
            standing.behind = behind.get(standing.template_commit)
            if standing.template_commit and standing.behind is None:
                standing.notes.append(
                    f"the template's checkout has no commit {standing.template_commit[:10]}: "
                    "fetch all of its history"
                )
    newest = _newest(standings)
    highest = max((numbers(s.library) for s in standings if s.library), default=())
    for standing in standings:
        if standing.library:
            is_older = numbers(standing.library) < highest
            is_known = bool(newest) or is_older
            standing.is_newest_library = standing.library == newest if is_known else None
    return newest


def _newest(standings: Sequence[Standing]) -> str:
    """The newest version; empty if the order of the newest ones is not known."""
    versions = {s.library for s in standings if s.library}
    highest = max((numbers(version) for version in versions), default=())
    candidates = sorted(version for version in versions if numbers(version) == highest)
    if len(candidates) < 2:
        return candidates[0] if candidates else ""
    arrived: dict[str, int] = {}
    for standing in standings:
        if standing.library in candidates and (date := _arrival(standing.folder)):
            arrived[standing.library] = min(date, arrived.get(standing.library, date))
    if len(arrived) < len(candidates):
        return ""
    latest = [version for version in candidates if arrived[version] == max(arrived.values())]
    return latest[0] if len(latest) == 1 else ""


def _arrival(repository: Path) -> int:
    """The date of the last commit that changed the lock, in seconds since 1970; 0: not known."""
    if not (repository / ".git").exists():
        return 0
    date = _git(repository, "log", "-1", "--format=%ct", "--", vendor.LOCK)
    return int(date) if date.isdigit() else 0


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; empty if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
