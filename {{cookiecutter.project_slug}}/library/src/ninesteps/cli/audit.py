"""`pipeline audit`: whether what is kept of runs, versions and decisions is as it was written."""

from __future__ import annotations

import json
import sys

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON
from ninesteps.errors import FAILED, RegistryError

_PRINTED = "printed"
"""What `--head` is without a value."""


@commands.command()
@click.option("--verify", is_flag=True, help="Check that the chain of events is as written.")
@click.option("--head", "given", is_flag=False, flag_value=_PRINTED, metavar="[HEAD]",
              help="Print the chain's head; with --verify, one that was kept.")  # fmt: skip
@AS_JSON
def audit(verify: bool, given: str | None, as_json: bool) -> None:
    """Check the chain of events, or print its head.

    Keep the head elsewhere, such as in a ticket: it shows later that nothing was cut or rewritten.
    """
    from ninesteps.local import chain
    from ninesteps.local.state import State
    from ninesteps.registry import access, signatures
    from ninesteps.terminal import chain as chain_view

    if not verify and given is None:
        raise click.UsageError("expected --verify or --head, got neither")
    if not verify and given != _PRINTED:
        raise click.UsageError("--head HEAD: expected --verify with it")
    if verify and given == _PRINTED:
        raise click.UsageError("--verify --head: expected a head such as 42:3fa9...")
    here.check_has_run()
    state = State(here.local() / "state.db", read_only=True)
    entries = state.events()
    if not entries:
        raise RegistryError("the chain of events has no entry yet: the first run writes one")
    if not verify:
        content = {"head": entries[-1].head, **vars(entries[-1])}
        click.echo(json.dumps(content, indent=2) if as_json else entries[-1].head)
        return
    heads = [chain.head(given)] if given is not None else []
    signed = signatures.count(entries)
    signers = access.signers(here.root(), here.settings()) if signed else None
    faults = [*state.event_faults(heads), *signatures.faults(entries, signers)]
    if as_json:
        click.echo(json.dumps(chain_view.as_json(entries, faults, heads, signed), indent=2))
    else:
        chain_view.show(entries, faults, heads, signed, signers is not None)
    if faults:
        sys.exit(FAILED)
