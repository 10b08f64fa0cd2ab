"""Raw values as the endpoint reads them too: the module that travels with the model reads both."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # mypy knows a module that travels with the scripts by the name they import
    from raw_values import (
        MISSING,
        Cells,
        Moments,
        finite,
        floats_as_texts,
        given_numbers,
        given_texts,
        is_given,
        known_texts,
        moment_texts,
        outside,
        range_in_words,
        read_dates,
        read_iso,
        read_numbers,
        text_cells,
        without_fraction,
        without_missing,
    )
else:
    from ninesteps.containers.raw_values import (
        MISSING,
        Cells,
        Moments,
        finite,
        floats_as_texts,
        given_numbers,
        given_texts,
        is_given,
        known_texts,
        moment_texts,
        outside,
        range_in_words,
        read_dates,
        read_iso,
        read_numbers,
        text_cells,
        without_fraction,
        without_missing,
    )

__all__ = [
    "MISSING",
    "Cells",
    "Moments",
    "finite",
    "floats_as_texts",
    "given_numbers",
    "given_texts",
    "is_given",
    "known_texts",
    "moment_texts",
    "outside",
    "range_in_words",
    "read_dates",
    "read_iso",
    "read_numbers",
    "text_cells",
    "without_fraction",
    "without_missing",
]
