"""Whose file is whose, and what an update leaves behind that somebody has to finish."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninesteps.repository.template_files import (
    LIST,
    changed,
    is_old_form,
    unfinished,
    write_list,
)

MARKS = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
FILES = {
    "feature_store/features.py": "features\n",
    "model_build/pipeline.py": "main\n",
    "model_build/steps/train.py": "train\n",
    "model_deploy/infrastructure/pipeline.yaml": "stack\n",
    "pipeline.toml": "[project]\n",
    "pyproject.toml": "[project]\nname = 'pets'\n",
    "tests/test_features.py": "features\n",
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
    assert changed(root) == ["model_build/pipeline.py", "model_deploy/infrastructure/pipeline.yaml"]
    assert list(unfinished(root)) == []


def test_line_ends_of_windows_are_no_change(root: Path) -> None:
    (root / "model_build/pipeline.py").write_bytes(b"main\r\n")
    assert changed(root) == []


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("README.md", f"Ours\n{MARKS}", "README.md: it has marks of an unfinished merge"),
        (LIST, MARKS, f"{LIST}: expected JSON; an update may have left marks in it"),
        (
            "model_build/pipeline.py.rej",
            "",
            "model_build/pipeline.py.rej: a change that an update could not apply",
        ),
        (
            "model_deploy/old.json",
            "",
            "model_deploy/old.json: the template has no such file; delete it if an update",
        ),
        (".cruft.json", MARKS, ".cruft.json: expected JSON; an update may have left marks in it"),
        ("cli/main.py", "", "cli/main.py: the library has this file now; move your changes"),
        ("governance/gate.py", "", "governance/gate.py: the library has this file now"),
        ("model_build/sdk.py", "", "model_build/sdk.py: the library has this file now"),
        ("model_deploy/deploy.py", "", "model_deploy/deploy.py: the library has this file now"),
        ("tests/test_gate.py", "", "tests/test_gate.py: the library has this file now"),
    ],
)
def test_what_an_update_leaves_is_one_sentence_that_names_the_file(
    root: Path, name: str, text: str, sentence: str
) -> None:
    put(root, name, text)
    (said,) = unfinished(root)
    assert said.startswith(sentence)


def test_a_file_of_the_template_that_is_gone_is_named(root: Path) -> None:
    (root / "model_build/pipeline.py").unlink()
    (root / "feature_store/features.py").unlink()  # the team's: its own affair
    (said,) = unfinished(root)
    assert said.startswith("model_build/pipeline.py: a file of the template that is missing")


def test_a_file_that_the_team_names_is_the_teams(root: Path) -> None:
    own = (
        '[tool.pipeline]\nteam_files = ["model_deploy/mine_*.py", "model_build/pipeline.py", '
        '"governance/ours.py"]\n'
    )
    put(root, "pyproject.toml", FILES["pyproject.toml"] + own)
    put(root, "model_deploy/mine_too.py", "")
    put(root, "governance/ours.py", "")
    put(root, "model_build/pipeline.py", "ours\n")
    assert list(unfinished(root)) == []
    assert changed(root) == []


@pytest.mark.parametrize("name", ["data/more.csv", "notebooks/look.py", "tests/test_ours.py",
                                  ".local/runs/x.rej", ".venv/lib/a.rej",
                                  "model_build/__pycache__/pipeline.pyc"])  # fmt: skip
def test_what_a_team_adds_beside_the_template_is_nobodys_business(root: Path, name: str) -> None:
    put(root, name, "")
    assert list(unfinished(root)) == []


def test_a_module_of_the_teams_among_the_steps_is_the_teams(root: Path) -> None:
    put(root, "model_build/steps/seasons.py", "")
    assert list(unfinished(root)) == []


def test_a_repository_of_the_old_form_is_whole_as_it_is(root: Path) -> None:
    for name in ("cli/main.py", "governance/gate.py", "local_sagemaker/engine.py"):
        put(root, name, "")
    assert is_old_form(root)
    assert list(unfinished(root)) == []
    put(root, "vendor/ninesteps-1.0-py3-none-any.whl", "")  # an update brought the library
    assert not is_old_form(root)
    assert [sentence.partition(":")[0] for sentence in unfinished(root)] == [
        "cli/main.py", "governance/gate.py", "local_sagemaker/engine.py",
    ]  # fmt: skip


def test_a_repository_whose_library_comes_from_an_index_is_of_the_new_form(root: Path) -> None:
    for name in ("cli/main.py", "local_sagemaker/engine.py"):
        put(root, name, "")
    digest = 64 * "a"
    put(root, "requirements.lock", f"ninesteps==1.4.0 \\\n    --hash=sha256:{digest}\n")
    assert not is_old_form(root)


def test_marks_in_a_file_of_bytes_are_no_marks(root: Path) -> None:
    (root / "data").mkdir()
    (root / "data/table.parquet").write_bytes(b"\0" + MARKS.encode())
    assert list(unfinished(root)) == []
    (root / "data/latin.csv").write_bytes(b"\xe9\n" + MARKS.encode())
    assert len(list(unfinished(root))) == 1


def test_a_line_of_equal_signs_is_no_mark(root: Path) -> None:
    put(root, "README.md", "Title\n=======\n")
    assert list(unfinished(root)) == []


def test_without_a_list_nobody_knows_whose_a_file_is(root: Path) -> None:
    (root / LIST).unlink()
    put(root, "model_deploy/old.json", "")
    put(root, "a.rej", "")
    assert [sentence.partition(":")[0] for sentence in unfinished(root)] == ["a.rej"]
    assert changed(root) == []
