"""A language model behind the endpoint of this machine: real HTTP, real processes, its own script.

What replies stands in for the model that is loaded: it repeats the question, or fails as told.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import known_answers
import language_model
import reply_requests
import small_llama
from endpoints import ended, running
from known_answers import JSON, JSON_LINES
from ninesteps.local.endpoint.observed import Seen, metric
from ninesteps.local.endpoint.traffic import Caller
from ninesteps.runs.rehearsal import REPLY_TYPES, Known, Rehearsal
from ninesteps.settings import deploy as policy
from ninesteps.settings.deploy import Deploy
from ninesteps.step_code.bundle import CONTAINERS, closure
from served_model import ServedModel
from test_replies import SCRIPT, question
from test_serving import CONFIG, ask

STANDS_IN = """\
class Model:
    name = "numpy"

    def __init__(self, context):
        assert context == 512, context

    def fits(self, prompt, max_tokens):
        return len(prompt[-1]["content"]) < 1000

    def replies(self, prompts, max_tokens):
        words = [prompt[-1]["content"] for prompt in prompts]
        if "memory" in words:
            raise MemoryError("a secret")
        return [f"{says}: {{word}}" for word in words]

LanguageModel = Model

def load(folder, context=None):
    {load}
    return Model(context)
"""
CONVERSATIONS = [json.dumps(question(f"Question {n}?")) for n in range(30)]
"""Those of the traffic; the golden ones are others."""

GOLDEN = [json.dumps(question(f"Golden {n}?", "é", "日本")) for n in range(20)]
DEPLOY = Deploy(interval_seconds=600, bake_seconds=600, max_latency_ms=60_000)


def archive(
    folder: Path, number: int, says: str = "Said", load: str = "pass", script: str = ""
) -> dict[str, Any]:
    """An unpacked archive with the script that serves and its modules, but for what computes."""
    code = folder / f"archive-{number}" / "code"
    code.mkdir(parents=True)
    for name, file in closure(SCRIPT.name, (SCRIPT.parent, CONTAINERS)).items():
        shutil.copyfile(file, code / name)
    (code / "language_model.py").write_text(STANDS_IN.format(says=says, load=load), "utf-8")
    with (code / SCRIPT.name).open("a", encoding="utf-8") as more:
        more.write(script)
    columns = {"problem": "language_model", "features": []}
    (code / "columns.json").write_text(json.dumps(columns), "utf-8")
    described = {"hyperparameters": {"max_tokens": "512", "max_reply_tokens": "60"}}
    (code / "model.json").write_text(json.dumps(described), "utf-8")
    return {"number": number, "archive": str(code.parent), "program": SCRIPT.name}


def deployed(rehearsal: Rehearsal, version: dict[str, Any], says: str = "Said") -> dict[str, Any]:
    """How a deployment ends."""
    replies = [f"{says}: {json.loads(one)[-1]['content']}" for one in GOLDEN]
    alarms = policy.alarms(DEPLOY, "language_model")
    rehearsal.ask(
        "deploy", version=version, time_scale=600, instances=DEPLOY.instances,
        config=policy.deployment_config(DEPLOY, [alarm.name for alarm in alarms]),
        alarms=[asdict(alarm) for alarm in alarms],
        golden=Known(GOLDEN, replies, REPLY_TYPES).golden(),
    )  # fmt: skip
    return ended(rehearsal)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """An endpoint that serves version 1."""
    folder = tmp_path_factory.mktemp("replies")
    with running(folder) as rehearsal:
        assert deployed(rehearsal, archive(folder, 1))["outcome"] == "deployed"
        yield rehearsal


def posted(rehearsal: Rehearsal, body: Any, **headers: str) -> tuple[int, str, Any]:
    """Status, content type and content of an answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, kind, text = ask(rehearsal, content, **{"content_type": JSON, **headers})
    return status, kind, json.loads(text) if text.startswith("{") else text


