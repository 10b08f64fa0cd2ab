"""Step 2's script: fine-tunes the base on conversations, and packs it with the code that serves it.

Hugging Face's container runs it in script mode: hyperparameters are arguments, folders are in
`SM_*` variables. With one process per GPU, the first one writes the model.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import conversations
import inference  # noqa: F401  # for the model's archive, and so for this script's
import language_model
from container import write_json
from fine_tuning import FineTuned
from model_backend import Parameters
from model_files import digest

WITH_THE_MODEL = (
    "adapter", "byte_pairs", "chat_text", "container", "conversations", "fine_tuning", "inference",
    "language_model", "llama_config", "llama_network", "llama_replies", "model_backend",
    "model_files", "number_vector", "numpy_llama", "packed_rows", "reply_requests",
    "safetensors_file", "torch_attention", "torch_backend", "torch_files", "torch_learner",
    "torch_llama", "torch_passes", "torch_processes", "torch_reply_loss",
)  # fmt: skip
"""The modules that serve the model, which are copied to its archive."""

ALGORITHM, OBJECTIVE = "lora", "validation:loss"


def main(arguments: Sequence[str]) -> None:
    """Fine-tune on the channels and write the model."""
    hyperparameters = read_arguments(arguments)
    base = Path(os.environ["SM_CHANNEL_BASE"])
    train, validation = (Path(os.environ[f"SM_CHANNEL_{n}"]) for n in ("TRAIN", "VALIDATION"))
    tuned = language_model.train(
        base,
        conversations.read(train / "train.jsonl"),
        conversations.read(validation / "validation.jsonl"),
        parameters(hyperparameters),
        int(hyperparameters["seed"]),
    )
    folder = Path(os.environ["SM_MODEL_DIR"])
    tuned.save(folder)
    if os.environ.get("RANK", "0") == "0":
        save_code(folder / "code", train / "columns.json")
        write_json(folder / "code/model.json", description(tuned, hyperparameters, digest(base)))


def read_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """`--rank 8 --alpha 16` as a dictionary."""
    names, values = arguments[::2], arguments[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise ValueError(f"expected hyperparameters as `--name value`, got {' '.join(arguments)!r}")
    pairs = {name[2:]: value for name, value in zip(names, values, strict=True)}
    if pairs.pop("algorithm", None) != ALGORITHM:
        raise ValueError(f"expected the hyperparameter algorithm to be {ALGORITHM}")
    return pairs


def parameters(hyperparameters: dict[str, str]) -> Parameters:
    """The hyperparameters of fine-tuning, each with its field's type."""
    parser = argparse.ArgumentParser(allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for each in fields(Parameters):
        parser.add_argument(f"--{each.name}", type=float if each.type == "float" else int)
    known = [f"--{each.name}={hyperparameters[each.name]}" for each in fields(Parameters)
             if each.name in hyperparameters]  # fmt: skip
    return Parameters(**vars(parser.parse_args(known)))


def description(
    tuned: FineTuned, hyperparameters: dict[str, str], base_sha256: str
) -> dict[str, object]:
    """The content of `model.json` about the training."""
    return {
        "algorithm": ALGORITHM,
        "objective": OBJECTIVE,
        "value": tuned.kept.validation,
        "hyperparameters": hyperparameters,
        "backend": tuned.model.name,
        "base_sha256": base_sha256,
        "losses": [asdict(loss) for loss in tuned.losses],
        "kept_epoch": tuned.kept.epoch,
        "tokens": tuned.tokens,
        "parameters": tuned.learner.parameters,
        "trained_parameters": tuned.learner.trained_parameters,
    }


def save_code(folder: Path, columns: Path) -> None:
    """Write the code that serves the model, and the columns of the splits."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(columns, folder / columns.name)
    for module in WITH_THE_MODEL:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module {module!r} to serve the model with")
        shutil.copyfile(spec.origin, folder / f"{module}.py")


if __name__ == "__main__":
    main(sys.argv[1:])
