"""What `pipeline --help` and the help of each command say."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ninesteps.cli import main

COMMANDS = main.main.commands
LISTINGS = (
    "runs", "show", "registry", "fleet", "status", "cost", "record", "endpoint", "audit", "lineage",
    "diff",
)  # fmt: skip


def options() -> Iterator[tuple[str, click.Option]]:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


def test_no_line_of_the_list_of_commands_is_cut_at_80_columns() -> None:
    shown = CliRunner().invoke(main.main, ["--help"], terminal_width=80).output
    lines = [
        line for line in shown.splitlines() if line.split()[:1] and line.split()[0] in COMMANDS
    ]
    assert len(lines) == len(COMMANDS)
    assert [line for line in lines if not line.endswith(".") or line.endswith("...")] == []


def test_every_help_stands_by_itself_and_is_a_sentence() -> None:
    wrong = [
        (name, option.name)
        for name, option in options()
        if not option.help or not option.help[0].isupper() or not option.help.endswith((".", ")"))
    ]
    assert wrong == []


def test_an_environment_is_asked_for_in_one_way() -> None:
    assert {(o.metavar, *o.opts) for _, o in options() if "--env" in o.opts} == {("NAME", "--env")}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_comes_as_json_too(name: str) -> None:
    assert "--json" in {text for of, option in options() if of == name for text in option.opts}
