"""Step 3 where algorithms are compared: the best trial of each, out of the trials' archives."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
import tarfile
from collections.abc import Iterator, Sequence
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
from archive_process import CSV
from bias_report import gate_numbers
from champion import Aligned, Term
from dataset import DataError, Split, read_split
from decision import DecisionThreshold
from metrics import binary_metrics, regression_metrics
from ninesteps.feature_store import findings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code import no_champion
from people import (
    arguments,
    chosen,
    container_at,
    paid,
    paid_arguments,
    people,
    query_result,
    training_job,
)
from served_model import Answers, ServedModel, records_of, requests_of

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
        container_at(patch, base)
        query_result(base, paid() if problem == "regression" else people())
        process.main(paid_arguments() if problem == "regression" else arguments())
        for number in range(6):
            algorithm, rounds = Tuning.ALGORITHMS[number % 2], ROUNDS[number // 2]
            job, model_dir = f"tune-{number + 1:03}", base / f"model-{number}"
            training_job(patch, base / "processing/output", model_dir)
            words = ["--num_round", str(rounds), "--max_depth", "2", "--eta", "0.2"]
            train.main([*words, *LEARNING[problem], *chosen(algorithm, "f1")])
            trials[job] = inference.model_fn(str(model_dir))
            archive(model_dir, base / "processing/input/trials" / job / "output")
        archive(base / "model-3", base / "processing/input/model")
        shutil.copytree(base / "processing/output/test", base / "processing/input/test")
    return Search(base, trials)


def answered(test: Split, model: inference.Model) -> Answers:
    """What a model answers, in the digits that it is written with."""
    text, _ = inference.output_fn(inference.predict_fn(test.features, model), "text/csv")
    numbers = np.array([list(map(float, line.split(","))) for line in text.splitlines()])
    is_regression = test.columns.is_regression
    return Answers(text, numbers[:, 0], None if is_regression else numbers[:, 1])


def archive(model_dir: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as packed:
        packed.add(model_dir, ".")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Search]:
    """A search for each problem."""
    return {problem: search(tmp_path_factory.mktemp(problem), problem) for problem in LEARNING}


@pytest.fixture(scope="module")
def answered_before() -> dict[tuple[str, ...], list[str]]:
    return {}


@pytest.fixture(autouse=True)
def asked_once(
    monkeypatch: pytest.MonkeyPatch, answered_before: dict[tuple[str, ...], list[str]]
) -> None:
    """The same archive answers the same: it is asked in a process once for all tests."""
    ask = ServedModel.ask

    def asked(model: ServedModel, requests: Sequence[str], kind: str = CSV) -> list[str]:
        key = (model.sha256, kind, *requests)
        if key not in answered_before:
            answered_before[key] = ask(model, requests, kind)
        return answered_before[key]

    monkeypatch.setattr(ServedModel, "ask", asked)


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
        prediction = answered(test, found.trials[best["training_job"]])
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
    assert compared.pop("comparison_doubts") == []
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
    assert sorted(evaluate.read_trials(trials)) == [f"tune-{number:03}" for number in range(1, 7)]
    shutil.rmtree(trials / "tune-003")  # xgboost's best
    least = [*COMPARE[:-1], "2"]
    assert found.evaluate(*least)["algorithms"]["xgboost"]["training_job"] == "tune-005"


def test_an_algorithm_that_got_few_trials_is_compared_and_doubted(found: Search) -> None:
    """How the search shares them is its own: the pipeline goes on."""
    trials = found.base / "processing/input/trials"
    assert found.evaluate(*COMPARE)["comparison_doubts"] == []
    shutil.rmtree(trials / "tune-003")  # xgboost's best
    evaluation = found.evaluate(*COMPARE)
    assert evaluation["comparison_doubts"] == [
        "xgboost has 2 of 5 trials with a model, fewer than 3: too few to say which algorithm is "
        "better"
    ]
    assert evaluation["algorithms"]["xgboost"]["trials"] == 2
    assert findings.of_comparison(evaluation) == evaluation["comparison_doubts"]


def test_an_algorithm_that_got_no_trial_is_said_to_be_compared_with_nothing(found: Search) -> None:
    for number in (1, 3, 5):
        shutil.rmtree(found.base / f"processing/input/trials/tune-{number:03}")
    evaluation = found.evaluate(*COMPARE)
    assert evaluation["algorithms"]["xgboost"] == {"trials": 0}
    assert evaluation["algorithms"]["lightgbm"]["trials"] == 3
    assert evaluation["comparison_doubts"] == [
        "xgboost has 0 of 3 trials with a model, fewer than 3: no comparison took place"
    ]


def test_without_algorithms_no_trial_is_read(found: Search) -> None:
    shutil.rmtree(found.base / "processing/input/trials")
    assert "algorithms" not in found.evaluate()


# Archives with other code than the step's


def with_code(found: Search, **modules: tuple[str, str]) -> None:
    """The model's archive with these modules changed: a text in each replaced by another."""
    archived = found.base / "processing/input/model/model.tar.gz"
    unpacked = ServedModel.unpack(archived).folder
    archived.unlink()
    for module, (before, after) in modules.items():
        file = unpacked / "code" / f"{module}.py"
        text = file.read_text(encoding="utf-8")
        assert before in text
        file.write_text(text.replace(before, after), encoding="utf-8")
    with tarfile.open(archived, "w:gz") as packed:
        packed.add(unpacked, ".")
    shutil.rmtree(unpacked)


