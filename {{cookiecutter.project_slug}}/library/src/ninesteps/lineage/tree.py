"""A lineage graph as a tree of text: what an entity came from, and what it led to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ninesteps.lineage.condensed import Drawn, Node, condensed
from ninesteps.lineage.facts import remark
from ninesteps.lineage.graph import Association, Graph

WIDTH = 80
_FIRST = ("Model", "TrainingJob", "DataSet", "ProcessingJob", "TransformJob", "Query", "Code")
_LAST = ("Image", "PipelineExecution")

SHORT = 12
"""Hexadecimal digits of a hash on a line."""


def tree(graph: Graph, start: str) -> list[str]:
    """The lines, none wider than 80 characters."""
    drawn = condensed(graph)
    root = next(node for node in drawn.nodes.values() if start in {e.id for e in node.members})
    lines = [_cut(_line(root))]
    for title, edges, end in (
        ("came from", drawn.incoming, "source"),
        ("led to", drawn.outgoing, "destination"),
    ):
        if edges[root.id]:
            lines += ["", title, *_branches(drawn, root, edges, end, set(), "")]
    return lines


def _branches(
    drawn: Drawn,
    node: Node,
    edges: Mapping[str, list[Association]],
    end: str,
    shown: set[str],
    indent: str,
) -> Iterator[str]:
    """The tree below a node. A node that is already drawn above is only named."""
    others = sorted(
        dict.fromkeys(getattr(arrow, end) for arrow in edges[node.id]),
        key=lambda id_: _order(drawn.nodes[id_].type),
    )
    for number, id_ in enumerate(others):
        is_last = number == len(others) - 1
        branch, deeper = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        other = drawn.nodes[id_]
        if id_ in shown and edges[id_]:
            yield _cut(f"{indent}{branch}{other.type}  {other.name}", " (above)")
            continue
        shown.add(id_)
        yield _cut(f"{indent}{branch}{_line(other)}")
        yield from _branches(drawn, other, edges, end, shown, indent + deeper)


def _order(type_: str) -> int:
    """The order of types: the model and the data first, what all jobs share last."""
    return _FIRST.index(type_) if type_ in _FIRST else len(_FIRST) + (type_ in _LAST)


def _line(node: Node) -> str:
    digest = node.first.sha256[:SHORT] if len(node.members) == 1 else ""
    return "  ".join(filter(None, [node.type, node.name, digest, remark(node)]))


def _cut(line: str, ending: str = "") -> str:
    line = " ".join(line.splitlines())
    room = WIDTH - len(ending)
    return (line if len(line) <= room else f"{line[: room - 1]}…") + ending
