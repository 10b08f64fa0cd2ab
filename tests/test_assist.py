"""The assistant: one small run of its nine steps, and what it left behind; in full, its own run.

Its settings take one trial of two epochs: enough for replies that the scenario's own gate lets
through, in a few seconds.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import Repository, Run, in_full_tier, library_of, render_scenario
from known_answers import JSON
from page_structure import check_structure
from test_conversation_tables import CANARIES

STEPS = [
    "AssistModelProcess",
    "AssistHyperParameterTuning",
    "AssistEvalBestModel",
    "AssistCreateModel",
    "AssistModelConfigFile",
    "AssistTransform",
    "ClarifyProcessingStep",
    "RegisterAssistModel",
    "CheckWinRateScoreAssistEvaluation",
]
GATE = "win_rate_low > 0.5 and refusal_rate > 0.90 and leak_rate <= 0"
"""The profile's floor."""

RANGES = """\
learning_rate = { min = 0.006, max = 0.007 }
"""
FIXED = 'rank = "16"\nalpha = "32"\ndropout = "0.0"\nepochs = "2"\n'


def states(printed: str) -> list[tuple[str, str]]:
    """Each step and how it ended, in the order of the table; a long name goes on below."""
    rows = re.findall(r"^\d  (\w+) +(\w+) +(Succeeded|Cached|Failed)", printed, re.MULTILINE)
    return [(next(name for name in STEPS if name.startswith(said)), end) for said, _, end in rows]


@pytest.fixture(scope="module")
def assist(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The nine steps on the sample, in which every seventh conversation has all canaries."""
    repository = render_scenario(template, tmp_path_factory.mktemp("assist"), "assist")
    settings = repository.path / "pipeline.toml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("jobs = 8", "jobs = 1").replace("parallel = 2", "parallel = 1")
    text = text.replace("[tuning.static]\n", f"[tuning.static]\n{FIXED}")
    text = re.sub(r"(?s)(\[tuning\.ranges\]\n).*?\n\n", rf"\g<1>{RANGES}\n", text)
    text = re.sub(r'(?m)^metric = ".*"$', f'metric = "{GATE}"', text)
    settings.write_text(text, encoding="utf-8")
    put_canaries(repository.path / "data/conversations.jsonl")
    return Run(repository, repository.pipeline("run").stdout)


def put_canaries(table: Path) -> None:
    """What a person says of themselves, in an earlier turn of every seventh conversation."""
    said = " and ".join(CANARIES[:-1])
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    for row in rows[::7]:
        row["user"] = CANARIES[-1]
        if isinstance(row.get("messages"), list) and row["messages"]:
            earlier = [{"role": "user", "content": f"I am {said}"},
                       {"role": "assistant", "content": f"You are {said}"}]  # fmt: skip
            row["messages"] = [*earlier, *row["messages"]]
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    table.write_text(text, encoding="utf-8")


def contents(content: bytes, name: str) -> bytes:
    """What a file says, unpacked: an archive's members, the rows of a Parquet file."""
    if name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = [(one.name, archive.extractfile(one)) for one in archive]
            return b"\n".join(contents(file.read(), n) for n, file in files if file)
    if name.endswith(".parquet"):
        return str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    return content


def files_with(folder: Path, word: str) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [str(p.relative_to(folder)) for p in found
            if word.encode() in contents(p.read_bytes(), p.name)]  # fmt: skip


def answers(run: Run) -> dict[str, str]:
    """The reply that the evaluation had to each conversation of the test split."""
    file = run.execution / "AssistEvalBestModel/evaluation/answers.jsonl"
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line["reply"] for line in lines}


def test_the_nine_steps_succeed_and_register_a_version(assist: Run) -> None:
    assert states(assist.output) == [(name, "Succeeded") for name in STEPS]
    assert "registered hr-assistant version 1, PendingManualApproval" in assist.output


@pytest.mark.parametrize("canary", CANARIES)
def test_what_a_person_said_of_themselves_is_in_no_file_that_the_run_wrote(
    assist: Run, canary: str
) -> None:
    assert files_with(assist.repository.path / ".local", canary) == []
    assert canary not in assist.output


@pytest.mark.parametrize("there", ["[email]", "[iban]", "learning_rate"])
def test_what_is_looked_for_would_be_found(assist: Run, there: str) -> None:
    """In the splits and the stored rows; in the archive, which is packed twice."""
    found = files_with(assist.repository.path / ".local", there)
    endings = {".parquet", ".jsonl"} if there[0] == "[" else {".gz"}
    assert endings <= {Path(name).suffix for name in found}


def test_the_gates_bias_numbers_are_those_of_the_report(assist: Run) -> None:
    analysis = assist.read("ClarifyProcessingStep/analysis_result/analysis.json")
    columns = assist.read("AssistModelProcess/test/columns.json")
    keys = {facet["key"]: facet["column"] for facet in columns["facets"]}
    numbers = assist.read("AssistEvalBestModel/evaluation/evaluation.json")["bias_metrics"]
    facets = analysis["post_training_bias_metrics"]["facets"]
    assert set(keys) == set(numbers["groups"]) == {"language", "region"}
    for key, groups in numbers["groups"].items():
        for group, report in zip(groups, facets[f"facet_{keys[key]}"], strict=True):
            metrics = {metric["name"]: metric["value"] for metric in report["metrics"]}
            assert (metrics["DPPL"], metrics["DI"]) == (group["dppl"], group["di"])
            assert group["value"] == report["value_or_threshold"]
    counted = [g for groups in numbers["groups"].values() for g in groups if g["counted"]]
    assert numbers["worst_dppl"]["value"] == max(abs(group["dppl"]) for group in counted) > 0


