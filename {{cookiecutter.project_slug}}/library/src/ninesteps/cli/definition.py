"""`pipeline compile` and `check`: the definition, and all checks that need no account."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands, refuse
from ninesteps.nearest import did_you_mean
from ninesteps.settings import regions
from ninesteps.settings.deploy import shift
from ninesteps.settings.environment import LOCAL_ENVIRONMENT
from ninesteps.settings.names import stored_feature_name
from ninesteps.settings.settings import Settings

SAMPLE = 50_000
"""How many rows `pipeline check` reads of a large table, from its beginning."""

MOST_FOUND = 8
"""How many kinds of odd values in a table `pipeline check` lists."""

SHOWN = 5
"""How many features without a meaning `pipeline check` lists."""


@commands.command("compile")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of stdout.",
)
@click.option("--env", "environment", default=LOCAL_ENVIRONMENT, metavar="NAME",
              shell_complete=completing.environments,
              help="Compile for this [environments.NAME] instead of this machine.")  # fmt: skip
def compile_(output: Path | None, environment: str) -> None:
    """Write the pipeline definition.

    It needs no account and no network. The same settings give the same bytes.
    """
    from ninesteps.runs import compiled

    settings = here.settings_with_table()
    chosen = settings.environment(environment)
    text = compiled.definition(settings, chosen)
    if chosen.name != LOCAL_ENVIRONMENT and not chosen.kms_key_arn:
        here.show_notice(
            f"[environments.{chosen.name}] has no kms_key_arn: this definition has no key; "
            "`pipeline publish` fills in the key that the stack created"
        )
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8", newline="\n")


@commands.command()
@click.option(
    "--no-cache", is_flag=True, help="Check everything, even files that have not changed."
)
@click.option("--env", "name", metavar="NAME", shell_complete=completing.environments,
              help="Also compare with the quotas of this [environments.NAME].")  # fmt: skip
def check(no_cache: bool, name: str | None) -> None:
    """Check the settings, the definition and the infrastructure.

    It needs no account. It also shows when the schedule starts the pipeline next.
    """
    from ninesteps.repository import template_files
    from ninesteps.runs.checked import CheckCache

    refuse(template_files.unfinished(here.root()))  # before the settings, which may be unfinished
    settings = here.settings_with_table()
    table = here.root() / settings.data.file
    is_here = table.is_file()
    cache = CheckCache.load(here.root(), here.local(), settings, table if is_here else None)
    if no_cache:
        cache.lines.clear()
    cache.report("features", lambda: _check_features(settings), click.echo)
    if is_here:
        cache.report("table", lambda: _check_table(settings, table), click.echo)
    else:
        click.echo(f"table       {settings.data.file} is not on this machine: not checked")
    cache.report("definition", lambda: _check_definition(settings), click.echo)
    _check_repository(settings)
    cache.report("stack", lambda: _check_infrastructure(settings), click.echo)
    cache.save()
    click.echo(f"rollout     {shift(settings.deploy)}")
    cadence = settings.cadence
    click.echo(f"schedule    {cadence.text}: {cadence.expression or 'none, started by hand'}")
    for firing in cadence.next(datetime.now(tz=UTC)):
        click.echo(f"            {firing:%a %Y-%m-%d %H:%M %Z}")
    if name is not None:
        _check_quotas(settings, name)


def _check_features(settings: Settings) -> str:
    """Refuse features that cannot be loaded."""
    from ninesteps.repository import modules

    modules.features(here.root())
    valid = f"settings    pipeline.toml is valid; the gate is {settings.full_gate}"
    if not settings.has_champion:
        return valid
    compares, none_serves = "the gate compares", "these comparisons pass"
    if settings.is_language_model:
        compares, none_serves = "replies are compared", "with those of the base"
    return (
        f"{valid}\n"
        f"champion    {compares} with the version that serves: ChampionModel is its\n"
        "            archive, which `pipeline run`, `start` and the schedule fill in; where\n"
        f"            none serves, {none_serves}"
    )


def _check_table(settings: Settings, file: Path) -> str:
    """Refuse a table that a run would refuse, and features that cannot be made of its rows.

    Only the first rows of a large table are read. A problem of all rows or of a share of them is
    then a warning, because the other rows may differ.
    """
    from ninesteps.feature_store import doubts
    from ninesteps.feature_store.raw_table import read_raw_table
    from ninesteps.feature_store.split_sizes import check_split_sizes, rows_by_class
    from ninesteps.feature_store.write import try_features
    from ninesteps.report import run_warnings
    from ninesteps.runs.checked import LARGE

    most = SAMPLE if file.stat().st_size > LARGE else None
    table = read_raw_table(file, settings, most_rows=most)
    is_whole = most is None or table.read < most
    if is_whole:
        check_split_sizes(rows_by_class(table.labels, settings), settings, file)
    features = try_features(table, settings)
    lines = [
        f"{settings.data.file}: {table.kept:,} rows of {table.read:,}",
        *textwrap.wrap(_odd(table.found), 66, break_on_hyphens=False),
    ]
    if not is_whole:
        lines.append(f"a sample: the first {table.read:,} rows; a run reads all")
    told = [
        *(f"in the sample: {doubt}" for doubt in table.doubts),
        *run_warnings.of_protected(
            doubts.protected_columns(table, settings), settings.model.protected
        ),
        *run_warnings.of_rows_left_out(table.read, table.left_out),
    ]
    groups = settings.features.groups.items()
    names = [*features, *(f"{name}_{column}" for name, of in groups for column in of.columns)]
    refuse(_unknown_exclusions(settings, names))
    meanings = _check_dictionary(settings, names)
    return "\n".join([*_labelled("table", lines), *meanings, *_warning_lines(told)])


def _odd(found: Mapping[str, int]) -> str:
    """Odd values in a table's rows, the most frequent first, at most a few kinds."""
    most = sorted(found.items(), key=lambda item: -item[1])
    more = len(most) - MOST_FOUND
    each = [f"{count:,} {what}" for what, count in most[:MOST_FOUND]]
    return "; ".join([*each, f"{more} more"] if more > 0 else each)


