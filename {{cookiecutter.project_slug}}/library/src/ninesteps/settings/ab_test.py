"""`[ab]`: how a version is compared with the one that serves, with `rollout = "ab_test"`."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass

from ninesteps.settings.toml import require


@dataclass(frozen=True)
class AbTest:
    """The rules of an A/B test."""

    outcome: str = "resolved"  # the name of the outcome that events report; pages show it
    first_share: int = 10  # the percent of users that get the new version at first
    share: int = 50  # the percent of users that get it afterwards
    first_users: int = 500  # the counted users after which the share grows
    alpha: float = 0.05  # the probability of a wrong "better" or "worse"
    margin: float = 0.0  # by how much the rate of a "better" version may be lower; 0.05 is 5 points
    min_users: int = 200  # the counted users that each version needs before one is found better
    max_days: int = 28  # the days after which the test ends as inconclusive
    on_inconclusive: str = "keep"  # "keep" the version that serves, or "take_over" with the new one
    # a text that assigns users, with the version's number; empty: the pipeline's name
    salt: str = ""
    window_hours: int = 72  # hours after a reply at which an unknown outcome counts as not resolved
    # by how many points its share of refusals may exceed the other version's
    max_refusal_points: float = 5.0

    ENDS: typing.ClassVar = ("keep", "take_over")

    def __post_init__(self) -> None:
        require(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", self.outcome), "outcome", self.outcome,
             "lowercase letters, digits and _, a letter first, at most 40 characters")  # fmt: skip
        require(1 <= self.first_share <= 50, "first_share", self.first_share, "1 to 50 percent")
        require(self.first_share <= self.share <= 90, "share", self.share,
             "first_share to 90 percent: some users stay with the other version")  # fmt: skip
        require(1 <= self.first_users <= 1_000_000, "first_users", self.first_users,
             "1 to 1000000")  # fmt: skip
        require(0.001 <= self.alpha <= 0.2, "alpha", self.alpha, "0.001 to 0.2")
        require(0 <= self.margin <= 0.2, "margin", self.margin, "0 to 0.2 (20 points)")
        require(1 <= self.min_users <= 1_000_000, "min_users", self.min_users, "1 to 1000000")
        require(7 <= self.max_days <= 90, "max_days", self.max_days, "7 (a whole week) to 90")
        require(self.on_inconclusive in self.ENDS, "on_inconclusive", self.on_inconclusive,
             " or ".join(self.ENDS))  # fmt: skip
        require(re.fullmatch(r"[A-Za-z0-9._-]{0,64}", self.salt), "salt", self.salt,
             "letters, digits, dots, hyphens and _, at most 64 characters")  # fmt: skip
        require(1 <= self.window_hours <= 336, "window_hours", self.window_hours,
             "1 to 336 (two weeks)")  # fmt: skip
        require(self.window_hours <= 24 * (self.max_days - 7), "window_hours", self.window_hours,
             "at most max_days less one week")  # fmt: skip
        require(0 < self.max_refusal_points <= 100, "max_refusal_points", self.max_refusal_points,
             "above 0, at most 100")  # fmt: skip

    def salt_of(self, pipeline: str, version: int) -> str:
        """The text that assigns users in the test of one version, different in each test."""
        return f"{self.salt or pipeline}-{version}"
