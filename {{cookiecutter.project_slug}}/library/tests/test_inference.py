"""What the container calls: reading a request, predicting, answering; and what a model says."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import booster
import inference
from dataset import Columns
from decision import DecisionThreshold
from ninesteps.settings.tuning import Tuning
from xgboost_model import XGBoostModel

FEATURES = ("age", "income")
OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}


def write_model(folder: Path, problem: str, decision: DecisionThreshold | None) -> inference.Model:
    """An unpacked archive: a model of two features, of whether or of how far they add up."""
    source = np.random.default_rng(4)
    data = source.random((200, 2)).astype(np.float32)
    total = data.sum(axis=1)
    labels = total > 1 if problem == "binary" else 30_000 * total
    trained = booster.train({"objective": OBJECTIVES[problem]}, booster.DMatrix(data, labels), 5)
    (folder / "code").mkdir()
    XGBoostModel(trained).save(folder)
    threshold = None if problem == "binary" else 30_000.0
    columns = Columns("id", "stayed", problem, 1, threshold, (), None, (), FEATURES)
    columns.write(folder / "code")
    description = inference.Description("xgboost", "validation:auc", 0.9, {"eta": "1"}, decision)
    description.write(folder)
    return inference.model_fn(str(folder))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> inference.Model:
    """A model with a threshold of 0.4."""
    return write_model(tmp_path_factory.mktemp("binary"), "binary", DecisionThreshold("f1", 0.4))


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> inference.Model:
    """A model of numbers."""
    return write_model(tmp_path_factory.mktemp("regression"), "regression", None)


def read(body: bytes | str, content_type: str = "text/csv") -> list[list[float]]:
    rows: list[list[float]] = inference.input_fn(body, content_type).tolist()
    return rows


def records(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 2)).astype(np.float32)


@pytest.mark.parametrize(
    "body",
    [
        "1,2.5\n-3,4e-1\n",
        "1,2.5\n-3,4e-1",
        "1,2.5\r\n-3,4e-1\r\n",
        "1.0,2.50\n-3.0,0.4\n",
        "1,2.5\n\n-3,0.4\n\n",
        '"1","2.5"\n"-3","0.4"\n',
        b"1,2.5\n-3,0.4\n",
    ],
)
def test_a_request_is_one_record_a_line(body: bytes | str) -> None:
    assert read(body) == [[1, 2.5], [-3, np.float32(0.4)]]


def test_an_empty_field_is_missing() -> None:
    data = inference.input_fn("1,\n,2\n,\nnan,NaN\n", "text/csv; charset=utf-8")
    assert np.isnan(data).tolist() == [[False, True], [True, False], [True, True], [True, True]]


def test_of_a_single_feature_an_empty_line_is_a_record() -> None:
    assert np.isnan(inference.input_fn("1\n\n3\n", "text/csv")).tolist() == [
        [False],
        [True],
        [False],
    ]


def test_a_number_is_the_nearest_single_to_its_text() -> None:
    texts = [repr(number) for number in (np.random.default_rng(2).random(1000) * 1e3).tolist()]
    read_as = inference.input_fn("\n".join(texts), "text/csv")[:, 0]
    np.testing.assert_array_equal(read_as, np.array(texts, dtype=np.float32))


@pytest.mark.parametrize("body", ["age,income\n1,2\n", "1,2\n3\n", "1,two\n", "1;2,3\n", ""])
def test_what_is_no_record_is_an_error(body: str, model: inference.Model) -> None:
    with pytest.raises(ValueError, match=r"CSV|Empty"):
        inference.predict_fn(inference.input_fn(body, "text/csv"), model)


def test_another_type_of_request_or_answer_is_an_error(
    model: inference.Model, estimator: inference.Model
) -> None:
    types = "text/csv or application/json"
    with pytest.raises(ValueError, match=f"expected a request of type {types}, got 'text/html'"):
        inference.input_fn("<p>", "text/html")
    for one in (model, estimator):
        prediction = inference.predict_fn(np.zeros((1, 2), dtype=np.float32), one)
        with pytest.raises(
            ValueError, match=f"expected {types} as the answer's type, got 'text/html'"
        ):
            inference.output_fn(prediction, "text/html")


def test_json_is_read_as_csv_is() -> None:
    body = '{"instances": [{"features": [1, 2.5]}, {"features": [-3, null]}]}'
    found = inference.input_fn(body.encode(), "application/json; charset=utf-8")
    np.testing.assert_array_equal(found, inference.input_fn("1,2.5\n-3,\n", "text/csv"))
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "instances",
    ["", "{}", "[1]", '[{"feature": [1]}]', '[{"features": 1}]', "[]",
     '[{"features": [1]}, {"features": [1, 2]}]', '[{"features": [true]}]',
     '[{"features": ["1"]}]', '[{"features": [[1]]}]'],
)  # fmt: skip
def test_json_that_holds_no_records_is_an_error(instances: str) -> None:
    with pytest.raises(
        ValueError, match=r"^expected JSON such as .*, got (something else|features that .*)$"
    ):
        inference.input_fn(f'{{"instances": {instances}}}', "application/json")


def test_an_answer_in_json_has_sagemakers_names(
    model: inference.Model, estimator: inference.Model
) -> None:
    data = records(20, seed=1)
    for one in (model, estimator):
        prediction = inference.predict_fn(data, one)
        text, kind = inference.output_fn(prediction, "application/json")
        found = json.loads(text)["predictions"]
        scores = prediction.labels if one is estimator else prediction.probabilities
        assert scores is not None
        np.testing.assert_array_equal([each["score"] for each in found], scores)
        labels = [each.get("predicted_label") for each in found]
        assert labels == ([None] * 20 if one is estimator else prediction.labels.tolist())
        assert kind == "application/json"


def test_the_answer_to_raw_records_has_the_labels_own_name(
    model: inference.Model, estimator: inference.Model
) -> None:
    for one, keys in ((model, ["{}", "probability", "unknown"]), (estimator, ["{}", "unknown"])):
        said = inference.predict_fn(records(2, seed=1), one)
        assert said.label == one.columns.label
        for label, expected in (
            ("left", [key.format("left") for key in keys]),
            ("unknown", ["predicted_label", "score", "unknown"][-len(keys) :]),
        ):
            raw = replace(said, unknown=((), ("city",)), label=label)
            found = json.loads(inference.output_fn(raw, "application/json")[0])["predictions"]
            assert [[*each] for each in found] == [expected, expected]
            assert [each["unknown"] for each in found] == [[], ["city"]]
            assert inference.output_fn(raw, "text/csv") == inference.output_fn(said, "text/csv")


def test_too_few_or_many_fields_are_named_with_those_that_are_right(model: inference.Model) -> None:
    with pytest.raises(ValueError, match=r"expected 2 fields in a record \(age, income\), got 3"):
        inference.predict_fn(np.zeros((1, 3), dtype=np.float32), model)


def test_a_record_is_positive_from_the_saved_threshold_on(model: inference.Model) -> None:
    data = records(300, seed=5)
    prediction = inference.predict_fn(data, model)
    assert prediction.probabilities is not None
    assert 0 < prediction.labels.mean() < 1
    np.testing.assert_array_equal(prediction.labels, prediction.probabilities >= 0.4)
    at_the_first = DecisionThreshold("f1", float(prediction.probabilities[0]))
    exact = replace(model, description=replace(model.description, decision=at_the_first))
    assert inference.predict_fn(data[:1], exact).labels.tolist() == [1]


@pytest.mark.parametrize("accept", ["text/csv", "*/*", "", "text/csv; charset=utf-8"])
def test_an_answer_has_label_and_probability_of_each_record(
    model: inference.Model, accept: str
) -> None:
    prediction = inference.predict_fn(records(50, seed=6), model)
    assert prediction.probabilities is not None
    text, kind = inference.output_fn(prediction, accept)
    rows = list(csv.reader(text.splitlines()))
    assert kind == "text/csv"
    assert [int(label) for label, _ in rows] == prediction.labels.tolist()
    singles = np.array([float(p) for _, p in rows], dtype=np.float32)
    np.testing.assert_array_equal(singles, prediction.probabilities.astype(np.float32))


@pytest.mark.parametrize("accept", ["text/csv", "*/*", "", "text/csv; charset=utf-8"])
def test_an_answer_of_a_regression_has_one_number_a_line(
    estimator: inference.Model, accept: str
) -> None:
    prediction = inference.predict_fn(records(50, seed=6), estimator)
    assert prediction.probabilities is None
    assert prediction.labels.std() > 1_000
    text, kind = inference.output_fn(prediction, accept)
    rows = list(csv.reader(text.splitlines()))
    assert (kind, text[-1], {len(row) for row in rows}) == ("text/csv", "\n", {1})
    singles = np.array([float(number) for (number,) in rows], dtype=np.float32)
    np.testing.assert_array_equal(singles, prediction.labels.astype(np.float32))


def test_a_number_is_answered_in_full() -> None:
    """Else it may lie on the other side of the label's threshold from what the gate measured."""
    numbers = np.array([36_000.00000000001, 0.1 + 0.2, -1 / 3])
    text, _ = inference.output_fn(inference.Prediction(numbers, None), "text/csv")
    assert [float(line) for line in text.splitlines()] == numbers.tolist()


