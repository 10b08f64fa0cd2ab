"""Step 3 where algorithms are compared: the best trial of each, out of the trials' archives."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import container
import evaluate
import inference
import process
import train
from dataset import Columns, DataError, Split, read_split
from decision import DecisionThreshold
from metrics import binary_metrics, regression_metrics
from ninesteps.settings.tuning import Tuning
from people import arguments, paid, paid_arguments, people, query_result, training_job

COMPARE = ["--algorithm", "xgboost", "--algorithm", "lightgbm", "--min-trials", "3"]
LEARNING = {
    "binary": ["--objective", "binary:logistic", "--eval_metric", "auc"],
    "regression": ["--objective", "reg:squarederror", "--eval_metric", "rmse"],
}
ROUNDS = (1, 25, 4)
"""Of an algorithm's trials, in this order: the second is the best on validation."""


@dataclass(frozen=True)
class Search:
    """What the steps before have left, and the trials of a search over two algorithms."""

    base: Path
    trials: dict[str, inference.Model]

    @property
    def test(self) -> Split:
        return read_split(self.base / "processing/output/test", "test")

    def evaluate(self, *words: str) -> dict[str, Any]:
        """The evaluation that the step writes."""
        evaluate.main(["--min-group-size", "30", *words])
        file = self.base / "processing/output/evaluation/evaluation.json"
        return dict(json.loads(file.read_text("utf-8")))


