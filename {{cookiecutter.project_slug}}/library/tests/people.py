"""A feature group of people, as a query of the offline store gives it, for the steps' tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import athena
import container
from container_variables import TRAINING, only
from ninesteps.settings.facets import parse

AS_OF = "2026-01-31T00:00:00Z"
ODD_IDS = ("007", "7", "a,b", 'say "hi"', "1e5", "NA", "null", " inner space", "Ünal", "-1", "TRUE")
ODD_CITIES = ("Bath, UK", "Leeds", "None", 'O"Town', "Derby")
GENDERS = ("f", "m", "x", None)


def people(n: int = 900, seed: int = 5, **replaced: Any) -> pa.Table:
    """n people in no order; `replaced` puts other columns in place of these, or beside them."""
    source = np.random.default_rng(seed)
    ids = [*ODD_IDS, *(f"{number:06}" for number in range(n - len(ODD_IDS)))]
    age = source.integers(18, 76, n)
    income = np.exp(source.normal(10, 0.5, n))
    visits = source.poisson(3, n)
    score = (age - 45) / 20 + (np.log(income) - 10) + 0.5 * source.normal(size=n)
    columns: dict[str, Any] = {
        "person": ids,
        "event_time": [f"2026-01-{day:02}T00:00:00Z" for day in source.integers(1, 31, n)],
        "stayed": (score > 0).astype(np.int64),
        "age": pa.array(age, mask=source.random(n) < 0.03),
        "income": np.where(source.random(n) < 0.1, np.nan, income),
        "visits": visits,
        "nothing": np.full(n, np.nan),
        "gender": source.choice(np.array(GENDERS, dtype=object), n, p=[0.45, 0.45, 0.05, 0.05]),
        "city": source.choice(np.array(ODD_CITIES, dtype=object), n),
        "api_invocation_time": np.full(n, np.datetime64("2026-02-01T00:00:00", "us")),
        "write_time": np.full(n, np.datetime64("2026-02-01T00:00:01", "us")),
        "is_deleted": np.zeros(n, dtype=bool),
        **dict.fromkeys(("year", "month", "day", "hour"), ["01"] * n),
        "recency": np.ones(n, dtype=np.int64),
    }
    return pa.table({**columns, **replaced}).take(source.permutation(n))


def paid(n: int = 900, seed: int = 5) -> pa.Table:
    """The same people with a salary, which is to be estimated, where `stayed` was."""
    table = people(n, seed)
    age, visits = table["age"].fill_null(40).to_numpy(), table["visits"].to_numpy()
    noise = np.random.default_rng(seed).normal(0, 2_000, n)
    salary = np.round(20_000 + 300 * age + 4_000 * visits + noise, 2)
    return table.set_column(table.column_names.index("stayed"), "salary", pa.array(salary))


def container_at(patch: pytest.MonkeyPatch, base: Path, event_time: str = "event_time") -> None:
    """A container's folder, with step 1's input; Athena's answer is what `query_result` puts."""
    patch.setattr(container, "BASE", base)
    patch.setattr(athena, "rows", lambda query: base / "processing" / "rows" / query.name)
    folder = base / "processing" / "input" / "query"
    folder.mkdir(parents=True, exist_ok=True)
    source = {"name": "features", "event_time": event_time,
              "database": "store", "catalog": "AwsDataCatalog", "workgroup": "primary"}  # fmt: skip
    (folder / "sources.json").write_text(json.dumps([source]), encoding="utf-8")
    (folder / "features.sql").write_text("SELECT 1", encoding="utf-8")


def query_result(base: Path, *tables: pa.Table) -> None:
    """Put tables where step 1 finds the rows of its query, a file each."""
    folder = base / "processing" / "rows" / "features"
    folder.mkdir(parents=True, exist_ok=True)
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number:06}.parquet")


def arguments(facets: str = "gender, age>=40", **options: str) -> list[str]:
    """Step 1's arguments, as the pipeline writes them."""
    given = {
        "as_of": AS_OF,
        "record_id": "person",
        "label": "stayed",
        "problem": "binary",
        "split_by": "hash",
        "salt": "people",
        "shares": "0.6,0.2,0.2",
        "min_positives": "20",
        "favourable_label": "1",
        **options,
    }
    words = [word for name, text in given.items() for word in (f"--{name.replace('_', '-')}", text)]
    for facet in parse(facets):
        words += ["--facet", facet.argument]
    return words


def paid_arguments(facets: str = "gender, age>=40", **options: str) -> list[str]:
    """Those arguments where the salary is to be estimated."""
    return arguments(facets, label="salary", problem="regression", **options)


def facet_argument(**content: Any) -> list[str]:
    """A facet that the facets' language cannot say, such as one value with a comma."""
    return ["--facet", json.dumps(content)]


def chosen(algorithm: str = "xgboost", rule: str = "accuracy", **more: str) -> list[str]:
    """Step 2's arguments that the settings choose."""
    choices = {"algorithm": algorithm, "threshold_rule": rule, **more}
    return [word for name, value in choices.items() for word in (f"--{name}", value)]


def training_job(patch: pytest.MonkeyPatch, splits: Path, model_dir: Path, **more: str) -> None:
    """The environment of step 2's script, as the container and the pipeline set it."""
    only(patch, TRAINING, model_dir)
    variables = {
        "SM_CHANNEL_TRAIN": str(splits / "train"),
        "SM_CHANNEL_VALIDATION": str(splits / "validation"),
        "SM_MODEL_DIR": str(model_dir),
        "SM_NUM_CPUS": "1",
        **more,
    }
    for name, value in variables.items():
        patch.setenv(name, value)
