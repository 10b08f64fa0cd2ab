"""Options that several commands have, in the same words."""

from __future__ import annotations

import math
from typing import Any

import click


class Rate(click.FloatRange):
    """A number in a range; what is no number is in none."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        """Read it."""
        number = super().convert(value, param, context)
        if math.isnan(number):
            self.fail(f"expected a number, got {value!r}", param, context)
        return number


IN_AN_ACCOUNT = click.option(
    "--env", "name", required=True, metavar="NAME",
    help="The account: an [environments.NAME] of pipeline.toml.",
)  # fmt: skip

HERE_OR_IN_AN_ACCOUNT = click.option(
    "--env", "name", metavar="NAME",
    help="In the account of this [environments.NAME]; default: on this machine.",
)  # fmt: skip

AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")

PARAMETERS = click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="Set a pipeline parameter."
)
