"""Versions as runs leave them on a machine, for tests of what serves them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from endpoints import RECORDS, ROOT, answer, archive
from ninesteps.cli import here
from ninesteps.cli import main as command_line
from ninesteps.local.state import KeptStep, Record, State, StatusChange, digest_of
from ninesteps.profiles.stamps import LIBRARY, PROFILE, PROFILE_SHA256
from ninesteps.registry import access
from ninesteps.registry.registry import APPROVED, PENDING, PRODUCTION
from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.settings import Settings

GROUP = pipeline_settings.load(ROOT).model_package_group
BUCKET = "s3://bucket"


def register(local: Path, number: int, status: str = APPROVED, **script: str) -> None:
    """A version as a run leaves it: archive, test split, batch predictions, registration."""
    run, store = f"run{number}", local / "s3" / "bucket" / f"run{number}"
    unpacked = Path(archive(local / "made", number, **script)["archive"])
    (store / "test").mkdir(parents=True)
    with tarfile.open(store / "model.tar.gz", "w:gz") as packed:
        packed.add(unpacked / "code", "code")
    rows = [f"id{n},2026-01-01T00:00:00Z,1,{record}\n" for n, record in enumerate(RECORDS)]
    (store / "test/test.csv").write_text("".join(rows), encoding="utf-8")
    (store / "test/columns.json").write_text('{"features": ["a", "b"]}', encoding="utf-8")
    said = [f"id{n},{answer(number, record)}\n" for n, record in enumerate(RECORDS)]
    (store / "test.csv.out").write_text("".join(said), encoding="utf-8")
    passes = {"binary_classification_metrics": {"auc": {"value": 0.9}}}
    (store / "evaluation.json").write_text(json.dumps(passes), encoding="utf-8")
    state = State(local / "state.db")
    state.start_execution(run, "p", {}, "{}", [])
    files = [file for file in store.rglob("*") if file.is_file()]
    digests = {f"{BUCKET}/{run}/{f.relative_to(store).as_posix()}": digest_of(f) for f in files}
    record = Record(digests=digests)
    state.note_step(KeptStep(run, "Transform", "Transform", "Succeeded", 1.0, "", record))
    container = {"ModelDataUrl": f"{BUCKET}/{run}/model.tar.gz",
                 "Environment": {"SAGEMAKER_PROGRAM": "inference.py"}}  # fmt: skip
    expected = access.expected(settings())
    request = {
        "InferenceSpecification": {"Containers": [container]},
        "ModelMetrics": {"ModelQuality": {"Statistics": {
            "S3Uri": f"{BUCKET}/{run}/evaluation.json",
        }}},
        "CustomerMetadataProperties": {
            PROFILE: expected.profile, PROFILE_SHA256: expected.profile_sha256, LIBRARY: "1.0.0",
        },
    }  # fmt: skip
    assert state.register(GROUP, PENDING, run, "Register", request) == number
    for stage in ("", PRODUCTION) if status == APPROVED else ("",):
        change = StatusChange(number, PENDING, status, "Jo", "good", "2026-01-31T00:00:00Z", stage)
        assert status == PENDING or state.change_status(GROUP, change)


def settings() -> Settings:
    """Those of the repository, with a limit of latency that no busy machine passes."""
    read = pipeline_settings.load(ROOT)
    return replace(read, deploy=replace(read.deploy, max_latency_ms=60_000))


@contextmanager
def acted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `.local` that the commands act on; an endpoint in it is stopped at the end."""
    folder = tmp_path / ".local"
    folder.mkdir()
    monkeypatch.setattr(here, "local", lambda: folder)
    monkeypatch.setattr(here, "root", lambda: ROOT)
    monkeypatch.setattr(here, "settings", settings)
    rehearsal = Rehearsal(ROOT, folder, pipeline_settings.load(ROOT))
    yield folder
    if rehearsal.is_running():
        rehearsal.stop()


def pipeline(*words: str) -> Result:
    return CliRunner().invoke(command_line.main, words)