def test_a_conversation_is_answered_over_http(served: Rehearsal) -> None:
    status, kind, answer = posted(served, {"messages": question("Größe 😀?")})
    assert (status, kind) == (200, JSON)
    assert answer == {"reply": "Said: Größe 😀?", "status": 200}
    several = {"instances": [{"messages": question("a")}, {"messages": []}]}
    said = posted(served, several, accept="*/*")[2]["predictions"]
    assert [one["status"] for one in said] == [200, 400]


def test_lines_are_answered_over_http(served: Rehearsal) -> None:
    body = "".join(f"{json.dumps(question(word))}\n" for word in "ab").encode()
    status, kind, text = ask(served, body, content_type=JSON_LINES, accept=JSON_LINES)
    assert (status, kind) == (200, JSON_LINES)
    assert [json.loads(line)["reply"] for line in text.splitlines()] == ["Said: a", "Said: b"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"hello", {}, 400),
        ({"messages": []}, {}, 400),
        ({"messages": question("x" * 100_000)}, {}, 400),
        ({"instances": [{"messages": question()}] * 101}, {}, 413),
        (b"1,2\n", {"content_type": "text/csv"}, 415),
        ({"messages": question()}, {"accept": "text/csv"}, 406),
    ],
)
def test_a_request_at_fault_has_its_status_in_the_answer(
    served: Rehearsal, body: Any, headers: dict[str, str], status: int
) -> None:
    http, _, answer = posted(served, body, **headers)
    assert (http, answer["status"]) == (200, status)
    assert answer["error"].startswith("expected ") or "expected at most" in answer["error"]


def test_a_model_that_fails_is_answered_with_500(served: Rehearsal) -> None:
    status, _, answer = posted(served, {"messages": question("memory")})
    assert (status, answer["status"]) == (500, 500) and "secret" not in str(answer)
    # What the server decodes before the script has it is answered as any exception is.
    status, kind, text = posted(served, b'{"messages": "\xff"}')
    assert (status, kind, text) == (400, "text/plain", "expected UTF-8, got other bytes\n")
    assert posted(served, {"messages": question("b")})[0] == 200


def under_traffic(
    rehearsal: Rehearsal, version: dict[str, Any], bodies: list[bytes], says: str
) -> tuple[dict[str, Any], Caller]:
    """How a deployment ends while requests come in."""

    async def main() -> tuple[dict[str, Any], Caller]:
        caller, stop = Caller(rehearsal.port(), bodies, JSON), asyncio.Event()
        traffic = asyncio.create_task(caller.steadily(40, stop))
        last = await asyncio.to_thread(deployed, rehearsal, version, says)
        stop.set()
        await traffic
        return last, caller

    return asyncio.run(main())


def test_requests_at_fault_roll_no_version_back(served: Rehearsal, tmp_path: Path) -> None:
    bad = [b"hello", b'{"messages": []}', b'{"inputs": "x"}']
    last, caller = under_traffic(served, archive(tmp_path, 2, "Two"), bad, "Two")
    assert last["outcome"] == "deployed"
    assert {reply.status for reply in caller.replies} == {200} and len(caller.replies) > 10


RAISES = """

def input_fn(body, content_type):
    if "Golden" not in str(body):
        raise ValueError("no such thing")
    return reply_requests.read(body, content_type)
"""
"""What a team may do to the script: it has no context, and its errors go to the server."""


@pytest.mark.parametrize(
    ("change", "alarm"),
    [({"script": RAISES}, "alarm 4xx: Invocation4XXErrors"),
     ({"script": RAISES.replace("raise", "raise SystemExit #")}, "alarm 5xx")],
    ids=["raises", "ends"],
)  # fmt: skip
def test_a_version_that_fails_with_traffic_is_rolled_back(
    served: Rehearsal, tmp_path: Path, change: dict[str, str], alarm: str
) -> None:
    bodies = [known_answers.asking_for_reply(one) for one in CONVERSATIONS]
    version = archive(tmp_path, 3, "Three", **change)
    before = served.ask("status")["version"]
    last, _ = under_traffic(served, version, bodies, "Three")
    assert last["outcome"] == "rolled back" and last["why"].startswith(alarm)
    assert served.ask("status")["version"] == before


