"""Steps 3, 5 and 7 on one model: evaluation, Clarify's configuration, its analysis, and SHAP."""

from __future__ import annotations

import csv
import json
import math
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import arguments, facet_argument, people, query_result

import analysis_config
import bias_metrics
import clarify
import container
import evaluate
import inference
import process
import train
from bias_report import gate_numbers
from dataset import Columns, DataError, Facet, Split, read_split
from governance import gate
from governance.gate import METRICS
from local_sagemaker.batch_transform import transform
from metrics import binary_metrics

FACETS = "gender, age>=40, age>60, city=Leeds|Derby"
KEYS = ("gender", "age_ge_40", "age_gt_60", "city_leeds_derby", "bath")
HYPERPARAMETERS = ["--num_round", "12", "--max_depth", "3", "--objective", "binary:logistic"]
MIN_GROUP_SIZE = "30"


@dataclass(frozen=True)
class Product:
    """What the steps have left below one container's folder."""

    base: Path

    def input(self, name: str) -> Path:
        return self.base / "processing" / "input" / name

    def output(self, name: str) -> Path:
        return self.base / "processing" / "output" / name

    def read(self, name: str) -> Any:
        return json.loads((self.base / "processing" / "output" / name).read_text("utf-8"))

    @property
    def test(self) -> Split:
        return read_split(self.output("test"), "test")

    @property
    def predictions(self) -> list[list[str]]:
        with (self.input("predictions") / "test.csv.out").open(newline="") as rows:
            return list(csv.reader(rows))


def make(base: Path, patch: pytest.MonkeyPatch, words: list[str]) -> Product:
    """Run the steps one after the other, as the pipeline does."""
    patch.setattr(container, "BASE", base)
    product = Product(base)
    query_result(base, people())
    process.main(words)
    for channel in ("train", "validation"):
        patch.setenv(f"SM_CHANNEL_{channel.upper()}", str(product.output(channel)))
    model_dir = base / "model"
    patch.setenv("SM_MODEL_DIR", str(model_dir))
    patch.setenv("SM_NUM_CPUS", "1")
    patch.setenv("THRESHOLD_RULE", "f1")
    train.main([*HYPERPARAMETERS, "--eval_metric", "auc"])
    product.input("model").mkdir()
    with tarfile.open(product.input("model") / "model.tar.gz", "w:gz") as archive:
        archive.add(model_dir, ".")
    for name in ("test", "dataset", "columns"):
        shutil.copytree(product.output("test"), product.input(name))
    evaluate.main(["--min-group-size", MIN_GROUP_SIZE])
    shutil.rmtree(product.input("model") / "model")  # the bias step has a folder of its own
    analysis_config.main(["--model-name", "people-1", "--instance-type", "ml.m5.large"])
    shutil.copytree(product.output("config"), product.input("config"))
    predict_test_split(product, model_dir)
    clarify.main()
    return product


def predict_test_split(product: Product, model_dir: Path) -> None:
    """Step 6, with the filters of the definition."""
    model = inference.model_fn(str(model_dir))

    def predict(records: list[list[str]]) -> list[list[str]]:
        body = "".join(",".join(record) + "\n" for record in records)
        prediction = inference.predict_fn(inference.input_fn(body, "text/csv"), model)
        return list(csv.reader(inference.output_fn(prediction, "text/csv")[0].splitlines()))

    first_feature = 3 + len(product.test.context)
    request = {
        "DataProcessing": {
            "InputFilter": f"$[{first_feature}:]",
            "JoinSource": "Input",
            "OutputFilter": "$[0,-2,-1]",
        }
    }
    folder = product.input("predictions")
    folder.mkdir()
    dataset = product.input("dataset") / "test.csv"
    with (
        dataset.open(newline="", encoding="utf-8") as rows,
        (folder / "test.csv.out").open("w", encoding="utf-8") as output,
    ):
        transform(csv.reader(rows), request, predict, output)


