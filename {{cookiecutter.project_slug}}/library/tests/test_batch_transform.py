"""A batch transform: filters, joining, batches, and answers that do not fit the records."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from ninesteps.local.batch_transform import (
    JSON_LINES,
    Row,
    json_filter,
    row_filter,
    transform_csv,
    transform_json_lines,
)
from small_definitions import BUCKET, Bench, Json, archive, get, model, own_uri, step

HALF_A_MEGABYTE = ",".join(["x" * 65535] * 8)  # with its line end
DOUBLE = """\
def model_fn(folder):
    return 2

def input_fn(body, content_type):
    assert content_type == "text/csv", content_type
    return [line.split(",") for line in body.decode().splitlines()]

def predict_fn(rows, factor):
    return [factor * float(row[0]) for row in rows]

def output_fn(answers, accept):
    assert accept == "text/csv", accept
    return "".join(f"{answer:g},yes\\n" for answer in answers)
"""


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("$", "abcde"),
        ("$[2:]", "cde"),
        ("$[:2]", "ab"),
        ("$[1:3]", "bc"),
        ("$[-2:]", "de"),
        ("$[0]", "a"),
        ("$[0,-2,-1]", "ade"),
        ("$[0,-1]", "ae"),
    ],
)
def test_a_filter_keeps_its_fields(path: str, kept: str) -> None:
    assert row_filter(path)(list("abcde")) == list(kept)


@pytest.mark.parametrize("path", ["", "$.a", "$[a]", "$[0:4:2]", "$[0", "[0]", "$['a']"])
def test_a_filter_that_is_not_known_is_named(path: str) -> None:
    with pytest.raises(ValueError, match=r"filter: expected \$, \$\[5:\] or ") as refused:
        row_filter(path)
    assert repr(path) in str(refused.value)


class Sent(list[list[Row]]):
    """A model that counts, and keeps what it was sent."""

    def __call__(self, body: str) -> str:
        records = list(csv.reader(io.StringIO(body, newline="")))
        self.append(records)
        return "".join(f"{len(record)},?\n" for record in records)


def transformed(text: str, **request: Any) -> tuple[Sent, str]:
    sent, output = Sent(), io.StringIO()
    transform_csv(io.StringIO(text, newline=""), request, sent, output)
    return sent, output.getvalue()


def test_without_filters_the_answers_alone_come_back() -> None:
    sent, text = transformed("a,b\nc,d,e\n")
    assert sent == [[["a", "b"], ["c", "d", "e"]]]
    assert text == "2,?\n3,?\n"


def test_the_input_filter_cuts_what_is_sent_and_the_output_filter_what_is_kept() -> None:
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-2]"}
    sent, text = transformed('7,a,"b,c"\n8,d,e\n', DataProcessing=processing)
    assert sent == [[["a", "b,c"], ["d", "e"]]]
    assert text == "7,2\n8,2\n"


def test_joined_answers_stand_behind_the_whole_record() -> None:
    processing = {"InputFilter": "$[0]", "JoinSource": "Input"}
    _, text = transformed('7,"a,b"\n', DataProcessing=processing)
    assert text == '7,"a,b",1,?\n'


def test_not_joined_an_output_filter_cuts_the_answer() -> None:
    processing = {"OutputFilter": "$[1]", "JoinSource": "None"}
    assert transformed("7,8\n", DataProcessing=processing)[1] == "?\n"


def test_a_single_record_strategy_sends_one_at_a_time() -> None:
    sent, text = transformed("a\nb\nc\n", BatchStrategy="SingleRecord")
    assert sent == [[["a"]], [["b"]], [["c"]]]
    assert text == "1,?\n" * 3


def test_a_batch_is_as_large_as_the_payload_may_be() -> None:
    text = f"{HALF_A_MEGABYTE}\n" * 5
    sent, _ = transformed(text, MaxPayloadInMB=1)
    assert [len(batch) for batch in sent] == [2, 2, 1]
    sent, _ = transformed(text * 3)
    assert [len(batch) for batch in sent] == [12, 3]  # six megabytes, where nothing is said


def test_only_what_is_sent_counts_towards_the_payload() -> None:
    text = f"{'x' * 100_000},a\n" * 20
    sent, _ = transformed(text, MaxPayloadInMB=1, DataProcessing={"InputFilter": "$[1]"})
    assert [len(batch) for batch in sent] == [20]


def test_a_record_larger_than_the_payload_is_an_error() -> None:
    with pytest.raises(ValueError, match="a record has 1,048,577 bytes, more than MaxPayloadInMB"):
        transformed(f"{HALF_A_MEGABYTE},{HALF_A_MEGABYTE}x\n", MaxPayloadInMB=1)


def test_an_empty_file_asks_nothing() -> None:
    assert transformed("") == ([], "")


# JSON Lines

RECORD: dict[str, Any] = {
    "id": "c1",
    "messages": [{"role": "user", "content": "é\n"}],
    "n": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("$", RECORD),
        ("$.id", "c1"),
        ("$['id']", "c1"),
        ("$.messages", RECORD["messages"]),
        ("$.messages[0].content", "é\n"),
        ("$['id','n']", {"id": "c1", "n": [1, 2, 3]}),
        ("$.messages[0].['role', 'content']", RECORD["messages"][0]),
        ("$.n[-1]", 3),
        ("$.n[0,-1]", [1, 3]),
        ("$.n[1:]", [2, 3]),
    ],
)
def test_a_filter_of_json_keeps_what_it_names(path: str, kept: Any) -> None:
    assert json_filter(path)(RECORD) == kept


@pytest.mark.parametrize(
    "path", ["", "id", "$id", "$.", "$..id", "$.*", "$[*]", "$['a','b'].c", "$.n[1:].x",
             "$[?(@.id)]", "$[0:4:2]", "$['a'", "$.n[]", "$[:", "$.a b"],
)  # fmt: skip
def test_a_filter_of_json_that_is_not_known_is_named(path: str) -> None:
    with pytest.raises(ValueError, match=r"filter: expected a path such as \$, \$.messages") as no:
        json_filter(path)
    assert repr(path) in str(no.value)


@pytest.mark.parametrize("path", ["$.reply", "$.id.x", "$.id[0]", "$.n[7]", "$['id','reply']"])
def test_a_record_without_what_a_filter_names_is_an_error(path: str) -> None:
    with pytest.raises(ValueError, match="a record has no such value"):
        json_filter(path)(RECORD)


def replied(text: str, answers: str | None = None, **request: Any) -> tuple[list[str], str]:
    """What is sent, and what comes of it: an answer says how many characters its line has."""
    sent: list[str] = []
    output = io.StringIO()

    def predict(body: str) -> str:
        sent.append(body)
        if answers is not None:
            return answers
        return "".join(f'{{"reply": {len(line)}}}\n' for line in body.split("\n")[:-1])

    transform_json_lines(io.StringIO(text, newline=""), request, predict, output)
    return sent, output.getvalue()


def test_json_lines_are_cut_joined_and_cut_again() -> None:
    processing = {"InputFilter": "$.messages", "JoinSource": "Input",
                  "OutputFilter": "$['id','SageMakerOutput']"}  # fmt: skip
    text = '{"id": "a", "messages": [1,  "é"]}\n\n{"messages": [2], "id": "b"}'
    sent, text = replied(text, DataProcessing=processing)
    assert sent == ['[1,"é"]\n[2]\n']
    assert text == (
        '{"id":"a","SageMakerOutput":{"reply":7}}\n{"id":"b","SageMakerOutput":{"reply":3}}\n'
    )


def test_without_filters_of_json_the_answers_alone_come_back() -> None:
    assert replied('{"a": 1}\n') == (['{"a":1}\n'], '{"reply":7}\n')
    assert replied("[5]\n", DataProcessing={"OutputFilter": "$.reply"})[1] == "3\n"


def test_an_input_that_is_no_object_is_joined_beside_its_answer() -> None:
    joined = {"JoinSource": "Input"}
    assert replied("[5]\n", DataProcessing=joined)[1] == (
        '{"SageMakerInput":[5],"SageMakerOutput":{"reply":3}}\n'
    )


def test_json_lines_go_in_batches_or_one_at_a_time() -> None:
    text = '"a"\n"b"\n"c"\n'
    assert replied(text)[0] == [text]
    assert replied(text, BatchStrategy="SingleRecord")[0] == ['"a"\n', '"b"\n', '"c"\n']
    large = f'"{"é" * 260_000}"\n'  # half a megabyte
    assert [len(sent.split()) for sent in replied(large * 5, MaxPayloadInMB=1)[0]] == [2, 2, 1]
    with pytest.raises(ValueError, match="a record has 1,100,003 bytes, more than MaxPayloadInMB"):
        replied(f'"{"x" * 1_100_000}"\n', MaxPayloadInMB=1)


@pytest.mark.parametrize(
    ("text", "answers", "message"),
    [
        ("[1]\n{\n", None, "line 2: expected JSON: Expecting property name"),
        ("[NaN]\n", None, "line 1: expected JSON: NaN is not a number in JSON"),
        ("[1]\n[2]\n", '{"reply": 1}\n', "expected 2 answers from the model, got 1"),
        ("[1]\n", "sorry\n", "line 1: expected JSON: Expecting value"),
    ],
)
def test_lines_that_are_no_json_are_named(text: str, answers: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replied(text, answers)


# As a step


DATA = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{BUCKET}/data"}}


def serve(bench: Bench, script: str, **request: Any) -> Any:
    """Run a transform of `s3://bucket/data` with this inference script."""
    packed = archive({"code/inference.py": script, "weights": "2"})
    uri = bench.put(f"{BUCKET}/model.tar.gz", packed)
    arguments: Json = {
        "ModelName": get("Steps.Create.ModelName"),
        "TransformInput": {"DataSource": DATA, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": own_uri("answers"), "AssembleWith": "Line"},
        **request,
    }
    execution = bench.run(model("Create", uri), step("Transform", "Transform", arguments))
    return execution.id, execution.steps["Transform"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.put(f"{BUCKET}/data/a.csv", "7,1\n8,2\n")
    bench.put(f"{BUCKET}/data/sub/a.csv", "9,3\n")
    return bench


def test_every_file_of_the_input_has_its_answers(bench: Bench) -> None:
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-2,-1]"}
    execution, run = serve(bench, DOUBLE, DataProcessing=processing)
    assert (run.status, run.reason) == ("Succeeded", "")
    assert bench.text(f"{BUCKET}/{execution}/answers/a.csv.out") == "7,2,yes\n8,4,yes\n"
    assert bench.text(f"{BUCKET}/{execution}/answers/sub/a.csv.out") == "9,6,yes\n"


REPLIES = """\
import json

