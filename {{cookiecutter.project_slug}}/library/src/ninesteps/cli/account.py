"""`pipeline bootstrap`, `publish` and `schedule`: what is in an AWS account, and what starts it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands, refuse
from ninesteps.cli.options import AS_JSON_OF_A_PLAN, IN_AN_ACCOUNT, PLAN, check_plan
from ninesteps.errors import AccountError
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.feature_store.records import FeatureGroup
    from ninesteps.infrastructure.change_set import Applied, Change, Event, Stack


@commands.command()
@IN_AN_ACCOUNT
@click.option(
    "--account", "is_account", is_flag=True, help="Set up what all pipelines of the account share."
)
@click.option("--yes", is_flag=True, help="Apply the changes without asking, for example in CI.")
@PLAN
@AS_JSON_OF_A_PLAN
def bootstrap(name: str, is_account: bool, yes: bool, is_plan: bool, as_json: bool) -> None:
    """Set up an environment's infrastructure in an AWS account.

    It shows the changes, and asks before it applies them. --plan needs no account.
    """
    check_plan(is_plan, as_json, yes)
    settings = here.settings_with_table()
    environment = settings.account_environment(name)
    if is_plan:
        from ninesteps.cli import planning

        planning.bootstrap(settings, environment, is_account, as_json)
        return
    make = _bootstrap_account if is_account else _bootstrap_environment
    make(settings, environment, yes)


def _bootstrap_account(settings: Settings, environment: Environment, yes: bool) -> None:
    """What the pipelines of an account share."""
    from ninesteps.infrastructure import account, stacks
    from ninesteps.infrastructure import change_set as changing

    with account.one_sentence():
        cloudformation = account.session(environment).client("cloudformation")
        previous = changing.parameters(cloudformation, stacks.ACCOUNT_STACK)
        stack = stacks.account_stack(settings, environment, previous)
        _apply(cloudformation, stack, yes)


def _bootstrap_environment(settings: Settings, environment: Environment, yes: bool) -> None:
    """Storage, roles and registry; then the objects of that bucket, and the state machines."""
    from ninesteps.infrastructure import account, leftovers, publish, stacks
    from ninesteps.infrastructure import change_set as changing
    from ninesteps.runs import compiled, ingesting

    definition = compiled.definition(settings, environment)
    named = environment.named(settings.project.pipeline)
    # before anything is sent: a table that fails changes nothing there
    groups = ingesting.own_groups(here.local(), settings, environment)
    with account.one_sentence():
        session = account.session(environment)
        cloudformation = session.client("cloudformation")
        own_key = changing.outputs(cloudformation, named).get("KeyArn", "")
        previous = changing.parameters(cloudformation, named)
        stack = stacks.pipeline_stack(settings, environment, definition, own_key, previous)
        if not changing.is_there(cloudformation, named):
            left = leftovers.find(session, environment, named)
            if left and not _take_in(cloudformation, leftovers.importing(stack, left), yes):
                return
        done = _apply(cloudformation, stack, yes)
        if done.status == "declined":
            return
        objects = stacks.rollout_objects(settings, environment)
        put = publish.put_code(session.client("s3"), objects, environment)
        click.echo(f"code        {put} objects put, {len(objects) - put} were there already")
        key = environment.kms_key_arn or done.outputs["KeyArn"]
        previous = changing.parameters(cloudformation, f"{named}-rollout")
        rollout = stacks.rollout_stack(settings, environment, definition, key, previous)
        floors = stacks.floor_changes(previous, rollout.parameters)
        _apply(cloudformation, rollout, yes, list(floors))
        if isinstance(groups, str):
            click.echo(f"features    {groups}")
        else:
            for group in groups:
                _make_feature_group(session, settings, environment, group, key, yes)
    if environment.subnets:
        reached = ", ".join(stacks.endpoints(settings, environment, json.loads(definition)))
        click.echo(f"network     the subnets need VPC endpoints for {reached}, or another way out")


def _make_feature_group(
    session: Any, settings: Settings, environment: Environment, group: FeatureGroup,
    key: str, yes: bool,
) -> None:  # fmt: skip
    """Show the changes, ask, and create or change the group."""
    from ninesteps.infrastructure import own_feature_group

    place = own_feature_group.place(environment, settings.project.pipeline, group.features, key)
    done = own_feature_group.ensure(
        session.client("sagemaker"), session.client("glue"), group, place,
        lambda change: _agreed(f"the feature group {group.name}", yes, [change])([]),
    )  # fmt: skip
    click.echo(f"features    {group.name}: {done}")
    click.echo(f"            table {group.table}")


def _take_in(cloudformation: Any, stack: Stack, yes: bool) -> bool:
    """Import what a deleted stack of the same name left into the new one; false if declined."""
    click.echo(
        f"a deleted stack {stack.name} left these resources; the new stack imports them first:"
    )
    for one in stack.imports:
        click.echo(one.line)
    return _apply(cloudformation, stack, yes).status == "applied"


def _apply(
    cloudformation: Any, stack: Stack, yes: bool, floor_changes: Sequence[str] = ()
) -> Applied:
    """Show the changes, ask, apply and follow them; then give the stack's outputs."""
    from ninesteps.infrastructure import change_set as changing

    done = changing.apply(cloudformation, stack, _agreed(stack.name, yes, floor_changes), _tell)
    click.echo(f"stack       {stack.name}: {done.status}")
    for key, value in done.outputs.items():
        click.echo(f"            {key} = {value}")
    return done


