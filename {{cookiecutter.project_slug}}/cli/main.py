"""`pipeline`: the commands of this repository.

Exit status: 0 done (a refused model is a completed pipeline, as on SageMaker), 1 a step failed,
AWS refused a call or a version was rolled back, 2 wrong use, wrong settings or a table that cannot
be used, 3 not registered though asked to, 130 stopped by Ctrl-C or by a signal.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import settings as pipeline_settings
from cli import stopping
from cli.settings import LOCAL_ENVIRONMENT, Bias, Environment, Settings
from cli.tables import SettingsError

if TYPE_CHECKING:  # they import what only some commands need
    from cli.bootstrap import Applied, Change, Event, Stack
    from cli.deploying import Rehearsal
    from cli.events import Events
    from cli.report import Progress
    from governance.registry import Approvals

ROOT = Path(__file__).resolve().parent.parent
"""This repository."""

LOCAL = ROOT / ".local"
"""What runs on this machine leave behind."""

STEP_FAILED, WRONG_USE, NOT_REGISTERED, INTERRUPTED = 1, 2, 3, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Compile this repository's SageMaker pipeline, and run it on this machine."""


@main.command("compile")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, not stdout."
)
@click.option("--env", "environment", default=LOCAL_ENVIRONMENT, help="An [environments.NAME].")
def compile_(output: Path | None, environment: str) -> None:
    """Write the pipeline definition: no account, no network, the same bytes each time."""
    with _one_sentence():
        settings = _settings()
        chosen = settings.environment(environment)
        from model_build import pipeline  # the SDK: seconds to import, so only where it is used

        text = pipeline.definition(settings, chosen)
        if output is None:
            click.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8", newline="\n")


@main.command()
@click.option("--data", type=click.Path(path_type=Path), help="Another raw table (CSV, Parquet).")
@click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="A pipeline parameter.")
@click.option("--parallel", type=click.IntRange(min=1), help="Processes at a time; default: cores.")
@click.option("--resume", metavar="RUN", help="Go on with a run where it stopped.")
@click.option("--no-cache", is_flag=True, help="Run also what has run before, unchanged.")
@click.option("--only", metavar="STEP", default="", help="This step and those that it needs.")
@click.option("--debug", metavar="STEP", default="", help="... this one here, for a debugger.")
@click.option(
    "--bias-backend",
    type=click.Choice(Bias.BACKENDS),
    envvar="BIAS_BACKEND",
    help="Another [bias] backend for this run; also as the variable BIAS_BACKEND.",
)
@click.option("--require-registered", is_flag=True, help="Exit with 3 if the gate refuses.")
@click.option("--json", "as_json", is_flag=True, help="An event a line, as JSON.")
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
    """Run the nine steps here: raw table, feature store, model, gate, registry."""
    with _one_sentence():
        stopping.listen(keyboard=not debug)
        settings = _settings()
        if bias_backend:
            settings = settings.with_backend(bias_backend)
        given = _parameters(values)
        if resume and (data or given or only or debug):
            raise click.UsageError("--resume goes on with a run's own table, parameters and steps")
        if only and debug and only != debug:
            raise click.UsageError(
                f"--debug {debug} runs up to that step, --only {only} to another"
            )

        from cli import local_run
        from cli.events import Events
        from cli.history import History
        from cli.report import Progress
        from local_sagemaker.engine import Wanted
        from local_sagemaker.execution import FAILED

        progress = Events() if as_json else Progress(settings, is_live=not debug)
        with _going_on(progress):
            if resume:
                identifier = History(LOCAL).identifier(resume)
                execution = local_run.resume(
                    LOCAL, settings, identifier, parallel, not no_cache, progress
                )
            else:
                wanted = Wanted(only or debug, bool(debug), not no_cache)
                file = data or ROOT / settings.data.file
                execution = local_run.run(
                    ROOT, LOCAL, settings, file, given, parallel, wanted, progress
                )
        if execution.status == FAILED:
            sys.exit(STEP_FAILED)
        if require_registered and not execution.registered:
            sys.exit(NOT_REGISTERED)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def runs(as_json: bool) -> None:
    """List the runs on this machine, the newest first."""
    with _one_sentence():
        from cli.history import History

        found = History(LOCAL).runs()
        if as_json:
            click.echo(json.dumps(found, indent=2))
            return
        if not found:
            click.echo("nothing has run on this machine")
        for one in found:
            moment = one["parameters"].get("AsOf", "")
            click.echo(f"{one['run']}  {one['status']:<9}  {one['started']}  as of {moment}")
        if found and found[0]["can_be_resumed"] and found[0]["status"] != "Executing":
            click.echo(f"to go on with the last: pipeline run --resume {found[0]['run']}")


