"""The template's own workflows: what they run, what they may do, and what a tag comes to."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import container
from conftest import GENERATED, ROOT
from cruft_runs import repository_of, run
from ninesteps.step_code import images
from workflows import SCHEMAS, schema_errors, unpinned, workflow

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXAMPLE = ROOT / "seeds/create-repositories.yml"
GENERATED_CI = sorted((GENERATED / "ci/github/.github/workflows").glob("*.yml"))


def jobs(name: str) -> dict[str, Any]:
    content: dict[str, Any] = workflow(ROOT / ".github/workflows" / name)["jobs"]
    return content


def scripts(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflows_are_what_their_schemas_ask_for() -> None:
    paths = [path for pattern in SCHEMAS for path in ROOT.glob(pattern)]
    assert {path.name for path in paths} == {
        "ci.yml", "dependabot.yml", "nightly.yml", "release.yml"
    }  # fmt: skip
    assert [error for path in paths for error in schema_errors(path)] == []


def test_a_schema_finds_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / ".github/workflows/ci.yml"
    path.parent.mkdir(parents=True)
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    path.write_text(text.replace("runs-on:", "run-on:"), encoding="utf-8")
    assert "run-on" in "".join(schema_errors(path))


@pytest.mark.parametrize("path", [*WORKFLOWS, EXAMPLE], ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_runs_nothing_that_is_not_pinned(path: Path) -> None:
    content = workflow(path)
    assert unpinned(path) == []
    assert content["permissions"] == {"contents": "read"}
    given = {name: job["permissions"] for name, job in content["jobs"].items()
             if "permissions" in job}  # fmt: skip
    assert given == ({"release": {"contents": "write"}} if path.stem == "release" else {})
    for job in content["jobs"].values():
        assert not [script for script in scripts(job) if "${{" in script]


def test_an_action_is_of_one_commit_wherever_it_is_used() -> None:
    used = {
        action
        for path in [*WORKFLOWS, EXAMPLE, *GENERATED_CI]
        for action in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    }
    names = [action.partition("@")[0] for action in used]
    assert len(names) == len(set(names)), sorted(used)


def test_cruft_is_locked_in_a_repository_as_it_is_here() -> None:
    """By the same versions and hashes, whichever CI a repository has."""
    one, other = (GENERATED / "ci" / name / "cruft.lock"
                  for name in ("github/.github", "gitlab/.gitlab"))  # fmt: skip
    assert one.read_bytes() == other.read_bytes()
    here = packages(ROOT / "requirements.lock")
    locked = packages(one)
    assert "cruft" in locked
    assert {name: locked[name] for name in locked if name in here} == {
        name: here[name] for name in locked if name in here
    }
    assert set(locked) - set(here) <= {"colorama"}  # of Windows alone


TORCH = " --only-binary :all: -r tests/parity/torch.txt"
"""torch is in no lock: the nightly workflow compares with what the training image has."""


def test_what_ci_installs_is_locked_by_hash_and_built_by_nobody() -> None:
    files = [*WORKFLOWS, EXAMPLE, ROOT / ".ci/run"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files).replace("\\\n", "")
    text = text.replace('"', "")
    installs = [i for i in re.findall(r"pip install .*", text) if not i.endswith(TORCH)]
    locks = [re.search(r"--require-hashes.* (?:-r|--requirement) (\S+)$", i) for i in installs]
    assert len(installs) >= 4 and all(locks), installs
    assert {lock[1] for lock in locks if lock} == {".ci/tox.lock", "requirements.lock"}
    assert all("--only-binary :all:" in i for i in installs if "tox.lock" in i)


def test_tox_is_locked_as_its_settings_ask_and_as_the_tests_have_it() -> None:
    locked, here = packages(ROOT / ".ci/tox.lock"), packages(ROOT / "requirements.lock")
    asked = (ROOT / "tox.ini").read_text(encoding="utf-8").partition("env_list")[0]
    assert {"tox", *re.findall(r"^    ([\w-]+)>=", asked, re.MULTILINE)} <= set(locked)
    assert {name: locked[name] for name in locked if name in here} == {
        name: here[name] for name in locked if name in here
    }


def packages(lock: Path) -> dict[str, tuple[str, set[str]]]:
    """The packages of a lock, with their versions and hashes."""
    entries = re.findall(
        r"^([\w-]+)==(\S+)((?:.*\\\n)(?:.*\\\n)*.*)$", lock.read_text(), re.MULTILINE
    )
    return {name: (version, set(re.findall(r"sha256:\w+", rest)))
            for name, version, rest in entries}  # fmt: skip


def test_every_python_that_is_promised_and_every_system_is_tested() -> None:
    found = jobs("ci.yml")
    promised = tomllib.loads((GENERATED / "pyproject.toml").read_text(encoding="utf-8"))
    versions = found["linux"]["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == promised["project"]["requires-python"]
    assert versions == ["3.11", "3.12", "3.13"]
    systems = {re.sub(r"-.*", "", job["runs-on"]) for job in found.values()}
    assert systems == {"ubuntu", "macos", "windows"}
    assert "bash .ci/run" in scripts(found["linux"])
    assert "bash .ci/run" in scripts(found["macos"])
    assert "tox run -e demo" in scripts(found["windows"])
    named = re.findall(r"tests/\w+\.py", " ".join(scripts(found["windows"])))
    assert named and all((ROOT / name).is_file() for name in named)


def test_torch_is_compared_every_night_and_not_left_out() -> None:
    *_, install, compare = scripts(jobs("nightly.yml")["torch"])
    assert install.endswith(TORCH)
    python = re.search(r"&& (\S+)/pip install", install)
    assert python and compare == f'TORCH_PYTHON="$PWD/{python[1]}/python" tox run -e torch'
    asked = (ROOT / "tests/parity/torch.txt").read_text(encoding="utf-8").splitlines()[1:]
    pins = dict(re.findall(r"^(\w+)(?:==)?(.*)$", "\n".join(asked), re.MULTILINE))
    image = images.TRAINING.packages
    assert {"torch", "transformers", "peft", "numpy"} <= set(pins)
    assert {name: image[name] for name in pins if name in image} == {
        name: pins[name] for name in pins if name in image
    }


def test_the_full_tier_runs_every_night() -> None:
    text = (ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8")
    assert re.search(r"^  schedule:\n    - cron: ", text, re.MULTILINE)
    assert "tox run -e full" in scripts(jobs("nightly.yml")["full"])


NOTES = "## 1.2.0 (2026-11-25)\n\n- A gate.\n- A floor.\n\n## 1.1.0\n\n## 1.0.0\n\n- It runs.\n"


@pytest.fixture
def tagged(cloned: Path, tmp_path: Path) -> Path:
    """A clone of the template whose CHANGELOG has three versions, one of them empty."""
    folder = tmp_path / "template"
    shutil.copytree(cloned, folder)
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{NOTES}", encoding="utf-8")
    return repository_of(folder)


@pytest.mark.parametrize(
    ("tag", "said"),
    [("v1.2.0", "- A gate.\n- A floor.\n"), ("v1.0.0", "- It runs.\n")],
)
def test_the_notes_of_a_release_are_the_changelogs(tagged: Path, tag: str, said: str) -> None:
    version_of_the_library(tagged, tag[1:])
    assert run(sys.executable, "tools/release.py", tag, cwd=tagged).stdout == said


@pytest.mark.parametrize(
    "tag", ["v1.1.0", "v1.3.0", "v1.2", "v1.2.0.1", "1.2.0", "v1.2.0\n", "v1x2.0"]
)
def test_a_tag_that_the_changelog_does_not_know_is_no_release(tagged: Path, tag: str) -> None:
    done = run(sys.executable, "tools/release.py", tag, cwd=tagged, status=2)
    assert done.stderr.startswith("release: ")
    assert done.stdout == ""


def version_of_the_library(template: Path, version: str) -> None:
    file = template / GENERATED.name / "library/src/ninesteps/version.py"
    text = re.sub('"[0-9.]+"', f'"{version}"', file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")


def test_a_tag_that_is_not_the_librarys_version_is_no_release(tagged: Path) -> None:
    version_of_the_library(tagged, "1.1.9")
    done = run(sys.executable, "tools/release.py", "v1.2.0", cwd=tagged, status=2)
    assert done.stderr == "release: version.py of the library: expected 1.2.0, got 1.1.9\n"


def test_a_release_is_made_of_the_notes_and_of_an_archive_that_renders(
    tagged: Path, tmp_path: Path
) -> None:
    """The job's scripts, but for the last one, which asks GitHub."""
    job = jobs("release.yml")["release"]
    assert job["needs"] == "test"
    *before, last = scripts(job)
    variables = {
        name: value.replace("${{ github.ref_name }}", "v1.2.0")
        for name, value in job["env"].items()
    }
    version_of_the_library(tagged, "1.2.0")
    for script in before:
        run("bash", "-e", "-c", script, cwd=tagged, **variables)
    assert last.startswith('gh release create "$TAG" "$ARCHIVE" wheels/*.whl --verify-tag')
    assert (tagged / "notes.md").read_text(encoding="utf-8") == "- A gate.\n- A floor.\n"
    assert sorted(path.name.partition("+")[0] for path in (tagged / "wheels").iterdir()) == [
        "ninesteps-1.2.0", "ninesteps-1.2.0-py3-none-any.whl"
    ]  # fmt: skip
    container.extract(tagged / variables["ARCHIVE"], tmp_path / "unpacked")
    (template,) = (tmp_path / "unpacked").iterdir()
    made = tmp_path / "made"
    run(sys.executable, "-m", "cookiecutter", "--no-input", "-o", made, template, cwd=tmp_path)
    assert (made / "customer-churn/pipeline.toml").is_file()
