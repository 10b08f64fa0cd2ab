"""Step 2's script: hyperparameters, the lines that the service reads, and the archive."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from people import arguments, people, query_result

import booster
import container
import decision
import inference
import process
import train
from dataset import read_split
from metrics import auc
from model_build.step_code import STEPS, closure

HYPERPARAMETERS = ["--num_round", "7", "--eta", "0.5", "--max_depth", "3"]
HYPERPARAMETERS += ["--objective", "binary:logistic", "--eval_metric", "auc"]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of step 1's outputs."""
    base = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "BASE", base)
        query_result(base, people())
        process.main(arguments())
    return base / "processing" / "output"


@pytest.fixture(autouse=True)
def model_dir(splits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the script writes to, in the environment that the container sets."""
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(splits / "train"))
    monkeypatch.setenv("SM_CHANNEL_VALIDATION", str(splits / "validation"))
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setenv("SM_NUM_CPUS", "1")
    monkeypatch.setenv("THRESHOLD_RULE", "accuracy")
    return tmp_path / "model"


def test_any_parameter_of_xgboost_is_taken_as_it_was_written() -> None:
    words = ["--eta", "0.1", "--num_round", "50", "--scale_pos_weight", "-1e5", "--x", "a b"]
    assert train.read_hyperparameters(words) == {
        "num_round": "50",
        "eta": "0.1",
        "scale_pos_weight": "-1e5",
        "x": "a b",
    }


def test_an_abbreviation_is_a_name_of_its_own() -> None:
    assert "num" in train.read_hyperparameters(["--num", "3", "--num_round", "50"])


@pytest.mark.parametrize("words", [["--eta"], ["eta", "0.1"], ["--eta", "0.1", "0.2"]])
def test_hyperparameters_that_are_no_pairs_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="hyperparameters read `--name value`"):
        train.read_hyperparameters(["--num_round", "50", *words])


def test_a_line_a_round_as_the_built_in_algorithm_prints_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    train.main(HYPERPARAMETERS)
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("[")]
    assert len(lines) == 7
    for number, line in enumerate(lines):
        assert re.fullmatch(rf"\[{number}\]\ttrain-auc:[\d.]+\tvalidation-auc:[\d.]+", line)


def test_the_last_line_is_the_saved_models_value(
    splits: Path, model_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train.main(HYPERPARAMETERS)
    printed = float(capfd.readouterr().out.strip().splitlines()[-1].rpartition(":")[2])
    validation = read_split(splits / "validation", "validation")
    prediction = inference.predict_fn(validation.features, inference.model_fn(str(model_dir)))
    assert printed == pytest.approx(auc(validation.labels, prediction.probabilities), abs=1e-5)
    assert printed > 0.8


def test_the_archive_has_what_serves_the_model_and_nothing_else(model_dir: Path) -> None:
    train.main(HYPERPARAMETERS)
    assert sorted(p.relative_to(model_dir).as_posix() for p in model_dir.rglob("*.*")) == [
        "code/booster.py",
        "code/columns.json",
        "code/container.py",
        "code/decision.json",
        "code/flat_wheel.py",
        "code/inference.py",
        "code/pyproject.toml",
        "xgboost-model.json",
    ]
    json.loads((model_dir / "xgboost-model.json").read_text("utf-8"))  # text, not a pickle


def test_every_module_that_inference_imports_goes_along() -> None:
    packed = {Path(str(module.__file__)).name for module in train.WITH_THE_MODEL}
    assert packed == {path.name for path in closure(STEPS / "inference.py")}


def test_the_archive_serves_by_itself(splits: Path, model_dir: Path, tmp_path: Path) -> None:
    """Elsewhere, with nothing of this repository in reach, and gives the same answers."""
    train.main(HYPERPARAMETERS)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(model_dir, elsewhere)
    program = (
        "import sys; sys.path.insert(0, 'code'); import inference as i; m = i.model_fn('.')\n"
        "data = i.input_fn(sys.stdin.read(), 'text/csv')\n"
        "print(i.output_fn(i.predict_fn(data, m), '*/*')[0], end='')"
    )
    records = (splits / "test/test.csv").read_text("utf-8").splitlines()
    body = "\n".join(",".join(record.split(",")[-4:]) for record in records)
    done = subprocess.run(
        [sys.executable, "-P", "-B", "-c", program],
        cwd=elsewhere, input=body, capture_output=True, text=True, check=True,
    )  # fmt: skip
    test = read_split(splits / "test", "test")
    prediction = inference.predict_fn(test.features, inference.model_fn(str(elsewhere)))
    assert (done.stdout, "text/csv") == inference.output_fn(prediction, "text/csv")


@pytest.mark.parametrize("rule", ["accuracy", "f1"])
def test_the_threshold_is_the_rules_on_the_validation_split(
    splits: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setenv("THRESHOLD_RULE", rule)
    train.main(HYPERPARAMETERS)
    saved = json.loads((model_dir / "code/decision.json").read_text("utf-8"))
    validation = read_split(splits / "validation", "validation")
    model = inference.model_fn(str(model_dir))
    probabilities = inference.predict_fn(validation.features, model).probabilities
    threshold = decision.choose_threshold(rule, validation.labels, probabilities)
    assert saved == {"rule": rule, "threshold": threshold}
    assert model.threshold == threshold
    assert model.features == ("age", "income", "visits", "nothing")


def test_the_same_data_give_the_same_model(model_dir: Path) -> None:
    train.main(HYPERPARAMETERS)
    first = (model_dir / "xgboost-model.json").read_bytes()
    train.main(HYPERPARAMETERS)
    assert (model_dir / "xgboost-model.json").read_bytes() == first


def test_hyperparameters_reach_the_model(model_dir: Path) -> None:
    train.main(HYPERPARAMETERS)
    stumps = [*HYPERPARAMETERS, "--max_depth", "1"]
    train.main(stumps)
    model = booster.Booster(model_file=str(model_dir / "xgboost-model.json"))
    assert len(model.get_dump()) == 7
    assert all(tree.count("leaf") <= 2 for tree in model.get_dump())


def test_no_record_is_in_both_channels(splits: Path) -> None:
    """The two channels are two splits: no record is in both."""
    both = set(read_split(splits / "train", "train").ids)
    assert both.isdisjoint(read_split(splits / "validation", "validation").ids)


def test_steps_import_neither_pandas_nor_scikit_learn() -> None:
    """Their import takes longer than the work; the standard library's and siblings' aside."""
    for path in STEPS.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names}
        names |= {str(n.module) for n in imports if isinstance(n, ast.ImportFrom)}
        roots = {name.partition(".")[0] for name in names}
        allowed = {"numpy", "pyarrow", "xgboost", "scipy", *sys.stdlib_module_names}
        assert roots - {p.stem for p in STEPS.glob("*.py")} <= allowed, path.name
        assert "pyarrow.dataset" not in names, f"{path.name}: it brings pandas along"


def test_importing_a_step_brings_no_pandas_and_no_scikit_learn_along() -> None:
    steps = ["process", "train", "evaluate", "analysis_config", "clarify"]
    code = f"import sys, {', '.join(steps)}; print({{'pandas', 'sklearn'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=STEPS, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"
