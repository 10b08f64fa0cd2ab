"""Puts a drafted `[data]` into `pipeline.toml`, where no run has used the one that is there."""

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
        SettingsError: if `[data]` is in use: it names a table, and every word of it is decided. Or
            if its lines cannot be told from those of other tables.
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
            "--write replaces [data] only while no table is named, or words are undecided: put the "
            f"draft there by hand, got {data['file']!r}", "data", "file",
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
            "the lines of [data] are mixed with others: put the draft there by hand"
        )
    file.write_text(replaced, encoding="utf-8", newline="\n")


def _replaced(text: str, draft: str) -> str:
    """The text with the draft where its first table of data was, or at its end."""
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
