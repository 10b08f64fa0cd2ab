"""Writes a drafted `[data]` into `pipeline.toml`, if the present one is not in use yet."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from ninesteps.errors import SettingsError

NAME = "pipeline.toml"

_DRAFTED = re.compile(r"\[data(\.columns|\.stored)?\]")
"""The tables that a draft has. `[data.quality]` is the team's, and stays."""


def write(root: Path, draft: str) -> None:
    """Replace `[data]`, `[data.columns]` and `[data.stored]`, with their comments.

    Raises:
        SettingsError: if `[data]` is in use (it names a table, and nothing in it is undecided), or
            if its lines cannot be separated from those of other tables.
    """
    file = root / NAME
    text = file.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"expected TOML, got {error}") from None
    data = content.get("data", {})
    if data.get("file") and not data.get("undecided"):
        raise SettingsError(
            "--write replaces [data] only while it names no table or has undecided words, got "
            f"{data['file']!r}: put the draft there by hand", "data", "file",
        )  # fmt: skip
    replaced = _replaced(text, draft)
    drafted = tomllib.loads(draft)["data"]
    kept = {"quality": data["quality"]} if "quality" in data else {}
    expected = {**content, "data": {**drafted, **kept}}
    try:
        is_right = tomllib.loads(replaced) == expected
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise SettingsError(
            "the lines of [data] are mixed with those of other tables: put the draft there by hand"
        )
    file.write_text(replaced, encoding="utf-8", newline="\n")


def _replaced(text: str, draft: str) -> str:
    """The text with the draft in place of its tables of data, or at its end."""
    before: list[str] = []
    after: list[str] = []
    found, is_skipped, comments = False, False, list[str]()
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):  # it belongs to what comes next
            comments.append(line)
            continue
        if line.startswith("["):
            is_skipped = _DRAFTED.match(line) is not None
            found = found or is_skipped
        if not is_skipped:
            (after if found else before).extend([*comments, line])
        comments = []
    (after if found else before).extend(comments)
    rest = "".join(after).lstrip()
    return f"{''.join(before).rstrip()}\n\n{draft}" + (f"\n{rest}" if rest else "")
