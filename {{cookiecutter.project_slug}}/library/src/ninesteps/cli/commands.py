"""The group that every command belongs to, and how an error ends a command: with one sentence."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Iterable
from typing import Any

import click

from ninesteps.errors import FAILED, INTERRUPTED, WRONG_USE, NineStepsError
from ninesteps.runs import stopping
from ninesteps.terminal import output

_BY_APPROVAL = "an endpoint in an account changes by decisions on versions"
HERE_ALONE = {
    "deploy": f"{_BY_APPROVAL}; to deploy one: `pipeline approve V --env NAME`",
    "rollback": f"{_BY_APPROVAL}; to withdraw one: `pipeline reject V --env NAME`",
    "endpoint": "the endpoint is this machine's; for a version's rollout, or how its A/B test "
    "stands, in an account: `pipeline registry V --env NAME`",
}
"""Commands that act on this machine alone, where one might expect --env: what to use instead."""


class _Commands(click.Group):
    """Ends a command that fails with one sentence that a person can act on, and an exit status."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; everything that it prints goes through `terminal.output`."""
        try:
            with output.plain_streams():
                try:
                    return super().main(*args, **kwargs)
                finally:  # SystemExit ends most commands
                    sys.stdout.flush()
        except BrokenPipeError:
            _exit(FAILED)
        except OSError as error:  # of the output itself
            _exit(FAILED, _sentence(error))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            stopping.listen(keyboard=False)  # a signal that asks to end is as Ctrl-C
            return super().invoke(ctx)
        except NineStepsError as error:
            _exit(error.exit_status, str(error))
        except BrokenPipeError:
            _exit(FAILED)
        except OSError as error:
            _exit(FAILED, _sentence(error))
        except KeyboardInterrupt:
            stopping.ignore()
            _exit(INTERRUPTED, "stopped")
        except MemoryError:
            _exit(FAILED, "this machine does not have enough memory for it")
        except click.NoSuchOption as error:
            where = HERE_ALONE.get(error.ctx.command.name or "") if error.ctx else None
            if error.option_name != "--env" or where is None:
                raise
            raise click.UsageError(f"--env: expected none, got one: {where}", error.ctx) from None
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            _exit(FAILED, _unexpected(error))


def _exit(status: int, sentence: str = "") -> None:
    """Print why, if standard error still takes it, and end the command."""
    try:
        if sentence:
            click.echo(f"pipeline: {sentence}", err=True)
    except OSError:
        pass
    output.discard()
    sys.exit(status)


def _sentence(error: OSError) -> str:
    name = error.filename
    where = "" if name is None else f"{os.fsdecode(name) if isinstance(name, bytes) else name}: "
    return f"{where}{error.strerror or error}"


def _unexpected(error: Exception) -> str:
    """A sentence about an error that is a bug here; it names the file with the traceback."""
    summary = traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
    with tempfile.NamedTemporaryFile(
        "w", prefix="pipeline-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
    ) as file:
        traceback.print_exception(error, file=file)
    return f"unexpected error, please report it: {summary}; the traceback is in {file.name}"


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
