"""Where a record was used: tables in the stores, splits of runs, versions."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ninesteps.errors import StateError, StepError
from ninesteps.feature_store.records import WRITTEN
from ninesteps.local.erasures import Erasures
from ninesteps.local.pseudonyms import Key
from ninesteps.local.state import State
from ninesteps.local.storage import Storage
from ninesteps.tracing.index import FOLDER, SUFFIX, Index, Place, first_field, index_lines, line_at
from ninesteps.tracing.rewriting import json_lines_of

SPLITS = ("train", "validation", "test")

_SPLIT = re.compile(r"/(train|validation|test)/\1\.csv$")
_ANSWERS, _JUDGED = ".csv.out", "/evaluation/answers.csv"
_REPLIES, _WORDS = ".jsonl.out", "/evaluation/attributions.json"
_SHAP = "/explanations_shap/out.csv"

OnWork = Callable[[str], None]
"""Called with a file whose ids are read for the first time, which takes a while."""


@dataclass(frozen=True)
class RunFiles:
    """A run, and the files of its steps that have rows of records."""

    execution: str
    started: str
    digests: Mapping[str, str]  # of every output, by S3 URI, as the steps left them
    versions: tuple[int, ...]  # that it registered

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split -> S3 URI."""
        return {match[1]: uri for uri in self.digests if (match := _SPLIT.search(uri))}

    def uri(self, end: str) -> str:
        """The output whose URI has an end; empty if there is none."""
        return next((uri for uri in self.digests if uri.endswith(end)), "")

    @property
    def answers(self) -> str:
        """The transform's answers for the test split."""
        return self.uri(_ANSWERS)

    @property
    def replies(self) -> str:
        """The transform's replies of a language model for the test split."""
        return self.uri(_REPLIES)

    @property
    def words(self) -> str:
        """The words that the replies of the test split depend on."""
        return self.uri(_WORDS)

    @property
    def config(self) -> str:
        """Step 7's configuration, with its background."""
        return self.uri("/analysis_config.json")

    @property
    def by_row(self) -> tuple[str, ...]:
        """The files without ids, whose rows follow those of the test split."""
        return tuple(filter(None, (self.uri(_JUDGED), self.uri(_SHAP))))

    @property
    def explanations(self) -> str:
        """The SHAP values of records of the test split."""
        return self.uri(_SHAP)


@dataclass(frozen=True)
class Snapshot:
    """A table in this machine's offline store."""

    uri: str  # of its rows
    event_times: tuple[str, ...]  # of the record's, the oldest first


@dataclass(frozen=True)
class Row:
    """A row of a split."""

    uri: str
    place: Place
    fields: tuple[str, ...]

    @property
    def event_time(self) -> str:
        """The moment that it describes."""
        return self.fields[1]


@dataclass(frozen=True)
class Use:
    """How a run used a record."""

    run: RunFiles
    split: str  # of SPLITS
    row: Row
    answer: tuple[float, ...] = ()  # what the transform kept: label and probability, or a number
    reply: str = ""  # ... or a language model's
    has_explanation: bool = False  # whether local SHAP values of it were kept


