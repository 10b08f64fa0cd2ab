"""A run on this machine: the facts and files that its report is made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import site
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import ninesteps
from ninesteps.definition.known_fields import APPROVAL_STATUSES
from ninesteps.errors import NineStepsError, StateError, StepError
from ninesteps.feature_store.ingest import summary_of
from ninesteps.local.endpoint import control, deployments
from ninesteps.local.erasures import Erasures
from ninesteps.local.execution import FAILED, SUCCEEDED, Execution, StepRun
from ninesteps.local.history import log_text
from ninesteps.local.state import KeptExecution, ModelPackage, State, digest_of
from ninesteps.local.storage import Storage
from ninesteps.report import champion, run_warnings, warning_files
from ninesteps.report.dictionary import Dictionary
from ninesteps.report.facts import Previous, Reference, RunFacts, StepFacts
from ninesteps.report.formatting import duration, moment
from ninesteps.repository.origin import PROTECTED
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.registry.registry import Decision

PACKAGES = (
    "numpy", "pandas", "pyarrow", "scipy", "xgboost_cpu", "xgboost", "lightgbm", "optuna", "duckdb",
    "sagemaker",
)  # fmt: skip
"""What a run's numbers may depend on, as an installation spells it."""

_EVALUATION, _PROFILE = "/evaluation/evaluation.json", "/train/profile.json"

LOOKED_THROUGH = 50
"""How many earlier runs are searched for different training data."""


def local_facts(local: Path, settings: Settings, execution: Execution) -> RunFacts:
    """A run in a folder such as `.local`."""
    kept_state = State(local / "state.db", read_only=True)
    (kept,) = kept_state.executions(execution.id)
    digests = _digests(kept_state, execution.id)
    previous, no_previous = _previous(local, kept_state, settings, execution, kept, digests)
    erasures = Erasures.read(kept_state, local)
    erased = {uri: why for uri, digest in digests.items() if (why := erasures.says(uri, digest))}
    digests = {uri: erasures.after(uri, digest) for uri, digest in digests.items()}
    facts = RunFacts(
        id=execution.id,
        pipeline=kept.pipeline,
        project=settings.project.name,
        where="this machine: the local engine",
        status=execution.status,
        started=moment(kept.started),
        ended=moment(kept.ended or ""),
        took=_took(kept),
        started_by=kept.started_by,
        parameters=execution.parameters,
        definition_sha256=hashlib.sha256(kept.definition.encode()).hexdigest(),
        steps=tuple(_step(run, local) for run in execution.numbered),
        positive=" or ".join(settings.data.positives) or "1",
        dictionary=Dictionary.of(settings),
        digests=digests,
        erased=erased,
        registered=", ".join(map(_registered, execution.registered)),
        changes=_changes(kept_state, settings, execution),
        deployments=tuple(
            one
            for version in execution.versions
            for one in deployments.of_version(local, settings.model_package_group, version)
        ),
        versions=installed(),
        previous=previous,
        no_previous=no_previous,
        table=summary_of(kept.catalog, local / "s3"),
        origin=kept.origin,
        protected_on_purpose=kept.origin.get(PROTECTED, settings.model.protected),
    )
    compared_with = champion.version_of(
        facts, LocalFiles(local, execution), lambda: archives(local, settings)
    )
    return replace(facts, champion=compared_with)


def warnings_of(local: Path, settings: Settings, execution: Execution) -> list[str]:
    """A run's warnings, a sentence each."""
    facts = local_facts(local, settings, execution)
    files = warning_files.collect(facts, LocalFiles(local, execution))
    return warning_files.warnings(facts, files)


def warnings_of_registration(
    local: Path, settings: Settings, execution: Execution
) -> dict[str, str]:
    """What is noted of a run's warnings with the version that it registers.

    Nothing where they cannot be known: a version is registered all the same.
    """
    with contextlib.suppress(NineStepsError, OSError):
        return run_warnings.metadata(warnings_of(local, settings, execution))
    return {}


