"""The library's wheel in a repository: put there, locked by its hash, installed by pip."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.repository import vendor

LIBRARY = Path(__file__).resolve().parents[1]
OTHERS = "rich==14.0.0 \\\n    --hash=sha256:" + 64 * "a" + "\n"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library's wheel, as the template's hook builds it."""
    sys.path.insert(0, str(LIBRARY))
    try:
        import wheel_backend
    finally:
        sys.path.remove(str(LIBRARY))
    folder = tmp_path_factory.mktemp("wheel")
    return folder / str(wheel_backend.build_wheel(str(folder)))


def small(folder: Path, version: str = "1.0.0") -> Path:
    """A wheel with nothing but its metadata."""
    folder.mkdir(exist_ok=True)
    file = folder / f"ninesteps-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"ninesteps-{version}.dist-info/METADATA", version)
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with version 1.0.0."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / vendor.LOCK).write_text(OTHERS, encoding="utf-8")
    vendor.place(root, small(tmp_path / "built"))
    return root


def lock(root: Path) -> str:
    return (root / vendor.LOCK).read_text(encoding="utf-8")


def test_a_placed_wheel_is_named_by_the_lock_with_its_hash(root: Path) -> None:
    (file,) = vendor.wheels(root)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert lock(root) == (
        "# The library, from vendor/ and by its hash alone: no index is asked for it.\n"
        "--find-links vendor\n"
        f"ninesteps==1.0.0 \\\n    --hash=sha256:{digest}\n{OTHERS}"
    )
    assert vendor.locked(root) == "1.0.0"
    assert list(vendor.violations(root)) == []


def test_another_version_takes_the_place_and_changes_two_lines(root: Path, tmp_path: Path) -> None:
    before = lock(root).splitlines()
    assert vendor.place(root, small(tmp_path / "built", "1.1.0+g0a1b2c3d")) == "1.1.0+g0a1b2c3d"
    assert [w.name for w in vendor.wheels(root)] == ["ninesteps-1.1.0+g0a1b2c3d-py3-none-any.whl"]
    differing = [n for n, pair in enumerate(zip(before, lock(root).splitlines(), strict=True))
                 if pair[0] != pair[1]]  # fmt: skip
    assert differing == [2, 3]
    assert list(vendor.violations(root)) == []


def test_the_wheel_may_lie_in_vendor_already(root: Path) -> None:
    new = small(root / vendor.FOLDER, "1.2.0")
    assert vendor.place(root, new) == "1.2.0"
    assert vendor.wheels(root) == [new]
    assert list(vendor.violations(root)) == []


@pytest.mark.parametrize("name", ["ninesteps-1.1.0-py3-none-any.whl", "other-1.0-py3-none-any.whl",
                                  "ninesteps-1.1.0.tar.gz"])  # fmt: skip
@pytest.mark.parametrize("content", [None, b"no archive"])
def test_what_is_no_wheel_of_the_library_is_refused_and_changes_nothing(
    root: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    before, file = lock(root), tmp_path / name
    if content:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"^vendor: expected a (file|complete wheel)"):
        vendor.place(root, file)
    assert lock(root) == before and len(vendor.wheels(root)) == 1


def test_a_wheel_under_another_versions_name_is_refused(root: Path, tmp_path: Path) -> None:
    renamed = small(tmp_path / "built").rename(tmp_path / "ninesteps-2.0-py3-none-any.whl")
    with pytest.raises(SettingsError, match=r"expected a complete wheel with ninesteps-2\.0\.dist"):
        vendor.place(root, renamed)


def test_an_edited_wheel_and_one_that_the_lock_does_not_name_are_violations(root: Path) -> None:
    (file,) = vendor.wheels(root)
    file.write_bytes(file.read_bytes() + b"\n")
    small(root / vendor.FOLDER, "1.1.0")
    edited, other = vendor.violations(root)
    assert edited.startswith("vendor/ninesteps-1.0.0-py3-none-any.whl: expected SHA-256 ")
    assert other == (
        "vendor/ninesteps-1.1.0-py3-none-any.whl: requirements.lock names version 1.0.0; "
        "delete this one"
    )


