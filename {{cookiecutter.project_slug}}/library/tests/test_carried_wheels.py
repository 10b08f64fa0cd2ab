"""Wheels that travel with a step's code: which, held to what, and how a step imports them."""

from __future__ import annotations

import hashlib
import importlib
import io
import re
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import pets
import wheels
from ninesteps.errors import WheelError
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code import carried_wheels
from ninesteps.step_code.bundle import (
    CONTAINERS,
    StepCode,
    closure,
    folders,
    processing_code,
    training_code,
)
from ninesteps.step_code.carried_wheels import CARRIED, Wheel, needed, read

ROOT = Path(__file__).resolve().parents[2]
ALL = tuple(wheel for carried in CARRIED.values() for wheel in carried)


def locked() -> dict[str, set[str]]:
    """The hashes of `requirements.lock` by `name==version`."""
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if pin := re.match(r"([\w.-]+==\S+)", line):
            found[pin[1].lower()] = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return found


@pytest.mark.parametrize("wheel", ALL, ids=lambda wheel: wheel.file)
def test_a_wheel_is_of_the_version_and_hash_that_the_lock_has(wheel: Wheel) -> None:
    name, version = wheel.file.split("-")[:2]
    assert wheel.sha256 in locked()[f"{name}=={version}"]


def test_the_project_asks_for_the_version_that_is_carried() -> None:
    project = tomllib.loads((ROOT / "library/pyproject.toml").read_text("utf-8"))["project"]
    asked = project["dependencies"]
    (own,) = (text for text in asked if text.startswith("lightgbm"))
    assert own.split("==")[1] in {wheel.file.split("-")[1] for wheel in ALL}


def test_every_wheel_is_for_the_image_and_carried_for_a_module_that_there_is() -> None:
    for module, carried in CARRIED.items():
        assert (CONTAINERS / module).is_file()
        assert module.removesuffix("_model.py") in Tuning.ALGORITHMS
        for wheel in carried:  # Python 3.12 or any, and Linux on x86-64 or anywhere
            tags = r"-(py3|cp312)-(none|abi3|cp312)-(any|manylinux.*_x86_64)\.whl"
            assert re.search(tags, wheel.file), wheel.file


# Which steps carry them


def tuned_by(*algorithms: str) -> Settings:
    """Settings whose search compares these."""
    return pets.changed(pets.settings(), tuning={"algorithms": algorithms})


TRAINED = ("train.py", "evaluate.py", "clarify.py")


@pytest.mark.parametrize("script", [*TRAINED, "process.py", "analysis_config.py"])
def test_a_step_carries_what_its_modules_need_for_the_pipelines_algorithms(script: str) -> None:
    modules = [*closure(script, folders(ROOT))]
    own = ALL if script in TRAINED else ()
    assert needed(modules, ("xgboost", "lightgbm")) == needed(modules, ("lightgbm",)) == own
    assert needed(modules, ("xgboost",)) == ()
    assert processing_code(tuned_by("lightgbm"), script).wheels == own
    assert training_code(tuned_by("xgboost", "lightgbm"), script).wheels == own
    assert processing_code(tuned_by("xgboost"), script).wheels == ()


# What is uploaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two small wheels."""
    for name in ("fake", "other"):
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}_package/__init__.py", f"NAME = {name!r}\n")
            wheel.writestr(f"{name}_package/data.txt", name)
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n")
    return tmp_path


