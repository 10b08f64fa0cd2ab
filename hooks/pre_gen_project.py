"""Refuses what could not even be written: a slug that names no folder, a text that is no line.

The other answers come after, by the new repository's own code.
"""

import re
import sys
import unicodedata
from collections import OrderedDict  # noqa: F401  # as which cookiecutter prints dictionaries

ANSWERS = dict({{cookiecutter.items() | list | pprint}})
RESERVED = {"aux", "con", "nul", "prn", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
"""Names that no folder can have on Windows."""

TURNED = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that make a text read otherwise than it stands (Unicode TR 36): nobody could review it."""


def is_line(text: str) -> bool:
    """Whether a text is one line that a person can read and a file can hold."""
    unfit = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, line breaks
    return not any(unicodedata.category(c) in unfit or c in TURNED for c in text)


for question, answer in ANSWERS.items():
    if isinstance(answer, str) and not question.startswith("_") and not is_line(answer):
        sys.exit(f"{question}: expected one line of text, got {answer!a}")

slug = ANSWERS["project_slug"]
if not re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,62}", slug) or slug.lower() in RESERVED:
    sys.exit(
        "project_slug: expected at most 63 letters, digits and single hyphens within, and no name "
        f"that Windows keeps for a device, got {slug!r}"
    )
