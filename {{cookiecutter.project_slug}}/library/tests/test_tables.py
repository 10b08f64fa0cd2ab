"""TOML tables as data classes: what is read as what, and which key a refusal names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.settings import toml as tables
from ninesteps.settings.toml import require


@dataclass(frozen=True)
class Size:
    """A table inside others, with a rule."""

    most: float
    least: float = 0.0

    def __post_init__(self) -> None:
        require(self.least < self.most, "least", self.least, f"a number below most = {self.most}")


@dataclass(frozen=True)
class Box:
    """A table with a key of every kind."""

    name: str
    size: Size
    count: int = 1
    open: bool = False
    colours: tuple[str, ...] = ()
    weight: str | float = ""
    rooms: dict[str, Size] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def load(folder: Path, text: str) -> Box:
    (folder / "box.toml").write_text(text, encoding="utf-8")
    return tables.load(Box, folder, "box.toml")


LEAST = 'name = "n"\nsize = { most = 1.5 }\n'


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, LEAST) == Box("n", Size(1.5))


def test_every_kind_of_key_is_read(tmp_path: Path) -> None:
    text = """\
name = "café"
count = -7
open = true
colours = ["red", "blue"]
weight = 2.5
[size]
most = 3
[rooms.first]
most = 1
least = 0.5
[rooms."the second"]
most = 2
[words]
a = "b"
"""
    assert load(tmp_path, text) == Box(
        name="café",
        size=Size(3),
        count=-7,
        open=True,
        colours=("red", "blue"),
        weight=2.5,
        rooms={"first": Size(1, 0.5), "the second": Size(2)},
        words={"a": "b"},
    )


@pytest.mark.parametrize(
    ("text", "value"), [('"heavy"', "heavy"), ("2.5", 2.5), ("2", 2), ('""', ""), ('"2"', "2")]
)
def test_a_key_of_two_kinds_takes_either_as_it_stands(
    tmp_path: Path, text: str, value: object
) -> None:
    weight = load(tmp_path, f"weight = {text}\n{LEAST}").weight
    assert weight == value
    assert type(weight) is type(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"colour = 1\n{LEAST}", " colour: there is no such key; there is name, size, count, open"),
        ('name = "n"\n[size]\nmost = 1\nmsot = 2', " [size] msot: there is no such key; there is"),
        (f"{LEAST}[rooms.a]\nmost = 1\nx = 1", " [rooms.a] x: there is no such key; there is most"),
        ("size = { most = 1 }", " name: it is missing"),
        ('name = "n"', " size: it is missing"),
        ('name = "n"\nsize = {}', " [size] most: it is missing"),
        (f"{LEAST}[rooms.a]\nleast = 1", " [rooms.a] most: it is missing"),
        ("name = 7\nsize = { most = 1 }", " name: 7 was read, where a text is right"),
        (f"count = 1.0\n{LEAST}", " count: 1.0 was read, where a whole number is right"),
        (f"count = true\n{LEAST}", " count: True was read, where a whole number is right"),
        (f"open = 1\n{LEAST}", " open: 1 was read, where true or false is right"),
        (f"weight = true\n{LEAST}", " weight: True was read, where a text"),
        (f"weight = [1]\n{LEAST}", " weight: [1] was read, where a text"),
        (f"weight = nan\n{LEAST}", " weight: nan was read, where a finite number is right"),
        ('name = "n"\nsize = { most = "1" }', " [size] most: '1' was read, where a number"),
        ('name = "n"\nsize = { most = true }', " [size] most: True was read, where a number"),
        ('name = "n"\nsize = { most = -inf }', " [size] most: -inf was read, where a finite"),
        (f'colours = "red"\n{LEAST}', " colours: 'red' was read, where a list is right"),
        (f'colours = ["red", 7]\n{LEAST}', " colours: 7 was read, where a text is right"),
        ('name = "n"\nsize = 7', " size: 7 was read, where a table is right"),
        ('name = "n"\n[[size]]\nmost = 1', " size: [{'most': 1}] was read, where a table is right"),
        (f"rooms = 7\n{LEAST}", " rooms: 7 was read, where a table is right"),
        (f"rooms = {{ a = 7 }}\n{LEAST}", " [rooms] a: 7 was read, where a table is right"),
        (f"words = {{ a = 7 }}\n{LEAST}", " [words] a: 7 was read, where a text is right"),
        (f"{LEAST}[rooms.a]\nmost = 1\nleast = 1",
         " [rooms.a] least: 1 was read, where a number below most = 1 is right"),
        (f"{LEAST}{LEAST}", ": it is no TOML: "),
        ("name", ": it is no TOML: "),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_file_table_and_key(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    assert str(refused.value).startswith(f"box.toml{sentence}")
    assert "\n" not in str(refused.value)


def test_a_refusal_has_its_path_and_its_sentence_without_the_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, f"{LEAST}[rooms.a]\nmost = 1\nleast = 1")
    assert refused.value.path == ("rooms", "a", "least")
    assert refused.value.message == "1 was read, where a number below most = 1 is right"


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^box\.toml: there is no such file in "):
        tables.load(Box, tmp_path, "box.toml")
    (tmp_path / "box.toml").write_bytes('name = "café"'.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^box\.toml: it is no TOML: "):
        tables.load(Box, tmp_path, "box.toml")
