"""`prices.toml`: what an hour of an instance costs, as a team has looked it up; none is shipped.

Standard library alone.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date as Day
from pathlib import Path

from ninesteps.settings import toml
from ninesteps.settings.operation import INSTANCE_TYPE, INSTANCE_TYPE_RULE
from ninesteps.settings.toml import require

FILE = "prices.toml"

FRESH_DAYS = 180
"""Days after which prices are said to be old."""


@dataclass(frozen=True)
class Prices:
    """What an hour of an instance costs in one region, by what it is used for and its type."""

    date: str  # the day on which they were looked up, such as "2026-11-27"
    currency: str  # such as "USD"
    region: str  # whose prices they are
    processing: dict[str, float] = field(default_factory=dict)  # an hour, by instance type
    training: dict[str, float] = field(default_factory=dict)  # ... of a search's trials
    transform: dict[str, float] = field(default_factory=dict)  # ... of the batch predictions
    endpoint: dict[str, float] = field(default_factory=dict)  # ... of the endpoint

    def __post_init__(self) -> None:
        require(self.day is not None, "date", self.date, "a day such as 2026-11-27")
        require(re.fullmatch("[A-Z]{3}", self.currency), "currency", self.currency,
                "three letters such as USD")  # fmt: skip
        for use in ("processing", "training", "transform", "endpoint"):
            for instance_type, price in getattr(self, use).items():
                require(re.fullmatch(INSTANCE_TYPE, instance_type), use, instance_type,
                        INSTANCE_TYPE_RULE)  # fmt: skip
                require(math.isfinite(price) and price >= 0, use, price, "a price of 0 or more")

    @property
    def day(self) -> Day | None:
        """When they were looked up; None if `date` is no day."""
        try:
            return Day.fromisoformat(self.date)
        except ValueError:
            return None

    def notices(self, region: str, today: Day) -> list[str]:
        """What is to be known of them before they are used."""
        found = []
        age = (today - self.day).days if self.day else 0
        if age > FRESH_DAYS:
            found.append(f"{FILE}: its prices are of {self.date}, {age} days ago: look them up")
        if self.region != region:
            found.append(f"{FILE}: its prices are those of {self.region}, not of {region}")
        return found


def load(root: Path) -> Prices | None:
    """The prices of a repository; None if it has none.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    return toml.load(Prices, root, FILE) if (root / FILE).exists() else None
