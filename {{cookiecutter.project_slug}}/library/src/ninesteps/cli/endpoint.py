"""`pipeline deploy`, `rollback` and `endpoint`: rehearse hosting on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ninesteps.cli import ab_test as ab_tests
from ninesteps.cli import completing, here
from ninesteps.cli.ab_test import Numbers
from ninesteps.cli.commands import commands, end
from ninesteps.cli.options import AS_EVENTS, AS_JSON, Rate
from ninesteps.errors import FAILED, INTERRUPTED, DeployError

if TYPE_CHECKING:
    from ninesteps.runs.rehearsal import Known, Rehearsal


WHO = click.option("--who", help="Name who does this; default: git's name, or the login.")
WHY = click.option("--why", help="Give the reason; it is recorded.")


@commands.command()
@click.argument("version", type=int, shell_complete=completing.versions)
@click.option("--time-scale", type=Rate(1, 1_000_000), default=1.0, show_default=True,
              help="Speed up waits by this factor.")  # fmt: skip
@click.option("--traffic", type=Rate(0, 100_000), default=0.0, metavar="RATE",
              help="During the deployment, send this many test records a second.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535),
              help="Start the endpoint at this port of 127.0.0.1; 0: any free one.")  # fmt: skip
@click.option("--ab", "is_ab_test", is_flag=True,
              help="Test it against the version that serves, with simulated users.")  # fmt: skip
@click.option("--users", type=click.IntRange(1, 1_000_000), default=500, show_default=True,
              help="With --ab: simulate this many new users a day.")  # fmt: skip
@click.option("--outcome-rate", "rates", type=Numbers(0, 1, 2), default=(0.5, 0.6),
              metavar="R,R", show_default="0.5,0.6",
              help="With --ab: set the true rates of good outcomes of both versions.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True,
              help="With --ab: draw the simulated users with this seed.")  # fmt: skip
@WHO
@WHY
@AS_EVENTS
def deploy(
    version: int,
    time_scale: float,
    traffic: float,
    port: int | None,
    is_ab_test: bool,
    users: int,
    rates: tuple[float, float],
    seed: int,
    who: str | None,
    why: str | None,
    as_json: bool,
) -> None:
    """Rehearse a deployment on this machine.

    The approved VERSION replaces the version that serves, by the rollout of [deploy]. With --ab it
    is tested against that version with simulated users, by the rules of [ab].
    """
    from ninesteps.settings.deploy import AB_TEST, shift

    _check_options(is_ab_test)
    rehearsal = replace(_rehearsal(), decided=_decided(who, why))
    here.check_has_run()
    package = rehearsal.find(version)
    for notice in rehearsal.notices(version):
        here.show_notice(notice)
    serving = rehearsal.serving()
    if is_ab_test:
        ab_tests.test(rehearsal, package, users, rates, seed, port, as_json)
        return
    if rehearsal.settings.deploy.rollout == AB_TEST and serving not in (None, version):
        raise DeployError(
            f'rollout = "{AB_TEST}": version {version} is tested against version {serving}, which '
            f"serves, by `pipeline deploy {version} --ab`"
        )
    with _interruptible(rehearsal):
        takes_over = rehearsal.is_running() and rehearsal.ask("status")["version"] is not None
        rehearsal.deploy(package, time_scale, port)
        if takes_over and not as_json:
            click.echo(shift(rehearsal.settings.deploy))
        _follow(rehearsal, rehearsal.known(package), traffic, as_json)


def _decided(who: str | None, why: str | None) -> dict[str, str]:
    """Who acts and why, as recorded; by default git's user name.

    Raises:
        RegistryError: if a text is empty, too long or has control characters.
    """
    from ninesteps.registry.registry import MAX_WHO, MAX_WHY, worded
    from ninesteps.repository.identity import whoami

    who = (whoami(here.root()) or "not known") if who is None else who
    return {
        "who": worded("who", who, MAX_WHO),
        "reason": worded("why", why if why is not None else "no reason given", MAX_WHY),
    }


def _check_options(is_ab_test: bool) -> None:
    """Refuse options that would have no effect.

    Raises:
        click.UsageError: for the first of them.
    """
    idle = ("traffic", "time_scale") if is_ab_test else ("users", "rates", "seed")
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if parameter.name in idle and source == ParameterSource.COMMANDLINE:
            what = "not with" if is_ab_test else "only with"
            raise click.UsageError(f"{parameter.opts[0]}: {what} --ab")


@commands.command()
@WHO
@WHY
@AS_EVENTS
def rollback(who: str | None, why: str | None, as_json: bool) -> None:
    """Go back to the previous version.

    A deployment in progress is rolled back. Otherwise the previous version serves at once.
    """
    rehearsal = replace(_rehearsal(), decided=_decided(who, why))
    status = rehearsal.ask("status")
    if status["deploying"] is not None:
        with _interruptible(rehearsal):
            rehearsal.ask("cancel", **rehearsal.decided)
            _follow(rehearsal, None, 0, as_json, expected="rolled back")
    elif status["previous"] is None:
        raise DeployError("there is no previous version to go back to")
    else:
        previous = rehearsal.find(status["previous"], has_served=True)
        with _interruptible(rehearsal):
            rehearsal.deploy(previous, 1, by_hand=True)
            _follow(rehearsal, None, 0, as_json)


@commands.command()
@click.option("--stop", is_flag=True, help="Stop the endpoint.")
@click.option("--example", is_flag=True,
              help="Print a request with a test record; with --json its body.")  # fmt: skip
@AS_JSON
def endpoint(stop: bool, example: bool, as_json: bool) -> None:
    """Show the endpoint on this machine, or stop it."""
    if stop and example:
        raise click.UsageError("--example: not with --stop")
    rehearsal = _rehearsal()
    status = {**rehearsal.ask("status"), "port": rehearsal.port()}
    if example:
        _show_example(rehearsal, status, as_json)
    elif stop:
        rehearsal.stop()
        here.record_lineage()
        click.echo("the endpoint is stopped")
    elif as_json:
        click.echo(json.dumps(status, indent=2))
    else:
        from ninesteps.terminal.console import Console
        from ninesteps.terminal.deployment import address, decided, table
        from ninesteps.terminal.lines import at_terminal

        Console().print(table(status))
        for line in decided(status["last"]):
            click.echo(at_terminal(line))
        click.echo(address(rehearsal))


def _show_example(rehearsal: Rehearsal, status: dict[str, Any], as_json: bool) -> None:
    """Print a request to the version that serves."""
    from ninesteps.runs import example_request

    if status["version"] is None:
        raise DeployError("no version is served: `pipeline deploy V` first")
    made = example_request.example(rehearsal, rehearsal.package(status["version"]))
    click.echo(made.text if as_json else made.command(status["port"]))


def _rehearsal() -> Rehearsal:
    from ninesteps.runs.rehearsal import Rehearsal

    return Rehearsal(here.root(), here.local(), here.settings())


@contextmanager
def _interruptible(rehearsal: Rehearsal) -> Iterator[None]:
    """On Ctrl-C, show the endpoint's state: a deployment continues without this command."""
    try:
        yield
    except KeyboardInterrupt:
        from ninesteps.terminal.deployment import standing

        end(INTERRUPTED, f"stopped; {standing(rehearsal)}")


def _follow(
    rehearsal: Rehearsal,
    known: Known | None,
    traffic: float,
    as_json: bool,
    expected: str = "deployed",
) -> None:
    """Show a deployment until it ends and how it ended; exit with 1 if not as expected."""
    import asyncio

    from ninesteps.terminal.deployment import address, follow, sentence
    from ninesteps.terminal.lines import at_terminal

    last = asyncio.run(follow(rehearsal, known, traffic, as_json))
    here.record_lineage()
    if as_json:
        click.echo(json.dumps(last))
    else:
        sent = ", ".join(f"{count} answered {s}" if s.isdigit() else f"{count} {s}"
                         for s, count in sorted(last.get("sent", {}).items()))  # fmt: skip
        if traffic and not sent:
            sent = "nothing, because no version was served meanwhile"
        click.echo(at_terminal(f"{sentence(last)}{f' (sent: {sent})' if sent else ''}"))
        if rehearsal.is_running():
            click.echo(address(rehearsal))
    if last["outcome"] != expected:
        end(FAILED, sentence(last), is_shown=True)
