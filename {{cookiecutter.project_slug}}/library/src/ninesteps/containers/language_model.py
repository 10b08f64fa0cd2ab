"""Language models behind one interface, for training, scoring and serving.

There are two backends: transformers and peft if torch can be imported, as in SageMaker's
containers, and otherwise numpy, which is fast enough for small models. They read and write the same
files.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chat_text import Exchange
from model_backend import Backend, BackendName, LanguageModel, Parameters

if TYPE_CHECKING:
    from fine_tuning import FineTuned

NEEDED_BY_TORCH = ("torch", "transformers", "peft", "tokenizers", "safetensors")


def load(
    folder: Path, *, context: int | None = None, backend: BackendName | None = None
) -> LanguageModel:
    """Read a model's folder: `config.json`, `model.safetensors`, `tokenizer.json` and its settings.

    Without a `context`, prompt and reply may be as long as the model allows.

    Raises:
        LanguageModelError: if it is missing, damaged, of another kind, or too large for numpy.
    """
    return _backend(backend).load(folder, context)


def train(
    base: Path,
    train: Sequence[Exchange],
    validation: Sequence[Exchange],
    parameters: Parameters,
    seed: int,
    *,
    backend: BackendName | None = None,
) -> FineTuned:
    """Fine-tune a base model by LoRA (Hu et al., arXiv 2106.09685) on the replies alone.

    The same inputs give the same model on the same machine. If no epoch is better than the base,
    the result is the base.

    Raises:
        LanguageModelError: if the base cannot be used, or there is nothing to train on.
    """
    from fine_tuning import fine_tune

    learner = _backend(backend).learner(base, parameters, seed)
    return fine_tune(learner, train, validation, parameters, seed)


def available(installed: Mapping[str, bool] | None = None) -> BackendName:
    """torch if everything it needs can be imported, else numpy."""
    if installed is None:
        installed = {name: importlib.util.find_spec(name) is not None for name in NEEDED_BY_TORCH}
    return "torch" if all(installed[name] for name in NEEDED_BY_TORCH) else "numpy"


def _backend(name: BackendName | None) -> Backend:
    """The backend with a name; only this one is imported."""
    name = name or available()
    backend: Backend
    if name == "torch":
        import torch_backend

        backend = torch_backend.Torch
    elif name == "numpy":
        import numpy_llama

        backend = numpy_llama.Numpy
    else:
        raise ValueError(f"expected torch or numpy, got {name!r}")
    return backend
