"""What a page in one file is made with: its template, and the style and script within it."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2

OWN = "ninesteps.report"


def template(name: str, package: str = OWN) -> jinja2.Template:
    """A package's template; what is put into it is escaped, and what it lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def asset(name: str, package: str = OWN) -> str:
    """A file of a package that a page has within."""
    return (resources.files(package) / name).read_text(encoding="utf-8")


def csp_hash(content: str) -> str:
    """What the page's own policy knows its style and its script by."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"sha256-{digest}"
