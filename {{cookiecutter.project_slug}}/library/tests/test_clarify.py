"""Steps 3, 5 and 7 on one model: evaluation, Clarify's configuration, its analysis, and SHAP."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import math
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import analysis_config
import bias_metrics
import clarify
import container
import evaluate
import explanations
import inference
import process
import train
from bias_report import NO_GROUP_COUNTS, gate_numbers
from dataset import Columns, DataError, Facet, Split, Texts, read_split
from intervals import CONFIDENCE, interval
from metrics import binary_metrics, regression_metrics
from ninesteps.local.batch_transform import transform_csv
from ninesteps.settings import gate
from ninesteps.settings.gate import BIAS_METRICS, METRICS
from people import (
    arguments,
    chosen,
    container_at,
    facet_argument,
    paid,
    paid_arguments,
    people,
    query_result,
    training_job,
)

FACETS = "gender, age>=40, age>60, city=Leeds|Derby"
KEYS = ("gender", "age_ge_40", "age_gt_60", "city_leeds_derby", "bath")
HYPERPARAMETERS = ["--num_round", "12", "--eta", "0.3", "--max_depth", "3"]
MIN_GROUP_SIZE = "30"
EXECUTION = "s3://bucket/people/executions/e1"
PREDICTIONS = f"{EXECUTION}/PeopleTransform"
CONFIGURED = [
    *("--model-name", "people-1", "--instance-type", "ml.m5.large"),
    *("--transform-step", "PeopleTransform", "--local-explanations", "yes"),
]


@dataclass(frozen=True)
class Kind:
    """What is learnt of whom, and how."""

    label: str
    table: Callable[[], pa.Table]
    arguments: Callable[..., list[str]]
    algorithm: str
    learning: tuple[str, ...]
    output_filter: str  # of the transform
    options: dict[str, str]


TASK, METRIC = "--objective", "--eval_metric"
BINARY = ("stayed", people, arguments)
TO_CLASSIFY = ((TASK, "binary:logistic", METRIC, "auc"), "$[0,-2,-1]")
TO_ESTIMATE = ((TASK, "reg:squarederror", METRIC, "rmse"), "$[0,-1]")
KINDS = {
    "staying": Kind(*BINARY, "xgboost", *TO_CLASSIFY, {"favourable_label": "1"}),
    "leaving": Kind(*BINARY, "lightgbm", *TO_CLASSIFY, {"favourable_label": "0"}),
    "salary": Kind("salary", paid, paid_arguments, "lightgbm", *TO_ESTIMATE, {}),
}
"""What is favourable: to stay, to leave, to be paid above the training split's median."""


@dataclass(frozen=True)
class Product:
    """What the steps have left below one container's folder."""

    base: Path
    kind: Kind

    def input(self, name: str) -> Path:
        return self.base / "processing" / "input" / name

    def output(self, name: str) -> Path:
        return self.base / "processing" / "output" / name

    @property
    def result(self) -> Path:
        """Where step 7 writes."""
        return self.base / "processing" / "output"

    def read(self, name: str) -> Any:
        return json.loads((self.base / "processing" / "output" / name).read_text("utf-8"))

    @property
    def test(self) -> Split:
        return read_split(self.output("test"), "test")

    @property
    def predictions(self) -> list[list[str]]:
        with (self.input("predictions") / "test.csv.out").open(newline="") as rows:
            return list(csv.reader(rows))

    @property
    def labels(self) -> np.ndarray:
        """What the transform predicted: 0 and 1, or numbers."""
        return np.array([float(row[1]) for row in self.predictions])

    @property
    def probabilities(self) -> np.ndarray:
        """What the transform predicted beside a class."""
        return np.array([float(row[2]) for row in self.predictions])


def make(base: Path, patch: pytest.MonkeyPatch, kind: Kind) -> Product:
    """Run the steps one after the other, as the pipeline does."""
    container_at(patch, base)
    product = Product(base, kind)
    query_result(base, kind.table())
    words = kind.arguments(FACETS, group_variable="city", **kind.options)
    words += facet_argument(key="bath", column="city", values=["Bath, UK"])
    process.main(words)
    model_dir = base / "model"
    training_job(patch, base / "processing/output", model_dir)
    train.main([*HYPERPARAMETERS, *kind.learning, *chosen(kind.algorithm, "f1")])
    product.input("model").mkdir()
    with tarfile.open(product.input("model") / "model.tar.gz", "w:gz") as archive:
        archive.add(model_dir, ".")
    for name in ("test", "data", "columns"):
        shutil.copytree(product.output("test"), product.input(name))
    evaluate.main(["--min-group-size", MIN_GROUP_SIZE])
    shutil.rmtree(product.input("model") / "model")  # the bias step has a folder of its own
    write_request(base)
    analysis_config.main(CONFIGURED)
    shutil.copytree(product.output("config"), product.input("config"))
    predict_test_split(product, model_dir)
    clarify.main()
    return product