@main.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(run: str, as_json: bool) -> None:
    """Show how a run went: RUN is an id, the beginning of one, or `last`."""
    with _one_sentence():
        from cli.history import History
        from cli.history import as_json as content
        from cli.report import summary

        execution = History(LOCAL).execution(run)
        if as_json:
            click.echo(json.dumps(content(execution), indent=2))
        else:
            click.echo(f"run {execution.id}: {execution.status}")
            summary(execution, pipeline_settings.load(ROOT), LOCAL)


@main.command()
@click.argument("run")
@click.option("--env", "environment", help="An execution in this [environments.NAME]; RUN its id.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The page's file."
)
def report(run: str, environment: str | None, output: Path | None) -> None:
    """Write a run's page, and its summary in Markdown beside it: RUN as for `show`."""
    if output and output.suffix not in (".html", ".htm"):
        raise click.UsageError(f"-o {output}: a name that ends in .html is right")
    with _one_sentence():
        settings = pipeline_settings.load(ROOT)
        if environment is None:
            from cli.history import History
            from cli.run_report import write_report

            page = write_report(LOCAL, settings, History(LOCAL).execution(run), output)
        else:
            from cli.account import AccountError
            from cli.account_evidence import write_account_report

            chosen = settings.account_environment(environment)
            try:
                page = write_account_report(LOCAL, settings, chosen, run, output)
            except AccountError as error:
                click.echo(f"pipeline: {error}", err=True)
                sys.exit(STEP_FAILED)
        click.echo(page)


@main.command()
@click.argument("run")
@click.argument("step")
@click.option("--trial", type=click.IntRange(min=1), help="Of a search: this trial's log.")
def logs(run: str, step: str, trial: int | None) -> None:
    """Print what a step of a run printed; of a search, each trial's last line."""
    with _one_sentence():
        from cli.history import History, log_text
        from local_sagemaker.errors import StateError

        steps = History(LOCAL).execution(run).steps
        if step not in steps:
            raise StateError(f"there is no step {step!r}; there is {', '.join(steps)}")
        for line in log_text(steps[step], trial):
            click.echo(line)


@main.command()
def check() -> None:
    """Check the settings, the definition and the schedule, and say when it fires next."""
    with _one_sentence():
        from local_sagemaker.definition import read_definition

        settings = _settings()
        click.echo(f"settings    pipeline.toml holds; the gate is {settings.full_gate}")
        from cli.kept_definition import compiled

        made = compiled(ROOT, LOCAL / "definitions", settings, settings.environment())
        text = made.definition
        definition = read_definition(text)
        _refuse(_wrong_in_definition(settings, text))
        click.echo(f"definition  compiles: {len(definition.steps)} steps; nothing wrong is known")
        _check_repository(settings)
        _check_infrastructure(settings, text)
        cadence = settings.cadence
        click.echo(f"schedule    {cadence.text}: {cadence.expression or 'started by hand alone'}")
        for firing in cadence.next(datetime.now(tz=UTC)):
            click.echo(f"            {firing:%a %Y-%m-%d %H:%M %Z}")


def _refuse(sentences: Iterable[str]) -> None:
    """Say what is wrong, each in its line, and end; of nothing say nothing."""
    wrong = list(sentences)
    for sentence in wrong:
        click.echo(f"pipeline: {sentence}", err=True)
    if wrong:
        sys.exit(WRONG_USE)


