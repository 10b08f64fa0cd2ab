"""The repository's own modules: whatever is wrong in them is one sentence with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.repository import modules

PIPELINE, FEATURES = "model_build/pipeline.py", "feature_store/features.py"
BOTH = "def features(t, c): ...\ndef findings(t): ...\n"


def put(root: Path, name: str, text: str) -> None:
    """A file of a repository, in a package as the template's are."""
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).with_name("__init__.py").touch()
    (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = (\n", "line 1: '(' was never closed"),
        ("\nimport nothere\n", "line 2: ModuleNotFoundError: No module named 'nothere'"),
        ("x = 1\nfoo\n", "line 2: NameError: name 'foo' is not defined"),
        ("import sys\nsys.exit(0)\n", "line 2: SystemExit: 0"),
        ("from feature_store import other\n", "line 1: ImportError: "),
    ],
)
@pytest.mark.parametrize("name", [PIPELINE, FEATURES])
def test_an_error_while_a_module_is_loaded_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    put(tmp_path, name, text)
    with pytest.raises(SettingsError) as refused:
        modules.load(tmp_path, name.removesuffix(".py").replace("/", "."))
    assert str(refused.value).startswith(f"{name}: {sentence}")


def test_an_error_in_a_sibling_is_told_of_the_sibling(tmp_path: Path) -> None:
    put(tmp_path, "feature_store/seasons.py", "\n\n1 / 0\n")
    put(tmp_path, FEATURES, f"from feature_store import seasons\n{BOTH}")
    with pytest.raises(SettingsError) as refused:
        modules.features(tmp_path)
    assert str(refused.value) == (
        "feature_store/seasons.py: line 3: ZeroDivisionError: division by zero"
    )


@pytest.mark.parametrize("name", ["features", "findings"])
def test_a_function_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    put(tmp_path, FEATURES, BOTH.replace(name, "other"))
    with pytest.raises(SettingsError) as refused:
        modules.features(tmp_path)
    assert str(refused.value) == f"{FEATURES}: expected a function {name}, found none"


def test_a_module_of_another_repository_is_another_module(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        put(tmp_path / name, FEATURES, f"WHOSE = {name!r}\n{BOTH}")
    assert [modules.features(tmp_path / name).WHOSE for name in ("a", "b", "a")] == ["a", "b", "a"]
