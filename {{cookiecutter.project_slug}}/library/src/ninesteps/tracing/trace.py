"""`pipeline trace`: where a record was used, what was predicted for it, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ninesteps.errors import SettingsError, StateError, StepError
from ninesteps.feature_store import stored
from ninesteps.feature_store.ingest import SUMMARY
from ninesteps.feature_store.records import Record
from ninesteps.local import pseudonyms
from ninesteps.local.erasures import Erasure, Erasures
from ninesteps.local.state import ModelPackage, State
from ninesteps.local.storage import Storage
from ninesteps.runs import record as records
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import folders
from ninesteps.tracing import reasons as explaining
from ninesteps.tracing import words
from ninesteps.tracing.reasons import Reasons
from ninesteps.tracing.uses import Files, OnWork, RunFiles, Snapshot, Use, runs
from ninesteps.tracing.words import Words

KEPT, ASKED = "kept by its run", "asked now"


@dataclass(frozen=True)
class Said:
    """How a version used the record, and what it predicts for it."""

    version: int
    status: str
    use: Use | None  # how its run used the record; None: it did not
    answer: tuple[float, ...] = ()  # label and probability, or the number that it estimates
    reply: str = ""  # ... or a language model's
    how: str = ""  # KEPT or ASKED
    why_not: str = ""  # why there is no answer


@dataclass(frozen=True)
class Why:
    """Why one version predicts what it does."""

    version: int
    where: str  # why this version, such as `which the endpoint here serves`
    event_time: str  # of the row that it was asked about
    reasons: Reasons | None = None
    words: Words | None = None  # of a language model, instead of reasons
    why_not: str = ""


@dataclass(frozen=True)
class Trace:
    """Everything that is known about a record on this machine."""

    id: str
    label: str
    positive: str  # the label's text that counts as 1
    is_regression: bool
    is_numbered: bool  # no column identifies rows: the id is a row's number in its table
    snapshots: tuple[Snapshot, ...] = ()
    has_online: bool = False
    online: str = ""  # the event time of the online record; empty if there is none
    versions: tuple[Said, ...] = ()  # the newest first
    runs: tuple[Use, ...] = ()  # of runs that registered no version, the newest first
    why: Why | None = None
    erased: Erasure | None = None

    @property
    def uses(self) -> list[Use]:
        """Every run's use of it."""
        return [*(said.use for said in self.versions if said.use), *self.runs]

    @property
    def is_anywhere(self) -> bool:
        """Whether anything on this machine has it."""
        return bool(self.snapshots or self.online or self.uses)


def trace(
    local: Path,
    settings: Settings,
    identifier: str,
    ask_all: bool = False,
    on_work: OnWork = lambda what: None,
) -> Trace:
    """Trace a record on this machine.

    Args:
        ask_all: ask each version that kept no answer, about a second each.
        on_work: told of a file whose ids are read for the first time.

    Raises:
        StateError: if nothing here has the record, and no erasure of it is known.
    """
    if not local.is_dir():
        raise StateError(_nowhere(identifier, settings))
    state = State(local / "state.db", read_only=True)
    erasures = Erasures.read(state, local)
    files = Files(local, pseudonyms.made(local), erasures, on_work)
    every = runs(state, settings.model_package_group)
    used = {run.execution: use for run in every if (use := files.use(run, identifier))}
    packages = state.model_packages(settings.model_package_group)
    of_versions = {package.execution for package in packages}
    online = records.online_here(local, settings, identifier)
    features = settings.features_of(settings.environment())
    found = Trace(
        id=identifier,
        label=settings.data.label,
        positive=" or ".join(settings.data.positives) or "1",
        is_regression=settings.project.problem == "regression",
        is_numbered=settings.data.number_rows,
        snapshots=_snapshots(files, settings, identifier),
        has_online=features.online,
        online=online.get(features.event_time, "") if online else "",
        versions=tuple(Said(p.version, p.status, used.get(p.execution)) for p in packages),
        runs=tuple(use for execution, use in used.items() if execution not in of_versions),
        erased=erasures.of(identifier),
    )
    if not found.is_anywhere:
        if found.erased is None:
            raise StateError(_nowhere(identifier, settings))
        return found
    of_runs = {run.execution: run for run in every}
    return _Asked(local, settings, found, of_runs).trace(packages, ask_all)


def of_group(local: Path, settings: Settings, value: str) -> list[str]:
    """The ids of the records whose `[split] group` has a value.

    Raises:
        SettingsError: if `[split] group` is not set.
        StateError: if no table here has the value.
    """
    column = settings.split.group
    if not column:
        raise SettingsError("expected the column whose rows are kept together, got none: "
                            "records are not grouped", "split", "group")  # fmt: skip
    found = [file.parent / "data" for file in
             records.offline_folder(local, settings).glob(f"*/{SUMMARY}")]  # fmt: skip
    stored_name = settings.data.stored_name(column)
    ids = stored.ids_where(found, settings.stored_record_id, stored_name, value) if found else []
    if not ids:
        raise StateError(f"no table on this machine has {column} {value!r}")
    return ids


