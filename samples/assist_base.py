"""Writes the assist scenario's base model: a small Llama that knows the policies of old months.

::

    python samples/assist_base.py [--updates 600] [--seed 20260302] [-o FOLDER]

The same arguments give the same bytes on the same machine, in about a minute on one processor, with
numpy alone; elsewhere sums may end in other last digits. Nothing is taken from anybody's model: the
numbers are drawn at random, and learnt from the conversations of `assist.old_months`, in which
names are made up, so that the model refuses to speak of people whatever their names are.

**Shape.** `SHAPE` has it: a Llama of 0.4 million parameters with grouped queries and tied
embeddings, stored as bfloat16. Its tokenizer is a byte-level BPE of `VOCABULARY` tokens, learnt
from the same conversations and the names of their roles, so that any text can be written in it.
Each digit is a token: a number that never occurred is written as easily as one that did. Its chat
template is ChatML.

**Its loss.** `LOSS` is the most that it may have on old months with another seed and no varied
values, a reply token; `WEEK_LOSS` the least on the new week, which changes policies, so that there
is something to learn; and `LEARNT` is by how much an epoch of fine-tuning lowers it, at least.

**How it was chosen.** Tokenizer, `assist.VARIED` and width were tried with a base of another seed,
and the result was confirmed on ten weeks of other seeds, split by other salts: after two epochs of
one setting the lower bound of the win rate was 0.51 to 0.76 in the ten, the median 0.70, and every
prompt that must be refused was. Before that, four of the week's new values and the ranges of the
search had been changed after a look at the committed week's test split.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent
LIBRARY = SAMPLES.parent / "{{cookiecutter.project_slug}}/library/src/ninesteps/containers"
if __name__ == "__main__":
    sys.path.insert(0, str(LIBRARY))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # more would wait for each other

import numpy as np

import assist
import byte_pairs
import llama_config
import safetensors_file
from byte_pairs import CHARACTERS, Rules, words
from chat_text import Example
from conversations import Conversation, Message
from llama_config import LlamaConfig
from llama_network import Network, Run
from number_vector import AdamW, NumberVector
from numpy_llama import batch, read_chat

SEED = 20260302
UPDATES = 600
CONVERSATIONS = 6000
BATCH = 24
LEARNING_RATE = 6e-3
WARM_UP = 40
LONGEST_STEP = 1.0
CONTEXT = 512

VOCABULARY = 1024
RULES = Rules(splits_digits=True)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "hidden_act": "silu",
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": None,
    "eos_token_id": CONTROL.index("<|im_end|>"),
    "pad_token_id": CONTROL.index("<|endoftext|>"),
    "torch_dtype": "bfloat16",
}

LOSS, WEEK_LOSS, LEARNT = 0.05, 0.5, 0.3

SYLLABLES = ("a", "be", "chi", "da", "el", "fo", "gu", "ha", "il", "jo", "ka", "li", "mo", "na",
             "or", "pe", "qui", "ro", "sa", "ti", "ul", "va", "wen", "xi", "yu", "za")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the base model."""
    parser = argparse.ArgumentParser(description="Writes the assist scenario's base model.")
    parser.add_argument("--updates", type=int, default=UPDATES, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=SEED, help="default %(default)s")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", default=assist.SCENARIO / "data/base"
    )
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    write(options.output, options.updates, options.seed)


def write(folder: Path, updates: int, seed: int) -> None:
    """Write the base model after so many updates."""
    learnt = old_months(CONVERSATIONS, seed)
    messages = [message for each in learnt for message in (*each.prompt, _reply(each))]
    texts = [text for message in messages for text in (message["role"], message["content"])]
    vocabulary, merges = learn_pairs(texts, VOCABULARY - len(CONTROL))
    for name, content in _files(vocabulary, merges).items():
        text = json.dumps(
            content, indent=1 if name != byte_pairs.FILE else None, ensure_ascii=False
        )
        (folder / name).write_text(text + "\n", encoding="utf-8", newline="\n")
    config = LlamaConfig.read(folder)
    chat = read_chat(folder, config, None)
    numbers = learn(config, chat.examples(learnt), updates, seed)
    arrays = {name: numbers[name] for name in numbers}
    safetensors_file.write_arrays(folder / safetensors_file.WEIGHTS, arrays, "BF16")


