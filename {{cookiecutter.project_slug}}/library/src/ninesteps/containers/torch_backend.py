"""The torch backend: loads and trains models."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import transformers

from model_backend import LanguageModel, Learner, Parameters
from torch_llama import TorchLlama
from torch_processes import join


class Torch:
    """The backend."""

    @staticmethod
    def load(folder: Path, context: int | None) -> LanguageModel:
        """Read a model to score and reply with."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        prepare(device)
        return TorchLlama(folder, context, device)

    @staticmethod
    def learner(base: Path, parameters: Parameters, seed: int) -> Learner:
        """The base with a new adapter."""
        from torch_learner import TorchLearner  # peft is needed only for training

        processes = join()
        prepare(processes.device)
        return TorchLearner(base, parameters, seed, processes)


def prepare(device: torch.device) -> None:
    """Make results reproducible, and use as many threads as the job has CPUs."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    elif "SM_NUM_CPUS" in os.environ:
        torch.set_num_threads(int(os.environ["SM_NUM_CPUS"]))
