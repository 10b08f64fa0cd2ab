"""Lines of text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap

WIDTH = 80


def wrapped(text: str, label: str = "", indent: int = 0) -> str:
    """A text in lines of at most 80 columns; a path or a hash that is longer is not broken.

    Args:
        label: what is before the text, in the columns that the later lines leave empty.
        indent: how many columns that are.
    """
    return textwrap.fill(
        text, WIDTH, initial_indent=f"{label:<{indent}}", subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
