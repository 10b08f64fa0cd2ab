"""Refuses a slug that cannot name a folder, an answer of several lines, a folder that has files.

The other answers are checked later, by the new repository's own code.
"""

import re
import sys
import unicodedata
from collections import OrderedDict  # noqa: F401  # as which cookiecutter prints dictionaries
from pathlib import Path

ANSWERS = dict({{cookiecutter.items() | list | pprint}})
RESERVED = {"aux", "con", "nul", "prn", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
"""Names that no folder can have on Windows."""

TURNED = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that make a text read otherwise than it stands (Unicode TR 36): nobody could review it."""


def is_line(text: str) -> bool:
    """Whether a text is one line that a person can read and a file can hold."""
    unfit = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, line breaks
    return not any(unicodedata.category(c) in unfit or c in TURNED for c in text)


def refuse_files(folder: Path) -> None:
    """Refuse a folder that has files: with -f, cookiecutter would write over them."""
    if kept := sorted(path.name for path in folder.iterdir()):
        listed = ", ".join(map(ascii, kept[:3])) + (", ..." if len(kept) > 3 else "")
        sys.exit(
            f"project_slug: expected a new or empty folder, got {folder} with {listed}: nothing "
            "was changed; a repository of this template is updated by `cruft update`"
        )


def refuse_slug(slug: str) -> None:
    """Refuse a slug that cannot name a folder on every system, or a pipeline in SageMaker."""
    if not re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,62}", slug) or slug.lower() in RESERVED:
        sys.exit(
            "project_slug: expected at most 63 letters, digits and single hyphens within, and no "
            f"name that Windows keeps for a device, got {slug!a}"
        )


for question, answer in ANSWERS.items():
    if isinstance(answer, str) and not question.startswith("_") and not is_line(answer):
        sys.exit(f"{question}: expected one line of text, got {answer!a}")
# The slug as it was answered: cookiecutter makes the folder before any hook runs, so where the slug
# cannot name one, cookiecutter.json replaces it by another.
refuse_slug(ANSWERS["__project_slug"])
refuse_files(Path.cwd())
