"""What pre-commit lets into a repository: clean code, no secrets, nothing large; by local hooks."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from conftest import GENERATED, ROOT, SCENARIOS, Rendered, Repository, in_full_tier
from cruft_runs import repository_of, run


def pre_commit(
    folder: Path, *hooks: str, files: Sequence[str] = (), status: int = 0, **variables: str
) -> str:
    """Run the hooks of a repository, all or one, on some files or all; what they print."""
    chosen = ("--files", *files) if files else ("--all-files",)
    command = (sys.executable, "-m", "pre_commit", "run", *hooks, *chosen)
    variables |= {"PRE_COMMIT_HOME": str(folder.parent / "pre-commit"), "RUFF_NO_CACHE": "true"}
    done = run(*command, cwd=folder, status=status, **variables)
    return done.stdout


@pytest.fixture
def committed(rendered: Rendered, tmp_path: Path) -> Repository:
    """Churn as the one commit of a git repository, to be changed."""
    shutil.copytree(rendered("churn").path, tmp_path / "made")
    return Repository(repository_of(tmp_path / "made"))


def test_what_is_rendered_passes_every_hook(committed: Repository, types: Path) -> None:
    printed = pre_commit(committed.path, MYPY_CACHE_DIR=str(types))
    config = (committed.path / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (hooks,) = (source["hooks"] for source in yaml.safe_load(config)["repos"])
    assert printed.count("Passed") == len(hooks) == 5
    assert run("git", "status", "--short", cwd=committed.path).stdout == ""


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "churn"])
def test_no_scenario_holds_a_secret_or_a_large_file(
    rendered: Rendered, tmp_path: Path, scenario: str
) -> None:
    """Looked at are the files that churn has otherwise, or not at all: churn's own have passed."""
    folder = tmp_path / "made"
    made, churn = rendered(scenario), rendered("churn")
    shutil.copytree(made.path, folder)
    repository_of(folder)
    same = [n for n in made.files() & churn.files() if not differs(made.path / n, churn.path / n)]
    own = sorted(made.files().difference(same))
    assert {"pipeline.toml", "README.md"} <= set(own)
    for hook in ("secrets", "large-files"):
        assert "Passed" in pre_commit(folder, hook, files=own)


def differs(one: Path, other: Path) -> bool:
    return one.read_bytes() != other.read_bytes()


@in_full_tier
def test_the_template_itself_holds_neither(cloned: Path) -> None:
    for hook in ("secrets", "large-files"):
        assert "Passed" in pre_commit(cloned, hook)


KEY_ID = "AKIA" + "Z7Q3XW2LMNPR4T6V"
"""Of the form of an AWS key's id. No secret stands in this file: it is put together here."""

SECRETS = {
    "an AWS key's id": f'aws_access_key_id = "{KEY_ID}"',
    "an AWS secret key": 'aws_secret_access_key = "'
    + "wJ4rXU7nFEMIK7MDENGbPx"
    + 'RfiCYzq9KLhTv2Q1sD"',
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq98hq3",
    "a token": "gh" + "p_" + "A1b2C3d4E5f6G7h8I9j0" * 2,
    "a word to log in with": "pass" + 'word = "correct-horse-7-battery"',
}


def test_every_kind_of_secret_is_refused_with_its_place(committed: Repository) -> None:
    for kind, text in SECRETS.items():
        (committed.path / f"model_build/{named(kind)}").write_text(f"{text}\n", encoding="utf-8")
    run("git", "add", "--all", cwd=committed.path)
    printed = pre_commit(committed.path, "secrets", status=1)
    places = [line.split()[-1] for line in printed.splitlines() if line.startswith("Location:")]
    assert {place.partition(":")[0] for place in places} == {
        f"model_build/{named(k)}" for k in SECRETS
    }


def named(kind: str) -> str:
    return re.sub(r"\W", "_", kind) + ".py"


@pytest.mark.parametrize(("size", "status"), [(6_000_000, 1), (2_000_000, 0)])
def test_a_large_file_is_refused_and_one_as_large_as_the_samples_is_not(
    committed: Repository, size: int, status: int
) -> None:
    (committed.path / "data/more.csv").write_bytes(os.urandom(size))
    run("git", "add", "--all", cwd=committed.path)
    printed = pre_commit(committed.path, "large-files", status=status)
    assert ("data/more.csv" in printed) == bool(status)


def test_both_configurations_have_the_same_hooks_and_none_from_elsewhere() -> None:
    ours, theirs = (
        (folder / ".pre-commit-config.yaml").read_text(encoding="utf-8")
        for folder in (ROOT, GENERATED)
    )
    assert ours == theirs
    assert [source["repo"] for source in yaml.safe_load(theirs)["repos"]] == ["local"]
