"""Checks a team's own HTML for a page: only known elements and attributes are allowed.

Anything else is refused rather than removed, so that its author sees the error. The rest is written
again from what was parsed, so that a browser reads exactly what was checked.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from markupsafe import Markup, escape

PREFIX = "own-"
"""How each id has to begin: the page's other parts have the rest."""

VOID = {"br", "hr"}

_HTML = """
a abbr b blockquote caption code col colgroup dd details dfn div dl dt em figcaption figure h3
h4 h5 i li ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th
thead tr ul var
"""
_SVG = """
svg circle clippath defs desc ellipse g line lineargradient marker mask path pattern polygon
polyline radialgradient rect stop symbol text textpath title tspan use
"""
_ATTRIBUTES = """
class colspan datetime dir hidden id lang open role rowspan scope start tabindex title clip-path
cx cy d dominant-baseline dx dy fill fill-opacity fill-rule font-size font-style font-weight fx
fy gradienttransform gradientunits height letter-spacing marker-end marker-mid marker-start
markerheight markerunits markerwidth mask offset opacity orient paint-order pathlength
patterncontentunits patternunits points preserveaspectratio r refx refy rotate rx ry
spreadmethod stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap
stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor textlength transform
vector-effect version viewbox visibility width x x1 x2 xml:space y y1 y2 xmlns xmlns:xlink
"""
HTML, SVG = {*_HTML.split(), *VOID}, {*_SVG.split()}
ATTRIBUTES = {*_ATTRIBUTES.split()}
"""In lower case, as the parser gives names; an HTML page knows those of SVG so too."""

LINKS = ("href", "xlink:href")

_ELSEWHERE = re.compile(r"url\s*\(\s*[\"']?\s*(?!#)", re.IGNORECASE)


class Refused(ValueError):
    """HTML that a page may not carry; the message is a sentence."""


def checked(html: str, ids: set[str]) -> Markup:
    """The same, written again.

    Args:
        ids: those that the page's own panels have so far; those of this one are added.

    Raises:
        Refused: at an element or attribute that is not known, an address elsewhere, an id that
            might be another part's, or an element that is not closed.
    """
    parser = _Checked(ids)
    parser.feed(html)
    parser.close()
    if parser.open:
        raise Refused(f"expected </{parser.open[-1]}>, got the end")
    return Markup("".join(parser.parts))


class _Checked(HTMLParser):
    def __init__(self, ids: set[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []
        self._ids = ids

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs, ends=False)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs, ends=True)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            expected = f"</{self.open[-1]}>" if self.open else "none"
            raise Refused(f"expected {expected}, got </{tag}>")
        self.parts.append(f"</{self.open.pop()}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(str(escape(data)))

    def handle_comment(self, data: str) -> None:
        raise Refused("expected HTML without comments, got <!--")

    def handle_decl(self, decl: str) -> None:
        raise Refused(f"expected a part of a page, got <!{decl[:20]}")

    def unknown_decl(self, data: str) -> None:
        raise Refused(f"expected a part of a page, got <![{data[:20]}")

    def handle_pi(self, data: str) -> None:
        raise Refused(f"expected a part of a page, got <?{data[:20]}")

    def _start(self, tag: str, attributes: list[tuple[str, str | None]], ends: bool) -> None:
        if tag not in HTML | SVG:
            raise Refused(f"<{tag}> is not allowed on the page")
        if ends and tag not in VOID and "svg" not in (*self.open, tag):
            raise Refused(f"expected <{tag}>...</{tag}>, got <{tag}/>")
        written = "".join(f" {name}{self._value(tag, name, value)}" for name, value in attributes)
        self.parts.append(f"<{tag}{written}>")
        if tag in VOID:
            return
        if ends:
            self.parts.append(f"</{tag}>")
        else:
            self.open.append(tag)

    def _value(self, tag: str, name: str, value: str | None) -> str:
        text = value or ""
        if name == "style":
            raise Refused(
                f'<{tag} style="..."> is not allowed: the page\'s policy blocks inline styles; use '
                "class, or in an SVG fill and stroke"
            )
        if name not in ATTRIBUTES and name not in LINKS and not name.startswith("aria-"):
            raise Refused(f"{name} of <{tag}> is not allowed on the page")
        if name in LINKS and not text.startswith("#"):
            raise Refused(f"{name} of <{tag}>: expected a place on the page such as #steps, "
                          f"got {text[:60]!r}")  # fmt: skip
        if _ELSEWHERE.search(text):
            raise Refused(f"{name} of <{tag}>: expected no outside address, got {text[:60]!r}")
        if name == "id":
            self._add(tag, text)
        return "" if value is None else f'="{escape(text)}"'

    def _add(self, tag: str, identifier: str) -> None:
        if not identifier.startswith(PREFIX) or identifier in self._ids:
            what = "one id twice" if identifier in self._ids else repr(identifier)
            raise Refused(f"id of <{tag}>: expected a unique one that begins with {PREFIX}, "
                          f"got {what}")  # fmt: skip
        self._ids.add(identifier)