def write_request(base: Path) -> None:
    """The request of step 5's job, which its container finds there."""
    output = {"OutputName": "config", "S3Output": {"S3Uri": f"{EXECUTION}/PeopleConfig/config"}}
    (base / "config").mkdir()
    request = {"ProcessingOutputConfig": {"Outputs": [output]}}
    (base / "config/processingjobconfig.json").write_text(json.dumps(request), "utf-8")


def predict_test_split(product: Product, model_dir: Path) -> None:
    """Step 6, with the filters of the definition."""
    model = inference.model_fn(str(model_dir))

    def predict(records: str) -> str:
        prediction = inference.predict_fn(inference.input_fn(records, "text/csv"), model)
        return inference.output_fn(prediction, "text/csv")[0]

    first_feature = 3 + len(product.test.context)
    request = {
        "DataProcessing": {
            "InputFilter": f"$[{first_feature}:]",
            "JoinSource": "Input",
            "OutputFilter": product.kind.output_filter,
        }
    }
    folder = product.input("predictions")
    folder.mkdir()
    dataset = product.input("data") / "test.csv"
    with (
        dataset.open(newline="", encoding="utf-8") as rows,
        (folder / "test.csv.out").open("w", encoding="utf-8") as output,
    ):
        transform_csv(rows, request, predict, output)


Kinds = Callable[[str], Product]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    """The product of each kind, made once."""
    with pytest.MonkeyPatch.context() as patch:
        yield functools.cache(lambda name: make(tmp_path_factory.mktemp(name), patch, KINDS[name]))


@pytest.fixture(scope="module", params=KINDS)
def product(request: pytest.FixtureRequest, kinds: Kinds) -> Product:
    """Each kind in turn."""
    return kinds(request.param)


@pytest.fixture(scope="module", params=["staying", "leaving"])
def classified(request: pytest.FixtureRequest, kinds: Kinds) -> Product:
    """Each kind of a binary label in turn."""
    return kinds(request.param)


@pytest.fixture(scope="module")
def estimated(kinds: Kinds) -> Product:
    """The regression."""
    return kinds("salary")


@pytest.fixture
def rerun(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Product]:
    """A copy of the product before step 7; calling it runs that step."""
    shutil.copytree(product.base, tmp_path / "base")
    copy = Product(tmp_path / "base", product.kind)
    (copy.result / "analysis.json").unlink()
    shutil.rmtree(copy.result / "explanations_shap")
    shutil.rmtree(copy.input("model") / "model")
    monkeypatch.setattr(container, "BASE", copy.base)

    def run() -> Product:
        clarify.main()
        return copy

    return run


