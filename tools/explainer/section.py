"""A section of the page, and the rendering of its template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ninesteps.report import formatting
from ninesteps.report.template import template


@dataclass(frozen=True)
class Section:
    """What the page shows under one heading."""

    key: str  # its id on the page
    title: str
    lead: str  # an introduction, in a sentence or two
    html: Markup
    menu: str = ""  # a shorter title, for the page's menu


def rendered(name: str, **values: Any) -> Markup:
    """A template of this package, such as `sections/steps.html.jinja`, with values in it."""
    page = template(name, "explainer")
    return Markup(page.render(formatting=formatting, **values))
