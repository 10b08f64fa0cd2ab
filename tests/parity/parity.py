"""The two backends of language models agree: `tox run -e torch`, which `run.py` starts.

numpy computes here, with the locked packages; torch in a process of its own (`torch_side.py`), by
the Python that TORCH_PYTHON names. What transformers and peft compute by themselves is asked, too.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import adapter
import chrf
import conversations as conversation_files
import language_model
import language_models
from byte_pairs import BytePairs
from chat_text import ChatTemplate
from conftest import GENERATED
from conversations import Conversation
from llama_config import LlamaConfig
from model_backend import Parameters
from model_files import LanguageModelError
from numpy_llama import NumpyLearner

HERE = Path(__file__).resolve().parent
CONTAINERS = GENERATED / "library/src/ninesteps/containers"
ASSIST = GENERATED / "scenarios/assist/data"
BASE = ASSIST / "base"
REPLY_TOKENS = 24
PARAMETERS = Parameters(
    learning_rate=5e-3, rank=8, alpha=16, dropout=0.0, epochs=2,
    batch_size=7, accumulation=2, max_tokens=200,
)  # fmt: skip

TEXTS = (
    "", " ", "\n", "\r\n\t  x", "How many days of leave do I have?", "I'm, we'll, they'VE, it's",
    "x  y   z", "naïve café", "nai\u0308ve cafe\u0301", "ŉ ﬁ \u00c5 \u212b", "3.14 1,000 2026",
    "\u0663\u0664 \u096b\u096c ½ ²", "日本語のテキスト。", "한국어 문장", "中文，标点。",
    "ภาษาไทย", "हिन्दी में पाठ", "مرحبا بالعالم", "שלום עולם", "لا إله", "क्षत्रिय", "㌔ ㍿",
    "🙂", "\U0001f469\u200d\U0001f469\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea", "\u200b\u200d\ufeff", "a\u00a0b\u2003c\u3000d",
    "\x00\x1b[31m\x7f\x85", "\x1c\x1d\x1e\x1f", "<|im_start|>user\nhi<|im_end|>", "< |im_end|>",
    "<|im_start|>" * 3, "http://a.example/?q=%20&x=1#y", '{"a": [1, 2]}', "___ --- \'\'\' \"\"\"",
    "Straße STRASSE ſ ẞ İ ı", "e" * 300, "-" * 100, " " * 50 + "x", "ⅷ ① ㊙ ﷽",
    "\ud7ff\ue000\uffff", "\U0010ffff", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒯", "a\u0301\u0327\u0323",
)  # fmt: skip

CHATS: tuple[list[dict[str, str]], ...] = (
    [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": " Hi. "}],
    [
        {"role": "system", "content": "Be brief.\n"},
        {"role": "user", "content": "  Wie viele Tage? 🙂 <b>&amp;</b>"},
        {"role": "assistant", "content": "28."},
        {"role": "user", "content": '{{ 7 * 7 }} {% raw %} it\'s "so"'},
        {"role": "assistant", "content": "日本語\n\n- a\n- b"},
    ],
)

CHRF = (
    ("The firm pays for one conference.", "The firm pays for one conference a year."),
    ("", "something"), ("x", "x"), ("ab", "abc"), ("  two  spaces ", "two spaces"),
    ("28 Tage", "30 Tage"), ("日本語です", "日本語でした"), ("\U0001f44d\U0001f3fd ok", "👍 ok"),
    ("a b c", "c b a"),
    ("word " * 40, "word " * 39 + "end"), ("Größe", "Grösse"), ("nothing alike", "ξψω"),
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """What both sides were asked, and what torch's answered."""

    folder: Path
    conversations: list[Conversation]
    texts: list[str]
    torch: dict[str, Any]
    tuned: Any  # the training by numpy

    def base(self, name: str) -> Path:
        """The shipped base, or the one that transformers made."""
        return BASE if name == "base" else self.folder / name


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Everything is asked at once: only to import torch and transformers takes ten seconds."""
    folder = tmp_path_factory.mktemp("parity")
    asked = sample(40)
    conversation_files.write(folder / "conversations.jsonl", asked)
    part = len(asked) * 3 // 4
    tuned = language_model.train(BASE, asked[:part], asked[part:], PARAMETERS, 3, backend="numpy")
    tuned.save(folder / "numpy")
    texts = [*TEXTS, *random_texts(400)]
    content = {
        "base": str(BASE), "parameters": vars(PARAMETERS), "reply_tokens": REPLY_TOKENS,
        "texts": texts, "chats": CHATS, "chrf": CHRF,
        "damaged": [str(each) for each in damaged(folder / "damaged")],
    }  # fmt: skip
    (folder / "asked.json").write_text(json.dumps(content), encoding="utf-8")
    run_torch(folder)
    answered = json.loads((folder / "answered.json").read_text(encoding="utf-8"))
    print(answered["versions"])
    return Compared(folder, asked, texts, answered, tuned)


def run_torch(folder: Path) -> None:
    """The other side, with one thread."""
    places = [str(CONTAINERS)]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    command = [os.environ["TORCH_PYTHON"], str(HERE / "torch_side.py"), str(folder)]
    subprocess.run(command, env=environment, check=True)


def sample(count: int) -> list[Conversation]:
    """Conversations of the shipped sample, and some that are like none of them."""
    chosen = random.Random(1).sample(language_models.usable(), count - len(CHATS))
    own = [
        conversation_files.conversation(f"own{number}", conversation_files.checked(messages))
        for number, messages in enumerate(CHATS)
    ]
    return [*own, *chosen]


def random_texts(count: int) -> list[str]:
    """Texts of characters from everywhere in Unicode, with words and spaces between them."""
    draw = random.Random(2)
    ends = (0x7F, 0x250, 0x600, 0xE00, 0x3100, 0xA000, 0xD7FF, 0x1FAFF, 0x10FFFF)
    pieces = ("the", " firm", "'s", "  ", "\n", "12", "Ünder", "\u00a0", "🙂")

    def character() -> str:
        code = draw.randrange(1, draw.choice(ends))
        # What this Python's Unicode has no character for may be a letter in that of `tokenizers`.
        return chr(code) if unicodedata.category(chr(code)) not in ("Cn", "Cs") else "x"

    return [
        "".join(draw.choice((character(), draw.choice(pieces))) for _ in range(draw.randrange(20)))
        for _ in range(count)
    ]


Change = Callable[[Path], object]


def changed_json(name: str, **values: object) -> Change:
    """A change of some values in a JSON file."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps({**content, **values}), encoding="utf-8")

    return change