def _agreed(what: str, yes: bool, other_changes: Sequence[str]) -> Callable[[list[Change]], bool]:
    """Shows the changes of a stack and asks; without a terminal nothing is applied."""

    def agreed(changes: list[Change]) -> bool:
        click.echo(f"changes to {what}:")
        for line in (*other_changes, *(change.line for change in changes)):
            click.echo(line)
        if yes:
            return True
        if not _is_a_person_there():
            click.echo("expected a terminal to ask at, got none: --yes applies the changes")
            return False
        return click.confirm("apply them?")

    return agreed


def _is_a_person_there() -> bool:
    return sys.stdin.isatty()


def _tell(event: Event) -> None:
    """What happens to a resource, as it happens."""
    click.echo(f"{event.status:<24}{event.resource:<28}{event.reason}".rstrip())


@commands.command()
@click.argument("state", type=click.Choice(["on", "off"]))
@IN_AN_ACCOUNT
def schedule(state: str, name: str) -> None:
    """Turn the schedule of a pipeline in an account on or off.

    While it is on, new rows start the pipeline too.
    """
    from ninesteps.infrastructure import account, publish, stacks
    from ninesteps.infrastructure import change_set as changing

    settings = here.settings()
    environment = settings.account_environment(name)
    named = environment.named(settings.project.pipeline)
    value = stacks.ON if state == "on" else stacks.OFF
    with account.one_sentence():
        session = account.session(environment)
        cloudformation = session.client("cloudformation")
        if state == "on" and not publish.is_published(session.client("sagemaker"), named):
            raise AccountError(
                f"there is no pipeline {named} to start: `pipeline publish --env {name}` first"
            )
        for stack_name in (named, f"{named}-rollout"):
            stack = changing.with_parameter(cloudformation, stack_name, stacks.STARTS, value)
            if stack is None:
                raise AccountError(
                    f"there is no stack {stack_name} with a parameter {stacks.STARTS}: `pipeline "
                    f"bootstrap --env {name}` creates it"
                )
            done = changing.apply(cloudformation, stack, lambda _: True, _tell)
            click.echo(f"stack       {stack_name}: {done.status}")
    if state == "off":
        click.echo("schedule    off; new rows do not start the pipeline either")
        return
    cadence = settings.cadence
    firing = next(iter(cadence.next(datetime.now(tz=UTC))), None)
    then = f", next {firing:%a %Y-%m-%d %H:%M %Z}" if firing else ""
    click.echo(f"schedule    on: {cadence.text}{then}; new rows start it too")


@commands.command()
@IN_AN_ACCOUNT
@click.option("--wheels", type=click.Path(path_type=Path),
              help="Keep the wheels of the code in this folder; pip fills it.")  # fmt: skip
@PLAN
@AS_JSON_OF_A_PLAN
def publish(name: str, wheels: Path | None, is_plan: bool, as_json: bool) -> None:
    """Upload the code and the definition to an AWS account.

    Nothing is sent if the check finds a problem. --plan needs no account.
    """
    check_plan(is_plan, as_json)
    from ninesteps.definition import published as places
    from ninesteps.infrastructure import feature_groups, stacks, workgroups
    from ninesteps.infrastructure import publish as publishing
    from ninesteps.repository import origin, origin_text
    from ninesteps.runs import compiled
    from ninesteps.step_code import bundle, carried_wheels
    from ninesteps.validation.repository import definition_violations, repository_violations

    settings = here.settings_with_table()
    environment = settings.account_environment(name)
    folder = wheels or here.local() / "wheels"
    if is_plan:
        from ninesteps.cli import planning

        planning.publish(settings, environment, folder, as_json)
        return
    name_there = environment.named(settings.project.pipeline)
    environment = stacks.as_made(environment, publishing.outputs(name_there, environment))
    text = compiled.definition(settings, environment)
    refuse([*definition_violations(settings, text), *repository_violations(here.root(), settings)])
    carried_wheels.fetch(bundle.carried_wheels(settings), folder)
    objects = {
        **bundle.code_objects(settings, environment, folder),
        **bundle.recorded_objects(settings, environment),
    }
    workgroups.check(settings, environment)
    came_from = {
        **origin.origin(here.root(), bundle.overridden(here.root())),
        origin.PROTECTED: dict(settings.model.protected),
    }
    at = f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}"
    content = json.dumps({"at": at, **came_from}, indent=2).encode()
    key = places.origins(settings.project.pipeline, text) + places.name(at, content)
    published = publishing.publish(
        name_there, text, objects, environment, (key, content),
        lambda sagemaker: feature_groups.check(sagemaker, settings, environment),
    )  # fmt: skip
    for sentence in published.sentences(environment):
        click.echo(sentence)
    click.echo(f"commit      {origin_text.commit(came_from)}")