def _wrong_in_definition(settings: Settings, text: str) -> list[str]:
    """What AWS would refuse of a compiled definition, or take and not do."""
    from cli.check import check_definition
    from cli.check.example import example_evaluation

    findings = check_definition(json.loads(text), example_evaluation(settings))
    return [str(finding) for finding in findings]


def _wrong_in_repository(settings: Settings) -> list[str]:
    """What an update has left to be done, and a README that says otherwise than the settings."""
    from cli import readme as block
    from cli import template_files

    wrong = list(template_files.unfinished(ROOT))
    if not block.is_current(ROOT, settings):
        wrong.append(f"{block.NAME}: it says otherwise than pipeline.toml; run `pipeline readme`")
    return wrong


def _check_infrastructure(settings: Settings, text: str) -> None:
    """Refuse roles that may do otherwise than the table says, and environments of no use."""
    from model_deploy import stacks

    for name in settings.environments:
        settings.account_environment(name)
    _refuse(stacks.wrong(stacks.read(), settings, settings.environment(), text))
    known = len(settings.environments)
    click.echo(f"stack       its roles may do what the table says; environments: {known}")


def _check_repository(settings: Settings) -> None:
    """Refuse what is wrong in the files; name those of the template that were changed."""
    from cli import template_files

    _refuse(_wrong_in_repository(settings))
    changed = template_files.changed(ROOT)
    said = ": an update of these will conflict" if changed else ""
    click.echo(f"template    {len(changed)} of its files changed here{said}")
    for name in changed:
        click.echo(f"            {name}")


@main.command()
@click.option("--env", "name", required=True, help="An [environments.NAME] of pipeline.toml.")
@click.option("--account", "is_account", is_flag=True, help="What the account's pipelines share.")
@click.option("--yes", is_flag=True, help="Apply without asking, as in CI.")
def bootstrap(name: str, is_account: bool, yes: bool) -> None:
    """Put an environment's infrastructure into an AWS account: shows the changes, then asks."""
    with _one_sentence():
        from cli.account import AccountError

        settings = _settings()
        environment = settings.account_environment(name)
        make = _bootstrap_account if is_account else _bootstrap_environment
        try:
            make(settings, environment, yes)
        except AccountError as error:
            click.echo(f"pipeline: {error}", err=True)
            sys.exit(STEP_FAILED)


def _bootstrap_account(settings: Settings, environment: Environment, yes: bool) -> None:
    """What the pipelines of an account share."""
    from cli import account
    from cli import bootstrap as changing
    from model_deploy import stacks

    with account.one_sentence():
        cloudformation = account.session(environment).client("cloudformation")
        previous = changing.parameters(cloudformation, stacks.ACCOUNT_STACK)
        stack = stacks.account_stack(settings, environment, previous)
        _apply(cloudformation, stack, yes)


def _bootstrap_environment(settings: Settings, environment: Environment, yes: bool) -> None:
    """Storage, roles and registry; then what is put into that bucket, and the state machines."""
    from cli import account, publish
    from cli import bootstrap as changing
    from model_build import pipeline
    from model_deploy import stacks

    definition = pipeline.definition(settings, environment)
    named = environment.named(settings.project.pipeline)
    with account.one_sentence():
        session = account.session(environment)
        cloudformation = session.client("cloudformation")
        own_key = changing.outputs(cloudformation, named).get("KeyArn", "")
        stack = stacks.pipeline_stack(settings, environment, definition, own_key)
        done = _apply(cloudformation, stack, yes)
        if done.status == "declined":
            return
        objects = stacks.rollout_objects(settings, environment)
        put = publish.put_code(session.client("s3"), objects, environment)
        click.echo(f"code        {put} objects put, {len(objects) - put} were there already")
        key = environment.kms_key_arn or done.outputs["KeyArn"]
        rollout = stacks.rollout_stack(settings, environment, definition, key)
        _apply(cloudformation, rollout, yes)
    if not environment.kms_key_arn:
        click.echo(f"kms_key_arn of [environments.{environment.name}] may be that KeyArn: then "
                   "jobs use it too")  # fmt: skip