def search(base: Path, problem: str) -> Search:
    """Trials in turns, as the search starts them; the best of all is the step's model."""
    trials = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "BASE", base)
        query_result(base, paid() if problem == "regression" else people())
        process.main(paid_arguments() if problem == "regression" else arguments())
        for number in range(6):
            algorithm, rounds = Tuning.ALGORITHMS[number % 2], ROUNDS[number // 2]
            job, model_dir = f"tune-{number + 1:03}", base / f"model-{number}"
            training_job(patch, base / "processing/output", model_dir, ALGORITHM=algorithm,
                         THRESHOLD_RULE="f1")  # fmt: skip
            words = ["--num_round", str(rounds), "--max_depth", "2", "--eta", "0.2"]
            train.main([*words, *LEARNING[problem]])
            trials[job] = inference.model_fn(str(model_dir))
            archive(model_dir, base / "processing/input/trials" / job / "output")
        archive(base / "model-3", base / "processing/input/model")
        shutil.copytree(base / "processing/output/test", base / "processing/input/test")
    return Search(base, trials)


def archive(model_dir: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as packed:
        packed.add(model_dir, ".")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Search]:
    """A search for each problem."""
    return {problem: search(tmp_path_factory.mktemp(problem), problem) for problem in LEARNING}


@pytest.fixture(params=LEARNING)
def found(
    request: pytest.FixtureRequest,
    made: dict[str, Search],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Search:
    """A copy of the search for each problem, in the container's folder."""
    done = made[request.param]
    shutil.copytree(done.base / "processing", tmp_path / "processing")
    monkeypatch.setattr(container, "BASE", tmp_path)
    return Search(tmp_path, done.trials)


def test_each_algorithm_is_reported_by_its_best_trial(found: Search) -> None:
    report = found.evaluate(*COMPARE)["algorithms"]
    assert list(report) == ["xgboost", "lightgbm"]
    for name, best in report.items():
        values = {job: model.description.value for job, model in found.trials.items()
                  if model.description.algorithm == name}  # fmt: skip
        errs = found.test.columns.is_regression
        right = (min if errs else max)(values, key=values.__getitem__)
        assert right in ("tune-003", "tune-004")  # those of the most rounds
        assert (best["training_job"], best["trials"]) == (right, 3)
        assert best["objective"] == {f"validation:{'rmse' if errs else 'auc'}": values[right]}
        assert best["hyperparameters"] == found.trials[right].description.hyperparameters
        assert best["hyperparameters"]["num_round"] == "25"


def test_the_best_of_each_are_measured_on_the_test_split(found: Search) -> None:
    report, test = found.evaluate(*COMPARE)["algorithms"], found.test
    measured = set()
    for best in report.values():
        prediction = inference.predict_fn(test.features, found.trials[best["training_job"]])
        if prediction.probabilities is None:
            section, values = (
                "regression_metrics",
                regression_metrics(test.labels, prediction.labels),
            )
        else:
            section = "binary_classification_metrics"
            values = binary_metrics(test.labels, prediction.probabilities, prediction.labels)
        assert best[section] == {name: {"value": value} for name, value in values.items()}
        assert set(best) == {"trials", "training_job", "objective", "hyperparameters", section}
        measured.add(json.dumps(best[section]))
    assert len(measured) == 2  # each by its own model


def test_the_model_that_goes_on_is_measured_as_without_a_comparison(found: Search) -> None:
    alone, compared = found.evaluate(), found.evaluate(*COMPARE)
    assert compared.pop("algorithms")
    assert compared == alone
    assert alone["algorithm"] == "lightgbm"
    section = "regression" if found.test.columns.is_regression else "binary_classification"
    own = found.evaluate(*COMPARE)["algorithms"]["lightgbm"][f"{section}_metrics"]
    assert alone[f"{section}_metrics"] == own


def test_a_trial_without_a_model_is_none(found: Search) -> None:
    trials = found.base / "processing/input/trials"
    (trials / "tune-007" / "output").mkdir(parents=True)
    (trials / "tune-001" / "output" / "output.tar.gz").write_bytes(b"no model")
    (trials / "manifest.json").write_text("{}")
    assert list(evaluate.read_trials(trials)) == [f"tune-{number:03}" for number in range(1, 7)]
    shutil.rmtree(trials / "tune-003")  # xgboost's best
    with pytest.raises(DataError) as error:
        found.evaluate(*COMPARE)
    assert str(error.value) == (
        "expected at least 3 trials of xgboost with a model to compare xgboost and lightgbm, got 2"
    )
    least = [*COMPARE[:-1], "2"]
    assert found.evaluate(*least)["algorithms"]["xgboost"]["training_job"] == "tune-005"


def test_without_algorithms_no_trial_is_read(found: Search) -> None:
    shutil.rmtree(found.base / "processing/input/trials")
    assert "algorithms" not in found.evaluate()


# By hand


@dataclass(frozen=True)
class Constant:
    """A model that says the same of all."""

    value: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), self.value)

    def contributions(self, features: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError


COLUMNS = Columns("id", "y", "binary", 1, None, (), None, (), ("x",))
TEST = Split(COLUMNS, ["1", "2"], np.array([0.0, 1]), {}, np.zeros((2, 1), np.float32))


def trial(algorithm: str, objective: str, value: float) -> inference.Model:
    description = inference.Description(
        algorithm, objective, value, {}, DecisionThreshold("f1", 0.5)
    )
    return inference.Model(Constant(value), description, COLUMNS)


@pytest.mark.parametrize(
    ("objective", "best"),
    [("validation:auc", "b"), ("validation:map", "b"), ("validation:logloss", "c"),
     ("validation:rmse", "c"), ("validation:mae", "c")],
)  # fmt: skip
def test_the_best_is_the_highest_score_or_the_lowest_error(objective: str, best: str) -> None:
    values = {"a": 0.7, "b": 0.9, "c": 0.6}
    trials = {job: trial("xgboost", objective, value) for job, value in values.items()}
    trials["d"] = trial("lightgbm", objective, 0.1)
    report = evaluate.best_of_each(trials, ["xgboost", "lightgbm"], 1, TEST)
    assert {name: entry["training_job"] for name, entry in report.items()} == {
        "xgboost": best,
        "lightgbm": "d",
    }


@pytest.mark.parametrize(
    "objective",
    [
        "validation:auc",
        "validation:rmse",
    ],
)
def test_of_equal_trials_the_earlier_is_the_best_as_the_search_has_it(objective: str) -> None:
    trials = {job: trial("xgboost", objective, 0.9) for job in "abc"}
    (best,) = evaluate.best_of_each(trials, ["xgboost"], 3, TEST).values()
    assert best["training_job"] == "a"


def test_an_algorithm_of_which_no_trial_gave_a_model_cannot_be_compared() -> None:
    trials = {job: trial("xgboost", "validation:auc", 0.9) for job in "abc"}
    with pytest.raises(DataError, match=r"expected at least 3 trials of lightgbm .*, got 0"):
        evaluate.best_of_each(trials, ["xgboost", "lightgbm"], 3, TEST)


OWN = '''\
import numpy as np


def first_called(labels, predictions, scores):
    """What it is given, in one number; it may do with it as it likes."""
    rows = len(labels)
    assert labels.shape == predictions.shape == (rows,)
    assert scores is None or scores.shape == (rows,)
    value = float(np.abs(labels - predictions).sum()) + (0 if scores is None else 0.5)
    labels[:] = predictions[:] = 7
    return value


def second_called(labels, predictions, scores):
    return np.float64(len(labels))


def not_finite(labels, predictions, scores):
    return np.nan
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A team's `custom_metrics.py` beside the scripts."""
    folder = tmp_path / "steps"
    folder.mkdir()
    (folder / "custom_metrics.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("custom_metrics", None)


@pytest.mark.usefixtures("own")
def test_metrics_of_ones_own_stand_beside_the_others(found: Search) -> None:
    alone = found.evaluate(*COMPARE)
    more = found.evaluate(*COMPARE, "--metric", "first_called", "--metric", "second_called")
    test, model = found.test, inference.model_fn(str(found.base / "processing/input/model/model"))
    prediction = inference.predict_fn(test.features, model)
    is_binary = prediction.probabilities is not None
    section = "binary_classification_metrics" if is_binary else "regression_metrics"
    for content in (more, *more["algorithms"].values()):
        assert list(content[section])[-2:] == ["first_called", "second_called"]
        assert content[section].pop("second_called") == {"value": float(len(test.labels))}
    wrong = float(np.abs(test.labels - prediction.labels).sum())
    expected = {"value": wrong + (0.5 if is_binary else 0.0)}
    assert more[section]["first_called"] == expected
    for content in (more, *more["algorithms"].values()):
        del content[section]["first_called"]
    assert more == alone  # whatever the functions did with their arrays


@pytest.mark.usefixtures("own")
def test_a_metric_of_ones_own_that_is_no_finite_number_is_named(found: Search) -> None:
    with pytest.raises(DataError, match=r"^custom_metrics\.py not_finite: .* number, got nan$"):
        found.evaluate("--metric", "not_finite")
