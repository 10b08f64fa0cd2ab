"""Moments in the Feature Store's format, by the same rule as in the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # mypy knows a module that travels with the scripts by the name they import
    from moments import is_moment, iso, to_the_millisecond
else:
    from ninesteps.containers.moments import is_moment, iso, to_the_millisecond

__all__ = ["MOMENT_RULE", "is_moment", "iso", "to_the_millisecond"]

MOMENT_RULE = "a time in UTC such as 2026-01-31T00:00:00Z"
