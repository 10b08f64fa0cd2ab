"""`pipeline registry`, `approve` and `reject`: model versions and the decisions on them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT
from ninesteps.errors import INTERRUPTED, RegistryError
from ninesteps.repository.identity import whoami
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.registry.registry import Approvals

_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # -1 is no version, rather than no option


@commands.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument("version", required=False, shell_complete=completing.versions)
@click.option(
    "--last", type=click.IntRange(min=1), default=20, show_default=True, help="Show this many."
)
@click.option(
    "--against",
    metavar="OTHER",
    shell_complete=completing.versions_and_runs,
    help="Compare VERSION with OTHER: a version, `serving` or a run.",
)
@HERE_OR_IN_AN_ACCOUNT
@AS_JSON
def registry(
    version: str | None, last: int, against: str | None, name: str | None, as_json: bool
) -> None:
    """List the registered model versions, or show one.

    VERSION is a version's number. The newest comes first.
    """
    if against is not None:
        if version is None:
            raise click.UsageError("--against: expected a VERSION to compare, got none")
        from ninesteps.cli import comparison
        from ninesteps.registry import access

        comparison.show(against, str(access.number(version)), name, as_json)
        return
    with _approvals(name, read_only=True) as (approvals, settings):
        from ninesteps.registry import access
        from ninesteps.terminal import registry as registry_view

        number = None if version is None else access.number(version)
        if as_json:
            content: object = (
                registry_view.versions_as_json(approvals.registry, last)
                if number is None
                else registry_view.version_as_json(approvals, settings, number)
            )
            click.echo(json.dumps(content, indent=2))
        elif number is None:
            registry_view.versions(approvals.registry, settings, last)
        else:
            registry_view.version(approvals, settings, number)


@commands.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument("version", shell_complete=completing.versions)
@click.option("--who", help="Name who approves; asked for at a terminal.")
@click.option("--why", help="Give the reason; asked for at a terminal.")
@click.option(
    "--for",
    "stage",
    type=click.Choice(["production"]),
    help="Approve for production, the second approval.",
)
@click.option(
    "--sign", "key", type=click.Path(path_type=Path), metavar="KEY",
    help="Sign with this SSH key; for a public key, the SSH agent signs.",
)  # fmt: skip
@HERE_OR_IN_AN_ACCOUNT
def approve(
    version: str,
    who: str | None,
    why: str | None,
    stage: str | None,
    key: Path | None,
    name: str | None,
) -> None:
    """Approve a registered version.

    VERSION is its number.
    """
    _decide(version, who, why, name, stage=stage, key=key)


@commands.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument("version", shell_complete=completing.versions)
@click.option("--who", help="Name who rejects; asked for at a terminal.")
@click.option("--why", help="Give the reason; asked for at a terminal.")
@HERE_OR_IN_AN_ACCOUNT
def reject(version: str, who: str | None, why: str | None, name: str | None) -> None:
    """Reject a version for good, or withdraw an approved one.

    VERSION is its number.
    """
    _decide(version, who, why, name, is_rejected=True)


def _decide(
    version: str,
    who: str | None,
    why: str | None,
    environment: str | None,
    stage: str | None = None,
    is_rejected: bool = False,
    key: Path | None = None,
) -> None:
    """Check that the version can be decided on, ask who and why, then decide."""
    if environment and key:
        raise RegistryError(
            "--sign is for approvals on this machine: in an account the approver is signed in to "
            "AWS"
        )
    with _approvals(environment) as (approvals, settings):
        from ninesteps.registry import access, signatures
        from ninesteps.registry.registry import APPROVED, REJECTED, how
        from ninesteps.terminal import registry as registry_view

        number, place = access.number(version), access.stage(stage, environment)
        approvals.check(number, REJECTED if is_rejected else APPROVED, place)
        try:
            if is_asked() and None in (who, why):
                registry_view.version(approvals, settings, number)
            elif not is_rejected:
                registry_view.warnings(approvals, settings, number)
            me = whoami(here.root()) if who is None else ""
            if me and environment is None and not is_rejected:
                me = me if approvals.may_give(number, me, place) else ""
                if is_asked():
                    click.echo(
                        "On this machine the approver's name is typed: there is no sign-in.",
                        err=True,
                    )
            who, why = reasons(who, why, me)
            if is_rejected:
                approvals.reject(number, who, why)
            else:
                notices = approvals.notices(number, who, place)
                if environment and settings.approval.require_signature:
                    notices.append(
                        "[approval] require_signature is for this machine: in an account the "
                        "approver is signed in to AWS"
                    )
                sign = partial(signatures.sign, key=key, ask=passphrase) if key else None
                approvals.approve(number, who, why, place, sign)
                for notice in notices:
                    here.show_notice(notice)
            if environment is None:
                here.record_lineage()
            registry_view.decided(approvals, number, place)
        except KeyboardInterrupt:  # a decision recorded before that stays
            found = approvals.find(number)
            sentence = f"stopped; {found.name} {how(found, place)}"
            click.echo(f"pipeline: {sentence}", err=True)
            sys.exit(INTERRUPTED)


@contextmanager
def _approvals(
    environment: str | None, read_only: bool = False
) -> Iterator[tuple[Approvals, Settings]]:
    """The approvals of this machine, or of an environment's account."""
    from ninesteps.registry import access

    settings = here.settings()
    if environment is None:
        here.check_has_run()
        yield access.on_this_machine(here.local(), settings, read_only), settings
        return
    from ninesteps.infrastructure import account

    with account.one_sentence():
        yield access.in_account(settings, environment), settings


def passphrase(question: str) -> str:
    """Ask for the passphrase of an encrypted key, without showing it.

    Raises:
        RegistryError: if there is no terminal to ask at.
    """
    if not is_asked():
        raise RegistryError(f"expected a terminal to ask for the {question}, got none: give the "
                            "public key's file to --sign, and the key to an agent")  # fmt: skip
    try:
        return str(click.prompt(question, hide_input=True, err=True))
    except click.Abort:
        raise KeyboardInterrupt from None


def is_asked() -> bool:
    """Whether there is a terminal to ask at."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def reasons(who: str | None, why: str | None, offered: str) -> tuple[str, str]:
    """Who decides and why: from the options, or typed at the terminal.

    Args:
        offered: the default name; empty: a name has to be typed.

    Raises:
        RegistryError: if one is not given and there is no terminal to ask at.
    """
    if not is_asked() and (who is None or why is None):
        missing = " and ".join(n for n, text in (("--who", who), ("--why", why)) if text is None)
        raise RegistryError(f"expected {missing}, got none, and there is no terminal to ask at")
    try:
        if who is None:
            who = click.prompt("who decides", default=offered or None, err=True)
        if why is None:
            why = click.prompt("why", err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D
        raise KeyboardInterrupt from None
    return str(who), str(why)
