"""Shows a model card: its parts in order, with SageMaker's names for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

from ninesteps.report.formatting import number
from ninesteps.terminal.console import Console
from ninesteps.terminal.lines import wrapped

_CONSOLE = Console(highlight=False)
_SCALAR = (str, int, float)

LEAST, MOST = 14, 30
"""Columns of the labels, with the space around them; a longer label is on a line of its own."""


def show(content: dict[str, Any]) -> None:
    """Show a card."""
    for key, part in content.items():
        _CONSOLE.print(f"[bold]{_words(key)}[/]")
        rows = [(f"  {label}", text) for label, text in _lines(part)]
        indent = min(MOST, max([LEAST, *(len(label) + 2 for label, _ in rows)]))
        for label, text in rows:
            for line in _row(label, text, indent):
                _CONSOLE.print(line, soft_wrap=True)


def _row(label: str, text: str, indent: int) -> Iterator[str]:
    """A label and its value as markup of rich; no URI or digest is broken, so it can be copied."""
    if len(label) + 2 > indent:
        yield f"[dim]{escape(label)}[/]"
        label = ""
    body = wrapped(text, " " * indent, indent).removeprefix(" " * indent)
    yield f"[dim]{escape(label):<{indent}}[/]{escape(body)}"


def _lines(part: Any, label: str = "") -> Iterator[tuple[str, str]]:
    """The lines of a part, each with its label."""
    if isinstance(part, _SCALAR):
        yield label, part if isinstance(part, str) else number(part)
    elif isinstance(part, list) and all(isinstance(item, _SCALAR) for item in part):
        for place, item in enumerate(part):
            yield label if place == 0 else "", str(item)
    elif isinstance(part, list):
        for item in part:
            yield from _item(item)
    else:
        for key, value in part.items():
            yield from _lines(value, _words(key))


def _item(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A metric, a hyperparameter, a container, an evaluation or a group of metrics."""
    value, name = item.get("value"), str(item.get("name", ""))
    if isinstance(value, list):
        yield name, ""
        for label, bar in zip(item["x_axis_name"], value, strict=True):
            yield f"  {label}", number(bar)
    elif value is not None:
        shown = value if isinstance(value, str) else number(value)
        yield name, shown + (f"  ({item['notes']})" if "notes" in item else "")
    else:
        if name:
            yield name, ""
        yield from _lines({key: inner for key, inner in item.items() if key != "name"})


def _words(key: str) -> str:
    """`model_overview` -> `model overview`; names that people gave stay unchanged."""
    return key.replace("_", " ")
