"""TOML tables as data classes: what is read as what, and which key a refusal names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

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
    labels: str | tuple[str, ...] = ""
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


@pytest.mark.parametrize(("text", "value"), [('"a"', "a"), ('["a", "b"]', ("a", "b")), ("[]", ())])
def test_a_key_may_take_a_text_or_a_list(tmp_path: Path, text: str, value: object) -> None:
    assert load(tmp_path, f"labels = {text}\n{LEAST}").labels == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"labels = ['a', 1]\n{LEAST}", " labels: expected a string, got 1"),
        (f"labels = 1\n{LEAST}", " labels: expected a string, got 1"),
        (f"colour = 1\n{LEAST}",
         " colour: unknown key; expected one of name, size, count, open, colours, weight, labels, "
         "rooms, words"),
        ('name = "n"\n[size]\nmost = 1\nmsot = 2',
         " [size] msot: unknown key; expected one of most, least"),
        (f"{LEAST}[rooms.a]\nmost = 1\nx = 1",
         " [rooms.a] x: unknown key; expected one of most, least"),
        ("size = { most = 1 }", " name: this key is missing"),
        ('name = "n"', " size: this key is missing"),
        ('name = "n"\nsize = {}', " [size] most: this key is missing"),
        (f"{LEAST}[rooms.a]\nleast = 1", " [rooms.a] most: this key is missing"),
        ("name = 7\nsize = { most = 1 }", " name: expected a string, got 7"),
        (f"count = 1.0\n{LEAST}", " count: expected a whole number, got 1.0"),
        (f"count = true\n{LEAST}", " count: expected a whole number, got True"),
        (f"open = 1\n{LEAST}", " open: expected true or false, got 1"),
        (f"weight = true\n{LEAST}", " weight: expected a string, got True"),
        (f"weight = [1]\n{LEAST}", " weight: expected a string, got [1]"),
        (f"weight = nan\n{LEAST}", " weight: expected a finite number, got nan"),
        ('name = "n"\nsize = { most = "1" }', " [size] most: expected a number, got '1'"),
        ('name = "n"\nsize = { most = true }', " [size] most: expected a number, got True"),
        ('name = "n"\nsize = { most = -inf }', " [size] most: expected a finite number, got -inf"),
        (f'colours = "red"\n{LEAST}', " colours: expected a list, got 'red'"),
        (f'colours = ["red", 7]\n{LEAST}', " colours: expected a string, got 7"),
        ('name = "n"\nsize = 7', " size: expected a table, got 7"),
        ('name = "n"\n[[size]]\nmost = 1', " size: expected a table, got [{'most': 1}]"),
        (f"rooms = 7\n{LEAST}", " rooms: expected a table, got 7"),
        (f"rooms = {{ a = 7 }}\n{LEAST}", " [rooms] a: expected a table, got 7"),
        (f"words = {{ a = 7 }}\n{LEAST}", " [words] a: expected a string, got 7"),
        (f"{LEAST}[rooms.a]\nmost = 1\nleast = 1",
         " [rooms.a] least: expected a number below most = 1, got 1"),
        (f"{LEAST}{LEAST}", ": not valid TOML: "),
        ("name", ": not valid TOML: "),
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
    assert refused.value.message == "expected a number below most = 1, got 1"


@dataclass(frozen=True)
class Lid:
    """A table in it, with one too."""

    locked: bool = False

    RENAMED: ClassVar[dict[str, str]] = {"is_locked": "locked"}


@dataclass(frozen=True)
class Crate:
    """A table with keys that once had other names."""

    depth: int = 0
    lid: Lid = field(default_factory=Lid)

    RENAMED: ClassVar[dict[str, str]] = {"deepness": "depth"}


def crate(folder: Path, text: str) -> tuple[Crate, list[str]]:
    (folder / "crate.toml").write_text(text, encoding="utf-8")
    notices: list[str] = []
    return tables.load(Crate, folder, "crate.toml", notices.append), notices


def test_an_old_key_is_read_as_the_new_one_with_a_notice(tmp_path: Path) -> None:
    read, notices = crate(tmp_path, "deepness = 7\n[lid]\nis_locked = true\n")
    assert read == Crate(7, Lid(True))
    assert notices == [
        "crate.toml deepness: this key is now called depth; the old name still works",
        "crate.toml [lid] is_locked: this key is now called locked; the old name still works",
    ]


def test_a_new_key_has_no_notice(tmp_path: Path) -> None:
    assert crate(tmp_path, "depth = 7\n") == (Crate(7), [])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("deepness = 7\ndepth = 7\n",
         "crate.toml deepness: expected only depth, its new name, got both"),
        ("[lid]\nis_locked = 1\n", "crate.toml [lid] locked: expected true or false, got 1"),
        ("deepnes = 7\n", "crate.toml deepnes: unknown key; expected one of depth, lid"),
    ],
)  # fmt: skip
def test_an_old_key_is_as_strict_as_the_new_one(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        crate(tmp_path, text)
    assert str(refused.value) == sentence


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^box\.toml: there is no such file in "):
        tables.load(Box, tmp_path, "box.toml")
    (tmp_path / "box.toml").write_bytes('name = "café"'.encode("latin-1"))
    with pytest.raises(
        SettingsError, match=r"^box\.toml: expected UTF-8 text, got other bytes in line 1"
    ):
        tables.load(Box, tmp_path, "box.toml")
