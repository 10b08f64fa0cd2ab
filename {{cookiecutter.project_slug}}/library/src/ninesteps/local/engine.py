"""Runs a definition: each step starts once the steps it waits for have succeeded, several at a
time.

The state first records that a step succeeded, with a list of outputs to move; then the outputs are
moved. So a run that is killed at any moment can be resumed.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import Definition, Step, read_definition
from ninesteps.definition.known_fields import EXECUTION_VARIABLES
from ninesteps.errors import ScriptError, StateError, StepError
from ninesteps.local.execution import (
    EXECUTING,
    FAILED,
    SKIPPED,
    STOPPED,
    SUCCEEDED,
    WAITING,
    Execution,
    StepRun,
    relocated,
)
from ninesteps.local.expressions import Values
from ninesteps.local.jobs import Job, LocalBackend, Outputs
from ninesteps.local.offline_store import Catalog
from ninesteps.local.processes import InThisProcess, Processes
from ninesteps.local.retries import Retries
from ninesteps.local.state import (
    KeptExecution,
    State,
    digest_of,
    digest_of_text,
    now,
    run_lock,
)
from ninesteps.local.step_cache import Keys, outputs_unchanged
from ninesteps.local.step_context import StepContext, StepResult
from ninesteps.local.step_types import ARN, HANDLERS, JOBS, instances, prepare_search
from ninesteps.local.storage import Storage, files_of
from ninesteps.local.verdict import of_gate

_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"  # of an execution's id

Listener = Callable[[Execution], None]

Notes = Callable[[Execution], Mapping[str, str]]
"""Gives what is noted with a version when it is registered, beside what the definition says."""


@dataclass(frozen=True)
class RunOptions:
    """Which steps of a definition to run, and how."""

    only: str = ""  # this step, with the steps it needs
    debug: bool = False  # ... in this process
    cache: bool = True  # reuse the results of earlier runs


class Engine:
    """Runs definitions in one folder, which has `s3/`, `runs/` and the SQLite file."""

    def __init__(
        self,
        root: Path,
        catalog: Catalog,
        parallel: int,
        processes: Processes | None = None,
        notes: Notes = lambda execution: {},
    ) -> None:
        root = root.resolve()  # a job runs in its own folder
        self.storage = Storage(root / "s3")
        self.state = State(root / "state.db")
        self._runs = root / "runs"
        self._parallel = parallel
        self._catalog = catalog
        self._processes = processes or Processes(parallel)
        self._notes = notes

    def has(self, digests: dict[str, str]) -> bool:
        """Whether S3 has these objects unchanged: S3 URI -> SHA-256."""
        return outputs_unchanged(digests, self.storage, self.state)

    def run(
        self,
        pipeline: str,
        definition: Definition,
        given: dict[str, str],
        listener: Listener = lambda execution: None,
        options: RunOptions = RunOptions(),
        started_by: str = "",
        origin: Mapping[str, Any] | None = None,
    ) -> Execution:
        """Run a definition, and notify the listener of every change.

        Args:
            started_by: who is recorded as having started it.
            origin: where it came from: code, library, settings and table.

        Raises:
            DefinitionError: if a parameter is wrong, or a step cannot run here; then nothing has
            run.
        """
        parameters = definition.parameter_values(given)
        if options.only:
            options = replace(options, only=definition.step_name(options.only))
        definition.check_can_run(options.only)
        identifier = "".join(_ID_CHARACTERS[byte % len(_ID_CHARACTERS)] for byte in os.urandom(12))
        execution = self._execution(identifier, definition, parameters)
        catalog = [[*table, uri] for table, uri in self._catalog.items()]
        execution.origin = origin or {}
        listener(execution)  # so that the listener knows the run even after an interrupt
        with run_lock(execution.folder):
            self.state.start_execution(
                identifier, pipeline, parameters, definition.text, catalog,
                {"only": options.only, "cache": options.cache}, started_by, origin,
            )  # fmt: skip
            self._run(pipeline, definition, execution, self._catalog, listener, options)
        return execution

    def resume(
        self, identifier: str, listener: Listener = lambda execution: None, cache: bool = True
    ) -> Execution:
        """Continue an execution where it stopped, without repeating successful steps.

        Raises:
            StateError: if there is no such execution, or it is still running, or it succeeded.
        """
        executions = self.state.executions(identifier)
        if not executions:
            raise StateError(f"there is no run {identifier}; `pipeline runs` lists them")
        (kept,) = executions
        if kept.status == SUCCEEDED:
            raise StateError(f"run {identifier} has succeeded: there is nothing to resume")
        if not kept.definition:
            made = "an earlier version of the library made it"
            raise StateError(f"run {identifier} cannot be resumed: {made}")
        noted = self.state.definition_digests(identifier)
        if noted and digest_of_text(kept.definition) != noted[0]:
            raise StateError(
                f"run {identifier} cannot be resumed: its definition has changed since it began"
            )
        definition = read_definition(kept.definition)
        execution = self._execution(identifier, definition, kept.parameters)
        execution.started, execution.origin = kept.started, kept.origin
        catalog = {(database, table): uri for database, table, uri in kept.catalog}
        with run_lock(execution.folder):
            self._restore(execution)
            self.state.continue_execution(identifier)
            first = RunOptions(**kept.wanted)
            options = replace(first, cache=first.cache and cache)
            self._run(kept.pipeline, definition, execution, catalog, listener, options)
        return execution

    def run_again(
        self, kept: KeptExecution, listener: Listener = lambda execution: None
    ) -> Execution:
        """Repeat an execution of another folder: under its id, with its parameters.

        This engine's folder must have nothing of it, so that every step runs.

        Raises:
            DefinitionError: if a step cannot run here; then nothing has run.
        """
        definition = read_definition(kept.definition)
        definition.check_can_run()
        execution = self._execution(kept.id, definition, kept.parameters)
        execution.started = kept.started
        catalog = [[*table, uri] for table, uri in self._catalog.items()]
        with run_lock(execution.folder):
            self.state.start_execution(
                kept.id, kept.pipeline, kept.parameters, kept.definition, catalog,
                {"cache": False}, kept.started_by, kept.origin,
            )  # fmt: skip
            options = RunOptions(cache=False)
            self._run(kept.pipeline, definition, execution, self._catalog, listener, options)
        return execution

    def _execution(
        self, identifier: str, definition: Definition, parameters: dict[str, Any]
    ) -> Execution:
        folder = self._runs / identifier
        for name in ("logs", "sandboxes"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        steps = {name: StepRun(step) for name, step in definition.steps.items()}
        return Execution(identifier, folder, steps, parameters)

    def _restore(self, execution: Execution) -> None:
        """Restore the steps that have succeeded, and finish moving their outputs."""
        for kept in self.state.steps(execution.id):
            run = execution.steps[kept.name]
            if kept.status == SUCCEEDED:
                for path, uri in kept.record.moves:
                    self.storage.move(relocated(Path(path), self._runs), uri)
                if self.has(kept.record.digests):
                    run.restore(kept, self._runs)
        shutil.rmtree(execution.folder / "sandboxes", ignore_errors=True)
        (execution.folder / "sandboxes").mkdir(exist_ok=True)

    def _run(
        self,
        pipeline: str,
        definition: Definition,
        execution: Execution,
        catalog: Catalog,
        listener: Listener,
        options: RunOptions,
    ) -> None:
        arn = f"{ARN}:pipeline/{pipeline}"
        texts = (execution.id, f"{arn}/execution/{execution.id}", pipeline, arn)
        moments = (execution.started, now())
        variables = dict(zip(EXECUTION_VARIABLES, texts + moments, strict=True))
        values = Values(definition, self.storage, execution.parameters, variables)
        with self._processes:
            backend = LocalBackend(self.storage, self._processes, catalog)
            keys = Keys(pipeline, self.storage, self.state, catalog)
            runner = _Runner(
                execution, values, backend, self.state, keys, listener, options, self._notes
            )
            try:
                runner.run_all(self._parallel)
            finally:
                self.state.end_execution(execution.id, execution.status)
        listener(execution)


@dataclass
class _Runner:
    """Runs the steps of one execution."""

    execution: Execution
    values: Values
    backend: LocalBackend
    state: State
    keys: Keys
    listener: Listener
    options: RunOptions
    notes: Notes
    asked_for: set[str] = field(init=False)
    ended: queue.SimpleQueue[tuple[StepRun, Exception | None]] = field(
        default_factory=queue.SimpleQueue
    )

    def __post_init__(self) -> None:
        definition, only = self.values.definition, self.options.only
        self.asked_for = definition.ancestors(only) if only else set(definition.steps)
        for name, run in self.execution.steps.items():
            if run.status == SUCCEEDED:
                self.values.properties[name] = run.answer

    def run_all(self, parallel: int) -> None:
        """Start every step that can run, until none can."""
        running: dict[str, threading.Thread] = {}
        try:
            while True:
                self._skip()
                for run in self._ready()[: parallel - len(running)]:
                    run.log = self._log(run) if run.step.type in JOBS else None
                    self._note(run, EXECUTING)
                    thread = threading.Thread(target=self._run_and_tell, args=(run,))
                    running[run.step.name] = thread
                    if self.options.debug and run.step.name == self.options.only:
                        thread.run()  # in this thread
                    else:
                        thread.start()
                if not running:
                    break
                with contextlib.suppress(queue.Empty):
                    run, error = self.ended.get(timeout=0.1)
                    del running[run.step.name]
                    self._finish(run, error)
                self.listener(self.execution)
        except BaseException:
            self.execution.status = STOPPED
            _uninterrupted(lambda: self._end(running.values()))
            for run in self.execution.steps.values():
                run.status = STOPPED if run.status == EXECUTING else run.status
            raise
        failed = any(run.status == FAILED for run in self.execution.steps.values())
        self.execution.status = FAILED if failed else SUCCEEDED

    def _waiting(self) -> list[StepRun]:
        return [run for run in self.execution.steps.values() if run.status == WAITING]

    def _end(self, running: Iterable[threading.Thread]) -> None:
        self.backend.processes.end_all()
        for thread in running:
            if thread.is_alive():
                thread.join()

    def _ready(self) -> list[StepRun]:
        steps = self.execution.steps
        return [
            run
            for run in self._waiting()
            if all(steps[name].status == SUCCEEDED for name in run.step.waits_for)
        ]

    def _skip(self) -> None:
        """Skip the steps that can no longer run, with the reason."""
        steps = self.execution.steps
        changed = True
        while changed:
            changed = False
            for run in steps.values():
                if run.status == WAITING and (why := self._why_not(run.step)):
                    run.reason = why
                    self._note(run, SKIPPED)
                    changed = True

    def _why_not(self, step: Step) -> str:
        steps = self.execution.steps
        if step.name not in self.asked_for:
            return f"only {self.options.only} was selected"
        if step.branch:
            condition, needed = step.branch
            outcome = steps[condition].outcome
            if outcome is not None and outcome is not needed:
                return of_gate(condition, outcome)
        for name in sorted(step.waits_for):
            if steps[name].status in (FAILED, SKIPPED):
                return f"{name} {steps[name].status.lower()}"
        return ""

    def _finish(self, run: StepRun, error: Exception | None) -> None:
        if error is None:
            self.values.properties[run.step.name] = run.answer
            run.status = SUCCEEDED
            self.listener(self.execution)
            return
        if isinstance(error, StepError | StateError | OSError):
            run.reason = str(error)
            run.repeats = isinstance(error, ScriptError)
            run.frame = error.frame if isinstance(error, StepError) else None
        else:  # this machine's fault, or an unchecked value in the definition
            import traceback

            run.reason = f"{type(error).__name__}: {error}"
            run.log = self.execution.logs / f"{run.step.name}.error.log"
            run.log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        self._note(run, FAILED)

    def _note(self, run: StepRun, status: str) -> None:
        run.status = status
        self.state.note_step(run.kept(self.execution.id))
        self.listener(self.execution)

    # In a step's own thread

    def _run_and_tell(self, run: StepRun) -> None:
        try:
            self._run_step(run)
        except Exception as error:
            self.ended.put((run, error))
        else:
            self.ended.put((run, None))

    def _run_step(self, run: StepRun) -> None:
        """Reuse an earlier result or run the step, and store its outputs."""
        run.started = time.monotonic()
        is_debugged = self.options.debug and run.step.name == self.options.only
        job = self._job(run)
        try:
            key = self.keys.key(run.step, job.request, run.inputs)
            key = None if is_debugged else key
            if key and self.options.cache and self._reuse(run, key):
                return
            if (count := instances(job.request)) != 1:
                run.notes.append(f"{run.step.name} ran on one machine, not on {count} instances")
            backend = self.backend
            if is_debugged:
                backend = replace(backend, processes=InThisProcess())
            if any(other.step.type == "Tuning" for other in self._waiting()):
                backend.processes.meanwhile(prepare_search)
            done = self._with_retries(run, job, backend)
            run.answer, run.peak_bytes = done.answer, job.peak_bytes
            self._put_in_place(run, done, key)
            shutil.rmtree(self._kept(run), ignore_errors=True)
        finally:
            shutil.rmtree(job.folder, ignore_errors=True)  # it may be what fills the disk
            run.seconds = time.monotonic() - run.started

    def _job(self, run: StepRun) -> Job:
        """A step's job: the request with all expressions resolved, and its own folder."""
        is_condition = run.step.type == "Condition"  # resolves its expressions one by one
        request = {} if is_condition else self.values.resolve(run.step.arguments)
        name = _job_name(self.execution.id, run.step)
        attempt = f"{run.step.name}-{os.urandom(4).hex()}"
        return Job(name, request, self.execution.folder / "sandboxes" / attempt, self._log(run))

    def _log(self, run: StepRun) -> Path:
        """A step's log; for a search, a folder with one log per trial."""
        is_search = run.step.type == "Tuning"
        return self.execution.logs / (run.step.name if is_search else f"{run.step.name}.log")

    def _kept(self, run: StepRun) -> Path:
        return self.execution.folder / "kept" / run.step.name

    def _reuse(self, run: StepRun, key: str) -> bool:
        """Reuse the newest result with this key and unchanged outputs, if there is one."""
        max_age = math.inf if run.step.max_age is None else run.step.max_age
        for kept in self.state.done_before(key, since=time.time() - max_age):
            if outputs_unchanged(kept.record.digests, self.backend.storage, self.state):
                run.restore(kept)
                run.status, run.source = EXECUTING, kept.execution
                self._succeed(run, kept.record.digests)
                return True
        return False

    def _with_retries(self, run: StepRun, job: Job, backend: LocalBackend) -> StepResult:
        """Run a step, and repeat it after faults that its retry policies name."""
        retries = Retries(run.step.retries)
        context = StepContext(
            run, self.execution.id, self.values, backend, self.state, job,
            lambda: self.notes(self.execution), self._kept(run),
        )  # fmt: skip
        while True:
            if run.step.type in JOBS:
                job.folder.mkdir(parents=True)
            try:
                return HANDLERS[run.step.type](context)
            except (StepError, StateError) as error:
                pause = retries.pause_after(error.fault)
                if pause is None:
                    raise
                run.detail = f"is repeated in {pause:g} s: {error}"
                run.notes.append(f"{run.step.name} was repeated: {error}")
                backend.processes.pause(pause)
                shutil.rmtree(job.folder, ignore_errors=True)

    def _put_in_place(self, run: StepRun, done: StepResult, key: str | None) -> None:
        """Record that a step succeeded, then move its outputs to their URIs."""
        storage = self.backend.storage
        digests = _digests(done.outputs)
        digests |= {uri: self.state.digest(storage.file(uri)) for uri in done.rests_on}
        self._succeed(run, digests, key, [[str(path), uri] for path, uri in done.outputs])
        for path, uri in done.outputs:
            storage.move(path, uri)
        if done.outputs:
            self._succeed(run, digests, key)

    def _succeed(
        self,
        run: StepRun,
        digests: dict[str, str],
        key: str | None = None,
        moves: Sequence[list[str]] = (),
    ) -> None:
        run.seconds = time.monotonic() - run.started
        kept = run.kept(self.execution.id, digests, list(moves))
        self.state.note_step(replace(kept, status=SUCCEEDED), key, time.time())


def _job_name(execution: str, step: Step) -> str:
    """The name that SageMaker gives to a step's job; a search's has at most 32 characters."""
    if step.type != "Tuning":
        return f"pipelines-{execution}-{step.name}"
    return f"{execution}-{step.name[:8]}-{hashlib.sha256(step.name.encode()).hexdigest()[:10]}"


def _uninterrupted(work: Callable[[], None]) -> None:
    """Call something that a second Ctrl-C cannot interrupt, so that no step outlives the run."""
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        with contextlib.suppress(KeyboardInterrupt):
            thread.join()


def _digests(outputs: Outputs) -> dict[str, str]:
    """The digests of a job's outputs, by S3 URI; links are replaced by their targets."""
    digests = {}
    for path, uri in outputs:
        for file in files_of(path) if path.is_dir() else [path]:
            if file.is_symlink():
                content = shutil.copyfile(file, file.with_name(f"{file.name}.whole"))
                content.replace(file)
            digests["/".join([uri, *file.relative_to(path).parts])] = digest_of(file)
    return digests