def _labelled(label: str, lines: list[str]) -> list[str]:
    """Lines, the first with a label."""
    return [f"{'' if number else label:<12}{line}" for number, line in enumerate(lines)]


def _warning_lines(warnings: list[str]) -> list[str]:
    """Warnings, wrapped and each with its label."""
    return [
        line
        for sentence in warnings
        for line in _labelled("warning", textwrap.wrap(sentence, 66, break_on_hyphens=False))
    ]


def _unknown_exclusions(settings: Settings, features: list[str]) -> list[str]:
    """A sentence on each name of `[model] exclude` that is no column and no feature.

    With a misspelt one the model would see what it is not meant to see.
    """
    columns, stored = settings.data.columns, set(map(stored_feature_name, features))
    return [
        "pipeline.toml [model] exclude: expected a column of [data.columns] or a feature that "
        f"feature_store/features.py gives, got {name!r}{did_you_mean(name, (*columns, *features))}"
        for name in settings.model.exclude
        if name not in columns and stored_feature_name(name) not in stored
    ]


def _check_dictionary(settings: Settings, names: list[str]) -> list[str]:
    """Refuse a meaning of an unknown feature; list the features that have none."""
    from ninesteps.report.dictionary import Dictionary
    from ninesteps.report.formatting import count

    dictionary = Dictionary.of(settings)
    refuse(dictionary.unknown(names))
    missing = dictionary.without_meaning(names)
    found = count(len(names), "feature")
    if not missing:
        return [f"features    {found}; all have a meaning in pipeline.toml"]
    listed = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
    said = f"{found}; {len(missing)} without a meaning in pipeline.toml: {listed}"
    return _labelled("features", textwrap.wrap(said, 66, break_on_hyphens=False))


def _check_definition(settings: Settings) -> str:
    """Refuse a definition that does not compile, or that AWS would refuse."""
    from ninesteps.definition.definition import read_definition
    from ninesteps.validation.repository import definition_violations

    text = here.definition(settings)
    steps = read_definition(text).steps
    refuse(definition_violations(settings, text))
    return f"definition  compiles: {len(steps)} steps; no problems found"


