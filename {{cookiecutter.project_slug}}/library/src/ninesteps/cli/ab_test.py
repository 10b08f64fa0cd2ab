"""`pipeline ab-plan`: what an A/B test needs, before it begins."""

from __future__ import annotations

import json
from typing import Any

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, Rate


class Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # in click 8.4 alone
    """Numbers in a range, with commas between them."""

    name = "numbers"

    def __init__(self, least: float, most: float, count: int = 0) -> None:
        self.least, self.most, self.count = least, most, count  # 0: as many as one likes

    def convert(self, value: Any, param: Any, context: Any) -> tuple[float, ...]:
        """Read them."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in value.split(","))
        except ValueError:
            numbers = ()
        fits = all(self.least <= number <= self.most for number in numbers)
        if not numbers or not fits or self.count not in (0, len(numbers)):
            many = f"{self.count} numbers" if self.count else "numbers"
            self.fail(f"expected {many} from {self.least:g} to {self.most:g} with commas between "
                      f"them, got {value!r}", param, context)  # fmt: skip
        return numbers


@commands.command("ab-plan")
@click.option("--users", type=click.IntRange(1, 10_000_000), default=1000, show_default=True,
              help="New users a day.")  # fmt: skip
@click.option("--rate", type=Rate(0, 1, min_open=True, max_open=True), default=0.5,
              show_default=True,
              help="Of users with a good outcome, in the version that serves.")  # fmt: skip
@click.option("--differences", type=Numbers(-1, 1), default=(0.0, 0.02, 0.05, 0.1),
              metavar="D,...", help="True differences of the new version's rate.")  # fmt: skip
@AS_JSON
def ab_plan(users: int, rate: float, differences: tuple[float, ...], as_json: bool) -> None:
    """Show how many users an A/B test needs to decide.

    Tests by [ab] are simulated for each true difference, with the share that grows.
    """
    from ninesteps.runs import ab_plan as planning

    for difference in differences:
        if not 0 < rate + difference < 1:
            raise click.UsageError(
                f"expected differences that leave a rate between 0 and 1, got {difference:g} of "
                f"{rate:g}"
            )
    rules = planning.rules_of(here.settings())
    plans = planning.plan(rules, users, rate, differences)
    if as_json:
        click.echo(json.dumps(planning.as_json(rules, users, rate, plans), indent=2))
    else:
        from ninesteps.terminal import ab_plan as shown

        shown.show(rules, users, rate, plans)
