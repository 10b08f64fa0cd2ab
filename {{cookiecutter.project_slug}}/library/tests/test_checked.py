"""What a check and a compile keep: for the same files alone; where they cannot write, nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ninesteps.runs import compiled
from ninesteps.runs.checked import CheckCache
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return loading.load(ROOT)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for folder in ("feature_store", "model_build", "model_deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("pipeline.toml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "table.csv").write_text("id\n1\n")
    (tmp_path / "common").mkdir()
    for file in ("shared.py", "common/rules.py"):
        (tmp_path / file).touch()
    return tmp_path


def said(repository: Path, settings: Settings, answer: str) -> str:
    """What a check of one part says, where looking at it gives an answer."""
    checked = CheckCache.load(repository, repository / ".local", settings, repository / "table.csv")
    lines: list[str] = []
    checked.report("part", lambda: answer, lines.append)
    checked.save()
    (line,) = lines
    return line


@pytest.mark.parametrize(
    "file",
    [
        *("feature_store/features.py", "model_build/pipeline.py", "model_build/steps/train.py"),
        *("model_deploy/infrastructure/pipeline.yaml", "pipeline.toml", "pyproject.toml"),
        *("requirements.lock", "table.csv", "model_build/steps/new.py"),
        *("model_build/ranges.yaml", "shared.py", "common/rules.py"),
    ],
)
def test_what_was_said_is_said_again_until_a_file_moves(
    repository: Path, settings: Settings, file: str
) -> None:
    assert said(repository, settings, "first") == "first"
    assert said(repository, settings, "second") == "first"
    with (repository / file).open("a") as content:
        content.write("\n")
    assert said(repository, settings, "third") == "third"


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("machine", "another"),
        # Moments in the future are refused: what was the past is not, on a clock put back.
        ("_today", "1970-01-01"),
    ],
)
def test_another_machine_or_library_or_day_is_checked_again(
    repository: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    other: str,
) -> None:
    assert said(repository, settings, "first") == "first"
    monkeypatch.setattr(f"ninesteps.runs.checked.{what}", lambda: other)
    assert said(repository, settings, "second") == "second"


@pytest.mark.parametrize("file", [".venv/lib/x.py", "env/pyvenv.cfg", "env/x.py", "notes.txt"])
def test_what_no_check_reads_moves_nothing(repository: Path, settings: Settings, file: str) -> None:
    (repository / "env").mkdir()
    (repository / "env" / "pyvenv.cfg").touch()
    assert said(repository, settings, "first") == "first"
    (repository / file).parent.mkdir(parents=True, exist_ok=True)
    (repository / file).write_text("x = 1\n")
    assert said(repository, settings, "second") == "first"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"digest": 1, "lines": 2}'])
def test_what_is_no_whole_file_is_nothing(
    repository: Path, settings: Settings, content: str
) -> None:
    assert said(repository, settings, "first") == "first"
    (repository / ".local" / "checked.json").write_text(content)
    assert said(repository, settings, "second") == "second"


def test_lines_of_another_shape_are_nothing(repository: Path, settings: Settings) -> None:
    assert said(repository, settings, "first") == "first"
    file = repository / ".local" / "checked.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "lines": ["part"]}))
    assert said(repository, settings, "second") == "second"


def test_where_nothing_can_be_written_a_check_and_a_compile_do_their_work(
    repository: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".local").write_text("no folder")
    assert said(repository, settings, "first") == "first"
    assert said(repository, settings, "second") == "second"
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    monkeypatch.setattr(compiled, "code_objects", lambda *_: {})
    folder = repository / ".local" / "definitions"
    made = compiled.compiled(repository, folder, settings, settings.environment())
    assert made == compiled.Compiled("{}", {})
