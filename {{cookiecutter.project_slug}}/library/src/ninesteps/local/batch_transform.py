"""A batch transform, run as a script: CSV or JSON Lines through a model's `inference.py`.

Filters, joining and batches work as in SageMaker's transform jobs. The script is called as by the
container's toolkit: model_fn once, then input_fn, predict_fn and output_fn for each request. It
imports nothing of this package, since it runs where only the step's code is.
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Row = list[str]
CSV, JSON_LINES = "text/csv", "application/jsonlines"
INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"
"""The keys of a joined JSON Lines record for an input that is not an object, and for the answer."""

_SLICE = re.compile(r"\$\[(-?\d*):(-?\d*)\]")
_LIST = re.compile(r"\$\[(-?\d+(?:,-?\d+)*)\]")
_STEP = re.compile(
    r"\.(?P<name>\w+)|\.?\[(?:(?P<names>'[^'\]]+'(?:,\s*'[^'\]]+')*)"
    r"|(?P<positions>-?\d+(?:,\s*-?\d+)*)|(?P<slice>-?\d*:-?\d*))\]"
)
_MEGABYTE = 1024 * 1024


def main(options_file: str) -> None:
    """Transform every file of the input folder; `<name>.out` goes to the output folder."""
    options = json.loads(Path(options_file).read_text(encoding="utf-8"))
    request, folder = options["request"], Path(options["input"])
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(file.open(newline="", encoding="utf-8")) for file in files]
        for file in files:  # the model may see only what the filter keeps
            with contextlib.suppress(OSError):  # on Windows, an open file cannot be removed
                file.unlink()
        kind = content_type(request)
        predict = serve(Path(options["program"]), options["model_dir"], kind)
        for file, rows in zip(files, opened, strict=True):
            target = Path(options["output"], f"{file.relative_to(folder)}.out")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("w", newline="", encoding="utf-8") as output:
                TRANSFORMS[kind](rows, request, predict, output)


def content_type(request: dict[str, Any]) -> str:
    """The type of requests and answers.

    Raises:
        ValueError: if it is unknown, or the two differ.
    """
    kind = request["TransformInput"]["ContentType"]
    accept = request["TransformOutput"].get("Accept", kind)
    if kind not in TRANSFORMS:
        raise ValueError(f"ContentType: expected {' or '.join(TRANSFORMS)}, got {kind!r}")
    if accept != kind:
        raise ValueError(f"Accept: expected {kind}, as ContentType is, got {accept!r}")
    return str(kind)


def serve(program: Path, model_dir: str, kind: str) -> Callable[[str], str]:
    """Load the model; return a function that answers a batch of records, both as text."""
    sys.path.insert(0, str(program.parent))
    script = importlib.import_module(program.stem)
    model = script.model_fn(model_dir)

    def predict(records: str) -> str:
        data = script.input_fn(records.encode(), kind)
        answer = script.output_fn(script.predict_fn(data, model), kind)
        if isinstance(answer, tuple):  # (text, content type)
            answer = answer[0]
        return answer.decode() if isinstance(answer, bytes) else str(answer)

    return predict


def transform_csv(
    lines: Iterable[str], request: dict[str, Any], predict: Callable[[str], str], output: Any
) -> None:
    """Send the rows of a table in batches of the largest size allowed, and write the answers."""
    sent, kept, joined = _processing(request, row_filter)
    writer = csv.writer(output, lineterminator="\n")
    line = csv.writer(SimpleNamespace(write=str), lineterminator="\n").writerow  # returns the text
    for rows, text in _batches(csv.reader(lines), lambda row: line(sent(row)), request):
        answers = _one_for_each(rows, list(csv.reader(io.StringIO(predict(text), newline=""))))
        for row, answer in zip(rows, answers, strict=True):
            writer.writerow(kept([*row, *answer] if joined else answer))


def transform_json_lines(
    lines: Iterable[str], request: dict[str, Any], predict: Callable[[str], str], output: Any
) -> None:
    """Send JSON values in batches of the largest size allowed, and write a line for each answer.

    An answer is joined to its input as `SageMakerOutput`; an input that is not an object becomes
    `SageMakerInput`.
    """
    sent, kept, joined = _processing(request, json_filter)
    records = _json_values(lines)
    for batch, text in _batches(records, lambda record: _json_line(sent(record)), request):
        answers = _one_for_each(batch, [*_json_values(predict(text).split("\n"))])
        for record, answer in zip(batch, answers, strict=True):
            whole = {**(record if isinstance(record, dict) else {INPUT: record}), OUTPUT: answer}
            output.write(_json_line(kept(whole if joined else answer)))


TRANSFORMS = {CSV: transform_csv, JSON_LINES: transform_json_lines}
"""The transforms by content type."""


def _processing(
    request: dict[str, Any], filter_of: Callable[[str], Callable[[Any], Any]]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any], bool]:
    """The input filter, the output filter, and whether input and answer are joined."""
    processing = request.get("DataProcessing", {})
    sent, kept = (filter_of(processing.get(name, "$")) for name in ("InputFilter", "OutputFilter"))
    return sent, kept, processing.get("JoinSource") == "Input"


def _one_for_each(batch: list[Any], answers: list[Any]) -> list[Any]:
    if len(answers) != len(batch):
        raise ValueError(f"expected {len(batch)} answers from the model, got {len(answers)}")
    return answers


def _batches(
    records: Iterable[Any], line: Callable[[Any], str], request: dict[str, Any]
) -> Iterator[tuple[list[Any], str]]:
    """Batches of records with the lines to send, whose size is limited."""
    limit = int(request.get("MaxPayloadInMB", 6)) * _MEGABYTE
    single = request.get("BatchStrategy", "MultiRecord") == "SingleRecord"
    batch: list[Any] = []
    lines: list[str] = []
    size = 0
    for record in records:
        text = line(record)
        length = len(text.encode())
        if length > limit:
            raise ValueError(f"a record has {length:,} bytes, more than MaxPayloadInMB allows")
        if batch and (single or size + length > limit):
            yield batch, "".join(lines)
            batch, lines, size = [], [], 0
        batch.append(record)
        lines.append(text)
        size += length
    if batch:
        yield batch, "".join(lines)


def _json_values(lines: Iterable[str]) -> Iterator[Any]:
    """The value on each line, without empty lines."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield json.loads(line, parse_constant=_no_number)
            except ValueError as error:
                raise ValueError(f"line {number}: expected JSON: {error}") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _json_line(value: Any) -> str:
    return f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n"