def wheels_in(folder: Path) -> tuple[Wheel, ...]:
    found = sorted(folder.glob("*.whl"))
    return tuple(Wheel(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in found)


def test_the_digest_covers_the_wheels_whether_they_are_there_or_not(folder: Path) -> None:
    fake, other = wheels_in(folder)
    code = StepCode("a.py", {"a.py": b"import fake"}, (fake, other))
    for file in folder.glob("*.whl"):
        file.unlink()
    digests = {
        code.digest,
        replace(code, wheels=()).digest,
        replace(code, wheels=(fake,)).digest,
        replace(code, wheels=(fake, replace(other, sha256="0" * 64))).digest,
        replace(code, wheels=(fake, replace(other, file="other-1.1-py3-none-any.whl"))).digest,
        replace(code, files={"a.py": b"import other"}).digest,
    }
    assert len(digests) == 6
    assert replace(code, wheels=(other, fake)).digest == code.digest


def test_a_pipeline_of_one_algorithm_more_has_code_of_its_own() -> None:
    for code in (processing_code, training_code):
        one, both = (code(tuned_by(*names), "train.py")
                     for names in (("xgboost",), ("xgboost", "lightgbm")))  # fmt: skip
        assert one.files == both.files
        assert one.digest != both.digest


def test_a_wheel_counts_in_the_digest_as_the_file_that_it_is(folder: Path) -> None:
    """Carried or lying among the files, what is uploaded is the same, and so is its place."""
    carried = StepCode("a.py", {"a.py": b""}, wheels_in(folder))
    assert StepCode("a.py", carried.content(folder)).digest == carried.digest


def test_the_content_has_the_wheels_out_of_a_folder_and_none_without_one(folder: Path) -> None:
    code = StepCode("a.py", {"a.py": b""}, wheels_in(folder))
    assert code.content(None) == {"a.py": b""}
    files = {path.name: path.read_bytes() for path in folder.glob("*.whl")}
    assert code.content(folder) == {"a.py": b"", **files}
    for given, names in ((None, ["a.py"]), (folder, ["a.py", *sorted(files)])):
        with tarfile.open(fileobj=io.BytesIO(code.archive(given))) as archive:
            assert archive.getnames() == names
    assert code.archive(folder) == code.archive(folder)


def test_a_wheel_that_is_not_there_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    lightgbm = ALL[0]
    with pytest.raises(WheelError) as missing:
        read(lightgbm, tmp_path)
    assert str(missing.value).startswith(f"{tmp_path} has no {lightgbm.file}; get it by: pip ")
    assert "--python-version 3.12" in str(missing.value)
    assert str(missing.value).endswith(f"-d {tmp_path} lightgbm==4.7.0")


def test_only_what_a_folder_lacks_is_fetched_and_by_the_command_that_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(ALL[0], file="cats-1.0-py3-none-any.whl")
    asked: list[list[str]] = []
    monkeypatch.setattr(carried_wheels.subprocess, "run", lambda call, **_: asked.append(call))
    carried_wheels.fetch([*wheels_in(folder), missing], folder)
    with pytest.raises(WheelError) as named:
        read(missing, folder)
    (call,) = asked
    assert str(named.value).endswith(f"get it by: {' '.join(call[2:])}")
    assert call[-1] == "cats==1.0"


def test_a_wheel_of_another_content_is_refused_with_both_hashes(folder: Path) -> None:
    fake, other = wheels_in(folder)
    assert read(fake, folder) == (folder / fake.file).read_bytes()
    (folder / fake.file).write_bytes((folder / other.file).read_bytes())
    with pytest.raises(WheelError, match=f"expected SHA-256 {fake.sha256}, got {other.sha256}"):
        read(fake, folder)
    with pytest.raises(WheelError):
        StepCode("a.py", {}, (fake,)).content(folder)


def test_no_wheel_is_read_where_none_is_needed(tmp_path: Path) -> None:
    assert processing_code(tuned_by("xgboost"), "train.py").content(tmp_path / "nowhere")
    assert carried_wheels.needed((), Tuning.ALGORITHMS) == ()


# How a step imports them


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The path that modules are looked for on: as before, after the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    return sys.path


def test_wheels_in_a_folder_can_be_imported(folder: Path, path: list[str]) -> None:
    before = [*path]
    wheels.add_to_path(folder)
    added, *rest = path
    assert rest == before
    for name in ("fake", "other"):
        package = importlib.import_module(f"{name}_package")
        assert name == package.NAME
        # As a file, since a shared library cannot be loaded from an archive.
        assert Path(package.__file__).with_name("data.txt").read_text() == name
        assert Path(package.__file__).is_relative_to(added)
        del sys.modules[f"{name}_package"]


def test_a_carried_package_comes_before_an_installed_one(folder: Path, path: list[str]) -> None:
    installed = folder / "site"
    installed.mkdir()
    (installed / "fake_package.py").write_text('NAME = "installed"\n')
    path.insert(0, str(installed))
    wheels.add_to_path(folder)
    assert importlib.import_module("fake_package").NAME == "fake"
    del sys.modules["fake_package"]


def test_without_wheels_the_path_is_left_alone(tmp_path: Path, path: list[str]) -> None:
    before = [*path]
    wheels.add_to_path(tmp_path)
    wheels.add_to_path()  # beside the script itself, where this repository has none
    assert path == before
