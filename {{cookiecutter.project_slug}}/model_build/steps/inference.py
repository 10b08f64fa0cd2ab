"""Serves the model: what the container calls, from the archive that the model lies in.

A request is header-less CSV, one record a line, the features in the order of `columns.json`; the
answer has a line for each: predicted label and probability of the positive class, or the number
that a regression estimates. Or they are JSON, in the shapes that SageMaker's own algorithms have:
`{"instances": [{"features": [1.5, null]}]}` and
`{"predictions": [{"predicted_label": 1, "score": 0.9}]}`.
https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from algorithms import algorithm
from container import read_json, write_json
from dataset import Columns
from decision import DecisionThreshold
from training import Fitted

DESCRIPTION_FILE = "code/model.json"
CSV, JSON = "text/csv", "application/json"
CONTENT_TYPES = (CSV, JSON)
"""Of requests and of answers."""


@dataclass(frozen=True)
class Description:
    """What is known of a trained model: `code/model.json` in its archive."""

    algorithm: str
    objective: str  # such as validation:auc
    value: float  # of the objective
    hyperparameters: Mapping[str, str]
    decision: DecisionThreshold | None  # None for a regression

    @property
    def loss(self) -> float:
        """The value of the objective, turned so that smaller is better."""
        is_error = self.objective.partition(":")[2] in ("logloss", "rmse", "mae")
        return self.value if is_error else -self.value

    def write(self, folder: Path) -> None:
        """Write it into an unpacked archive."""
        chosen = self.decision and self.decision.as_json()
        write_json(folder / DESCRIPTION_FILE, {**asdict(self), "decision": chosen})

    @staticmethod
    def read(folder: Path) -> Description:
        """Read it from an unpacked archive."""
        content: dict[str, Any] = read_json(folder / DESCRIPTION_FILE)
        chosen = content["decision"]
        return Description(**{**content, "decision": chosen and DecisionThreshold(**chosen)})


@dataclass(frozen=True)
class Model:
    """A trained model, what is known of it, and the columns that it was trained on."""

    fitted: Fitted
    description: Description
    columns: Columns


@dataclass(frozen=True)
class Prediction:
    """What the model says of n records."""

    labels: NDArray[np.float64]  # (n,): 0 and 1, or the estimated numbers
    probabilities: NDArray[np.float64] | None  # (n,); None for a regression


def model_fn(model_dir: str) -> Model:
    """Load the model from the unpacked archive."""
    folder = Path(model_dir)
    description = Description.read(folder)
    fitted = algorithm(description.algorithm).load(folder)
    return Model(fitted, description, Columns.read(folder / "code"))


def input_fn(body: bytes | str, content_type: str) -> NDArray[np.float32]:
    """Read a request, (n, features); an empty field is a missing value."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES:
        expected = " or ".join(CONTENT_TYPES)
        raise ValueError(f"expected a request of type {expected}, got {content_type!r}")
    data = _read_csv(body) if kind == CSV else _read_json(body)
    if np.isinf(data).any():
        raise ValueError(
            "expected finite numbers, or none, got an infinite one or one beyond single precision"
        )
    return data


def _read_json(body: bytes | str) -> NDArray[np.float32]:
    expected = 'JSON such as {"instances": [{"features": [1.5, null]}]}'
    try:
        rows = [instance["features"] for instance in json.loads(body)["instances"]]
        fields = {len(row) for row in rows}
        kinds = {type(field) for row in rows for field in row}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"expected {expected}, got something else") from None
    if len(fields) != 1 or not kinds <= {int, float, type(None)}:
        raise ValueError(f"expected {expected}, got features that are not equally many numbers")
    with np.errstate(over="ignore"):  # a number beyond a single is infinite, as in CSV
        return np.array(rows, dtype=np.float64).astype(np.float32)


def _read_csv(body: bytes | str) -> NDArray[np.float32]:
    content = body.encode() if isinstance(body, str) else body
    first_line = content.split(b"\n", 1)[0]
    names = [f"f{position}" for position in range(first_line.count(b",") + 1)]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(content),
        read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
        # Of a single feature, an empty line is a record whose value is missing.
        parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=len(names) > 1),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.float32() for name in names}, null_values=["", "nan", "NaN"]
        ),
    )
    return np.column_stack([column.to_numpy() for column in table.columns])


def predict_fn(data: NDArray[np.float32], model: Model) -> Prediction:
    """Predict n records."""
    features = model.columns.features
    if data.shape[1] != len(features):
        raise ValueError(
            f"expected {len(features)} fields in a record ({', '.join(features)}), got "
            f"{data.shape[1]}"
        )
    values = model.fitted.predict(data)
    if model.description.decision is None:
        return Prediction(values, None)
    return Prediction((values >= model.description.decision.threshold).astype(np.float64), values)


def output_fn(prediction: Prediction, accept: str) -> tuple[str, str]:
    """Write an answer, a line a record; and its type, else it is HTML's."""
    kind = accept.partition(";")[0].strip().lower()
    if kind not in ("", "*/*", *CONTENT_TYPES):
        expected = " or ".join(CONTENT_TYPES)
        raise ValueError(f"expected {expected} as the answer's type, got {accept!r}")
    if kind == JSON:
        return json.dumps({"predictions": list(_predictions(prediction))}), JSON
    if prediction.probabilities is None:
        # In full: the bias step must find each on the same side of the threshold as the gate.
        return "".join(f"{float(number)!r}\n" for number in prediction.labels), CSV
    rows = zip(prediction.labels.tolist(), prediction.probabilities.tolist(), strict=True)
    return "".join(f"{label:.0f},{probability:.9g}\n" for label, probability in rows), CSV


def _predictions(prediction: Prediction) -> Iterator[dict[str, float]]:
    """Each answer by SageMaker's names; a regression's score is its estimate."""
    if prediction.probabilities is None:
        yield from ({"score": float(number)} for number in prediction.labels)
        return
    for label, probability in zip(prediction.labels, prediction.probabilities, strict=True):
        yield {"predicted_label": int(label), "score": float(probability)}
