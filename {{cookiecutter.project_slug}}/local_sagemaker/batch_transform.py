"""A batch transform, run as a script: records of CSV files through a model's `inference.py`.

Filters, joining and batches are those of SageMaker's transform jobs; the script is called as the
container's toolkit calls it: model_fn once, then input_fn, predict_fn and output_fn a request.
It stands alone: nothing of this package is imported, as it runs where only the step's code is.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = list[str]
_SLICE = re.compile(r"\$\[(-?\d*):(-?\d*)\]")
_LIST = re.compile(r"\$\[(-?\d+(?:,-?\d+)*)\]")
_MEGABYTE = 1024 * 1024


def main(options_file: str) -> None:
    """Transform every file of the input folder; `<name>.out` goes to the output folder."""
    options = json.loads(Path(options_file).read_text(encoding="utf-8"))
    request, folder = options["request"], Path(options["input"])
    predict = serve(Path(options["program"]), options["model_dir"], request)
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        target = Path(options["output"], f"{file.relative_to(folder)}.out")
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            file.open(newline="", encoding="utf-8") as rows,
            target.open("w", newline="", encoding="utf-8") as output,
        ):
            transform(csv.reader(rows), request, predict, output)


def serve(
    program: Path, model_dir: str, request: dict[str, Any]
) -> Callable[[list[Row]], list[Row]]:
    """Load the model and give what predicts a batch of records: a row of answers for each."""
    sys.path.insert(0, str(program.parent))
    script = importlib.import_module(program.stem)
    model = script.model_fn(model_dir)
    content_type = request["TransformInput"]["ContentType"]
    accept = request["TransformOutput"].get("Accept", content_type)

    def predict(records: list[Row]) -> list[Row]:
        body = _csv_text(records).encode()
        data = script.input_fn(body, content_type)
        answer = script.output_fn(script.predict_fn(data, model), accept)
        if isinstance(answer, tuple):  # with its content type
            answer = answer[0]
        text = answer.decode() if isinstance(answer, bytes) else str(answer)
        answers = list(csv.reader(io.StringIO(text)))
        if len(answers) != len(records):
            raise ValueError(f"the model gave {len(answers)} answers to {len(records)} records")
        return answers

    return predict


def transform(
    rows: Iterator[Row],
    request: dict[str, Any],
    predict: Callable[[list[Row]], list[Row]],
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
    for batch in _batches(rows, sent, limit, single):
        answers = predict([sent(row) for row in batch])
        for row, answer in zip(batch, answers, strict=True):
            writer.writerow(kept([*row, *answer] if joined else answer))


def _batches(
    rows: Iterator[Row], sent: Callable[[Row], Row], limit: int, single: bool
) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        length = len(_csv_text([sent(row)]).encode())
        if length > limit:
            raise ValueError(f"a record has {length:,} bytes, more than MaxPayloadInMB allows")
        if batch and (single or size + length > limit):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


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
    raise ValueError(f"the filter {path!r} is not known here; $, $[5:] and $[0,-1] are")


def _csv_text(rows: list[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    main(sys.argv[1])