def model_fn(folder):
    return "Hello "

def input_fn(body, content_type):
    assert content_type == "application/jsonlines", content_type
    return [json.loads(line) for line in body.splitlines()]

def predict_fn(names, hello):
    return [hello + name for name in names]

def output_fn(answers, accept):
    assert accept == "application/jsonlines", accept
    return "".join(json.dumps({"reply": answer}) + "\\n" for answer in answers)
"""


def test_json_lines_are_transformed_as_a_step(bench: Bench) -> None:
    bench.put(f"{BUCKET}/data/a.csv", '{"id": 1, "name": "Ana"}\n{"id": 2, "name": "李"}\n')
    bench.put(f"{BUCKET}/data/sub/a.csv", "")
    request = {
        "TransformInput": {"DataSource": DATA, "ContentType": JSON_LINES, "SplitType": "Line"},
        "DataProcessing": {"InputFilter": "$.name", "JoinSource": "Input",
                           "OutputFilter": "$['id','SageMakerOutput']"},
    }  # fmt: skip
    execution, run = serve(bench, REPLIES, **request)
    assert (run.status, run.reason) == ("Succeeded", "")
    assert bench.text(f"{BUCKET}/{execution}/answers/a.csv.out") == (
        '{"id":1,"SageMakerOutput":{"reply":"Hello Ana"}}\n'
        '{"id":2,"SageMakerOutput":{"reply":"Hello 李"}}\n'
    )
    assert bench.text(f"{BUCKET}/{execution}/answers/sub/a.csv.out") == ""


def test_answers_of_another_type_than_the_records_fail_the_step(bench: Bench) -> None:
    output = {"S3OutputPath": own_uri("answers"), "AssembleWith": "Line", "Accept": JSON_LINES}
    _, run = serve(bench, DOUBLE, TransformOutput=output)
    assert run.reason == (
        "ValueError: Accept: expected text/csv, as ContentType is, got 'application/jsonlines'"
    )


def test_a_model_that_does_not_answer_every_record_fails_the_step(bench: Bench) -> None:
    execution, run = serve(bench, DOUBLE.replace("in answers)", "in answers[1:])"))
    assert run.status == "Failed"
    assert run.reason == "ValueError: expected 2 answers from the model, got 1"
    assert not bench.engine.storage.path(f"{BUCKET}/{execution}/answers").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be removed there")
def test_a_model_sees_no_more_of_a_record_than_it_is_sent(bench: Bench) -> None:
    looks = (
        "import pathlib; return len([*pathlib.Path(folder, '../transform/input').rglob('*.csv')])"
    )
    execution, run = serve(bench, DOUBLE.replace("return 2", looks))
    assert run.status == "Succeeded"
    assert bench.text(f"{BUCKET}/{execution}/answers/a.csv.out") == "0,yes\n0,yes\n"


def test_an_error_of_the_script_comes_with_its_line(bench: Bench) -> None:
    _, run = serve(bench, DOUBLE.replace("return 2", "raise OSError('no weights')"))
    assert run.reason == "OSError: no weights (inference.py, line 2)"


def test_a_model_that_does_not_say_what_serves_it(bench: Bench) -> None:
    unnamed = model("Create", bench.put(f"{BUCKET}/model.tar.gz", archive({"weights": "2"})))
    unnamed["Arguments"]["PrimaryContainer"]["Environment"]["SAGEMAKER_PROGRAM"] = ""
    source = {"S3DataSource": {"S3Uri": f"{BUCKET}/data"}}
    arguments = {
        "ModelName": get("Steps.Create.ModelName"),
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": own_uri("answers"), "AssembleWith": "Line"},
    }
    execution = bench.run(unnamed, step("Transform", "Transform", arguments))
    assert "expected SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY, got '' and" in (
        execution.steps["Transform"].reason
    )


def test_a_model_that_there_is_not(bench: Bench) -> None:
    execution = bench.run(model("Create", f"{BUCKET}/none.tar.gz"))
    run = execution.steps["Create"]
    assert (run.status, run.reason) == ("Failed", f"there is nothing at {BUCKET}/none.tar.gz")