def _nowhere(identifier: str, settings: Settings) -> str:
    what = "row" if settings.data.number_rows else "record"
    return (
        f"there is no {what} {identifier!r} on this machine: no table, split or online store has "
        "it; `pipeline ingest FILE` and `pipeline run` put tables there"
    )


def _snapshots(files: Files, settings: Settings, identifier: str) -> tuple[Snapshot, ...]:
    """The tables of the offline store that have the record."""
    folder = records.offline_folder(files.local, settings)
    found = []
    for summary in sorted(folder.glob(f"*/{SUMMARY}")):
        try:
            uri = str(json.loads(summary.read_text(encoding="utf-8"))["location"])
        except (OSError, ValueError, LookupError, TypeError):
            continue
        rows = summary.parent / "data"
        if snapshot := files.snapshot(rows, uri, settings.stored_record_id, identifier):
            found.append(snapshot)
    return tuple(sorted(found, key=lambda snapshot: snapshot.event_times))


@dataclass(frozen=True)
class _Asked:
    """Adds to a trace what versions say of the record, and why one of them does."""

    local: Path
    settings: Settings
    found: Trace
    runs: Mapping[str, RunFiles]

    def trace(self, packages: Sequence[ModelPackage], ask_all: bool) -> Trace:
        """The whole trace.

        Args:
            packages: as many as the trace has versions, in their order.
        """
        chosen, where = records.chosen_package(self.local, self.settings)
        why = self._why(chosen, where) if chosen else None
        pairs = zip(self.found.versions, packages, strict=True)
        say = self._replied if self.settings.is_language_model else self._said
        versions = tuple(say(said, package, why, ask_all) for said, package in pairs)
        return replace(self.found, versions=versions, why=why)

    def _said(self, said: Said, package: ModelPackage, why: Why | None, ask_all: bool) -> Said:
        if said.use and said.use.answer:
            return replace(said, answer=said.use.answer, how=KEPT)
        if why and why.version == said.version:
            if why.reasons is None:
                return replace(said, why_not=why.why_not)
            return replace(said, answer=why.reasons.answer, how=ASKED)
        if not ask_all:
            return said
        try:
            answer = records.ask(self.local, package, lambda names: self._line(names, said.use))
        except ValueError as error:
            return replace(said, why_not=str(error))
        return replace(said, answer=answer, how=ASKED)

    def _replied(self, said: Said, package: ModelPackage, why: Why | None, ask_all: bool) -> Said:
        """The same for a language model, asked with the conversation from the stores."""
        if said.use and said.use.reply:
            return replace(said, reply=said.use.reply, how=KEPT)
        if not ask_all and (why is None or why.version != said.version):
            return said
        try:
            asked = records.question(self.settings, self._record)
            return replace(said, reply=records.reply(self.local, package, asked), how=ASKED)
        except ValueError as error:
            return replace(said, why_not=str(error))

    def _why(self, package: ModelPackage, where: str) -> Why:
        use = next(one.use for one in self.found.versions if one.version == package.version)
        event_time = use.row.event_time if use else self._event_time
        run, storage = self.runs.get(package.execution), Storage(self.local / "s3")
        try:
            if self.settings.is_language_model:
                found = words.of(storage, run, self.found.id)
                return Why(package.version, where, event_time, words=found)
            config = json.loads(storage.read(run.config)) if run and run.config else {}
            reasons = explaining.explain(
                records.archive(package),
                storage,
                lambda features: self._line(features, use),
                config.get("methods", {}).get("shap", {}),
                [facet.column for facet in self.settings.facets],
                folders(self.settings.root),
                records.names_here(self.local, self.settings),
            )
        except (StepError, ValueError) as error:
            return Why(package.version, where, event_time, why_not=str(error))
        return Why(package.version, where, event_time, reasons)

    def _line(self, features: Sequence[str], use: Use | None) -> str:
        """The text of the record's features: as the version's run had them, or the stores do."""
        if use is None:
            return records.request(features, self._record)
        return ",".join(use.row.fields[-len(features) :])

    @cached_property
    def _record(self) -> Record:
        """The record's newest row in the stores."""
        offline = records.offline_here(self.local, self.settings, self.found.id, records.now())
        return offline or records.online_here(self.local, self.settings, self.found.id) or {}

    @property
    def _event_time(self) -> str:
        features = self.settings.features_of(self.settings.environment())
        return self._record.get(features.event_time, "")
