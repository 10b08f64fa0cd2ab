"""What `pipeline registry`, `approve` and `reject` do: whose registry, and who asks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from cli.identity import whoami
from cli.local_registry import LocalRegistry
from cli.settings import Settings
from governance.errors import RegistryError
from governance.registry import PRODUCTION, Approvals


def on_this_machine(local: Path, settings: Settings) -> Approvals:
    """The registry of this machine, with the rules of pipeline.toml."""
    registry = LocalRegistry(local, settings.model_package_group)
    rules = settings.approval
    return Approvals(registry, rules.two_pairs_of_eyes, rules.before_production)


def in_account(settings: Settings, name: str) -> Approvals:
    """The registry of an environment, with the rules of pipeline.toml."""
    from cli import account  # it imports boto3
    from cli.account_registry import AccountRegistry

    environment = settings.account_environment(name)
    registry = AccountRegistry(
        account.session(environment),
        environment,
        environment.named(settings.project.pipeline),
        environment.named(settings.model_package_group),
    )
    # There a rollout waits for the second approval: `stage` says how it is given.
    return Approvals(registry, settings.approval.two_pairs_of_eyes, option=f" --env {name}")


def stage(typed: str | None, environment: str | None) -> str:
    """What a version is approved for beyond itself, as SageMaker calls it.

    Raises:
        RegistryError: if that is not decided in the registry of an environment.
    """
    if typed and environment:
        raise RegistryError(
            "--for production is for this machine; in an account the second approval answers the "
            "rollout that waits for it, and the notice of the rollout names the command"
        )
    return {"production": PRODUCTION}[typed] if typed else ""


def number(text: str) -> int:
    """A version's number.

    Raises:
        RegistryError: if the text is none.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise RegistryError(f"{text!r} was read, where a version's number such as 1 is right")
    return int(text)


def is_asked() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def reasons(who: str | None, why: str | None, repository: Path) -> tuple[str, str]:
    """Who decides and why: as given, or as typed at the terminal.

    Raises:
        RegistryError: if one is not given and there is no terminal to ask at.
    """
    if not is_asked() and (who is None or why is None):
        missing = " and ".join(n for n, text in (("--who", who), ("--why", why)) if text is None)
        raise RegistryError(f"{missing} must say it, since there is no terminal to ask at")
    try:
        if who is None:
            who = click.prompt("who decides", default=whoami(repository) or None, err=True)
        if why is None:
            why = click.prompt("why", err=True)
    except click.Abort:  # Ctrl-C or the end of what is typed
        raise KeyboardInterrupt from None
    return str(who), str(why)
