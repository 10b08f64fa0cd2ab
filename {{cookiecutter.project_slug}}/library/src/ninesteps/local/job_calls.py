"""Answers the AWS calls that a job may make on this machine: Athena's, and reads from S3.

It is a server on 127.0.0.1 for the SDK in the job's script, and runs as long as the job. It answers
only requests with the credentials that it gave to the job; the region is the job's own.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from ninesteps.errors import StepError
from ninesteps.local.athena import Athena, RefusedError
from ninesteps.local.storage import Storage

LOCALHOST = "127.0.0.1"
MAX_BODY = 1_000_000
"""The most bytes in a request: Athena's own limit for a query is 262,144."""

MAX_KEYS = 1000
"""Objects on one page of a list."""

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")


@contextlib.contextmanager
def answered(athena: Athena, storage: Storage) -> Iterator[dict[str, str]]:
    """Answer a job's calls during the block; yield the variables that point its SDK here."""
    key = secrets.token_hex(16)

    class Handler(_Handler):
        """This job's access key."""

    Handler.athena, Handler.storage, Handler.key = athena, storage, key
    with ThreadingHTTPServer((LOCALHOST, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        address = f"http://{LOCALHOST}:{server.server_address[1]}"
        try:
            yield {
                "AWS_ENDPOINT_URL_ATHENA": address,
                "AWS_ENDPOINT_URL_S3": address,
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": key,  # unused, but botocore requires one
            }
        finally:
            athena.end()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection of the SDK."""

    athena: Athena
    storage: Storage
    key: str
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: the job's own log has the errors."""

    def do_POST(self) -> None:
        """Athena: JSON 1.1, the operation in a header."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            self._json(HTTPStatus.BAD_REQUEST, {"__type": "InvalidRequestException",
                                                "message": "expected a length"})  # fmt: skip
            return
        body = self.rfile.read(int(length))
        service, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        if not self._is_known() or service != "AmazonAthena":
            self._json(HTTPStatus.BAD_REQUEST, {
                "__type": "UnrecognizedClientException",
                "message": "expected a call of Athena with the job's own credentials",
            })  # fmt: skip
            return
        try:
            self._json(HTTPStatus.OK, self.athena.call(operation, json.loads(body)))
        except RefusedError as refused:
            answer = {"__type": refused.code, "message": str(refused), "Message": str(refused)}
            self._json(HTTPStatus.BAD_REQUEST, answer)

    def do_GET(self) -> None:
        """S3: get an object, or list a bucket's objects."""
        if not self._is_known():
            self._error(HTTPStatus.FORBIDDEN, "AccessDenied", "expected the job's own credentials")
            return
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        asked = {n: v[-1] for n, v in parse_qs(parts.query, keep_blank_values=True).items()}
        try:
            if key and asked.keys() <= {"x-id"} and "Range" not in self.headers:
                self._object(self.storage.path(f"s3://{bucket}/{key}"), key)
            elif not key and asked.get("list-type") == "2":
                self._list(bucket, asked)
            else:
                message = "on this machine, only GetObject of a whole object and ListObjectsV2 work"
                self._error(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", message)
        except StepError as error:
            self._error(HTTPStatus.BAD_REQUEST, "InvalidURI", str(error))

    def _is_known(self) -> bool:
        found = _CREDENTIAL.match(self.headers.get("Authorization", ""))
        given = found[1] if found else ""
        return hmac.compare_digest(given.encode(), self.key.encode())

    def _object(self, file: Path, key: str) -> None:
        try:
            content = file.open("rb")
        except OSError:
            self._error(HTTPStatus.NOT_FOUND, "NoSuchKey", f"there is no object {key}")
            return
        with content:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "binary/octet-stream")
            self.send_header("Content-Length", str(file.stat().st_size))
            self.send_header("Last-Modified", formatdate(file.stat().st_mtime, usegmt=True))
            self.end_headers()
            shutil.copyfileobj(content, self.wfile, 1 << 20)

    def _list(self, bucket: str, asked: dict[str, str]) -> None:
        known = {"list-type", "prefix", "continuation-token", "encoding-type", "max-keys"}
        if unknown := sorted(asked.keys() - known):
            message = f"not supported on this machine: {', '.join(unknown)}"
            self._error(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", message)
            return
        prefix = asked.get("prefix", "")
        folder, _, start = prefix.rpartition("/")
        place = self.storage.path(f"s3://{bucket}/{folder}/")
        found = sorted(
            (f"{folder}/{name}".lstrip("/"), file)
            for file in (place.rglob("*") if place.is_dir() else ())
            if file.is_file() and (name := file.relative_to(place).as_posix()).startswith(start)
        )
        after = asked.get("continuation-token", "")
        page = [item for item in found if item[0] > after]
        most = min(int(asked.get("max-keys", MAX_KEYS)), MAX_KEYS)
        is_quoted = asked.get("encoding-type") == "url"
        encoding = "<EncodingType>url</EncodingType>" if is_quoted else ""
        shown: Callable[[str], str] = quote if is_quoted else str
        contents = "".join(
            f"<Contents><Key>{escape(shown(key))}</Key><Size>{file.stat().st_size}</Size></Contents>"
            for key, file in page[:most]
        )
        token = ""
        if is_cut := len(page) > most:
            last = escape(page[most - 1][0])
            token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        self._xml(HTTPStatus.OK, (
            f"<ListBucketResult><Name>{escape(bucket)}</Name><Prefix>{escape(shown(prefix))}"
            f"</Prefix><KeyCount>{len(page[:most])}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{'true' if is_cut else 'false'}</IsTruncated>"
            f"{encoding}{token}{contents}</ListBucketResult>"
        ))  # fmt: skip

    def _error(self, status: HTTPStatus, code: str, message: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        self._xml(status, text)

    def _xml(self, status: HTTPStatus, text: str) -> None:
        self._send(status, "application/xml", f'<?xml version="1.0"?>\n{text}'.encode())

    def _json(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        self._send(status, "application/x-amz-json-1.1", json.dumps(answer).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
