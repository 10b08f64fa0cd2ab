"""Shows one record: its features in both stores, and the model's prediction."""

from __future__ import annotations

import json
from typing import Any

from rich.markup import escape
from rich.table import Table

from ninesteps.runs.record import Answer, Found
from ninesteps.terminal.console import Console
from ninesteps.terminal.lines import at_terminal

_CONSOLE = Console(highlight=False)


def show(found: Found) -> None:
    """Show a record, a line a feature; differences between the stores are marked."""
    _CONSOLE.print(f"record [bold]{escape(found.id)}[/] as of {found.as_of}", soft_wrap=True)
    different = set(found.differences)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("feature", "offline", "online", ""):
        table.add_column(name, overflow="fold")
    for name in _features(found):
        mark = (
            "[yellow]*[/]" if name in different else ""
        )  # wrapping at words would break the timestamps
        cells = (_text(record, name) for record in (found.offline, found.online))
        table.add_row(escape(found.names.get(name, name)), *cells, mark)
    _CONSOLE.print(table)
    for sentence in sentences(found):
        _CONSOLE.print(escape(at_terminal(sentence)), soft_wrap=True)


def _features(found: Found) -> list[str]:
    return list({**(found.offline or {}), **(found.online or {})})


def _text(record: Any, name: str) -> str:
    return "" if record is None else escape(record.get(name, "-"))


def sentences(found: Found) -> list[str]:
    """What is not in the table: which store has no such record, and the model's prediction."""
    lines = []
    if found.offline is None:
        lines.append(f"offline: no such record as of {found.as_of}")
    if not found.has_online:
        lines.append("there is no online store: [features] online is false")
    elif found.online is None:
        lines.append("online: no such record")
    if count := len(found.differences):
        word = "feature differs" if count == 1 else "features differ"
        lines.append(f"* {count} {word} between the stores")
    if found.answer is None:
        lines.append(f"model: {found.no_answer}")
        return lines
    if not found.answer.values:
        where = f"version {found.answer.version} ({found.answer.where})"
        lines.append(f"model: {where} replies {json.dumps(found.answer.reply, ensure_ascii=False)}")
        return lines
    label, *probability = found.answer.values
    said = f"{label:g}, with probability {probability[0]:.4g}" if probability else f"{label:.6g}"
    lines.append(f"model: version {found.answer.version} ({found.answer.where}) predicts {said}")
    return lines


def as_json(found: Found) -> dict[str, Any]:
    """The same as data."""
    answer = found.answer
    return {
        "id": found.id,
        "as_of": found.as_of,
        "offline": found.offline,
        "online": found.online,
        "has_online_store": found.has_online,
        "differences": found.differences,
        "shown": dict(found.names),
        "model": answer and {
            "version": answer.version, "where": answer.where,
            **_said(answer),
        },
        "no_model": found.no_answer,
    }  # fmt: skip


def _said(answer: Answer) -> dict[str, Any]:
    if not answer.values:
        return {"reply": answer.reply}
    names = ("label", "probability") if len(answer.values) > 1 else ("estimate",)
    return dict(zip(names, answer.values, strict=True))
