"""Shell completion of arguments: runs, steps, versions, environments, modules, parameters.

Suggestions come from the files of this repository. No account is asked, nothing is compiled and
nothing is printed. Outside a repository, or if a file cannot be read, there are no suggestions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ninesteps.errors import NineStepsError
from ninesteps.plain_text import plain

Offers = Callable[[click.Context], Iterator[tuple[str, str]]]
"""Returns values, each with a short description."""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completes(offers: Offers) -> Complete:
    """click's callback: the values that begin with what is typed."""

    @wraps(offers)
    def complete(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
        before, comma, begun = typed.rpartition(",")  # of a list such as that of --steps
        try:
            return [
                CompletionItem(plain(f"{before}{comma}{value}"), help=plain(about))
                for value, about in offers(context)
                if value.startswith(begun)
            ]
        except (NineStepsError, OSError, ValueError):  # a shell shows no errors while one types
            return []

    return complete


@_completes
def runs(context: click.Context) -> Iterator[tuple[str, str]]:
    """The runs here; for an account, only `last`."""
    yield "last", "the newest"
    if not context.params.get("name"):
        yield from _runs_here()


@_completes
def steps(context: click.Context) -> Iterator[tuple[str, str]]:
    """The steps of the run that was typed before, otherwise of the last run."""
    from ninesteps.local.history import History

    typed = "last" if context.params.get("name") else context.params.get("run") or "last"
    for run in History(_local()).execution(typed).numbered:
        yield run.step.name, run.step.type


@_completes
def versions(context: click.Context) -> Iterator[tuple[str, str]]:
    """The versions that are registered here."""
    yield from _versions_here(context)


@_completes
def versions_and_runs(context: click.Context) -> Iterator[tuple[str, str]]:
    """What can be compared: versions, the one that serves, and runs."""
    yield from _versions_here(context)
    yield "serving", "the version that serves"
    yield "last", "the newest run"
    if not context.params.get("name"):
        yield from _runs_here()


@_completes
def environments(_: click.Context) -> Iterator[tuple[str, str]]:
    """The environments of pipeline.toml, even if other settings are wrong."""
    import tomllib

    from ninesteps.repository import root

    file = root.find() / root.SETTINGS
    tables = tomllib.loads(file.read_text(encoding="utf-8")).get("environments", {})
    for name, table in tables.items() if isinstance(tables, dict) else ():
        account = table.get("account", "") if isinstance(table, dict) else ""
        yield name, f"account {account}" if account else ""


@_completes
def modules(_: click.Context) -> Iterator[tuple[str, str]]:
    """The library's modules that run in containers."""
    for file in sorted((Path(__file__).parents[1] / "containers").glob("*.py")):
        yield file.name, ""


@_completes
def parameters(_: click.Context) -> Iterator[tuple[str, str]]:
    """The pipeline's parameters, with their values in the last run."""
    from ninesteps.local.history import History

    for name, value in History(_local()).execution("last").parameters.items():
        yield f"{name}=", f"{value} in the last run"


def _local() -> Path:
    from ninesteps.repository import root

    return root.find() / ".local"


def _runs_here() -> Iterator[tuple[str, str]]:
    from ninesteps.local.history import History

    for run in History(_local()).runs():
        yield run["run"], f"{run['status']}, {run['started']}"


def _versions_here(context: click.Context) -> Iterator[tuple[str, str]]:
    from ninesteps.local.state import State
    from ninesteps.settings import loading

    if context.params.get("name"):
        return
    local = _local()
    group = loading.load(local.parent).model_package_group
    for package in State(local / "state.db", read_only=True).model_packages(group):
        yield str(package.version), package.status
