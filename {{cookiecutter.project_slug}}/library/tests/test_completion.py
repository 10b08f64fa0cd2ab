"""What a shell offers while a command is typed: from this repository's files, and quietly."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from ninesteps.cli import main
from ninesteps.local.state import State
from registered import register
from small_definitions import Bench

SETTINGS = Path(__file__).resolve().parents[2] / "pipeline.toml"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a run of three steps, two versions and two environments."""
    root = tmp_path_factory.mktemp("repository")
    text = SETTINGS.read_text(encoding="utf-8")
    for name in ("prod", "staging"):
        text += f'\n[environments.{name}]\naccount = "111122223333"\nregion = "eu-west-1"\n'
    (root / "pipeline.toml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        register(root / ".local", 1)
        register(root / ".local", 2)
        bench = Bench(root / ".local")
        bench.run(*(bench.processing(name, "pass") for name in ("Process", "Train", "Tell")))
    return root


@pytest.fixture
def inside(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(repository)
    return repository


def offered(line: str) -> list[str]:
    """What is offered for the last word of a line, which a blank at its end begins."""
    words = shlex.split(line)
    begun = "" if line.endswith(" ") else words.pop()
    completion = ShellComplete(main.main, {}, "pipeline", "_PIPELINE_COMPLETE")
    return [item.value for item in completion.get_completions(words, begun)]


def runs(repository: Path) -> list[str]:
    state = State(repository / ".local/state.db", read_only=True)
    return [kept.id for kept in state.executions()]


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("ru", ["run", "runs"]),
        ("logs last ", ["Process", "Train", "Tell"]),
        ("logs last T", ["Train", "Tell"]),
        ("run --only P", ["Process"]),
        ("start --steps Process,T", ["Process,Train", "Process,Tell"]),
        ("approve ", ["2", "1"]),
        ("registry 2 --against s", ["serving"]),
        ("registry --env ", ["prod", "staging"]),
        ("compile --env s", ["staging"]),
        ("eject metr", ["metrics.py"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("reject --env prod ", []),
        ("logs nothing ", []),
    ],
)
def test_what_can_be_meant_is_offered(line: str, values: list[str]) -> None:
    assert offered(line) == values


def test_runs_are_offered_the_newest_first(inside: Path) -> None:
    assert len(runs(inside)) == 3
    assert offered("show ") == ["last", *runs(inside)]
    assert offered("diff 1 ") == ["2", "1", "serving", "last", *runs(inside)]
    assert offered("report --env prod ") == ["serving", "last"]


@pytest.mark.parametrize("line", ["show ", "logs last ", "approve ", "run --set ", "card --env "])
def test_outside_of_a_repository_it_is_quiet(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [word for word in offered(line) if word != "last"] == []
    (tmp_path / "pipeline.toml").write_text("no [toml", encoding="utf-8")
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/state.db").write_bytes(b"no database")
    assert [word for word in offered(line) if word != "last"] == []
    assert capfd.readouterr() == ("", "")


HEAVY = ("boto3", "botocore", "duckdb", "numpy", "pandas", "pyarrow", "rich", "sagemaker")


def test_a_shell_gets_its_answer_and_nothing_heavy_is_imported(inside: Path) -> None:
    program = (
        "import os, sys\n"
        "from ninesteps.cli.main import main\n"
        "try: main(prog_name='pipeline')\n"
        f"finally: print([n for n in {HEAVY} if n in sys.modules], file=sys.stderr)\n"
    )
    for words, number, answer in (("show ", 2, "last"), ("logs last Tr", 3, "Train"),
                                  ("approve ", 2, "2")):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=inside, text=True, capture_output=True, check=True,
            env={"COMP_WORDS": f"pipeline {words}", "COMP_CWORD": str(number),
                 "_PIPELINE_COMPLETE": "bash_complete", "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.stdout.splitlines()[0] == f"plain,{answer}"
        assert done.stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str) -> None:
    script = CliRunner().invoke(main.main, ["completion", shell]).output
    assert f"_PIPELINE_COMPLETE={shell}_complete" in script and " pipeline" in script


def test_what_a_terminal_would_obey_is_offered_as_its_code(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inside / "other").mkdir(exist_ok=True)
    text = '[environments."a\\u001b[31m"]\n'
    (inside / "other/pipeline.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(inside / "other")
    assert offered("status --env ") == ["a\\u001b[31m"]
