"""Does what `pipeline run` does before the engine: ingest, compile, put the steps' code.

    python prepare.py REPOSITORY ROOT DATA JOB.json

Writes the job for `run_definition.py`, with what the ingest took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

AT_ONCE = 2


def main(repository: str, root: str, data: str, job_file: str) -> None:
    """Prepare a root in which the definition can run, as often as it is copied."""
    from ninesteps.feature_store.ingest import ingest, tables
    from ninesteps.settings import loading as pipeline_settings

    settings = pipeline_settings.load(Path(repository))
    environment = settings.environment()
    start = time.perf_counter()
    ingested = ingest(Path(data), settings, environment, Path(root) / "s3")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024  # the one counts bytes, Linux kilobytes

    from ninesteps.local.engine import Engine
    from ninesteps.runs import compiled
    from ninesteps.runs.run import preload
    from ninesteps.step_code import bundle as step_code

    definition = Path(job_file).with_suffix(".definition.json")
    definition.write_text(compiled.definition(settings, environment), encoding="utf-8")
    engine = Engine(Path(root), {}, AT_ONCE)
    for uri, content in step_code.code_objects(settings, environment).items():
        engine.storage.write(uri, content)
    imported = preload(settings)
    features = settings.features_of(environment)
    job = {
        "root": root,
        "definition": str(definition),
        "pipeline": settings.project.pipeline,
        "given": {"AsOf": ingested.latest},
        "catalog": [[*table, uri] for table, uri in tables(features, ingested).items()],
        "parallel": AT_ONCE,
        "preload": [imported.modules, {n: str(file) for n, file in imported.through.items()}],
        "ingest": {"seconds": seconds, "peak_bytes": peak},
    }
    Path(job_file).write_text(json.dumps(job), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
