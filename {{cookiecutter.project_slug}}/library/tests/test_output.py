"""What a command prints, whatever it is printed to; and how each error ends a command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ninesteps.cli import here, main
from ninesteps.cli.commands import commands, end
from ninesteps.cli.options import AS_EVENTS
from ninesteps.errors import NineStepsError, RawTableError, SettingsError, StepError
from ninesteps.feature_store.reading.table_file import open_table
from ninesteps.plain_text import plain
from ninesteps.repository import root
from ninesteps.terminal import lines, output
from ninesteps.terminal.console import Console

WICKED = "a\x1b[31mb\x1b]0;title\x07c\rd\x9be\u202ef\u2028g\x7fh\0i"
OBEYED = set("\x1b\x07\r\x9b\u202e\u2028\x7f\0")


def test_what_a_terminal_would_obey_is_shown_as_its_code() -> None:
    assert plain("a\x1b[31mb\u202e\r\n\tc") == r"a\u001b[31mb\u202e\u000d" + "\n\tc"
    assert plain("é 客户 🎉 שלום") == "é 客户 🎉 שלום"
    assert OBEYED.isdisjoint(plain(WICKED))


def test_json_that_was_made_plain_says_the_same() -> None:
    text = json.dumps({WICKED: WICKED}, ensure_ascii=False)
    assert OBEYED.isdisjoint(plain(text))
    assert json.loads(plain(text)) == {WICKED: WICKED}


def test_a_console_keeps_its_own_colours_and_shows_those_of_others() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system="standard", width=120)
    table = Table("name")
    table.add_row(f"[red]{WICKED}[/]")
    console.print(table)
    console.print(Text(WICKED))
    console.print("[red]ours[/]")
    printed = file.getvalue()
    assert r"a\u001b[31mb\u001b]0;title" in printed
    assert "\x1b[31mours\x1b[0m" in printed
    assert not (OBEYED - {"\x1b"}) & set(printed)


def test_a_picture_that_is_drawn_again_moves_a_terminal_and_what_others_print_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    with output.plain_streams():
        console = Console(force_terminal=True, color_system="standard", width=80)
        with Live(console=console, auto_refresh=False) as live:
            for text in ("one", WICKED):
                live.update(Group("[red]ours[/]", Text(text)), refresh=True)
            print(WICKED)  # noqa: T201  # as others do
    drawn = terminal.getvalue()
    assert "\x1b[31mours" in drawn and "\x1b[1A" in drawn and r"\u001b[1A" not in drawn
    assert r"a\u001b[31mb" in drawn and not (OBEYED - {"\x1b", "\r"}) & set(drawn)


def ended(error: BaseException | None = None, printed: str = "") -> Result:
    """A command that prints something and raises an error."""

    @click.group(cls=type(commands))
    def group() -> None:
        pass

    @group.command()
    def probe() -> None:
        print(printed)  # noqa: T201  # as others do
        click.echo(printed)
        click.echo(printed, err=True)
        if error:
            raise error

    return CliRunner().invoke(group, ["probe"])


def test_all_that_a_command_prints_is_plain() -> None:
    done = ended(NineStepsError(WICKED), WICKED)
    assert OBEYED.isdisjoint(done.output)
    assert done.stdout.count(r"e\u202ef") == done.stderr.count(r"e\u202ef") == 2


def test_a_misspelt_option_is_quoted_plainly() -> None:
    done = CliRunner().invoke(commands, [f"--{WICKED}"])
    assert done.exit_code == 2
    assert OBEYED.isdisjoint(done.output)


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (NineStepsError("pipeline.toml: expected a, got b"), 2, "pipeline.toml: expected a, got b"),
        (StepError("it failed"), 1, "it failed"),
        (KeyboardInterrupt(), 130, "stopped"),
        (MemoryError(), 1, "this machine does not have enough memory for it"),
        (PermissionError(13, "Permission denied", "a.csv"), 1, "a.csv: Permission denied"),
        (PermissionError(13, "Permission denied", b"a\xff"), 1, "a\\udcff: Permission denied"),
        (OSError("of no number"), 1, "of no number"),
    ],
)
def test_an_error_ends_a_command_with_a_sentence(
    error: BaseException, status: int, sentence: str
) -> None:
    done = ended(error)
    assert (done.exit_code, done.stderr.strip()) == (status, f"pipeline: {sentence}")


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError("deep"), ValueError("two\nlines"), RuntimeError()]
)
def test_an_unexpected_error_is_one_sentence_with_the_place_of_its_traceback(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = ended(error)
    (file,) = tmp_path.iterdir()
    assert done.exit_code == 1
    assert done.stderr.strip().splitlines() == [done.stderr.strip()]
    assert done.stderr.startswith(
        f"\npipeline: unexpected error, please report it: {type(error).__name__}"
    )
    assert str(file) in done.stderr
    assert "in probe\n    raise error" in file.read_text(encoding="utf-8")


def failing(*words: str, error: BaseException | None = None) -> Result:
    """A command that prints events, and then fails."""

    @click.group(cls=type(commands))
    def group() -> None:
        pass

    @group.command()
    @click.option("--number", type=int)
    @AS_EVENTS
    def probe(number: int | None, as_json: bool) -> None:
        if error:
            raise error
        if as_json:
            click.echo('{"event": "ended"}')
        end(1, f"step {number} failed", is_shown=True, run="abc")

    return CliRunner().invoke(group, ["probe", *words])


def test_an_error_is_the_last_event_where_events_are_printed() -> None:
    done = failing("--json", "--number", "3")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"event": "ended"},
        {"event": "error", "status": 1, "message": "step 3 failed", "run": "abc"},
    ]
    assert (done.exit_code, done.stderr) == (1, "pipeline: step 3 failed\n")
    done = failing("--number", "3")
    assert (done.exit_code, done.output) == (1, ""), "a person has read it already"


@pytest.mark.parametrize(
    ("words", "error", "status", "sentence"),
    [
        ([], SettingsError("no", "gate", "none"), 2, "[gate] none: no"),
        ([], KeyboardInterrupt(), 130, "stopped"),
        ([], PermissionError(13, "Permission denied", "a.csv"), 1, "a.csv: Permission denied"),
        (["--nubmer", "1"], None, 2, "No such option '--nubmer'. Did you mean '--number'?"),
        (["--number", "x"], None, 2,
         "Invalid value for '--number': 'x' is not a valid integer."),
    ],
)  # fmt: skip
def test_whatever_the_error_is_a_program_reads_it_and_a_person_too(
    words: list[str], error: BaseException | None, status: int, sentence: str
) -> None:
    done = failing("--json", *words, error=error)
    event = json.loads(done.stdout)
    assert (done.exit_code, event["event"], event["status"]) == (status, "error", status)
    assert sentence in event["message"] and event["message"] in done.stderr
    done = failing(*words, error=error)
    assert (done.exit_code, done.stdout) == (status, "") and sentence in done.stderr


JSON_OF = {  # a command line for each command that prints JSON
    "ab-plan": [], "audit": ["1"], "bootstrap": ["--env", "prod"], "card": ["1"], "cost": [],
    "deploy": ["1"], "diff": ["1", "2"],
    "endpoint": [], "fleet": ["none"], "ingest": ["a.csv"], "lineage": ["1"],
    "publish": ["--env", "prod"], "record": ["1"], "registry": [], "reproduce": ["1"],
    "rollback": [], "run": [], "runs": [], "show": ["last"],
    "status": ["--env", "prod"], "trace": ["1"],
}  # fmt: skip


def test_stdout_is_json_or_empty_where_a_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here.root.cache_clear()
    printing = [name for name, command in main.main.commands.items()
                if any("--json" in parameter.opts for parameter in command.params)]  # fmt: skip
    assert sorted(JSON_OF) == sorted(printing)
    for name, words in JSON_OF.items():
        done = CliRunner().invoke(main.main, [name, *words, "--json"])
        assert done.exit_code == 2 and done.stderr, name
        if name in ("deploy", "rollback", "run"):
            assert json.loads(done.stdout)["event"] == "error", name
        else:
            assert done.stdout == "", name


PROBE = """
import sys
from ninesteps.cli.commands import commands
import click

