"""`pipeline run`: the nine steps on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ninesteps import errors
from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands, end
from ninesteps.cli.options import AS_EVENTS, PARAMETERS, PROCESSES
from ninesteps.runs import stopping
from ninesteps.settings.judgement import Bias
from ninesteps.settings.moments import MOMENT_RULE, is_moment

if TYPE_CHECKING:  # their imports are needed by this command only
    from ninesteps.settings.settings import Settings
    from ninesteps.terminal.events import Events
    from ninesteps.terminal.run import Progress


@commands.command()
@click.option(
    "--data", type=click.Path(path_type=Path), help="Run on another raw table (CSV, Parquet)."
)
@PARAMETERS
@PROCESSES
@click.option(
    "--resume",
    metavar="RUN",
    shell_complete=completing.runs,
    help="Continue an interrupted run with its own table and options.",
)
@click.option("--no-cache", is_flag=True, help="Run every step, without reusing earlier results.")
@click.option(
    "--only",
    metavar="STEP",
    default="",
    shell_complete=completing.steps,
    help="Run this step and the steps that it needs.",
)
@click.option("--debug", metavar="STEP", default="", shell_complete=completing.steps,
              help="Like --only, but this step runs in this process, for a debugger.")  # fmt: skip
@click.option(
    "--bias-backend",
    type=click.Choice(Bias.BACKENDS),
    envvar="BIAS_BACKEND",
    help="Use this [bias] backend; also set by the variable BIAS_BACKEND.",
)
@click.option("--require-registered", is_flag=True, help="Exit with 3 if the model fails the gate.")
@AS_EVENTS
def run(
    data: Path | None,
    values: tuple[str, ...],
    parallel: int | None,
    resume: str | None,
    no_cache: bool,
    only: str,
    debug: str,
    bias_backend: str | None,
    require_registered: bool,
    as_json: bool,
) -> None:
    """Run the nine steps on this machine.

    The steps turn the raw table into a registered model. STEP is a step's number, name or the
    beginning of its name. RUN is a run's id, the beginning of an id, or `last`.
    """
    stopping.listen(keyboard=not debug)
    settings = here.settings_with_table()
    if bias_backend:
        settings = settings.with_backend(bias_backend)
    given = parameters(values)
    if resume is not None and (data or given or only or debug):
        raise click.UsageError("--resume takes the table, parameters and steps of the run")
    if only and debug and only != debug:
        raise click.UsageError(
            f"--debug and --only: expected the same step, got {debug} and {only}"
        )

    from ninesteps.local.engine import RunOptions
    from ninesteps.local.execution import FAILED
    from ninesteps.local.history import History
    from ninesteps.runs import run as local_run
    from ninesteps.runs.continuing import failure
    from ninesteps.terminal.events import Events
    from ninesteps.terminal.run import Progress

    progress = Events(settings) if as_json else Progress(settings, is_live=not debug)
    identifier = "" if resume is None else History(here.local()).identifier(resume)
    with _interruptible(progress, settings, identifier):
        if identifier:
            execution = local_run.resume(
                here.local(), settings, identifier, parallel, not no_cache, progress
            )
        else:
            options = RunOptions(only or debug, bool(debug), not no_cache)
            file = data or here.root() / settings.data.file
            execution = local_run.run(
                here.root(), here.local(), settings, file, given, parallel, options, progress
            )
        stopping.ignore()  # a later signal does not interrupt anything
        if execution.status == FAILED:
            sentence = failure(execution, settings)
            end(errors.FAILED, sentence, is_shown=True, run=execution.id)
        if require_registered and not execution.registered:
            sentence = "no version was registered, and --require-registered was given"
            end(errors.NOT_REGISTERED, sentence, is_shown=True, run=execution.id)


def parameters(values: tuple[str, ...]) -> dict[str, str]:
    """The parameters of `--set`, with the moment in the form that step 1 reads."""
    given = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not sign:
            raise click.UsageError(f"--set: expected NAME=VALUE, such as AsOf=..., got {value!r}")
        given[name] = text
    moment = given.get("AsOf")
    if moment is not None and not is_moment(moment):
        raise click.UsageError(f"--set AsOf: expected {MOMENT_RULE}, got {moment!r}")
    return given


@contextmanager
def _interruptible(progress: Progress | Events, settings: Settings, resumed: str) -> Iterator[None]:
    """If the run is interrupted, show its state and the command that continues it."""
    try:
        yield
    except (KeyboardInterrupt, errors.StateError, OSError, MemoryError) as error:
        is_stopped = isinstance(error, KeyboardInterrupt)
        if not is_stopped and not progress.run:
            raise
        stopping.ignore()
        reason = "stopped" if is_stopped else str(error)
        if isinstance(error, MemoryError):
            reason = "this machine does not have enough memory for it"
        if isinstance(error, BrokenPipeError):
            reason = "stopped: the reader of its output has closed the pipe"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        run = progress.run or resumed
        status = errors.INTERRUPTED if is_stopped else errors.FAILED
        end(status, f"{reason}; {_after_interruption(settings, run)}", run=run or None)


def _after_interruption(settings: Settings, run: str) -> str:
    from ninesteps.runs.continuing import after_interruption

    try:
        return after_interruption(here.local(), settings, run)
    except errors.StateError as error:
        return str(error)