PREDICT = "np.asarray(self.booster.predict(features, num_threads=1), dtype=np.float64)"


@pytest.mark.parametrize("found", ["binary"], indirect=True)
@pytest.mark.parametrize(
    "changed",
    [
        {"lightgbm_model": (PREDICT, f"1 - {PREDICT}")},
        {
            "inference": (
                "values = model.fitted.predict(data)",
                "values = 1 - model.fitted.predict(data)",
            )
        },
    ],
    ids=["a flat module", "inference.py"],
)
def test_a_model_is_judged_by_what_its_archive_answers(
    found: Search, changed: dict[str, tuple[str, str]]
) -> None:
    right = found.evaluate(*COMPARE)
    with_code(found, **changed)
    wrong = found.evaluate(*COMPARE)
    before, after = (
        content["binary_classification_metrics"]["auc"]["value"] for content in (right, wrong)
    )
    assert before > 0.8 and after == pytest.approx(1 - before)
    assert right["model_sha256"] != wrong["model_sha256"]
    assert wrong["algorithms"] == right["algorithms"]  # the trials' archives are as they were


@pytest.mark.parametrize("found", ["binary"], indirect=True)
def test_the_evaluation_says_which_archive_was_asked_and_what_it_answered(found: Search) -> None:
    content, result = found.evaluate(), found.base / "processing/output/evaluation"
    archived = found.base / "processing/input/model/model.tar.gz"
    assert content["model_sha256"] == hashlib.sha256(archived.read_bytes()).hexdigest()
    model = inference.model_fn(str(archived.parent / "model"))
    assert (result / evaluate.ANSWERS).read_text("utf-8") == answered(found.test, model).text


@pytest.mark.parametrize("found", ["binary"], indirect=True)
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("values[:] = values[::-1] if len(values) > 1 else values", "alone, as in a batch"),
        ("values[7:8] = np.nan", "expected label 0 or 1 and a finite probability for record"),
        ("Path('../test/test.csv').read_text()", "fails: FileNotFoundError"),
        ("raise OSError('no disk')", "fails: OSError: no disk"),
    ],
    ids=["wrong on single records", "not a number", "reads labels", "fails"],
)
def test_an_archive_that_cannot_be_judged_fails_the_step(
    found: Search, code: str, sentence: str
) -> None:
    predicted = "values = model.fitted.predict(data)\n"
    place = found.base / "processing/input/model"
    code = code.replace("../test", str(place.parent / "test"))
    with_code(found, inference=(predicted, f"{predicted}    {code}\n"))
    with pytest.raises(DataError, match=sentence):
        found.evaluate()


@pytest.mark.parametrize("found", ["binary"], indirect=True)
def test_nothing_that_an_archive_writes_changes_the_test_split(found: Search) -> None:
    right, folder = found.evaluate(), found.base / "processing/input/test"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    predicted = "values = model.fitted.predict(data)\n"
    writes = (
        f"[Path({str(folder)!r}, name).write_text('x') for name in ('test.csv', 'columns.json')]"
    )
    with_code(found, inference=(predicted, f"{predicted}    {writes}\n"))
    again = found.evaluate()
    assert again.pop("model_sha256") != right.pop("model_sha256")
    assert again == right
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


# The champion

