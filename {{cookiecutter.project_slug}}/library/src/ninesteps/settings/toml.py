"""Reads TOML tables as data classes: strictly, with one sentence that names the key for each error.

Standard library only: the template's hook loads settings before anything is installed.
"""

from __future__ import annotations

import codecs
import dataclasses
import math
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ninesteps.errors import SettingsError
from ninesteps.nearest import did_you_mean

Table = TypeVar("Table")

Notify = Callable[[str], None]
"""Takes a sentence for the author of a file that can be used but should be changed."""

MISSING = "this key is missing"

LONGEST_SHOWN = 400
"""The most characters of a value that a message quotes."""

MARKS = {
    codecs.BOM_UTF8: "UTF-8 with one",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""How files in other encodings begin."""

LARGEST_FILE = 10_000_000
"""Bytes: the settings of a table with thousands of columns take a tenth of it."""

NOT_IN_FILE = {"in_file": False}
"""Metadata of a field that is not a key in the file."""


class RuleBroken(ValueError):
    """A value that breaks its data class's rule: the key, what was expected and what was got."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def require(condition: object, key: str, value: object, expected: str) -> None:
    """Check a rule of a data class, from its `__post_init__`."""
    if not condition:
        raise RuleBroken(key, f"expected {expected}, got {shown(value)}")


def is_in_repository(path: str) -> bool:
    """Whether a path's text is relative and stays in the repository."""
    is_relative = re.fullmatch(r"[^/\\:]+(/[^/\\:]+)*", path) is not None
    return is_relative and ".." not in path.split("/")


def shown(value: object) -> str:
    """A value as a message quotes it, shortened if long; works for any depth and size."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # an integer of thousands of digits
        return f"one that is too {'large' if isinstance(value, int) else 'deep'} to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def load(cls: type[Table], root: Path, name: str, notify: Notify = lambda notice: None) -> Table:
    """Read a file of a repository as a data class.

    A data class may have `RENAMED`, from old names of keys to new ones: an old name is read as the
    new one, and a notice says so.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    try:
        tables = _parse(_text(root / name))
        content: Table = _read(cls, tables, (), lambda notice: notify(f"{name} {notice}"))
        return content
    except SettingsError as error:
        raise SettingsError(error.message, *error.path, file=name) from None
    except FileNotFoundError:
        raise SettingsError(f"there is no such file in {root}", file=name) from None
    except OSError as error:
        raise SettingsError(f"it cannot be read: {error.strerror}", file=name) from None


def with_changes(table: Table, changes: Mapping[str, object], *path: str) -> Table:
    """A data class with the values of a second table for the keys that it has.

    Args:
        path: that table's path in its file, for a message.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    merged = _merged(_as_toml(table), changes)
    changed: Table = _read(type(table), merged, path, lambda notice: None)
    return changed


def _as_toml(value: Any) -> Any:
    """A data class's value as TOML types."""
    if dataclasses.is_dataclass(value):
        names = (f.name for f in dataclasses.fields(value) if f.metadata.get("in_file", True))
        return {name: _as_toml(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: _as_toml(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _merged(table: Any, changes: Any) -> Any:
    if not isinstance(table, dict) or not isinstance(changes, Mapping):
        return changes
    return {**table, **{key: _merged(table.get(key), item) for key, item in changes.items()}}


def _text(file: Path) -> str:
    """A file's text.

    Raises:
        SettingsError: if it is not UTF-8 text, or too large.
    """
    with file.open("rb") as opened:
        content = opened.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise SettingsError(f"expected at most {LARGEST_FILE // 1_000_000} MB, got more")
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            raise SettingsError(f"expected UTF-8 without a byte order mark, got {encoding}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"expected UTF-8 text, got other bytes in line {line}") from None


def _parse(text: str) -> dict[str, Any]:
    """The tables of a text.

    Raises:
        SettingsError: if it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError("not valid TOML: its values are nested too deeply") from None
    except ValueError:  # from int(), which has a limit of a few thousand digits
        raise SettingsError("not valid TOML: a number has too many digits") from None


def _read(cls: Any, table: object, path: tuple[str, ...], notify: Notify) -> Any:
    """A data class from a TOML table, refusing unknown and missing keys and wrong types."""
    if not isinstance(table, dict):
        raise SettingsError(f"expected a table, got {shown(table)}", *path)
    table = _renamed(getattr(cls, "RENAMED", {}), table, path, notify)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.metadata.get("in_file", True)}
    for key in table:
        if key not in fields:
            raise SettingsError(
                f"unknown key; expected one of {', '.join(fields)}{did_you_mean(key, fields)}",
                *path, key,
            )  # fmt: skip
    for name, spec in fields.items():
        has_default = not (
            spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        )
        if name not in table and not has_default:
            raise SettingsError(MISSING, *path, name)
    values = {key: _value(hints[key], value, (*path, key), notify) for key, value in table.items()}
    try:
        return cls(**values)
    except RuleBroken as broken:
        raise SettingsError(str(broken), *path, broken.key) from None


def _renamed(
    names: dict[str, str], table: dict[str, object], path: tuple[str, ...], notify: Notify
) -> dict[str, object]:
    """The table with old names of keys replaced by the new ones."""
    for old, new in names.items():
        if old in table and new in table:
            raise SettingsError(f"expected only {new}, its new name, got both", *path, old)
        if old in table:
            place = f"[{'.'.join(path)}] {old}" if path else old
            notify(f"{place}: this key is now called {new}; the old name still works")
    return {names.get(key, key): value for key, value in table.items()}


def _value(hint: Any, value: object, path: tuple[str, ...], notify: Notify) -> Any:
    if hint is Any:  # read later, with the tables that it belongs to
        return value
    if dataclasses.is_dataclass(hint):
        return _read(hint, value, path, notify)
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        either = typing.get_args(hint)
        fitting = next((kind for kind in either if _fits(value, kind)), either[0])
        return _value(fitting, value, path, notify)
    if origin is dict:
        if not isinstance(value, dict):
            raise SettingsError(f"expected a table, got {shown(value)}", *path)
        inner = typing.get_args(hint)[1]
        return {key: _value(inner, item, (*path, key), notify) for key, item in value.items()}
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"expected a list, got {shown(value)}", *path)
        return tuple(_value(str, item, path, notify) for item in value)
    if not _fits(value, hint):
        kinds = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise SettingsError(f"expected {kinds[hint]}, got {shown(value)}", *path)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # TOML's own limit
        raise SettingsError(f"expected a number of at most 64 bits, got {shown(value)}", *path)
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"expected a finite number, got {shown(value)}", *path)
    return value


def _fits(value: object, hint: Any) -> bool:
    kind: Any = (int, float) if hint is float else typing.get_origin(hint) or hint
    kind = list if kind is tuple else kind  # as TOML has it
    return isinstance(value, kind) and (hint is bool or not isinstance(value, bool))
