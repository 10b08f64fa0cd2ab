"""The group that every command belongs to, and how an error ends a command: with one sentence.

A command that prints events (`--json` of `run`, `deploy` and `rollback`) prints its error as an
event too. Every other command prints its JSON only when it is complete: on an error stdout is
empty.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn

import click

from ninesteps.cli.help import EXAMPLES, GROUPS
from ninesteps.errors import FAILED, INTERRUPTED, WRONG_USE, NineStepsError, SettingsError
from ninesteps.runs import stopping
from ninesteps.terminal import output
from ninesteps.version import VERSION

_BY_APPROVAL = "an endpoint in an account changes by decisions on versions"
HERE_ALONE = {
    "deploy": f"{_BY_APPROVAL}; to deploy one: `pipeline approve V --env NAME`",
    "rollback": f"{_BY_APPROVAL}; to withdraw one: `pipeline reject V --env NAME`",
    "ui": "it shows this machine's runs and versions; for an account use `pipeline runs` and "
    "`pipeline registry` with --env NAME, and `pipeline report RUN --env NAME`",
    "endpoint": "the endpoint is this machine's; in an account, `pipeline registry V --env NAME` "
    "shows a rollout or A/B test",
}
"""Commands that act on this machine only and take no --env: what to use instead."""


COMPLETES = "_PIPELINE_COMPLETE"
"""The environment variable in which a shell asks for completions."""

_PRINTS_EVENTS = f"{__name__}.prints_events"
"""The context's key for: stdout has an event a line, so an error is an event too."""


class Events(click.Option):
    """The `--json` of a command that prints one event a line while it runs."""


class _Command(click.Command):
    """A command whose help ends with examples."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, after noting whether an error in them is printed as an event."""
        options = [option for option in self.params if isinstance(option, Events)]
        ctx.meta[_PRINTS_EVENTS] = any({*option.opts} & {*args} for option in options)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if examples := EXAMPLES.get(self.name or ""):
            with formatter.section("Examples"):
                formatter.write_dl(examples, col_max=44)


class _Commands(click.Group):
    """A command group whose failures are one sentence that a person can act on, and an exit
    status."""

    command_class = _Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, group by group."""
        longest = max(map(len, self.commands))
        for group, names in GROUPS.items():
            rows = [
                (f"{name:<{longest}}", self.commands[name].get_short_help_str(80))
                for name in names
                if name in self.commands
            ]
            with formatter.section(group):
                formatter.write_dl(rows)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; everything that it prints goes through `terminal.output`."""
        if COMPLETES in os.environ:  # a shell asks; click answers in bytes, past this output
            return super().main(*args, **kwargs)
        try:
            with output.plain_streams():
                try:
                    return super().main(*args, **kwargs)
                finally:  # SystemExit ends most commands
                    sys.stdout.flush()
        except BrokenPipeError:
            end(FAILED)
        except OSError as error:  # of the output itself
            end(FAILED, _sentence(error))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            stopping.listen(keyboard=False)  # a signal to terminate is treated as Ctrl-C
            return super().invoke(ctx)
        except NineStepsError as error:
            end(error.exit_status, _with_line(error))
        except BrokenPipeError:
            end(FAILED)
        except OSError as error:
            end(FAILED, _sentence(error))
        except KeyboardInterrupt:
            stopping.ignore()
            end(INTERRUPTED, "stopped")
        except MemoryError:
            end(FAILED, "this machine does not have enough memory for it")
        except click.ClickException as error:
            explained = _explained(error)
            _say_event(explained.exit_code, explained.format_message())
            raise explained from None
        except (click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            end(FAILED, _unexpected(error))


def end(status: int, sentence: str = "", is_shown: bool = False, **facts: object) -> NoReturn:
    """End the command and print why, if standard error can still be written.

    Args:
        is_shown: a person has already read it on stdout; a program has not.
        facts: further fields of the error's event.
    """
    is_event = sentence and _say_event(status, sentence, **facts)
    with suppress(OSError):
        if sentence and (is_event or not is_shown):
            click.echo(f"pipeline: {sentence}", err=True)
    output.discard()
    sys.exit(status)


def _say_event(status: int, sentence: str, **facts: object) -> bool:
    """Print an error as the last event; false if the command prints no events."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get(_PRINTS_EVENTS):
        return False
    content = {"event": "error", "status": status, "message": sentence, **facts}
    with suppress(OSError):
        click.echo(json.dumps(content))
    return True


def _with_line(error: NineStepsError) -> str:
    """The sentence of an error; with the line of the file if it is about a setting."""
    if not isinstance(error, SettingsError) or not error.path:
        return str(error)
    from ninesteps.repository import root
    from ninesteps.settings.places import line_of

    with suppress(NineStepsError, OSError, ValueError):
        text = (root.find() / error.file).read_text(encoding="utf-8")
        if line := line_of(text, error.path):
            return error.at(line)
    return str(error)


def _explained(error: click.ClickException) -> click.ClickException:
    """The sentence of a usage error; for an unsupported --env, with what to use instead."""
    if not isinstance(error, click.NoSuchOption) or error.option_name != "--env" or not error.ctx:
        return error
    where = HERE_ALONE.get(error.ctx.command.name or "")
    return (
        click.UsageError(f"--env: expected none, got one: {where}", error.ctx) if where else error
    )


def _sentence(error: OSError) -> str:
    name = error.filename
    where = "" if name is None else f"{os.fsdecode(name) if isinstance(name, bytes) else name}: "
    return f"{where}{error.strerror or error}"


def _unexpected(error: Exception) -> str:
    """A sentence about an unexpected error, a bug; it names the file with the traceback."""
    summary = traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
    with tempfile.NamedTemporaryFile(
        "w", prefix="pipeline-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
    ) as file:
        traceback.print_exception(error, file=file)
    return f"unexpected error, please report it: {summary}; the traceback is in {file.name}"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    VERSION, message=f"ninesteps {VERSION}", help="Show the library's version and exit."
)
def commands() -> None:
    """Run this repository's SageMaker pipeline here or in an AWS account.

    `pipeline COMMAND --help` shows a command's options and examples.
    """


def refuse(sentences: Iterable[str]) -> None:
    """Print each problem on a line and end the command; return if there are none."""
    violations = list(sentences)
    for sentence in violations:
        click.echo(f"pipeline: {sentence}", err=True)
    if violations:
        sys.exit(WRONG_USE)
