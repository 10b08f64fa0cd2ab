"""Checks that a version was compared with a registered archive, the one that serves now.

It is used for approvals, here and in an account, and by the job that checks again before a rollout.
That job carries this module, which imports only the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NONE_SERVES = "none serves"
"""The outcome if there was no version to compare with."""


@dataclass(frozen=True)
class Champion:
    """The champion's section in the `evaluation.json` of a version."""

    sha256: str  # of its archive
    is_none: bool

    @staticmethod
    def of(evaluation: bytes | Mapping[str, Any]) -> Champion | None:
        """Read it; None if the gate does not compare with a champion.

        Raises:
            ValueError: if the file or its section is damaged.
        """
        content = json.loads(evaluation) if isinstance(evaluation, bytes) else evaluation
        section = content.get("champion")
        if section is None:
            return None
        try:
            return Champion(str(section["sha256"]), section["outcome"] == NONE_SERVES)
        except (TypeError, KeyError):
            raise ValueError("the section of the champion is damaged") from None

    def version(self, archives: Iterable[tuple[int, str]], own: int | None) -> int | None:
        """The newest version before `own` with the champion's archive; None if there is none, or
        none served.

        Args:
            archives: as for `fault`, newest first; read only as far as needed.
            own: None for a run that registered no version.
        """
        if self.is_none:
            return None
        return next((number for number, sha256 in archives
                     if sha256 == self.sha256 and (own is None or number < own)), None)  # fmt: skip

    def fault(self, archives: Iterable[tuple[int, str]], own: int, serving: int | None) -> str:
        """Why the comparison does not count; empty if it does.

        Args:
            archives: the SHA-256 of each version's archive as it was registered.
            own: the version's number.
            serving: the number of the version that serves now.
        """
        if not self.is_none:
            if any(sha256 == self.sha256 for _, sha256 in archives):
                return ""
            return (
                f"was compared with an archive of sha256 {self.sha256[:12]}, which no registered "
                "version has: run the pipeline again"
            )
        if serving in (None, own):
            return ""
        return (
            f"was not compared with a champion, but version {serving} serves now: run the "
            "pipeline again"
        )

    def notice(self, archives: Iterable[tuple[int, str]], own: int, serving: int | None) -> str:
        """A notice if another version serves now than the one compared with; otherwise empty.

        This is not a fault: the comparison is valid, and the approver may decide whether it
        suffices.
        """
        if self.is_none or serving in (None, own):
            return ""
        compared = [number for number, sha256 in archives if sha256 == self.sha256]
        if not compared or serving in compared:
            return ""
        return f"it was compared with version {compared[0]}, but version {serving} serves now"
