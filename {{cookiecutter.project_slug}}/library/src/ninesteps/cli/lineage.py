"""`pipeline lineage` and `reproduce`: where a version came from, and making it again."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT, PROCESSES
from ninesteps.errors import FAILED
from ninesteps.runs import stopping

if TYPE_CHECKING:  # their imports are needed by these commands only
    from ninesteps.lineage.graph import Entity, Graph
    from ninesteps.runs.run import Observer

RESULT = "reproduction.json"
"""The file that `reproduce -o` writes into its folder, beside the run."""


class _Tolerance(click.FloatRange):
    """A number from 0; NaN is refused."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"expected a number, got {value!r}", param, context)
        return number


@commands.command(context_settings={"ignore_unknown_options": True})  # -1 is no version
@click.argument("version", shell_complete=completing.versions)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path),
              help="Keep the new run in this folder, which must be empty or new.")  # fmt: skip
@click.option("--tolerance", type=_Tolerance(min=0), default=1e-6, show_default=True,
              help="Treat numbers as equal up to this relative difference.")  # fmt: skip
@PROCESSES
@click.option("--json", "as_json", is_flag=True, help="Print JSON and no progress.")
def reproduce(
    version: str, output: Path | None, tolerance: float, parallel: int | None, as_json: bool
) -> None:
    """Make a version again, and compare every artifact.

    VERSION is its number. The exit status is 1 if an artifact differs or cannot be made.
    """
    stopping.listen(keyboard=True)
    if output and output.is_dir() and any(output.iterdir()):
        raise click.UsageError(f"-o: expected an empty or new folder, got {output}")
    settings = here.settings()

    from ninesteps.registry import access
    from ninesteps.runs.reproducing import rerun
    from ninesteps.runs.reproducing.result import as_json as content
    from ninesteps.terminal import reproduction
    from ninesteps.terminal.events import Silent
    from ninesteps.terminal.run import Progress

    number = access.number(version)
    here.check_has_run()
    access.on_this_machine(here.local(), settings, read_only=True).find(number)
    progress: Observer = Silent() if as_json else Progress(settings)
    options = rerun.Options(output, tolerance, parallel)
    made = rerun.reproduce(here.root(), here.local(), settings, number, options, progress)
    text = json.dumps(content(made), indent=2)
    if output:
        (output / RESULT).write_text(f"{text}\n", encoding="utf-8")
    if as_json:
        click.echo(text)
    else:
        reproduction.show(made)
    if not made.is_proven:
        sys.exit(FAILED)


@commands.command(context_settings={"ignore_unknown_options": True})
@click.argument("version", required=False, shell_complete=completing.versions)
@click.option("--of", "what", metavar="THING",
              help="List the versions that were made from this.")  # fmt: skip
@HERE_OR_IN_AN_ACCOUNT
@AS_JSON
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@click.option("--openlineage", is_flag=True, help="Print OpenLineage events, one per line.")
def lineage(
    version: str | None,
    what: str | None,
    name: str | None,
    as_json: bool,
    mermaid: bool,
    openlineage: bool,
) -> None:
    """Show where a version came from and how it was used.

    VERSION is its number. THING is a file such as a raw table, a feature group, a commit, a
    SHA-256 or an S3 URI; hashes may be shortened. With --env it is a job's S3 URI, an image or the
    ARN of a model package, and the answer comes from SageMaker's lineage.
    """
    if as_json + mermaid + openlineage > 1:
        raise click.UsageError("expected --json, --mermaid or --openlineage, got several")
    if (version is None) == (what is None):
        given = "neither" if version is None else "both"
        raise click.UsageError(f"expected VERSION or --of THING, got {given}")
    if what is not None:
        if mermaid or openlineage:
            raise click.UsageError(
                "--of: expected --json or no format, because --mermaid and --openlineage are of "
                "a whole graph"
            )
        _versions(what, name, as_json)
        return

    graph, start = _of_version(str(version), name)
    if mermaid:
        from ninesteps.lineage.mermaid import mermaid as chart

        click.echo(chart(graph), nl=False)
    elif openlineage:
        from ninesteps.lineage.openlineage import lines

        for line in lines(graph):
            click.echo(line)
    elif as_json:
        from ninesteps.lineage.graph import as_json as content

        click.echo(json.dumps(content(graph), indent=2))
    else:
        from ninesteps.lineage.tree import tree

        for line in tree(graph, start):
            click.echo(line)


def _of_version(version: str, name: str | None) -> tuple[Graph, str]:
    """The lineage graph of a version, here or in an environment's account, and its id in it."""
    from ninesteps.lineage import entities, local
    from ninesteps.registry import access

    settings, number = here.settings(), access.number(version)
    if name is None:
        here.check_has_run()
        graph = local.graph_of_version(here.local(), settings, number)
        return graph, entities.package_id(settings.model_package_group, number)

    from ninesteps.infrastructure.account import one_sentence
    from ninesteps.lineage import account
    from ninesteps.registry.registry import Approvals

    environment = settings.account_environment(name)
    with one_sentence():
        registry = access.account_registry(settings, name)
        features = settings.features_of(environment)
        found = Approvals(registry, access.expected(settings)).find(number)
        return account.graph_of_version(account.client(registry.session), registry, found, features)


def _versions(what: str, name: str | None, as_json: bool) -> None:
    """List the versions that were made from something."""
    from ninesteps.lineage import forward
    from ninesteps.terminal import lineage as view

    if name is None:
        from ninesteps.lineage import local

        here.check_has_run()
        graph = local.whole_graph(here.local(), here.settings().model_package_group)
        entities = forward.found(graph, what, Path.cwd())
    else:
        graph, entities = _came_of(what, name)
    versions = forward.uses(graph, entities)
    if as_json:
        click.echo(json.dumps(view.uses_as_json(what, entities, versions), indent=2))
    else:
        view.uses(what, entities, versions)


def _came_of(uri: str, name: str) -> tuple[Graph, list[Entity]]:
    """What an S3 URI or image was used for, from the lineage of an environment's account."""
    from ninesteps.infrastructure import account as accounts
    from ninesteps.lineage import account

    environment = here.settings().account_environment(name)
    with accounts.one_sentence():
        return account.versions_of(account.client(accounts.session(environment)), uri)
