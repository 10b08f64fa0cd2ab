"""The processes of one training: one, or one per GPU, started by the container's launcher.

With the hyperparameter `sagemaker_torch_distributed_enabled`, SageMaker's training toolkit starts
the script with `torchrun`, once for each GPU of each host
(sagemaker_training/torch_distributed.py), which sets RANK, LOCAL_RANK, WORLD_SIZE and where the
first process listens.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """This process's place among all processes of a training."""

    rank: int
    count: int
    device: torch.device

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items that this process computes."""
        return items[self.rank :: self.count]

    def add(self, numbers: torch.Tensor) -> None:
        """Replace each process's tensor by the sum over all processes."""
        if self.count > 1:
            torch.distributed.all_reduce(numbers)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the results."""
        return self.rank == 0


def join() -> Processes:
    """This process, connected to the others if there are any.

    The other processes print nothing, since they would print the same.
    """
    has_gpu = torch.cuda.is_available()
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        if torch.cuda.device_count() > 1:
            print(  # noqa: T201  # for the job's log
                f"uses 1 of {torch.cuda.device_count()} GPUs: to use all, set the "
                "hyperparameter sagemaker_torch_distributed_enabled to true",
                flush=True,
            )
        return Processes(0, 1, torch.device("cuda" if has_gpu else "cpu"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if has_gpu else torch.device("cpu")
    if has_gpu:
        torch.cuda.set_device(device)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if has_gpu else "gloo")
        atexit.register(torch.distributed.destroy_process_group)
    rank = torch.distributed.get_rank()
    if rank:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for good
    return Processes(rank, count, device)
