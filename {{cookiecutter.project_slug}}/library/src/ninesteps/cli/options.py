"""Options that several commands share."""

from __future__ import annotations

import math
from typing import Any

import click

from ninesteps.cli import completing
from ninesteps.cli.commands import Events


class Rate(click.FloatRange):
    """A number in a range; NaN is refused."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        """Read it."""
        number = super().convert(value, param, context)
        if math.isnan(number):
            self.fail(f"expected a number, got {value!r}", param, context)
        return number


IN_AN_ACCOUNT = click.option(
    "--env", "name", required=True, metavar="NAME", shell_complete=completing.environments,
    help="Use the account of this [environments.NAME].",
)  # fmt: skip

HERE_OR_IN_AN_ACCOUNT = click.option(
    "--env", "name", metavar="NAME", shell_complete=completing.environments,
    help="Use the account of this [environments.NAME] instead of this machine.",
)  # fmt: skip

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

AS_EVENTS = click.option(
    "--json", "as_json", is_flag=True, cls=Events,
    help="Print a line of JSON for each event, and for an error.",
)  # fmt: skip

PLAN = click.option(
    "--plan", "is_plan", is_flag=True,
    help="Show what would be done, from this repository alone; no credentials are needed.",
)  # fmt: skip

AS_JSON_OF_A_PLAN = click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")


def check_plan(is_plan: bool, as_json: bool, yes: bool = False) -> None:
    """Refuse options that a plan, or a command that is none, does not have.

    Raises:
        UsageError: that names them.
    """
    if as_json and not is_plan:
        raise click.UsageError("expected --plan with --json, got --json alone")
    if is_plan and yes:
        raise click.UsageError("expected --plan or --yes, got both: a plan applies nothing")


PROCESSES = click.option(
    "--parallel", type=click.IntRange(min=1),
    help="Run at most this many processes at a time; default: one per core.",
)  # fmt: skip

PARAMETERS = click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=completing.parameters,
    help="Set a pipeline parameter.",
)
