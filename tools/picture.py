"""Draws what a run prints, for the README: `python tools/picture.py` writes docs/run.svg."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "run.svg"


def main() -> None:
    """Render churn, run it, and draw the end of what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        repository = cookiecutter(str(ROOT), no_input=True, output_dir=folder)
        printed = subprocess.run(
            [sys.executable, "-m", "cli", "run"],
            cwd=repository,
            env={"PATH": "", "FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm-256color"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    console = Console(record=True, width=80, file=io.StringIO())
    head, _, tail = printed.partition("Executing")
    console.print(Text.from_ansi("$ pipeline run\n" + head.rstrip()))
    console.print(Text.from_ansi(tail[tail.index("\n\n") :].rstrip()))
    svg = console.export_svg(title="pipeline run", unique_id="run")
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
