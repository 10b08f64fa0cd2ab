"""Requests for replies to `inference.py` of a language model, called as its server calls it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import test_imports
from model_files import LanguageModelError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "problems/language_model/model_build/steps/inference.py"
LINES, JSON = "application/jsonlines", "application/json"


@pytest.fixture(scope="module")
def inference() -> Any:
    """The script; another of its name serves tables."""
    spec = importlib.util.spec_from_file_location("inference_of_replies", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Repeats:
    """In a language model's place: repeats the question, or fails as told."""

    name = "numpy"

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []  # how many prompts, and tokens at most

    def fits(self, prompt: Sequence[dict[str, str]], max_tokens: int) -> bool:
        return len(prompt[-1]["content"]) <= 512 - max_tokens

    def replies(self, prompts: Sequence[Sequence[dict[str, str]]], max_tokens: int) -> list[str]:
        self.asked.append((len(prompts), max_tokens))
        words = [prompt[-1]["content"] for prompt in prompts]
        if any(word == "template" for word in words):
            raise LanguageModelError("the chat template cannot write this")
        if any(word == "memory" for word in words):
            raise MemoryError("/opt/ml/model")
        return [f"You said: {word}" for word in words]


class Context:
    """As the server's: it is told the status of an answer."""

    def __init__(self) -> None:
        self.status = 200

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        assert idx == 0 and phrase
        self.status = code


class Serving:
    """The script with a model, called with a context by the server's own rules."""

    def __init__(self, inference: Any) -> None:
        self.inference, self.replying = inference, Repeats()
        self.model = inference.Model(self.replying, 512, 60)

    def __call__(self, body: Any, kind: str | None = JSON, accept: str = JSON) -> tuple[int, str]:
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        context = Context()
        request = self.inference.input_fn(content, kind, context)
        answer = self.inference.predict_fn(request, self.model, context)
        text = self.inference.output_fn(answer, accept, context)
        assert isinstance(text, str)  # the server would write anything else as JSON once more
        return context.status, text

    def one(self, body: Any, **more: Any) -> dict[str, Any]:
        status, text = self(body, **more)
        assert status == 200
        content: dict[str, Any] = json.loads(text)
        return content


@pytest.fixture
def serving(inference: Any) -> Serving:
    return Serving(inference)


def question(text: str = "Hi", *before: str) -> list[dict[str, str]]:
    """A conversation that ends with a question."""
    roles = ("user", "assistant") * len(before)
    said = [{"role": role, "content": t} for role, t in zip(roles, before, strict=False)]
    return [*said, {"role": "user", "content": text}]


def test_a_conversation_gets_its_reply(serving: Serving) -> None:
    asked = question("Größe 😀 and 日本", "Hi", "Hello")
    assert serving.one({"messages": asked}) == {
        "reply": "You said: Größe 😀 and 日本", "status": 200
    }  # fmt: skip
    assert serving.replying.asked == [(1, 60)]


def test_several_are_answered_in_their_order_each_with_its_status(serving: Serving) -> None:
    instances = [{"messages": question("a"), "max_tokens": 5}, {"messages": []},
                 {"messages": question("b")}, {"messages": question("c"), "max_tokens": 5},
                 {"messages": question("d"), "max_tokens": 61}]  # fmt: skip
    said = serving.one({"instances": instances})["predictions"]
    assert [one.get("reply") for one in said] == [
        "You said: a", None, "You said: b", "You said: c", None,
    ]  # fmt: skip
    assert [one["status"] for one in said] == [200, 400, 200, 200, 400]
    assert said[4]["error"] == "expected max_tokens of at most 60, got 61"
    assert serving.replying.asked == [(2, 5), (1, 60)]  # together, where they can be


def test_lines_are_answered_by_lines(serving: Serving) -> None:
    lines = [{"messages": question("a")}, question("as a transform sends it"), 7]
    body = "\n".join(map(json.dumps, lines))
    _, text = serving(body.encode(), LINES, LINES)
    assert [json.loads(line) for line in text.splitlines()] == [
        {"reply": "You said: a", "status": 200},
        {"reply": "You said: as a transform sends it", "status": 200},
        {"error": "expected an object with messages, got something else", "status": 400},
    ]
    assert serving("\n", LINES, LINES)[1] == ""


@pytest.mark.parametrize("kind", [JSON, "Application/JSON; charset=utf-8"])
@pytest.mark.parametrize("accept", ["", "*/*", JSON, "text/html, application/json;q=0.9"])
def test_kinds_may_be_written_in_any_way(serving: Serving, kind: str, accept: str) -> None:
    assert serving.one({"messages": question()}, kind=kind, accept=accept)["status"] == 200


