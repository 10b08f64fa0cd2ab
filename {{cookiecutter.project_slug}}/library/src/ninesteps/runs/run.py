"""What `pipeline run` does: raw table, feature store, definition, the nine steps, a summary."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ninesteps.definition.definition import read_definition
from ninesteps.errors import DefinitionError, SettingsError, StateError
from ninesteps.feature_store import shared
from ninesteps.feature_store.ingest import Ingested, ingest, tables
from ninesteps.feature_store.split_sizes import check_split_sizes
from ninesteps.lineage.local import record
from ninesteps.local.engine import Engine, Listener, RunOptions
from ninesteps.local.execution import Execution
from ninesteps.local.processes import Preload, Processes
from ninesteps.report.local_page import write_report
from ninesteps.report.local_run import packages, warnings_of_registration
from ninesteps.repository import origin
from ninesteps.repository.identity import whoami
from ninesteps.runs import champion, continuing, stopping
from ninesteps.runs.compiled import compiled
from ninesteps.runs.continuing import AS_OF
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code import base_model
from ninesteps.step_code.bundle import code_objects, find, folders, overridden, recorded_objects


class Observer(Protocol):
    """Receives the progress of a run, to show it in a terminal or as lines of JSON."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def working(self, what: str) -> None:
        """Work before the steps that takes a moment."""

    def ingested(self, file: Path, ingested: Ingested, as_of: str) -> None:
        """What was read from the raw table."""

    def update(self, execution: Execution) -> None:
        """The state of the steps, several times a second."""

    def notice(self, sentence: str) -> None:
        """A warning that does not stop the run."""

    def ended(self, execution: Execution, gate: str, local: Path) -> None:
        """How the run ended."""


PRELOADED = (
    "numpy", "pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet", "scipy.special",
    "_strptime", "argparse", "csv", "dateutil.relativedelta", "gzip", "tarfile", "zipfile",
    "boto3", "botocore.httpsession", "botocore.paginate",
)  # fmt: skip
"""Packages that the steps use and that start no thread: they are imported once for all steps."""

IMPORTED_BY = {"xgboost": "booster.py", "lightgbm": "lightgbm_model.py"}
"""The files of steps that import an algorithm's package."""


def run(
    root: Path,
    local: Path,
    settings: Settings,
    file: Path,
    given: dict[str, str],
    parallel: int | None,
    options: RunOptions,
    progress: Observer,
) -> Execution:
    """Run the pipeline of a repository on a raw table.

    Args:
        root: the repository.
        local: the folder with the results of runs.
        given: pipeline parameters; unless given, `AsOf` is the newest row and `ChampionModel` the
            archive of the version that serves here.
    """
    environment, cores = settings.environment(), parallel or available_cores()
    given = {**champion.parameter(local, settings), **given}
    if settings.bias_is_managed:
        _check_can_run(root, local, settings, environment, options)
    _check_parameters(root, local, settings, environment, given)
    if options.only:
        text = compiled(root, local / "definitions", settings, environment).definition
        options = replace(options, only=read_definition(text).step_name(options.only))
    processes = Processes(cores, preload(settings))

    def working(what: str) -> None:
        processes.warm_up()  # steps will run: their libraries are imported meanwhile
        progress.working(what)

    ingested = ingest(
        file,
        settings,
        environment,
        local / "s3",
        lambda: working("reading the table"),
        as_of=given.get(AS_OF, ""),
    )
    given = {AS_OF: ingested.latest, **given}
    came_from = {
        **origin.origin(root, overridden(root)),
        origin.PROTECTED: dict(settings.model.protected),
        "packages": packages(),
        "table": ingested.origin(_as_given(root, file), given[AS_OF] == ingested.latest),
    }
    progress.ingested(file, ingested, given[AS_OF])
    check_split_sizes(ingested.classes, settings, file)
    compiled_pipeline = compiled(
        root, local / "definitions", settings, environment, lambda: working("compiling")
    )
    features = settings.features_of(environment)
    catalog = tables(features, ingested)
    catalog |= shared.bring(settings, environment, local / "s3")
    engine = Engine(
        local, catalog, cores, processes, partial(warnings_of_registration, local, settings)
    )
    base_model.check_is_here(settings, engine.storage.path)
    if not engine.has(compiled_pipeline.code):
        _put(engine, code_objects(settings, environment))
    _put(engine, recorded_objects(settings, environment))
    definition = read_definition(compiled_pipeline.definition)
    with progress:
        execution = engine.run(
            settings.project.pipeline, definition, given, shown(progress), options, whoami(root),
            came_from,
        )  # fmt: skip
    _report(local, settings, execution, progress)
    progress.ended(execution, str(settings.full_gate), local)
    return execution