def _apply(cloudformation: Any, stack: Stack, yes: bool) -> Applied:
    """Show, ask, apply and follow, then say what the stack gives."""
    from cli import bootstrap as changing

    done = changing.apply(cloudformation, stack, _agreed(stack.name, yes), _tell)
    click.echo(f"stack       {stack.name}: {done.status}")
    for key, value in done.outputs.items():
        click.echo(f"            {key} = {value}")
    return done


def _agreed(stack: str, yes: bool) -> Callable[[list[Change]], bool]:
    """Shows the changes of a stack, and asks; where nobody can answer, nothing is applied."""

    def agreed(changes: list[Change]) -> bool:
        click.echo(f"changes to {stack}:")
        for change in changes:
            click.echo(change.line)
        if yes:
            return True
        if not _is_a_person_there():
            click.echo("nobody is there to ask: with --yes they are applied")
            return False
        return click.confirm("apply them?")

    return agreed


def _is_a_person_there() -> bool:
    return sys.stdin.isatty()


def _tell(event: Event) -> None:
    """What happens to a resource, as it happens."""
    click.echo(f"{event.status:<24}{event.resource:<28}{event.reason}".rstrip())


@main.command()
@click.option("--env", "name", required=True, help="An [environments.NAME] of pipeline.toml.")
@click.option("--wheels", type=click.Path(path_type=Path), default=LOCAL / "wheels",
              help="A folder for the wheels that the code carries; pip fills it.")  # fmt: skip
def publish(name: str, wheels: Path) -> None:
    """Put code and definition into an AWS account, if the check finds nothing."""
    with _one_sentence():
        from cli.account import AccountError
        from cli.publish import publish as put
        from model_build import carried_wheels, pipeline, step_code

        settings = _settings()
        environment = settings.account_environment(name)
        text = pipeline.definition(settings, environment)
        _refuse([*_wrong_in_definition(settings, text), *_wrong_in_repository(settings)])
        try:
            carried_wheels.fetch(step_code.carried_wheels(settings), wheels)
            objects = step_code.code_objects(settings, environment, wheels)
            name_there = environment.named(settings.project.pipeline)
            published = put(name_there, text, objects, environment)
        except (AccountError, carried_wheels.WheelError) as error:
            click.echo(f"pipeline: {error}", err=True)
            sys.exit(STEP_FAILED)
        for sentence in published.sentences(environment):
            click.echo(sentence)


_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # -1 is no version, rather than no option
_IN_AN_ACCOUNT = click.option("--env", "environment", help="Of an account: an [environments.NAME].")


@main.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument("version", required=False)
@click.option("--last", type=click.IntRange(min=1), default=20, help="How many of them.")
@_IN_AN_ACCOUNT
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def registry(version: str | None, last: int, environment: str | None, as_json: bool) -> None:
    """List the registered model versions, the newest first; or show one: VERSION is its number."""
    with _approvals(environment) as (approvals, settings):
        from cli import approval, registry_view

        number = None if version is None else approval.number(version)
        if as_json:
            content: object = (
                registry_view.versions_as_json(approvals.registry, last)
                if number is None
                else registry_view.version_as_json(approvals, number)
            )
            click.echo(json.dumps(content, indent=2))
        elif number is None:
            registry_view.versions(approvals.registry, settings, last)
        else:
            registry_view.version(approvals, number)


@main.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument("version")
@click.option("--who", help="Who approves; asked for at a terminal.")
@click.option("--why", help="The reason; asked for at a terminal.")
@click.option("--for", "stage", type=click.Choice(["production"]), help="The second approval.")
@_IN_AN_ACCOUNT
def approve(
    version: str, who: str | None, why: str | None, stage: str | None, environment: str | None
) -> None:
    """Approve a registered version: VERSION is its number."""
    _decide(version, who, why, environment, stage=stage)


@main.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument("version")
@click.option("--who", help="Who rejects; asked for at a terminal.")
@click.option("--why", help="The reason; asked for at a terminal.")
@_IN_AN_ACCOUNT
def reject(version: str, who: str | None, why: str | None, environment: str | None) -> None:
    """Reject a version, or withdraw an approved one, for good: VERSION is its number."""
    _decide(version, who, why, environment, is_rejected=True)


