"""The nine steps on churn's sample: beside one process doing the same work, and done twice."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from noop import GENERATED, HERE
from results import OURS, Comparison
from timing import Timed, interleaved, seconds_of

ONE_PROCESS = "one process, the same work"
IMPORTS = "import of the command line's libraries"
LIBRARIES = "click, json, rich.console, rich.live, rich.markup, rich.table, sqlite3, tomllib"
"""What `cli.main`, and what it imports before a step runs, take from elsewhere."""


def steps(folder: Path, repetitions: int) -> Comparison:
    """The nine steps from the offline store to the registered version, compiled before.

    One process does the same: the same query, the steps' own `main` functions in turn on the same
    files, the trials' archives packed alike, and the same trials, whose hyperparameters come from
    what the engine has trained. It imports every library once, searches and records nothing, and
    uses one core; the engine uses two. Its variables are those of a step: some change what a
    library comes to in the last digit.
    """
    from ninesteps.local.processes import job_environment

    own = Path(tempfile.mkdtemp(dir=folder))
    repository = copy_of_the_template(own)
    job = own / "job.json"
    data = repository / "data" / "churn.csv"
    root = own / "root"
    seconds_of([sys.executable, HERE / "prepare.py", repository, own / "prepared", data, job])
    content = json.loads(job.read_text(encoding="utf-8"))
    job.write_text(json.dumps({**content, "root": str(root)}), encoding="utf-8")

    def engine() -> float:
        shutil.rmtree(root, ignore_errors=True)  # nothing can be taken over from an earlier run
        shutil.copytree(own / "prepared", root)
        return seconds_of([sys.executable, HERE / "run_definition.py", job])

    def one_process() -> float:
        shutil.rmtree(own / "one", ignore_errors=True)
        return seconds_of(
            [sys.executable, HERE / "one_process.py", repository, job, own / "one"],
            environment={**job_environment(None), "PYTHONPATH": os.environ["PYTHONPATH"]},
        )

    measured = interleaved({OURS: engine, ONE_PROCESS: one_process}, repetitions)
    title = "The nine steps on churn's sample"
    return Comparison(title, measured, ONE_PROCESS, 0.8, cpu_limit=1.3)


def again(folder: Path, repetitions: int) -> Comparison:
    """`pipeline run`, where nothing has changed since the last one."""
    repository = copy_of_the_template(Path(tempfile.mkdtemp(dir=folder)))
    command = [sys.executable, "-m", "ninesteps.cli", "run"]
    seconds_of(command, repository)

    def imports() -> float:
        return seconds_of([sys.executable, "-c", f"import {LIBRARIES}"])

    timed: dict[str, Timed] = {OURS: lambda: seconds_of(command, repository), IMPORTS: imports}
    title = "`pipeline run` again, nothing changed"
    return Comparison(title, interleaved(timed, repetitions), IMPORTS, 3)


def copy_of_the_template(folder: Path) -> Path:
    """A repository of the churn scenario: the template's folder runs as it stands."""
    left_out = shutil.ignore_patterns(".local", "__pycache__", "scenarios", "library", "tests")
    return Path(shutil.copytree(GENERATED, folder / "repository", ignore=left_out))
