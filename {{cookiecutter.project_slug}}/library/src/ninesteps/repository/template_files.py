"""Which files are the template's and which the team's, and what an update left unfinished.

Standard library only: the template's hook writes the list of the template's files first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from ninesteps.repository import vendor

LIST = ".template-files.json"
"""The template's files with the SHA-256 of each: what an update may change without a conflict."""

OLD_TESTS = [
    "accounts",
    "endpoints",
    "machines_in_moto",
    "mistakes",
    "page_structure",
    "people",
    "pets",
    "reports",
    "small_definitions",
    "test_account_evidence",
    "test_account_registry",
    "test_algorithms",
    "test_approval",
    "test_backends",
    "test_batch_transform",
    "test_bias_metrics",
    "test_bootstrap",
    "test_cadence",
    "test_carried_wheels",
    "test_check",
    "test_clarify",
    "test_curves",
    "test_decision",
    "test_definition",
    "test_deploy",
    "test_deploying",
    "test_disk",
    "test_drift",
    "test_engine",
    "test_evaluate",
    "test_explanations",
    "test_expressions",
    "test_facets",
    "test_floor",
    "test_gate",
    "test_inference",
    "test_infrastructure",
    "test_ingest",
    "test_intervals",
    "test_kernel_shap",
    "test_metrics",
    "test_offline_store",
    "test_point_in_time",
    "test_policy",
    "test_process",
    "test_processes",
    "test_publish",
    "test_raw_table",
    "test_readme",
    "test_registry",
    "test_report",
    "test_resume",
    "test_rollout",
    "test_rollout_jobs",
    "test_schema",
    "test_serving",
    "test_settings",
    "test_standards",
    "test_state",
    "test_step_cache",
    "test_stopping",
    "test_storage",
    "test_tables",
    "test_template_files",
    "test_train",
    "test_tuning",
    "versions",
]
"""The tests that repositories had before the library, by their modules' names."""

TEAM_FILES = (
    "pipeline.toml",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "data/*",
    "vendor/*",
    "feature_store/*",
    "model_build/steps/*",
    "tests/*",
    ".git*",
    ".pre-commit-config.yaml",
)
"""What the template creates and the team then edits; `[tool.pipeline] team_files` adds others."""

OWNED_FOLDERS = ("model_deploy",)
"""Folders in which an unlisted file is one that the template no longer has."""

OLD_FORM = (
    "cli/*",
    "governance/*",
    "local_sagemaker/*",
    "feature_store/errors.py",
    "feature_store/ingest.py",
    "feature_store/raw_table.py",
    "feature_store/schema.py",
    "feature_store/table_columns.py",
    "feature_store/write.py",
    "model_build/carried_wheels.py",
    "model_build/point_in_time.py",
    "model_build/sdk.py",
    "model_build/step_code.py",
    "model_build/steps/packaging/*",
    "model_deploy/*.py",
    *(f"tests/{name}.py" for name in OLD_TESTS),
)
"""What repositories had before the library: an update deletes it, unless the team edited it."""

CRUFT = ".cruft.json"
"""Cruft's record of the template: its commit, and the answers."""

LEFT_OUT = (".git", ".venv", ".local", "__pycache__", "build", "dist")
MARK = re.compile(rb"^(<{7} |>{7} )", re.MULTILINE)


def write_list(root: Path) -> None:
    """Write the list for a repository that the template has just generated."""
    hashes = {name: _digest(root / name) for name in _files(root) if not _is_teams(name, ())}
    text = json.dumps(hashes, indent=2, sort_keys=True)
    (root / LIST).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def is_old_form(root: Path) -> bool:
    """Whether a repository contains engine and checker itself, without the library."""
    has_own = (root / "cli").is_dir() and (root / "local_sagemaker").is_dir()
    return has_own and not (root / vendor.FOLDER).is_dir() and not vendor.locked(root)


def unfinished(root: Path) -> Iterator[str]:
    """What an update left unfinished: marks, rejected changes, missing or obsolete files.

    cruft leaves these and reports success.
    """
    added, files = _added(root), set(_files(root))
    old_form = () if is_old_form(root) else OLD_FORM
    listed: dict[str, str] = {}
    try:
        listed = _list(root)
    except ValueError:
        yield f"{LIST}: expected JSON; an update may have left marks in it"
    if (root / CRUFT).is_file() and not _is_json(root / CRUFT):
        yield f"{CRUFT}: expected JSON; an update may have left marks in it"
    for name in sorted(files):
        if name.endswith((".rej", ".orig")):
            yield (
                f"{name}: a change that an update could not apply; apply it by hand, then delete "
                "this file"
            )
        elif _has_marks(root / name):
            yield f"{name}: it has marks of an unfinished merge (<<<<<<<, =======, >>>>>>>)"
        elif _named(name, old_form) and not _named(name, added):
            yield f"{name}: the library has this file now; move your changes, then delete it"
        elif (
            listed
            and name.split("/")[0] in OWNED_FOLDERS
            and name not in listed
            and not _is_teams(name, added)
        ):
            yield (
                f"{name}: the template has no such file; delete it if an update left it, or name "
                "it in [tool.pipeline] team_files of pyproject.toml if it is yours"
            )
    for name in sorted(listed.keys() - files):
        if not _is_teams(name, added):
            yield f"{name}: a file of the template that is missing; `cruft diff` shows it"


def changed(root: Path) -> list[str]:
    """The template's files that were changed here: an update of them will conflict."""
    listed, added = _list(root), _added(root)
    return [
        name
        for name, digest in listed.items()
        if (root / name).is_file() and not _is_teams(name, added) and _digest(root / name) != digest
    ]


def _list(root: Path) -> dict[str, str]:
    """The list; empty if there is none, as in the template itself."""
    if not (root / LIST).is_file():
        return {}
    listed: dict[str, str] = json.loads((root / LIST).read_text(encoding="utf-8"))
    return listed


def _added(root: Path) -> tuple[str, ...]:
    """The patterns in the team's `team_files`."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        return ()
    return tuple(project.get("tool", {}).get("pipeline", {}).get("team_files", ()))


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _is_teams(name: str, added: tuple[str, ...]) -> bool:
    return _named(name, (*TEAM_FILES, *added))


def _files(root: Path) -> Iterator[str]:
    """Every file that is worth keeping, by its path from the root."""
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not _is_cache(name)]  # what is below is not read
        for name in files:
            path = Path(folder, name)
            if not _is_cache(name) and name not in (LIST, CRUFT) and path.is_file():
                yield path.relative_to(root).as_posix()


def _is_cache(name: str) -> bool:
    return name in LEFT_OUT or name.endswith(("_cache", ".egg-info"))


def _digest(file: Path) -> str:
    """The digest of the content with Unix line ends, since git may check it out with others."""
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return False
    return True


def _has_marks(file: Path) -> bool:
    """Whether a text has a conflict's first and last mark; git marks no binary files."""
    content = file.read_bytes()
    if b"<<<<<<< " not in content or b"\0" in content:
        return False
    return {mark[:1] for mark in MARK.findall(content)} == {b"<", b">"}
