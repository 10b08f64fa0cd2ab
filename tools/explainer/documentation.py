"""Where the documentation lies beside the page, in the site that both make."""

from __future__ import annotations

FOLDER = "docs"


def address(page: str) -> str:
    """The address of a page of `docs/`, such as `gate.md#metrics`, from the explainer on."""
    name, _, heading = page.partition("#")
    return f"{FOLDER}/{name.removesuffix('.md')}.html{heading and '#'}{heading}"
