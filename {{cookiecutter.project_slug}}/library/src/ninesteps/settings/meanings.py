"""The meanings of columns and features, as written by the team.

No step gets these texts, and changing one makes no step run again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ninesteps.settings.toml import require

LONGEST_MEANING = 300
MEANING_RULE = f"one line of at most {LONGEST_MEANING} characters"


def is_meaning(text: str) -> bool:
    """Whether a text fits into a table's cell."""
    return len(text) <= LONGEST_MEANING and len(text.splitlines()) <= 1


@dataclass(frozen=True)
class Computed:
    """A feature that `features.py` computes, or that is read from a shared group."""

    meaning: str  # the meaning of the feature; the report and the model card show it
    columns: tuple[str, ...] = ()  # the columns of [data.columns] that it is computed from

    def __post_init__(self) -> None:
        require(self.meaning and is_meaning(self.meaning), "meaning", self.meaning, MEANING_RULE)
