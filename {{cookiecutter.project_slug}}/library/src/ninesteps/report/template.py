"""Templates for pages in one file, and the style and script that are put into them."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2

OWN = "ninesteps.report"


def template(name: str, package: str = OWN) -> jinja2.Template:
    """A package's template: values are escaped, and a missing value is an error."""
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
    """The hash by which the page's content security policy allows a style or script."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"sha256-{digest}"
