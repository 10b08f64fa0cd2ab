"""`pipeline ab-plan`: how many users an A/B test needs; and the test of `pipeline deploy V
--ab`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands, end
from ninesteps.cli.options import AS_JSON, Rate
from ninesteps.errors import FAILED, INTERRUPTED, DeployError

if TYPE_CHECKING:
    from ninesteps.local.state import ModelPackage
    from ninesteps.runs.ab_test import Run
    from ninesteps.runs.rehearsal import Rehearsal


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
              help="Expect this many new users a day.")  # fmt: skip
@click.option("--rate", type=Rate(0, 1, min_open=True, max_open=True), default=0.5,
              show_default=True,
              help="Expect this rate of good outcomes from the version that serves.")  # fmt: skip
@click.option("--differences", type=Numbers(-1, 1), default=(0.0, 0.02, 0.05, 0.1),
              metavar="D,...", show_default="0,0.02,0.05,0.1",
              help="Simulate a new version whose rate differs by each of these.")  # fmt: skip
@AS_JSON
def ab_plan(users: int, rate: float, differences: tuple[float, ...], as_json: bool) -> None:
    """Show how many users an A/B test needs to decide.

    Tests by the rules of [ab] are simulated for each difference.
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


def test(
    rehearsal: Rehearsal,
    package: ModelPackage,
    users: int,
    rates: tuple[float, float],
    seed: int,
    port: int | None,
    as_json: bool,
) -> None:
    """Test a version against the one that serves; the exit status is 1 if it does not win.

    Raises:
        DeployError: if no other version serves, or the endpoint stops during the test.
    """
    import asyncio

    from ninesteps.runs import ab_test
    from ninesteps.terminal.ab_test import Shown

    if ended := ab_test.ended_unseen(rehearsal, package, users, rates, seed):
        _tell(ended, as_json)
        return
    version, before = package.version, rehearsal.serving()
    if before is None:
        raise DeployError(
            "an A/B test needs a version that serves, but none does: `pipeline deploy V` first"
        )
    if before == version:
        raise DeployError(f"version {version} is already served")
    run = ab_test.find(rehearsal, package, before, users, rates, seed)
    if not as_json:
        click.echo(
            f"{users:,} simulated users a day, {rates[0]:g} of main's (version {before}) and "
            f"{rates[1]:g} of the challenger's (version {version}) with a good outcome, seed "
            f"{seed}; time is compressed: a day takes as long as its requests"
        )
    try:
        with rehearsal.deploying(package, 1, port, ab={"share": run.test.share}):
            run.take_up()
            if run.requests and not as_json:
                click.echo(f"the test continues from request {run.requests:,}")
            with Shown(as_json) as shown:
                asyncio.run(run.go_on(shown))
            rehearsal.wait()
    except KeyboardInterrupt:
        end(
            INTERRUPTED, f"stopped; version {before} serves alone. The same command continues the "
            f"test from request {run.requests:,}",
        )  # fmt: skip
    _tell(run, as_json)


def _tell(run: Run, as_json: bool) -> None:
    """Record and print how a test ended, and write its page; exit with 1 if no new version wins."""
    from ninesteps.report import ab_page
    from ninesteps.runs import ab_test
    from ninesteps.terminal.ab_test import as_json as shown_as_json
    from ninesteps.terminal.ab_test import sentence

    page = run.folder / ab_test.PAGE
    page.write_text(ab_page.of_folder(run.folder), encoding="utf-8")
    ab_test.keep(run, run.noted())  # last, so that a killed command is repeated in full
    here.record_lineage()
    if as_json:
        click.echo(json.dumps(shown_as_json(run)))
    else:
        click.echo(sentence(run))
        click.echo(page)
    if run.test.share != 100:
        end(FAILED, sentence(run), is_shown=True)
