"""Divides the columns of a record among the pipeline's own feature groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ninesteps.errors import SettingsError
from ninesteps.feature_store.records import WRITTEN
from ninesteps.settings.names import ADDED_COLUMNS

MAIN = ""
"""The group with the label; the others have the names of `[features.owned]`."""

SHOWN = 50
"""The most columns that a message lists."""


def divided(
    columns: Sequence[str], record_id: str, owned: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The columns of each group, in the order of the record; the main group is the first.

    Args:
        columns: of a record.
        record_id: which every group has, with the moments and marks.
        owned: group -> its features.

    Raises:
        SettingsError: if `owned` names a feature that a record does not have.
    """
    for name, wanted in owned.items():
        for column in wanted:
            if column not in columns:
                has = [c for c in columns if c not in (record_id, WRITTEN, *ADDED_COLUMNS)]
                shown = ", ".join(has[:SHOWN]) + ", ..." * (len(has) > SHOWN)
                raise SettingsError(
                    f"expected stored names of features that features.py computes ({shown}), got "
                    f"{column!r}", "features", "owned", name, "columns",
                )  # fmt: skip
    elsewhere = {column for wanted in owned.values() for column in wanted}
    shared = (record_id, WRITTEN, *ADDED_COLUMNS)
    groups = {MAIN: [column for column in columns if column not in elsewhere]}
    for name, wanted in owned.items():
        groups[name] = [column for column in columns if column in wanted or column in shared]
    return groups
