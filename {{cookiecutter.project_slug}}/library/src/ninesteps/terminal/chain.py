"""Shows the chain of events: that it is intact, or which entry was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from ninesteps.local.chain import Entry, Fault, Head
from ninesteps.terminal.lines import wrapped

LIMITS = (
    "Anyone with write access to .local/state.db can rewrite the whole chain and its tables. "
    "Only a head that is kept elsewhere shows that."
)
"""What the chain does not protect from."""


def show(
    entries: Sequence[Entry],
    faults: Sequence[Fault],
    heads: Sequence[Head],
    signed: int,
    is_listed: bool,
) -> None:
    """Show the result; faults go to standard error.

    Args:
        signed: how many decisions are signed.
        is_listed: whether the settings list who may sign.
    """
    for fault in faults:
        click.echo(f"pipeline: {fault}", err=True)
    if not faults:
        counts = Counter(entry.kind for entry in entries)
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        click.echo(wrapped(f"the chain is intact: {_entries(len(entries))} from {entries[0].at} "
                           f"to {entries[-1].at} ({kinds})"))  # fmt: skip
        for entry in entries:
            if entry.kind == "begun":
                click.echo(wrapped(f"entry {entry.number}: earlier records were added unchanged; "
                                   "the chain cannot show changes before that"))  # fmt: skip
        if signed:
            by = (
                "people who may sign"
                if is_listed
                else "any signer, because [approval] signers is empty"
            )
            click.echo(f"{signed} signed by {by}")
    for head in heads:
        if not faults:
            click.echo(f"it continues from the head {head}")
    if entries:
        click.echo(f"head: {entries[-1].head}")
    click.echo(wrapped(f"{LIMITS}{'' if heads else ' No head was given to compare with.'}"))


def as_json(
    entries: Sequence[Entry], faults: Sequence[Fault], heads: Sequence[Head], signed: int
) -> dict[str, Any]:
    """The same as data."""
    return {
        "whole": not faults,
        "entries": len(entries),
        "head": entries[-1].head if entries else None,
        "sha256": entries[-1].sha256 if entries else None,
        "signed": signed,
        "compared_with": [str(head) for head in heads],
        "faults": [{"entry": fault.number, "text": fault.text} for fault in faults],
    }


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"
