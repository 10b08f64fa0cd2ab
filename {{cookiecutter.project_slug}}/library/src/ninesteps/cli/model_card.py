"""`pipeline card`: the model card of a registered version."""

from __future__ import annotations

import json

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON


@commands.command(context_settings={"ignore_unknown_options": True})
@click.argument("version", shell_complete=completing.versions)
@click.option("--env", "name", metavar="NAME", shell_complete=completing.environments,
              help="Use a version in this account, and store its card there.")  # fmt: skip
@AS_JSON
def card(version: str, name: str | None, as_json: bool) -> None:
    """Show the model card of a version.

    VERSION is its number. The card has facts from the version's run and the texts of
    model_card.toml. --json prints it in the format of SageMaker's Model Cards.
    """
    settings = here.settings()
    from ninesteps.model_card import making
    from ninesteps.registry import access
    from ninesteps.terminal import model_card

    number, kept = access.number(version), None
    if name is None:
        here.check_has_run()
        content = making.here(here.local(), settings, number)
    else:
        from ninesteps.infrastructure import account

        environment = settings.account_environment(name)
        with account.one_sentence():
            session = account.session(environment)
            content = making.in_account(session, settings, environment, number)
            kept = making.keep(session, settings, environment, content)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    else:
        model_card.show(content)
    if kept:
        click.echo(f"model card {kept.name}, version {kept.number}: {kept.how}", err=as_json)
