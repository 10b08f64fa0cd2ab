"""Writes the audit pack of a version: a zip that `python verify.py` checks on another machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ninesteps.audit import laws
from ninesteps.audit.contents import Contents, Item, as_json
from ninesteps.audit.known import known
from ninesteps.audit.page import Listed, page
from ninesteps.audit.subject import Subject, sha256
from ninesteps.audit.verify import MANIFEST, packed
from ninesteps.errors import SettingsError

RUNS_ITSELF = b"import runpy\n\nrunpy.run_module('verify', run_name='__main__')\n"
"""`__main__.py`: `python PACK.zip` checks the pack."""


@dataclass(frozen=True)
class Pack:
    """A pack that was made."""

    content: bytes
    manifest_sha256: str
    files: int
    absent: Mapping[str, str]  # missing items, and why
    changed: tuple[str, ...]  # URIs of what is not as its step left it

    def write(self, file: Path) -> None:
        """Write it; the file appears under its name when it is whole."""
        whole = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            whole.write_bytes(self.content)
            whole.replace(file)
        finally:
            whole.unlink(missing_ok=True)


def default_name(subject: Subject) -> str:
    """`customer-churn-v7-audit.zip`; an account's group is named by its environment."""
    return f"{subject.version.group}-v{subject.version.number}-audit.zip"


def check_name(file: Path) -> None:
    """Refuse a place where no pack can be written.

    Raises:
        SettingsError: with one sentence.
    """
    if file.is_dir() or not file.parent.is_dir():
        what = "a folder" if file.is_dir() else f"{file}, whose folder is not there"
        raise SettingsError(f"expected a file to write the pack to, got {what}", file="-o")


def make(subject: Subject) -> Pack:
    """The pack of a version."""
    every_law = laws.load()
    contents = Contents(subject, every_law)
    items = contents.items()
    absent = {item.name: item.absent for item in items if item.absent}
    facts = known(subject, contents.reading, contents.ratios, contents.statements)
    profile = subject.version.metadata.get("profile", "")
    ratios = [] if isinstance(contents.ratios, str) else contents.ratios
    listed = [_listed(item) for item in items]
    html, text = page(subject, listed, every_law, profile, facts, ratios)
    verifier = (Path(__file__).parent / "verify.py").read_bytes().replace(b"\r\n", b"\n")
    items = [
        *items,
        Item("index.html", "What each file answers: start here", html.encode()),
        Item("index.txt", "The same as text", text.encode()),
        Item("verify.py", "Checks the pack: python verify.py", verifier),
        Item("__main__.py", "The same: python PACK.zip", RUNS_ITSELF),
    ]
    files = {item.name: item.content for item in items if not item.absent}
    manifest = as_json(_manifest(subject, items))
    return Pack(
        packed({**files, MANIFEST: manifest}),
        sha256(manifest),
        len(files),
        absent,
        tuple(subject.changed),
    )


def _listed(item: Item) -> Listed:
    if item.absent:
        return Listed(item.name, item.says, "", "", "", item.absent)
    size = f"{len(item.content):,}"
    return Listed(item.name, item.says, item.note, sha256(item.content), size, "")


def _manifest(subject: Subject, items: list[Item]) -> Mapping[str, object]:
    return {
        "format": 1,
        "subject": subject.name,
        "run": subject.facts.id,
        "files": {
            item.name: {
                "sha256": sha256(item.content),
                "bytes": len(item.content),
                "says": item.says,
                **({"copy_of": item.copy_of} if item.copy_of else {}),
                **({"note": item.note} if item.note else {}),
            }
            for item in sorted(items, key=lambda item: item.name)
            if not item.absent
        },
        "absent": {item.name: item.absent for item in items if item.absent},
    }
