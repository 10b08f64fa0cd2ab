"""What answers InvokeEndpoint: the archive's own `inference.py`, in a process that serves it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import container
from ninesteps.local.endpoint import worker


@dataclass(frozen=True)
class Answer:
    """An answer of a container."""

    status: int
    content_type: str
    body: bytes


class Served:
    """A model that was loaded; `close` ends its process."""

    def __init__(self, archive: Path, folder: Path, environment: dict[str, str]) -> None:
        """Load a model.

        Args:
            archive: its `model.tar.gz`.
            folder: it is unpacked there.
            environment: the variables of the model's container.
        """
        container.extract(archive, folder)
        command = [sys.executable, worker.__file__, str(folder), environment["SAGEMAKER_PROGRAM"]]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
        assert self._read().status == 200

    def ask(self, body: bytes, content_type: str, accept: str) -> Answer:
        """Send one request."""
        texts = (content_type.encode(), accept.encode(), body)
        stdin: Any = self.process.stdin
        stdin.write(worker.REQUEST.pack(*map(len, texts)) + b"".join(texts))
        stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(timeout=10)

    def _read(self) -> Answer:
        stdout: Any = self.process.stdout
        status, of_type, of_body = worker.ANSWER.unpack(stdout.read(worker.ANSWER.size))
        return Answer(status, stdout.read(of_type).decode(), stdout.read(of_body))