def archives(local: Path, settings: Settings) -> Iterator[tuple[int, str]]:
    """Each version, the newest first, with the SHA-256 that its archive was registered with."""
    from ninesteps.registry.local import LocalRegistry

    return LocalRegistry(local, settings.model_package_group, read_only=True).archives()


def _took(kept: KeptExecution) -> str:
    if kept.ended is None:
        return ""
    began, ended = (datetime.fromisoformat(text) for text in (kept.started, kept.ended))
    seconds = (ended - began).total_seconds()  # a resumed run began when it began
    return duration(seconds) if seconds else "under a second"


def _step(run: StepRun, local: Path) -> StepFacts:
    step, is_done = run.step, run.status in (SUCCEEDED, FAILED)
    return StepFacts(
        name=step.name,
        type=step.type,
        waits_for=tuple(sorted(step.waits_for)),
        arguments=step.arguments,
        status=run.status,
        said=run.state,
        took=duration(run.seconds) if is_done else "",
        taken=f"Reused from run {run.source}: nothing had changed." if run.source else "",
        reason=without_folders(run.reason, local),
        detail=run.detail if run.outcome is None else "",
        notes=tuple(run.notes),
        outcome=run.outcome,
        answer=run.answer,
        log_place=without_folders(str(run.log or ""), local),
    )


def without_folders(text: str, local: Path) -> str:
    """A text whose paths begin at the repository, or the library: not at a person's folders."""
    for folder in (local.absolute().parent, Path(ninesteps.__file__).parents[1]):
        text = text.replace(f"{folder}{os.sep}", "")
    return text


def _registered(said: str) -> str:
    """The version, and whose bytes it has, without the status that it was registered in."""
    version, *more = said.split(", ")
    return f"{version} ({more[1]})" if len(more) > 1 else version


def _changes(kept: State, settings: Settings, execution: Execution) -> tuple[Decision, ...]:
    group = settings.model_package_group
    changes = [c for version in execution.versions for c in kept.changes(group, version)]
    if not changes:
        return ()
    from ninesteps.registry.registry import Decision

    return tuple(Decision(c.before, c.after, c.who, c.why, c.at, c.stage, c.evidence)
                 for c in changes)  # fmt: skip


def packages() -> dict[str, str]:
    """The versions of PACKAGES that are installed."""
    return {name: version for name, version in installed().items() if name in PACKAGES}


def installed() -> dict[str, str]:
    """The versions of Python and of PACKAGES, and the machine.

    By the names of what is installed: reading its metadata takes as long as a cached step.
    """
    machine = f"{platform.system()}, {platform.machine()}"
    versions = {"Python": platform.python_version(), "machine": machine}
    for folder in map(Path, site.getsitepackages()):
        for entry in folder.glob("*.dist-info"):
            name, _, version = entry.name.removesuffix(".dist-info").partition("-")
            if name in PACKAGES:
                versions[name] = version
    return versions


def _digests(kept: State, execution: str) -> dict[str, str]:
    """What the steps of a run left, by S3 URI, with its SHA-256 then."""
    return {
        uri: digest for step in kept.steps(execution) for uri, digest in step.record.digests.items()
    }