def test_a_record_is_predicted_the_same_alone_and_among_others(model: inference.Model) -> None:
    data = records(50, seed=7)
    together = inference.predict_fn(data, model).probabilities
    alone = [inference.predict_fn(row[None], model).probabilities for row in data]
    assert together is not None
    assert together.tolist() == [one[0] for one in alone if one is not None]


def test_a_model_knows_the_columns_that_it_was_trained_on(
    model: inference.Model, estimator: inference.Model
) -> None:
    assert model.columns.features == estimator.columns.features == FEATURES
    assert (model.columns.label_threshold, estimator.columns.label_threshold) == (None, 30_000)


# What is known of a model


DECISIONS = [
    DecisionThreshold("accuracy", 0.5),
    DecisionThreshold("recall", 0.25, 0.7, 0.71, reached=True),
    DecisionThreshold("recall", 0.1, 0.9, 0.8, reached=False),
    None,
]


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_description_is_read_as_it_was_written(
    decision: DecisionThreshold | None, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    written = inference.Description("lightgbm", "validation:map", 0.1 + 0.2, {"eta": "1"}, decision)
    written.write(tmp_path)
    assert inference.Description.read(tmp_path) == written
    content = json.loads((tmp_path / "code/model.json").read_text("utf-8"))
    assert content == {
        "algorithm": "lightgbm",
        "objective": "validation:map",
        "value": 0.1 + 0.2,
        "hyperparameters": {"eta": "1"},
        "decision": None if decision is None else decision.as_json(),
    }


@pytest.mark.parametrize(
    ("objective", "direction"),
    [item for problem in ("binary", "regression") for item in Tuning.OBJECTIVES[problem].items()],
)
def test_of_an_error_less_is_better_as_the_search_has_it(objective: str, direction: str) -> None:
    description = inference.Description("xgboost", objective, 0.5, {}, None)
    assert description.loss == (0.5 if direction == "Minimize" else -0.5)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("inf,2\n", "text/csv"),
        ("1e39,2\n", "text/csv"),
        ('{"instances": [{"features": [1e999, 2]}]}', "application/json"),
    ],
)
def test_an_infinite_number_is_the_requests_fault(body: str, kind: str) -> None:
    with pytest.raises(
        ValueError, match=r"expected finite numbers, .*, got an infinite one or one beyond single"
    ):
        inference.input_fn(body, kind)