@commands.command()
@click.argument("file")
def probe(file):
    from ninesteps.terminal.console import Console
    from rich.table import Table
    table = Table("客户")
    table.add_row("é \\udcff")
    for _ in range(2000):
        click.echo("客户 é \\udcff \\a")
    Console().print(table)
    print("客户")
    with open(file, "w") as opened:
        opened.write(str(opened.fileno()))

commands(["probe", sys.argv[1]], prog_name="pipeline")
"""


def printed_to(shell: str, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command above, its streams as a shell's words have them."""
    (tmp_path / "probe.py").write_text(PROBE, encoding="utf-8")
    source = Path(__file__).resolve().parents[1] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONIOENCODING": "", **variables}
    return subprocess.run(
        ["/bin/bash", "-c", f'set -o pipefail; "$0" probe.py "$PWD/file" {shell}', sys.executable],
        cwd=tmp_path, env=environment, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"\u5ba2\u6237 \u00e9 \udcff"), ("cp1252", r"\u5ba2\u6237 é \udcff"),
     ("utf-8", r"客户 é \udcff")],
)  # fmt: skip
def test_what_an_encoding_does_not_have_is_shown_as_its_code(
    tmp_path: Path, encoding: str, shown: str
) -> None:
    done = printed_to("", tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).startswith(rf"{shown} \u0007")


@pytest.mark.skipif(sys.platform == "win32", reason="bash and its streams")
@pytest.mark.parametrize(
    ("shell", "status", "said"),
    [
        ("| head -1 > /dev/null", 1, b""),
        ("2>&1 | head -1 > /dev/null", 1, b""),
        (">&-", 0, b""),
        (">&- 2>&- <&-", 0, b""),
        ("> /dev/full", 1, b"pipeline: output: No space left on device\n"),
        ("> /dev/full 2>&1", 1, b""),
    ],
)
def test_an_output_that_takes_nothing_ends_a_command_without_a_traceback(
    tmp_path: Path, shell: str, status: int, said: bytes
) -> None:
    if "/dev/full" in shell and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = printed_to(shell, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", said)
    if status == 0:  # no file stands in for a closed stream: what a child prints would go into it
        assert int((tmp_path / "file").read_text(encoding="utf-8")) > 2


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_path_that_is_no_text_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"not\xff")
    folder.mkdir()
    (folder / "pipeline.toml").touch()
    with pytest.raises(SettingsError, match=r"whose path is UTF-8, got '.*not\\udcff'"):
        root.find(folder)
    (folder / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(RawTableError, match=r"whose name is UTF-8, got '.*not\\udcff/a\.csv'"):
        open_table(folder / "a.csv")


def test_lines_are_broken_at_80_columns_for_a_person_and_whole_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = f"Versions\n  version 1: {'was tested ' * 9}\n  1. {'higher ' * 15}\n\ns3://{'a' * 90}"
    assert lines.at_terminal(text) == text
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    broken = lines.at_terminal(text).split("\n")
    assert [line for line in broken if len(line) > 80] == [f"s3://{'a' * 90}"]
    assert broken[0] == "Versions"
    assert broken[2].startswith("    was tested")
    assert broken[4].startswith("     higher")
    assert " ".join(" ".join(broken).split()) == " ".join(text.split())
