"""Step 2's script: trains one model and packs it so that it serves by itself.

Run in script mode by the XGBoost container: hyperparameters come as arguments, all of them the
built-in algorithm's own; folders and the number of CPUs by `SM_*` variables; the algorithm and the
rule for the decision threshold by the job's environment.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import decision
import inference
from algorithms import algorithm
from dataset import Split, read_split
from training import Training
from wheels import packaged_with

WITH_THE_MODEL = (
    "algorithms", "booster", "computed_features", "container", "dataset", "decision",
    "hidden_imports", "inference", "intervals", "lightgbm_model", "metrics", "raw_records",
    "raw_values", "records", "stored_names", "training", "wheels", "xgboost_model",
)  # fmt: skip
"""The modules that serve the model: they go into its archive."""


def main(arguments: Sequence[str]) -> None:
    """Train on the channels and write the model."""
    hyperparameters = read_hyperparameters(arguments)
    train = read_split(Path(os.environ["SM_CHANNEL_TRAIN"]), "train")
    validation = read_split(Path(os.environ["SM_CHANNEL_VALIDATION"]), "validation")
    name = os.environ["ALGORITHM"]
    training = algorithm(name).fit(
        train, validation, hyperparameters, threads=int(os.environ["SM_NUM_CPUS"])
    )
    description = inference.Description(
        algorithm=name,
        objective=f"validation:{hyperparameters['eval_metric']}",
        value=training.value,
        hyperparameters=hyperparameters,
        decision=decide(training, validation, os.environ),
    )
    save(training, Path(os.environ["SM_MODEL_DIR"]), train, description)


def read_hyperparameters(arguments: Sequence[str]) -> dict[str, str]:
    """`--eta 0.1 --max_depth 6` as a dictionary: any parameter of XGBoost is taken."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--num_round", type=int, required=True)
    known, others = parser.parse_known_args(arguments)
    names, values = others[::2], others[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise ValueError(f"expected hyperparameters as `--name value`, got {' '.join(others)!r}")
    pairs = {name[2:]: value for name, value in zip(names, values, strict=True)}
    return {"num_round": str(known.num_round), **pairs}


def decide(
    training: Training, validation: Split, environment: Mapping[str, str]
) -> decision.DecisionThreshold | None:
    """The decision threshold, by the job's rule; a regression has none."""
    if validation.columns.is_regression:
        return None
    target = environment.get("RECALL_TARGET")
    return decision.choose_threshold(
        environment["THRESHOLD_RULE"],
        validation.labels,
        training.model.predict(validation.features),
        None if target is None else float(target),
    )


def save(
    training: Training, folder: Path, train: Split, description: inference.Description
) -> None:
    """Write model, description, columns and the code that serves them; nothing is pickled."""
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
    """Where a module that can be imported lies."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module!r} to serve the model with")
    return Path(spec.origin)


if __name__ == "__main__":
    main(sys.argv[1:])
