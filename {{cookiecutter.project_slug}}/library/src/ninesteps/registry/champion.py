"""Whether a version was compared with the archive that was registered, and with what serves now.

For whoever approves, here and in an account, and for the job that looks again before a rollout: it
takes this module along, which imports nothing but the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NONE_SERVES = "none serves"
"""The outcome in the section where no version was there to be compared with."""


@dataclass(frozen=True)
class Champion:
    """What the `evaluation.json` of a version says of the champion."""

    sha256: str  # of its archive
    is_none: bool

    @staticmethod
    def of(evaluation: bytes | Mapping[str, Any]) -> Champion | None:
        """Read it; None where the gate did not speak of one.

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
        """The newest version before `own` that has its archive; None if none has, or none served.

        Args:
            archives: as of `fault`, the newest first; no more are asked for than needed.
            own: None of a run that registered no version.
        """
        if self.is_none:
            return None
        return next((number for number, sha256 in archives
                     if sha256 == self.sha256 and (own is None or number < own)), None)  # fmt: skip

    def fault(self, archives: Iterable[tuple[int, str]], own: int, serving: int | None) -> str:
        """Why nothing can rest on the comparison; empty if something can.

        Args:
            archives: the SHA-256 of each version's archive as it was registered.
            own: the version's number.
            serving: that of the version that serves now.
        """
        if not self.is_none:
            if any(sha256 == self.sha256 for _, sha256 in archives):
                return ""
            return (
                f"was compared with an archive of sha256 {self.sha256[:12]}, which is that of no "
                "registered version: run the pipeline again"
            )
        if serving in (None, own):
            return ""
        return (
            f"was compared with no champion, and version {serving} serves now: run the pipeline "
            "again"
        )

    def notice(self, archives: Iterable[tuple[int, str]], own: int, serving: int | None) -> str:
        """That another version serves by now than was compared with; empty if that is so no more.

        No fault: the comparison is true, and a person may say whether it still is enough.
        """
        if self.is_none or serving in (None, own):
            return ""
        compared = [number for number, sha256 in archives if sha256 == self.sha256]
        if not compared or serving in compared:
            return ""
        return f"it was compared with version {compared[0]}, and version {serving} serves now"
