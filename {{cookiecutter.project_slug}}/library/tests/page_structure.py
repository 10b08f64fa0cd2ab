"""What a page is made of, read by an HTML parser: what a browser and a screen reader would find."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}
MOST_BYTES = 1_000_000


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None
    content: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [one for one in self.content if isinstance(one, Element)]

    @property
    def text(self) -> str:
        texts = [one if isinstance(one, str) else one.text for one in self.content]
        return " ".join(filter(None, texts))

    def all(self, *tags: str) -> list[Element]:
        found = [self] if self.tag in tags else []
        return found + [one for child in self.children for one in child.all(*tags)]


class Page(HTMLParser):
    """A page as a tree."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.root = Element("#root", {}, None)
        self._at = self.root
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._at)
        self._at.content.append(element)
        if tag not in VOID:
            self._at = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._at.content.append(Element(tag, attributes, self._at))

    def handle_endtag(self, tag: str) -> None:
        assert self._at.tag == tag, f"</{tag}> ends <{self._at.tag}>"
        assert self._at.parent is not None
        self._at = self._at.parent

    def handle_data(self, data: str) -> None:
        self._at.content.append(data.strip())

    @property
    def elements(self) -> list[Element]:
        def below(element: Element) -> list[Element]:
            return [one for child in element.children for one in (child, *below(child))]

        return below(self.root)

    def by_id(self, name: str) -> Element:
        (found,) = [one for one in self.elements if one.attributes.get("id") == name]
        return found

    def section(self, key: str) -> Element:
        found = self.by_id(key)
        assert found.tag == "section"
        return found


def check_structure(html: str, beside: Collection[str] = ()) -> Page:
    """A page that is whole: everything closed, named once, described, and fetched from nowhere.

    Args:
        beside: names of files beside it, to which it may link.
    """
    page = Page(html)
    assert page._at is page.root, "something is not closed"
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids)), sorted({one for one in ids if ids.count(one) > 1})
    for one in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(one.attributes.get(name, "").split()) <= set(ids)
        target = one.attributes.get("href", "#")
        assert target.startswith("#") or target in beside, target
        assert target in ("#", *beside) or target[1:] in ids, target
        assert not {"src", "srcset", "style", "xlink:href"} & one.attributes.keys()
        assert not any(name.startswith("on") for name in one.attributes)
        assert one.tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
    _check_headings(page)
    for picture in page.root.all("svg"):
        _check_picture(picture)
    for table in page.root.all("table"):
        assert table.all("th")
        widths = {len(row.children) for row in table.all("tr")}
        assert len(widths) == 1, widths
    assert not re.search(r"(?:url\(|@import)|https?:", html.replace("http-equiv", ""))
    assert len(html.encode()) < MOST_BYTES
    _check_policy(page)
    return page


def _check_headings(page: Page) -> None:
    levels = [int(one.tag[1]) for one in page.root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    assert all(one.text for one in page.root.all("h1", "h2", "h3", "h4"))


def _check_picture(picture: Element) -> None:
    """Each says what it is, or is hidden from those who do not see it, or holds links that do."""
    attributes = picture.attributes
    if attributes.get("aria-hidden") == "true":
        return
    if attributes["role"] == "group":
        assert attributes["aria-label"]
        assert all(link.attributes["aria-label"] for link in picture.all("a"))
        return
    assert attributes["role"] == "img"
    (title,), (says,) = picture.all("title"), picture.all("desc")
    assert title.text
    assert len(says.text) > 20
    named = [title.attributes["id"], says.attributes["id"]]
    assert attributes["aria-labelledby"].split() == named


def _check_policy(page: Page) -> None:
    """The page's own policy lets through its style and its script, and nothing else."""
    (policy,) = [one.attributes["content"] for one in page.root.all("meta")
                 if one.attributes.get("http-equiv") == "Content-Security-Policy"]  # fmt: skip
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)
        if name not in rules:  # the default: none
            assert contents == []
            continue
        (content,) = contents
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
