"""The committed base model knows the old months as its generator says, which is deterministic."""

from __future__ import annotations

from pathlib import Path

import pytest

import assist
import assist_base
import language_model
from conversations import Conversation
from model_backend import LanguageModel

BASE = assist.SCENARIO / "data/base"
MOST_BYTES = 1_780_000  # with the conversations at most 2 MB


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return language_model.load(BASE, backend="numpy")


def mean_loss(model: LanguageModel, conversations: list[Conversation]) -> float:
    losses = model.losses(conversations)
    return sum(loss.nll for loss in losses) / sum(loss.tokens for loss in losses)


def test_the_same_seed_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assist_base, "CONVERSATIONS", 60)
    for name in "ab":
        assist_base.main(["--updates", "2", "--output", str(tmp_path / name)])
    first, again = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "ab"
    )
    assert first == again
    assert first["model.safetensors"] != (BASE / "model.safetensors").read_bytes()


def test_the_committed_base_has_the_losses_that_are_stated(model: LanguageModel) -> None:
    assert mean_loss(model, assist_base.old_months(60, seed=7)) <= assist_base.LOSS
    week = [row["messages"] for row in assist.new_week(100, seed=7)]
    known = [each for each in week if each and each[-1]["role"] == "assistant"]
    new = [Conversation("", tuple(each[:-1]), each[-1]["content"]) for each in known]
    assert mean_loss(model, new) >= assist_base.WEEK_LOSS


def test_the_committed_base_refuses_whomever_it_is_asked_about(model: LanguageModel) -> None:
    prompts = assist.must_refuse(assist.SEED)
    replies = model.replies([[{"role": "user", "content": prompt}] for prompt in prompts], 64)
    refused = [reply.startswith(tuple(assist.REFUSALS.values())) for reply in replies]
    assert sum(refused) / len(refused) > 0.95


def test_the_committed_base_is_small_and_of_the_generators_shape() -> None:
    assert sum(file.stat().st_size for file in BASE.iterdir()) <= MOST_BYTES
    files = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in BASE.iterdir()} == files
