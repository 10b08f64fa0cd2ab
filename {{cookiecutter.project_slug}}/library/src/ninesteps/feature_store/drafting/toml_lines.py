"""Writes the lines of a draft: settings with remarks, comments, and TOML values."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable

LONGEST_LINE = 100


def setting(text: str, remarks: Iterable[str] = ()) -> list[str]:
    """A setting with its remarks, on the same line or, if they do not fit, above it."""
    remark = "; ".join(remarks)
    if not remark:
        return [text]
    line = f"{text}  # {remark}"
    return [line] if len(line) <= LONGEST_LINE else [*comment(remark), text]


def comment(text: str, indent: str = "") -> list[str]:
    """A comment in as many lines as needed; continuation lines are indented."""
    return textwrap.wrap(
        text,
        LONGEST_LINE,
        initial_indent="# ",
        subsequent_indent=f"# {indent}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(keys: dict[str, object]) -> str:
    """An inline table."""
    return f"{{ {', '.join(f'{name} = {value(one)}' for name, one in keys.items())} }}"


def value(one: object) -> str:
    """A value as TOML writes it."""
    if isinstance(one, str):
        return quoted(one)
    if isinstance(one, bool):
        return str(one).lower()
    return f"[{', '.join(map(value, one))}]" if isinstance(one, Iterable) else str(one)


def key(name: str) -> str:
    """A key, quoted where it has to be."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else quoted(name)


def quoted(text: str) -> str:
    """A TOML basic string, with JSON's escapes, which TOML shares; invisible characters are
    escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in written)


def example(text: str) -> str:
    """A text of the table in a comment, shortened if long."""
    return quoted(text if len(text) <= 40 else f"{text[:37]}...")


def named(name: str) -> str:
    """A name in a comment, quoted if its ends would be unclear."""
    return name if re.fullmatch(r"[\w .-]{1,40}", name) and name.isprintable() else example(name)


def some(names: list[str], most: int) -> str:
    """The first names of a list, and how many more there are."""
    rest = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*map(named, names[:most]), *rest])


def rows(count: int) -> str:
    """A number of rows, in words."""
    return f"{count:,} row{'s' * (count != 1)}"
