"""A person's request among many: `python benchmarks/tracing.py [--ids 1000000] [--versions 50]`.

It makes a `.local` in which every version has a table and splits of its own, so that none shares an
index, traces one record twice and times both: the first trace reads every id, the second one has
the indexes. The versions have no archives, so no model is asked, which takes seconds whatever the
number of records. Six gigabytes are written for a million ids and fifty versions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from results import ROOT

SOURCE = ROOT / "{{cookiecutter.project_slug}}/library/src"
sys.path.insert(0, str(SOURCE))

from ninesteps.local.state import KeptStep, Record, State  # noqa: E402
from ninesteps.local.storage import Storage  # noqa: E402
from ninesteps.runs.record import offline_folder  # noqa: E402
from ninesteps.settings import loading  # noqa: E402
from ninesteps.settings.settings import Settings  # noqa: E402
from ninesteps.tracing.trace import Trace, trace  # noqa: E402

MOMENT = "2026-01-31T00:00:00.000Z"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Spent:
    """What something took."""

    seconds: float
    cpu: float  # the processors' seconds, which other work on the machine changes little


@dataclass(frozen=True)
class Measured:
    """What a trace took."""

    first: Spent  # in which all ids are read
    second: Spent
    index_bytes: int
    found: Trace


def measure(folder: Path, ids: int, versions: int) -> Measured:
    """Make the versions and trace a record of the middle."""
    settings = loading.load(ROOT / "{{cookiecutter.project_slug}}")
    local, names = folder / ".local", [f"c{n:07d}" for n in range(ids)]
    for version in range(versions):
        make(local, settings, names, version)
    identifier, spent = names[ids // 2], []
    for _ in range(2):
        began, cpu = time.perf_counter(), time.process_time()
        found = trace(local, settings, identifier)
        spent.append(Spent(time.perf_counter() - began, time.process_time() - cpu))
    size = sum(file.stat().st_size for file in (local / "trace").glob("*.ids"))
    first, second = spent
    return Measured(first, second, size, found)


def make(local: Path, settings: Settings, names: Sequence[str], version: int) -> None:
    """A version with a table and splits that no other has."""
    table = offline_folder(local, settings) / f"table{version:04d}"
    (table / "data").mkdir(parents=True)
    columns = {settings.stored_record_id: names, "event_time": [MOMENT] * len(names),
               "value": np.full(len(names), version)}  # fmt: skip
    pq.write_table(pa.table(columns), table / "data/1.parquet", row_group_size=250_000)
    uri = f"s3://bucket/{table.name}/data"
    (table / "ingested.json").write_text(json.dumps({"location": uri}), encoding="utf-8")

    chosen = np.random.default_rng(version).choice(3, len(names), p=(0.7, 0.15, 0.15))
    digests = {}
    for number, split in enumerate(SPLITS):
        own = [names[n] for n in np.flatnonzero(chosen == number)]
        lines = {f"Process/{split}/{split}.csv": f",{MOMENT},1,0,BOM,21,0.5,31.73,{version}\n"}
        if split == "test":
            lines["Transform/test.csv.out"] = f",1,0.{version + 1}\n"
        for end, line in lines.items():
            written, content = f"s3://bucket/run{version:04d}/{end}", line.join([*own, ""]).encode()
            Storage(local / "s3").write(written, content)
            digests[written] = hashlib.sha256(content).hexdigest()
    state, run = State(local / "state.db"), f"run{version:04d}"
    state.start_execution(run, "churn", {}, "{}", [])
    state.note_step(KeptStep(run, "P", "Processing", "Succeeded", 1, "", Record(digests=digests)))
    container = {"ModelDataUrl": f"s3://bucket/{run}/model.tar.gz"}
    request = {"InferenceSpecification": {"Containers": [container]}}
    state.register(settings.model_package_group, "PendingManualApproval", run, "R", request)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        measured = measure(Path(folder), options.ids, options.versions)
    print(
        f"{options.ids:,} ids, {options.versions} versions, each with splits and a table of its own"
    )
    for what, spent in (("first trace, which reads every id", measured.first),
                        ("a trace with the indexes", measured.second)):  # fmt: skip
        print(f"{what:<35} {spent.seconds:9.2f} s {spent.cpu:9.2f} s of a processor")
    print(f"indexes                             {measured.index_bytes / 1e6:9.0f} MB")


if __name__ == "__main__":
    main()