def cut(name: str) -> Change:
    """A file that lost its end."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


def more_tokens(folder: Path) -> None:
    """A tokenizer with one token more than the model has numbers for."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    known = len(BytePairs.read(folder))
    rows = LlamaConfig.read(folder).vocabulary
    content["added_tokens"] += [
        {**content["added_tokens"][0], "id": number, "content": f"<new {number}>"}
        for number in range(known, rows + 1)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


DAMAGES: dict[str, Change] = {
    "another-model": changed_json("config.json", model_type="gpt2"),
    "more-tokens": more_tokens,
    "another-width": changed_json("config.json", intermediate_size=24),
    "no-weights": lambda folder: (folder / "model.safetensors").unlink(),
    "short-weights": cut("model.safetensors"),
    "short-tokenizer": cut("tokenizer.json"),
    "no-template": changed_json("tokenizer_config.json", chat_template=None),
}


def damaged(folder: Path) -> list[Path]:
    """The shipped base, spoilt in every way."""
    for name, change in DAMAGES.items():
        shutil.copytree(BASE, folder / name)
        change(folder / name)
    return [folder / name for name in DAMAGES]


def values_of(base: Path) -> dict[str, NDArray[np.float32]]:
    """An adapter that changes something, for a base."""
    draw = np.random.default_rng(4)
    maps = LlamaConfig.read(base).maps
    first = adapter.initial(maps, PARAMETERS.rank, 0)
    drawn = {name: draw.normal(0, 0.05, each.shape) for name, each in first.items()}
    return {name: np.asarray(each, np.float32) for name, each in drawn.items()}


def learner_of(base: Path) -> NumpyLearner:
    """A learner whose adapter has these values."""
    learner = NumpyLearner(base, PARAMETERS, 3)
    learner._adapter.fill(values_of(base))
    return learner


def test_text_becomes_the_same_tokens_as_by_tokenizers(compared: Compared) -> None:
    own = BytePairs.read(BASE)
    found = [{"tokens": own.encode(t), "text": own.decode(own.encode(t))} for t in compared.texts]
    different = [
        (text, ours, theirs)
        for text, ours, theirs in zip(compared.texts, found, compared.torch["tokens"], strict=True)
        if ours != theirs
    ]
    assert not different


def test_a_chat_is_written_as_by_transformers(compared: Compared) -> None:
    template = ChatTemplate.read(BASE)
    found = [[template.render(chat, asks_for_reply=asks) for asks in (True, False)]
             for chat in CHATS]  # fmt: skip
    assert found == compared.torch["chats"]


def test_chrf_is_that_of_sacrebleu(compared: Compared) -> None:
    theirs = compared.torch["chrf"]
    if theirs is None:
        pytest.skip("sacrebleu is not installed beside torch")
    assert [chrf.chrf(*pair) for pair in CHRF] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("name", ["base", "made"])
def test_losses_are_those_of_transformers(compared: Compared, name: str) -> None:
    model = language_model.load(compared.base(name), backend="numpy")
    losses = model.losses(compared.conversations)
    by_torch = compared.torch[name]["losses"]
    alone = compared.torch[name]["by_transformers"]
    assert [loss.tokens for loss in losses] == [loss["tokens"] for loss in by_torch]
    assert [loss.nll for loss in losses] == pytest.approx(alone, rel=1e-5, abs=1e-4)
    assert [loss["nll"] for loss in by_torch] == pytest.approx(alone, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("name", ["base", "made"])
def test_gradients_of_every_matrix_are_the_same(compared: Compared, name: str) -> None:
    learner = learner_of(compared.base(name))
    examples = learner.chat.examples(compared.conversations)
    total = learner.accumulate(examples, sum(len(each.reply) for each in examples))
    assert total == pytest.approx(compared.torch[name]["summed"], rel=1e-6)
    own, theirs = learner._run.gradients, np.load(compared.folder / f"{name}-gradients.npz")
    assert set(own) == set(theirs) and len(theirs) == 14 * learner._config.layers
    worst = {n: np.abs(own[n] - theirs[n]).max() / np.abs(theirs[n]).max() for n in own}
    assert max(worst.values()) < 1e-4, worst


@pytest.mark.parametrize("name", ["base", "made"])
def test_replies_are_the_same(compared: Compared, name: str) -> None:
    model = language_model.load(compared.base(name), backend="numpy")
    found = model.replies([each.prompt for each in compared.conversations], REPLY_TOKENS)
    assert found == compared.torch[name]["replies"]
    assert len(set(found)) > 5


def test_a_training_takes_the_same_way(compared: Compared) -> None:
    ours, theirs = compared.tuned, compared.torch["trained"]
    assert [loss.epoch for loss in ours.losses] == [loss["epoch"] for loss in theirs["losses"]]
    for own, other in zip(ours.losses, theirs["losses"], strict=True):
        assert own.validation == pytest.approx(other["validation"], rel=1e-4)
        assert own.train == other["train"] or own.train == pytest.approx(other["train"], rel=1e-4)
    assert ours.tokens == theirs["tokens"]
    learner = ours.learner
    assert [learner.parameters, learner.trained_parameters] == theirs["parameters"]
    kept = [loss.nll for loss in ours.model.losses(compared.conversations)]
    assert kept == pytest.approx(theirs["kept"], rel=1e-3)


def test_transformers_and_peft_read_what_numpy_wrote(compared: Compared) -> None:
    saved = language_model.load(compared.folder / "numpy", backend="numpy")
    own = [loss.nll for loss in saved.losses(compared.conversations)]
    assert own == pytest.approx(compared.torch["archive"]["merged"], rel=1e-5, abs=1e-4)
    kept = [loss.nll for loss in compared.tuned.model.losses(compared.conversations)]
    assert kept == pytest.approx(compared.torch["archive"]["adapter"], rel=1e-5, abs=1e-4)


def test_numpy_reads_what_torch_wrote(compared: Compared) -> None:
    saved = language_model.load(compared.folder / "torch", backend="numpy")
    own = [loss.nll for loss in saved.losses(compared.conversations)]
    assert own == pytest.approx(compared.torch["trained"]["saved"], rel=1e-5, abs=1e-4)
    files = {
        name: sorted(
            p.relative_to(compared.folder / name) for p in (compared.folder / name).rglob("*")
        )
        for name in ("numpy", "torch")
    }
    assert files["numpy"] == files["torch"]
    config = "adapter/adapter_config.json"
    one, other = ((compared.folder / name / config).read_text() for name in ("numpy", "torch"))
    assert one == other


def test_every_way_to_go_through_examples_gives_what_transformers_gives(compared: Compared) -> None:
    ways = compared.torch["ways"]
    assert len(ways) == 6
    for name, (loss, gradient) in ways.items():
        assert loss < 1e-6 and gradient < 1e-4, name


def test_two_processes_train_what_one_does(compared: Compared) -> None:
    printed = re.findall(r"validation_loss=([0-9.]+)", compared.torch["two_processes"])
    losses = [loss["validation"] for loss in compared.torch["trained"]["losses"]]
    kept = min(losses)
    assert [float(each) for each in printed] == pytest.approx([*losses, kept], rel=1e-4)
    assert (compared.folder / "two" / "model.safetensors").is_file()


def test_dropout_is_for_training_alone_and_the_same_every_time(compared: Compared) -> None:
    trained, seen = compared.torch["dropout"]["trained"], compared.torch["dropout"]["seen"]
    assert trained[0] == trained[1] != trained[2]
    assert seen[0] == seen[1] == pytest.approx(seen[2]) and seen[0] != trained[0]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_base_that_cannot_be_used_is_refused_with_the_same_sentence(
    compared: Compared, name: str
) -> None:
    folder = compared.folder / "damaged" / name
    with pytest.raises(LanguageModelError) as refused:
        language_model.load(folder, backend="numpy")
    assert compared.torch["refused"][str(folder)] == str(refused.value)
