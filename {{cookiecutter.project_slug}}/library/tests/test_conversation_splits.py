"""Step 1 of a language model: the same prompt in one split alone, and files that fit each other."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import conversation_splits
import conversations
from dataset import Columns, DataError, read_groups, read_split
from people import arguments, container_at, query_result

SCRIPT = Path(__file__).parents[2] / "problems/language_model/model_build/steps/process.py"
SPLITS = ("train", "validation", "test")
WORDS = ("leave", "payday", "parking", "badges", "trains", "hotels", "laptops", "bonus", "sport")

Run = Callable[..., Path]


@pytest.fixture(scope="module")
def step() -> ModuleType:
    """The script, which has the name of the tables' own."""
    spec = importlib.util.spec_from_file_location("process_of_conversations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(step: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the script on a table; gives the folder of its outputs."""
    container_at(monkeypatch, tmp_path)

    def of(table: pa.Table, **options: str) -> Path:
        query_result(tmp_path, table)
        given = {"record_id": "id", "label": "rating", "problem": "language_model"} | options
        step.main(arguments("language", conversation="messages", **given))
        return tmp_path / "processing" / "output"

    return of


def messages(number: int) -> list[dict[str, str]]:
    """One of 90 prompts, each in three ways of writing it."""
    asked = f"What about {WORDS[number % 9]} number {number // 9 % 10}?"
    asked = (asked, asked.upper(), f" {asked.removesuffix('?')} ")[number % 3]
    return [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": f"Line one,\nand 日本 {number}."},
    ]


def rated(n: int = 600, **replaced: Any) -> pa.Table:
    """Conversations in no order, as the query gives them: names in lower case, scrubbed texts."""
    source = np.random.default_rng(3)
    numbers = source.integers(0, 270, n)
    columns: dict[str, Any] = {
        "id": [f"c{number:04}" for number in range(n)],
        "event_time": ["2026-01-20T00:00:00.000Z"] * n,
        "rating": (source.random(n) < 0.6).astype(np.int64),
        "turns": np.ones(n),
        "messages": [conversations.written(messages(int(number))) for number in numbers],
        "language": source.choice(np.array(["en", "de"], dtype=object), n),
        "user": ["0" * 64] * n,
    }
    return pa.table({**columns, **replaced}).take(source.permutation(n))


def content(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_a_prompt_however_it_is_written_stands_in_one_split(run: Run) -> None:
    output, where = run(rated()), dict[str, str]()
    for name in SPLITS:
        for one in conversations.read(output / name / f"{name}.jsonl"):
            assert where.setdefault(conversations.normalised(one.prompt), name) == name
    assert len(where) == 90
    assert set(where.values()) == set(SPLITS)


def test_csv_json_lines_and_groups_are_of_the_same_rows_in_the_same_order(run: Run) -> None:
    table = rated()
    said = dict(zip(table["id"].to_pylist(), table["messages"].to_pylist(), strict=True))
    output, total = run(table), 0
    for name in SPLITS:
        split = read_split(output / name, name)
        found = conversations.read(output / name / f"{name}.jsonl")
        assert [one.id for one in found] == split.ids == sorted(split.ids)
        total += len(found)
        groups = read_groups(output / name)
        assert groups is not None
        keys = [conversations.normalised(one.prompt) for one in found]
        assert len(set(zip(groups.tolist(), keys, strict=True))) == len(set(keys))
        assert len(set(groups.tolist())) == len(set(keys))
        for one in found:
            whole = [*one.prompt, {"role": "assistant", "content": one.reply}]
            assert conversations.written(whole) == said[one.id]
    assert total == 600


def test_a_split_has_ratings_and_facets_and_no_features(run: Run) -> None:
    output = run(rated())
    columns = Columns.read(output / "test")
    assert columns.features == ()
    assert columns.names == ["id", "event_time", "rating", "facet_language"]
    with (output / "test/test.csv").open(newline="", encoding="utf-8") as file:
        assert {len(row) for row in csv.reader(file)} == {4}
    assert set(read_split(output / "test", "test").labels) == {0.0, 1.0}
    assert content(output, "train/profile.json")["features"] == {}
    assert set(content(output, "bias/pretraining_bias.json")["facets"]) == {"facet_language"}


def test_findings_tell_how_many_prompts_a_split_by_id_would_have_had_in_both(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    table = rated()
    output = run(table)
    found = content(output, "test/findings.json")
    assert sum(found["rows"].values()) == 600
    prompts = found["prompts"]
    assert prompts["different"] == 90
    assert prompts["by_prompt"]["in_train_too"] == 0
    groups = read_groups(output / "test")
    assert groups is not None
    assert prompts["by_prompt"]["test"] == len(set(groups.tolist()))
    by_id = prompts["by_record_id"]
    assert f"{by_id['in_train_too']} of {by_id['test']} distinct test" in capsys.readouterr().out
    assert 0.9 < by_id["in_train_too"] / by_id["test"] <= 1


def test_a_split_by_time_keeps_prompts_together_too(run: Run) -> None:
    days = [f"2026-01-{1 + number // 25:02}T00:00:00.000Z" for number in range(600)]
    table = rated(messages=[conversations.written(messages(n // 2 % 270)) for n in range(600)],
                  event_time=days)  # fmt: skip
    output = run(table, split_by="time", min_positives="5")
    keys = [
        {conversations.normalised(one.prompt) for one in conversations.read(file)}
        for file in (output / name / f"{name}.jsonl" for name in SPLITS)
    ]
    assert not keys[0] & keys[2]


def test_the_same_rows_in_another_order_give_the_same_bytes(run: Run) -> None:
    names = [f"{name}/{name}.{end}" for name in SPLITS for end in ("csv", "jsonl")]
    before = run(table := rated())
    contents = [(before / name).read_bytes() for name in (*names, "test/findings.json")]
    again = run(table.take(np.arange(len(table))[::-1]))
    assert [(again / name).read_bytes() for name in (*names, "test/findings.json")] == contents


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "expected a list of messages, got nothing"),
        ("[]", "expected at least one message, got none"),
        ("{", "expected JSON, got something else at character 2"),
    ],
)
def test_a_row_without_a_conversation_is_named(run: Run, text: str | None, sentence: str) -> None:
    texts = [conversations.written(messages(1))] * 599
    with pytest.raises(DataError) as error:
        run(rated(messages=pa.array([*texts, text])))
    assert str(error.value) == f"'messages' of the record 'c0599': {sentence}"


def test_too_few_prompts_for_three_splits_are_told(run: Run) -> None:
    same = json.dumps(messages(1))
    with pytest.raises(DataError, match=r"0; the conversations have 1 distinct prompt, each of w"):
        run(rated(messages=[same] * 600))


def test_a_group_without_conversations_is_refused(run: Run) -> None:
    with pytest.raises(DataError, match="expected a column 'messages', got id, "):
        run(rated().drop_columns("messages"))


def test_the_column_that_groups_rows_has_no_name_of_a_feature() -> None:
    assert " " in conversation_splits.PROMPT
