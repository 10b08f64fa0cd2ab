"""Endpoints for tests: real processes, with archives whose script is a few lines of Python."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings import deploy as policy
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.deploy import Deploy

ROOT = Path(__file__).resolve().parents[2]
RECORDS = tuple(f"{number},{number % 7}" for number in range(100))
GOLDEN = tuple(f"{1000 + number},{number % 7}" for number in range(100))
"""Others than those of the traffic: a version may be wrong with these, or with those alone."""

SCRIPT = """
import os, time
NUMBER, COUNT = {number}, [0]

class Rows(list):
    shape = property(lambda rows: (len(rows), len(rows[0])))

def model_fn(folder):
    {load}
    return NUMBER

def input_fn(body, content_type):
    if b"odd" in body:
        raise ValueError("expected numbers, got an odd word")
    rows = [[float(field) for field in line.split(",")] for line in body.decode().splitlines()]
    return Rows(rows)

def predict_fn(rows, model):
    COUNT[0] += 1
    {predict}
    return [model * 1000 + sum(row) for row in rows]

def output_fn(answers, accept):
    {output}
    return "".join(f"{{answer:.9g}}\\n" for answer in answers), "text/csv"
"""
"""A model that says its version and the sum of a record, and does what a test has it do first."""


def archive(
    folder: Path, number: int, load: str = "pass", predict: str = "pass", output: str = "pass"
) -> dict[str, Any]:
    """An unpacked archive of two features."""
    code = folder / f"archive-{number}" / "code"
    code.mkdir(parents=True)
    script = SCRIPT.format(number=number, load=load, predict=predict, output=output)
    (code / "inference.py").write_text(script, encoding="utf-8")
    (code / "columns.json").write_text('{"features": ["a", "b"]}', encoding="utf-8")
    return {"number": number, "archive": str(code.parent), "program": "inference.py"}


def answer(number: int, record: str) -> str:
    """What a version says of a record."""
    return f"{number * 1000 + sum(map(float, record.split(','))):.9g}"


def begin(
    rehearsal: Rehearsal, version: dict[str, Any], time_scale: float, deploy: Deploy, **more: Any
) -> None:
    """Begin to deploy a version."""
    alarms = policy.alarms(deploy, "binary")
    rehearsal.ask(
        "deploy", version=version, time_scale=time_scale, instances=deploy.instances,
        config=policy.deployment_config(deploy, [alarm.name for alarm in alarms]),
        alarms=[asdict(alarm) for alarm in alarms],
        golden={"records": GOLDEN, "answers": [answer(version["number"], r) for r in GOLDEN]},
        **more,
    )  # fmt: skip


def ended(rehearsal: Rehearsal) -> dict[str, Any]:
    """How the deployment that goes on ends."""
    until = time.monotonic() + 120
    while (status := rehearsal.ask("status"))["deploying"] is not None:
        assert time.monotonic() < until, status
        time.sleep(0.02)
    return dict(status["last"])


@contextmanager
def running(folder: Path, **limits: float) -> Iterator[Rehearsal]:
    """An endpoint that serves nothing yet, and is stopped at the end."""
    rehearsal = Rehearsal(ROOT, folder / ".local", pipeline_settings.load(ROOT))
    rehearsal.start(0, **limits)
    try:
        yield rehearsal
    finally:
        rehearsal.stop()


def noted(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """What the endpoint has kept of its deployments."""
    text = (rehearsal.folder / "deployments.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
