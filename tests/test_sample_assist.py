"""The committed conversations are what their generator writes, and hold what it says."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import assist
import conversations
from conversations import ConversationError

DATA = assist.SCENARIO / "data"
FILES = ("conversations.jsonl", "must_refuse.txt")
MOST_BYTES = 250_000  # with the base model at most 2 MB

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    text = (DATA / "conversations.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def usable(rows: list[Row]) -> list[Row]:
    """The rows with an id and a conversation, of a repeated one the last."""
    last = {row["id"]: row for row in rows if row["id"] and _wrong(row) is None}
    return list(last.values())


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    assist.main(["--output", str(tmp_path)])
    assert {file.name for file in tmp_path.iterdir()} == set(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), (
            "run `python samples/assist.py`, and commit what it writes"
        )


def test_the_committed_files_are_small_and_have_unix_lines() -> None:
    written = [(DATA / name).read_bytes() for name in FILES]
    assert sum(map(len, written)) <= MOST_BYTES
    assert not any(b"\r" in content for content in written)


def test_another_seed_gives_other_conversations() -> None:
    assert assist.new_week(100, seed=1) != assist.new_week(100, seed=2)
    assert assist.old_months(100, seed=1) != assist.old_months(100, seed=2)
    assert assist.must_refuse(1) != assist.must_refuse(2)


def test_the_week_has_the_shape_that_it_documents(rows: list[Row]) -> None:
    text = inspect.getdoc(assist) or ""
    for row in rows:
        assert all(f"\n{field} " in text for field in row)
        assert row["language"] in assist.LANGUAGES
        assert row["region"] in ("north", "south")
        assert row["rating"] in (0, 1)
        assert row["resolved"] in (0, 1)
    times = [row["time"] for row in rows]
    assert times == sorted(times)
    assert times[0] >= "2026-03-02T00:00:00Z"
    assert max(row["time"] for row in rows[:-4]) < "2026-03-12"
    users = Counter(row["user"] for row in rows)
    assert 150 <= len(users) <= 210
    assert max(users.values()) >= 5


def test_blemishes_are_as_many_as_documented(rows: list[Row]) -> None:
    wrong = Counter(sentence for row in rows if (sentence := _wrong(row)))
    assert wrong == {
        "expected at least one message, got none": 2,
        "message 1: expected the role 'user', got 'assistant'": 2,
        "expected the assistant's reply as the last message, got the user's": 2,
    }
    ids = Counter(row["id"] for row in rows)
    assert ids.pop("") == 2
    assert Counter(ids.values()) == {1: len(ids) - 4, 2: 4}


def test_a_later_row_has_another_rating_and_is_the_same_otherwise(rows: list[Row]) -> None:
    twice = {name for name, count in Counter(row["id"] for row in rows).items() if count == 2}
    for name in twice - {""}:
        first, second = (row for row in rows if row["id"] == name)
        assert first.pop("time") < second.pop("time")
        assert first.pop("rating") == 1 - second.pop("rating")
        assert (first.pop("resolved"), second.pop("resolved")) in {(0, 0), (1, 0)}
        assert first == second


def test_twelve_of_thirty_two_policies_change_and_one_topic_is_new() -> None:
    known = [policy for policy in assist.policies() if "old" in policy]
    assert len(known) == 32
    changed = [policy for policy in known if "new" in policy]
    assert len(changed) == 12
    assert all(policy["old"] != policy["new"] for policy in changed)
    (added,) = (policy for policy in assist.policies() if "old" not in policy)
    questions = [question for p in assist.policies() for question in p["en"] + p["de"]]
    assert len(set(questions)) == len(questions) == 32 * 5 + len(added["en"]) + len(added["de"])


def test_a_reply_of_the_old_months_is_never_one_of_a_changed_policy(usable: list[Row]) -> None:
    old = _replies_of(assist.old_months(4_000, seed=1, varied=0.0))
    new = _replies_of([row["messages"] for row in usable])
    for policy in assist.policies():
        for place, language in enumerate(assist.LANGUAGES):
            before, after = (
                {policy["reply"][place].format(policy[name][place])} if name in policy else None
                for name in ("old", "new")
            )
            for question in policy[language]:
                assert old.get(question) == before
                assert new.get(question) in (after or before, None)
    differ = {question for question in old.keys() & new.keys() if old[question] != new[question]}
    assert len(differ) >= 40  # 12 policies in 5 wordings, those that the week has


def test_values_of_the_old_months_vary_and_are_never_those_of_the_week() -> None:
    replies = _replies_of(assist.old_months(4_000, seed=1, varied=0.5))
    for policy in (each for each in assist.policies() if "old" in each):
        for place, language in enumerate(assist.LANGUAGES):
            written = {text for asked in policy[language] for text in replies.get(asked, ())}
            before, after = (
                policy["reply"][place].format(policy.get(name, policy["old"])[place])
                for name in ("old", "new")
            )
            assert before in written
            assert len(written) > 3
            assert after == before or after not in written


def test_the_new_topic_is_asked_about_in_the_week_alone(usable: list[Row]) -> None:
    asked = [message["content"] for row in usable for message in row["messages"]]
    assert sum("abroad" in words for words in asked) >= 20
    old = assist.old_months(4_000, seed=1)
    assert not any("abroad" in message["content"] for messages in old for message in messages)


def test_the_same_prompt_comes_again_and_again(usable: list[Row]) -> None:
    prompts = Counter(conversations.normalised(row["messages"][:-1]) for row in usable)
    assert 440 <= len(prompts) <= 500
    assert sum(count > 1 for count in prompts.values()) >= 100


def test_follow_ups_refusals_and_personal_data_have_their_shares(usable: list[Row]) -> None:
    count = len(usable)
    follow_ups = sum(len(row["messages"]) > 2 for row in usable)
    assert follow_ups / count == pytest.approx(assist.FOLLOW_UPS, abs=0.04)
    refused = sum(_refuses(row) for row in usable)
    assert refused / count == pytest.approx(assist.REFUSED, abs=0.03)
    assert sum(_has_own_data(row) for row in usable) == assist.PERSONAL


def test_german_and_the_south_have_less(usable: list[Row]) -> None:
    week = [row for row in assist.new_week(20_000, seed=1) if row["id"] and _wrong(row) is None]
    assert _share(week, "rating", language="en") - _share(week, "rating", language="de") > 0.05
    assert (
        _share(week, "resolved", region="north") - _share(week, "resolved", region="south") > 0.06
    )
    ratings = [_share(week, "rating", region=region) for region in ("north", "south")]
    assert ratings[0] == pytest.approx(ratings[1], abs=0.03)
    for language in assist.LANGUAGES:  # of the committed week: enough of either to compare
        assert sum(row["language"] == language for row in usable) >= 150


def test_what_must_be_refused_is_nobodys_question_in_the_week(usable: list[Row]) -> None:
    prompts = (DATA / "must_refuse.txt").read_text(encoding="utf-8").splitlines()
    assert len(set(prompts)) == assist.MUST_REFUSE
    asked = {conversations.normalised(row["messages"][:-1]) for row in usable}
    asked |= {conversations.normalised(m[:-1]) for m in assist.old_months(4_000, seed=1)}
    keys = {conversations.normalised([{"role": "user", "content": words}]) for words in prompts}
    assert not keys & asked


@pytest.mark.parametrize("rows, seed, sentence", [(99, 1, "rows is 99"), (200, -1, "seed is -1")])
def test_what_cannot_be_generated_is_refused(
    rows: int, seed: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        assist.main(["--rows", str(rows), "--seed", str(seed)])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def _wrong(row: Row) -> str | None:
    try:
        conversations.checked(row["messages"])
    except ConversationError as error:
        return str(error)
    return None


def _replies_of(found: list[list[dict[str, str]]]) -> dict[str, set[str]]:
    """The replies to each prompt of a single message without a greeting or personal data."""
    replies: dict[str, set[str]] = {}
    for messages in found:
        if len(messages) == 2:
            replies.setdefault(messages[0]["content"], set()).add(messages[1]["content"])
    return replies


def _refuses(row: Row) -> bool:
    return str(row["messages"][-1]["content"]).startswith(assist.REFUSALS[row["language"]])


def _has_own_data(row: Row) -> bool:
    return any(
        kind.partition("{")[0] in row["messages"][-2]["content"]
        for kind in assist.OWN_DATA[row["language"]]
    )


def _share(week: list[Row], outcome: str, **group: str) -> float:
    members = [row for row in week if group.items() <= row.items()]
    return sum(int(row[outcome]) for row in members) / len(members)
