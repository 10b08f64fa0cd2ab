"""A version says which of its code is the team's own: told by what the template shipped."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from ninesteps.step_code import own_code as module
from ninesteps.step_code.own_code import own_code, summary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The pipeline's code as the template ships it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "model_build", tmp_path / "model_build", ignore=ignored)
    return tmp_path


def change(repository: Path, name: str, text: str = "# ours\n") -> None:
    with (repository / name).open("a", encoding="utf-8") as file:
        file.write(text)


def test_of_a_new_repository_nothing_is_the_teams_own(repository: Path) -> None:
    assert own_code(repository) == {}
    train = repository / "model_build/steps/train.py"
    train.write_bytes(train.read_bytes().replace(b"\n", b"\r\n"))  # as a checkout on Windows
    assert own_code(repository) == {}


def test_panels_of_a_report_are_no_part_of_a_version(repository: Path) -> None:
    change(repository, "model_build/report_panels.py")
    assert own_code(repository) == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("model_build/steps/train.py", "train.py"),
        ("model_build/steps/evaluate.py", "evaluate.py"),
        ("model_build/steps/inference.py", "inference.py"),
        ("model_build/steps/clarify.py", "clarify.py"),
        ("model_build/steps/process.py", "process.py"),
        ("model_build/steps/metrics.py", "metrics.py"),  # in the place of the library's
        ("model_build/steps/custom_metrics.py", "custom_metrics.py"),
        ("model_build/pipeline.py", "model_build/pipeline.py"),
    ],
)
def test_what_was_changed_or_added_is_named_and_hashed(
    repository: Path, path: str, name: str
) -> None:
    change(repository, path)
    (found,) = own_code(repository).items()
    assert found == (name, module.sha256(repository / path))
    before = summary(own_code(repository))
    change(repository, path)
    assert summary(own_code(repository)) != before != summary({})


def test_the_wheel_has_the_list_and_no_repository_has_a_say_in_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "library")
    import wheel_backend

    wheel = tmp_path / wheel_backend.build_wheel(str(tmp_path))
    sys.modules.pop("wheel_backend")
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("ninesteps/step_code/shipped.json")
    assert json.loads(packed) == module.digests(ROOT)
    list_of_the_wheel = tmp_path / "shipped.json"
    list_of_the_wheel.write_bytes(packed)
    monkeypatch.setattr(module, "LIST", list_of_the_wheel)
    module.shipped.cache_clear()
    change(repository, "model_build/steps/train.py")
    change(repository, "model_build/steps/shipped.json", "{}")
    assert list(own_code(repository)) == ["train.py"]
    module.shipped.cache_clear()
