"""Step 2's script: hyperparameters, the lines that the service reads, and the archive."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import booster
import decision
import inference
import pets
import process
import train
from dataset import read_split
from metrics import auc, regression_metrics
from ninesteps.step_code.bundle import closure, folders, training_code
from ninesteps.step_code.images import TRAINING
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

HYPERPARAMETERS = ["--num_round", "7", "--eta", "0.5", "--max_depth", "3"]
BINARY = [*HYPERPARAMETERS, "--objective", "binary:logistic", "--eval_metric", "auc"]
REGRESSION = [*HYPERPARAMETERS, "--objective", "reg:squarederror", "--eval_metric", "rmse"]
MODEL_FILES = {"xgboost": "xgboost-model.json", "lightgbm": "lightgbm-model.txt"}


FOLDERS = folders(pets.ROOT)
LIGHTGBM = pets.changed(pets.settings(), tuning={"algorithms": ("lightgbm",)})


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of step 1's outputs."""
    base = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        container_at(patch, base)
        query_result(base, people())
        process.main(arguments())
    return base / "processing" / "output"


@pytest.fixture(scope="module")
def paid_splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same where a salary is to be estimated."""
    base = tmp_path_factory.mktemp("paid")
    with pytest.MonkeyPatch.context() as patch:
        container_at(patch, base)
        query_result(base, paid())
        process.main(paid_arguments())
    return base / "processing" / "output"


@pytest.fixture(autouse=True)
def model_dir(splits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the script writes to, in the environment that the container sets."""
    training_job(monkeypatch, splits, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(params=["xgboost", "lightgbm"])
def algorithm(request: pytest.FixtureRequest) -> str:
    """Each algorithm in turn."""
    return str(request.param)


@pytest.fixture
def regression(paid_splits: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The channels of a regression, which has no rule for a threshold."""
    training_job(monkeypatch, paid_splits, model_dir)
    return paid_splits


def description(model_dir: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((model_dir / "code/model.json").read_text("utf-8"))
    return content


def test_any_parameter_of_xgboost_is_taken_as_it_was_written() -> None:
    words = ["--eta", "0.1", "--num_round", "50", "--scale_pos_weight", "-1e5", "--x", "a b"]
    _, hyperparameters = train.read_arguments([*words, *chosen()])
    assert hyperparameters == {
        "num_round": "50",
        "eta": "0.1",
        "scale_pos_weight": "-1e5",
        "x": "a b",
    }


def test_an_abbreviation_is_a_name_of_its_own() -> None:
    _, hyperparameters = train.read_arguments(["--num", "3", "--num_round", "50", *chosen()])
    assert "num" in hyperparameters


@pytest.mark.parametrize("words", [["--eta"], ["eta", "0.1"], ["--eta", "0.1", "0.2"]])
def test_hyperparameters_that_are_no_pairs_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="expected hyperparameters as `--name value`, got '"):
        train.read_arguments(["--num_round", "50", *words, *chosen()])


def test_a_line_a_round_as_the_built_in_algorithm_prints_it(
    algorithm: str, capfd: pytest.CaptureFixture[str]
) -> None:
    train.main([*BINARY, *chosen(algorithm)])
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 7
    for number, line in enumerate(lines):
        assert re.fullmatch(rf"\[{number}\]\ttrain-auc:0\.\d{{5}}\tvalidation-auc:0\.\d{{5}}", line)


def test_the_last_line_is_the_saved_models_value(
    algorithm: str, splits: Path, model_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train.main([*BINARY, *chosen(algorithm)])
    printed = float(capfd.readouterr().out.strip().splitlines()[-1].rpartition(":")[2])
    validation = read_split(splits / "validation", "validation")
    prediction = inference.predict_fn(validation.features, inference.model_fn(str(model_dir)))
    assert prediction.probabilities is not None
    value = auc(validation.labels, prediction.probabilities)
    assert printed == pytest.approx(value, abs=1e-5)
    assert description(model_dir)["value"] == pytest.approx(value, abs=1e-6)
    assert printed > 0.8


def test_the_archive_has_what_serves_the_model_and_nothing_else(
    algorithm: str, model_dir: Path
) -> None:
    train.main([*BINARY, *chosen(algorithm)])
    assert sorted(p.relative_to(model_dir).as_posix() for p in model_dir.rglob("*.*")) == [
        "code/algorithms.py",
        "code/booster.py",
        "code/columns.json",
        "code/computed_features.py",
        "code/container.py",
        "code/dataset.py",
        "code/decision.py",
        "code/flat_wheel.py",
        "code/hidden_imports.py",
        "code/inference.py",
        "code/intervals.py",
        "code/lightgbm_model.py",
        "code/metrics.py",
        "code/model.json",
        "code/pyproject.toml",
        "code/raw_records.py",
        "code/raw_values.py",
        "code/records.py",
        "code/stored_names.py",
        "code/training.py",
        "code/wheels.py",
        "code/xgboost_model.py",
        MODEL_FILES[algorithm],
    ]
    (model_dir / MODEL_FILES[algorithm]).read_text("utf-8")  # text, not a pickle
    if algorithm == "xgboost":
        json.loads((model_dir / MODEL_FILES[algorithm]).read_text("utf-8"))


def test_every_module_that_inference_imports_goes_along() -> None:
    packed = {f"{module}.py" for module in train.WITH_THE_MODEL}
    assert packed == closure("inference.py", FOLDERS).keys()


def served(folder: Path, body: str) -> tuple[str, set[str]]:
    """What a model in a folder answers, with nothing of this repository in reach; its imports."""
    program = (
        "import sys; sys.path.insert(0, 'code'); import inference as i; m = i.model_fn('.')\n"
        "data = i.input_fn(sys.stdin.read(), 'text/csv')\n"
        "print(i.output_fn(i.predict_fn(data, m), '*/*')[0], end='')\n"
        "print(*({'xgboost', 'lightgbm'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-B", "-c", program],
        cwd=folder, input=body, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, set(done.stderr.split())


@pytest.mark.parametrize(
    ("algorithm", "problem"), [("xgboost", "binary"), ("lightgbm", "regression")]
)
def test_the_archive_serves_by_itself(
    algorithm: str,
    problem: str,
    model_dir: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Elsewhere, and gives the same answers; of the libraries only its own is imported."""
    fixture = {"binary": "splits", "regression": "regression"}[problem]
    splits: Path = request.getfixturevalue(fixture)
    words = {"binary": BINARY, "regression": REGRESSION}[problem]
    train.main([*words, *chosen(algorithm)])
    elsewhere = tmp_path / "elsewhere"
    shutil.move(model_dir, elsewhere)
    records = (splits / "test/test.csv").read_text("utf-8").splitlines()
    body = "\n".join(",".join(record.split(",")[-4:]) for record in records)
    answer, imported = served(elsewhere, body)
    test = read_split(splits / "test", "test")
    prediction = inference.predict_fn(test.features, inference.model_fn(str(elsewhere)))
    assert (answer, "text/csv") == inference.output_fn(prediction, "text/csv")
    assert len(set(answer.splitlines())) > 10
    assert imported == {algorithm}


@pytest.mark.parametrize("rule", ["accuracy", "f1", "recall"])
def test_the_threshold_is_the_rules_on_the_validation_split(
    splits: Path, model_dir: Path, algorithm: str, rule: str
) -> None:
    target = 0.9 if rule == "recall" else None
    asked = {} if target is None else {"recall_target": str(target)}
    train.main([*BINARY, *chosen(algorithm, rule, **asked)])
    validation = read_split(splits / "validation", "validation")
    model = inference.model_fn(str(model_dir))
    probabilities = inference.predict_fn(validation.features, model).probabilities
    assert probabilities is not None
    found = decision.choose_threshold(rule, validation.labels, probabilities, target)
    assert description(model_dir)["decision"] == found.as_json()
    assert model.description.decision == found
    assert found.recall_target == target
    assert model.columns.features == ("age", "income", "visits", "nothing")


def test_a_recall_that_no_gate_asks_for_cannot_be_reached() -> None:
    with pytest.raises(ValueError, match="needs the recall that the gate asks for"):
        train.main([*BINARY, *chosen(rule="recall")])


def test_a_model_says_how_it_was_trained(algorithm: str, model_dir: Path) -> None:
    train.main([*BINARY, *chosen(algorithm)])
    said = description(model_dir)
    assert (said["algorithm"], said["objective"]) == (algorithm, "validation:auc")
    assert said["hyperparameters"] == {
        "num_round": "7",
        "eta": "0.5",
        "max_depth": "3",
        "objective": "binary:logistic",
        "eval_metric": "auc",
    }


def test_a_regression_estimates_numbers_and_has_no_threshold(
    algorithm: str,
    regression: Path,
    model_dir: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    train.main([*REGRESSION, "--algorithm", algorithm])
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 7
    form = r"\[6\]\ttrain-rmse:\d+\.\d{5}\tvalidation-rmse:(\d+\.\d{5})"
    printed = re.fullmatch(form, lines[-1])
    assert printed is not None
    said = description(model_dir)
    assert (said["objective"], said["decision"]) == ("validation:rmse", None)
    validation = read_split(regression / "validation", "validation")
    prediction = inference.predict_fn(validation.features, inference.model_fn(str(model_dir)))
    assert prediction.probabilities is None
    values = regression_metrics(validation.labels, prediction.labels)
    # Both algorithms keep labels in single precision.
    assert float(printed[1]) == pytest.approx(values["rmse"], rel=1e-6)
    assert said["value"] == pytest.approx(values["rmse"], rel=1e-6)
    assert values["r2"] > 0.7


@pytest.mark.parametrize(
    ("algorithm", "threads"), [("xgboost", "1"), ("lightgbm", "1"), ("lightgbm", "2")]
)
def test_the_same_data_give_the_same_model(
    algorithm: str, threads: str, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM_NUM_CPUS", threads)
    sampled = [*BINARY, *chosen(algorithm), "--subsample", "0.7", "--colsample_bytree", "0.7"]
    train.main(sampled)
    first = (model_dir / MODEL_FILES[algorithm]).read_bytes()
    train.main(sampled)
    assert (model_dir / MODEL_FILES[algorithm]).read_bytes() == first


def test_hyperparameters_reach_the_model(model_dir: Path) -> None:
    train.main([*BINARY, *chosen()])
    stumps = [*BINARY, *chosen(), "--max_depth", "1"]
    train.main(stumps)
    model = booster.Booster(model_file=str(model_dir / "xgboost-model.json"))
    assert len(model.get_dump()) == 7
    assert all(tree.count("leaf") <= 2 for tree in model.get_dump())


def test_an_algorithm_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="expected xgboost or lightgbm, got 'catboost'"):
        train.main([*BINARY, *chosen("catboost")])


def test_wheels_that_came_with_the_script_go_along_with_the_model(
    splits: Path, tmp_path: Path
) -> None:
    """As on SageMaker: the archive's files in one folder, which pip makes a wheel of."""
    code, model_dir = tmp_path / "sourcedir", tmp_path / "model"
    code.mkdir()
    for name, content in training_code(LIGHTGBM, "train.py").files.items():
        (code / name).parent.mkdir(exist_ok=True)
        (code / name).write_bytes(content)
    with zipfile.ZipFile(code / "extra-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("extra.py", "")
    with pytest.MonkeyPatch.context() as patch:
        training_job(patch, splits, model_dir)
        program = (
            "import sys, train; train.main(sys.argv[1:]); import extra, flat_wheel\n"
            "flat_wheel.build_wheel('..')"
        )
        subprocess.run([sys.executable, "-B", "-c", program, *BINARY, *chosen("lightgbm", "f1")],
                       cwd=code, env=dict(os.environ), check=True)  # fmt: skip
    carried = (model_dir / "code/extra-1.0-py3-none-any.whl").read_bytes()
    assert carried == (code / "extra-1.0-py3-none-any.whl").read_bytes()
    with zipfile.ZipFile(tmp_path / "training_step-1.0-py3-none-any.whl") as own:
        assert own.read("extra-1.0-py3-none-any.whl") == carried
        assert "train.py" in own.namelist()
        for name in ("raw_columns.json", "feature_store/__init__.py", "feature_store/features.py"):
            assert (model_dir / "code" / name).read_bytes() == own.read(name)


def test_no_record_is_in_both_channels(splits: Path) -> None:
    """The two channels are two splits: no record is in both."""
    both = set(read_split(splits / "train", "train").ids)
    assert both.isdisjoint(read_split(splits / "validation", "validation").ids)


def test_steps_import_neither_pandas_nor_scikit_learn() -> None:
    """Their import takes longer than the work; the standard library's and siblings' aside.

    LightGBM, which the image lacks, is imported by the one module that its wheels come with;
    pandas by what a raw record needs, which is imported with the first; torch and what belongs to
    it by the modules that are named after it.
    """
    of_raw_records = {"computed_features.py", "raw_records.py", "raw_values.py"}
    files = [path for folder in FOLDERS for path in folder.glob("*.py")]
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names}
        names |= {str(n.module) for n in imports if isinstance(n, ast.ImportFrom)}
        roots = {name.partition(".")[0] for name in names}
        allowed = {"numpy", "pyarrow", "xgboost", "scipy", *sys.stdlib_module_names}
        own = {"athena.py": {"botocore"}, "aws.py": {"boto3", "botocore"},
               "chat_text.py": {"jinja2"}, "lightgbm_model.py": {"lightgbm"},
               "own_metrics.py": {"custom_metrics"}}  # fmt: skip
        permitted = allowed | own.get(path.name, set())
        permitted |= {"pandas"} if path.name in of_raw_records else set()
        if path.name.startswith("torch_"):
            permitted |= TRAINING.packages.keys() - {"pandas", "sklearn"}
        assert roots - {p.stem for p in files} <= permitted, path.name
        assert "pyarrow.dataset" not in names, f"{path.name}: it brings pandas along"


def test_importing_a_step_brings_no_algorithm_and_one_algorithm_not_the_other() -> None:
    """Nor pandas, scikit-learn and what else LightGBM would import if it could."""
    steps = ["process", "train", "evaluate", "analysis_config", "clarify"]
    code = (
        f"import sys, {', '.join(steps)}; from algorithms import algorithm\n"
        "named = {'xgboost', 'lightgbm', 'pandas', 'sklearn', 'matplotlib', 'dask'}\n"
        "print(sorted(named & set(sys.modules)))\n"
        "for name in ('xgboost', 'lightgbm'):\n"
        "    algorithm(name); print(sorted(named & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, FOLDERS))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "['xgboost']", "['lightgbm', 'xgboost']"]
