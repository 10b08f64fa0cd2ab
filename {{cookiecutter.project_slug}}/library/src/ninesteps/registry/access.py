"""`pipeline registry`, `approve` and `reject`: which registry they use, and the stage of an
approval."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ninesteps.errors import RegistryError
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.stamps import Expected
from ninesteps.registry.local import LocalRegistry
from ninesteps.registry.registry import PRODUCTION, Approvals
from ninesteps.registry.signatures import Signers
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.registry.account import AccountRegistry


def on_this_machine(local: Path, settings: Settings, read_only: bool = False) -> Approvals:
    """The registry of this machine, with the rules of pipeline.toml."""
    registry = LocalRegistry(local, settings.model_package_group, read_only)
    rules = settings.approval
    return Approvals(
        registry, expected(settings), rules.require_second_approver, rules.before_production,
        require_signature=rules.require_signature, signers=signers(local.parent, settings),
        gate=settings.full_gate,
    )  # fmt: skip


def signers(root: Path, settings: Settings) -> Signers | None:
    """Who may sign approvals according to the settings; None if they list nobody."""
    return Signers(root / settings.approval.signers) if settings.approval.signers else None


def account_registry(settings: Settings, name: str) -> AccountRegistry:
    """The versions in the account of an environment."""
    from ninesteps.infrastructure import account  # it imports boto3
    from ninesteps.registry.account import AccountRegistry

    environment = settings.account_environment(name)
    return AccountRegistry(
        account.session(environment),
        environment,
        environment.named(settings.project.pipeline),
        environment.named(settings.model_package_group),
        settings.project.pipeline,
    )


def in_account(settings: Settings, name: str) -> Approvals:
    """The registry of an environment's account, with the rules of pipeline.toml."""
    registry = account_registry(settings, name)
    # There a rollout waits for the second approval: `stage` says how it is given.
    rule = settings.approval.require_second_approver
    return Approvals(registry, expected(settings), rule, option=f" --env {name}")


def expected(settings: Settings) -> Expected:
    """The profile in pipeline.toml, as it is now, that versions have to be made under.

    It accepts any version of the library; the oldest one accepted in an account is set in its
    stack.
    """
    profile = settings.project.profile
    return Expected(profile, profiles.digest(profile))


def stage(typed: str | None, environment: str | None) -> str:
    """The stage that a version is approved for, in SageMaker's words; none for the version itself.

    Raises:
        RegistryError: if that is not decided in the registry of an environment.
    """
    if typed and environment:
        raise RegistryError(
            "--for production is for this machine; in an account the second approval is given "
            "to the waiting rollout, with the command in the rollout's notice"
        )
    return {"production": PRODUCTION}[typed] if typed else ""


def number(text: str) -> int:
    """A version's number.

    Raises:
        RegistryError: if the text is not one.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        digits = re.fullmatch(r"\D+0*([1-9][0-9]{0,8})", text)  # `v3`, `version 3`
        near = f"; did you mean {digits[1]!r}?" if digits and "-" not in text else ""
        raise RegistryError(f"expected a version's number such as 1, got {text!r}{near}")
    return int(text)
