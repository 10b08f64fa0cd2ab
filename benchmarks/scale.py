"""A growing table through all nine steps: seconds and peak memory of each, and how they grow."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from noop import HERE
from real import copy_of_the_template
from results import LIBRARY, ROOT, Scale, StepCost
from timing import seconds_of

SIZES = (10_000, 100_000, 1_000_000)
NO_JOB = 0.1  # seconds: a step that is quicker has no job, and nothing that could grow


def scale(folder: Path, sizes: Sequence[int]) -> Scale:
    """Every step's cost by the number of rows, with all trials, once each."""
    costs = [_costs(Path(tempfile.mkdtemp(dir=folder)), rows) for rows in sizes]
    jobs = [name for name, cost in costs[-1].items() if cost.seconds > NO_JOB]
    return Scale(list(sizes), {name: [one[name] for one in costs] for name in jobs})


def _costs(folder: Path, rows: int) -> dict[str, StepCost]:
    print(f"{rows:,} rows", flush=True)
    data, job, costs = folder / "churn.csv", folder / "job.json", folder / "costs.json"
    seconds_of([sys.executable, ROOT / "samples" / "churn.py", "--rows", str(rows), "-o", data])
    repository = copy_of_the_template(folder)
    root = folder / "root"
    seconds_of([sys.executable, HERE / "prepare.py", repository, root, data, job])
    seconds_of([sys.executable, HERE / "run_definition.py", job, costs])
    ingest = json.loads(job.read_text(encoding="utf-8"))["ingest"]
    steps = json.loads(costs.read_text(encoding="utf-8"))
    seconds_of([sys.executable, HERE / "boosting.py", repository, root, costs])
    alone = {LIBRARY: json.loads(costs.read_text(encoding="utf-8"))}
    return {name: StepCost(**cost) for name, cost in {"ingest": ingest, **steps, **alone}.items()}
