"""What a language model's folder holds is read and written, and what is wrong with it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byte_pairs
import language_model
import llama_config
import model_files
import numpy_llama
import safetensors_file
import small_llama
from byte_pairs import BytePairs
from llama_config import LlamaConfig
from model_files import LanguageModelError
from safetensors_file import Dtype


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_llama.write(tmp_path / "model")


def edit(file: Path, **changes: object) -> None:
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**content, **changes}), "utf-8")


@pytest.mark.parametrize(("dtype", "error"), [("F32", 0), ("F16", 2**-11), ("BF16", 2**-8)])
def test_weights_come_back_as_exactly_as_their_format_has_them(
    tmp_path: Path, dtype: Dtype, error: float
) -> None:
    arrays = {
        "b": np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32),
        "a": np.float32([0, 1, -2.5]),
    }
    safetensors_file.write_arrays(tmp_path / "x.safetensors", arrays, dtype)
    read = safetensors_file.tensors_of(tmp_path / "x.safetensors")
    for name, array in arrays.items():
        np.testing.assert_allclose(read[name].read(), array, rtol=error)
    again = {name: tensor.read() for name, tensor in read.items()}
    safetensors_file.write_arrays(tmp_path / "y.safetensors", again, dtype)
    assert (tmp_path / "y.safetensors").read_bytes() == (tmp_path / "x.safetensors").read_bytes()


def test_a_number_between_two_of_bf16_goes_to_the_even_one(tmp_path: Path) -> None:
    halves = np.array([0x3F808000, 0x3F818000, 0x3F808001], np.uint32).view(np.float32)
    safetensors_file.write_arrays(tmp_path / "x", {"a": halves}, "BF16")
    bits = safetensors_file.tensors_of(tmp_path / "x")["a"].read().view(np.uint32) >> 16
    assert bits.tolist() == [0x3F80, 0x3F82, 0x3F81]


def header(**changes: object) -> bytes:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}
    return json.dumps({"a": entry}).encode()


@pytest.mark.parametrize(
    ("text", "content", "says"),
    [
        (b"{", b"", "a header of"),
        (b"no json", bytes(8), "not JSON"),
        (b"[1, 2, 3]", bytes(8), "not a JSON object"),
        (header(data_offsets=[0, 4]), bytes(4), "other bytes than its shape has"),
        (header(data_offsets=[4, 12]), bytes(12), "a gap or an overlap before a"),
        (header(data_offsets=None), bytes(8), "no offsets for a"),
        (header(shape=[-2]), bytes(8), "no shape for a"),
        (header(), bytes(7), "instead of the"),
        (header(), bytes(9), "instead of the"),
        (header(dtype="I64"), bytes(8), "expected numbers as F32, F16, BF16"),
    ],
)
def test_damaged_weights_are_refused_in_a_sentence(
    tmp_path: Path, text: bytes, content: bytes, says: str
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + content)
    with pytest.raises(LanguageModelError, match=says) as raised:
        safetensors_file.tensors(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_header_longer_than_the_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes((2**60).to_bytes(8, "little") + b"{}")
    with pytest.raises(LanguageModelError, match="is damaged: it has a header of"):
        safetensors_file.tensors(tmp_path)


def test_weights_in_several_files_are_found_by_their_index(folder: Path) -> None:
    whole = {name: each.read() for name, each in safetensors_file.tensors(folder).items()}
    (folder / "model.safetensors").unlink()
    files = {name: f"part-{index % 2}.safetensors" for index, name in enumerate(whole)}
    for file in set(files.values()):
        own = {name: array for name, array in whole.items() if files[name] == file}
        safetensors_file.write_arrays(folder / file, own, "F32")
    index = folder / safetensors_file.INDEX
    index.write_text(json.dumps({"weight_map": files}), "utf-8")
    found = safetensors_file.tensors(folder)
    assert all((found[name].read() == array).all() for name, array in whole.items())
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}), "utf-8")
    with pytest.raises(LanguageModelError, match="with names of files"):
        safetensors_file.tensors(folder)
    index.write_text(json.dumps({"weight_map": {"other": "part-0.safetensors"}}), "utf-8")
    with pytest.raises(LanguageModelError, match=r"expected other in part-0\.safetensors"):
        safetensors_file.tensors(folder)


@pytest.mark.parametrize(
    "text",
    ["", "a singer singing", "Grüße, naïve 東京! 🙂\u200d👩", " \t\n  two", "\x00\x1c\x85\u3000x",
     "I'll don't 12 ½ ٣"],
)  # fmt: skip
def test_any_text_survives_the_tokenizer(folder: Path, text: str) -> None:
    pairs = BytePairs.read(folder)
    assert pairs.decode(pairs.encode(text)) == text


def test_pairs_are_merged_in_their_order_within_words(folder: Path) -> None:
    pairs = BytePairs.read(folder)
    names = {token: name for name, token in pairs.vocabulary.items()}
    assert [names[t] for t in pairs.encode("singer a")] == ["s", "ing", "er", "\u0120a"]
    assert [names[t] for t in pairs.encode("i n")] == ["i", "\u0120", "n"]


def test_a_control_token_is_named_in_a_text_and_is_none_when_read_back(folder: Path) -> None:
    pairs = BytePairs.read(folder)
    assert pairs.encode("<|im_end|>er") == [2, *pairs.encode("er")]
    assert pairs.decode(pairs.encode("a<|im_end|>b")) == "ab"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": {"type": "Unigram", "vocab": []}}, "expected byte-level BPE"),
        ({"decoder": {"type": "Metaspace"}}, "expected byte-level BPE"),
        ({"normalizer": {"type": "Lowercase"}}, "no normalizer but NFC"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "expected GPT-2's words"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": [], "byte_fallback": True}},
         "no `byte_fallback`"),
        ({"model": None}, "is damaged"),
        ({"added_tokens": [{"id": "x"}]}, "is damaged"),
    ],
)  # fmt: skip
def test_a_tokenizer_of_another_kind_is_refused(
    folder: Path, changes: dict[str, Any], says: str
) -> None:
    edit(folder / byte_pairs.FILE, **changes)
    with pytest.raises(LanguageModelError, match=says):
        BytePairs.read(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "gpt2"}, "expected a base model that is a Llama, got gpt2"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "got LlamaForSequence"),
        ({"attention_bias": True}, "without `attention_bias`"),
        ({"hidden_act": "gelu"}, "expected `hidden_act` silu, got gelu"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2}}, "got yarn"),
        ({"rope_scaling": {"rope_type": "linear"}}, "is damaged"),
        ({"hidden_size": "wide"}, "expected a whole number above 0 as hidden_size"),
        ({"num_key_value_heads": 3}, "share key heads evenly"),
        ({"num_hidden_layers": 5}, r"expected weights model\.layers\.2\.\S+ of shape"),
        ({"vocab_size": 100}, "expected"),
        ({"hidden_size": 4096, "intermediate_size": 11008}, "million parameters needs torch"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_used_is_refused_in_a_sentence(
    folder: Path, changes: dict[str, Any], says: str
) -> None:
    edit(folder / llama_config.FILE, **changes)
    with pytest.raises(LanguageModelError, match=says) as raised:
        language_model.load(folder, backend="numpy")
    assert "\n" not in str(raised.value)


def test_a_tokenizer_with_more_tokens_than_the_embedding_is_refused(folder: Path) -> None:
    words = small_llama.tokenizer()
    words["model"]["vocab"]["new"] = len(words["model"]["vocab"])
    (folder / byte_pairs.FILE).write_text(json.dumps(words), "utf-8")
    with pytest.raises(LanguageModelError, match="expected a tokenizer of at most"):
        language_model.load(folder, backend="numpy")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(LanguageModelError, match=f"expected {name} in the model's folder"):
        language_model.load(folder, backend="numpy")


def test_an_adapter_is_no_base(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(LanguageModelError, match="expected a base model, got an adapter"):
        language_model.load(folder, backend="numpy")


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({"rope_theta": 100.0}, [1, 0.1]),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}, [1, 0.1]),
        ({"rope_theta": 100.0, "rope_scaling": {"type": "linear", "factor": 4}}, [0.25, 0.025]),
        (
            {"rope_theta": 100.0, "rope_scaling": {
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
                "original_max_position_embeddings": 32}},
            [1, 0.1 / 8],
        ),
    ],
)  # fmt: skip
def test_positions_turn_as_the_settings_say(
    tmp_path: Path, rope: dict[str, Any], expected: list[float]
) -> None:
    config = LlamaConfig.read(small_llama.write(tmp_path, **rope))
    np.testing.assert_allclose(config.frequencies, expected)


def test_the_digest_is_of_names_and_bytes(folder: Path) -> None:
    before = model_files.digest(folder)
    assert before == model_files.digest(folder)
    (folder / "tokenizer.json").rename(folder / "tokenizer2.json")
    assert model_files.digest(folder) != before


def test_the_largest_model_without_torch_is_told_of_before_it_is_read(folder: Path) -> None:
    edit(folder / "config.json", hidden_size=4096, intermediate_size=11008)
    (folder / "model.safetensors").unlink()
    with pytest.raises(LanguageModelError, match="install torch, transformers, peft"):
        numpy_llama.read(folder)
