"""The names under which a feature group keeps columns, as the endpoint knows them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # mypy knows a module that travels with the scripts by the name they import
    from stored_names import (
        ADDED_COLUMNS,
        FEATURE_NAME,
        FEATURE_NAME_RULE,
        RESERVED_COLUMNS,
        SYSTEM_COLUMNS,
        is_stored_name,
        proposed_name,
        stored_feature_name,
        stored_features,
    )
else:
    from ninesteps.containers.stored_names import (
        ADDED_COLUMNS,
        FEATURE_NAME,
        FEATURE_NAME_RULE,
        RESERVED_COLUMNS,
        SYSTEM_COLUMNS,
        is_stored_name,
        proposed_name,
        stored_feature_name,
        stored_features,
    )

__all__ = [
    "ADDED_COLUMNS",
    "FEATURE_NAME",
    "FEATURE_NAME_RULE",
    "RESERVED_COLUMNS",
    "SYSTEM_COLUMNS",
    "is_stored_name",
    "proposed_name",
    "stored_feature_name",
    "stored_features",
]
