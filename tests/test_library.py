"""The library as a wheel: the same bytes everywhere, by its hash alone, on a bare interpreter."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import GENERATED, NO_NETWORK, Repository
from cruft_runs import create

LIBRARY = GENERATED / "library"
BUILD = "import sys, wheel_backend; print(wheel_backend.build_wheel(sys.argv[1]))"


def build(library: Path, folder: Path, python: str = sys.executable, plain: str = "") -> Path:
    """The wheel of a library's source, as an interpreter builds it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = (
        BUILD if not plain else BUILD.replace("sys.argv[1])", "sys.argv[1], {'plain': 'true'})")
    )
    done = subprocess.run(
        [python, "-B", "-c", program, str(folder)],
        cwd=library, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return folder / done.stdout.strip()


def wheel_of(repository: Path) -> Path:
    """The one wheel that a repository carries."""
    (wheel,) = (repository / "vendor").iterdir()
    return wheel


def pythons() -> Iterator[str]:
    """The interpreters of this machine that the library supports, this one among them."""
    yield sys.executable
    for minor in (11, 12, 13):
        found = shutil.which(f"python3.{minor}")
        probe = [str(found), "-c", "import sys; print(sys.version_info[1])"]
        if found and subprocess.run(probe, capture_output=True, text=True, check=False).stdout == (
            f"{minor}\n"
        ):
            yield found


def test_the_wheel_has_the_same_bytes_on_every_python(template: Path, tmp_path: Path) -> None:
    library = template / GENERATED.name / "library"
    built = [build(library, tmp_path / str(n), python) for n, python in enumerate(pythons())]
    assert len({(wheel.name, wheel.read_bytes()) for wheel in built}) == 1


def test_every_way_of_rendering_packs_the_same_wheel(
    churn: Repository, cloned: Path, template: Path, tmp_path: Path
) -> None:
    """By cookiecutter, by cruft, and from an archive, as a release is one."""
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"scenario": "churn"}), encoding="utf-8")
    by_cruft = create(cloned, seed, tmp_path / "cruft")
    archive = shutil.make_archive(
        str(tmp_path / "template"), "zip", template.parent, template.name
    )  # fmt: skip
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(tmp_path / "zip")]
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([*command, archive], env=environment, capture_output=True, check=True)
    wheels = [wheel_of(folder) for folder in (churn.path, by_cruft, *(tmp_path / "zip").iterdir())]
    assert len({(wheel.name, wheel.read_bytes()) for wheel in wheels}) == 1


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(churn: Repository) -> None:
    with zipfile.ZipFile(wheel_of(churn.path)) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert wheel.testzip() is None
        assert {item.compress_type for item in wheel.infolist()} == {zipfile.ZIP_STORED}
        assert {item.date_time for item in wheel.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    source = LIBRARY / "src"
    files = (p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    made = {"ninesteps/step_code/shipped.json"}  # when it is packed
    assert inside == {path.relative_to(source).as_posix() for path in files} | made
    assert not (churn.path / "library").exists()


def test_other_content_is_another_version(template: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(template / GENERATED.name / "library", library)
    before = build(library, tmp_path / "before")
    assert re.fullmatch(r"ninesteps-\d+\.\d+\.\d+\+g[0-9a-f]{8}-py3-none-any\.whl", before.name)
    with (library / "src/ninesteps/containers/curves.py").open("a", encoding="utf-8") as file:
        file.write("# one line more\n")
    after = build(library, tmp_path / "after")
    assert after.name != before.name
    plain = before.name.partition("+")[0]
    assert build(library, tmp_path / "plain", plain="true").name == f"{plain}-py3-none-any.whl"


def test_line_ends_of_a_checkout_change_nothing(template: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(template / GENERATED.name / "library", library)
    before = build(library, tmp_path / "before")
    for path in (*library.rglob("*.py"), *library.rglob("*.toml"), library / "README.md"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert build(library, tmp_path / "after").read_bytes() == before.read_bytes()


LINES = re.compile(r"--find-links vendor\nninesteps==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})\n")


@pytest.fixture
def locked(churn: Repository, tmp_path: Path) -> tuple[Path, re.Match[str]]:
    """A folder with the wheel and the library's lines of the lock, and these lines."""
    found = LINES.search((churn.path / "requirements.lock").read_text(encoding="utf-8"))
    assert found
    folder = tmp_path / "locked"
    shutil.copytree(churn.path / "vendor", folder / "vendor")
    (folder / "requirements.lock").write_text(found[0], encoding="utf-8")
    return folder, found


def test_the_lock_names_the_wheel_by_its_hash(locked: tuple[Path, re.Match[str]]) -> None:
    folder, found = locked
    wheel = wheel_of(folder)
    assert wheel.name == f"ninesteps-{found[1]}-py3-none-any.whl"
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == found[2]


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The pip that comes with Python, in an environment of its own."""
    folder = tmp_path_factory.mktemp("pip")
    venv.create(folder, with_pip=True)
    return [str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")), "-m", "pip"]


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, pip: list[str]) -> list[str]:
    return pip if request.param == "pip" else [sys.executable, "-m", "uv", "pip"]


def install(installer: list[str], folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Install the library's lines of the lock, with no index, from another folder."""
    target.mkdir()
    command = [
        *(*installer, "install", "--quiet", "--require-hashes", "--no-deps", "--no-index"),
        *("--target", str(target), "-r", str(folder / "requirements.lock")),
    ]
    return subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)


def test_the_wheel_is_installed_by_its_hash_without_an_index(
    locked: tuple[Path, re.Match[str]], tmp_path: Path, installer: list[str]
) -> None:
    target = tmp_path / "installed"
    done = install(installer, locked[0], target)
    assert done.returncode == 0, done.stderr
    assert (target / "ninesteps/py.typed").is_file()
    assert list((target / "bin").glob("pipeline*"))


def test_an_edited_wheel_is_refused(
    locked: tuple[Path, re.Match[str]], tmp_path: Path, installer: list[str]
) -> None:
    """One that is whole otherwise: a floor in it is lower."""
    folder, found = locked
    wheel = wheel_of(folder)
    with zipfile.ZipFile(wheel) as archive:
        members = {item: archive.read(item) for item in archive.infolist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for item, content in members.items():
            archive.writestr(item, content.replace(b"auc > 0.70", b"auc > 0.10"))
    done = install(installer, folder, tmp_path / "installed")
    assert done.returncode != 0
    assert found[2] in done.stdout + done.stderr  # ... expected, and another got


def closure(names: list[str]) -> set[str]:
    """What distributions need, and what that needs, by name."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                names.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has cookiecutter and what it needs, as pipx installs it; no more."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", with_pip=False)
    packages = folder / "packages"
    packages.mkdir()
    for name in closure(["cookiecutter"]):
        distribution = importlib.metadata.distribution(name)
        roots = {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}
        for root in roots - {"__pycache__"}:
            source = Path(str(distribution.locate_file(root)))
            if source.exists() and not (packages / root).exists():
                (packages / root).symlink_to(source)
    (site,) = (folder / "venv").rglob("site-packages")
    (site / "bare.pth").write_text(f"{packages}\n", encoding="utf-8")
    return folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_bare_interpreter_renders_and_refuses(bare: Path, template: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(NO_NETWORK)}
    probe = "import importlib.util as u; print([n for n in ('numpy', 'boto3') if u.find_spec(n)])"
    assert subprocess.run([bare, "-c", probe], env=environment, capture_output=True, text=True,
                          check=True).stdout == "[]\n"  # fmt: skip
    command: list[str | Path] = [
        bare, "-m", "cookiecutter", "--no-input", "-o", tmp_path / "made", template
    ]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert wheel_of(tmp_path / "made/customer-churn").is_file()
    shutil.rmtree(tmp_path / "made")
    done = subprocess.run([*command, "metric_gate=auc > 0.6"], env=environment,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.startswith("metric_gate: expected at least `auc > 0.7`")
    assert [*tmp_path.glob("made/*")] == []


def test_the_library_is_resolved_from_no_index() -> None:
    """A free name can be taken: no lock that is resolved names it, nor what they are made of."""
    root = GENERATED.parent
    for path in (*root.rglob("*.lock"), *root.rglob("*.in"), GENERATED / "pyproject.toml"):
        if ".tox" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*\"?ninesteps\b", text, re.MULTILINE), path
    source = (root / "tools/lock.py").read_text(encoding="utf-8")
    assert "library" in source and "ninesteps" not in source


def test_another_library_than_the_lock_names_is_refused_before_anything_runs(
    render: Callable[..., Repository],
) -> None:
    """As it stands after an update, until the lock is installed."""
    repository = render()
    found = LINES.search((repository.path / "requirements.lock").read_text(encoding="utf-8"))
    assert found
    repository.edit("requirements.lock", f"=={found[1]} ", "==1.0.0+g00000000 ")
    for command in ("run", "compile", "check"):
        done = repository.pipeline(command, status=2)
        assert "1.0.0+g00000000" in done.stderr
    assert repository.pipeline("run", status=2).stderr == (
        "pipeline: requirements.lock: expected the library 1.0.0+g00000000 to be installed, got "
        f"{found[1]}: pip install -r requirements.lock\n"
    )
    assert not (repository.path / ".local/runs").exists()


def test_a_repository_sorts_imports_of_the_containers_modules_as_its_own() -> None:
    settings = tomllib.loads((GENERATED / "pyproject.toml").read_text(encoding="utf-8"))
    modules = {file.stem for file in (LIBRARY / "src/ninesteps/containers").glob("*.py")}
    assert set(settings["tool"]["ruff"]["lint"]["isort"]["known-first-party"]) == modules
