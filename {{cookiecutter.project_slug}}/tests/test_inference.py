"""What the container calls: reading a request, predicting, answering."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import booster
import inference

FEATURES = ("age", "income")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked archive: a model of two features, with a threshold of 0.4."""
    source = np.random.default_rng(4)
    data = source.random((200, 2)).astype(np.float32)
    labels = (data.sum(axis=1) > 1).astype(int)
    trained = booster.train({"objective": "binary:logistic"}, booster.DMatrix(data, labels), 5)
    folder = tmp_path_factory.mktemp("model")
    (folder / "code").mkdir()
    trained.save_model(folder / inference.MODEL_FILE)
    (folder / inference.DECISION_FILE).write_text('{"threshold": 0.4}', encoding="utf-8")
    columns = json.dumps({"features": FEATURES, "label": "stayed"})
    (folder / inference.COLUMNS_FILE).write_text(columns, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(model_dir: Path) -> inference.Model:
    return inference.model_fn(str(model_dir))


def read(body: bytes | str, content_type: str = "text/csv") -> list[list[float]]:
    rows: list[list[float]] = inference.input_fn(body, content_type).tolist()
    return rows


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


def test_another_type_of_request_or_answer_is_an_error(model: inference.Model) -> None:
    with pytest.raises(ValueError, match="'application/json' was read, where text/csv is right"):
        inference.input_fn("{}", "application/json")
    prediction = inference.predict_fn(np.zeros((1, 2), dtype=np.float32), model)
    with pytest.raises(ValueError, match="'application/json' was asked for"):
        inference.output_fn(prediction, "application/json")


def test_too_few_or_many_fields_are_named_with_those_that_are_right(model: inference.Model) -> None:
    with pytest.raises(ValueError, match=r"3 fields .* where 2 are right: age, income"):
        inference.predict_fn(np.zeros((1, 3), dtype=np.float32), model)


def test_a_record_is_positive_from_the_saved_threshold_on(model: inference.Model) -> None:
    data = np.random.default_rng(5).random((300, 2)).astype(np.float32)
    prediction = inference.predict_fn(data, model)
    assert 0 < prediction.labels.mean() < 1
    np.testing.assert_array_equal(prediction.labels, prediction.probabilities >= 0.4)
    exact = inference.Model(model.booster, prediction.probabilities[0], model.features)
    assert inference.predict_fn(data[:1], exact).labels.tolist() == [1]


@pytest.mark.parametrize("accept", ["text/csv", "*/*", "", "text/csv; charset=utf-8"])
def test_an_answer_has_label_and_probability_of_each_record(
    model: inference.Model, accept: str
) -> None:
    data = np.random.default_rng(6).random((50, 2)).astype(np.float32)
    prediction = inference.predict_fn(data, model)
    text, kind = inference.output_fn(prediction, accept)
    rows = list(csv.reader(text.splitlines()))
    assert kind == "text/csv"
    assert [int(label) for label, _ in rows] == prediction.labels.tolist()
    singles = np.array([float(p) for _, p in rows], dtype=np.float32)
    np.testing.assert_array_equal(singles, prediction.probabilities.astype(np.float32))


def test_a_record_is_predicted_the_same_alone_and_among_others(model: inference.Model) -> None:
    data = np.random.default_rng(7).random((50, 2)).astype(np.float32)
    together = inference.predict_fn(data, model).probabilities
    alone = [inference.predict_fn(row[None], model).probabilities[0] for row in data]
    assert together.tolist() == alone