def groups(section: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Metrics by facet and group."""
    return {
        (facet, group["value_or_threshold"]): {m["name"]: m["value"] for m in group["metrics"]}
        for facet, found in section["facets"].items()
        for group in found
    }


# Step 3


def test_the_evaluation_has_every_number_that_a_gate_can_name(product: Product) -> None:
    evaluation, problem = product.read("evaluation/evaluation.json"), product.test.columns.problem
    names = [*METRICS[problem], *BIAS_METRICS[problem]]
    names += [f"{metric}[{key}]" for metric in ("dppl", "di") for key in KEYS]
    text = " and ".join(f"{name} > 0" for name in names)
    compared = list(gate.comparisons(gate.parse(text, problem, KEYS)))
    assert len(compared) == len(names)
    for comparison in compared:
        value = evaluation
        for key in comparison.json_path.split("."):
            value = value[key]
        assert isinstance(value, float), comparison.json_path


def test_the_evaluation_has_no_numbers_of_the_other_problem(product: Product) -> None:
    evaluation, problem = product.read("evaluation/evaluation.json"), product.test.columns.problem
    sections = {"binary": "binary_classification_metrics", "regression": "regression_metrics"}
    assert [name for name in sections.values() if name in evaluation] == [sections[problem]]
    assert ("worst_mean_residual" in evaluation["bias_metrics"]) == (problem == "regression")
    assert ("mean_residual" in evaluation["bias_metrics"]) == (problem == "regression")


def test_the_evaluation_is_of_what_the_transform_predicts(classified: Product) -> None:
    test, evaluation = classified.test, classified.read("evaluation/evaluation.json")
    assert [row[0] for row in classified.predictions] == test.ids
    labels, probabilities = classified.labels, classified.probabilities
    np.testing.assert_array_equal(labels, probabilities >= evaluation["decision"]["threshold"])
    values = binary_metrics(test.labels, probabilities, labels)
    read = evaluation["binary_classification_metrics"]
    assert {name: entry["value"] for name, entry in read.items()} == pytest.approx(values)
    assert evaluation["rows"] == len(test.ids)
    assert values["auc"] > 0.85


def test_the_evaluation_is_of_the_numbers_that_the_transform_estimates(estimated: Product) -> None:
    test, evaluation = estimated.test, estimated.read("evaluation/evaluation.json")
    assert [row[0] for row in estimated.predictions] == test.ids
    assert {len(row) for row in estimated.predictions} == {2}
    values = regression_metrics(test.labels, estimated.labels)
    read = evaluation["regression_metrics"]
    assert {name: entry["value"] for name, entry in read.items()} == pytest.approx(values)
    assert (evaluation["rows"], evaluation["decision"]) == (len(test.ids), None)
    assert values["r2"] > 0.8


def test_the_evaluation_says_what_the_model_is(product: Product) -> None:
    evaluation = product.read("evaluation/evaluation.json")
    said = json.loads((product.base / "model/code/model.json").read_text("utf-8"))
    assert evaluation["algorithm"] == said["algorithm"] == product.kind.algorithm
    assert evaluation["objective"] == {said["objective"]: said["value"]}
    assert evaluation["decision"] == said["decision"]
    assert "algorithms" not in evaluation  # one is not compared with another


def test_the_gates_bias_numbers_are_those_of_the_analysis(product: Product) -> None:
    numbers = product.read("evaluation/evaluation.json")["bias_metrics"]
    analysis = groups(product.read("analysis.json")["post_training_bias_metrics"])
    facets = {facet.key: facet for facet in product.test.columns.facets}
    assert set(numbers["dppl"]) == set(numbers["di"]) == set(numbers["groups"]) == set(KEYS)
    compared = 0
    for key, found in numbers["groups"].items():
        column = f"facet_{facets[key].column}"
        for group in found:
            metrics = analysis[column, group["value"]]
            assert (group["dppl"], group["di"]) == (metrics["DPPL"], metrics["DI"])
            compared += 1
        counted = [analysis[column, g["value"]] for g in found if g["counted"]]
        assert numbers["dppl"][key]["value"] == max(abs(m["DPPL"]) for m in counted)
        ratios = [min(m["DI"], 1 / m["DI"]) if m["DI"] else 0.0 for m in counted]
        assert numbers["di"][key]["value"] == min(ratios)
    assert compared == len(analysis)
    assert numbers["worst_di"]["value"] > 0
    assert numbers["worst_dppl"]["value"] == max(n["value"] for n in numbers["dppl"].values())
    assert numbers["worst_di"]["value"] == min(n["value"] for n in numbers["di"].values())


def test_every_groups_shares_are_counts_with_their_interval(classified: Product) -> None:
    """A hand count of one group: nothing of the code that tells groups."""
    test = classified.test
    numbers = classified.read("evaluation/evaluation.json")["bias_metrics"]
    assert numbers["confidence"] == CONFIDENCE
    (old,) = numbers["groups"]["age_ge_40"]
    members = np.array([age is not None and int(age) >= 40 for age in test.context["age"].raw])
    for key, labels in (("labelled", test.labels), ("predicted", classified.labels)):
        favourable = int((labels[members] == test.columns.favourable_label).sum())
        rows = int(members.sum())
        assert old[key] == {
            "rows": rows,
            "favourable": favourable,
            "share": favourable / rows,
            "interval": interval(favourable, rows),
        }


def test_the_training_splits_shares_stand_with_its_bias(product: Product) -> None:
    bias = product.read("bias/pretraining_bias.json")
    assert set(bias["groups"]) == set(KEYS)
    shown = [group["value"] for groups in bias["groups"].values() for group in groups]
    assert sorted(shown) == sorted(value for _, value in groups(bias))
    for found in bias["groups"].values():
        for group in found:
            low, high = group["labelled"]["interval"]
            assert low <= group["labelled"]["share"] <= high


def test_a_group_too_small_is_reported_and_does_not_count(product: Product) -> None:
    found = product.read("evaluation/evaluation.json")["bias_metrics"]["groups"]["gender"]
    sizes = {group["value"]: (group["rows"] >= int(MIN_GROUP_SIZE)) for group in found}
    assert sizes == {group["value"]: group["counted"] for group in found}
    assert set(sizes.values()) == {True, False}


def test_residuals_are_the_means_of_what_is_predicted_less_what_is(estimated: Product) -> None:
    """A hand count: nothing of the code that tells groups."""
    test = estimated.test
    numbers = estimated.read("evaluation/evaluation.json")["bias_metrics"]
    residuals = estimated.labels - test.labels
    old = np.array([age is not None and int(age) >= 40 for age in test.context["age"].raw])
    north = np.isin(test.context["city"].raw, ["Leeds", "Derby"])
    found = numbers["mean_residual"]
    of_old, of_north = found["age_ge_40"], found["city_leeds_derby"]  # answers have nine digits
    assert of_old == pytest.approx({"[40, 75]": residuals[old].mean()}, abs=1e-4)
    assert of_north == pytest.approx({"Leeds,Derby": residuals[north].mean()}, abs=1e-4)
    counted = {key: {group["value"] for group in groups if group["counted"]}
               for key, groups in numbers["groups"].items()}  # fmt: skip
    assert {key: set(means) for key, means in found.items()} == counted
    assert counted["gender"] == {"f", "m"}
    worst = max(abs(mean) for means in found.values() for mean in means.values())
    assert numbers["worst_mean_residual"]["value"] == worst


def split_of(
    labels: list[float], threshold: float | None = None, **context: list[str | None]
) -> Split:
    """A split with one facet a column; of numbers to be estimated if there is a threshold."""
    facets = tuple(Facet(name, name) for name in context)
    problem = "binary" if threshold is None else "regression"
    columns = Columns("id", "y", problem, 1, threshold, facets, None, tuple(context), ("x",))
    n = len(labels)
    raw = {name: Texts.of(values) for name, values in context.items()}
    ids = list(map(str, range(n)))
    return Split(columns, ids, np.array(labels, float), raw, np.zeros((n, 1), np.float32))


def bias_numbers(
    predicted: list[bool], min_group_size: int, **context: list[str | None]
) -> dict[str, Any]:
    """What a gate reads of these predicted labels."""
    split = split_of([0.0] * len(predicted), **context)
    return gate_numbers(split, np.array(predicted, dtype=np.float64), min_group_size)


def test_a_facet_no_group_of_which_counts_has_the_worst_numbers() -> None:
    numbers = bias_numbers([True] * 10, 3, sex=["f"] * 2 + ["m"] * 8, town=["x"] * 10)
    assert numbers["dppl"] == {"sex": {"value": 1.0}, "town": {"value": 1.0}}
    assert numbers["worst_dppl"] == {"value": 1.0}
    assert numbers["worst_di"] == {"value": 0.0}
    assert [group["counted"] for group in numbers["groups"]["sex"]] == [False, False]


def test_a_facet_without_any_value_has_the_worst_numbers() -> None:
    numbers = bias_numbers([True] * 4, 1, sex=[None] * 4)
    assert (numbers["worst_dppl"], numbers["worst_di"]) == ({"value": 1.0}, {"value": 0.0})


def test_why_a_group_does_not_decide_is_said() -> None:
    sex = ["f"] * 2 + ["m"] * 5 + [None]
    found = bias_numbers([True, False] * 4, min_group_size=4, sex=sex)["groups"]["sex"]
    assert {g["value"]: g["why_not"] for g in found} == {
        "f": "it has 2 rows, fewer than 4",
        "m": "all others have 3 rows, fewer than 4",
    }
    assert not any(g["counted"] for g in found)


def test_a_group_without_rows_has_no_numbers_and_says_so() -> None:
    split = split_of([0.0, 1.0], sex=["f", "f"])
    nobody = replace(split.columns, facets=(Facet("sex_m", "sex", ("m",)), Facet("sex", "sex")))
    numbers = gate_numbers(replace(split, columns=nobody), np.array([0.0, 1.0]), min_group_size=1)
    (empty,), (everybody,) = numbers["groups"]["sex_m"], numbers["groups"]["sex"]
    assert (empty["dppl"], empty["di"], empty["counted"]) == (None, None, False)
    assert empty["why_not"] == "it has no rows"
    assert empty["predicted"] == {"rows": 0, "favourable": 0, "share": None, "interval": None}
    assert (everybody["dppl"], everybody["counted"]) == (None, False)
    assert everybody["why_not"] == "all others have 0 rows, fewer than 1"


def test_the_four_fifths_rule_compares_the_lowest_share_with_the_highest() -> None:
    # a 8 of 10, b 6 of 10, c 3 of 6 (too few): by hand, 0.6 / 0.8 and Katz's interval.
    city = ["a"] * 10 + ["b"] * 10 + ["c"] * 6
    predicted = [i < 8 for i in range(10)] + [i < 6 for i in range(10)] + [i < 3 for i in range(6)]
    found = bias_numbers(predicted, min_group_size=10, city=city)["four_fifths"]["city"]
    deviation = math.sqrt(1 / 6 - 1 / 10 + 1 / 8 - 1 / 10)
    bounds = [0.75 * math.exp(sign * 1.95996398454 * deviation) for sign in (-1, 1)]
    assert found == {
        "lowest": "b",
        "highest": "a",
        "ratio": pytest.approx(0.75),
        "interval": pytest.approx(bounds),
    }


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([True] * 4 + [False] * 4, {"ratio": 0.0, "interval": None}),
        ([False] * 8, {"ratio": None, "interval": None}),
    ],
)
def test_of_shares_that_are_nought_the_rule_gives_no_interval(
    predicted: list[bool], expected: dict[str, Any]
) -> None:
    sex = ["f"] * 4 + ["m"] * 4
    found = bias_numbers(predicted, min_group_size=4, sex=sex)["four_fifths"]["sex"]
    assert {key: found[key] for key in expected} == expected


def test_a_facet_of_one_group_and_all_others_has_four_fifths_too() -> None:
    split = split_of([0.0] * 20, age=["50"] * 10 + ["30"] * 8 + [None] * 2)
    columns = dataclasses.replace(split.columns, facets=(Facet("old", "age", (), 40.0),))
    predicted = np.array([1.0] * 6 + [0.0] * 4 + [1.0] * 8 + [0.0] * 2)
    found = gate_numbers(dataclasses.replace(split, columns=columns), predicted, 5)
    ratio = found["four_fifths"]["old"]
    assert (ratio["lowest"], ratio["highest"]) == ("(40, 50]", "all others")
    assert ratio["ratio"] == pytest.approx(0.6 / 0.8)
    others = found["others"]["old"]["predicted"]
    assert (others["rows"], others["favourable"]) == (10, 8)  # without an age: with the others
    assert found["without_value"] == {"old": 2}


def test_of_fewer_than_two_groups_there_are_no_four_fifths() -> None:
    sex = ["f"] * 4 + [None] * 4
    assert bias_numbers([True] * 8, min_group_size=4, sex=sex)["four_fifths"] == {"sex": None}


def test_a_group_exactly_large_enough_counts() -> None:
    both = ["f"] * 3 + ["m"] * 3
    assert bias_numbers([True] * 3 + [False] * 3, 3, sex=both)["dppl"]["sex"]["value"] == 1.0
    numbers = bias_numbers([True, True, False] * 2, 3, sex=both)
    assert (numbers["worst_dppl"], numbers["worst_di"]) == ({"value": 0.0}, {"value": 1.0})


def test_the_impact_counts_the_same_in_both_directions() -> None:
    worse = [True, False, False, False, True, True, False, False]
    numbers = bias_numbers(worse, 1, sex=["f"] * 4 + ["m"] * 4)
    assert [group["di"] for group in numbers["groups"]["sex"]] == [0.5, 2.0]
    assert numbers["di"]["sex"]["value"] == 0.5


def test_nobody_predicted_favourable_fails_an_impact_gate() -> None:
    numbers = bias_numbers([False] * 4, 1, sex=["f"] * 2 + ["m"] * 2)
    assert numbers["worst_di"] == {"value": 0.0}


FOUR_AND_FOUR: list[str | None] = [*"ffffmmmm"]
PAY = [10.0, 20, 30, 40, 10, 20, 30, 40]


def test_who_is_estimated_above_the_threshold_is_favoured() -> None:
    """Of the women one of four, of the men three: exactly at the threshold is not above it."""
    split = split_of(PAY, threshold=25, sex=FOUR_AND_FOUR)
    numbers = gate_numbers(split, np.array([9.0, 25, 12, 26, 30, 25.1, 90, 0]), min_group_size=4)
    assert numbers["dppl"]["sex"]["value"] == pytest.approx(0.5)
    assert numbers["di"]["sex"]["value"] == pytest.approx(1 / 3)


def test_a_mean_residual_tells_over_from_underestimated_and_the_worst_is_either() -> None:
    """Women are estimated 3 too low on average, men 2 too high; the signs within do not count."""
    split = split_of(PAY, threshold=25, sex=FOUR_AND_FOUR)
    predicted = np.add(PAY, [-8, 0, -8, 4, 2, 12, -8, 2])
    numbers = gate_numbers(split, predicted, min_group_size=4)
    assert numbers["mean_residual"] == {"sex": {"f": -3.0, "m": 2.0}}
    assert numbers["worst_mean_residual"] == {"value": 3.0}


def test_a_group_that_does_not_count_has_no_mean_residual() -> None:
    few = [*"ffxxxxmm"]
    split = split_of(PAY, threshold=25, sex=few, town=[*"aaaabbbb"])
    predicted = np.add(PAY, [90, 90, 1, 1, 1, 1, 90, 90])
    numbers = gate_numbers(split, predicted, min_group_size=4)
    assert numbers["mean_residual"]["sex"] == {"x": 1.0}
    assert numbers["mean_residual"]["town"] == {"a": 45.5, "b": 45.5}


@pytest.mark.parametrize("sex", [[*"ffmmmmmm"], [None] * 8, ["f"] * 8])
def test_a_regression_no_group_of_which_counts_fails_every_gate(sex: list[str | None]) -> None:
    split = split_of(PAY, threshold=25, sex=sex)
    numbers = gate_numbers(split, np.array(PAY), min_group_size=3)
    assert numbers["worst_dppl"] == {"value": 1.0}
    assert numbers["worst_di"] == {"value": 0.0}
    assert numbers["mean_residual"] == {"sex": {}}
    assert numbers["worst_mean_residual"] == {"value": NO_GROUP_COUNTS}
    # More than any number that a gate may name, and such as JSON can hold.
    assert numbers["worst_mean_residual"]["value"] > 1e308
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_one_facet_no_group_of_which_counts_fails_a_gate_on_residuals_too() -> None:
    """As it fails one on shares, whatever the groups of other facets are."""
    split = split_of(PAY, threshold=25, sex=FOUR_AND_FOUR, town=["x"] * 8)
    numbers = gate_numbers(split, np.array(PAY), min_group_size=3)
    assert (numbers["worst_dppl"], numbers["worst_di"]) == ({"value": 1.0}, {"value": 0.0})
    assert numbers["worst_mean_residual"] == {"value": NO_GROUP_COUNTS}


def test_without_facets_every_gate_on_bias_fails() -> None:
    numbers = gate_numbers(split_of(PAY, threshold=25), np.array(PAY), min_group_size=1)
    assert (numbers["worst_dppl"], numbers["worst_di"]) == ({"value": 1.0}, {"value": 0.0})
    assert numbers["worst_mean_residual"] == {"value": NO_GROUP_COUNTS}


# Step 5


@pytest.fixture(scope="module")
def schema() -> Any:
    """The SDK's own schema of the configuration; its import takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return pytest.importorskip("sagemaker.core.clarify").ANALYSIS_CONFIG_SCHEMA_V1_0


def test_the_configuration_is_one_that_the_sdk_accepts(product: Product, schema: Any) -> None:
    schema.validate(product.read("config/analysis_config.json"))


def test_without_facets_shap_alone_is_left_and_the_sdk_accepts_that_too(
    product: Product, schema: Any
) -> None:
    columns = product.test.columns
    alone = Columns("id", "y", columns.problem, 1, columns.label_threshold, (), None, (),
                    columns.features)  # fmt: skip
    config = analysis_config.analysis_config(alone, "people-1", "ml.m5.large", PREDICTIONS)
    schema.validate(config)
    assert set(config["methods"]) == {"shap", "pdp", "report"}
    assert not [name for name in config if name.startswith(("facet", "predicted_label"))]


def test_the_configuration_names_the_columns_of_the_dataset(product: Product) -> None:
    config, columns = product.read("config/analysis_config.json"), product.test.columns
    with (product.input("data") / "test.csv").open(newline="", encoding="utf-8") as rows:
        assert len(config["headers"]) == len(next(csv.reader(rows)))
    assert config["headers"] == columns.names
    assert config["label"] == product.kind.label
    assert config["joinsource_name_or_index"] == "person"
    assert config["group_variable"] == "facet_city"
    assert config["predictor"]["model_name"] == "people-1"


def test_the_favourable_class_is_configured_with_its_probability(classified: Product) -> None:
    config = classified.read("config/analysis_config.json")
    favourable = int(classified.kind.options["favourable_label"])
    assert config["label_values_or_threshold"] == [favourable]
    assert (config["predictor"]["label"], config["predictor"]["probability"]) == (0, 1)
    assert config["methods"]["shap"]["use_logit"] is True


def test_the_favourable_numbers_are_configured_by_the_training_median(estimated: Product) -> None:
    config = estimated.read("config/analysis_config.json")
    train_labels = read_split(estimated.output("train"), "train").labels
    assert config["label_values_or_threshold"] == [np.median(train_labels)]
    assert config["predictor"]["label"] == 0
    assert "probability" not in config["predictor"]
    assert config["methods"]["shap"]["use_logit"] is False


def test_facets_are_configured_as_clarify_reads_them(product: Product) -> None:
    assert product.read("config/analysis_config.json")["facet"] == [
        {"name_or_index": "facet_gender"},
        {"name_or_index": "facet_age", "value_or_threshold": [math.nextafter(40, 0)]},
        {"name_or_index": "facet_age", "value_or_threshold": [60.0]},
        {"name_or_index": "facet_city", "value_or_threshold": ["Leeds", "Derby"]},
        {"name_or_index": "facet_city", "value_or_threshold": ["Bath, UK"]},
    ]


def test_what_is_left_when_the_excluded_columns_are_gone_is_what_the_model_sees(
    product: Product,
) -> None:
    config = product.read("config/analysis_config.json")
    gone = {config["label"], config["joinsource_name_or_index"], *config["excluded_columns"]}
    left = [name for name in config["headers"] if name not in gone]
    assert left == list(inference.model_fn(str(product.base / "model")).columns.features)


# Step 7


def test_the_analysis_has_clarifys_shape(product: Product) -> None:
    analysis = product.read("analysis.json")
    assert analysis["version"] == "1.0"
    for name, metrics in {
        "pre_training_bias_metrics": ["CDDL", "CI", "DPL", "JS", "KL", "KS", "LP", "TVD"],
        "post_training_bias_metrics": ["AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR",
                                       "FT", "GE", "RD", "SD", "TE"],
    }.items():  # fmt: skip
        section = analysis[name]
        assert section["label"] == product.kind.label
        (value,) = product.read("config/analysis_config.json")["label_values_or_threshold"]
        assert section["label_value_or_threshold"] == str(value)
        assert [*groups(section)] == [
            ("facet_gender", "f"),
            ("facet_gender", "m"),
            ("facet_gender", "x"),
            ("facet_age", "[40, 75]"),
            ("facet_age", "(60, 75]"),
            ("facet_city", "Leeds,Derby"),
            ("facet_city", "Bath, UK"),
        ]
        for group in (group for found in section["facets"].values() for group in found):
            assert [metric["name"] for metric in group["metrics"]] == metrics
            for metric in group["metrics"]:
                assert metric["description"] == bias_metrics.DESCRIPTIONS[metric["name"]]
                assert metric["value"] is None or isinstance(metric["value"], float)


def test_the_analysis_counts_the_groups_of_the_raw_values(product: Product) -> None:
    """A hand count: nothing of the code that tells groups and favourable labels."""
    test, analysis = product.test, product.read("analysis.json")
    old = np.array([age is not None and int(age) >= 40 for age in test.context["age"].raw])
    if product.kind.label == "salary":
        median = np.median(read_split(product.output("train"), "train").labels)
        favourable, predicted = test.labels > median, product.labels > median
    else:
        wanted = int(product.kind.options["favourable_label"])
        favourable, predicted = test.labels == wanted, product.labels == wanted
    metrics = groups(analysis["pre_training_bias_metrics"])["facet_age", "[40, 75]"]
    assert metrics["CI"] == pytest.approx(((~old).sum() - old.sum()) / len(old))
    assert metrics["DPL"] == pytest.approx(favourable[~old].mean() - favourable[old].mean())
    metrics = groups(analysis["post_training_bias_metrics"])["facet_age", "[40, 75]"]
    assert metrics["DPPL"] == pytest.approx(predicted[~old].mean() - predicted[old].mean())
    right = favourable == predicted
    assert metrics["AD"] == pytest.approx(right[~old].mean() - right[old].mean())


def test_shap_values_and_the_expected_one_add_up_to_the_prediction(product: Product) -> None:
    """To the log-odds, where a class is predicted."""
    result = product.result
    with (result / "explanations_shap" / "out.csv").open(newline="") as rows:
        header, *values = csv.reader(rows)
    assert header == [f"{name}_label0" for name in product.test.columns.features]
    local = np.array(values, dtype=np.float64)
    shap = product.read("analysis.json")["explanations"]["kernel_shap"]["label0"]
    if product.kind.label == "salary":
        raw, unit = product.labels, "the unit of the label"
    else:
        raw, unit = np.log(product.probabilities / (1 - product.probabilities)), "log-odds"
    assert local.shape == (len(raw), len(header))
    np.testing.assert_allclose(local.sum(axis=1) + shap["expected_value"], raw, atol=2e-5)
    method = product.read("analysis.json")["explanations"]["method"]
    assert method.startswith(f"tree SHAP by {product.kind.algorithm}, exact, in {unit};")
    assert "the expected value is the trees' own mean" in method


def test_global_shap_values_are_the_means_of_the_absolute_local_ones(product: Product) -> None:
    table = np.genfromtxt(
        product.result / "explanations_shap" / "out.csv",
        delimiter=",",
        names=True,
    )
    shap = product.read("analysis.json")["explanations"]["kernel_shap"]["label0"]
    means = {name: np.abs(table[f"{name}_label0"]).mean() for name in product.test.columns.features}
    assert shap["global_shap_values"] == pytest.approx(means, rel=1e-5)
    assert shap["global_shap_values"]["nothing"] == 0  # a feature without a value explains nothing
    assert shap["global_shap_values"]["age"] > 0.1


def test_of_a_large_test_split_evenly_spaced_records_are_explained(
    rerun: Callable[[], Product], product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = len(product.test.ids)

    def explained(result: Product) -> tuple[list[str], str]:
        file = result.result / "explanations_shap" / "out.csv"
        analysis = result.read("analysis.json")
        return file.read_text("utf-8").splitlines()[1:], analysis["explanations"]["method"]

    every, of_all = explained(product)
    assert of_all.endswith(f"over {rows} records")
    monkeypatch.setattr(explanations, "MOST_EXPLAINED", 10)
    ten, of_ten = explained(rerun())
    assert of_ten.endswith(f"over 10 of {rows} records")
    assert ten == [every[rows * number // 10] for number in range(10)]


def edit_config(product: Path, **changes: Any) -> None:
    file = product / "processing/input/config/analysis_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **changes}), "utf-8")


def test_methods_that_are_named_are_the_only_ones(
    rerun: Callable[[], Product], tmp_path: Path
) -> None:
    edit_config(
        tmp_path / "base",
        methods={"post_training_bias": {"methods": ["DPPL", "AD"]}},
        facet=[{"name_or_index": "facet_age", "value_or_threshold": [40]}],
    )
    analysis = rerun().read("analysis.json")
    assert set(analysis) == {"version", "post_training_bias_metrics"}
    (metrics,) = groups(analysis["post_training_bias_metrics"]).values()
    assert list(metrics) == ["AD", "DPPL"]


def test_favourable_labels_may_be_several_values_of_a_class(
    rerun: Callable[[], Product], product: Product, tmp_path: Path
) -> None:
    edit_config(tmp_path / "base", label_values_or_threshold=[0, 1])
    if product.test.columns.is_regression:
        with pytest.raises(DataError, match=r"one threshold for the number 'salary', got \[0, 1\]"):
            rerun()
        return
    analysis = rerun().read("analysis.json")
    before = analysis["pre_training_bias_metrics"]
    assert before["label_value_or_threshold"] == "0,1"
    for metrics in groups(before).values():  # everybody has a favourable label
        assert (metrics["DPL"], metrics["KS"]) == (0, 0)
    for metrics in groups(analysis["post_training_bias_metrics"]).values():
        assert (metrics["DPPL"], metrics["DI"]) == (0, 1)


def test_another_threshold_tells_favourable_numbers(
    estimated: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hand count of the group from 40 on; the configuration's threshold counts, no other."""
    copy = Product(tmp_path / "base", estimated.kind)
    shutil.copytree(estimated.base, copy.base)
    shutil.rmtree(copy.result / "explanations_shap")
    shutil.rmtree(copy.input("model") / "model")
    monkeypatch.setattr(container, "BASE", copy.base)
    threshold = float(np.quantile(estimated.test.labels, 0.9))
    edit_config(tmp_path / "base", label_values_or_threshold=[threshold])
    clarify.main()
    section = copy.read("analysis.json")["pre_training_bias_metrics"]
    raw_ages = estimated.test.context["age"].raw
    old = np.array([age is not None and int(age) >= 40 for age in raw_ages])
    high = estimated.test.labels > threshold
    expected = high[~old].mean() - high[old].mean()
    assert groups(section)["facet_age", "[40, 75]"]["DPL"] == pytest.approx(expected)


def test_a_group_without_rows_is_said_to_have_none(
    rerun: Callable[[], Product], tmp_path: Path
) -> None:
    facet = {"name_or_index": "facet_age", "value_or_threshold": [999]}
    edit_config(tmp_path / "base", facet=[facet])
    analysis = rerun().read("analysis.json")
    for method in ("pre", "post"):
        ((group,),) = analysis[f"{method}_training_bias_metrics"]["facets"].values()
        assert {m["value"] for m in group["metrics"]} == {None}
        assert {m["error"] for m in group["metrics"]} == {"no row is in the group"}


def test_of_how_many_rows_a_sampled_flip_test_is_stands_beside_it(
    rerun: Callable[[], Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bias_metrics, "MOST_FLIPPED", 7)
    section = rerun().read("analysis.json")["post_training_bias_metrics"]
    old = section["facets"]["facet_age"][0]
    said = {metric["name"]: metric.get("sampled") for metric in old["metrics"]}
    assert said.pop("FT")["rows"] == 7
    assert set(said.values()) == {None}


def test_without_a_group_variable_there_are_no_conditional_metrics(
    rerun: Callable[[], Product], tmp_path: Path
) -> None:
    file = tmp_path / "base/processing/input/config/analysis_config.json"
    config = json.loads(file.read_text("utf-8"))
    del config["group_variable"]
    file.write_text(json.dumps(config), "utf-8")
    analysis = rerun().read("analysis.json")
    for name, metric in (("pre", "CDDL"), ("post", "CDDPL")):
        for metrics in groups(analysis[f"{name}_training_bias_metrics"]).values():
            assert metric not in metrics


def test_headers_of_another_dataset_are_refused(
    rerun: Callable[[], Product], tmp_path: Path
) -> None:
    edit_config(tmp_path / "base", headers=["person", "stayed"])
    with pytest.raises(
        DataError,
        match=r"expected the dataset's columns as headers .*, got person",
    ):
        rerun()


@pytest.mark.parametrize("spoil", ["swap", "drop", "none"])
def test_predictions_of_other_records_are_refused(
    rerun: Callable[[], Product], tmp_path: Path, spoil: str
) -> None:
    file = tmp_path / "base/processing/input/predictions/test.csv.out"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    if spoil == "swap":
        lines[0], lines[1] = lines[1], lines[0]
    file.write_text("".join(lines[1:] if spoil == "drop" else lines), "utf-8")
    if spoil == "none":
        file.unlink()
    with pytest.raises(
        DataError, match=r"expected predictions of the dataset's \d+ records .*, got \d+ of others"
    ):
        rerun()


def test_predictions_in_several_files_are_read_in_order(
    rerun: Callable[[], Product], product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "base/processing/input/predictions/test.csv.out"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.unlink()
    file.with_name("a.out").write_text("".join(lines[:50]) + "\n", "utf-8")
    file.with_name("b.out").write_text("".join(lines[50:]), "utf-8")
    before = product.read("analysis.json")
    assert rerun().read("analysis.json") == before
