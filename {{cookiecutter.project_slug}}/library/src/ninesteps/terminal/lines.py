"""Lines of text for a terminal of 80 columns."""

from __future__ import annotations

import re
import sys
import textwrap

WIDTH = 80


def wrapped(text: str, label: str = "", indent: int = 0) -> str:
    """A text in lines of at most 80 columns; a path or a hash that is longer is not broken.

    Args:
        label: the text before the first line; later lines leave its columns empty.
        indent: the width of these columns.
    """
    return textwrap.fill(
        text, WIDTH, initial_indent=f"{label:<{indent}}", subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def at_terminal(text: str) -> str:
    """A text whose lines are broken at 80 columns if a person reads it; in a pipe it stays whole.

    The rest of a line is indented by two columns more than the line, or to behind its number.
    """
    if not sys.stdout.isatty():
        return text
    return "\n".join(map(_broken, text.split("\n")))


def _broken(line: str) -> str:
    number = re.match(r" *(\d+\. )?", line)
    indent = number.end() if number and number[1] else len(line) - len(line.lstrip()) + 2
    return textwrap.fill(
        line, WIDTH, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False, drop_whitespace=True,
    )  # fmt: skip