@pytest.fixture(scope="module", params=["1", "0"])
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A model of people, staying being favourable or not."""
    words = arguments(FACETS, favourable_label=request.param, group_variable="city")
    words += facet_argument(key="bath", column="city", values=["Bath, UK"])
    with pytest.MonkeyPatch.context() as patch:
        yield make(tmp_path_factory.mktemp("people"), patch, words)


@pytest.fixture
def rerun(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Product]:
    """A copy of the product before step 7; calling it runs that step."""
    shutil.copytree(product.base, tmp_path / "base")
    copy = Product(tmp_path / "base")
    shutil.rmtree(copy.output("analysis_result"))
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
    evaluation = product.read("evaluation/evaluation.json")
    names = [*METRICS["binary"], "worst_dppl", "worst_di"]
    names += [f"{metric}[{key}]" for metric in ("dppl", "di") for key in KEYS]
    text = " and ".join(f"{name} > 0" for name in names)
    for comparison in gate.comparisons(gate.parse(text, "binary", KEYS)):
        value = evaluation
        for key in comparison.json_path.split("."):
            value = value[key]
        assert isinstance(value, float), comparison.json_path


def test_the_evaluation_is_of_what_the_transform_predicts(product: Product) -> None:
    test, evaluation = product.test, product.read("evaluation/evaluation.json")
    assert [row[0] for row in product.predictions] == test.ids
    labels = np.array([int(row[1]) for row in product.predictions])
    probabilities = np.array([float(row[2]) for row in product.predictions])
    threshold = evaluation["decision_threshold"]
    np.testing.assert_array_equal(labels, probabilities >= threshold)
    values = binary_metrics(test.labels, probabilities, labels)
    read = evaluation["binary_classification_metrics"]
    assert {name: entry["value"] for name, entry in read.items()} == pytest.approx(values)
    assert evaluation["rows"] == len(test.ids)
    assert values["auc"] > 0.85


def test_the_gates_bias_numbers_are_those_of_the_analysis(product: Product) -> None:
    numbers = product.read("evaluation/evaluation.json")["bias_metrics"]
    analysis = groups(product.read("analysis_result/analysis.json")["post_training_bias_metrics"])
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
        assert numbers["di"][key]["value"] == min(min(m["DI"], 1 / m["DI"]) for m in counted)
    assert compared == len(analysis)
    assert numbers["worst_dppl"]["value"] == max(n["value"] for n in numbers["dppl"].values())
    assert numbers["worst_di"]["value"] == min(n["value"] for n in numbers["di"].values())


def test_a_group_too_small_is_reported_and_does_not_count(product: Product) -> None:
    found = product.read("evaluation/evaluation.json")["bias_metrics"]["groups"]["gender"]
    sizes = {group["value"]: (group["rows"] >= int(MIN_GROUP_SIZE)) for group in found}
    assert sizes == {group["value"]: group["counted"] for group in found}
    assert set(sizes.values()) == {True, False}


def split_of(favourable: list[bool], **context: list[str | None]) -> tuple[Split, Any]:
    """A split with one facet a column, and predictions."""
    facets = tuple(Facet(name, name) for name in context)
    columns = Columns("id", "y", "binary", 1, facets, None, tuple(context), ("x",))
    n = len(favourable)
    raw = {name: np.array(values, dtype=object) for name, values in context.items()}
    zeros = np.zeros(n, dtype=np.int64)
    ids = list(map(str, range(n)))
    return Split(columns, ids, zeros, raw, np.zeros((n, 1), np.float32)), np.array(favourable)


def test_a_facet_no_group_of_which_counts_has_the_worst_numbers() -> None:
    split, favourable = split_of([True] * 10, sex=["f"] * 2 + ["m"] * 8, town=["x"] * 10)
    numbers = gate_numbers(split, favourable, min_group_size=3)
    assert numbers["dppl"] == {"sex": {"value": 1.0}, "town": {"value": 1.0}}
    assert numbers["worst_dppl"] == {"value": 1.0}
    assert numbers["worst_di"] == {"value": 0.0}
    assert [group["counted"] for group in numbers["groups"]["sex"]] == [False, False]


def test_a_facet_without_any_value_has_the_worst_numbers() -> None:
    split, favourable = split_of([True] * 4, sex=[None] * 4)
    numbers = gate_numbers(split, favourable, min_group_size=1)
    assert (numbers["worst_dppl"], numbers["worst_di"]) == ({"value": 1.0}, {"value": 0.0})


def test_a_group_exactly_large_enough_counts() -> None:
    split, favourable = split_of([True] * 3 + [False] * 3, sex=["f"] * 3 + ["m"] * 3)
    numbers = gate_numbers(split, favourable, min_group_size=3)
    assert numbers["dppl"]["sex"]["value"] == 1.0
    split, favourable = split_of([True, True, False] * 2, sex=["f"] * 3 + ["m"] * 3)
    numbers = gate_numbers(split, favourable, min_group_size=3)
    assert (numbers["worst_dppl"], numbers["worst_di"]) == ({"value": 0.0}, {"value": 1.0})


def test_the_impact_counts_the_same_in_both_directions() -> None:
    worse = [True, False, False, False, True, True, False, False]
    split, favourable = split_of(worse, sex=["f"] * 4 + ["m"] * 4)
    numbers = gate_numbers(split, favourable, min_group_size=1)
    assert [group["di"] for group in numbers["groups"]["sex"]] == [0.5, 2.0]
    assert numbers["di"]["sex"]["value"] == 0.5


def test_nobody_predicted_favourable_fails_an_impact_gate() -> None:
    split, favourable = split_of([False] * 4, sex=["f"] * 2 + ["m"] * 2)
    assert gate_numbers(split, favourable, min_group_size=1)["worst_di"] == {"value": 0.0}


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
    alone = Columns("id", "y", "binary", 1, (), None, (), columns.features)
    config = analysis_config.analysis_config(alone, "people-1", "ml.m5.large")
    schema.validate(config)
    assert set(config["methods"]) == {"shap", "report"}
    assert "facet" not in config


def test_the_configuration_names_the_columns_of_the_dataset(product: Product) -> None:
    config, columns = product.read("config/analysis_config.json"), product.test.columns
    with (product.input("dataset") / "test.csv").open(newline="", encoding="utf-8") as rows:
        assert len(config["headers"]) == len(next(csv.reader(rows)))
    assert config["headers"] == columns.names
    assert config["label"] == "stayed"
    assert config["label_values_or_threshold"] == [columns.favourable_label]
    assert config["joinsource_name_or_index"] == "person"
    assert config["group_variable"] == "facet_city"
    assert config["predictor"]["model_name"] == "people-1"


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
    assert left == list(inference.model_fn(str(product.base / "model")).features)


# Step 7


def test_the_analysis_has_clarifys_shape(product: Product) -> None:
    analysis = product.read("analysis_result/analysis.json")
    assert analysis["version"] == "1.0"
    for name, metrics in {
        "pre_training_bias_metrics": ["CDDL", "CI", "DPL", "JS", "KL", "KS", "LP", "TVD"],
        "post_training_bias_metrics": ["AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR",
                                       "FT", "GE", "RD", "SD", "TE"],
    }.items():  # fmt: skip
        section = analysis[name]
        assert section["label"] == "stayed"
        assert section["label_value_or_threshold"] == str(product.test.columns.favourable_label)
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
    """A hand count: nothing of the code that tells groups."""
    test = product.test
    section = product.read("analysis_result/analysis.json")["pre_training_bias_metrics"]
    old = np.array([age is not None and int(age) >= 40 for age in test.context["age"]])
    favourable = test.labels == test.columns.favourable_label
    metrics = groups(section)["facet_age", "[40, 75]"]
    assert metrics["CI"] == pytest.approx(((~old).sum() - old.sum()) / len(old))
    assert metrics["DPL"] == pytest.approx(favourable[~old].mean() - favourable[old].mean())


def test_shap_values_and_the_expected_one_add_up_to_the_log_odds(product: Product) -> None:
    result = product.output("analysis_result")
    with (result / "explanations_shap" / "out.csv").open(newline="") as rows:
        header, *values = csv.reader(rows)
    assert header == [f"{name}_label0" for name in product.test.columns.features]
    local = np.array(values, dtype=np.float64)
    shap = product.read("analysis_result/analysis.json")["explanations"]["kernel_shap"]["label0"]
    probabilities = np.array([float(row[2]) for row in product.predictions])
    log_odds = np.log(probabilities / (1 - probabilities))
    assert local.shape == (len(log_odds), len(header))
    np.testing.assert_allclose(local.sum(axis=1) + shap["expected_value"], log_odds, atol=2e-5)


def test_global_shap_values_are_the_means_of_the_absolute_local_ones(product: Product) -> None:
    table = np.genfromtxt(
        product.output("analysis_result") / "explanations_shap" / "out.csv",
        delimiter=",",
        names=True,
    )
    shap = product.read("analysis_result/analysis.json")["explanations"]["kernel_shap"]["label0"]
    means = {name: np.abs(table[f"{name}_label0"]).mean() for name in product.test.columns.features}
    assert shap["global_shap_values"] == pytest.approx(means, rel=1e-5)
    assert shap["global_shap_values"]["nothing"] == 0  # a feature without a value explains nothing
    assert shap["global_shap_values"]["age"] > 0.1


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
    analysis = rerun().read("analysis_result/analysis.json")
    assert set(analysis) == {"version", "post_training_bias_metrics"}
    (metrics,) = groups(analysis["post_training_bias_metrics"]).values()
    assert list(metrics) == ["AD", "DPPL"]


def test_without_a_group_variable_there_are_no_conditional_metrics(
    rerun: Callable[[], Product], tmp_path: Path
) -> None:
    file = tmp_path / "base/processing/input/config/analysis_config.json"
    config = json.loads(file.read_text("utf-8"))
    del config["group_variable"]
    file.write_text(json.dumps(config), "utf-8")
    analysis = rerun().read("analysis_result/analysis.json")
    for name, metric in (("pre", "CDDL"), ("post", "CDDPL")):
        for metrics in groups(analysis[f"{name}_training_bias_metrics"]).values():
            assert metric not in metrics


def test_headers_of_another_dataset_are_refused(
    rerun: Callable[[], Product], tmp_path: Path
) -> None:
    edit_config(tmp_path / "base", headers=["person", "stayed"])
    with pytest.raises(DataError, match=r"the headers in analysis_config.json are not the columns"):
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
    with pytest.raises(DataError, match="predictions are not of the dataset's"):
        rerun()


def test_predictions_in_several_files_are_read_in_order(
    rerun: Callable[[], Product], product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "base/processing/input/predictions/test.csv.out"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.unlink()
    file.with_name("a.out").write_text("".join(lines[:50]) + "\n", "utf-8")
    file.with_name("b.out").write_text("".join(lines[50:]), "utf-8")
    before = product.read("analysis_result/analysis.json")
    assert rerun().read("analysis_result/analysis.json") == before
