"""Step 2's script: trains one model and packs it with the code that serves it.

The XGBoost container runs it in script mode. Hyperparameters are arguments; so are the algorithm
and the rule for the decision threshold, since SageMaker's cache of a search compares
hyperparameters but not environment variables. Folders and the number of CPUs are in `SM_*`
variables.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import decision
import inference
from algorithms import algorithm
from dataset import Split, read_split
from training import Training
from wheels import packaged_with, prove_that_carried_can_load

WITH_THE_MODEL = (
    "algorithms", "booster", "computed_features", "container", "dataset", "decision",
    "hidden_imports", "inference", "intervals", "lightgbm_model", "metrics", "raw_records",
    "raw_values", "records", "stored_names", "training", "wheels", "xgboost_model",
)  # fmt: skip
"""The modules that serve the model, which are copied to its archive."""


def main(arguments: Sequence[str]) -> None:
    """Train on the channels and write the model."""
    prove_that_carried_can_load()
    options, hyperparameters = read_arguments(arguments)
    train = read_split(Path(os.environ["SM_CHANNEL_TRAIN"]), "train")
    validation = read_split(Path(os.environ["SM_CHANNEL_VALIDATION"]), "validation")
    training = algorithm(options.algorithm).fit(
        train, validation, hyperparameters, threads=int(os.environ["SM_NUM_CPUS"])
    )
    description = inference.Description(
        algorithm=options.algorithm,
        objective=f"validation:{hyperparameters['eval_metric']}",
        value=training.value,
        hyperparameters=hyperparameters,
        decision=decide(training, validation, options),
    )
    save(training, Path(os.environ["SM_MODEL_DIR"]), train, description)


def read_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    """The options from the settings, and hyperparameters such as `--eta 0.1` as a dictionary.

    All of XGBoost's parameters are accepted.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--algorithm", required=True)
    parser.add_argument("--threshold_rule")
    parser.add_argument("--recall_target", type=float)
    parser.add_argument("--num_round", type=int, required=True)
    known, others = parser.parse_known_args(arguments)
    names, values = others[::2], others[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise ValueError(f"expected hyperparameters as `--name value`, got {' '.join(others)!r}")
    pairs = {name[2:]: value for name, value in zip(names, values, strict=True)}
    return known, {"num_round": str(known.num_round), **pairs}


def decide(
    training: Training, validation: Split, options: argparse.Namespace
) -> decision.DecisionThreshold | None:
    """The decision threshold, by the job's rule; a regression has none."""
    if validation.columns.is_regression:
        return None
    return decision.choose_threshold(
        options.threshold_rule,
        validation.labels,
        training.model.predict(validation.features),
        options.recall_target,
    )


def save(
    training: Training, folder: Path, train: Split, description: inference.Description
) -> None:
    """Write the model, its description, columns and serving code; nothing is pickled."""
    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    training.model.save(folder)
    description.write(folder)
    train.columns.write(code)
    files = {f"{module}.py": _file(module) for module in WITH_THE_MODEL}
    for name, file in (files | packaged_with(Path(__file__).parent)).items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, code / name)


def _file(module: str) -> Path:
    """The file of an importable module."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module!r} to serve the model with")
    return Path(spec.origin)


if __name__ == "__main__":
    main(sys.argv[1:])