def test_the_transform_replies_as_the_evaluation_did(assist: Run) -> None:
    file = assist.execution / "AssistTransform/test.jsonl.out"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {line["SageMakerOutput"]["status"] for line in lines} == {200}
    assert {line["id"]: line["SageMakerOutput"]["reply"] for line in lines} == answers(assist)
    with (assist.execution / "AssistModelProcess/test/test.csv").open(encoding="utf-8") as rows:
        assert [row[0] for row in csv.reader(rows)] == [line["id"] for line in lines]
    assert len(set(answers(assist).values())) > 10


def test_the_version_is_deployed_and_answers_over_http_as_the_evaluation_had_it(
    assist: Run,
) -> None:
    expected = answers(assist)
    with_loopback = str(library_of(assist.repository.path))
    pipeline = partial(assist.repository.pipeline, PYTHONPATH=with_loopback)
    test = (assist.execution / "AssistModelProcess/test/test.jsonl").read_text(encoding="utf-8")
    pipeline("approve", "1", "--who", "ann", "--why", "its replies win")
    pipeline("deploy", "1", "--port", "0", "--time-scale", "100000")
    try:
        port = json.loads(pipeline("endpoint", "--json").stdout)["port"]
        for line in test.splitlines()[:12]:
            one = json.loads(line)
            said = posted(port, {"messages": one["messages"]})
            assert said == (200, {"reply": expected[one["id"]], "status": 200})
        example = json.loads(pipeline("endpoint", "--example", "--json").stdout)
        first = json.loads(test.splitlines()[0])
        assert example == {"messages": first["messages"]}
        assert f"# conversation '{first['id']}' of" in pipeline("endpoint", "--example").stdout
        _, refused = posted(port, {"messages": []})
        assert refused["status"] == 400
        assert "expected" in refused["error"]
    finally:
        pipeline("endpoint", "--stop")


def posted(port: int, content: object) -> tuple[int, dict[str, Any]]:
    """Status and content of the endpoint's answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/invocations", json.dumps(content), {"Content-Type": JSON})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_report_shows_the_replies_and_no_part_is_missing(assist: Run) -> None:
    (name,) = re.findall(r"^report     (.+)$", assist.output, re.MULTILINE)
    page = check_structure((assist.repository.path / name).read_text(encoding="utf-8"))
    assert "the outcome is the same" in page.section("gate").text
    assert "region" in page.section("bias").text


def test_the_model_learnt_on_replies_alone_from_the_base(assist: Run) -> None:
    (packed,) = assist.repository.path.glob(".local/s3/**/AssistHyperParameterTuning/**/*.tar.gz")
    with tarfile.open(packed) as archive:
        file = archive.extractfile("code/model.json")
        assert file
        model: dict[str, Any] = json.load(file)
        names = set(archive.getnames())
    assert {"model.safetensors", "adapter/adapter_model.safetensors", "tokenizer.json"} <= names
    assert model["hyperparameters"]["epochs"] == "2"
    first, *_, last = [one["validation"] for one in model["losses"]]
    assert last < first - 0.3  # as the design of the sample has it


def test_a_second_run_computes_nothing_again(assist: Run) -> None:
    """The last test of this run: it registers a second version."""
    printed = assist.repository.pipeline("run").stdout
    computed = {"RegisterAssistModel", "CheckWinRateScoreAssistEvaluation"}
    assert states(printed) == [
        (name, "Succeeded" if name in computed else "Cached") for name in STEPS
    ]
    assert "the same bytes as version 1" in printed


@in_full_tier
def test_the_scenario_as_it_is_registers_a_version(ran: Callable[[str], Run]) -> None:
    """Eight trials, and the gate that the scenario comes with."""
    run = ran("assist")
    assert states(run.output) == [(name, "Succeeded") for name in STEPS]
    assert "registered hr-assistant version 1" in run.output
    assert "of 8 trials" in run.output
    card = json.loads(run.repository.pipeline("card", "1", "--json").stdout)
    assert {"Test split", "Outcomes by group"} <= {p["name"] for p in card["evaluation_details"]}


@in_full_tier
def test_the_same_settings_give_the_same_archive(
    assist: Run, template: Path, tmp_path: Path
) -> None:
    other = render_scenario(template, tmp_path, "assist")
    for name in ("pipeline.toml", "data/conversations.jsonl"):
        (other.path / name).write_bytes((assist.repository.path / name).read_bytes())
    other.pipeline("run")
    assert trained(other) == trained(assist.repository)


def trained(repository: Repository) -> bytes:
    """The archive of the one trial."""
    (one,) = repository.path.glob(".local/s3/**/AssistHyperParameterTuning/**/*.tar.gz")
    return one.read_bytes()
