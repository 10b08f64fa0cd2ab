"""A model as it will serve: the `inference.py` of its archive answers, in a separate process.

So the evaluation measures what will serve: an archive's modules may differ from those of the step
that evaluates it. And the archive's code cannot affect the evaluating process.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

import archive_process
from container import extract, read_json, write_json
from dataset import Columns, DataError
from known_answers import ALONE, is_same, spaced

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

LARGEST_REQUEST = 6 * 1024 * 1024
"""A batch transform's default request size, in bytes."""


@dataclass(frozen=True)
class Answers:
    """The answers of a model to n records."""

    text: str  # as the model wrote them, one line for each record
    labels: Floats  # (n,): 0 and 1, or the estimated numbers
    probabilities: Floats | None  # (n,); None for a regression


@dataclass(frozen=True)
class ServedModel:
    """An unpacked archive."""

    folder: Path
    sha256: str  # of the bytes that were unpacked

    @staticmethod
    def unpack(archive: Path) -> ServedModel:
        """Unpack a `model.tar.gz` beside itself."""
        folder = archive.parent / "model"
        return ServedModel(folder, extract(archive, folder))

    def ask(self, requests: Sequence[str], kind: str = archive_process.CSV) -> list[str]:
        """The archive's answers to requests, in order, in the same content type.

        Raises:
            DataError: if it fails to answer one.
        """
        with tempfile.TemporaryDirectory() as name:
            exchange = Path(name)
            write_json(exchange / archive_process.REQUESTS, list(requests))
            if _can_fork():
                status = _run_forked(self.folder, exchange, kind)
            else:
                import subprocess  # slow to import, and not needed with a fork

                command = [sys.executable, archive_process.__file__, str(self.folder), name, kind]
                status = subprocess.run(command, check=False).returncode
            answers = exchange / archive_process.ANSWERS
            answered = read_json(answers) if answers.is_file() else {}
        texts = answered.get("texts")
        if status or texts is None or len(texts) != len(requests):
            why = answered.get("error", f"its process ended with status {status}")
            raise DataError(f"inference.py of the model's archive fails: {why}")
        return [str(text) for text in texts]


@dataclass(frozen=True)
class ArchivePredictor:
    """A predictor that uses the archive's own `inference.py` instead of its model."""

    model: ServedModel
    is_regression: bool

    def predict(self, features: Singles) -> Floats:
        """Probabilities or numbers, (n,), from (n, features)."""
        table = pa.table({str(i): pa.array(column, from_pandas=True)
                          for i, column in enumerate(features.T)})  # fmt: skip
        written = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=False)
        pyarrow.csv.write_csv(table, written, options)
        records = written.getvalue().decode().split("\n")[:-1]
        texts = self.model.ask([*_batches(records)])
        answers = np.concatenate([_numbers(text, self.is_regression) for text in texts])
        if len(answers) != len(features) or not np.isfinite(answers).all():
            raise _wrong(
                f"{len(features)} finite answers", f"{np.isfinite(answers).all(axis=1).sum()}"
            )
        scores: Floats = answers[:, -1]
        return scores

    def contributions(self, features: Singles) -> None:
        """None, since the archive's code is unknown."""


def records_of(folder: Path, name: str, columns: Columns) -> list[str]:
    """The records of a split as a transform sends them: their features as text."""
    text = (folder / f"{name}.csv").read_text(encoding="utf-8")
    before = len(columns.names) - len(columns.features)
    if '"' in text:
        rows = csv.reader(io.StringIO(text, newline=""))
        return [",".join(row[before:]) for row in rows]
    return [line.split(",", before)[before] for line in text.split("\n")[:-1]]


def requests_of(records: Sequence[str]) -> list[str]:
    """All records in batches, as in a transform; then some records one by one."""
    return [*_batches(records), *(f"{records[n]}\n" for n in spaced(len(records), ALONE))]


def _batches(records: Sequence[str]) -> Iterator[str]:
    batch: list[str] = []
    size = 0
    for record in records:
        if batch and size + len(record) + 1 > LARGEST_REQUEST:
            yield "".join(batch)
            batch, size = [], 0
        batch.append(f"{record}\n")
        size += len(record) + 1
    yield "".join(batch)


def read_answers(texts: Sequence[str], ids: Sequence[str], is_regression: bool) -> Answers:
    """The answers to the requests that `requests_of` makes for the records with these ids.

    Raises:
        DataError: if an answer is missing or not finite, or differs when its record is sent alone.
    """
    alone = spaced(len(ids), ALONE)
    numbers = [_numbers(text, is_regression) for text in texts]
    of_batches = texts[: len(texts) - len(alone)]
    together = np.concatenate(numbers[: len(of_batches)])
    if len(together) != len(ids):
        raise _wrong(f"{len(ids)} answers", f"{len(together)}")
    is_wrong = ~np.isfinite(together).all(axis=1)
    if not is_regression:
        is_wrong |= ~np.isin(together[:, 0], (0, 1))
    if is_wrong.any():
        first = int(np.argmax(is_wrong))
        kind = "a finite number" if is_regression else "label 0 or 1 and a finite probability"
        raise _wrong(f"{kind} for record {ids[first]!r}", _shown(together[first]))
    for position, answer in zip(alone, numbers[len(of_batches) :], strict=True):
        if not (len(answer) == 1 and is_same(tuple(answer[0]), tuple(together[position]))):
            raise _wrong(
                f"{_shown(together[position])} for record {ids[position]!r} alone, as in a batch",
                "; ".join(map(_shown, answer)) or "no answer",
            )
    labels = together[:, 0]
    return Answers("".join(of_batches), labels, None if is_regression else together[:, 1])


def _numbers(text: str, is_regression: bool) -> Floats:
    """The numbers of an answer, (records, 1) or (records, 2)."""
    names = ["answer"] if is_regression else ["label", "probability"]
    if not text:
        return np.empty((0, len(names)))
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text.encode()),
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()), null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        kind = " and ".join(names)
        raise _wrong(f"a line of {kind} for each record", repr(text[:50])) from None
    return np.column_stack([column.to_numpy() for column in table.columns])


def _shown(answer: Floats) -> str:
    return ",".join(f"{number:.9g}" for number in answer)


def _wrong(expected: str, got: str) -> DataError:
    return DataError(f"inference.py of the model's archive: expected {expected}, got {got}")


def _can_fork() -> bool:
    """Whether this process may be forked: a fork has only one of its threads.

    A fork saves the child its imports, which take longer than its work.
    """
    return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208


def _run_forked(folder: Path, exchange: Path, kind: str) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        status = archive_process.main(str(folder), str(exchange), kind)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