CHAMPION = {
    "binary": {"auc": ">= -0.005", "precision": "> 0.9"},
    "regression": {"rmse": "<= 500"},
}
"""Terms of a gate by metric: the champion here is the search's first trial, a poor one."""
URI = "s3://bucket/pipeline/executions/one/tune/tune-001/output/model.tar.gz"


def terms(problem: str) -> list[str]:
    sections = {"binary": "binary_classification_metrics", "regression": "regression_metrics"}
    named = {
        f"{sections[problem]}.{name}.value": limit for name, limit in CHAMPION[problem].items()
    }
    named["bias_metrics.worst_dppl.value"] = "<= 0.02"
    named["bias_metrics.di.gender.value"] = "> -0.5"
    return [word for path, limit in named.items() for word in ("--champion", f"{path} {limit}")]


def with_champion(found: Search, content: bytes, uri: str = URI) -> list[str]:
    """Put an archive where step 3 finds the champion's; gives the arguments."""
    folder = found.base / "processing/input/champion"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "model.tar.gz").write_bytes(content)
    request = {"ProcessingInputs": [{"InputName": "champion", "S3Input": {"S3Uri": uri}}]}
    (found.base / "config").mkdir(exist_ok=True)
    (found.base / "config/processingjobconfig.json").write_text(json.dumps(request))
    return terms(found.test.columns.problem)


def first_trial(found: Search, **columns: object) -> bytes:
    """The first trial's archive, its columns.json with some content changed."""
    packed = found.base / "processing/input/trials/tune-001/output/model.tar.gz"
    if not columns:
        return packed.read_bytes()
    folder = ServedModel.unpack(packed).folder
    file = folder / "code/columns.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | columns))
    with tarfile.open(packed, "w:gz") as archived:
        archived.add(folder, ".")
    return packed.read_bytes()


def test_both_models_are_scored_on_the_same_rows(found: Search) -> None:
    content = first_trial(found)
    evaluation = found.evaluate(*with_champion(found, content))
    section, test = evaluation["champion"], found.test
    assert (section["outcome"], section["uri"]) == ("scored", URI)
    assert section["sha256"] == hashlib.sha256(content).hexdigest()
    its = answered(test, found.trials["tune-001"])  # with its own threshold
    name = "regression_metrics" if its.probabilities is None else "binary_classification_metrics"
    assert section[name] == evaluate.measured(test, its)[name]
    numbers = gate_numbers(test, its.labels, 30)
    assert section["bias_metrics"] == json.loads(json.dumps(numbers))
    for metric in CHAMPION[test.columns.problem]:
        new, old = evaluation[name][metric]["value"], section[name][metric]["value"]
        difference = section[f"{metric}_difference"]
        assert difference["value"] == new - old != 0
        assert (difference["challenger"], difference["champion"]) == (new, old)
        low, high = difference["interval"]
        assert low < difference["value"] < high
    gap = evaluation["bias_metrics"]["worst_dppl"]["value"] - numbers["worst_dppl"]["value"]
    assert section["worst_dppl_difference"]["value"] == gap
    assert set(section["di_difference"]) == {"gender"}
    assert section["bootstrap"]["units"] == len(test.labels)
    plain = found.evaluate()
    assert {n: v for n, v in evaluation.items() if n != "champion"} == plain


def test_rows_that_the_split_keeps_together_are_drawn_together(found: Search) -> None:
    arguments = with_champion(found, first_trial(found))
    apart = found.evaluate(*arguments)["champion"]
    pairs = np.arange(len(found.test.labels)) // 2
    np.savetxt(found.base / "processing/input/test/groups.csv", 3 * pairs, fmt="%d")
    together = found.evaluate(*arguments)["champion"]
    assert together["bootstrap"]["drawn"] == "groups of rows"
    assert together["bootstrap"]["units"] == pairs[-1] + 1
    assert (
        together["worst_dppl_difference"]["interval"] != apart["worst_dppl_difference"]["interval"]
    )


