"""Examples are laid into rows so that each is read as if it were alone."""

from __future__ import annotations

import random

import numpy as np

from chat_text import Example
from packed_rows import laid, packed, passes


def examples(*lengths: tuple[int, int]) -> list[Example]:
    """Examples of so many prompt and reply tokens, all of them different."""
    made, token = [], 1
    for prompt, reply in lengths:
        numbers = range(token, token + prompt + reply)
        made.append(Example(tuple(numbers[:prompt]), tuple(numbers[prompt:])))
        token += prompt + reply
    return made


def test_each_reply_token_is_predicted_where_the_token_before_it_stands() -> None:
    given = examples((3, 2), (1, 1), (2, 4))
    rows = laid(given, [[0, 1], [2]], 8)
    before = rows.tokens.reshape(-1)[rows.reply_at]
    whole = [each.prompt + each.reply for each in given]
    expected = [
        (tokens[place - 1], tokens[place], number)
        for number, (each, tokens) in enumerate(zip(given, whole, strict=True))
        for place in range(len(each.prompt), len(tokens))
    ]
    assert list(zip(before, rows.targets, rows.of, strict=True)) == expected


def test_positions_and_segments_begin_again_with_each_example() -> None:
    rows = laid(examples((3, 2), (1, 1), (2, 4)), [[0, 1], [2]], 8)
    assert rows.positions.tolist() == [[0, 1, 2, 3, 0, 0, 0, 0], [0, 1, 2, 3, 4, 0, 0, 0]]
    assert rows.segments.tolist() == [[0, 0, 0, 0, 1, -1, -1, -1], [0, 0, 0, 0, 0, -1, -1, -1]]
    assert rows.bounds.tolist() == [0, 4, 5, 8, 13, 16]
    assert rows.longest == 5
    assert not rows.is_one_each
    assert laid(examples((3, 2)), [[0]], 6).is_one_each


def test_every_example_is_in_one_row_that_has_room_for_it() -> None:
    draw = random.Random(0)
    for _ in range(200):
        lengths = [draw.randrange(1, 40) for _ in range(draw.randrange(1, 30))]
        rows = packed(lengths, 32)
        assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
        assert all(len(row) == 1 or sum(lengths[n] for n in row) <= 32 for row in rows)
    assert packed([5, 5, 5], 0) == [[0], [1], [2]]


def test_passes_keep_to_their_budget_and_leave_little_empty() -> None:
    draw = random.Random(1)
    given = examples(*((draw.randrange(1, 50), draw.randrange(1, 50)) for _ in range(100)))
    alone, sharing = (list(passes(given, capacity, 512, 8)) for capacity in (0, 128))
    for way in (alone, sharing):
        assert all(rows.tokens.size <= 512 for rows in way)
        assert sorted(np.unique(np.concatenate([rows.of for rows in way]))) == list(range(100))
    read = sum(len(each) - 1 for each in given)
    assert sum(rows.tokens.size for rows in sharing) < 1.05 * read
    one = list(passes(examples((90, 9)), 0, 64, 8))
    assert [rows.tokens.shape for rows in one] == [(1, 104)]  # alone, where nothing else helps
