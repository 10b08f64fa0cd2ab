"""The group that every command belongs to, and how an error ends a command: with one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from ninesteps.errors import FAILED, INTERRUPTED, WRONG_USE, NineStepsError


class _Commands(click.Group):
    """Says an error that a person can act on as one sentence, and ends with its exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NineStepsError as error:
            click.echo(f"pipeline: {error}", err=True)
            sys.exit(error.exit_status)
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"pipeline: {where}{error.strerror or error}", err=True)
            sys.exit(FAILED)
        except KeyboardInterrupt:
            click.echo("pipeline: stopped", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Compile this repository's SageMaker pipeline, and run it on this machine."""


def refuse(sentences: Iterable[str]) -> None:
    """Print what is wrong, a line each, and end the command; nothing wrong: go on."""
    violations = list(sentences)
    for sentence in violations:
        click.echo(f"pipeline: {sentence}", err=True)
    if violations:
        sys.exit(WRONG_USE)
