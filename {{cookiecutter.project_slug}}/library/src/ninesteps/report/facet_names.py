"""The names of facets and groups on a page: as written in pipeline.toml, not their keys.

`evaluation.json` calls the facet `age>=40` by a key, `age_ge_40`, and its group by an interval that
ends where the data do, `[40, 64]`. A reader sees `age>=40` and `40 and over`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ninesteps.settings.facets import Facet

_INTERVAL = re.compile(r"([\[(])(-?[\d.]+(?:e[-+]?\d+)?), [^,]+\]")


def facet_name(facet: Mapping[str, Any]) -> str:
    """A facet of `columns.json` as pipeline.toml writes it: `gender`, `age>=40`, `city=DEL|BOM`."""
    threshold = facet.get("threshold")
    if threshold is None:
        return str(Facet(facet["column"], values=tuple(map(str, facet.get("values", ())))))
    # Clarify puts a group strictly above a number, so `>=40` is kept as the number before 40.
    next_up = math.nextafter(threshold, math.inf)
    is_inclusive = len(repr(next_up)) < len(repr(float(threshold)))
    return str(Facet(facet["column"], (), next_up if is_inclusive else threshold, is_inclusive))


def group_name(value: object) -> str:
    """A group: a value, or of an interval such as `[40, 64]` where it begins: `40 and over`."""
    interval = _INTERVAL.fullmatch(str(value))
    if interval is None:
        return str(value)
    return f"{interval[2]} and over" if interval[1] == "[" else f"over {interval[2]}"


def with_group_names(content: Any) -> Any:
    """JSON content in which each group's value is replaced by its name."""
    if isinstance(content, list):
        return [with_group_names(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        key: group_name(value) if key in _GROUP_KEYS and isinstance(value, str) else
        with_group_names(value)
        for key, value in content.items()
    }  # fmt: skip


_GROUP_KEYS = ("value", "value_or_threshold", "lowest", "highest")
