"""`prices.toml`: prices per hour of instances, as the team looked them up; none are included.

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
"""The days after which prices are reported as old."""


@dataclass(frozen=True)
class Prices:
    """What an hour of an instance costs in one region, by use and instance type."""

    date: str  # the day on which somebody looked them up, such as "2026-11-27"
    currency: str  # such as "USD"
    region: str  # the region of these prices
    # prices per hour of processing jobs, by instance type
    processing: dict[str, float] = field(default_factory=dict)
    training: dict[str, float] = field(default_factory=dict)  # prices per hour of the trials
    # prices per hour of the batch predictions
    transform: dict[str, float] = field(default_factory=dict)
    endpoint: dict[str, float] = field(default_factory=dict)  # prices per hour of the endpoint

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
        """When they were looked up; None if `date` is not a day."""
        try:
            return Day.fromisoformat(self.date)
        except ValueError:
            return None

    def notices(self, region: str, today: Day) -> list[str]:
        """Notices about these prices: too old, or of another region."""
        found = []
        age = (today - self.day).days if self.day else 0
        if age > FRESH_DAYS:
            found.append(
                f"{FILE}: its prices are from {self.date}, {age} days ago: look them up again"
            )
        if self.region != region:
            found.append(f"{FILE}: its prices are for {self.region}, not {region}")
        return found


def load(root: Path) -> Prices | None:
    """The prices of a repository; None if it has none.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    return toml.load(Prices, root, FILE) if (root / FILE).exists() else None
