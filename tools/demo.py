"""Renders the churn scenario into a fresh folder, installs it, and runs its nine steps.

What a user would type, in one command: `tox run -e demo`. The folder stays, to look around in.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Render, install, run; each with its seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to render; default: a new folder")
    parser.add_argument("--scenario", default="churn")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="sagemaker-pipelines-demo-"))
    answers = {"scenario": options.scenario}
    start = time.monotonic()
    repository = Path(
        cookiecutter(str(TEMPLATE), no_input=True, extra_context=answers, output_dir=str(folder))
    )
    say(f"rendered {repository} in {time.monotonic() - start:.1f} s")

    start = time.monotonic()
    python = install(repository)
    say(f"installed its locked dependencies in {time.monotonic() - start:.0f} s")

    start = time.monotonic()
    status = subprocess.run(
        [python, "-m", "ninesteps.cli", "run"], cwd=repository, check=False
    ).returncode
    say(f"`pipeline run` took {time.monotonic() - start:.0f} s; the repository is {repository}")
    sys.exit(status)


def install(repository: Path) -> Path:
    """Give the repository a virtual environment of its own, as its README says."""
    environment = repository / ".venv"
    base = getattr(sys, "_base_executable", sys.executable)
    uv(repository, "venv", "--quiet", "--python", base, str(environment))
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv(repository, "pip", "install", "--quiet", "--require-hashes", "--python", str(python),
       "-r", "requirements.lock")  # fmt: skip
    return python


def uv(repository: Path, *arguments: str) -> None:
    """Run uv, which the environment that runs this has."""
    subprocess.run([sys.executable, "-m", "uv", *arguments], cwd=repository, check=True)


def say(text: str) -> None:
    """A line of the demo's own, told from what the pipeline prints."""
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    main()