def test_a_wheel_that_is_gone_is_a_violation_with_or_without_the_folder(root: Path) -> None:
    (file,) = vendor.wheels(root)
    file.unlink()
    (missing,) = vendor.violations(root)
    assert missing.startswith("vendor/ninesteps-1.0.0-py3-none-any.whl: there is no such file")
    (root / vendor.FOLDER).rmdir()
    (missing,) = vendor.violations(root)
    assert missing.startswith("requirements.lock: it names vendor/, but there is no such folder")


def test_a_library_from_a_private_index_has_no_violation(root: Path) -> None:
    """As the documentation has it: `vendor/` and the line `--find-links vendor` deleted."""
    for file in vendor.wheels(root):
        file.unlink()
    text = lock(root).replace("--find-links vendor\n", "")
    (root / vendor.LOCK).write_text(text, encoding="utf-8")
    assert list(vendor.violations(root)) == []
    (root / vendor.FOLDER).rmdir()
    assert list(vendor.violations(root)) == []
    assert vendor.locked(root) == "1.0.0"


def test_a_wheel_is_placed_again_after_a_private_index(root: Path, tmp_path: Path) -> None:
    text = lock(root).replace("--find-links vendor\n", "")
    (root / vendor.LOCK).write_text(text, encoding="utf-8")
    (violation,) = vendor.violations(root)
    assert violation.startswith("requirements.lock: expected a line --find-links vendor")
    vendor.place(root, small(tmp_path / "built", "1.1.0"))
    assert lock(root).count("--find-links vendor\n") == 1
    assert list(vendor.violations(root)) == []


def test_the_command_bumps_the_library_and_says_what_is_next(root: Path, wheel: Path) -> None:
    (root / "pipeline.toml").write_text("", encoding="utf-8")  # marks the root; it is not read
    done = pipeline(root, "vendor", str(wheel))
    assert done.stdout.splitlines()[0].endswith(f"{vendor.locked(root)} (before: 1.0.0)")
    assert "install the lock again: pip install -r requirements.lock" in done.stdout
    assert list(vendor.violations(root)) == []
    refused = pipeline(root, "vendor", "nothing.whl", status=2)
    assert refused.stderr == (
        "pipeline: vendor: expected a file ninesteps-VERSION-py3-none-any.whl, got nothing.whl\n"
    )


@pytest.mark.parametrize(
    "name",
    ["ninesteps.py", "ninesteps/profiles/profile.py", "sitecustomize.py", "usercustomize.py"],
)
def test_a_repository_with_a_module_that_hides_the_library_is_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "pipeline.toml").write_text("", encoding="utf-8")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit(7)\n", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "ninesteps.cli", "check"]  # as the command `pipeline`
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"pipeline: {name.partition('/')[0]}: expected no module of this name, which Python could "
        "import instead of the library; `pipeline eject` copies modules that a team may override\n"
    )


def pipeline(root: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ninesteps.cli", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that has pip alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, root: Path, elsewhere: Path) -> subprocess.CompletedProcess[str]:
    """Install the lock as a team does, from another folder, and without an index."""
    options = ["--no-deps", "--no-index", "--require-hashes", "--disable-pip-version-check"]
    return subprocess.run(
        [python, "-m", "pip", "install", *options, "-r", root / vendor.LOCK],
        cwd=elsewhere, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_pip_installs_the_wheel_by_its_hash_and_refuses_an_edited_one(
    empty: Path, wheel: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (root / vendor.LOCK).write_text("", encoding="utf-8")
    version = vendor.place(root, wheel)
    (placed,) = vendor.wheels(root)
    whole = placed.read_bytes()
    placed.write_bytes(whole.replace(b"The gate", b"No gates"))  # stored, so any text is found
    assert placed.read_bytes() != whole
    done = install(empty, root, tmp_path)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    placed.write_bytes(whole)
    done = install(empty, root, tmp_path)
    assert done.returncode == 0, done.stderr
    program = "import ninesteps.version as v; print(v.VERSION)"
    told = subprocess.run(
        [empty, "-I", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert told.stdout.strip() == version


def test_a_repository_without_its_lock_is_a_finding(tmp_path: Path) -> None:
    (violation,) = vendor.violations(tmp_path)
    assert violation.startswith("requirements.lock: there is no such file")
