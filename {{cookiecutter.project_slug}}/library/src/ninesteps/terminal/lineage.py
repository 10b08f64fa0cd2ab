"""Shows which versions were made from something."""

from __future__ import annotations

from typing import Any

import click

from ninesteps.lineage.forward import Use
from ninesteps.lineage.graph import Entity


def uses(what: str, entities: list[Entity], versions: list[Use]) -> None:
    """Show what was found and the versions, newest first."""
    first, more = entities[0], len(entities) - 1
    others = f" and {more} more" if more else ""
    click.echo(f"{what}: {first.role or first.type}, {first.name}{others}")
    if not versions:
        click.echo("no registered version was made from it")
    width = max((len(use.package.name) for use in versions), default=0)
    for use in versions:
        status = use.package.properties.get("status", "")
        click.echo(f"{use.package.name:<{width}}  {status:<21}  {use.says}")


def uses_as_json(what: str, entities: list[Entity], versions: list[Use]) -> dict[str, Any]:
    """The same as data."""
    return {
        "of": what,
        "entities": [entity.id for entity in entities],
        "versions": [
            {
                "package": use.package.id,
                "name": use.package.name,
                "status": use.package.properties.get("status", ""),
                "is_in_model": use.is_in_model,
            }
            for use in versions
        ],
    }
