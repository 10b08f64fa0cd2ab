"""Two sides of a comparison that never were, for the tests of what is compared and shown."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

import metrics
from ninesteps.report.comparison.model import Subject
from ninesteps.report.comparison.side import Side
from ninesteps.report.evidence import collect
from ninesteps.report.facts import RunFacts, StepFacts
from ninesteps.report.reading import Reading
from reports import EVALUATION, ROOT, Files, facts, files, steps

ROWS = 404
CODE = "s3://bucket/pets/code"
SECTION = "binary_classification_metrics"


@dataclasses.dataclass
class Store(Files):
    """A `Store` in memory; a mark of a file is its content, unless contents are not to be told."""

    are_told: bool = True

    def listing(self, uri: str) -> dict[str, str]:
        return {
            name.removeprefix(f"{uri}/"): content.decode() if self.are_told else str(id(self))
            for name, content in self.content.items() if name.startswith(f"{uri}/")
        }  # fmt: skip


def answers(skill: float, rows: int = ROWS, seed: int = 1) -> tuple[str, str]:
    """test.csv and answers.csv: the rows are the same for every skill of a model."""
    source = np.random.default_rng(seed)
    labels = (source.random(rows) < 0.4).astype(int)
    scores = np.round(1 / (1 + np.exp(-skill * (labels - 0.4) - source.normal(0, 1, rows))), 6)
    test = "".join(f"{n},2026-01-01,{label},cat,4\n" for n, label in enumerate(labels))
    said = "".join(f"{int(score >= 0.5)},{score}\n" for score in scores)
    return test, said


def evaluation(test: str, said: str, **replaced: Any) -> dict[str, Any]:
    """The evaluation of these answers."""
    labels = np.array([float(line.split(",")[2]) for line in test.splitlines()])
    table = np.array([[float(cell) for cell in line.split(",")] for line in said.splitlines()])
    values = metrics.binary_metrics(labels, table[:, 1], table[:, 0])
    measured = {name: {"value": value} for name, value in values.items()}
    return {**copy.deepcopy(EVALUATION), SECTION: measured, **replaced}


def side(
    name: str = "version 1",
    run: str = "one",
    skill: float = 1.0,
    scored: tuple[str, str] | None = None,
    code: Mapping[str, str] | None = None,
    settings: str = '[gate]\nmetric = "auc > 0.75"\n',
    facts_replaced: Mapping[str, Any] | None = None,
    **replaced: Any,
) -> Side:
    """A side; a file's content by its name, None for one that is not there.

    Args:
        skill: how well its model ranks.
        scored: test.csv and answers.csv.
        code: the files of every step, by name.
    """
    test, said = scored or answers(skill)
    made = files(**{"evaluation": evaluation(test, said), **replaced})
    store = Store(made.content)
    evaluated, processed = f"{ROOT}/Evaluate/evaluation", f"{ROOT}/Process/test"
    store.content |= {f"{evaluated}/answers.csv": said.encode(),
                      f"{processed}/test.csv": test.encode()}  # fmt: skip
    place = f"{CODE}/{abs(hash(str(code))):x}"
    store.content |= {f"{place}/{n}": text.encode() for n, text in (code or {"a.py": ""}).items()}
    store.content[f"{CODE}/{'5' * 16}/pipeline.toml"] = settings.encode()
    given = {"steps": tuple(_with_code(step, place) for step in steps()),
             "origin": {"settings_sha256": "5" * 64, "library": "1.0.0"}}  # fmt: skip
    return of(name, facts(id=run, **{**given, **(facts_replaced or {})}), store)


def of(name: str, run: RunFacts, store: Store) -> Side:
    number = int(name.split()[1]) if name.startswith("version") else None
    subject = Subject(name, run.id, number, "Approved", run.started, run.started_by)
    return Side(subject, Reading(run, collect(run, store)), store)


def _with_code(step: StepFacts, place: str) -> StepFacts:
    """A processing step whose code lies at a place."""
    if step.type != "Processing":
        return step
    inputs = [{"InputName": "code", "S3Input": {"S3Uri": place}}]
    return dataclasses.replace(step, answer={**step.answer, "ProcessingInputs": inputs})


def dumped(content: Any) -> bytes:
    return json.dumps(content).encode()
