"""The names of columns and features in a feature group.

The settings import this module too, so it imports only the standard library.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

ADDED_COLUMNS = ("api_invocation_time", "write_time", "is_deleted")
"""The columns that the offline store adds to a record."""

SYSTEM_COLUMNS = (*ADDED_COLUMNS, "year", "month", "day", "hour", "recency")
"""The columns that the offline store and its query add to a record."""

RESERVED_COLUMNS = ("event_time", *SYSTEM_COLUMNS)
"""Reserved names."""

FEATURE_NAME = re.compile(r"[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,63}")
FEATURE_NAME_RULE = "letters, digits, and - and _ within, at most 64 characters"
"""The rule for names in a feature group (CreateFeatureGroup, FeatureName)."""


def is_stored_name(name: str) -> bool:
    """Whether a name is valid in a feature group, and not used by the store or its query."""
    is_legal = len(name) <= 64 and FEATURE_NAME.fullmatch(name)
    return bool(is_legal) and name.lower() not in RESERVED_COLUMNS


def proposed_name(raw: str, taken: Iterable[str] = ()) -> str:
    """A name for a raw column in the feature group, such as `customer_id` for "Customer ID"."""
    plain = unicodedata.normalize("NFKD", raw.replace("ß", "ss")).encode("ascii", "ignore").decode()
    name = re.sub("[^a-z0-9]+", "_", plain.lower()).strip("_")[:56].strip("_") or "column"
    name = f"{name}_value" if name in RESERVED_COLUMNS else name
    others = {other.lower() for other in taken}
    numbered = (f"{name}_{number}" for number in range(2, len(others) + 3))
    return next(free for free in (name, *numbered) if free not in others)


def stored_feature_name(name: str) -> str:
    """A feature's stored name: its own, or a valid name derived from it.

    It depends only on the name, so that a feature has the same stored name in every table.
    """
    return name if is_stored_name(name) else name_with_digest(name)


def name_with_digest(name: str) -> str:
    """A valid, unique name, such as `city_koln_1f0c3a` for "city=Köln"."""
    return f"{proposed_name(name)[:57]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def stored_features(
    names: Iterable[object], stored: Mapping[str, str], kept: Mapping[str, str]
) -> dict[str, str]:
    """Features by stored name; stored names must differ in more than case.

    The data catalogue writes all names in lower case.

    Args:
        names: of the features.
        stored: raw columns -> stored names; a feature with a column's name has the same stored
            name.
        kept: other stored columns of a record: stored name -> name; record id and label first, then
            raw columns, except those that are stored as features.

    Returns:
        Stored name -> name.

    Raises:
        ValueError: for an invalid name, or one that is already used.
    """
    names, own = list(names), [*kept.values()][:2]
    others = [name for name, raw in kept.items() if raw in own or raw not in names]
    taken = {name.lower() for name in (*RESERVED_COLUMNS, *others)}
    found: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"expected a string as a feature's name, got {name!r}")
        if name in (*own, *found.values()):
            raise ValueError(
                f"expected another name (the feature group has {name!r} already), got {name!r}"
            )
        candidate = stored_feature_name(stored.get(name, name))
        if candidate.lower() in taken:
            candidate = name_with_digest(name)
        taken.add(candidate.lower())
        found[candidate] = name
    return found
