"""The names under which a feature group keeps columns and features.

The settings import this module too, so it imports the standard library alone.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

ADDED_COLUMNS = ("api_invocation_time", "write_time", "is_deleted")
"""What the offline store adds to a record."""

SYSTEM_COLUMNS = (*ADDED_COLUMNS, "year", "month", "day", "hour", "recency")
"""What the offline store and the query of it add to a record."""

RESERVED_COLUMNS = ("event_time", *SYSTEM_COLUMNS)
"""Names that nothing else is stored by."""

FEATURE_NAME = re.compile(r"[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,63}")
FEATURE_NAME_RULE = "letters, digits, and - and _ within, at most 64 characters"
"""What a name in a feature group may be (CreateFeatureGroup, FeatureName)."""


def is_stored_name(name: str) -> bool:
    """Whether a name is legal in a feature group, and neither the store nor its query has it."""
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
    """The name that a feature is stored under: its own, or a legal one made from it.

    It depends on the name alone, so that the same feature is stored alike in every table.
    """
    return name if is_stored_name(name) else name_with_digest(name)


def name_with_digest(name: str) -> str:
    """A legal name that no other feature gets, such as `city_koln_1f0c3a` for "city=Köln"."""
    return f"{proposed_name(name)[:57]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def stored_features(
    names: Iterable[object], stored: Mapping[str, str], kept: Mapping[str, str]
) -> dict[str, str]:
    """Features by their stored names, which differ in more than their case.

    The data catalogue writes all names in lower case.

    Args:
        names: of the features.
        stored: raw columns -> their stored names: a feature of a column's name is stored alike.
        kept: what else of a record is stored: stored name -> name; record id and label first, then
            raw columns, of which one that a feature is too is stored as that feature.

    Returns:
        Stored name -> name.

    Raises:
        ValueError: for a name that is none, or is there already.
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
