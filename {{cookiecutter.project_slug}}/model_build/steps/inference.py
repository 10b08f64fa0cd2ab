"""Serves the model: what the container calls, from the archive that the model lies in.

A request is header-less CSV, one record a line, the features in the order of `columns.json`; the
answer has a line for each: predicted label, probability of the positive class.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from booster import Booster, DMatrix
from container import read_json

MODEL_FILE = "xgboost-model.json"
DECISION_FILE = "code/decision.json"
COLUMNS_FILE = "code/columns.json"
CSV = "text/csv"


@dataclass(frozen=True)
class Model:
    """A trained model and how it decides."""

    booster: Booster
    threshold: float
    features: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """What the model says of n records."""

    labels: NDArray[np.int64]  # (n,)
    probabilities: NDArray[np.float64]  # (n,)


def model_fn(model_dir: str) -> Model:
    """Load the model from the unpacked archive."""
    folder = Path(model_dir)
    booster = Booster(model_file=str(folder / MODEL_FILE))
    threshold = read_json(folder / DECISION_FILE)["threshold"]
    features = read_json(folder / COLUMNS_FILE)["features"]
    return Model(booster, float(threshold), tuple(features))


def input_fn(body: bytes | str, content_type: str) -> NDArray[np.float32]:
    """Read a request, (n, features); an empty field is a missing value."""
    if content_type.partition(";")[0].strip() != CSV:
        raise ValueError(f"a request of type {content_type!r} was read, where {CSV} is right")
    content = body.encode() if isinstance(body, str) else body
    first_line = content.split(b"\n", 1)[0]
    names = [f"f{position}" for position in range(first_line.count(b",") + 1)]
    table = pyarrow.csv.read_csv(
        io.BytesIO(content),
        read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
        # Of a single feature, an empty line is a record whose value is missing.
        parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=len(names) > 1),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.float32() for name in names}, null_values=["", "nan", "NaN"]
        ),
    )
    columns = [table[name].to_numpy(zero_copy_only=False) for name in names]
    return np.column_stack(columns).astype(np.float32)


def predict_fn(data: NDArray[np.float32], model: Model) -> Prediction:
    """Predict n records."""
    if data.shape[1] != len(model.features):
        raise ValueError(
            f"{data.shape[1]} fields were read in a record, where {len(model.features)} are right: "
            f"{', '.join(model.features)}"
        )
    probabilities = model.booster.predict(DMatrix(data)).astype(np.float64)
    return Prediction((probabilities >= model.threshold).astype(np.int64), probabilities)


def output_fn(prediction: Prediction, accept: str) -> tuple[str, str]:
    """Write an answer, `label,probability`, one line a record; and its type, else it is HTML's."""
    if accept and accept.partition(";")[0].strip() not in (CSV, "*/*"):
        raise ValueError(f"an answer of type {accept!r} was asked for, where {CSV} is right")
    rows = zip(prediction.labels, prediction.probabilities, strict=True)
    return "".join(f"{label},{probability:.9g}\n" for label, probability in rows), CSV