def row_filter(path: str) -> Callable[[Row], Row]:
    """SageMaker's filters for CSV records: `$`, `$[5:]`, `$[0,-2,-1]`."""
    if path == "$":
        return list
    if match := _SLICE.fullmatch(path):
        start, stop = (int(text) if text else None for text in match.groups())
        return lambda row: row[start:stop]
    if match := _LIST.fullmatch(path):
        positions = [int(text) for text in match[1].split(",")]
        return lambda row: [row[position] for position in positions]
    raise ValueError(f"filter: expected $, $[5:] or $[0,-1], got {path!r}")


def json_filter(path: str) -> Callable[[Any], Any]:
    """SageMaker's filters for JSON: `$`, `$.messages`, `$['id','SageMakerOutput']`, `$.rows[0,-1]`.

    A path that ends with one name or position selects a value; several names select an object,
    several positions or a slice an array. Only the last step may select several. Wildcards are not
    supported.

    Raises:
        ValueError: for an unsupported path; from the filter, for a record without the named value.
    """
    steps, end = [], 1
    while path.startswith("$") and (match := _STEP.match(path, end)):
        steps.append(_step(match))
        end = match.end()
    if not path.startswith("$") or end != len(path) or any(several for _, several in steps[:-1]):
        raise ValueError(
            "filter: expected a path such as $, $.messages or $['id','SageMakerOutput'], "
            f"got {path!r}"
        )

    def kept(value: Any) -> Any:
        for take, _ in steps:
            try:
                value = take(value)
            except (LookupError, TypeError):
                raise ValueError(f"filter {path}: a record has no such value") from None
        return value

    return kept


def _step(match: re.Match[str]) -> tuple[Callable[[Any], Any], bool]:
    """The selector of one step of a path, and whether it may select several values."""
    names = re.findall(r"'([^']+)'", match["names"] or "") or [match["name"]]
    if match["slice"]:
        start, stop = (int(text) if text else None for text in match["slice"].split(":"))
        return lambda value: _array(value)[start:stop], True
    if match["positions"]:
        positions = [int(text) for text in match["positions"].split(",")]
        if len(positions) == 1:
            return lambda value: _array(value)[positions[0]], False
        return lambda value: [_array(value)[position] for position in positions], True
    if len(names) == 1:
        return lambda value: _object(value)[names[0]], False
    return lambda value: {name: _object(value)[name] for name in names}, True


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


if __name__ == "__main__":
    main(sys.argv[1])
