"""`pipeline audit`: a version's audit pack, and whether the chain of events or a pack was
changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.event_chain import PRINTED, chain
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT
from ninesteps.errors import FAILED

if TYPE_CHECKING:
    from ninesteps.audit.subject import Subject

_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}  # -1 is no version, rather than no option


@commands.command(context_settings=_MAY_BE_NEGATIVE)
@click.argument(
    "what", required=False, metavar="[VERSION|PACK]", shell_complete=completing.versions
)
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="Write the pack to this file.")  # fmt: skip
@click.option("--verify", is_flag=True,
              help="Check the chain of events, or PACK, a file or folder.")  # fmt: skip
@click.option("--head", "given", is_flag=False, flag_value=PRINTED, metavar="[HEAD]",
              help="Print the chain's head; with --verify, compare it with this one.")  # fmt: skip
@HERE_OR_IN_AN_ACCOUNT
@AS_JSON
def audit(
    what: str | None,
    output: Path | None,
    verify: bool,
    given: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Write a version's audit pack, or check a pack or the chain.

    VERSION is its number. The pack is a zip; its recipient checks it with `python verify.py`, which
    is in it. Keep the chain's head elsewhere, for example in a ticket: it shows later that no event
    was removed or rewritten.
    """
    _check_options(what, output, verify, given, name)
    if what is None:
        chain(verify, given, name, as_json)
    elif verify:
        _verify(Path(what), as_json)
    else:
        _write(what, output, name, as_json)


def _check_options(
    what: str | None, output: Path | None, verify: bool, given: str | None, name: str | None
) -> None:
    if what is None and not verify and given is None:
        raise click.UsageError("expected VERSION, --verify or --head, got none")
    if given is not None and what is not None:
        raise click.UsageError(
            "--head: expected no VERSION and no PACK, because the head is the chain's"
        )
    if given is not None and verify == (given == PRINTED):
        raise click.UsageError(
            "--verify --head: expected a head such as 42:3fa9..." if verify
            else "--head HEAD: expected --verify too"
        )  # fmt: skip
    if output is not None and (what is None or verify):
        raise click.UsageError("-o: expected a VERSION whose pack is written")
    if name is not None and what is not None and verify:
        raise click.UsageError("--env: expected a VERSION, or the chain of events, not a pack")


def _write(version: str, output: Path | None, name: str | None, as_json: bool) -> None:
    """Write a version's pack."""
    from ninesteps.audit import pack
    from ninesteps.registry import access
    from ninesteps.terminal import audit as view

    number = access.number(version)
    with _subject(name, number) as subject:
        file = output or Path(pack.default_name(subject))
        pack.check_name(file)
        made = pack.make(subject)
    made.write(file)
    if as_json:
        click.echo(json.dumps(view.as_json(made, file), indent=2))
    else:
        view.made(made, file)


@contextmanager
def _subject(environment: str | None, number: int) -> Iterator[Subject]:
    """A version of this machine, or of an environment's account."""
    from ninesteps.audit import subject

    settings = here.settings()
    if environment is None:
        here.check_has_run()
        yield subject.here(here.root(), here.local(), settings, number)
        return
    from ninesteps.infrastructure import account

    with account.one_sentence():
        yield subject.in_account(settings, environment, number)


def _verify(pack: Path, as_json: bool) -> None:
    """Check a pack in the same way as the verify.py inside it."""
    from ninesteps.audit import verify

    if not pack.exists():
        raise click.UsageError(
            f"--verify: expected a pack's file or folder, or no value, got {str(pack)!r}, which "
            "does not exist"
        )

    faults, notes = verify.check(pack)
    if as_json:
        click.echo(json.dumps({"pack": str(pack), "faults": faults, "notes": notes}, indent=2))
    else:
        for fault in faults:
            click.echo(f"pipeline: {fault}", err=True)
        for note in notes:
            click.echo(note)
    if faults:
        sys.exit(FAILED)
