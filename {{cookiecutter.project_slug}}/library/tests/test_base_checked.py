"""A base that cannot be fine-tuned, or cannot read a prompt, is told before anything is trained."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import small_llama
from ninesteps.errors import SettingsError
from ninesteps.settings import loading
from ninesteps.settings.judge import Judge
from ninesteps.settings.judgement import Model
from ninesteps.settings.settings import Settings
from ninesteps.validation.base import check_base

ROOT = Path(__file__).resolve().parents[2]


def settings(root: Path, model: Model | None = None) -> Settings:
    """Those of a repository with a base of 96 tokens."""
    model = model or Model(base="base", max_tokens=64, max_reply_tokens=32)
    judge = Judge("list.txt", ("No",))
    return dataclasses.replace(loading.load(ROOT), root=root, model=model, judge=judge)


def test_a_base_that_fits_is_taken_and_one_in_s3_is_not_read(tmp_path: Path) -> None:
    small_llama.write(tmp_path / "base")
    (tmp_path / "list.txt").write_text("Whose?\n")
    check_base(settings(tmp_path))
    check_base(settings(tmp_path / "none", Model(base="s3://weights/llama")))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model_type": "mistral"}, r"base: expected a base model that is a Llama, got mistral"),
        ({"hidden_size": 32}, r"base: expected weights model\.embed_tokens\.weight of shape"),
        (
            {"max_position_embeddings": 32},
            r"fewer than the 32 tokens of the base's context, got 32",
        ),
    ],
)
def test_a_base_whose_shape_is_another_is_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    file = small_llama.write(tmp_path / "base") / "config.json"
    (tmp_path / "list.txt").write_text("Whose?\n")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(SettingsError, match=sentence):
        check_base(settings(tmp_path))


def test_a_tokenizer_with_more_tokens_than_the_base_is_refused(tmp_path: Path) -> None:
    file = small_llama.write(tmp_path / "base") / "tokenizer.json"
    content = json.loads(file.read_text())
    content["added_tokens"].append({"id": 9_999, "content": "<|more|>", "special": True})
    file.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"a tokenizer of at most \d+ tokens, .* 10000"):
        check_base(settings(tmp_path))


def test_a_prompt_that_leaves_no_room_for_a_reply_is_refused(tmp_path: Path) -> None:
    small_llama.write(tmp_path / "base")
    (tmp_path / "list.txt").write_text(f"Whose?\n{'Why? ' * 20}\n")
    with pytest.raises(SettingsError, match=r"list\.txt: .* fit into 32 of 64 tokens, .* 'Why\? "):
        check_base(settings(tmp_path))
