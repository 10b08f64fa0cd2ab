"""A process of the endpoint: runs the archive's `inference.py` as the container does.

    python worker.py ARCHIVE PROGRAM

For tabular models, requests are checked here, since the XGBoost container leaves that to its
clients. Language models' scripts are called as by Hugging Face's server, including its mistakes.

Requests arrive on standard input and answers leave on standard output, in frames; the script's
output goes to the log. When the input ends, for any reason, the process ends with all its children.
It imports nothing of this package, which is not on the script's path.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import math
import os
import re
import select
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

REQUEST = struct.Struct("!HHI")
"""A request's frame: the lengths of content type, accepted type and body, which follow."""

ANSWER = struct.Struct("!HHI")
"""An answer's frame: status, lengths of content type and body, which follow. The first one means
"ready"."""

CSV, JSON = "text/csv", "application/json"
UNKNOWN = "unknown"
"""The key in a JSON answer for columns of a raw record with an unknown value."""

LANGUAGE_MODEL = "language_model"
HF_FAILED = 400
"""Hugging Face's status for any exception of a script."""

MAX_SENTENCE = 300
MAX_BODY = 6 * 1024 * 1024
"""The most bytes in a request or an answer of InvokeEndpoint, from the service's model."""

MAX_RECORD_ANSWER = 1024  # bytes; a longer answer to one record is the model's fault
MAX_RECORDS = 100_000
"""The most records in a request: this many answers in SageMaker's JSON fit into the limit."""

MAX_FIELDS = 2500
"""The most fields in a record: a feature group cannot have more features."""

MARK = "NINESTEPS_ENDPOINT_PROCESS"
"""The variable that marks a worker's child processes: each worker has its own value."""

_MAY_BE_INFINITE = re.compile(rb"[nNiIeE](?:[aA][nN]|[nN][fF]|\+?[0-9]{3})")
"""Matches numbers that may not be finite; searching for a set of bytes first is fast."""

_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * 200  # in a number that may be too large with a two-digit exponent
_BETWEEN_NUMBERS = re.compile(rb"[^0-9A-Za-z.+-]+")
_CONTENT_TYPE = re.compile(r"[!-~][ -~]{0,199}")


class BadRequest(Exception):  # the client's fault
    """A request that the model cannot read, with its HTTP status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def main(archive: str, program: str) -> None:
    """Load the model, report "ready", and answer until the input ends."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # not for the script and its children
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=[requests.fileno()], daemon=True).start()
    code = Path(archive, "code")
    sys.path[0] = str(code)
    script = importlib.import_module(Path(program).stem)
    model = script.model_fn(archive)
    columns = json.loads((code / "columns.json").read_text(encoding="utf-8"))
    replies, features = columns.get("problem") == LANGUAGE_MODEL, len(columns["features"])
    _write(answers, 200, "", b"")
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        lengths = REQUEST.unpack(head)
        content_type, accept, body = (requests.read(length) for length in lengths)
        try:
            given = (content_type.decode("latin-1"), accept.decode("latin-1"), body)
            if replies:
                answer = _replied(script, model, *given)
            else:
                answer = 200, *_answer(script, model, features, *given)
        except BadRequest as refused:
            answer = refused.status, "text/plain", str(refused).encode()
        except Exception:
            traceback.print_exc()
            status = HF_FAILED if replies else 500
            answer = status, "text/plain", b"the model failed; its log says why"
        _write(answers, *answer)
    end_started(os.getpid(), os.environ.get(MARK, ""))


def _end_with(requests: int) -> None:
    """End the process when its input closes, even during a request."""
    if hasattr(select, "poll"):  # not on Windows
        waiting = select.poll()
        waiting.register(requests, select.POLLHUP)
        waiting.poll()
        end_started(os.getpid(), os.environ.get(MARK, ""))


def end_started(pid: int, mark: str) -> None:
    """Kill a process's children: its group and, on Linux, marked processes that left the group.

    If the process leads the group, it is killed too.
    """
    for other in _marked(mark):
        if other != pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _marked(mark: str) -> Iterator[int]:
    """The processes with the mark in their environment."""
    variable = f"{MARK}={mark}".encode()
    for file in Path("/proc").glob("[0-9]*/environ") if mark else ():
        with contextlib.suppress(OSError):  # another user's, or gone
            if variable in file.read_bytes().split(b"\0"):
                yield int(file.parent.name)


def _write(answers: BinaryIO, status: int, content_type: str, body: bytes) -> None:
    kind = content_type.encode("latin-1")
    answers.write(ANSWER.pack(status, len(kind), len(body)) + kind + body)
    answers.flush()


class _Context:
    """The context that Hugging Face's server passes to a script, for setting the answer's
    status."""

    status = 200

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """As in `mms.context.Context`."""
        self.status = code


