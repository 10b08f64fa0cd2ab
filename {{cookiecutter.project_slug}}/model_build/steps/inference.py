"""Serves the model: the functions that the container calls, in the model's archive.

A request is header-less CSV, one record per line, with the features in the order of `columns.json`.
The answer has a line for each: predicted label and probability of the positive class, or the number
that a regression estimates. Both may also be JSON, in the format of SageMaker's own algorithms:
`{"instances": [{"features": [1.5, null]}]}` and `{"predictions": [{"predicted_label": 1, "score":
0.9}]}`. https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html

JSON may also have raw records, `{"records": [{"age": 41, "city": "Oslo"}]}`: the team's own code
computes their features here. Each answer uses the label's own name, and lists the columns with an
`unknown` value: `{"predictions": [{"churned": 1, "probability": 0.9, "unknown": []}]}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import records
from algorithms import algorithm
from container import read_json, write_json
from dataset import Columns
from decision import DecisionThreshold
from training import Predictor

if TYPE_CHECKING:
    from raw_records import RawRequest

DESCRIPTION_FILE = "code/model.json"
CSV, JSON = "text/csv", "application/json"
CONTENT_TYPES = (CSV, JSON)
"""The content types of requests and answers."""
UNKNOWN, PROBABILITY = "unknown", "probability"
TAKEN = ("", UNKNOWN, PROBABILITY)
"""Names that a label cannot have in an answer: with such a name, SageMaker's names are used."""


@dataclass(frozen=True)
class Description:
    """The description of a trained model: `code/model.json` in its archive."""

    algorithm: str
    objective: str  # such as validation:auc
    value: float  # of the objective
    hyperparameters: Mapping[str, str]
    decision: DecisionThreshold | None  # None for a regression

    @property
    def loss(self) -> float:
        """The value of the objective, with its sign such that smaller is better."""
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
    """A trained model with its description and its columns."""

    fitted: Predictor
    description: Description
    columns: Columns


@dataclass(frozen=True)
class Prediction:
    """The model's answers for n records."""

    labels: NDArray[np.float64]  # (n,): 0 and 1, or the estimated numbers
    probabilities: NDArray[np.float64] | None  # (n,); None for a regression
    unknown: tuple[tuple[str, ...], ...] | None = None  # columns by record; None without raw ones
    label: str = ""  # the name of the label


def model_fn(model_dir: str) -> Model:
    """Load the model from the unpacked archive."""
    folder = Path(model_dir)
    description = Description.read(folder)
    fitted = algorithm(description.algorithm).load(folder)
    return Model(fitted, description, Columns.read(folder / "code"))


def input_fn(body: bytes | str, content_type: str) -> NDArray[np.float32] | RawRequest:
    """Read a request, (n, features); an empty field is a missing value."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES:
        expected = " or ".join(CONTENT_TYPES)
        raise ValueError(f"expected a request of type {expected}, got {content_type!r}")
    code, names = Path(__file__).parent, _features()
    fields = len(names) or None
    if kind == CSV:
        return records.from_csv(body, fields)
    return records.from_json(body, fields, code, names)


@cache
def _features() -> tuple[str, ...]:
    """The model's features: in an archive, its columns are beside this file."""
    try:
        return Columns.read(Path(__file__).parent).features
    except FileNotFoundError:
        return ()


def predict_fn(request: NDArray[np.float32] | RawRequest, model: Model) -> Prediction:
    """Predict n records."""
    if isinstance(request, np.ndarray):
        data, unknown = request, None
    else:
        data, unknown = request.vectors, request.unknown
    features = model.columns.features
    if data.shape[1] != len(features):
        raise ValueError(
            f"expected {len(features)} fields in a record ({', '.join(features)}), got "
            f"{data.shape[1]}"
        )
    values = model.fitted.predict(data)
    label = model.columns.shown.get(model.columns.label, model.columns.label)
    if model.description.decision is None:
        return Prediction(values, None, unknown, label)
    labels = (values >= model.description.decision.threshold).astype(np.float64)
    return Prediction(labels, values, unknown, label)


def output_fn(prediction: Prediction, accept: str) -> tuple[str, str]:
    """Write an answer, one line per record, and its content type, which would otherwise be HTML."""
    kind = accept.partition(";")[0].strip().lower()
    if kind not in ("", "*/*", *CONTENT_TYPES):
        expected = " or ".join(CONTENT_TYPES)
        raise ValueError(f"expected {expected} as the answer's type, got {accept!r}")
    if kind == JSON:
        answers = list(_predictions(prediction))
        for answer, unknown in zip(answers, prediction.unknown or (), strict=False):
            answer[UNKNOWN] = unknown
        return json.dumps({"predictions": answers}), JSON
    if prediction.probabilities is None:
        # All digits: the bias step must see each on the same side of the threshold as the gate
        # does.
        return "".join([f"{number!r}\n" for number in prediction.labels.tolist()]), CSV
    lines = np.where(prediction.labels > 0, "1,%.9g\n", "0,%.9g\n").tolist()
    return "".join(lines) % tuple(prediction.probabilities.tolist()), CSV


def _predictions(prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Each answer with SageMaker's names, or for raw records with the label's own name."""
    label, score = "predicted_label", "score"  # the score of a regression is its estimate
    estimate = score
    if prediction.unknown is not None and prediction.label not in TAKEN:
        label, score, estimate = prediction.label, PROBABILITY, prediction.label
    if prediction.probabilities is None:
        yield from ({estimate: number} for number in prediction.labels.tolist())
        return
    labels, scores = prediction.labels.astype(int).tolist(), prediction.probabilities.tolist()
    yield from ({label: one, score: of} for one, of in zip(labels, scores, strict=True))
