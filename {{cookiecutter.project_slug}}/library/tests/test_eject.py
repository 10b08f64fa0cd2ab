"""Modules that stand in for the library's: copied out, found first, and told of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from ninesteps.step_code import bundle

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def churn(tmp_path: Path) -> Settings:
    """Churn's settings, of a repository with copies of its scripts."""
    shutil.copytree(
        ROOT / bundle.STEPS, tmp_path / bundle.STEPS, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copyfile(ROOT / "pipeline.toml", tmp_path / "pipeline.toml")
    return replace(loading.load(ROOT), root=tmp_path)


def codes(settings: Settings) -> dict[str, bundle.StepCode]:
    """The code of every script that a container runs, by its name."""
    processing = {s: bundle.processing_code(settings, s) for s in bundle.PROCESSING_SCRIPTS}
    training = bundle.training_code(settings, bundle.TRAINING_SCRIPT)
    return {**processing, bundle.TRAINING_SCRIPT: training}


def changed(before: dict[str, bundle.StepCode], after: dict[str, bundle.StepCode]) -> set[str]:
    """The scripts whose digests differ."""
    return {name for name, code in before.items() if code.digest != after[name].digest}


def pipeline(root: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a repository."""
    done = subprocess.run(
        [sys.executable, "-m", "ninesteps.cli", *arguments],
        cwd=root, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_an_ejected_module_has_the_librarys_bytes_and_changes_no_step(churn: Settings) -> None:
    before = codes(churn)
    copy = bundle.eject(churn.root, "curves.py")
    assert copy == churn.root / "model_build/steps/curves.py"
    assert copy.read_bytes() == (bundle.CONTAINERS / "curves.py").read_bytes()
    assert changed(before, codes(churn)) == set()
    ((name, digest),) = bundle.overridden(churn.root).items()
    assert name == "curves.py"
    assert bundle.is_the_librarys(name, digest)


@pytest.mark.parametrize("module", ["curves.py", "intervals.py", "kernel_shap.py"])
def test_an_overridden_module_changes_the_steps_that_import_it_and_no_others(
    churn: Settings, module: str
) -> None:
    before = codes(churn)
    importing = {name for name, code in before.items() if module in code.files}
    assert importing and importing != before.keys()
    with bundle.eject(churn.root, module).open("a", encoding="utf-8") as file:
        file.write("# ours\n")
    after = codes(churn)
    assert changed(before, after) == importing
    assert all(after[name].files[module].endswith(b"# ours\n") for name in importing)
    assert not bundle.is_the_librarys(module, bundle.overridden(churn.root)[module])


def test_a_module_that_only_the_team_has_travels_along_with_what_it_imports(
    churn: Settings,
) -> None:
    before = codes(churn)
    steps = churn.root / bundle.STEPS
    (steps / "seasons.py").write_text("import feature_profile\n", encoding="utf-8")
    with (steps / "train.py").open("a", encoding="utf-8") as file:
        file.write("import seasons\n")
    after = codes(churn)
    assert changed(before, after) == {"train.py"}
    assert {"seasons.py", "feature_profile.py"} <= after["train.py"].files.keys()
    assert bundle.overridden(churn.root) == {}


def test_an_import_of_the_librarys_finds_the_repositorys_module_first(churn: Settings) -> None:
    """bias_report is the library's, imports bias_metrics, and gets the team's."""
    before = codes(churn)
    with bundle.eject(churn.root, "bias_metrics.py").open("a", encoding="utf-8") as file:
        file.write("import ours\n")
    (churn.root / bundle.STEPS / "ours.py").write_text("", encoding="utf-8")
    after = codes(churn)["clarify.py"].files
    assert "bias_report.py" in before["clarify.py"].files and "ours.py" in after


def test_line_ends_of_windows_are_the_librarys_bytes_still(churn: Settings) -> None:
    copy = bundle.eject(churn.root, "curves.py")
    copy.write_bytes(copy.read_bytes().replace(b"\n", b"\r\n"))
    assert bundle.is_the_librarys("curves.py", bundle.overridden(churn.root)["curves.py"])


@pytest.mark.parametrize("name", ["nothing.py", "curves", "train.py", "../errors.py", ""])
def test_an_unknown_module_is_refused_with_the_nearest_of_those_there_are(
    churn: Settings, name: str
) -> None:
    before = sorted((churn.root / bundle.STEPS).iterdir())
    with pytest.raises(SettingsError) as error:
        bundle.eject(churn.root, name)
    said = re.fullmatch(
        r"eject: expected a module of the library such as (.+), got (.+)", str(error.value)
    )
    assert said and said[2] == repr(name)
    nearest = said[1].split(", ")
    assert len(nearest) == 5 and set(nearest) < set(bundle.modules())
    assert (nearest[0] == "curves.py") == (name == "curves")
    assert sorted((churn.root / bundle.STEPS).iterdir()) == before


def test_the_gate_and_the_approval_jobs_cannot_be_ejected() -> None:
    assert not {"gate.py", "profile.py", "verify_evidence.py", "evidence.py"} & {*bundle.modules()}


def test_the_commands_eject_once_and_check_tells_what_is_overridden(tmp_path: Path) -> None:
    root = tmp_path / "churn"
    ignored = shutil.ignore_patterns("library", "scenarios", "ci", ".local", "__pycache__", ".*")
    shutil.copytree(ROOT, root, ignore=ignored)
    assert "modules overridden here: 0" in pipeline(root, "check").stdout
    done = pipeline(root, "eject", "curves.py")
    assert done.stdout.startswith("model_build/steps/curves.py replaces the library's module now\n")
    again = pipeline(root, "eject", "curves.py", status=2)
    assert again.stderr == (
        "pipeline: model_build/steps/curves.py: this file already replaces the library's; "
        "delete it to use the library's\n"
    )
    pipeline(root, "eject", "metrics.py")
    with (root / "model_build/steps/metrics.py").open("a", encoding="utf-8") as file:
        file.write("# ours\n")
    digests = {name: digest[:16] for name, digest in bundle.overridden(root).items()}
    told = pipeline(root, "check").stdout
    assert "modules overridden here: 2\n" in told
    assert f"            curves.py  {digests['curves.py']}  unchanged\n" in told
    assert f"            metrics.py  {digests['metrics.py']}  changed\n" in told


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("numpy.py", "", "steps/numpy.py: expected a name that no package of the container has"),
        ("json.py", "", "steps/json.py: expected a name that no package of the container has"),
        ("curves.py", "import ninesteps\n", "steps/curves.py: expected imports that the container"),
        ("ours/__init__.py", "", "steps/ours: expected a module ours.py, got a folder"),
    ],
)
def test_what_would_work_here_and_not_in_a_container_is_refused(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    steps = tmp_path / "model_build/steps"
    shutil.copytree(ROOT / "model_build/steps", steps, ignore=shutil.ignore_patterns("__pycache__"))
    (steps / name).parent.mkdir(exist_ok=True)
    (steps / name).write_text(text, encoding="utf-8")
    with (steps / "evaluate.py").open("a", encoding="utf-8") as file:
        file.write("import ours\n" if "ours" in name else "")
    settings = replace(loading.load(ROOT), root=tmp_path)
    with pytest.raises(SettingsError) as refused:
        bundle.processing_code(settings, "evaluate.py")
    assert sentence in str(refused.value)
