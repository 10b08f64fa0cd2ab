"""Runs a definition by the local engine, as a command: what `pipeline run` does once it compiled.

python run_definition.py JOB.json [COSTS.json]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(job_file: str, costs_file: str = "") -> None:
    """Run the job's definition, and write what each step took."""
    from ninesteps.local.processes import Preload, Processes

    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    modules, through = job["preload"]
    preload = Preload(tuple(modules), {name: Path(file) for name, file in through.items()})
    processes = Processes(job["parallel"], preload)
    processes.warm_up()  # while the rest is imported

    from ninesteps.definition.definition import read_definition
    from ninesteps.local.engine import Engine

    definition = read_definition(Path(job["definition"]).read_text(encoding="utf-8"))
    catalog = {(database, table): uri for database, table, uri in job["catalog"]}
    engine = Engine(Path(job["root"]), catalog, job["parallel"], processes)
    execution = engine.run(job["pipeline"], definition, job["given"])
    wrong = [run for run in execution.steps.values() if run.status != "Succeeded"]
    if wrong:
        sys.exit(f"{wrong[0].step.name} is {wrong[0].status}: {wrong[0].reason}")
    if costs_file:
        costs = {
            name: {"seconds": run.seconds, "peak_bytes": run.peak_bytes}
            for name, run in execution.steps.items()
        }
        Path(costs_file).write_text(json.dumps(costs), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
