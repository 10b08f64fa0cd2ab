"""Does what a page of the documentation says: its own commands, changes and files, in their order.

A block is ``console`` (run, each line of it must succeed, or end as its `# exit status N` says),
``text`` (what the block before it must have said: `...` stands for anything), ``diff`` (a change
that git applies), or a file, where the line above the block ends with its path in backticks.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import NO_NETWORK, ROOT

PLACEHOLDER = "path/to/cookiecutter-sagemaker-pipelines"
INSTALLS = ("pip install ", "python3 -m venv ")
"""What the tests' own environment has done, so that no test needs a network."""

COMMANDS = {
    "pipeline": ("-m", "ninesteps.cli"),
    "cookiecutter": ("-m", "cookiecutter"),
    "pytest": ("-m", "pytest", "-q", "-p", "no:cacheprovider"),
    "python": (),
}

INSTALLED = Path(__file__).parent / "installed.py"
"""Prints where the library of the repository is that the working directory is in."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([^`\n]+)`:\s*\Z")
_STATUS = re.compile(r"# exit status (\d+)\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block, and the file that it is, if it is one."""

    kind: str
    text: str
    file: str | None


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        named = _FILE.search(text[: found.start()])
        is_file = named and found[1] not in ("console", "diff", "text")
        yield Block(found[1], found[2], named[1] if named and is_file else None)


def hunks(block: Block) -> Iterator[tuple[str, str, str]]:
    """Of a diff: the file, the lines before and the lines after of each of its parts."""
    name = ""
    for part in re.split(r"^(?=\+\+\+ |@@ )", block.text, flags=re.MULTILINE):
        first, _, rest = part.partition("\n")
        if first.startswith("+++ "):
            name = first.removeprefix("+++ b/")
        elif first.startswith("@@ "):
            lines = re.sub(r"^--- a/.*\n", "", rest, flags=re.MULTILINE).splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] != "+")
            after = "".join(line[1:] for line in lines if line[0] != "-")
            yield name, before, after


def follow(page: Path, template: Path, begin: Path, commands: Path) -> list[str]:
    """Do what a page says, from a folder on; gives the command lines that were run.

    `template` is where a clone of the template is, `commands` a folder to put commands in.
    """
    here, said, done = begin, "", []
    for block in blocks(page):
        if block.file is not None:
            (here / block.file).write_text(block.text, encoding="utf-8", newline="\n")
        elif block.kind == "diff":
            apply(here, block.text)
        elif block.kind == "console":
            here, said = run(block.text.replace(PLACEHOLDER, str(template)), here, commands)
            done += [line for line in block.text.splitlines() if not line.startswith(INSTALLS)]
        elif block.kind == "text":
            assert fits(block.text, said), f"{page.name}: said was\n{said}\nnot\n{block.text}"
    return done


def apply(folder: Path, change: str) -> None:
    """Make a change that a page shows as a diff."""
    done = subprocess.run(
        ["git", "apply", "-"],
        cwd=folder, input=change, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stderr}\n{change}"


def run(script: str, folder: Path, commands: Path) -> tuple[Path, str]:
    """Run the lines of a block in one shell; gives where it ended, and what it said."""
    _write_commands(commands)
    lines = [line for line in script.splitlines() if not line.startswith(INSTALLS)]
    status = _STATUS.search(script)
    where = commands / "here"
    text = "\n".join(["trap 'pwd > \"$HERE\"' EXIT", "set -eu", *lines])
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEMAKER_"))},
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "PYTHONPATH": str(NO_NETWORK),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "80",
        "HOME": str(commands),
        "HERE": str(where),
    }
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == int(status[1] if status else 0), f"{script}\n{said}"
    return Path(where.read_text(encoding="utf-8").strip()), said


def fits(expected: str, said: str) -> bool:
    """Whether this was said: `...` stands for anything, spaces count as one."""
    lines = [" ".join(line.split()) for line in expected.splitlines()]
    pattern = r"\n".join(
        r"(?:.*\n)*?.*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*")
        for line in lines
    )
    read = "\n".join(" ".join(line.split()) for line in said.splitlines())
    return re.search(rf"^{pattern}$", read, re.MULTILINE) is not None


def _write_commands(folder: Path) -> None:
    """Commands as an installation has them: on the wheel of the repository that they run in."""
    for name, words in COMMANDS.items():
        file = folder / name
        command = " ".join(map(shlex.quote, [sys.executable, *words]))
        find = " ".join(map(shlex.quote, [sys.executable, str(INSTALLED)]))
        path = f'PYTHONPATH="$PYTHONPATH{os.pathsep}$({find})"'
        file.write_text(f'#!/bin/sh\n{path} exec {command} "$@"\n', encoding="utf-8")
        file.chmod(0o755)


def pages() -> list[str]:
    """The pages that tell a procedure from beginning to end."""
    return [
        "start",
        "approval",
        "audit",
        "chain",
        "compare",
        "lineage",
        "report",
        "reproduce",
        "trace",
        *sorted(path.stem for path in (ROOT / "docs").glob("add-a-*.md")),
    ]
