"""What torch, transformers and peft compute: run by a Python that has them, for `parity.py`.

    python torch_side.py FOLDER

FOLDER has `asked.json` and what it names. Everything is written into FOLDER: `answered.json`,
gradients, a base of another shape, and an archive. The library's modules are on PYTHONPATH.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

import language_model
import packed_rows
import torch_attention
from conversations import Conversation, read
from model_backend import Parameters
from model_files import LanguageModelError
from torch_files import FastTokenizer
from torch_learner import TorchLearner
from torch_processes import Processes

CPU = torch.device("cpu")


def main(folder: Path) -> None:
    """Answer all that is asked."""
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    base = Path(asked["base"])
    conversations = read(folder / "conversations.jsonl")
    parameters = Parameters(**asked["parameters"])
    make_base(base, folder / "made")
    answered: dict[str, Any] = {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "tokens": tokens(base, asked["texts"]),
        "chats": chats(base, asked["chats"]),
        "chrf": chrf(asked["chrf"]),
        "refused": {name: refused(Path(name)) for name in asked["damaged"]},
        "archive": archive(base, folder / "numpy", conversations),
        "ways": ways(base, parameters, conversations),
        "trained": trained(base, parameters, conversations, folder),
        "dropout": dropout(base, parameters, conversations),
        "two_processes": two_processes(folder),
    }
    for name, each in (("base", base), ("made", folder / "made")):
        model = language_model.load(each, backend="torch")
        answered[name] = {
            "losses": [asdict(loss) for loss in model.losses(conversations)],
            "by_transformers": by_transformers(plain(each), each, conversations),
            "replies": model.replies([c.prompt for c in conversations], asked["reply_tokens"]),
        }
        learner = with_values(each, parameters)
        total = accumulated(learner, conversations)
        np.savez(folder / f"{name}-gradients.npz", **gradients(learner))
        answered[name]["summed"] = total
    (folder / "answered.json").write_text(json.dumps(answered), encoding="utf-8")


def make_base(base: Path, folder: Path) -> None:
    """A Llama of another shape as transformers writes it: in several files, with its own head."""
    torch.manual_seed(5)
    tokenizer = FastTokenizer(base)
    rope = {"rope_type": "llama3", "rope_theta": 5e4, "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer) + 7, hidden_size=48, intermediate_size=72, num_hidden_layers=3,
        num_attention_heads=6, num_key_value_heads=2, head_dim=12, tie_word_embeddings=False,
        max_position_embeddings=256, rms_norm_eps=1e-5, initializer_range=0.3,
        rope_parameters=rope,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).to(torch.float16)
    model.save_pretrained(folder, max_shard_size="60KB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(base / name, folder / name)
    settings = json.loads((base / "config.json").read_text(encoding="utf-8"))
    own = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    own["eos_token_id"] = settings.get("eos_token_id")
    (folder / "config.json").write_text(json.dumps(own), encoding="utf-8")


def tokens(base: Path, texts: list[str]) -> list[dict[str, Any]]:
    """What the `tokenizers` package makes of texts, there and back."""
    tokenizer = FastTokenizer(base)
    found = [tokenizer.encode(text) for text in texts]
    return [{"tokens": each, "text": tokenizer.decode(each)} for each in found]


def chats(base: Path, conversations: list[list[dict[str, str]]]) -> list[list[str]]:
    """What transformers' own template engine writes: with and without the call for a reply."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    return [
        [
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
            for asks in (True, False)
        ]
        for messages in conversations
    ]


def chrf(pairs: list[list[str]]) -> list[float] | None:
    """sacrebleu's sentence chrF, between 0 and 1, where the package is installed."""
    try:
        from sacrebleu.metrics import CHRF
    except ImportError:
        return None
    metric = CHRF(beta=1)
    return [metric.sentence_score(reply, [reference]).score / 100 for reply, reference in pairs]


def refused(folder: Path) -> str:
    """The sentence that a folder is refused with."""
    try:
        language_model.load(folder, backend="torch")
    except LanguageModelError as error:
        return str(error)
    return ""


