"""Language models by numpy and by torch: tokens a CPU second of training and replies, one thread.

    python benchmarks/language_models.py [--repetitions 3] [--keep]

Both backends fine-tune the assistant's base on the same conversations and then reply to the same
prompts. Each is a process of its own, in turns; imports and reading the base do not count. torch is
that of the Python that TORCH_PYTHON names, `python3` otherwise. With `--keep` it writes
language_models.json. What a GPU does, `language_models_gpu.py` measures.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conversations import Conversation
    from model_backend import Backend

HERE = Path(__file__).resolve().parent
KEPT = HERE / "language_models.json"
GENERATED = HERE.parent / "{{cookiecutter.project_slug}}"
CONTAINERS = GENERATED / "library/src/ninesteps/containers"
DATA = GENERATED / "scenarios/assist/data"
CONVERSATIONS, BATCH, RANK, CONTEXT, REPLY_TOKENS = 320, 16, 16, 256, 48
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Speed:
    """What one backend does on one thread."""

    trained: float  # tokens a CPU second, prompts and replies
    replied: float  # tokens a CPU second, of replies alone
    start: float  # CPU seconds until the model is read: imports most of all
    peak_mb: float


def main() -> None:
    """Measure both in turns, print, and keep if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3, help="default %(default)s")
    parser.add_argument("--keep", action="store_true", help="write language_models.json")
    parser.add_argument("--worker", choices=("numpy", "torch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(asdict(speed(options.worker))))
        return
    pythons = {"numpy": sys.executable, "torch": os.environ.get("TORCH_PYTHON", "python3")}
    rounds: dict[str, list[Speed]] = {name: [] for name in pythons}
    for _ in range(options.repetitions):
        for name, python in pythons.items():
            rounds[name].append(measured(name, python))
    found = {name: median(speeds) for name, speeds in rounds.items()}
    print(*as_text(found), sep="\n")
    if options.keep:
        from results import machine

        content = {"machine": machine(), **{name: asdict(one) for name, one in found.items()}}
        KEPT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measured(backend: str, python: str) -> Speed:
    """One backend in a fresh process."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": str(CONTAINERS)}
    environment |= {"SM_NUM_CPUS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    command = [python, __file__, "--worker", backend]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return Speed(**json.loads(done.stdout.splitlines()[-1]))


def speed(backend: str) -> Speed:
    """What this process does: an epoch, and the replies of what came of it."""
    start = time.process_time()
    from model_backend import Parameters

    read = usable()[:CONVERSATIONS]
    parameters = Parameters(2e-3, RANK, 2 * RANK, 0.05, 1, BATCH, 1, CONTEXT)
    learner = _backend(backend).learner(DATA / "base", parameters, 0)
    examples = learner.chat.examples(read)
    ready = time.process_time()
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        learner.accumulate(batch, sum(len(each.reply) for each in batch))
        learner.update(parameters.learning_rate)
    trained = time.process_time()
    learner.keep()
    model = learner.kept_model()
    prompts = list(dict.fromkeys(tuple(map(_pair, each.prompt)) for each in read))
    asked = [[{"role": role, "content": content} for role, content in one] for one in prompts]
    began = time.process_time()
    replies = model.replies(asked, REPLY_TOKENS)
    ended = time.process_time()
    tokens = sum(len(learner.chat.tokenizer.encode(reply)) + 1 for reply in replies)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Speed(
        sum(map(len, examples)) / (trained - ready), tokens / (ended - began), ready - start, peak
    )


def usable() -> list[Conversation]:
    """The sample's conversations, less those that step 1 leaves out."""
    import conversations as conversation_files

    found = []
    for line in (DATA / "conversations.jsonl").read_text(encoding="utf-8").splitlines():
        content = json.loads(line)
        try:
            messages = conversation_files.checked(content["messages"])
        except conversation_files.ConversationError:
            continue
        found.append(conversation_files.conversation(content["id"], messages))
    return found


def _backend(name: str) -> Backend:
    if name == "torch":
        from torch_backend import Torch

        return Torch
    from numpy_llama import Numpy

    return Numpy


def _pair(message: dict[str, str]) -> tuple[str, str]:
    return message["role"], message["content"]


def median(speeds: list[Speed]) -> Speed:
    """Of each number."""
    return Speed(*map(statistics.median, zip(*(asdict(s).values() for s in speeds), strict=True)))


def as_text(found: dict[str, Speed]) -> Iterator[str]:
    """A table of 80 columns."""
    yield f"{'':<8}{'trained tokens/CPU s':>22}{'replied':>12}{'start':>12}{'memory':>14}"
    for name, one in found.items():
        yield (
            f"{name:<8}{one.trained:>22,.0f}{one.replied:>12,.0f}"
            f"{one.start:>10.1f} s{one.peak_mb:>11,.0f} MB"
        )


if __name__ == "__main__":
    main()