def _decide(
    version: str,
    who: str | None,
    why: str | None,
    environment: str | None,
    stage: str | None = None,
    is_rejected: bool = False,
) -> None:
    """Ask who and why, once it is known that the version could be decided on; then decide."""
    with _approvals(environment) as (approvals, _):
        from cli import approval, registry_view
        from governance.registry import APPROVED, REJECTED

        number, place = approval.number(version), approval.stage(stage, environment)
        approvals.check(number, REJECTED if is_rejected else APPROVED, place)
        if approval.is_asked() and None in (who, why):
            registry_view.version(approvals, number)
        who, why = approval.reasons(who, why, ROOT)
        if is_rejected:
            approvals.reject(number, who, why)
        else:
            approvals.approve(number, who, why, place)
        registry_view.decided(approvals, number, place)


@contextmanager
def _approvals(environment: str | None) -> Iterator[tuple[Approvals, Settings]]:
    """The registry of this machine, or of an environment's account, with its rules."""
    with _one_sentence():
        from cli import approval

        settings = pipeline_settings.load(ROOT)
        if environment is None:
            yield approval.on_this_machine(LOCAL, settings), settings
            return
        from cli import account

        try:
            with account.one_sentence():
                yield approval.in_account(settings, environment), settings
        except account.AccountError as error:
            click.echo(f"pipeline: {error}", err=True)
            sys.exit(STEP_FAILED)


class _Rate(click.FloatRange):
    """A number in a range; what is no number is in none."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        found = super().convert(value, param, context)
        if math.isnan(found):
            self.fail(f"{value!r} was read, where a number is right", param, context)
        return found


@main.command()
@click.argument("version", type=int)
@click.option("--time-scale", type=_Rate(1, 1_000_000), default=1.0, show_default=True,
              help="Seconds of the policy in a second here.")  # fmt: skip
@click.option("--traffic", type=_Rate(0, 100_000), default=0.0, metavar="RATE",
              help="Send so many records of the test split a second meanwhile.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535),
              help="Of 127.0.0.1, where no endpoint runs yet; 0: any that is free.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="A line each look, as JSON.")
def deploy(
    version: int, time_scale: float, traffic: float, port: int | None, as_json: bool
) -> None:
    """Rehearse a deployment: an approved version takes over an endpoint on this machine."""
    with _one_sentence():
        rehearsal = _rehearsal()
        package = rehearsal.find(version)
        rehearsal.deploy(package, time_scale, port)
        _follow(rehearsal, rehearsal.golden(package)[0], traffic, as_json)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="A line each look, as JSON.")
def rollback(as_json: bool) -> None:
    """Go back: from a deployment that goes on, or to the version before, at once."""
    with _one_sentence():
        from model_deploy.errors import DeployError

        rehearsal = _rehearsal()
        status = rehearsal.ask("status")
        if status["deploying"] is not None:
            rehearsal.ask("cancel")
            _follow(rehearsal, [], 0, as_json, wanted="rolled back")
        elif status["previous"] is None:
            raise DeployError("there is no version to go back to")
        else:
            rehearsal.deploy(rehearsal.find(status["previous"]), 1, by_hand=True)
            _follow(rehearsal, [], 0, as_json)


@main.command()
@click.option("--stop", is_flag=True, help="Stop it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def endpoint(stop: bool, as_json: bool) -> None:
    """Show the endpoint on this machine, or stop it."""
    with _one_sentence():
        rehearsal = _rehearsal()
        status = {**rehearsal.ask("status"), "port": rehearsal.port()}
        if stop:
            rehearsal.stop()
            click.echo("the endpoint is stopped")
        elif as_json:
            click.echo(json.dumps(status, indent=2))
        else:
            from rich.console import Console

            from cli.deploy_view import table

            Console().print(table(status))
            click.echo(f"http://127.0.0.1:{status['port']}/invocations")


def _rehearsal() -> Rehearsal:
    from cli.deploying import Rehearsal

    return Rehearsal(ROOT, LOCAL, pipeline_settings.load(ROOT))


def _follow(
    rehearsal: Rehearsal,
    records: list[str],
    traffic: float,
    as_json: bool,
    wanted: str = "deployed",
) -> None:
    """Show a deployment until it ends, say how, and end with 1 where it was not so wanted."""
    import asyncio

    from cli.deploy_view import follow, sentence

    try:
        last = asyncio.run(follow(rehearsal, records, traffic, as_json))
    except KeyboardInterrupt:
        said = "it goes on: `pipeline endpoint` shows it, `pipeline rollback` breaks it off"
        click.echo(f"pipeline: {said}", err=True)
        sys.exit(INTERRUPTED)
    if as_json:
        click.echo(json.dumps(last))
    else:
        sent = ", ".join(f"{count} answered {s}" if s.isdigit() else f"{count} {s}"
                         for s, count in sorted(last.get("sent", {}).items()))  # fmt: skip
        if traffic and not sent:
            sent = "nothing, as no version was served meanwhile"
        click.echo(f"{sentence(last)}{f' (sent: {sent})' if sent else ''}")
        if rehearsal.is_running():
            click.echo(f"http://127.0.0.1:{rehearsal.port()}/invocations")
    if last["outcome"] != wanted:
        sys.exit(STEP_FAILED)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--label", default="", help="The column to predict, if its name does not say so.")
def schema(file: Path, label: str) -> None:
    """Draft the [data] part of pipeline.toml from a CSV or Parquet table."""
    with _one_sentence():
        from feature_store.schema import draft

        click.echo(draft(file, label, pipeline_settings.load(ROOT).data.label), nl=False)


@main.command()
def readme() -> None:
    """Write what pipeline.toml says into the README's block of values."""
    with _one_sentence():
        from cli import readme as block

        if block.write(ROOT, pipeline_settings.load(ROOT)):
            click.echo(f"{block.NAME} says what pipeline.toml says")
        else:
            click.echo(f"{block.NAME} has no block to write: it begins with {block.BEGIN}")


