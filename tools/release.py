"""Prints what the CHANGELOG says of a version: the notes of its release.

    python tools/release.py v1.2.0

A tag whose version has no section, or an empty one, or is not the library's, is refused with exit
status 2.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"
LIBRARY = ROOT / "{{cookiecutter.project_slug}}/library/src/ninesteps/version.py"


def main(arguments: list[str]) -> None:
    """Print the section of a tag's version."""
    if len(arguments) != 1 or not re.fullmatch(r"v\d+\.\d+\.\d+", arguments[0]):
        refuse(f"expected a tag such as v1.2.0, got {' '.join(arguments)!r}")
    version = arguments[0].removeprefix("v")
    notes = section(CHANGELOG.read_text(encoding="utf-8"), version)
    if not notes:
        refuse(f"{CHANGELOG.name}: expected a section `## {version}` with text, found none")
    library = re.findall(r'^VERSION = "(.*)"$', LIBRARY.read_text(encoding="utf-8"), re.MULTILINE)
    if library != [version]:
        refuse(f"{LIBRARY.name} of the library: expected {version}, got {', '.join(library)}")
    print(notes)


def section(text: str, version: str) -> str:
    """What stands under a version's heading, which may go on with a date; empty: nothing does."""
    heading = rf"^## {re.escape(version)}(?: [^\n]*)?\n(.*?)(?=^## |\Z)"
    match = re.search(heading, text, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


def refuse(sentence: str) -> None:
    """End with a sentence."""
    print(f"release: {sentence}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
