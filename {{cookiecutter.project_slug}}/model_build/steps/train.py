"""Step 2's script: trains one XGBoost model and packs it so that it serves by itself.

Run in script mode by the XGBoost container: hyperparameters come as arguments, all of them the
built-in algorithm's own; folders and the number of CPUs by `SM_*` variables.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import booster
import container
import decision
import inference
from dataset import Split, read_split

WITH_THE_MODEL = (booster, container, inference)
"""The modules that serve the model: they go into its archive."""


def main(arguments: Sequence[str]) -> None:
    """Train on the channels and write the model."""
    hyperparameters = read_hyperparameters(arguments)
    train = read_split(Path(os.environ["SM_CHANNEL_TRAIN"]), "train")
    validation = read_split(Path(os.environ["SM_CHANNEL_VALIDATION"]), "validation")
    model = fit(train, validation, hyperparameters, threads=int(os.environ["SM_NUM_CPUS"]))
    probabilities = model.predict(booster.DMatrix(validation.features)).astype("float64")
    rule = os.environ["THRESHOLD_RULE"]
    threshold = decision.choose_threshold(rule, validation.labels, probabilities)
    save(model, Path(os.environ["SM_MODEL_DIR"]), train, {"rule": rule, "threshold": threshold})


def read_hyperparameters(arguments: Sequence[str]) -> dict[str, str]:
    """`--eta 0.1 --max_depth 6` as a dictionary: any parameter of XGBoost is taken."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--num_round", type=int, required=True)
    known, others = parser.parse_known_args(arguments)
    names, values = others[::2], others[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise ValueError(f"hyperparameters read `--name value`, not {' '.join(others)!r}")
    pairs = {name[2:]: value for name, value in zip(names, values, strict=True)}
    return {"num_round": str(known.num_round), **pairs}


def fit(
    train: Split, validation: Split, hyperparameters: dict[str, str], threads: int
) -> booster.Booster:
    """Train, printing a line a round as the built-in algorithm does: the service reads it."""
    parameters = {name: value for name, value in hyperparameters.items() if name != "num_round"}
    data = booster.DMatrix(train.features, label=train.labels, nthread=threads)
    held_out = booster.DMatrix(validation.features, label=validation.labels, nthread=threads)
    return booster.train(
        {**parameters, "nthread": threads, "seed": 0},
        data,
        num_boost_round=int(hyperparameters["num_round"]),
        evals=[(data, "train"), (held_out, "validation")],
        verbose_eval=True,
    )


def save(model: booster.Booster, folder: Path, train: Split, choice: dict[str, object]) -> None:
    """Write model, threshold, columns and the code that serves them; nothing is pickled."""
    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    model.save_model(folder / inference.MODEL_FILE)
    container.write_json(folder / inference.DECISION_FILE, choice)
    train.columns.write(code)
    for module in WITH_THE_MODEL:
        shutil.copyfile(str(module.__file__), code / f"{module.__name__}.py")
    for file in _packaging():
        shutil.copyfile(file, code / file.name)


def _packaging() -> list[Path]:
    """What lets pip install that code without a package index: the server does so at its start.

    It lies beside this script in the training archive, in a folder of its own in the repository.
    """
    here = Path(__file__).parent
    folder = here if (here / "pyproject.toml").is_file() else here / "packaging"
    return [folder / "flat_wheel.py", folder / "pyproject.toml"]


if __name__ == "__main__":
    main(sys.argv[1:])