def _replied(
    script: Any, model: Any, content_type: str, accept: str, body: bytes
) -> tuple[int, str, bytes]:
    """The status, content type and body of Hugging Face's server for a request.

    As `handle` in `handler_service.py` of `sagemaker-huggingface-inference-toolkit`.
    """
    context = _Context()

    def call(function: Any, *given: Any) -> Any:
        takes_context = len(inspect.signature(function).parameters) > len(given)
        return function(*given, *([context] if takes_context else []))

    accept = JSON if accept in ("", "*/*") else accept
    try:
        text = body.decode() if content_type in (JSON, CSV) else body
    except UnicodeDecodeError:  # the server treats it like any error of the script
        raise BadRequest(HF_FAILED, "expected UTF-8, got other bytes") from None
    request = call(script.input_fn, text, content_type or None)
    said = call(script.output_fn, call(script.predict_fn, request, model), accept)
    if not isinstance(said, str | bytes):
        raise TypeError(f"expected text or bytes from output_fn, got {type(said).__name__}")
    content = said if isinstance(said, bytes) else said.encode()
    if len(content) > MAX_BODY:
        raise RuntimeError(f"expected an answer of at most {MAX_BODY} bytes, got {len(content)}")
    return context.status, accept if _CONTENT_TYPE.fullmatch(accept) else JSON, content


def _answer(
    script: Any, model: Any, features: int, content_type: str, accept: str, body: bytes
) -> tuple[str, bytes]:
    """The content type and body of the script's answer."""
    known = getattr(script, "CONTENT_TYPES", (CSV,))
    if _plain(content_type) not in known:
        kinds = " or ".join(known)
        raise BadRequest(415, f"content-type: expected {kinds}, got {content_type[:50]!a}")
    accept = _plain(accept) if _plain(accept) not in ("", "*/*") else _plain(content_type)
    if accept not in known:
        raise BadRequest(406, f"accept: expected {' or '.join(known)}, got {accept[:50]!a}")
    data = _read(script, features, content_type, body)
    answer = script.output_fn(script.predict_fn(data, model), accept)
    text, kind = answer if isinstance(answer, tuple) else (answer, accept)
    content = text if isinstance(text, bytes) else str(text).encode()
    _check_answer(kind, content, data.shape[0])
    return kind, content


def _read(script: Any, features: int, content_type: str, body: bytes) -> Any:
    """The records, (n, features), as read by the script; any error is the client's fault.

    The script has only the request. A script that can read nothing fails the golden requests.
    """
    if _plain(content_type) == CSV:
        _check_size(body, features)
    try:
        data = script.input_fn(body, content_type)
    except Exception as error:
        if not isinstance(error, ValueError):
            traceback.print_exc()
        raise BadRequest(400, _sentence(error, script, content_type)) from None
    rows, columns = data.shape
    if not rows:
        raise BadRequest(400, "expected at least one record, got none")
    if columns != features:
        raise BadRequest(400, f"expected {features} fields in a record, got {columns}")
    if rows > MAX_RECORDS:
        raise BadRequest(413, f"expected at most {MAX_RECORDS:,} records, got {rows:,}")
    return data


def _check_size(body: bytes, features: int) -> None:
    """Check the size before parsing: a parser may need a kilobyte per comma."""
    first = body.find(b"\n")
    fields = body.count(b",", 0, first if first >= 0 else len(body)) + 1
    if fields > max(features, MAX_FIELDS):
        raise BadRequest(400, f"expected {features} fields in a record, got {fields}")
    could_be = len(body) // max(features, 1)  # each field ends with a comma or a line end
    if could_be > MAX_RECORDS and (rows := body.count(b"\n")) > MAX_RECORDS:
        raise BadRequest(413, f"expected at most {MAX_RECORDS:,} records, got {rows:,}")


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _check_answer(kind: str, content: bytes, rows: int) -> None:
    """Check an answer; an error is the model's fault, unless too many records make it too long.

    Raises:
        BadRequest: for too many records.
        RuntimeError: for an invalid answer.
    """
    if not _CONTENT_TYPE.fullmatch(kind):
        raise RuntimeError(f"expected the answer's content type, got {kind!a}")
    if rows * MAX_RECORD_ANSWER >= len(content) > MAX_BODY:
        raise BadRequest(413, f"expected fewer records: the answer has {len(content)} bytes")
    if len(content) > MAX_BODY:
        raise RuntimeError(f"expected an answer of at most {MAX_BODY} bytes, got {len(content)}")
    answers = list(json.loads(content)["predictions"]) if kind == JSON else content.splitlines()
    if len(answers) != rows:
        raise RuntimeError(f"expected {rows} answers from the model, got {len(answers)}")
    if kind in (CSV, JSON) and _may_be_infinite(content):
        if kind == JSON:  # the names of columns are not numbers
            named = [a for a in answers if isinstance(a, dict) and a.pop(UNKNOWN, None)]
            content = json.dumps(answers).encode() if named else content
        fields = _BETWEEN_NUMBERS.split(content)
        if not all(map(_is_finite, fields)):
            raise RuntimeError("expected finite numbers from the model, got others")


def _may_be_infinite(content: bytes) -> bool:
    """Whether a JSON number may be infinite: numbers such as 1e999 are too large for a float."""
    has_many_digits = _MANY_DIGITS in content.translate(_AS_ZEROS)
    return has_many_digits or _MAY_BE_INFINITE.search(content) is not None


def _is_finite(field: bytes) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:  # a word
        return True


def _sentence(error: Exception, script: Any, content_type: str) -> str:
    """The message of the archive's own error; a library's error might disclose internals."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    own = Path(script.__file__).parent
    is_own = place and Path(place.tb_frame.f_code.co_filename).parent == own
    is_own = is_own and isinstance(error, ValueError)
    message = " ".join(str(error).split())[:MAX_SENTENCE] if is_own else ""
    return message or f"the body cannot be read as {_plain(content_type)}: expected numbers"


if __name__ == "__main__":
    main(*sys.argv[1:])
