"""The state of one repository, read from its files without changing any.

A part that cannot be read becomes a finding, so that one broken repository never hides the others.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ninesteps.errors import NineStepsError, ProfileError
from ninesteps.fleet.runs import AccountRun, LocalRun, last_account_run, last_local_run
from ninesteps.profiles import profile as profiles
from ninesteps.repository import root as roots
from ninesteps.repository import template_files, vendor
from ninesteps.settings import gate as gates
from ninesteps.settings import loading, toml
from ninesteps.settings.facets import FacetError
from ninesteps.settings.settings import Settings
from ninesteps.step_code import bundle

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Override:
    """A library module that a repository overrides with its own."""

    name: str
    sha256: str
    is_changed: bool  # whether it differs from this library's


@dataclass
class Standing:
    """What is known of one repository."""

    folder: Path
    name: str
    is_old_form: bool = False  # it contains engine and checker; there is no library
    template_commit: str = ""
    library: str = ""  # the version that its lock names
    behind: int | None = None  # how many commits the template has since its own; None: not known
    is_newest_library: bool | None = None  # of those found; None: the order is not known
    profile: str = ""
    profile_sha256: str = ""  # of this library's profile of that name
    gate: str = ""
    facets: list[str] = field(default_factory=list)
    meets_floors: bool | None = None  # None: not known, because the settings cannot be read
    overridden: list[Override] = field(default_factory=list)
    last_run: LocalRun | None = None
    last_account_run: AccountRun | None = None
    findings: list[str] = field(default_factory=list)  # what has to be done
    notes: list[str] = field(default_factory=list)  # what is good to know


def repositories(folders: list[Path]) -> list[Path]:
    """The repositories among folders and directly in them; each once, in order.

    Raises:
        NineStepsError: if a folder neither is a repository nor contains one.
    """
    places: dict[Path, Path] = {}
    for folder in folders:
        inner = [folder] if _is_repository(folder) else sorted(filter(_is_repository, _in(folder)))
        if not inner:
            raise NineStepsError(
                f"{folder}: expected a repository or a folder of repositories, found none"
            )
        for repository in inner:
            places.setdefault(repository.resolve(), repository)
    return list(places.values())


def _in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _is_repository(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (roots.SETTINGS, template_files.LIST))


def read(folder: Path) -> Standing:
    """The state of a repository; everything wrong with it is a finding."""
    standing = Standing(folder, folder.resolve().name)
    for part in (_form, _template, _settings, _overridden, _unfinished, _runs):
        _try(part, standing)
    return standing


def _try(part: Callable[[Standing], None], standing: Standing) -> None:
    """Read a part; an error of any kind belongs to this repository alone."""
    try:
        part(standing)
    except NineStepsError as error:
        standing.findings.append(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        standing.findings.append(f"{where}{error.strerror or error}")
    except Exception as error:  # such as a damaged file
        standing.findings.append(f"it cannot be read: {type(error).__name__}: {error}")


def _form(standing: Standing) -> None:
    standing.is_old_form = template_files.is_old_form(standing.folder)
    standing.library = vendor.locked(standing.folder)
    if standing.is_old_form:
        standing.notes.append("old form, without the library: an update adds it")
    elif not standing.library:
        standing.findings.append(
            f"{vendor.LOCK}: expected a line {vendor.NAME}==VERSION with its hash, found none"
        )
    standing.findings += vendor.violations(standing.folder) if not standing.is_old_form else ()


def _template(standing: Standing) -> None:
    file = standing.folder / template_files.CRUFT
    if not file.is_file():
        standing.notes.append(f"no {template_files.CRUFT}, so the template is unknown")
        return
    try:
        content: Any = json.loads(file.read_bytes())
    except ValueError:
        return  # unfinished() says so
    commit = content.get("commit") if isinstance(content, dict) else None
    if isinstance(commit, str) and _COMMIT.fullmatch(commit):
        standing.template_commit = commit
    else:
        standing.findings.append(f"{file.name}: expected a commit of the template, got {commit!r}")


def _settings(standing: Standing) -> None:
    """The settings, and whether they meet the floors of their profile in this library."""
    if standing.is_old_form:  # its floors are its own, in governance/standards.toml
        return
    written = toml.load(Settings, standing.folder, roots.SETTINGS)
    standing.name, standing.profile = written.project.pipeline, written.project.profile
    with contextlib.suppress(gates.GateError, FacetError):  # loading says what is wrong with them
        standing.facets = [str(facet) for facet in written.facets]
        standing.gate = str(written.full_gate)
    if standing.profile in profiles.names():
        standing.profile_sha256 = profiles.digest(standing.profile)
    try:
        loading.load(standing.folder)
        standing.meets_floors = True
    except ProfileError:
        standing.meets_floors = False
        raise


def _overridden(standing: Standing) -> None:
    if standing.is_old_form:
        return
    standing.overridden = [
        Override(name, digest, is_changed=not bundle.is_the_librarys(name, digest))
        for name, digest in bundle.overridden(standing.folder).items()
    ]


def _unfinished(standing: Standing) -> None:
    standing.findings += template_files.unfinished(standing.folder)


def _runs(standing: Standing) -> None:
    local = standing.folder / ".local"
    standing.last_account_run = last_account_run(local)
    try:
        standing.last_run = last_local_run(local)
    except NineStepsError as error:
        standing.notes.append(str(error))
