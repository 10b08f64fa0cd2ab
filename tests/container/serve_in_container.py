"""Serves a model as the XGBoost image does and sends it requests: run with the toolkit's Python.

Usage: serve_in_container.py worker|handler REQUESTS.json ANSWERS.json

`worker` is what a script is served by there: the calls are those of `serving.py` and
`sagemaker_containers_patch/server.py` in aws/sagemaker-xgboost-container, without its web server.
`handler` is the newer toolkit's convention, which the image's multi-model server and the
scikit-learn image follow.
"""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import collections
import collections.abc
import json
import sys
from pathlib import Path
from typing import Any

# The image patches the toolkit to the same effect: Python 3.10 dropped this name.
collections.Mapping = collections.abc.Mapping  # type: ignore[attr-defined]

from sagemaker_containers.beta.framework import (  # noqa: E402
    env,
    modules,
    transformer,
    worker,
)
from sagemaker_inference.default_handler_service import DefaultHandlerService  # noqa: E402


def main(kind: str, requests_file: str, answers_file: str) -> None:
    """Answer every request of a file."""
    answer = {"worker": _worker, "handler": _handler}[kind]()
    requests = json.loads(Path(requests_file).read_text(encoding="utf-8"))
    answers = {name: answer(request) for name, request in requests.items()}
    Path(answers_file).write_text(json.dumps(answers), encoding="utf-8")


def _worker() -> Any:
    """What answers a request by the Flask application of `sagemaker-containers`."""
    environment = env.ServingEnv()
    script = modules.import_module(environment.module_dir, environment.module_name)
    functions = ("model_fn", "input_fn", "predict_fn", "output_fn")
    serving = transformer.Transformer(**{name: getattr(script, name) for name in functions})
    serving.initialize()
    client = worker.Worker(serving.transform, module_name=environment.module_name).test_client()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        response = client.open(
            request["path"],
            method=request["method"],
            headers=request.get("headers", {}),
            data=request.get("body"),
        )
        kind = response.headers.get("Content-Type")
        return {"status": response.status_code, "type": kind, "body": response.get_data(True)}

    return answer


def _handler() -> Any:
    """What answers a request by the handler service of `sagemaker-inference`."""
    code = env.ServingEnv().module_dir
    sys.path.insert(0, code)  # the model server starts its workers with it
    service = DefaultHandlerService()
    service.initialize(_Context({}))

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        context = _Context(request.get("headers", {}))
        (body,) = service.handle([{"body": request["body"].encode()}], context)
        return {"status": context.status, "type": context.content_type, "body": body}

    return answer


class _Context:
    """What the model server tells a handler of one request, and is told."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.system_properties = {"model_dir": env.model_dir}
        self.request_processor = [self]
        self.headers = headers
        self.status = 200
        self.content_type = ""

    def get_request_properties(self) -> dict[str, str]:
        return self.headers

    def set_response_content_type(self, _: int, content_type: str) -> None:
        self.content_type = content_type

    def set_response_status(self, code: int, phrase: str) -> None:
        self.status = code


if __name__ == "__main__":
    main(*sys.argv[1:])
