"""A lineage graph as a Mermaid flowchart, which Markdown pages draw."""

from __future__ import annotations

from ninesteps.lineage.condensed import Node, condensed
from ninesteps.lineage.graph import Graph, Kind
from ninesteps.lineage.tree import SHORT

_SHAPES: dict[Kind, tuple[str, str]] = {
    "artifact": ("[", "]"),
    "action": ("{{", "}}"),
    "context": ("([", "])"),
    "trial component": ("(", ")"),
}

_MOST = 60
"""Characters of a line in a node."""


def mermaid(graph: Graph) -> str:
    """The text of the chart."""
    drawn = condensed(graph)
    numbers = {id_: f"n{number}" for number, id_ in enumerate(drawn.nodes, 1)}
    lines = ["flowchart LR"]
    for id_, node in drawn.nodes.items():
        left, right = _SHAPES[node.kind]
        lines.append(f'    {numbers[id_]}{left}"{_label(node)}"{right}')
    lines += [
        f"    {numbers[arrow.source]} -->|{arrow.type}| {numbers[arrow.destination]}"
        for arrow in drawn.arrows
    ]
    return "\n".join(lines) + "\n"


def _label(node: Node) -> str:
    digest = f"sha256 {node.first.sha256[:SHORT]}" if node.first.sha256 else ""
    parts = [node.type, node.name, "" if len(node.members) > 1 else digest]
    return "<br/>".join(_text(part) for part in parts if part)


def _text(text: str) -> str:
    """A text without what Mermaid, HTML or Markdown would take for its own, as character codes."""
    line = " ".join(text.split())
    line = line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"
    return "".join(c if c.isalnum() or c in " .,:-_/…" else f"#{ord(c)};" for c in line)
