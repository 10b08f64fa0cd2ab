"""Describes the raw columns for the endpoint: the parts of `[data]` that raw records need."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from ninesteps.settings.data import Column
from ninesteps.settings.settings import Settings

RAW_COLUMNS = "raw_columns.json"
"""The file in the training archive and in the model's archive."""


def raw_columns(settings: Settings) -> bytes:
    """The content of `raw_columns.json`, which `containers/raw_records.py` reads.

    The same settings give the same bytes: they are part of the training's code.
    """
    data = settings.data
    columns = {name: _described(data.columns[name]) for name in settings.feature_columns}
    for name in columns.keys() & set(settings.stored_columns):
        columns[name]["is_stored"] = True
    kept = (data.record_id, data.label, *settings.stored_columns)
    content = {
        "columns": columns,
        "missing": list(data.missing),
        "event_time": data.event_time or "event_time",
        "event_time_format": data.event_time_format,
        "stored": data.stored,
        "refused": [key for key in ("out_of_range", "missing") if not getattr(data.quality, key)],
        "kept": {data.stored_name(name): name for name in kept},
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _described(column: Column) -> dict[str, Any]:
    """A column's settings that differ from the defaults, without its meaning, which is for
    people."""
    usual = {field.name: field.default for field in fields(Column)} | {"meaning": column.meaning}
    return {key: value for key, value in asdict(column).items() if value != usual[key]}
