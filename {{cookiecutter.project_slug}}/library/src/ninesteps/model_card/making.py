"""Makes the card of a version that was registered here or in an account, and keeps it there."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.errors import RegistryError
from ninesteps.local.history import History
from ninesteps.model_card import schema
from ninesteps.model_card.content import Card
from ninesteps.registry import access
from ninesteps.report.account_run import AccountRun
from ninesteps.report.evidence import collect
from ninesteps.report.local_run import LocalFiles, local_facts
from ninesteps.report.reading import Reading
from ninesteps.settings import model_card
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

NOT_THERE = "ResourceNotFound"


def here(local: Path, settings: Settings, number: int) -> dict[str, Any]:
    """The card of a version on this machine, valid by SageMaker's schema.

    Raises:
        RegistryError: if there is no such version.
        StateError: if its run is not there.
        SettingsError: if `model_card.toml` cannot be used.
    """
    statements = model_card.load(settings.root)
    version = access.on_this_machine(local, settings, read_only=True).find(number)
    execution = History(local).execution(version.execution)
    facts = local_facts(local, settings, execution)
    reading = Reading(facts, collect(facts, LocalFiles(local, execution)))
    return _valid(Card(version, reading, statements, settings.project.problem))


def in_account(
    session: Any, settings: Settings, environment: Environment, number: int
) -> dict[str, Any]:
    """The card of a version in an account, valid by SageMaker's schema.

    Raises:
        RegistryError: if there is no such version.
        SettingsError: if `model_card.toml` cannot be used.
    """
    statements = model_card.load(settings.root)
    version = access.in_account(settings, environment.name).find(number)
    account_run = AccountRun.of(session, environment)
    standing = account_run.standing(settings, version.execution)
    facts = replace(standing, champion=account_run.champion(settings, standing))
    reading = Reading(facts, collect(facts, account_run))
    arn = environment.sagemaker_arn(f"model-package/{version.group}/{number}")
    return _valid(Card(version, reading, statements, settings.project.problem, arn))


def _valid(card: Card) -> dict[str, Any]:
    content = card.content()
    schema.as_text(content)
    return content


@dataclass(frozen=True)
class Kept:
    """A card in the account's Model Cards."""

    name: str
    number: int  # of the card's own version, which every change of it raises
    how: str  # made, changed, or there already


def keep(
    session: Any, settings: Settings, environment: Environment, content: dict[str, Any]
) -> Kept:
    """Put a card into the account's Model Cards; one that says the same is left as it is.

    A new card is a draft while something is not stated, else pending a review: who approves a card
    is the organisation's affair, so the status of one that is there stays as it is.

    Raises:
        RegistryError: if the card is archived; AWS does not allow changes then.
    """
    sagemaker, text = session.client("sagemaker"), schema.as_text(content)
    overview = content["model_overview"]
    name = f"{overview['model_name']}-v{overview['model_version']}"
    if not (found := _described(sagemaker, name)):
        sagemaker.create_model_card(
            ModelCardName=name,
            Content=text,
            ModelCardStatus="Draft" if model_card.load(settings.root).missing else "PendingReview",
            Tags=[{"Key": "pipeline", "Value": settings.project.pipeline},
                  {"Key": "environment", "Value": environment.name}],
            **({"SecurityConfig": {"KmsKeyId": environment.kms_key_arn}}
               if environment.kms_key_arn else {}),
        )  # fmt: skip
        return Kept(name, 1, "made")
    number = int(found["ModelCardVersion"])
    if json.loads(found["Content"]) == content:
        return Kept(name, number, "there already")
    if found["ModelCardStatus"] == "Archived":
        raise RegistryError(f"the model card {name} is archived: AWS allows no changes to it")
    sagemaker.update_model_card(ModelCardName=name, Content=text)
    return Kept(name, number + 1, "changed")


def _described(sagemaker: Any, name: str) -> dict[str, Any]:
    """A card as the service has it; empty if there is none."""
    try:
        return dict(sagemaker.describe_model_card(ModelCardName=name))
    except ClientError as error:
        if error.response["Error"]["Code"] != NOT_THERE:
            raise
        return {}
