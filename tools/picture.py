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
LIBRARY = ROOT / "{{cookiecutter.project_slug}}" / "library" / "src"
PICTURE = ROOT / "docs" / "run.svg"
WIDTH = 100  # columns: a terminal's 80, and room for the paths


def main() -> None:
    """Render churn, run it, and draw the end of what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        repository = cookiecutter(str(ROOT), no_input=True, output_dir=folder)
        printed = subprocess.run(
            [sys.executable, "-m", "ninesteps.cli", "run"],
            cwd=repository,
            env={
                "PATH": "",
                "PYTHONPATH": str(LIBRARY),
                "FORCE_COLOR": "1",
                "COLUMNS": "80",
                "TERM": "xterm-256color",
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    lines = printed.splitlines()
    tables = [n for n, line in enumerate(lines) if "state" in line and "seconds" in line]
    console.print(Text.from_ansi("\n".join(["$ pipeline run", *lines[: tables[0]], ""])))
    console.print(Text.from_ansi("\n".join(lines[tables[-1] :])))
    svg = console.export_svg(title="pipeline run", unique_id="run")
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