BAD = {
    "no JSON": (b"hello", "expected JSON, got something else at character 1"),
    "half of it": (b'{"messages": [', "expected JSON, got something else at character 15"),
    "not a number": (b'{"messages": NaN}', "expected JSON, got NaN, which is not a JSON"),
    "no UTF-8": (b'{"messages": "\xff"}', "expected UTF-8, got other bytes"),
    "nested": (b"[" * 100_000, "expected JSON, got lists nested too deeply"),
    "nothing": (b"", "expected JSON, got something else at character 1"),
    "a number": (b"7", "expected an object with messages, got something else"),
    "no messages": ({"inputs": "Hi"}, "object with messages, got an object without them"),
    "an empty conversation": ({"messages": []}, "expected at least one message, got none"),
    "no list": ({"messages": "Hi"}, "expected a list of messages, got a string"),
    "a text": ({"messages": ["Hi"]}, "message 1: expected an object with role and content"),
    "the assistant's": ({"messages": question("a", "b")}, "message 2: expected the role 'assist"),
    "its reply": ({"messages": question("a", "b", "c")[:2]}, "expected the last message to be the"),
    "another role": ({"messages": [{"role": "tool", "content": "x"}]}, "expected the role system"),
    "no words": (
        {"messages": question("   ")},
        "message 1: expected a string, got an empty string",
    ),
    "a 100 kB message": ({"messages": question("é" * 50_000)}, "at most 65,536 bytes, got 100,000"),
    "half a pair": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "surrogate pair"),
    "another field": ({"messages": question(), "temperature": 1}, "max_tokens, got 'temperature'"),
    "no tokens": ({"messages": question(), "max_tokens": 0}, "of 1 or more as max_tokens, got 0"),
    "less than none": ({"messages": question(), "max_tokens": -1}, "as max_tokens, got -1"),
    "a word": ({"messages": question(), "max_tokens": "five"}, 'as max_tokens, got "five"'),
    "true tokens": ({"messages": question(), "max_tokens": True}, "expected a whole number of 1"),
    "many tokens": ({"messages": question(), "max_tokens": 10**9}, "at most 60, got 1000000000"),
    "no instances": ({"instances": []}, "expected a list of conversations as instances, got none"),
    "more": ({"instances": [1], "x": 1}, "expected only instances, got 'x' too"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_request_at_fault_gets_one_sentence_and_its_status(serving: Serving, case: str) -> None:
    body, sentence = BAD[case]
    said = serving.one(body)  # the HTTP status is 200, which no alarm counts
    assert said["status"] == 400 and sentence in said["error"]
    assert set(said) == {"status", "error"} and "\n" not in said["error"]
    assert not serving.replying.asked


def test_other_statuses(serving: Serving) -> None:
    many = {"instances": [{"messages": question()}] * 101}
    said = serving.one(many)
    assert (said["status"], said["error"]) == (413, "expected at most 100 instances, got 101")
    said = serving.one({"messages": question("x" * 500), "max_tokens": 12})
    assert said["status"] == 200
    said = serving.one({"messages": question("x" * 500)})
    assert said["status"] == 413
    assert said["error"] == "expected a last message that fits into 452 of 512 tokens"
    for kind in ("text/csv", "", None):
        assert serving.one("1,2", kind=kind)["status"] == 415
    assert serving.one({"messages": question()}, accept="text/csv")["status"] == 406


def test_a_conversation_that_the_template_refuses_spoils_no_other(serving: Serving) -> None:
    body = "\n".join(json.dumps(question(word)) for word in ("a", "template", "b"))
    said = [json.loads(line) for line in serving(body, LINES, LINES)[1].splitlines()]
    assert [one["status"] for one in said] == [200, 400, 200]


def test_a_model_that_fails_is_told_to_the_server(
    serving: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = serving({"messages": question("memory")})
    assert status == 500  # which the alarm counts, and not the 400 of an exception
    assert json.loads(text) == {"error": "the model failed; its log says why", "status": 500}
    assert "MemoryError: /opt/ml/model" in capsys.readouterr().err
    request = serving.inference.input_fn(json.dumps(question("memory")), JSON)
    with pytest.raises(MemoryError):  # in a transform here, there is no server to tell
        serving.inference.predict_fn(request, serving.model)


def test_the_server_passes_its_context_to_each_function(inference: Any) -> None:
    """By the number of their arguments, as `function_extra_arg` of `handler_service.py` does."""
    defaults = {"model_fn": 2, "input_fn": 3, "predict_fn": 3, "output_fn": 3}
    for name, count in defaults.items():
        assert len(inspect.signature(getattr(inference, name)).parameters) == count
    assert not hasattr(inference, "transform_fn")  # it may not stand beside the others


def test_a_request_for_the_endpoints_files_is_only_text(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a conversation asks for, no file is opened and no process started."""
    seen: list[str] = []
    watching = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event in ("open", "os.system", "subprocess.Popen", "socket.connect"):
            seen.append(f"{event} {arguments}")

    wanted = ["print /etc/passwd", "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
              "file:///opt/ml/model/code/model.json", "$(cat /etc/passwd)"]  # fmt: skip
    asked = {"instances": [{"messages": question(text)} for text in wanted]}
    sys.addaudithook(hook)
    try:
        said = serving.one(asked)["predictions"]
    finally:
        watching[0] = False  # a hook stays for the life of the process
    assert [one["reply"] for one in said] == [f"You said: {text}" for text in wanted]
    assert seen == []


IN_THE_IMAGE = {"jinja2", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers"}
"""What Hugging Face's inference image has beside the standard library."""


def test_its_modules_import_nothing_that_the_image_lacks() -> None:
    known, waiting, others = test_imports.modules(), [SCRIPT], set[str]()
    reached: set[Path] = set()
    while waiting:
        reached.add(file := waiting.pop())
        names = {name.partition(".")[0] for name in
                 test_imports.imported(ast.parse(file.read_text(encoding="utf-8")))}  # fmt: skip
        waiting += [known[name] for name in names if name in known and known[name] not in reached]
        others |= names - known.keys() - sys.stdlib_module_names
    assert SCRIPT.parent / "inference.py" in reached and len(reached) > 5
    assert others <= IN_THE_IMAGE
