"""`pipeline cost`: the instance hours of an execution and of a year, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON
from ninesteps.errors import AccountError
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.runs.cost import Cost, Use
    from ninesteps.settings.prices import Prices

NOT_COUNTED = (
    "storage, requests, logs, keys, queries, a rollout's jobs, staging endpoint and A/B test, "
    "instances added by autoscaling, and executions started by hand or by new rows"
)


@commands.command()
@click.option("--env", "name", metavar="NAME", shell_complete=completing.environments,
              help="Use the job times of an execution in this [environments.NAME].")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True),
              help="Assume that every job takes this many minutes.")  # fmt: skip
@AS_JSON
def cost(name: str | None, minutes: float | None, as_json: bool) -> None:
    """Show the instance hours of an execution and of a year.

    Prices come from the repository's prices.toml, which your team writes: none are shipped.
    """
    from ninesteps.runs import cost as costs
    from ninesteps.settings import prices as price_table

    if name is not None and minutes is not None:
        raise click.UsageError("expected --minutes or --env, got both")
    settings = here.settings_with_table()
    prices = price_table.load(here.root())
    environment = settings.environment() if name is None else settings.account_environment(name)
    basis, uses = _expected(settings, minutes) if name is None else _read(settings, environment)
    now = datetime.now(UTC)
    counted = costs.cost(settings, basis, uses, now)
    for notice in prices.notices(environment.region, now.date()) if prices else ():
        here.show_notice(notice)
    if as_json:
        click.echo(json.dumps(_as_json(counted, prices), indent=2))
    else:
        _show(settings, counted, prices)


def _expected(settings: Settings, minutes: float | None) -> tuple[str, list[Use]]:
    """Assumed times of the definition's jobs, if no execution is read."""
    from ninesteps.runs import cost as costs

    return costs.of_definition(json.loads(here.definition(settings)), minutes)


def _read(settings: Settings, environment: Environment) -> tuple[str, list[Use]]:
    """Times of the jobs of an execution in an account."""
    from ninesteps.infrastructure import account
    from ninesteps.report.account_run import AccountRun
    from ninesteps.runs import cost as costs

    with account.one_sentence():
        run = AccountRun.of(account.session(environment), environment)
        executions = run.executions(settings)
        arn = costs.typical(executions)
        if not arn:
            raise AccountError(
                f"no execution of {executions.pipeline} has succeeded in {environment.region}: "
                "leave out --env, or give --minutes"
            )
        return costs.of_execution(run.standing(settings, arn))


def _show(settings: Settings, counted: Cost, prices: Prices | None) -> None:
    from ninesteps.settings import prices as price_table
    from ninesteps.terminal.lines import wrapped

    click.echo(wrapped(counted.basis, "counted", 12))
    click.echo()
    click.echo(f"{'use':<16}{'type':<18}{'hours':>12}{_in(prices):>16}".rstrip())
    for use in counted.execution:
        _row(use.use, use.instance_type, [use], prices)
    _row("an execution", "", counted.execution, prices)
    click.echo()
    often = f"x {counted.executions_a_year:,} ({settings.cadence.text})"
    _row("executions", often, counted.year[:-1], prices)
    _row("endpoint", f"{settings.deploy.instances} {settings.deploy.instance_type}",
         [counted.endpoint], prices)  # fmt: skip
    _row("a year", "", counted.year, prices)
    click.echo()
    if prices is None:
        click.echo(f"prices      none: {price_table.FILE}, which your team writes, does not exist")
    else:
        click.echo(f"prices      {price_table.FILE}, of {prices.date}, in {prices.region}")
        for key in counted.missing(prices):
            click.echo(f"            missing: {key}")
    click.echo(wrapped(NOT_COUNTED, "not counted", 12))


def _in(prices: Prices | None) -> str:
    return prices.currency if prices else ""


def _row(use: str, kind: str, uses: Sequence[Use], prices: Prices | None) -> None:
    from ninesteps.runs.cost import money

    amount = money(uses, prices)
    shown = "?" if prices and amount is None else "" if amount is None else f"{amount:,.2f}"
    hours = sum(one.hours for one in uses)
    click.echo(f"{use:<16}{kind:<18}{hours:>12,.2f}{shown:>16}".rstrip())


def _as_json(counted: Cost, prices: Prices | None) -> dict[str, Any]:
    """The same as JSON; an amount is null if a price is missing."""
    from ninesteps.runs.cost import money

    def rows(uses: Sequence[Use]) -> list[dict[str, Any]]:
        return [
            {"use": u.use, "instance_type": u.instance_type, "hours": round(u.hours, 4),
             "money": money([u], prices)}
            for u in uses
        ]  # fmt: skip

    return {
        "counted": counted.basis,
        "currency": prices.currency if prices else None,
        "prices_of": prices.date if prices else None,
        "execution": rows(counted.execution),
        "executions_a_year": counted.executions_a_year,
        "year": rows(counted.year),
        "money_a_year": money(counted.year, prices),
        "not_counted": NOT_COUNTED,
    }
