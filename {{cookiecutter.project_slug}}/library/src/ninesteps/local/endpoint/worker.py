"""A process of the endpoint: the archive's `inference.py`, called as the container calls it.

    python worker.py ARCHIVE PROGRAM

Requests come by standard input and answers go by standard output, in frames; what the script
prints goes to the log. It stands alone: nothing of this package is on the script's path.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO

REQUEST = struct.Struct("!HHI")
"""Lengths of content type, accepted type and body, which follow."""

ANSWER = struct.Struct("!HHI")
"""Status, lengths of content type and body, which follow. The first answer means: ready."""

CSV, JSON = "text/csv", "application/json"
MAX_SENTENCE = 300


class BadRequest(Exception):  # it is the request's fault
    """A request that the model cannot read, and the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def main(archive: str, program: str) -> None:
    """Load the model, report that it is ready, and answer until the input ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    code = Path(archive, "code")
    sys.path[0] = str(code)
    script = importlib.import_module(Path(program).stem)
    model = script.model_fn(archive)
    features = json.loads((code / "columns.json").read_text(encoding="utf-8"))["features"]
    _write(answers, 200, "", b"")
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        lengths = REQUEST.unpack(head)
        content_type, accept, body = (requests.read(length) for length in lengths)
        try:
            given = (content_type.decode("latin-1"), accept.decode("latin-1"), body)
            _write(answers, 200, *_answer(script, model, len(features), *given))
        except BadRequest as refused:
            _write(answers, refused.status, "text/plain", str(refused).encode())
        except Exception:
            traceback.print_exc()
            _write(answers, 500, "text/plain", b"the model failed; its log says why")


def _write(answers: BinaryIO, status: int, content_type: str, body: bytes) -> None:
    kind = content_type.encode("latin-1")
    answers.write(ANSWER.pack(status, len(kind), len(body)) + kind + body)
    answers.flush()


def _answer(
    script: Any, model: Any, features: int, content_type: str, accept: str, body: bytes
) -> tuple[str, bytes]:
    """The content type and body that the script answers a request with."""
    known = getattr(script, "CONTENT_TYPES", (CSV,))
    if _plain(content_type) not in known:
        kinds = " or ".join(known)
        raise BadRequest(415, f"content-type: expected {kinds}, got {content_type[:50]!a}")
    accept = _plain(accept) if _plain(accept) not in ("", "*/*") else _plain(content_type)
    if accept not in known:
        raise BadRequest(406, f"accept: expected {' or '.join(known)}, got {accept[:50]!a}")
    try:
        data = script.input_fn(body, content_type)
    except ValueError as error:
        raise BadRequest(400, _sentence(error, script, content_type)) from None
    rows, columns = data.shape
    if not rows:
        raise BadRequest(400, "expected at least one record, got none")
    if columns != features:
        raise BadRequest(400, f"expected {features} fields in a record, got {columns}")
    answer = script.output_fn(script.predict_fn(data, model), accept)
    text, kind = answer if isinstance(answer, tuple) else (answer, accept)
    content = text if isinstance(text, bytes) else str(text).encode()
    if (answers := _answers(content, kind)) != rows:
        raise RuntimeError(f"expected {rows} answers of the model, got {answers}")
    return kind, content


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _answers(content: bytes, kind: str) -> int:
    """How many records an answer is for."""
    return len(json.loads(content)["predictions"] if kind == JSON else content.splitlines())


def _sentence(error: ValueError, script: Any, content_type: str) -> str:
    """The script's own message; a library's may say something of the inside."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    is_own = place and place.tb_frame.f_code.co_filename == script.__file__
    message = " ".join(str(error).split())[:MAX_SENTENCE] if is_own else ""
    return message or f"the body cannot be read as {_plain(content_type)}: expected numbers"


if __name__ == "__main__":
    main(*sys.argv[1:])
