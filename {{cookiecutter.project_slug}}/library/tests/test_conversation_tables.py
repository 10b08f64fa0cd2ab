"""Raw tables of conversations: what can be used, what is left out, and what never is written."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from conversations import parsed
from ninesteps.errors import RawTableError, SettingsError
from ninesteps.feature_store import stored
from ninesteps.feature_store.ingest import Ingested, ingest
from ninesteps.feature_store.online import LocalOnlineStore
from ninesteps.feature_store.raw_rows import RawTable
from ninesteps.feature_store.raw_table import read_raw_table
from ninesteps.feature_store.records import FeatureGroup
from ninesteps.local import pseudonyms
from ninesteps.local.erasures import Erasures
from ninesteps.local.storage import Storage
from ninesteps.repository import modules
from ninesteps.runs import checked, compiled
from ninesteps.settings import loading
from ninesteps.settings.data import Column, Data, Quality, Split
from ninesteps.settings.judge import Judge
from ninesteps.settings.judgement import Bias, GateSettings, Model
from ninesteps.settings.project import Project
from ninesteps.settings.settings import Settings
from ninesteps.settings.toml import RuleBroken
from ninesteps.settings.tuning import Range, Tuning
from ninesteps.step_code import base_model, suite
from ninesteps.tracing import rewriting
from ninesteps.tracing.found import Found

SCENARIO = Path(__file__).parents[2] / "scenarios/assist"

CANARIES = (
    "canary.bird@example.com",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
    "+49 30 23125 042",
    "219-09-9999",
    "203.0.113.77",
    "employee-canary-7",
)
"""What a person said or is called, none of which may be in any file that is written."""

ASKED = {"role": "user", "content": "How many days? 何日 👍\nThanks"}
REPLY = {"role": "assistant", "content": "You have 25 days."}


@pytest.fixture(autouse=True)
def features_of_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario's `features.py`, beside which churn's has the same module name."""
    file = SCENARIO / "feature_store/features.py"
    spec = importlib.util.spec_from_file_location("features_of_conversations", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(modules, "features", lambda root: module)


def settings(**data: Any) -> Settings:
    """Settings of a small table of conversations, with the scenario's features."""
    columns = {
        "messages": Column("conversation"),
        "user": Column("text", pseudonym=True),
        "language": Column("category", values=("de", "en")),
        "resolved": Column("number"),
    }
    return Settings(
        project=Project("Help", "help", "Help", "custom", "WinRate", problem="language_model"),
        data=Data(
            **{
                "file": "talks.jsonl",
                "record_id": "id",
                "label": "rating",
                "event_time": "time",
                "columns": columns,
                "quality": Quality(dropped=1),
                **data,
            }
        ),
        split=Split("help"),
        tuning=Tuning(ranges={"eta": Range(0.1, 0.5)}),
        gate=GateSettings("win_rate_low > 0.5"),
        bias=Bias(facets="language"),
        model=Model(base="data/base"),
        root=SCENARIO,
    )


def row(number: int, messages: Any = None, **other: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "time": f"2026-03-0{1 + number % 7}T10:00:00Z",
        "user": f"e{number % 3}",
        "messages": [ASKED, REPLY] if messages is None else messages,
        "language": "en" if number % 2 else "de",
        "rating": number % 2,
        "resolved": 1,
        **other,
    }


def json_lines(folder: Path, rows: list[dict[str, Any]]) -> Path:
    file = folder / "talks.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return file


def read(file: Path, **options: Any) -> RawTable:
    return read_raw_table(file, settings(), **options)


def messages_of(table: RawTable) -> list[tuple[dict[str, str], ...]]:
    return [parsed(text) for text in table.rows["messages"]]


@pytest.mark.parametrize("kind", ["jsonl", "gzip", "parquet", "json in parquet", "json in csv"])
def test_a_conversation_is_the_same_from_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    rows = [row(number, None) for number in range(4)]
    file = json_lines(tmp_path, rows)
    if kind == "gzip":
        file.write_bytes(gzip.compress(file.read_bytes()))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind != "jsonl":
        texts = [{**r, "messages": json.dumps(r["messages"])} for r in rows]
        table = pa.Table.from_pylist(texts)
        pa.csv.write_csv(table, file) if kind.endswith("csv") else pq.write_table(table, file)
    table = read(file)
    assert messages_of(table) == [(ASKED, REPLY)] * 4  # other scripts, emoji and line ends too
    assert table.rows["rating"].tolist() == [0, 1, 0, 1]
    assert table.rows["user"].tolist() == ["e0", "e1", "e2", "e0"]
    assert table.left_out == {"empty id": 0, "no rating": 0, "no time": 0, "unreadable time": 0,
                              "time in the future": 0}  # fmt: skip


UNUSABLE = {
    "empty conversation": ([], None, "", " "),
    "roles out of order": ([REPLY, ASKED], [ASKED, ASKED, REPLY], [ASKED, REPLY, REPLY]),
    "no reply": ([ASKED], [ASKED, REPLY, ASKED]),
    "empty message": ([{"role": "user", "content": " "}, REPLY],),
    "message too large": ([{"role": "user", "content": "a" * 100_000}, REPLY],),
    "conversation too large": ([{**ASKED, "content": "a" * 60_000}, REPLY] * 5,),
    "no conversation": (
        "hello", 5, [5], [{"role": "bot", "content": "x"}], [{"role": "user", "content": 5}],
        [{"role": "user", "content": "\ud83d"}, REPLY], '[{"role": "user"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_row_without_a_usable_conversation_is_left_out_and_counted(
    tmp_path: Path, kind: str
) -> None:
    wrong = [row(9 + n, **{"messages": m}) | {"messages": m} for n, m in enumerate(UNUSABLE[kind])]
    table = read(json_lines(tmp_path, [row(1), *wrong, row(2)]))
    assert table.rows["id"].tolist() == ["c1", "c2"]
    assert table.left_out[f"{kind} in messages"] == len(wrong)
    assert table.found[f"{kind} in messages: left out"] == len(wrong)


def test_too_many_unusable_ones_are_refused_with_their_lines(tmp_path: Path) -> None:
    rows = [row(n) for n in range(6)] + [row(7, []), row(8, [ASKED]), row(9, [ASKED])]
    file = json_lines(tmp_path, rows)
    with pytest.raises(RawTableError) as refused:
        read_raw_table(file, settings(quality=Quality(dropped=0.1)))
    assert str(refused.value) == (
        f"{file}: expected at most 0 rows to be left out ([data.quality] dropped = 0.1), got 3 of "
        "9: empty conversation in messages in 1 (line 7); no reply in messages in 2 (line 8, line "
        "9)"
    )


def test_a_table_without_a_usable_conversation_says_what_is_wrong_with_them(tmp_path: Path) -> None:
    file = json_lines(tmp_path, [row(1, [ASKED]), row(2, [ASKED]), row(3, [])])
    with pytest.raises(RawTableError) as refused:
        read(file)
    assert str(refused.value) == (
        f"{file}: expected rows that can be used, got none of 3: empty conversation in messages in "
        "1; no reply in messages in 2"
    )


def test_personal_data_is_replaced_before_a_row_is_read(tmp_path: Path) -> None:
    words = f"I am {CANARIES[0]}, pay to {CANARIES[1]} or {CANARIES[2]}; call {CANARIES[3]}."
    table = read(json_lines(tmp_path, [row(1, [{**ASKED, "content": words}, REPLY]), row(2)]))
    asked, _ = messages_of(table)[0]
    assert asked["content"] == "I am [email], pay to [iban] or [card]; call [phone]."
    assert table.found == {"personal data replaced in messages": 1}


def with_canaries() -> list[dict[str, Any]]:
    """Rows of which each seventh has all canaries, in a question, a reply and the user's name."""
    said = " and ".join(CANARIES[:-1])
    rows = [row(number) for number in range(60)]
    for place in range(0, 60, 7):
        asked, reply = {**ASKED, "content": f"I said {said}"}, {**REPLY, "content": said}
        rows[place] |= {"messages": [asked, reply, ASKED, REPLY], "user": CANARIES[-1]}
    return rows


def put(
    folder: Path,
    rows: list[dict[str, Any]],
    rows_at_once: int | None = None,
    erased: Erasures | None = None,
) -> Ingested:
    file, s3 = json_lines(folder, rows), folder / ".local/s3"
    of = settings()
    return ingest(file, of, of.environment(), s3, rows_at_once=rows_at_once, erased=erased)


def files_with(folder: Path, *words: str) -> list[str]:
    """The files below a folder that have one of some words, in Parquet's compressed pages too."""
    found = []
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content += str(pq.read_table(file).to_pylist()).encode()
        if any(word.encode() in content for word in words):
            found.append(file.name)
    return found


@pytest.mark.parametrize("rows_at_once", [None, 10])
def test_no_store_has_what_a_person_said_of_themselves(
    tmp_path: Path, rows_at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested = put(tmp_path, with_canaries(), rows_at_once)
    local = tmp_path / ".local"
    folder = Storage(local / "s3").path(ingested.location)
    rows = pa.concat_tables(stored.rows(folder, "id"))
    assert "[email]" in str(rows["messages"].to_pylist())
    group = FeatureGroup.of(settings().features_of(settings().environment()), "id", rows.schema)
    online = LocalOnlineStore(local / "online.db", "help", "id", group.features.event_time)
    assert online.put(group.records(group.cast(rows))) == 60
    with sqlite3.connect(local / "online.db") as database:
        assert "[iban]" in str(database.execute("SELECT record FROM records").fetchall())
    assert files_with(local, *CANARIES) == []
    assert files_with(local, "How many days")  # so that what is looked for could be found


def test_a_scratch_file_of_a_large_table_has_none_of_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed leaves its scratch files."""
    file, folder = json_lines(tmp_path, with_canaries()), tmp_path / "scratch"
    read(file, folder=folder, rows_at_once=10)
    assert any(folder.rglob("*.arrow"))
    assert files_with(folder, *CANARIES[:-1]) == []


def test_a_user_is_a_keyed_hash_that_is_the_same_for_every_row(tmp_path: Path) -> None:
    ingested = put(tmp_path, with_canaries())
    local = tmp_path / ".local"
    key = pseudonyms.read(local)
    assert key is not None
    (rows,) = [pa.concat_tables(stored.rows(Storage(local / "s3").path(ingested.location), "id"))]
    users = dict(zip(rows["id"].to_pylist(), rows["user"].to_pylist(), strict=True))
    assert users["c0"] == users["c7"] == key.of(CANARIES[-1])
    assert users["c1"] == key.of("e1")
    assert len(set(users.values())) == 4


def test_nothing_is_written_without_the_key(tmp_path: Path) -> None:
    from ninesteps.feature_store.write import write_offline_store

    with pytest.raises(ValueError, match="no key"):
        write_offline_store(json_lines(tmp_path, [row(1), row(2)]), settings(), {}, tmp_path / "g")


def test_the_store_has_the_scenarios_features_and_the_conversation_beside_them(
    tmp_path: Path,
) -> None:
    ingested = put(tmp_path, with_canaries())
    folder = Storage(tmp_path / ".local/s3").path(ingested.location)
    rows = pa.concat_tables(stored.rows(folder, "id")).to_pylist()
    (first,) = [one for one in rows if one["id"] == "c1"]
    assert (first["turns"], first["prompt_words"], first["reply_words"]) == (2, 6, 4)
    assert (first["resolved"], first["language_de"], first["language_en"]) == (1, 0, 1)
    assert (first["rating"], first["language"]) == (1, "en")
    assert parsed(first["messages"]) == (ASKED, REPLY)
    assert ingested.found == {
        "conversation with earlier messages": 9,
        "personal data replaced in messages": 9,
    }
    assert (ingested.suspicious, ingested.crossing) == ({}, {})


def test_a_text_column_is_read_as_of_a_moment(tmp_path: Path) -> None:
    later = {**REPLY, "content": "You have 28 days."}
    rows = [row(n) for n in range(6)]
    rows.append(row(1, [ASKED, later]) | {"time": "2026-03-20T00:00:00Z"})
    ingested = put(tmp_path, rows)
    folder = Storage(tmp_path / ".local/s3").path(ingested.location)
    for moment, words in (("2026-03-10", REPLY["content"]), ("2026-03-21", later["content"])):
        found = stored.as_of([folder], "id", "c1", f"{moment}T00:00:00.000Z")
        assert parsed(found["messages"][0].as_py())[-1]["content"] == words


def test_an_erasure_finds_a_conversation_in_json_lines_and_words(tmp_path: Path) -> None:
    folder = tmp_path / "s3/bucket/run"
    folder.mkdir(parents=True)
    lines = [json.dumps({"id": name, "reply": 'of "ü-1"'}, ensure_ascii=name == "a") + "\n"
             for name in ("a", "ü-1", "b", "ü-10")]  # fmt: skip
    for name in ("train.jsonl", "replies.jsonl", "test.jsonl.out"):
        (folder / name).write_text("".join(lines), encoding="utf-8")
    shared = [{"id": "a", "ids": ["a", "b"]}, {"id": "c", "ids": ["c", "ü-1"]}, {"id": "d"}]
    (folder / "answers.jsonl").write_text(
        "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in shared), encoding="utf-8"
    )
    (folder / "other.jsonl").write_text('{"id": "b"}\nno JSON "ü-1"\n', encoding="utf-8")
    words = {"conversations": [{"id": "ü-1", "words": ["leave"]}]}
    (folder / "attributions.json").write_text(json.dumps(words, ensure_ascii=False), "utf-8")
    changes = Found(tmp_path, "ü-1", ("id",), "help").changes
    assert {(change.path.rpartition("/")[2], change.what, change.lines) for change in changes} == {
        ("attributions.json", "the words that replies depend on, all of them", ()),
        ("train.jsonl", "1 row of the train split's conversations", (1,)),
        ("replies.jsonl", "1 row of the evaluation's replies", (1,)),
        ("answers.jsonl", "1 row of the evaluation's answers", (1,)),
        ("test.jsonl.out", "1 row of predictions", (1,)),
    }
    rewriting.without_lines(folder / "train.jsonl", (1,), folder / "new")
    left = (folder / "new").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in left] == ["a", "b", "ü-10"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": {"user": Column("text")}}, 'expected one column of type = "conversation"'),
        ({"columns": {"a": Column("conversation"), "b": Column("conversation")}}, "got a, b"),
    ],
)
def test_a_language_model_learns_from_one_column_of_conversations(
    change: dict[str, Any], sentence: str
) -> None:
    of = settings()
    changed = replace(of, data=replace(of.data, **change), bias=Bias())
    with pytest.raises(SettingsError) as refused:
        loading._check_conversations(changed)
    assert sentence in str(refused.value)


def test_conversations_have_no_groups_and_rows_no_group_of_their_own() -> None:
    of = settings()
    for changed, words in (
        (replace(of, split=replace(of.split, group="user")), "stay together by prompt"),
        (replace(of, bias=Bias(facets="messages")), "got the conversations 'messages'"),
        (replace(of, project=replace(of.project, problem="binary")), "expected no conversation"),
    ):
        with pytest.raises(SettingsError, match=words):
            loading._check_conversations(changed)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../other/data", "data/../../x", "C:\\data", "a//b"]
)
def test_what_is_put_beside_the_code_lies_in_the_repository(path: str) -> None:
    """A file from elsewhere would be published with the code, and a clone would not have it."""
    for make in (lambda: Judge(must_refuse=path, refusals=("No",)), lambda: Model(base=path)):
        with pytest.raises(RuleBroken, match=r"of the repository, such as data/.*, got "):
            make()


def test_a_base_that_is_no_folder_is_named() -> None:
    of = replace(settings(), model=Model(base="data/conversations.jsonl"))
    with pytest.raises(SettingsError, match=r"found none at data/conversations\.jsonl"):
        base_model.objects(of, of.environment())


@pytest.mark.parametrize("name", ["data/base/tokenizer.json", "list.txt"])
def test_another_base_or_list_of_prompts_is_compiled_and_checked_again(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "data/base").mkdir(parents=True)
    judge = Judge("list.txt", ("No",))
    of = replace(settings(), judge=judge, root=tmp_path)
    seen = set()
    for content in ("one", "two"):
        (tmp_path / name).write_text(content)
        seen.add(compiled._digest(tmp_path, of, of.environment()))
        seen.add(checked._digest(tmp_path, of, None))
    assert len(seen) == 4


def test_a_link_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "list.txt").write_text("Whose?\n")
    (root / "data/base").mkdir(parents=True)
    (root / "list.txt").symlink_to(elsewhere / "list.txt")
    (root / "other").symlink_to(elsewhere)
    for name in base_model.NEEDED:
        (root / "data/base" / name).symlink_to(elsewhere / "list.txt")
    for base in ("other", "data/base"):
        of = replace(settings(), model=Model(base=base), root=root)
        with pytest.raises(SettingsError, match=rf"link out of it, got {base}.* leads to "):
            base_model.objects(of, of.environment())
    of = replace(settings(), judge=Judge("list.txt", ("No",)), root=root)
    with pytest.raises(SettingsError, match=r"list\.txt, which leads to"):
        suite.files(of)
    (root / "list.txt").unlink()
    (root / "data/list.txt").write_text("Whose?\n")
    (root / "list.txt").symlink_to("data/list.txt")  # a link within the repository is none
    assert json.loads(suite.files(of)["judge.json"])["must_refuse"] == ["Whose?"]


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x85", "\x0c"])
def test_a_prompt_with_a_control_character_is_refused(tmp_path: Path, character: str) -> None:
    of = replace(settings(), judge=Judge("list.txt", ("No",)), root=tmp_path)
    (tmp_path / "list.txt").write_text(f"\ufeffWhose?\r\n\nMy\tpay{character}\n", encoding="utf-8")
    got = rf"list\.txt, line 3: .* got U\+00{ord(character):02X}"
    with pytest.raises(SettingsError, match=got):
        suite.files(of)
    (tmp_path / "list.txt").write_text("\ufeffWhose?\r\n\nMy\tpay\n", encoding="utf-8", newline="")
    assert json.loads(suite.files(of)["judge.json"])["must_refuse"] == ["Whose?", "My\tpay"]


def test_a_prompt_that_no_model_reads_is_refused_before_training(tmp_path: Path) -> None:
    of = replace(settings(), judge=Judge("long.txt", ("No",)), root=tmp_path)
    (tmp_path / "long.txt").write_text("Whose?\n\n" + "a" * 65_537)
    with pytest.raises(
        SettingsError, match=r"long\.txt, line 3: .* at most 65,536 bytes, got 65,5"
    ):
        suite.files(of)


def test_a_version_is_made_again_with_the_pseudonyms_of_then(tmp_path: Path) -> None:
    """A reproduction stands in a folder of its own, whose random key would give other hashes."""
    key = pseudonyms.made(tmp_path / "then")
    again = put(tmp_path, [row(n) for n in range(70)], erased=Erasures(key=key))
    folder = Storage(tmp_path / ".local/s3").path(again.location)
    found = stored.as_of([folder], "id", "c1", "2026-04-01T00:00:00.000Z")
    assert found["user"][0].as_py() == key.of(row(1)["user"])
    assert pseudonyms.read(tmp_path / ".local") is None


def test_only_texts_have_a_pseudonym() -> None:
    with pytest.raises(Exception, match="only texts have it"):
        Column("number", pseudonym=True)
