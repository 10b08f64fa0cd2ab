"""Conversations: which can be used, what is said of the others, and which prompts are the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import conversations
from conversations import Conversation, ConversationError

SYSTEM = {"role": "system", "content": "You answer questions about our policies."}
ASKED = {"role": "user", "content": "How many days of leave do I have?"}
REPLY = {"role": "assistant", "content": "You have 25 days."}


def said(words: str, role: str = "user") -> dict[str, str]:
    return {"role": role, "content": words}


@pytest.mark.parametrize(
    "messages", [[ASKED, REPLY], [SYSTEM, ASKED, REPLY], [SYSTEM, ASKED, REPLY, ASKED, REPLY]]
)
def test_roles_in_turn_pass(messages: list[dict[str, str]]) -> None:
    assert list(conversations.checked(messages)) == messages
    assert list(conversations.checked_prompt(messages[:-1])) == messages[:-1]


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        (None, "expected a list of messages, got nothing"),
        ("How?", "expected a list of messages, got a string"),
        ([], "expected at least one message, got none"),
        (["How?"], "message 1: expected an object with role and content, got a string"),
        (
            [said("x", "human")],
            "message 1: expected the role system, user or assistant, got 'human'",
        ),
        ([{"content": "x"}], "message 1: expected the role system, user or assistant, got nothing"),
        ([{"role": "user"}], "message 1: expected a string, got nothing"),
        ([{"role": "user", "content": [1]}], "message 1: expected a string, got a list"),
        ([ASKED, said(" \n", "assistant")], "message 2: expected a string, got an empty string"),
        ([REPLY, ASKED], "message 1: expected the role 'user', got 'assistant'"),
        ([ASKED, ASKED], "message 2: expected the role 'assistant', got 'user'"),
        ([SYSTEM, ASKED, SYSTEM], "message 3: expected the role 'assistant', got 'system'"),
        ([SYSTEM, ASKED, REPLY, REPLY], "message 4: expected the role 'user', got 'assistant'"),
        (
            [ASKED],
            "expected the assistant's reply as the last message, got the user's",
        ),
        ([said("a" * 100_000), REPLY], "message 1: expected at most 65,536 bytes, got 100,000"),
        ([said("é" * 32_769), REPLY], "message 1: expected at most 65,536 bytes, got 65,538"),
        (
            [said("a" * 60_000), said("a" * 60_000, "assistant")] * 3,
            "expected messages of at most 262,144 bytes in all, got 360,000",
        ),
        (
            [said("\ud83d"), REPLY],
            "message 1: expected Unicode text, got half of a surrogate pair",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(messages: object, sentence: str) -> None:
    with pytest.raises(ConversationError) as caught:
        conversations.checked(messages)
    assert str(caught.value) == sentence


def test_a_prompt_ends_with_the_user() -> None:
    with pytest.raises(
        ConversationError, match="expected the last message to be the user's, got the assistant's"
    ):
        conversations.checked_prompt([ASKED, REPLY])


def test_json_that_is_none_is_told_of_without_its_words() -> None:
    with pytest.raises(ConversationError) as caught:
        conversations.parsed('[{"role": "user", "content": "my secret"')
    assert str(caught.value) == "expected JSON, got something else at character 41"
    with pytest.raises(ConversationError, match="nested too deeply"):
        conversations.parsed("[" * 200_000)


def test_other_scripts_and_emoji_pass_untouched(tmp_path: Path) -> None:
    words = "¿Cuántos días? 何日ですか 👩‍👩‍👧‍👦 नमस्ते שלום \u2028 \u0000 ﬁ e\u0301"
    (one,) = [conversations.conversation("1", conversations.checked([said(words), REPLY]))]
    conversations.write(tmp_path / "test.jsonl", [one])
    assert conversations.read(tmp_path / "test.jsonl") == [one]
    assert one.prompt[0]["content"] == words
    assert conversations.parsed(conversations.written([said(words), REPLY]))[0]["content"] == words


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    all_of_them = [
        Conversation("a", (SYSTEM, ASKED), "You have 25 days."),
        Conversation("b", (ASKED, REPLY, ASKED), "Still 25."),
    ]
    conversations.write(tmp_path / "train.jsonl", all_of_them)
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {
        "id": "a",
        "messages": [SYSTEM, ASKED],
        "reply": "You have 25 days.",
    }
    assert conversations.read(tmp_path / "train.jsonl") == all_of_them


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "expected JSON, got something else at character 2"),
        ("[]", "expected an object with an id, got a list"),
        ('{"id": 3}', "expected an object with an id, got an object"),
        (
            '{"id": "x", "messages": [], "reply": ""}',
            "x: expected a string as its reply, got an empty string",
        ),
        ('{"id": "x", "messages": [], "reply": "y"}', "expected at least one message, got none"),
    ],
)
def test_a_line_that_is_no_conversation_is_named(tmp_path: Path, line: str, sentence: str) -> None:
    good = json.dumps({"id": "a", "messages": [ASKED], "reply": "25."})
    (tmp_path / "test.jsonl").write_text(f"{good}\n\n{line}\n")
    with pytest.raises(ConversationError) as caught:
        conversations.read(tmp_path / "test.jsonl")
    assert str(caught.value) == f"test.jsonl, line 3: {sentence}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How many days of leave do I have?", "how many  days of leave do i have", True),
        ("What's the limit?", "Whats the limit", True),
        ("What’s the limit?", "What's the limit?!", True),
        ("Ｗｈａｔ is STRASSE", "what is straße", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("e-mail", "e mail", True),
        ("a\u200bb", "ab", True),
        ("5 days", "6 days", False),
        ("good 👍", "good 👎", False),
        ("résumé", "resume", False),
        ("नमस्ते", "नमसत", False),
    ],
)
def test_prompts_that_are_the_same(one: str, other: str, same: bool) -> None:
    keys = {conversations.normalised([said(words)]) for words in (one, other)}
    assert (len(keys) == 1) is same


def test_the_same_questions_are_one_prompt_whatever_was_replied_between_them() -> None:
    first = [SYSTEM, ASKED, REPLY, said("And part time?")]
    second = [ASKED, said("You have 30 days.", "assistant"), said("and part-time")]
    assert conversations.normalised(first) == conversations.normalised(second)
    assert conversations.normalised(first) != conversations.normalised([said("And part time?")])
