"""`pipeline record` and `trace` of a conversation: the model's reply, and what it hangs on."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ninesteps.infrastructure.account_records import Serving
from ninesteps.local.pseudonyms import Key
from ninesteps.local.storage import Storage
from ninesteps.runs import record as records
from ninesteps.runs.record import Answer, Found
from ninesteps.terminal import record as view
from ninesteps.terminal import trace as text
from ninesteps.tracing import words
from ninesteps.tracing.trace import Said, Why
from ninesteps.tracing.uses import Files, RunFiles
from test_conversation_tables import settings

ASKED = [{"role": "user", "content": "How many days?"}]
RECORD = {"messages": json.dumps([*ASKED, {"role": "assistant", "content": "25 days."}])}
SCRIPT = """
import json
def model_fn(folder): return None
def input_fn(body, kind): return json.loads(body)["messages"] if kind == "application/json" else []
def predict_fn(messages, model): return messages
def output_fn(messages, accept):
    said = {"reply": f"{len(messages)}: {messages[-1]['content']}", "status": 200}
    return json.dumps(said if len(messages) < 3 else {"error": "too long", "status": 413})
"""


def put(local: Path, uri: str, content: bytes) -> None:
    file = Storage(local / "s3").path(uri)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def package(local: Path) -> Any:
    """A version whose archive says what it was asked."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(SCRIPT)
        archive.addfile(member, io.BytesIO(SCRIPT.encode()))
    put(local, "s3://bucket/model.tar.gz", packed.getvalue())
    containers = [{"ModelDataUrl": "s3://bucket/model.tar.gz"}]
    return SimpleNamespace(request={"InferenceSpecification": {"Containers": containers}})


def test_a_version_replies_to_the_conversation_without_its_reference(tmp_path: Path) -> None:
    asked = records.question(settings(), RECORD)
    assert records.reply(tmp_path, package(tmp_path), asked) == "1: How many days?"


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({}, "expected a list of messages, got nothing"),
        ({"messages": json.dumps([*ASKED, *json.loads(RECORD["messages"])[1:]] * 2)},
         "expected a reply, got too long"),
    ],
)  # fmt: skip
def test_why_there_is_no_reply_is_one_sentence(
    tmp_path: Path, record: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        records.reply(tmp_path, package(tmp_path), records.question(settings(), record))


def test_a_reply_is_shown_and_is_data() -> None:
    answer = Answer(3, "Approved", reply='25 "days".\n')
    found = Found("c1", "2026-01-01T00:00:00Z", RECORD, None, False, "time", answer=answer)
    assert view.sentences(found)[-1] == 'model: version 3 (Approved) replies "25 \\"days\\".\\n"'
    shown = view.as_json(found)["model"]
    assert shown == {"version": 3, "where": "Approved", "reply": '25 "days".\n'}


def test_an_accounts_endpoint_is_asked_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("sagemaker-runtime", "us-east-1")
    request = {"EndpointName": "help-prod", "ContentType": "application/json",
               "Accept": "application/json", "Body": json.dumps({"messages": ASKED})}  # fmt: skip
    said = {"Body": io.BytesIO(b'{"reply": "25 days.", "status": 200}')}
    session = SimpleNamespace(client=lambda name: client)
    found = Found("c1", "2026-01-01T00:00:00Z", RECORD, None, False, "time")
    with Stubber(client) as stub:
        stub.add_response("invoke_endpoint", said, request)
        found = records._asked(session, settings(), Serving("help-prod", 2, (), {}), found)
    where = "which the endpoint help-prod serves"
    assert found.answer == Answer(2, where, reply="25 days.")


def run(local: Path) -> RunFiles:
    """A run that kept a reply to c1, and what it hangs on."""
    reply = {"id": "c1", "SageMakerOutput": {"reply": "25 days.", "status": 200}}
    changes = [{"word": "How", "change": -0.5}, {"word": "days?", "change": 1.25}]
    attributions = {
        "summary": {"method": "leave out", "caution": "No proof."},
        "conversations": [{"id": "c1", "reference": "25 days.", "words": changes}],
    }
    contents = {"t/test.jsonl.out": reply, "e/evaluation/attributions.json": attributions}
    for name, content in contents.items():
        put(local, f"s3://bucket/{name}", json.dumps(content).encode())
    return RunFiles("r", "2026", {f"s3://bucket/{name}": "" for name in contents}, (1,))


def test_what_a_run_kept_of_a_conversation_is_found(tmp_path: Path) -> None:
    kept, storage = run(tmp_path), Storage(tmp_path / "s3")
    files = Files(tmp_path, Key(b"k" * 32))
    assert files._reply(kept, "c1") == "25 days." and files._reply(kept, "c2") == ""
    assert words.of(storage, kept, "c1").changes == (("days?", 1.25),)
    for of_run in (kept, replace(kept, digests={}), None):
        with pytest.raises(ValueError, match="only for conversations of the test split"):
            words.of(storage, of_run, "c2")


def test_a_trace_tells_the_reply_and_its_words(tmp_path: Path) -> None:
    found = words.of(Storage(tmp_path / "s3"), run(tmp_path), "c1")
    why: Any = SimpleNamespace(why=Why(1, "Approved", "2026", words=found))
    assert [*text.why(why)] == [
        "What the reference reply depends on, by version 1, Approved (about the record as of 2026)",
        '  1. Without "days?" it is less likely, by 1.25 nats.',
        "  No proof.",
        "  Method: leave out.",
    ]
    told = text.why_as_json(why)
    assert told is not None and told["words"] == [{"word": "days?", "change": 1.25}]
    said = Said(1, "Approved", None, reply="Yes\n", how="asked now")
    assert text._answer(said) == 'asked now, it answers: "Yes\\n"'
