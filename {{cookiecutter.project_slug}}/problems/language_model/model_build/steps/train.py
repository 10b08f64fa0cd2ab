"""Step 2's script: fine-tunes the base on conversations, and packs it so that it serves by itself.

Run in script mode by the training container: hyperparameters come as arguments, folders by `SM_*`
variables. Each training begins with the base, and not with the version of the week before, so that
a version can be made again, and without what was erased since.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import conversations
import inference  # noqa: F401  # it serves the model: so it is in this script's archive
import language_model
from container import write_json
from dataset import Columns
from fine_tuning import FineTuned
from language_model import Parameters
from model_files import digest

WITH_THE_MODEL = (
    "adapter", "byte_pairs", "chat_text", "container", "conversations", "fine_tuning", "inference",
    "language_model", "llama_config", "llama_network", "llama_replies", "model_files",
    "number_vector", "numpy_llama", "packed_rows", "reply_requests", "safetensors_file",
    "torch_attention", "torch_files", "torch_learner", "torch_llama", "torch_passes",
    "torch_processes", "torch_reply_loss",
)  # fmt: skip
"""The modules that serve the model: they go into its archive."""

OBJECTIVE = "validation:loss"


def main(arguments: Sequence[str]) -> None:
    """Fine-tune on the channels and write the model."""
    options = read_arguments(arguments)
    base, train = (Path(os.environ[f"SM_CHANNEL_{name}"]) for name in ("BASE", "TRAIN"))
    tuned = language_model.train(
        base,
        conversations.read(train / "train.jsonl"),
        conversations.read(Path(os.environ["SM_CHANNEL_VALIDATION"]) / "validation.jsonl"),
        parameters(options),
        options.seed,
    )
    folder = Path(os.environ["SM_MODEL_DIR"])
    tuned.save(folder)
    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    write_json(code / "model.json", description(tuned, options, digest(base)))
    Columns.read(train).write(code)
    for module in WITH_THE_MODEL:
        shutil.copyfile(_file(module), code / f"{module}.py")


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The hyperparameters: strings all, as the service passes them."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--algorithm", choices=("lora",), required=True)
    for name in ("learning_rate", "alpha", "dropout"):
        parser.add_argument(f"--{name}", type=float, required=True)
    for name in (
        "rank", "epochs", "batch_size", "accumulation", "max_tokens", "max_reply_tokens", "seed"
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args(arguments)


def parameters(options: argparse.Namespace) -> Parameters:
    """Those that say how to fine-tune."""
    return Parameters(**{name: getattr(options, name) for name in Parameters.__dataclass_fields__})


def description(
    tuned: FineTuned, options: argparse.Namespace, base_sha256: str
) -> dict[str, object]:
    """What `code/model.json` says of the model."""
    return {
        "algorithm": options.algorithm,
        "backend": tuned.model.name,
        "objective": OBJECTIVE,
        "value": tuned.kept.validation,
        "hyperparameters": {n: str(v) for n, v in vars(options).items() if n != "algorithm"},
        "base_sha256": base_sha256,
        "kept_epoch": tuned.kept.epoch,
        "losses": [asdict(loss) for loss in tuned.losses],
        "tokens": tuned.tokens,
        "parameters": tuned.learner.parameters,
        "trained_parameters": tuned.learner.trained_parameters,
    }


def _file(module: str) -> Path:
    """Where a module that can be imported lies."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module!r} to serve the model with")
    return Path(spec.origin)


if __name__ == "__main__":
    main(sys.argv[1:])
