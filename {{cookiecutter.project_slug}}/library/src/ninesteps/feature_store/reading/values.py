"""Reads raw values with the same module as the endpoint, which is packed with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # mypy knows a module that is packed with the scripts by its flat name
    import raw_values
else:
    from ninesteps.containers import raw_values

MISSING = raw_values.MISSING
Cells: TypeAlias = raw_values.Cells
Moments: TypeAlias = raw_values.Moments
finite = raw_values.finite
floats_as_texts = raw_values.floats_as_texts
given_numbers = raw_values.given_numbers
given_texts = raw_values.given_texts
is_given = raw_values.is_given
known_texts = raw_values.known_texts
moment_texts = raw_values.moment_texts
outside = raw_values.outside
range_in_words = raw_values.range_in_words
read_dates = raw_values.read_dates
read_iso = raw_values.read_iso
read_numbers = raw_values.read_numbers
text_cells = raw_values.text_cells
without_fraction = raw_values.without_fraction
without_missing = raw_values.without_missing
