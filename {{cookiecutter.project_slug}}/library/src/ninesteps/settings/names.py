"""The names of columns in a feature group; the endpoint uses the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # mypy knows a module that travels with the scripts by the name they import
    import stored_names
else:
    from ninesteps.containers import stored_names

ADDED_COLUMNS = stored_names.ADDED_COLUMNS
FEATURE_NAME = stored_names.FEATURE_NAME
FEATURE_NAME_RULE = stored_names.FEATURE_NAME_RULE
RESERVED_COLUMNS = stored_names.RESERVED_COLUMNS
SYSTEM_COLUMNS = stored_names.SYSTEM_COLUMNS
is_stored_name = stored_names.is_stored_name
proposed_name = stored_names.proposed_name
stored_feature_name = stored_names.stored_feature_name
stored_features = stored_names.stored_features
