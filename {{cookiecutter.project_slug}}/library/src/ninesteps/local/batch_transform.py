"""A batch transform, run as a script: records of CSV files through a model's `inference.py`.

Filters, joining and batches are those of SageMaker's transform jobs; the script is called as the
container's toolkit calls it: model_fn once, then input_fn, predict_fn and output_fn a request.
It stands alone: nothing of this package is imported, as it runs where only the step's code is.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Row = list[str]
_SLICE = re.compile(r"\$\[(-?\d*):(-?\d*)\]")
_LIST = re.compile(r"\$\[(-?\d+(?:,-?\d+)*)\]")
_MEGABYTE = 1024 * 1024


def main(options_file: str) -> None:
    """Transform every file of the input folder; `<name>.out` goes to the output folder."""
    options = json.loads(Path(options_file).read_text(encoding="utf-8"))
    request, folder = options["request"], Path(options["input"])
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(file.open(newline="", encoding="utf-8")) for file in files]
        for file in files:  # a model is sent what the filter keeps, and has no more to look at
            with contextlib.suppress(OSError):  # on Windows none that is open can be removed
                file.unlink()
        predict = serve(Path(options["program"]), options["model_dir"], request)
        for file, rows in zip(files, opened, strict=True):
            target = Path(options["output"], f"{file.relative_to(folder)}.out")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("w", newline="", encoding="utf-8") as output:
                transform(csv.reader(rows), request, predict, output)


def serve(program: Path, model_dir: str, request: dict[str, Any]) -> Callable[[str], list[Row]]:
    """Load the model and give what predicts a batch of records, as CSV: a row of answers each."""
    sys.path.insert(0, str(program.parent))
    script = importlib.import_module(program.stem)
    model = script.model_fn(model_dir)
    content_type = request["TransformInput"]["ContentType"]
    accept = request["TransformOutput"].get("Accept", content_type)

    def predict(records: str) -> list[Row]:
        data = script.input_fn(records.encode(), content_type)
        answer = script.output_fn(script.predict_fn(data, model), accept)
        if isinstance(answer, tuple):  # with its content type
            answer = answer[0]
        text = answer.decode() if isinstance(answer, bytes) else str(answer)
        return list(csv.reader(io.StringIO(text)))

    return predict


def transform(
    rows: Iterator[Row],
    request: dict[str, Any],
    predict: Callable[[str], list[Row]],
    output: Any,
) -> None:
    """Send records in batches as large as a request may be, and write what comes back."""
    processing = request.get("DataProcessing", {})
    sent = row_filter(processing.get("InputFilter", "$"))
    kept = row_filter(processing.get("OutputFilter", "$"))
    joined = processing.get("JoinSource") == "Input"
    limit = int(request.get("MaxPayloadInMB", 6)) * _MEGABYTE
    single = request.get("BatchStrategy", "MultiRecord") == "SingleRecord"
    writer = csv.writer(output, lineterminator="\n")
    for batch, records in _batches(rows, sent, limit, single):
        answers = predict(records)
        if len(answers) != len(batch):
            raise ValueError(f"expected {len(batch)} answers of the model, got {len(answers)}")
        for row, answer in zip(batch, answers, strict=True):
            writer.writerow(kept([*row, *answer] if joined else answer))


def _batches(
    rows: Iterator[Row], sent: Callable[[Row], Row], limit: int, single: bool
) -> Iterator[tuple[list[Row], str]]:
    """Rows that make one request, and what of them is sent: each is written once, and measured."""
    batch: list[Row] = []
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\n")
    size = 0
    for row in rows:
        writer.writerow(sent(row))
        length = len(lines[-1].encode())
        if length > limit:
            raise ValueError(f"a record has {length:,} bytes, more than MaxPayloadInMB allows")
        if batch and (single or size + length > limit):
            yield batch, "".join(lines[:-1])
            del lines[:-1]
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch, "".join(lines)


def row_filter(path: str) -> Callable[[Row], Row]:
    """SageMaker's filters of CSV records: `$`, `$[5:]`, `$[0,-2,-1]`."""
    if path == "$":
        return list
    if match := _SLICE.fullmatch(path):
        start, stop = (int(text) if text else None for text in match.groups())
        return lambda row: row[start:stop]
    if match := _LIST.fullmatch(path):
        positions = [int(text) for text in match[1].split(",")]
        return lambda row: [row[position] for position in positions]
    raise ValueError(f"filter: expected $, $[5:] or $[0,-1], got {path!r}")


if __name__ == "__main__":
    main(sys.argv[1])
