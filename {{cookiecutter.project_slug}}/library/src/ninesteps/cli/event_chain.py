"""`pipeline audit` of the chain of events: check it, or print and store its head."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from ninesteps.cli import here
from ninesteps.errors import FAILED, RegistryError

if TYPE_CHECKING:
    from ninesteps.local.chain import Entry, Head
    from ninesteps.local.state import State

PRINTED = "printed"
"""The value of `--head` without an argument."""


def chain(verify: bool, given: str | None, name: str | None, as_json: bool) -> None:
    """Check the chain of events, or print its head.

    Args:
        given: the head to compare with, if one is given.
        name: the environment whose bucket stores the heads.
    """
    from ninesteps.local.state import State

    here.check_has_run()
    state = State(here.local() / "state.db", read_only=True)
    entries = state.events()
    if not entries:
        _check_never_written(state, verify, given)
    if verify:
        _verify(state, entries, given, name, as_json)
    else:
        _head(entries, name, as_json)


def _check_never_written(state: State, verify: bool, given: str | None) -> None:
    """Refuse a chain without entries, unless it is compared with a head.

    Raises:
        RegistryError: if there is nothing to verify, or a head is asked for.
    """
    deleted = state.event_faults()
    if deleted and not verify:
        raise RegistryError(str(deleted[-1]))
    if not deleted and given is None:
        raise RegistryError("the chain of events has no entries yet: the first run writes one")


def _verify(
    state: State, entries: list[Entry], given: str | None, name: str | None, as_json: bool
) -> None:
    """Show whether the chain is intact; exit with 1 if it is not."""
    from ninesteps.local import chain
    from ninesteps.registry import access, signatures
    from ninesteps.terminal import chain as chain_view

    heads = [chain.head(given)] if given is not None else []
    heads += _kept(entries, name) if name is not None else []
    signed = signatures.count(entries)
    signers = access.signers(here.root(), here.settings()) if signed else None
    faults = [*state.event_faults(heads), *signatures.faults(entries, signers)]
    if as_json:
        click.echo(json.dumps(chain_view.as_json(entries, faults, heads, signed), indent=2))
    else:
        chain_view.show(entries, faults, heads, signed, signers is not None)
    if faults:
        sys.exit(FAILED)


def _kept(entries: list[Entry], name: str) -> list[Head]:
    """The heads of this chain in an environment's bucket.

    Raises:
        RegistryError: if there is none.
    """
    from ninesteps.infrastructure import account, chain_heads

    if not entries:
        return []  # a faulty chain cannot be matched with its heads
    settings = here.settings()
    environment = settings.account_environment(name)
    with account.one_sentence():
        s3 = account.session(environment).client("s3")
        pipeline = settings.project.pipeline
        heads, others = chain_heads.kept(s3, environment, pipeline, entries[0])
    if not heads:
        else_ = f"; heads of {len(others)} other chains are there: {', '.join(others)}"
        raise RegistryError(
            f"no head of this chain is in {environment.bucket_name}{else_ if others else ''}: "
            f"`pipeline audit --head --env {name}` stores one; a rewritten chain has none"
        )
    return heads


def _head(entries: list[Entry], name: str | None, as_json: bool) -> None:
    """Print the head, and store it in an environment's bucket if one is named."""
    content = {"head": entries[-1].head, **vars(entries[-1])}
    if name is not None:
        from ninesteps.infrastructure import account, chain_heads

        settings = here.settings()
        environment = settings.account_environment(name)
        with account.one_sentence():
            s3 = account.session(environment).client("s3")
            kept = chain_heads.keep(s3, environment, settings.project.pipeline, entries)
        click.echo(f"kept as {kept.uri}; {kept.how}", err=True)
        content |= {"uri": kept.uri, "how": kept.how}
    click.echo(json.dumps(content, indent=2) if as_json else entries[-1].head)
