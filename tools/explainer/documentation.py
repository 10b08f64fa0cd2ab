"""Addresses of the documentation, which is in a folder next to the page."""

from __future__ import annotations

FOLDER = "docs"


def address(page: str) -> str:
    """The address of a page of `docs/`, such as `gate.md#metrics`, relative to the explainer."""
    name, _, heading = page.partition("#")
    return f"{FOLDER}/{name.removesuffix('.md')}.html{heading and '#'}{heading}"