def _settings() -> Settings:
    """The settings, of a pipeline that has a table to run on."""
    settings = pipeline_settings.load(ROOT)
    settings.check_table()
    return settings


def _parameters(values: tuple[str, ...]) -> dict[str, str]:
    given = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not sign:
            raise click.UsageError(f"--set {value}: NAME=VALUE is right, such as --set AsOf=...")
        given[name] = text
    moment = given.get("AsOf")
    if moment is not None and not pipeline_settings.is_moment(moment):
        raise click.UsageError(f"--set AsOf={moment}: {pipeline_settings.MOMENT_RULE} is right")
    return given


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Errors that a person can act on, as one sentence and an exit status, without a traceback."""
    from feature_store.errors import RawTableError
    from governance.errors import RegistryError
    from local_sagemaker.errors import DefinitionError, StateError
    from model_deploy.errors import DeployError

    try:
        yield
    except (
        SettingsError,
        RawTableError,
        DefinitionError,
        RegistryError,
        StateError,
        DeployError,
    ) as error:
        click.echo(f"pipeline: {error}", err=True)
        sys.exit(WRONG_USE)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"pipeline: {where}{error.strerror or error}", err=True)
        sys.exit(STEP_FAILED)
    except KeyboardInterrupt:
        click.echo("pipeline: stopped", err=True)
        sys.exit(INTERRUPTED)


@contextmanager
def _going_on(progress: Progress | Events) -> Iterator[None]:
    """What breaks off a run that has begun, with the command that goes on with it."""
    from local_sagemaker.errors import StateError

    try:
        yield
    except (KeyboardInterrupt, StateError, OSError) as error:
        if not progress.resuming:
            raise
        is_stopped = isinstance(error, KeyboardInterrupt)
        said = "stopped" if is_stopped else str(error)
        if isinstance(error, BrokenPipeError):
            said = "stopped, since nobody reads what it prints"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"pipeline: {said}; to go on: {progress.resuming}", err=True)
        sys.exit(INTERRUPTED if is_stopped else STEP_FAILED)


if __name__ == "__main__":
    main()