def _check_infrastructure(settings: Settings) -> str:
    """Refuse roles that allow more than the table of permissions, and unusable environments."""
    from ninesteps.infrastructure import stacks

    for name in settings.environments:
        settings.account_environment(name)
    templates, text = stacks.read(settings.root), here.definition(settings)
    refuse(stacks.violations(templates, settings, settings.environment(), text))
    known = len(settings.environments)
    lines = [f"stack       its roles match the table of permissions; environments: {known}"]
    lines.append(
        _images(settings, [uri.rpartition("/")[2] for uri in stacks.images(json.loads(text))])
    )
    if inside := [name for name, e in settings.environments.items() if e.subnets]:
        reached = ", ".join(stacks.endpoints(settings, settings.environment(), json.loads(text)))
        lines.append(f"network     the subnets of {', '.join(inside)} need VPC endpoints for")
        wrapped = textwrap.wrap(f"{reached}, or another way out", 68, break_on_hyphens=False)
        lines += [f"{'':<12}{line}" for line in wrapped]
    return "\n".join(lines)


def _images(settings: Settings, names: list[str]) -> str:
    """The images of the steps, and where they are."""
    number = sum(map(len, regions.REGIONS.values()))
    if settings.is_language_model:
        number -= len(regions.WITHOUT_HUGGING_FACE)
    where = f"in {number} regions, among them {_regions_used(settings)}"
    if len(names) == 1:
        return f"image       {names[0]} is {where}"
    listed = f"\n{'':<12}".join(names)
    return f"images      {listed}\n{'':<12}are {where}"


def _regions_used(settings: Settings) -> str:
    """The regions in the settings, each once, with the setting that names it."""
    where = {settings.aws.region: ["[aws]"]}
    for name, environment in settings.environments.items():
        where.setdefault(environment.region, []).append(name)
    return ", ".join(f"{region} ({', '.join(names)})" for region, names in where.items())


def _check_repository(settings: Settings) -> None:
    """Refuse faulty files; list the template's files that were changed."""
    from ninesteps.repository import template_files
    from ninesteps.step_code import bundle
    from ninesteps.step_code.own_code import own_code
    from ninesteps.validation.repository import contradictions
    from ninesteps.version import VERSION

    refuse(contradictions(here.root(), settings))
    changed = template_files.changed(here.root())
    warning = ": updates of these files will conflict" if changed else ""
    click.echo(f"template    {len(changed)} of its files were changed here{warning}")
    for name in changed:
        click.echo(f"            {name}")
    overridden = bundle.overridden(here.root())
    click.echo(f"library     {VERSION}; modules overridden here: {len(overridden)}")
    for name, digest in overridden.items():
        state = "unchanged" if bundle.is_the_librarys(name, digest) else "changed"
        click.echo(f"            {name}  {digest[:16]}  {state}")
    own = {n: digest for n, digest in own_code(here.root()).items() if n not in overridden}
    click.echo(f"code        the team's own scripts in the pipeline: {len(own)}")
    for name, digest in own.items():
        click.echo(f"            {name}  {digest[:16]}")


def _check_quotas(settings: Settings, name: str) -> None:
    """Show the instances needed at once; compare them with the account's quotas if asked to."""
    from ninesteps.errors import AccountError
    from ninesteps.infrastructure import account, instances, quotas

    environment = settings.account_environment(name)
    needs = instances.needs(json.loads(here.definition(settings, environment)), settings)
    known, why_not = {}, ""
    try:
        with account.one_sentence():
            known = quotas.by_name(account.session(environment))
    except AccountError as error:
        why_not = str(error)
    click.echo("instances   needed at once, by an execution and a rollout at the same time:")
    for need in needs:
        click.echo(f"            {need.count} {need.instance_type}, {need.use}: {need.why}")
    if why_not:
        click.echo(f"quotas      not compared: {why_not}")
        return
    where = f"{environment.region} of account {environment.account}"
    click.echo(f"quotas      what is needed, and what {where} has:")
    for quota, count in quotas.asked(needs).items():
        has = f"{known[quota]:g}" if quota in known else "not listed"
        click.echo(f"            {count:>3}  {has:>10}  {quota}")
    refuse(quotas.too_small(needs, known, environment))