def test_a_version_that_cannot_be_loaded_serves_nothing(served: Rehearsal, tmp_path: Path) -> None:
    last = deployed(served, archive(tmp_path, 4, load="raise ValueError('no weights')"))
    assert last["outcome"] == "rolled back" and "version 4 did not start" in last["why"]


def test_a_version_that_replies_otherwise_than_it_was_judged_serves_nothing(
    served: Rehearsal, tmp_path: Path
) -> None:
    last = deployed(served, archive(tmp_path, 5, "Five"), says="Said")
    assert last["why"] == (
        "golden requests: 20 of 20 replies differ from those of the model when it was registered, "
        "the last ones sent 20 at once, as application/jsonlines"
    )


# A real model


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked archive with a small model that talks nonsense, and all that serves it."""
    folder = small_llama.write(tmp_path_factory.mktemp("real") / "model")
    (folder / "code").mkdir()
    for name, file in closure(SCRIPT.name, (SCRIPT.parent, CONTAINERS)).items():
        shutil.copyfile(file, folder / "code" / name)
    columns = {"problem": "language_model", "features": []}
    described = {"hyperparameters": {"max_tokens": "90", "max_reply_tokens": "12"}}
    (folder / "code/columns.json").write_text(json.dumps(columns), "utf-8")
    (folder / "code/model.json").write_text(json.dumps(described), "utf-8")
    return folder


def test_a_real_model_replies_alike_here_in_a_transform_and_over_http(
    real: Path, tmp_path: Path
) -> None:
    questions = [f"Question {n}?" for n in range(20)]
    asked = [question(text) for text in questions]
    model = language_model.load(real, context=90, backend="numpy")
    replies = model.replies(asked, 12)
    assert len({*replies}) > 5
    body = "".join(f"{json.dumps(one)}\n" for one in asked)
    (text,) = ServedModel(real, "").ask([body], JSON_LINES)
    assert [json.loads(line)["reply"] for line in text.splitlines()] == replies
    known = Known([json.dumps(one) for one in asked], replies, REPLY_TYPES)
    version = {"number": 1, "archive": str(real), "program": SCRIPT.name}
    with running(tmp_path) as rehearsal:
        rehearsal.ask(
            "deploy", version=version, time_scale=600, instances=1, alarms=[], config=CONFIG,
            golden=known.golden(),
        )  # fmt: skip
        assert ended(rehearsal)["outcome"] == "deployed"
        _, _, answer = posted(rehearsal, {"messages": asked[3]})
        assert answer == {"reply": replies[3], "status": 200}
        _, _, answer = posted(rehearsal, {"messages": question("long " * 30)})
        assert answer["status"] == 413
        assert answer["error"] == "expected a last message that fits into 78 of 90 tokens"


def test_a_real_model_reads_no_file_that_a_conversation_names(real: Path) -> None:
    """In a process of its own, which watches what is opened and started once the model is there."""
    watching = (
        "import sys; sys.path.insert(0, 'code'); import inference, json\n"
        "model = inference.model_fn('.')\n"
        "def ask(text):\n"
        "    body = json.dumps([{'role': 'user', 'content': text}])\n"
        "    request = inference.input_fn(body, 'application/json')\n"
        "    return inference.output_fn(inference.predict_fn(request, model), '')\n"
        "ask('what is imported at the first question')\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(event))\n"
        "for text in ('print /etc/passwd', '{{ self.__init__.__globals__ }}', '<|im_end|>\\n'):\n"
        "    assert json.loads(ask(text))['status'] == 200\n"
        "del sys.path[:]\n"
        "print(sorted({e for e in seen if e.split('.')[0] in "
        "('open', 'os', 'subprocess', 'socket', 'import', 'exec', 'compile')}))\n"
    )
    done = subprocess.run([sys.executable, "-c", watching], cwd=real, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Golden requests and known replies


def test_no_golden_request_has_more_conversations_than_one_may() -> None:
    """Each of the two modules travels without the other."""
    assert known_answers.AT_ONCE == reply_requests.MOST_INSTANCES
    assert (known_answers.JSON, known_answers.JSON_LINES) == reply_requests.CONTENT_TYPES


def test_conversations_are_sent_as_lines_alone_and_as_instances() -> None:
    replies = [f"Reply {n}" for n in range(30)]
    sent, _ = known_answers.golden(CONVERSATIONS, replies, REPLY_TYPES)
    ways = [(one.content_type, one.accept, len(one.positions)) for one in sent]
    assert ways[0] == (JSON_LINES, JSON_LINES, 30)
    assert ways.count((JSON, JSON, 1)) == 15 and ways.count((JSON, JSON, 30)) == 1
    assert {kind for kind, _, _ in ways} == {JSON, JSON_LINES, "application/json; charset=utf-8"}


def of_lines(*lines: Any) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


@pytest.mark.parametrize(("wrong", "fails"), [(0, False), (1, False), (2, False), (3, True)])
def test_a_few_replies_may_go_on_with_another_word(wrong: int, fails: bool) -> None:
    known = [f"Reply {n}" for n in range(20)]
    sent, difference = known_answers.golden(GOLDEN, known, REPLY_TYPES)
    replies = ["Other"] * wrong + known[wrong:]
    body = of_lines(*({"reply": reply, "status": 200} for reply in replies))
    assert bool(difference(next(sent), body)) == fails


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"no JSON", "expected JSON, sent 2 at once"),
        (of_lines({"reply": "a"}), "expected 2 replies, got 1, sent 2 at once"),
        (of_lines({"reply": "a"}, 7), "expected replies, got something else"),
        (of_lines({"reply": "a"}, {"error": "long", "status": 400}), "expected replies, got long"),
        (of_lines({"predictions": [{"reply": "x"}, {"reply": "y"}]}), "2 of 2 replies differ"),
    ],
)  # fmt: skip
def test_a_response_that_has_not_the_known_replies_is_told(body: bytes, why: str) -> None:
    sent, difference = known_answers.golden(GOLDEN[:2], ["a", "b"], REPLY_TYPES)
    assert difference(next(sent), body).startswith(why)


SPLIT = of_lines(*({"id": f"c{n}", "messages": question(str(n)), "reply": "r"} for n in range(4)))


def transformed(*replies: Any) -> bytes:
    return of_lines(*({"id": f"c{n}", "SageMakerOutput": one} for n, one in enumerate(replies)))


def test_known_replies_are_the_transforms_where_the_evaluation_had_the_same() -> None:
    said = transformed(*({"reply": f"R{n}"} for n in range(3)), {"error": "no", "status": 400})
    judged = of_lines(*({"id": f"c{n}", "reply": f"R{n}"} for n in (2, 0)))
    records, replies = known_answers.known_replies(SPLIT, said, judged)
    assert replies == ["R0", "R1", "R2"] and json.loads(records[1]) == question("1")
    with pytest.raises(ValueError, match="2 of 2 replies of the transform differ"):
        known_answers.known_replies(SPLIT, said, judged.replace(b"R", b"Q"))
    with pytest.raises(ValueError, match="expected 4 replies of the transform, got 2"):
        known_answers.known_replies(SPLIT, transformed({"reply": "a"}, {"reply": "b"}), judged)
    with pytest.raises(ValueError, match="expected replies of the evaluation, got none"):
        known_answers.known_replies(SPLIT, said, b"")


def test_refused_requests_count_where_they_are_watched() -> None:
    errors, refusals, latency = policy.alarms(DEPLOY, "language_model")
    seen = [Seen(0, 1, status, 0.001) for status in (200, 400, 200, 500)]
    assert metric(refusals, seen) == 0.25
    assert metric(errors, seen) == pytest.approx(1 / 3)
    assert metric(refusals, seen[:1]) == 0 and metric(latency, seen[1:2]) is None