def _as_given(root: Path, file: Path) -> str:
    """A table's path: relative to the repository's root if it is inside."""
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def _check_can_run(
    root: Path, local: Path, settings: Settings, environment: Environment, options: RunOptions
) -> None:
    """Refuse Clarify's image before the table is read, unless the run ends at an earlier step.

    Raises:
        SettingsError: with what to do.
    """
    compiled_pipeline = compiled(root, local / "definitions", settings, environment)
    try:
        read_definition(compiled_pipeline.definition).check_can_run(options.only)
    except DefinitionError:
        raise SettingsError(
            f"expected 'open_source' on this machine, got {settings.bias.backend!r}: Clarify's "
            "image runs only on SageMaker; use pipeline run --bias-backend open_source",
            "bias", "backend",
        ) from None  # fmt: skip


def _check_parameters(
    root: Path, local: Path, settings: Settings, environment: Environment, given: dict[str, str]
) -> None:
    """Refuse values that SageMaker would refuse, before the table is read.

    Raises:
        DefinitionError: naming the parameter.
    """
    named = [name for name in given if name != AS_OF]
    if not named:
        return
    from ninesteps.validation import check_values  # botocore's model, which few runs need

    text = compiled(root, local / "definitions", settings, environment).definition
    values = read_definition(text).parameter_values({AS_OF: "", **given})
    for sentence in check_values(json.loads(text), {name: values[name] for name in named}):
        raise DefinitionError(sentence)


def resume(
    local: Path,
    settings: Settings,
    identifier: str,
    parallel: int | None,
    cache: bool,
    progress: Observer,
) -> Execution:
    """Continue a run where it stopped, with its own definition, table and parameters.

    Raises:
        StateError: if the resumed run could not register a version.
    """
    continuing.check_can_resume(local, settings, identifier)
    cores = parallel or available_cores()
    notes = partial(warnings_of_registration, local, settings)
    engine = Engine(local, {}, cores, Processes(cores, preload(settings)), notes)
    _put(
        engine, code_objects(settings, settings.environment())
    )  # unless changed since, the run's own
    with progress:
        execution = engine.resume(identifier, shown(progress), cache)
    _report(local, settings, execution, progress)
    progress.ended(execution, "", local)
    return execution


def shown(progress: Observer) -> Listener:
    """Show the engine's state several times a second, and stop it on a signal."""

    def update(execution: Execution) -> None:
        stopping.check()
        progress.update(execution)

    return update


def _put(engine: Engine, objects: dict[str, bytes]) -> None:
    for uri, content in objects.items():
        engine.storage.write(uri, content)


def _report(local: Path, settings: Settings, execution: Execution, progress: Observer) -> None:
    """Record the lineage and write the report; a failure in either does not fail the run.

    Lineage that is not recorded now is recorded by the next command that records or reads it.
    """
    with contextlib.suppress(OSError, StateError):
        record(local, settings.model_package_group)
    with contextlib.suppress(OSError):
        write_report(local, settings, execution, progress.notice)


def preload(settings: Settings) -> Preload:
    """Packages that are imported once for all steps of a pipeline."""
    places = folders(settings.root)
    used = [name for name in settings.tuning.algorithms if name in IMPORTED_BY]
    located = {name: find(IMPORTED_BY[name], places) for name in used}
    files = {name: file for name, file in located.items() if file}
    return Preload(PRELOADED, files)


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
