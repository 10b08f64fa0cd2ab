"""A request that the endpoint answers, made from a real record: `pipeline endpoint --example`."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ninesteps.errors import DeployError, NineStepsError
from ninesteps.local.state import ModelPackage
from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings.settings import Settings

MOST_IDS = 1000
"""How many records of the test split are looked up in the table."""


@dataclass(frozen=True)
class Example:
    """A request, and what it was made from."""

    record_id: str
    what: str  # for a comment in a shell: one line
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The body in ASCII, which every terminal and encoding can show."""
        return json.dumps(self.body, indent=2)

    def command(self, port: int) -> str:
        """The request as a shell command: a comment that says what is sent, and curl."""
        url = f"http://127.0.0.1:{port}/invocations"
        data = shlex.quote(self.text)
        return (
            f"# {self.what}\ncurl -sS -H 'content-type: application/json' \\\n  {url} \\\n"
            f"  --data-binary {data}"
        )


def example(rehearsal: Rehearsal, package: ModelPackage) -> Example:
    """A request with a record of the version's test split, with its raw values if the table is
    here.

    The id, the label and columns that identify groups of people are not sent. If the model reads
    such a column, its value counts as missing, and the example says so.

    Raises:
        DeployError: if the run's test split was deleted or changed.
    """
    columns = json.loads(rehearsal.written(package, "/test/columns.json"))
    settings = rehearsal.settings
    if settings.is_language_model:
        first, *_ = rehearsal.written(package, "/test/test.jsonl").decode().split("\n")
        line = json.loads(first)
        what = f"conversation {line['id']!a} of the test split"
        return Example(str(line["id"]), what, {"messages": line["messages"]})
    text = rehearsal.written(package, "/test/test.csv").decode()
    rows = [*csv.reader(io.StringIO(text, newline=""))]
    if not rows:
        raise DeployError("the test split has no records to make an example from")
    try:
        found = _row_of_table(settings, [row[0] for row in rows[:MOST_IDS]])
    except NineStepsError:  # the table was replaced since, so it does not describe the version
        found = None
    if found:
        key, record = found
        what = f"record {key!a} of the test split, as it is in {settings.data.file}"
        if left_out := _left_out(settings):
            what += f", without {', '.join(left_out)}"
        return Example(key, what, {"records": [record]})
    names = columns["features"]
    numbers = [float(cell) if cell else None for cell in rows[0][-len(names) :]]
    what = f"the features of record {rows[0][0]!a} of the test split"
    return Example(rows[0][0], what, {"instances": [{"features": numbers}]})


def _left_out(settings: Settings) -> list[str]:
    """The columns of facets and groups that the model reads and that a record may lack."""
    groups, columns = settings.context_columns, settings.data.columns
    return [name for name in settings.feature_columns
            if name in groups and not columns[name].required]  # fmt: skip


def _row_of_table(settings: Settings, ids: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    """The id and raw values of the first of these records with exactly one row in the table.

    None if there is none: the table is elsewhere, or its ids are kept as keyed hashes.
    """
    from ninesteps.feature_store.reading.table_file import open_table

    data, file = settings.data, settings.root / settings.data.file
    if data.number_rows or not file.is_file():
        return None
    table = open_table(file)
    left_out = _left_out(settings)
    sent = [name for name in settings.feature_columns if name not in left_out]
    names = [data.record_id, *sent, *filter(None, [data.event_time])]
    if not set(names) <= set(table.names):
        return None
    cells = table.read([table.names.index(name) for name in names])
    texts = [_texts(one, data.columns[n].format if n in data.columns else data.event_time_format)
             for n, one in zip(names, cells, strict=True)]  # fmt: skip
    counted = Counter(text and text.strip() for text in texts[0])
    for key in ids:
        if counted[key] == 1:
            place = next(n for n, text in enumerate(texts[0]) if text and text.strip() == key)
            record = {name: text[place] for name, text in zip(names[1:], texts[1:], strict=True)}
            moment = {} if data.event_time else {"event_time": data.snapshot or None}
            given = {name: value for name, value in {**record, **moment}.items() if value}
            return (key, given) if set(given) & set(sent) else None
    return None


def _texts(cells: Any, form: str) -> list[str | None]:
    """A column's cells as text, as a request has them; None for a missing one."""
    from ninesteps.feature_store.reading import typed_cells

    read = typed_cells.cells_as_texts(cells, form or typed_cells.MOMENT)
    return [None] * len(cells) if read is None else read.to_pylist()
