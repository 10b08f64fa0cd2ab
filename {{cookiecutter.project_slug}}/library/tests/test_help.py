"""What `pipeline --help` and the help of each command say."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ninesteps.cli import main
from ninesteps.cli.help import EXAMPLES, GROUPS
from ninesteps.version import VERSION

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


def help_of(*words: str) -> str:
    return CliRunner().invoke(main.main, [*words, "--help"], terminal_width=80).output


def test_every_command_is_in_one_group_with_a_line_that_is_whole_at_80_columns() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(COMMANDS)
    lines = [line for line in help_of().splitlines() if line.split()[:1] and line[:3].strip()]
    listed = {line.split()[0]: line for line in lines}
    for name in COMMANDS:
        assert listed[name].endswith(".") and not listed[name].endswith("..."), name


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_no_line_of_a_help_is_wider_than_80_columns(name: str) -> None:
    assert [line for line in help_of(*filter(None, [name])).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_command_are_commands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipelines").mkdir()  # of `fleet`, the one command that refuses a missing folder itself
    shown = " ".join(help_of(name).partition("Examples:")[2].split())
    assert EXAMPLES[name]
    for line, about in EXAMPLES[name]:
        assert line in shown and about in shown
        command, _, _ = line.removeprefix('eval "$(').removesuffix(')"').partition(" > ")
        program, *words = shlex.split(command)
        assert (program, words[0]) == ("pipeline", name)
        COMMANDS[name].make_context(name, words[1:])


def test_the_version_is_that_of_the_library() -> None:
    assert CliRunner().invoke(main.main, ["--version"]).output == f"ninesteps {VERSION}\n"


def test_without_a_command_there_is_help_and_a_misspelt_one_is_guessed() -> None:
    assert CliRunner().invoke(main.main, []).output == help_of()
    said = CliRunner().invoke(main.main, ["regster"])
    assert said.exit_code == 2 and "Did you mean 'registry'?" in said.stderr


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
