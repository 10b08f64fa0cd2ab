"""`model_card.toml`: the texts that only people can write for a model card."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from ninesteps.settings import toml

FILE = "model_card.toml"

RISK_RATINGS = ("High", "Medium", "Low", "Unknown")
"""As SageMaker calls them."""

LONGEST = {"contact": 1024, "intended_use": 1000, "not_intended_for": 1000}
"""The most characters of a text, if not `MOST`: two of these texts share one field of the card."""

MOST = 2048
"""The most characters of a text in SageMaker's model cards."""


@dataclass(frozen=True)
class Statements:
    """The file: a text for each question, empty where nobody has answered it."""

    purpose: str = ""
    intended_use: str = ""
    not_intended_for: str = ""
    who_may_be_harmed: str = ""
    limits: str = ""
    risk_rating: str = "Unknown"
    risk_reasons: str = ""
    contact: str = ""
    business_problem: str = ""
    stakeholders: str = ""
    line_of_business: str = ""

    def __post_init__(self) -> None:
        for name, text in vars(self).items():
            most = LONGEST.get(name, MOST)
            toml.require(len(text) <= most, name, text, f"at most {most} characters")
        toml.require(
            self.risk_rating in RISK_RATINGS, "risk_rating", self.risk_rating,
            f"one of {', '.join(RISK_RATINGS)}",
        )  # fmt: skip

    @property
    def missing(self) -> list[str]:
        """The questions that nobody has answered."""
        unanswered = {"", "Unknown"}
        return [f.name for f in fields(self) if getattr(self, f.name).strip() in unanswered]


def load(root: Path) -> Statements:
    """The statements of a repository; all empty if it has no such file.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    return toml.load(Statements, root, FILE) if (root / FILE).exists() else Statements()
