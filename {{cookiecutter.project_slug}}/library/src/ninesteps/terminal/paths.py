"""Paths as a person types them."""

from __future__ import annotations

from pathlib import Path


def from_here(path: Path) -> str:
    """A path relative to the working directory, if it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
