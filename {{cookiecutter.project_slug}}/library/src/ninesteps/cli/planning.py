"""`--plan` of `pipeline bootstrap` and `publish`: what they would do, shown without an account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from ninesteps.cli import here
from ninesteps.cli.commands import refuse
from ninesteps.infrastructure import plan, stacks
from ninesteps.infrastructure.plan import GroupAction, Plan, Upload, UploadAction
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

ALREADY = "what the account already has"


def bootstrap(
    settings: Settings, environment: Environment, is_account: bool, as_json: bool
) -> None:
    """Show what `pipeline bootstrap` would make."""
    command = f"pipeline bootstrap --env {environment.name}"
    if is_account:
        stack = stacks.account_stack(settings, environment, {})
        actions: tuple[plan.Action, ...] = (plan.stack_action(stack, environment),)
        asked = f"{ALREADY}, which other repositories may have asked for and which stays"
        _show(command + " --account", environment, actions, as_json, (asked,))
        return
    from ninesteps.runs import ingesting

    definition = here.definition(settings, environment)
    groups = ingesting.own_groups(here.local(), settings, environment)
    not_made, made = (groups, []) if isinstance(groups, str) else ("", groups)
    actions = (
        *plan.bootstrap_actions(settings, environment, definition),
        *(GroupAction(group.name, group.table, group.definitions) for group in made),
    )
    not_known = plan.not_known_of_bootstrap(environment, settings.project.pipeline)
    _show(command, environment, actions, as_json, not_known, not_made, lists_files=False)


def publish(settings: Settings, environment: Environment, folder: Path, as_json: bool) -> None:
    """Show what `pipeline publish` would send; nothing is fetched.

    Args:
        folder: where the wheels are that the code carries.
    """
    from ninesteps.repository import origin, origin_text
    from ninesteps.step_code import bundle
    from ninesteps.validation.repository import definition_violations, repository_violations

    text = here.definition(settings, environment)
    refuse([*definition_violations(settings, text), *repository_violations(here.root(), settings)])
    came_from = origin.origin(here.root(), bundle.overridden(here.root()))
    actions = (
        plan.check_action(settings, environment),
        _code(settings, environment, folder),
        *plan.pipeline_actions(settings, environment, text, origin_text.commit(came_from)),
    )
    command = f"pipeline publish --env {environment.name}"
    _show(command, environment, actions, as_json, tuple(_not_known_of_publish(environment)))


def _code(settings: Settings, environment: Environment, folder: Path) -> UploadAction:
    """The code; of wheels that are not here, what is known without them."""
    from ninesteps.step_code import bundle, carried_wheels

    lacking = carried_wheels.lacking(bundle.carried_wheels(settings), folder)
    unknown = bundle.wheel_objects(settings, environment) if lacking else {}
    objects = {
        **bundle.code_objects(settings, environment, None if lacking else folder),
        **bundle.recorded_objects(settings, environment),
    }
    known = plan.uploads({uri: c for uri, c in objects.items() if uri not in unknown})
    later = [Upload(uri, None, sha256 or None) for uri, sha256 in unknown.items()]
    files = sorted([*known, *later], key=lambda file: file.uri)
    fetched = sorted(wheel.file for wheel in lacking)
    return UploadAction(environment.bucket_name, tuple(files), tuple(fetched))


def _not_known_of_publish(environment: Environment) -> Iterator[str]:
    yield f"{ALREADY}, of which nothing is sent again"
    if not environment.kms_key_arn:
        yield (
            "the ARN of the stack's own key, which `pipeline publish` puts into the definition: "
            "its size and digests here are those without the key"
        )


def _show(
    command: str, environment: Environment, actions: tuple[plan.Action, ...], as_json: bool,
    not_known: tuple[str, ...], not_made: str = "", lists_files: bool = True,
) -> None:  # fmt: skip
    from ninesteps.terminal.plan import lines

    found = Plan(command, environment.account, environment.region, actions, not_made, not_known)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    for line in lines(found, lists_files):
        click.echo(line)