def old_months(conversations: int, seed: int, varied: float = assist.VARIED) -> list[Conversation]:
    """Conversations of the months before the week, with made-up names in place of known ones."""
    rng = random.Random(f"names {seed}")  # noqa: S311
    found = []
    for number, messages in enumerate(assist.old_months(conversations, seed, varied)):
        named = [{**message, "content": _renamed(message["content"], rng)} for message in messages]
        found.append(Conversation(str(number), tuple(named[:-1]), named[-1]["content"]))
    return found


def _renamed(text: str, rng: random.Random) -> str:
    """A text with another name in place of each that `assist` has."""
    name = next((name for name in assist.NAMES if name in text), None)
    if name is None:
        return text
    count = 2 + int(rng.random() * 2)
    parts = (SYLLABLES[int(rng.random() * len(SYLLABLES))] for _ in range(count))
    return text.replace(name, "".join(parts).capitalize())


def _reply(conversation: Conversation) -> Message:
    return {"role": "assistant", "content": conversation.reply}


def learn_pairs(texts: Sequence[str], size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """A byte-level vocabulary of `size` parts, and the pairs that are merged, the first first.

    The most frequent pair is merged next; of several, the first in the alphabet.
    """
    counts = Counter(word for text in texts for word in words(text, RULES))
    parts = {word: [CHARACTERS[byte] for byte in word.encode()] for word in counts}
    vocabulary, merges = sorted(CHARACTERS.values()), []
    while len(vocabulary) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in counts.items():
            for pair in pairwise(parts[word]):
                pairs[pair] += count
        if not pairs:
            break
        merged = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(merged)
        vocabulary.append("".join(merged))
        for word in counts:
            parts[word] = _merged(parts[word], merged)
    return vocabulary, merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if found and (found[-1], part) == pair:
            found[-1] += part
        else:
            found.append(part)
    return found


def _files(vocabulary: Sequence[str], merges: Sequence[tuple[str, str]]) -> dict[str, object]:
    """The settings of model and tokenizer, by the names of their files."""
    tokens = {part: len(CONTROL) + index for index, part in enumerate(vocabulary)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    added = [
        {"id": index, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for index, name in enumerate(CONTROL)
    ]  # fmt: skip
    return {
        llama_config.FILE: SHAPE,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": CONTEXT,
            "clean_up_tokenization_spaces": False,
            "chat_template": TEMPLATE,
        },
        byte_pairs.FILE: {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Digits", "individual_digits": RULES.splits_digits},
                    {**byte_level, "use_regex": True},
                ],
            },
            "post_processor": None,
            "decoder": {**byte_level, "use_regex": True},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": {**{name: index for index, name in enumerate(CONTROL)}, **tokens},
                "merges": merges,
            },
        },
    }


def learn(
    config: LlamaConfig, examples: Sequence[Example], updates: int, seed: int
) -> NumberVector:
    """A model's numbers after so many updates, each on `BATCH` examples."""
    rng = np.random.default_rng(seed)
    numbers, gradients = NumberVector(config.tensors), NumberVector(config.tensors)
    for name in numbers:
        shape = config.tensors[name]
        numbers[name][...] = 1 if len(shape) == 1 else rng.normal(0, 0.02, shape)
    network, optimizer = Network(config, numbers), AdamW(len(numbers.values), decay=0.01)
    run = Run(gradients)
    for update in range(updates):
        chosen = [examples[index] for index in rng.integers(len(examples), size=BATCH)]
        texts, targets = batch(chosen)
        network.learn(texts, targets, 1 / len(targets), run)
        length = float(np.linalg.norm(gradients.values))
        gradients.values *= np.float32(min(1.0, LONGEST_STEP / length))
        optimizer.step(
            numbers.values, gradients.values, learning_rate(update, updates), (0.9, 0.98)
        )
        gradients.values[...] = 0
    return numbers


def learning_rate(update: int, updates: int) -> float:
    """A rise over `WARM_UP` updates, then half a cosine down to 0."""
    rise = min(1.0, (update + 1) / WARM_UP)
    return LEARNING_RATE * rise * (1 + math.cos(math.pi * update / updates)) / 2


if __name__ == "__main__":
    main()
