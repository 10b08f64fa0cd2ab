"""How fast a GPU fine-tunes language models: tokens a second, and the share of its matrix peak.

    PYTHONPATH=CONTAINERS python3 benchmarks/language_models_gpu.py --shape 135m --batch 64

Run it by a Python with torch, transformers and peft, with CONTAINERS the library's modules
(`library/src/ninesteps/containers`). The container's own learner trains a model of random weights
on conversations of 512 random tokens each: LoRA of rank 16 on every linear map, bfloat16. The peak
is measured first, as the fastest of large matrix products; 4 operations a parameter and token are
counted, since the base's own gradients are not computed. Three ways are measured: as it starts,
compiled, and compiled with conversations of several lengths, which share rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers

import torch_attention
from chat_text import Example
from model_backend import Parameters
from torch_backend import prepare
from torch_learner import TorchLearner
from torch_processes import join

BASE = Path(__file__).resolve().parent.parent / (
    "{{cookiecutter.project_slug}}/scenarios/assist/data/base"
)
SHAPES = {
    "135m": {
        "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
    "1.5b": {
        "vocab_size": 151_936, "hidden_size": 1536, "intermediate_size": 8960,
        "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "vocab_size": 4096, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
}  # fmt: skip
"""SmolLM2-135M's, Qwen2.5-1.5B's, and one to try this script with, on a CPU, too."""

TOKENS, REPLY, RANK = 512, 256, 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--batch", type=int, default=64, help="conversations; default %(default)s")
    parser.add_argument("--steps", type=int, default=20, help="measured; default %(default)s")
    options = parser.parse_args()
    if not torch.cuda.is_available() and options.shape != "tiny":
        sys.exit(f"expected a GPU for the shape {options.shape}, got none")
    processes = join()
    prepare(processes.device)
    peak = matrix_peak(processes.device)
    print(f"{card(processes.device)}, torch {torch.__version__}, transformers "
          f"{transformers.__version__}: matrix peak {peak / 1e12:,.2f} TFLOP/s")  # fmt: skip
    print(f"attention: {torch_attention.fused(processes.device) or 'sdpa'}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = make_base(options.shape, folder)
        parameters = Parameters(1e-4, RANK, 2 * RANK, 0.0, 1, options.batch, 1, TOKENS)
        learner = TorchLearner(folder, parameters, 0, processes)
        full = drawn(vocabulary, [TOKENS] * options.batch)
        lengths = np.random.default_rng(1).integers(64, TOKENS + 1, options.batch)
        several = drawn(vocabulary, lengths.tolist())
        report("as it starts", learner, full, options.steps, peak)
        learner.compile()
        report("compiled", learner, full, options.steps, peak)
        report("compiled, of several lengths", learner, several, options.steps, peak)


def card(device: torch.device) -> str:
    """What computes."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def matrix_peak(device: torch.device) -> float:
    """Operations a second of the fastest of some products of square matrices in bfloat16."""
    is_gpu = device.type == "cuda"
    best = 0.0
    for size in (4096, 8192, 16_384) if is_gpu else (256,):
        a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
        repetitions = 20 if is_gpu else 2
        for _ in range(3):
            start = clock(device)
            for _ in range(repetitions):
                a @ b
            best = max(best, repetitions * 2 * size**3 / (clock(device) - start))
    return best


def clock(device: torch.device) -> float:
    """The time when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def make_base(shape: str, folder: Path) -> int:
    """A base of random weights; gives the size of its vocabulary."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        **SHAPES[shape], max_position_embeddings=2048, dtype=torch.bfloat16
    )
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(BASE / name, folder / name)
    known = json.loads((BASE / "config.json").read_text(encoding="utf-8"))
    own = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    own["eos_token_id"] = known["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(own), encoding="utf-8")
    return int(SHAPES[shape]["vocab_size"])


def drawn(vocabulary: int, lengths: Sequence[int]) -> list[Example]:
    """Conversations of random tokens, half of each a reply."""
    draw = np.random.default_rng(0)
    numbers = [draw.integers(0, vocabulary, length).tolist() for length in lengths]
    return [Example(tuple(n[: len(n) // 2]), tuple(n[len(n) // 2 :])) for n in numbers]


def report(
    name: str, learner: TorchLearner, examples: Sequence[Example], steps: int, peak: float
) -> None:
    """Measure updates after some that do not count, and print a line."""
    device = join().device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    warm = clock(device)
    update(learner, examples, 3)
    start = clock(device)
    update(learner, examples, steps)
    seconds = (clock(device) - start) / steps
    tokens = sum(map(len, examples)) / seconds
    share = 4 * learner.parameters * tokens / peak
    memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
    print(f"{name}: {tokens:,.0f} tokens/s, {share:.1%} of the peak, {memory:.1f} GB; "
          f"{start - warm:.0f} s for the first three updates", flush=True)  # fmt: skip


def update(learner: TorchLearner, examples: Sequence[Example], count: int) -> None:
    """So many updates."""
    tokens = sum(len(each.reply) for each in examples)
    for _ in range(count):
        learner.accumulate(examples, tokens)
        learner.update(1e-4)


if __name__ == "__main__":
    main()