def plain(folder: Path) -> transformers.LlamaForCausalLM:
    """A model as transformers reads it."""
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def by_transformers(
    model: Any, folder: Path, conversations: list[Conversation], scale: float = 0
) -> list[float]:
    """Each reply's loss by transformers alone, with its own template and labels.

    With a `scale` the gradients of the losses times it are added to the model's.
    """
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    losses = []
    for each in conversations:
        prompt = tokenizer.apply_chat_template(
            list(each.prompt), tokenize=False, add_generation_prompt=True
        )
        before = tokenizer(prompt, add_special_tokens=False).input_ids
        after = tokenizer(each.reply, add_special_tokens=False).input_ids
        ids = torch.tensor([[*before, *after, tokenizer.eos_token_id]])
        logits = model(input_ids=ids).logits[0, len(before) - 1 : -1]
        loss = cross_entropy(logits, ids[0, len(before) :], reduction="sum")
        if scale:
            (loss * scale).backward()
        losses.append(loss.item())
    return losses


def archive(base: Path, folder: Path, conversations: list[Conversation]) -> dict[str, list[float]]:
    """Losses of an archive that numpy wrote: merged, and the base with peft's own reading of it."""
    adapted = peft.PeftModel.from_pretrained(plain(base), folder / "adapter").eval()
    return {
        "merged": by_transformers(plain(folder), folder, conversations),
        "adapter": by_transformers(adapted, base, conversations),
    }


def with_values(base: Path, parameters: Parameters) -> TorchLearner:
    """A learner whose adapter changes something, as on the other side."""
    learner = TorchLearner(base, parameters, 3, Processes(0, 1, CPU))
    draw = np.random.default_rng(4)
    with torch.no_grad():
        for own in learner._adapted.values():
            own.copy_(torch.from_numpy(draw.normal(0, 0.05, own.shape)))
    return learner


def accumulated(learner: TorchLearner, conversations: list[Conversation]) -> float:
    """The summed loss, whose gradients are added in two parts."""
    examples = learner.chat.examples(conversations)
    tokens, half = sum(len(each.reply) for each in examples), len(examples) // 2
    parts = (examples[:half], examples[half:])
    return sum(learner.accumulate(part, tokens) for part in parts)


def gradients(learner: TorchLearner) -> dict[str, Any]:
    """What was added."""
    return {name: own.grad.numpy() for name, own in learner._masters.items()}


def ways(
    base: Path, parameters: Parameters, conversations: list[Conversation]
) -> dict[str, list[float]]:
    """Every way to go through examples against transformers alone: loss, and worst gradient.

    Differences are relative: to the loss, and to the largest number of a matrix's gradient.
    """

    def compared(change: Callable[[TorchLearner], None]) -> list[float]:
        made = with_values(base, parameters)
        change(made)
        total, found = accumulated(made, conversations), gradients(made)
        worst = max(
            float(np.abs(found[name] - right[name]).max() / np.abs(right[name]).max())
            for name in right
        )
        return [abs(total / sum(losses) - 1), worst]

    alone = with_values(base, parameters)
    examples = alone.chat.examples(conversations)
    scale = 1 / sum(len(each.reply) for each in examples)
    losses = by_transformers(alone._model, base, conversations, scale)
    right = {name: own.grad.numpy() for name, own in alone._adapted.items()}
    changes = (one_each, sharing_rows, fused, recomputing, without_room, compiled)
    return {change.__name__: compared(change) for change in changes}


def one_each(learner: TorchLearner) -> None:
    """As on a CPU."""


def sharing_rows(learner: TorchLearner) -> None:
    """As on a GPU for which there is no fused attention."""
    learner._passes._planned = lambda examples: packed_rows.passes(  # type: ignore[method-assign]
        examples, 128, 512, 8
    )