def _previous(
    local: Path, state: State, settings: Settings, execution: Execution, kept: KeptExecution,
    digests: dict[str, str],
) -> tuple[Previous | None, str]:  # fmt: skip
    """What a run's training data are compared with; or None, and why there is nothing.

    The version that serves here; else the newest approved one before it; else the latest earlier
    run whose training data were others: not one of the same table again.
    """
    own = [(uri, digest) for uri, digest in digests.items() if uri.endswith(_PROFILE)]
    if len(own) != 1:
        return None, "there is no profile of the training data to compare"
    ((uri, digest),) = own
    storage = Storage(local / "s3")
    for package, why in _versions_before(local, state, settings, execution):
        for other, noted in _digests(state, package.execution).items():
            if not other.endswith(_PROFILE):
                continue
            if noted == digest:
                return None, (
                    f"version {package.version}, {why}, learnt from the same training data: "
                    "there is no drift"
                )
            with contextlib.suppress(StepError, OSError):  # removed since: the next one counts
                content = storage.file(other).read_bytes()
                return Previous(
                    package.execution, package.created, content, package.version, why
                ), ""
    step = uri.split("/")[-3]
    for started, earlier in state.steps_before(execution.id, step, LOOKED_THROUGH):
        for other, noted in earlier.record.digests.items():
            if other.endswith(_PROFILE) and noted != digest:
                with contextlib.suppress(StepError, OSError):
                    content = storage.file(other).read_bytes()
                    return Previous(earlier.execution, started, content), ""
    return None, (
        "this machine has no training data of a version that serves or is approved, and no earlier "
        f"run of {kept.pipeline} with different training data: there is nothing to compare with"
    )


def _versions_before(
    local: Path, state: State, settings: Settings, execution: Execution
) -> Iterator[tuple[ModelPackage, str]]:
    """What a run is compared with, and why: the version that serves, the newest approved one."""
    own = execution.versions
    packages = {p.version: p for p in state.model_packages(settings.model_package_group)
                if p.execution != execution.id}  # fmt: skip
    if serving := packages.get(control.serving(local) or 0):
        yield serving, "the version that serves"
    for package in packages.values():  # the newest first
        if package.status == APPROVAL_STATUSES[1] and (not own or package.version < own[0]):
            yield package, "the newest approved version before it"
            return


def reference(local: Path, settings: Settings, execution: Execution) -> Reference | None:
    """What a run is compared with on its page.

    The version that serves here; else the newest approved one before it; else the latest earlier
    run with another evaluation: not one whose results were all reused.
    """
    state = State(local / "state.db", read_only=True)
    for package, why in _versions_before(local, state, settings, execution):
        return _of_version(package, why)
    run = _run_before(state, execution)
    return (
        Reference(run, None, f"run {run}", "the latest earlier run with another result", "")
        if run
        else None
    )


def _of_version(package: ModelPackage, why: str) -> Reference:
    name = f"version {package.version}"
    return Reference(package.execution, package.version, name, why, package.status)


def _run_before(state: State, execution: Execution) -> str:
    """The latest earlier run that succeeded, of another evaluation than this one, if it has one."""
    own = {uri: digest for step in state.steps(execution.id)
           for uri, digest in step.record.digests.items() if uri.endswith(_EVALUATION)}  # fmt: skip
    step = next(iter(own)).split("/")[-3] if own else next(iter(execution.steps), "")
    for _, earlier in state.steps_before(execution.id, step, LOOKED_THROUGH):
        digests = earlier.record.digests.items()
        theirs = {digest for uri, digest in digests if uri.endswith(_EVALUATION)}
        if not own or theirs - {*own.values()}:
            return earlier.execution
    return ""


@dataclass(frozen=True)
class LocalFiles:
    """A `ninesteps.report.facts.Source` in a folder such as `.local`."""

    local: Path
    execution: Execution

    def read(self, uri: str, most: int) -> bytes | None:
        """The object at an S3 URI; None if it is not there, or too large."""
        try:
            file = Storage(self.local / "s3").file(uri)
            return file.read_bytes() if file.stat().st_size <= most else None
        except (StepError, OSError):
            return None

    def listing(self, uri: str) -> dict[str, str]:
        """The objects below an S3 URI: SHA-256 by the name below it."""
        try:
            return {name: digest_of(file) for name, file in Storage(self.local / "s3").objects(uri)}
        except (StepError, OSError):
            return {}

    def log(self, step: StepFacts) -> Iterable[str]:
        """The last lines of a step's log; of a search, each trial's last."""
        return _lines(self.execution.steps[step.name], self.local)


def _lines(run: StepRun, local: Path) -> Iterator[str]:
    try:
        yield from (without_folders(line, local) for line in log_text(run, None))
    except (StateError, OSError):
        return
