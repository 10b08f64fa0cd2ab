"""Whose file is whose, and what an update leaves behind that somebody has to finish."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninesteps.repository.template_files import LIST, changed, unfinished, write_list

MARKS = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
FILES = {
    "cli/main.py": "main\n",
    "feature_store/features.py": "features\n",
    "model_build/steps/train.py": "train\n",
    "pipeline.toml": "[project]\n",
    "pyproject.toml": "[project]\nname = 'pets'\n",
    "tests/test_gate.py": "gate\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that the template has just made."""
    for name, text in FILES.items():
        put(tmp_path, name, text)
    write_list(tmp_path)
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def test_a_new_repository_has_nothing_left_to_do(root: Path) -> None:
    assert list(unfinished(root)) == []
    assert changed(root) == []


def test_the_templates_files_that_were_changed_are_named_and_the_teams_are_not(root: Path) -> None:
    for name, text in FILES.items():
        put(root, name, f"{text}\n# more\n")
    assert changed(root) == ["cli/main.py", "tests/test_gate.py"]
    assert list(unfinished(root)) == []


def test_line_ends_of_windows_are_no_change(root: Path) -> None:
    (root / "cli/main.py").write_bytes(b"main\r\n")
    assert changed(root) == []


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("README.md", f"Ours\n{MARKS}", "README.md: it has marks of an unfinished merge"),
        (LIST, MARKS, f"{LIST}: it is no JSON; an update may have left marks in it"),
        ("cli/main.py.rej", "", "cli/main.py.rej: a change that an update could not make"),
        ("cli/old.py", "", "cli/old.py: the template has no such file; delete it if an update"),
        ("model_build/steps/mine.py", "", "model_build/steps/mine.py: the template has no such"),
    ],
)
def test_what_an_update_leaves_is_one_sentence_that_names_the_file(
    root: Path, name: str, text: str, sentence: str
) -> None:
    put(root, name, text)
    (said,) = unfinished(root)
    assert said.startswith(sentence)


def test_a_file_of_the_template_that_is_gone_is_named(root: Path) -> None:
    (root / "cli/main.py").unlink()
    (root / "feature_store/features.py").unlink()  # the team's: its own affair
    (said,) = unfinished(root)
    assert said.startswith("cli/main.py: a file of the template that is not there")


def test_a_file_that_the_team_names_is_the_teams(root: Path) -> None:
    own = '[tool.pipeline]\nteam_files = ["model_build/steps/mine_*.py", "cli/main.py"]\n'
    put(root, "pyproject.toml", FILES["pyproject.toml"] + own)
    put(root, "model_build/steps/mine_too.py", "")
    put(root, "cli/main.py", "ours\n")
    assert list(unfinished(root)) == []
    assert changed(root) == []


@pytest.mark.parametrize("name", ["data/more.csv", "notebooks/look.py", "tests/test_ours.py",
                                  ".local/runs/x.rej", "cli/__pycache__/main.pyc"])  # fmt: skip
def test_what_a_team_adds_beside_the_template_is_nobodys_business(root: Path, name: str) -> None:
    put(root, name, "")
    assert list(unfinished(root)) == []


def test_a_line_of_equal_signs_is_no_mark(root: Path) -> None:
    put(root, "README.md", "Title\n=======\n")
    assert list(unfinished(root)) == []


def test_without_a_list_nobody_knows_whose_a_file_is(root: Path) -> None:
    (root / LIST).unlink()
    put(root, "cli/old.py", "")
    put(root, "a.rej", "")
    assert [sentence.partition(":")[0] for sentence in unfinished(root)] == ["a.rej"]
    assert changed(root) == []