def fused(learner: TorchLearner) -> None:
    """As on a GPU, with plain attention in its kernel's place: what is tested is what it is given.

    The kernel itself is compared with plain attention where there is one, before it is used.
    """

    def kernel(q: Any, k: Any, v: Any, bounds: Any, longest: int, scale: float) -> Any:
        ends = bounds.tolist()
        parts = [[x[a:b] for x in (q, k, v)] for a, b in pairwise(ends)]
        if longest != max(len(part[0]) for part in parts):
            raise ValueError("expected the length of the longest segment")
        return torch.cat([attention(part, scale) for part in parts])

    def attention(part: list[Any], scale: float) -> Any:
        by_head = [x.transpose(0, 1)[None] for x in part]
        mixed = scaled_dot_product_attention(*by_head, is_causal=True, scale=scale, enable_gqa=True)
        return mixed[0].transpose(0, 1)

    torch_attention.register(kernel)
    learner._model.set_attn_implementation(torch_attention.NAME)
    learner._passes._attention = torch_attention.NAME
    learner._passes._planned = lambda examples: packed_rows.passes(  # type: ignore[method-assign]
        examples, 512, 512, 64
    )


def recomputing(learner: TorchLearner) -> None:
    """As where the memory is small: activations are computed twice."""
    learner._passes._take_less(learner._passes._budget)


def without_room(learner: TorchLearner) -> None:
    """As where it is smaller than estimated: a pass fails after it went backward, and is redone."""
    losses = learner._passes._losses

    def failing(rows: packed_rows.Rows) -> torch.Tensor:
        found = losses(rows)
        if rows.tokens.size > 150:
            found.sum().backward()
            raise torch.OutOfMemoryError("no memory")
        return found

    learner._passes._losses = failing  # type: ignore[method-assign]


def compiled(learner: TorchLearner) -> None:
    """As after a minute of training; traced and differentiated, but not made into machine code."""
    for layer in learner._model.model.layers:
        layer.compile(backend="aot_eager")


def trained(
    base: Path, parameters: Parameters, conversations: list[Conversation], folder: Path
) -> dict[str, Any]:
    """A whole training, whose archive is kept, and what the kept model then thinks and says."""
    part = len(conversations) * 3 // 4
    tuned = language_model.train(
        base, conversations[:part], conversations[part:], parameters, 3, backend="torch"
    )
    tuned.save(folder / "torch")
    again = language_model.load(folder / "torch", backend="torch")
    return {
        "losses": [asdict(loss) for loss in tuned.losses],
        "tokens": tuned.tokens,
        "parameters": [tuned.learner.parameters, tuned.learner.trained_parameters],
        "kept": [loss.nll for loss in tuned.model.losses(conversations)],
        "saved": [loss.nll for loss in again.losses(conversations)],
    }


def dropout(
    base: Path, parameters: Parameters, conversations: list[Conversation]
) -> dict[str, list[float]]:
    """The loss with dropout by seed, trained on and only looked at."""
    found: dict[str, list[float]] = {"trained": [], "seen": []}
    for seed in (3, 3, 4):
        values = Parameters(**{**asdict(parameters), "dropout": 0.3})
        learner = TorchLearner(base, values, seed, Processes(0, 1, CPU))
        with torch.no_grad():
            for name, own in learner._adapted.items():
                own.fill_(0.02 if name.endswith("B") else 0.1)
        found["trained"].append(accumulated(learner, conversations))
        examples = learner.chat.examples(conversations)
        found["seen"].append(sum(loss.nll for loss in learner.losses(examples)))
    return found


def two_processes(folder: Path) -> str:
    """The same training by two processes, started as SageMaker's toolkit starts them."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1"]
    command += ["--nproc_per_node", "2", __file__, str(folder), "--share"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def train_a_share(folder: Path) -> None:
    """What each of two processes does."""
    torch.set_num_threads(1)
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    conversations = read(folder / "conversations.jsonl")
    part = len(conversations) * 3 // 4
    parameters = Parameters(**asked["parameters"])
    language_model.train(
        Path(asked["base"]), conversations[:part], conversations[part:], parameters, 3,
        backend="torch",
    ).save(folder / "two")  # fmt: skip


if __name__ == "__main__":
    run = train_a_share if sys.argv[2:] == ["--share"] else main
    run(Path(sys.argv[1]))
