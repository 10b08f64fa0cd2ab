"""The committed base model knows the old months as its generator says, which is deterministic."""

from __future__ import annotations

from pathlib import Path

import pytest

import assist
import assist_base
import language_model
from byte_pairs import BytePairs
from conftest import in_full_tier
from conversations import Conversation
from model_backend import LanguageModel, Parameters

BASE = assist.SCENARIO / "data/base"
MOST_BYTES = 900_000  # with the conversations well below 2 MB


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return language_model.load(BASE, backend="numpy")


def mean_loss(model: LanguageModel, conversations: list[Conversation]) -> float:
    losses = model.losses(conversations)
    return sum(loss.nll for loss in losses) / sum(loss.tokens for loss in losses)


def week(rows: int, seed: int) -> list[Conversation]:
    """A week's conversations, without its blemishes."""
    messages = [row["messages"] for row in assist.new_week(rows, seed)]
    whole = [each for each in messages if each and each[-1]["role"] == "assistant"]
    return [Conversation("", tuple(each[:-1]), each[-1]["content"]) for each in whole]


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
    old = assist_base.old_months(60, seed=7, varied=0.0)
    assert mean_loss(model, old) <= assist_base.LOSS
    assert mean_loss(model, week(100, seed=7)) >= assist_base.WEEK_LOSS


@in_full_tier
def test_one_epoch_lowers_the_validation_loss_by_what_is_stated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    conversations = week(300, seed=7)
    parameters = Parameters(0.005, 8, 16.0, 0.0, epochs=1, batch_size=8, max_tokens=256)
    tuned = language_model.train(
        BASE, conversations[60:], conversations[:60], parameters, 1, backend="numpy"
    )
    before, after = (loss.validation for loss in tuned.losses)
    assert before - after >= assist_base.LEARNT
    assert f"validation_loss={after:.6f}" in capsys.readouterr().out


def test_every_digit_is_a_token_so_that_any_number_can_be_written() -> None:
    tokenizer = BytePairs.read(BASE)
    digits = [tokenizer.vocabulary[digit] for digit in "4081"]
    assert tokenizer.encode("4081") == digits
    assert tokenizer.encode(" 4081") == [tokenizer.vocabulary["Ġ"], *digits]


def test_the_committed_base_refuses_whomever_it_is_asked_about(model: LanguageModel) -> None:
    prompts = assist.must_refuse(assist.SEED)
    replies = model.replies([[{"role": "user", "content": prompt}] for prompt in prompts], 64)
    refused = [reply.startswith(tuple(assist.REFUSALS.values())) for reply in replies]
    assert sum(refused) / len(refused) > 0.95


def test_the_committed_base_is_small_and_of_the_generators_shape() -> None:
    assert sum(file.stat().st_size for file in BASE.iterdir()) <= MOST_BYTES
    files = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in BASE.iterdir()} == files
