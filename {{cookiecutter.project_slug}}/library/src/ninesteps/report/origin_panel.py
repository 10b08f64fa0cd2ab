"""The panel on a run's origin: the commit, the library, the settings and the raw table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninesteps.report.evidence import Absent
from ninesteps.report.figure import Group, Panel, Table
from ninesteps.report.formatting import count, moment
from ninesteps.report.reading import Reading
from ninesteps.repository import origin_text


def came_from(reading: Reading) -> Panel:
    """What was recorded when the run started, or of an account when its pipeline was published.

    Raises:
        Absent: if nothing was.
    """
    origin = reading.facts.origin
    if not origin:
        raise Absent(f"it is {origin_text.NOT_RECORDED}")
    changes = origin_text.dirty(origin)
    says = "Recorded when the run started, outside the compiled definition."
    if "ingests" in origin:
        says = "The code is recorded when the pipeline is published, a table when it is ingested."
        if older := origin.get("older_ingests"):
            says += f" {count(older, 'earlier table is', 'earlier tables are')} not listed."
    if changes:
        says += f" {changes}."
    if unknown := origin.get("unknown"):
        raise Absent(unknown)
    tables = [Table("The code", ("what", "value"), list(origin_text.code_lines(origin)), (0, 1))]
    if table := origin.get("table"):
        tables += _table(table)
    if ingests := origin.get("ingests"):
        tables.append(_ingests(ingests))
    return Panel("origin", "Where it came from", says, [Group("", tables=tables)])


def _table(table: Mapping[str, Any]) -> list[Table]:
    rows = [
        ("file", table["path"]),
        ("SHA-256", table["sha256"]),
        ("bytes", f"{table['bytes']:,}"),
        ("earliest event", moment(table["first"])),
        ("newest event", moment(table["last"])),
        ("rows read", f"{table['rows']:,}"),
        ("rows kept", f"{table['kept']:,}"),
        ("rows used", "not counted" if table["used"] is None else f"{table['used']:,}"),
    ]
    tables = [Table("The source table", ("what", "value"), rows, (0, 1))]
    if table["left_out"]:
        reasons = [(reason["why"], f"{reason['rows']:,}") for reason in table["left_out"]]
        tables.append(Table("Rows left out", ("why", "rows"), reasons))
    return tables


def _ingests(ingests: list[Mapping[str, Any]]) -> Table:
    """The tables that were put into the feature groups before the execution began."""
    rows = []
    for ingest in ingests:
        table = ingest["table"]
        left_out = "; ".join(f"{one['rows']:,} {one['why']}" for one in table["left_out"])
        rows.append((
            moment(ingest["at"]), table["path"], table["sha256"], f"{table['rows']:,}",
            left_out or "none", moment(table["first"]), moment(table["last"]),
        ))  # fmt: skip
    head = (
        "ingested",
        "file",
        "SHA-256",
        "rows read",
        "left out",
        "earliest event",
        "newest event",
    )
    return Table(count(len(rows), "ingested table"), head, rows, (0, 1, 2, 4, 5, 6))
