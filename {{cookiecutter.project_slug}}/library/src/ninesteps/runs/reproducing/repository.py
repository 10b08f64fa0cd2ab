"""The repository as it was when a version was made: its working tree, or the recorded commit.

Either is checked: the definition names every file of a step's code by a hash of its content, and
the digest of `pipeline.toml` was recorded.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import Definition
from ninesteps.errors import NineStepsError
from ninesteps.local.state import digest_of
from ninesteps.runs.reproducing.recorded import Recorded
from ninesteps.settings import loading
from ninesteps.settings.judgement import Bias
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import code_objects
from ninesteps.step_code.by_digest import root_uri

_SETTINGS = "pipeline.toml"
_INPUTS = ("S3Uri", "ModelDataUrl", "sagemaker_submit_directory")
"""The fields of a request that name objects which a job reads, if they are literals."""

WORKING_TREE = "the working tree"


@dataclass(frozen=True)
class Repository:
    """A repository whose settings and code are those that a version was made with."""

    settings: Settings
    where: str  # in words: WORKING_TREE, or the commit
    code: dict[str, dict[str, bytes]]  # the objects at each URI that the definition names


def named_inputs(definition: Definition) -> list[str]:
    """The literal S3 URIs of job inputs in a definition, in order."""
    uris: dict[str, None] = {}

    def collect(value: Any) -> None:
        for name, item in value.items() if isinstance(value, dict) else ():
            if name in _INPUTS and isinstance(item, str) and item.startswith("s3://"):
                uris[item] = None
        if isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                collect(item)

    for step in definition.steps.values():
        collect(step.arguments)
    return list(uris)


def of_then(root: Path, settings: Settings, kept: Recorded, folder: Path) -> Repository | None:
    """The repository that a version was made with; None if neither tree nor commit matches.

    Args:
        settings: of the working tree.
        folder: where a commit is checked out, outside the repository.
    """
    there = _matching(settings, kept, WORKING_TREE)
    origin = kept.run.origin.get("repository") or {}
    commit = str(origin.get("commit", ""))
    if there or not commit or origin.get("is_dirty") is not False:
        return there
    if not _check_out(root, commit, folder):
        return None
    try:
        checked_out = loading.load(folder)
    except (NineStepsError, OSError):
        return None
    return _matching(checked_out, kept, f"commit {commit[:12]}")


def _matching(settings: Settings, kept: Recorded, where: str) -> Repository | None:
    """A repository, if its settings and all its code are those of the version."""
    recorded = kept.run.origin.get("settings_sha256")
    if recorded and digest_of(settings.root / _SETTINGS) != recorded:
        return None
    if settings.bias_is_managed:  # `--bias-backend`: this machine runs no other
        settings = settings.with_backend(Bias.BACKENDS[0])
    try:
        code = code_objects(settings, settings.environment())
    except (NineStepsError, OSError):
        return None
    prefix = f"{root_uri(settings, settings.environment())}/code/"
    named = [uri for uri in named_inputs(kept.definition) if uri.startswith(prefix)]
    made = {uri: below(uri, code) for uri in named}
    return Repository(settings, where, made) if named and all(made.values()) else None


def below(uri: str, objects: Mapping[str, bytes]) -> dict[str, bytes]:
    """The objects at a URI, one or a folder of them, by their own URIs."""
    return {of: b for of, b in objects.items() if of == uri or of.startswith(f"{uri}/")}


def _check_out(root: Path, commit: str, folder: Path) -> bool:
    """Write the files of a commit to a folder, without touching git's own files."""
    folder.mkdir(parents=True)
    packed = folder / ".commit.tar"
    command = ["git", "-C", str(root), "archive", "--format=tar", f"--output={packed}", commit]
    try:
        done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired):  # without git
        return False
    if done.returncode:
        return False
    with tarfile.open(packed) as archive:
        for member in archive:
            target = folder / member.name
            content = archive.extractfile(member) if member.isfile() else None
            if content and ".." not in target.parts and target.is_relative_to(folder):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
    packed.unlink()
    return True