def test_where_none_serves_every_term_passes(found: Search) -> None:
    arguments = with_champion(found, no_champion.archive())
    section = found.evaluate(*arguments)["champion"]
    assert (section["outcome"], section["sha256"]) == ("none serves", no_champion.sha256())
    assert section["says"] == "no version serves: each comparison with the champion passes"
    assert all(passes(section, text) for text in arguments[1::2])
    assert section["worst_dppl_difference"] == {"value": 0.0}
    if not found.test.columns.is_regression:
        assert section["precision_difference"]["value"] > 0.9


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"features": ["age", "shoe_size", "income", "hat"]},
         "the champion needs shoe_size, hat, which the test split does not have: no comparison "
         "with it passes"),
        ({"problem": "other"}, "the champion is of a other problem, and the new model"),
    ],
)  # fmt: skip
def test_a_champion_that_cannot_answer_passes_no_term(
    found: Search, columns: dict[str, object], says: str
) -> None:
    arguments = with_champion(found, first_trial(found, **columns))
    section = found.evaluate(*arguments)["champion"]
    assert section["outcome"] == "not scored"
    assert section["says"].startswith(says)
    assert not any(passes(section, text) for text in arguments[1::2])


def passes(section: dict[str, Any], argument: str) -> bool:
    term = Term.read(argument)
    value: Any = section
    for key in (*term.difference, "value"):
        value = value[key]
    return term.passes(value)


@pytest.mark.parametrize("found", ["binary"], indirect=True)
def test_a_champion_gets_its_own_features_in_its_own_order(found: Search) -> None:
    arguments = with_champion(found, first_trial(found))
    right = found.evaluate(*arguments)["champion"]
    test = found.base / "processing/input/test"
    before = found.test.columns
    order = [*reversed(range(len(before.features)))]
    turned = dataclasses.replace(before, features=tuple(before.features[i] for i in order))
    model = Aligned(Path(), "", tuple(turned.features.index(name) for name in before.features))
    rows = records_of(test, "test", before)
    backwards = [",".join(row.split(",")[i] for i in order) for row in rows]
    assert backwards != rows
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServedModel, "ask", lambda _, requests, kind: asked.extend(requests) or [])
        model.ask(requests_of(backwards))
    assert asked == requests_of(rows)
    assert right["outcome"] == "scored"


@pytest.mark.parametrize("found", ["binary"], indirect=True)
@pytest.mark.parametrize("cut", [0, 100, -2000], ids=["nothing", "its beginning", "but its end"])
def test_a_damaged_champion_fails_the_step_in_one_sentence(found: Search, cut: int) -> None:
    arguments = with_champion(found, first_trial(found)[:cut])
    with pytest.raises(
        DataError, match=f"^the champion {URI}: expected a model archive, got "
    ) as no:
        found.evaluate(*arguments)
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("found", ["binary"], indirect=True)
def test_another_archive_than_a_models_is_no_champion(found: Search) -> None:
    packed = found.base / "other.tar.gz"
    with tarfile.open(packed, "w:gz") as archived:
        archived.add(__file__, "code/readme.py")
    arguments = with_champion(found, packed.read_bytes())
    with pytest.raises(DataError, match=f"^the champion {URI}: expected a model archive, got "):
        found.evaluate(*arguments)


# By hand


def trial(algorithm: str, objective: str, value: float) -> inference.Description:
    return inference.Description(algorithm, objective, value, {}, DecisionThreshold("f1", 0.5))


@pytest.mark.parametrize(
    ("objective", "best"),
    [("validation:auc", "b"), ("validation:map", "b"), ("validation:logloss", "c"),
     ("validation:rmse", "c"), ("validation:mae", "c")],
)  # fmt: skip
def test_the_best_is_the_highest_score_or_the_lowest_error(objective: str, best: str) -> None:
    values = {"a": 0.7, "b": 0.9, "c": 0.6}
    trials = {job: trial("xgboost", objective, value) for job, value in values.items()}
    trials["d"] = trial("lightgbm", objective, 0.1)
    chosen = evaluate.best_of_each(trials, ["xgboost", "lightgbm"])
    assert chosen == {"xgboost": best, "lightgbm": "d"}


@pytest.mark.parametrize(
    "objective",
    [
        "validation:auc",
        "validation:rmse",
    ],
)
def test_of_equal_trials_the_earlier_is_the_best_as_the_search_has_it(objective: str) -> None:
    trials = {job: trial("xgboost", objective, 0.9) for job in "abc"}
    assert evaluate.best_of_each(trials, ["xgboost"]) == {"xgboost": "a"}


def test_an_algorithm_of_which_no_trial_gave_a_model_has_no_best() -> None:
    trials = {job: trial("xgboost", "validation:auc", 0.9) for job in "abc"}
    assert evaluate.best_of_each(trials, ["xgboost", "lightgbm"]) == {"xgboost": "a"}


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
    prediction = answered(test, model)
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