@dataclass(frozen=True)
class Files:
    """Finds rows of a record in the files of a folder such as `.local`."""

    local: Path
    key: Key
    erasures: Erasures = field(default_factory=Erasures)
    on_work: OnWork = lambda what: None

    @cached_property
    def storage(self) -> Storage:
        """The storage that the files are in."""
        return Storage(self.local / "s3")

    def index(self, name: str) -> Index:
        """The index of a file's content by its SHA-256, or of a table by its name."""
        return Index(self.local / FOLDER / f"{name[:32]}{SUFFIX}", self.key)

    def row(self, uri: str, sha256: str, identifier: str) -> Row | None:
        """The row of a record in a text file whose lines begin with ids; None if it has none.

        Args:
            sha256: its digest when its step ended.
        """
        file = self._file(uri)
        if file is None:
            return None
        index = self.index(self.erasures.after(uri, sha256))
        if not index.is_of("", file.stat().st_size):
            self.on_work(uri)
            index_lines(index, file)
        for place in index.find(identifier):
            line = line_at(file, place.place)
            if first_field(line) == identifier.encode():
                (fields,) = csv.reader([line.decode()])
                return Row(uri, place, tuple(fields))
        return None

    def _file(self, uri: str) -> Path | None:
        try:
            return self.storage.file(uri)
        except StepError:  # a run's files may be removed
            return None

    def snapshot(self, folder: Path, uri: str, record_id: str, identifier: str) -> Snapshot | None:
        """The rows of a record in a table of the offline store; None if it has none."""
        files = sorted(folder.rglob("*.parquet"))
        listed = [(file.name, file.stat().st_size) for file in files]
        content, size = hashlib.sha256(json.dumps(listed).encode()), sum(s for _, s in listed)
        index = self.index(folder.parent.name)
        if not files:
            return None
        if not index.is_of(content.hexdigest(), size):
            self.on_work(uri)
            index.write(_ids(files, record_id), content.digest(), size)
        times = [_moment(files[place.place], place.row) for place in index.find(identifier)]
        return Snapshot(uri, tuple(sorted(times))) if times else None

    def use(self, run: RunFiles, identifier: str) -> Use | None:
        """How a run used a record; None if none of its splits has it."""
        for split, uri in run.splits.items():
            row = self.row(uri, run.digests[uri], identifier)
            if row is None:
                continue
            if split != "test":
                return Use(run, split, row)
            answers = run.answers
            said = self.row(answers, run.digests[answers], identifier) if answers else None
            answer = tuple(map(float, said.fields[1:])) if said else ()
            explained = self._is_explained(run, row)
            return Use(run, split, row, answer, self._reply(run, identifier), explained)
        return None

    def _reply(self, run: RunFiles, identifier: str) -> str:
        """A language model's reply, as the transform stored it; empty if it stored none."""
        file = self._file(run.replies) if run.replies else None
        if file is None:
            return ""
        lines = file.read_bytes().split(b"\n")
        said = [json.loads(lines[n]) for n in json_lines_of(file, identifier)]
        return str(said[0].get("SageMakerOutput", {}).get("reply", "")) if said else ""

    def _is_explained(self, run: RunFiles, row: Row) -> bool:
        """Whether the evenly spaced rows that have SHAP values include one."""
        file = self._file(run.explanations) if run.explanations else None
        if file is None:
            return False
        explained = file.read_bytes().count(b"\n") - 1  # less the header
        uri = run.splits["test"]
        rows = self.index(self.erasures.after(uri, run.digests[uri])).count
        return row.place.row in {place * rows // explained for place in range(explained)}


def _ids(files: list[Path], record_id: str) -> Iterator[tuple[bytes, int, int]]:
    import pyarrow.parquet as pq

    for number, file in enumerate(files):
        texts = pq.ParquetFile(file).read(columns=[record_id])[record_id].to_pylist()
        for row, text in enumerate(texts):
            yield str(text).encode(), number, row


def _moment(file: Path, row: int) -> str:
    """The event time of a row; only this column of its row group is read."""
    import pyarrow.parquet as pq

    opened, before = pq.ParquetFile(file), 0
    for number in range(opened.num_row_groups):
        rows = opened.metadata.row_group(number).num_rows
        if row < before + rows:
            group = opened.read_row_group(number, columns=[WRITTEN], use_threads=False)
            return str(group[WRITTEN][row - before].as_py())
        before += rows
    raise StateError(
        f"{file} has {before:,} rows, but its index has more: delete .local/{FOLDER}/*.ids"
    )


def runs(state: State, group: str) -> list[RunFiles]:
    """Every run that wrote splits, newest first."""
    rows = state.rows(
        "SELECT s.execution, e.started, s.record FROM steps s JOIN executions e "
        "ON e.id = s.execution WHERE s.record LIKE '%.csv%' "
        "OR s.record LIKE '%.jsonl%' "
        "OR s.record LIKE '%/analysis_config.json%' "
        "ORDER BY e.started DESC, e.rowid DESC, s.rowid"
    )
    digests: dict[tuple[str, str], dict[str, str]] = {}
    for execution, started, record in rows:
        digests.setdefault((execution, started), {}).update(json.loads(record)["digests"])
    registered: dict[str, list[int]] = {}
    for execution, version in state.rows(
        "SELECT execution, version FROM model_packages WHERE package_group = ? ORDER BY version",
        group,
    ):
        registered.setdefault(execution, []).append(version)
    found = (
        RunFiles(execution, started, of_run, tuple(registered.get(execution, ())))
        for (execution, started), of_run in digests.items()
    )
    return [run for run in found if run.splits]
