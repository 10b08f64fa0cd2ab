"""Byte-level BPE from a `tokenizer.json`: text to tokens and back, with the standard library.

Sennrich et al., arXiv 1508.07909, over bytes as in GPT-2. Where the `tokenizers` package is
installed, as in SageMaker's containers, it reads the same file and gives the same tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from model_files import LanguageModelError, read_object

FILE = "tokenizer.json"

WORDS = re.compile(r"'(?:[st]|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
"""GPT-2's pattern of words, for a text whose characters were replaced by `_shape`."""

NOT_PLAIN = re.compile(r"[^\x00-\x1b\x20-\x7f]")

MOST_WORDS, LONGEST_WORD = 100_000, 50
"""The most cached words, and their most characters, since an endpoint runs indefinitely."""


def _byte_characters() -> dict[int, str]:
    """The printable character for each byte in a vocabulary, as chosen by GPT-2."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + index) for index, byte in enumerate(others)
    }


@dataclass(frozen=True)
class Rules:
    """The differences between tokenizers of this kind."""

    splits_digits: bool = False
    composes: bool = False  # whether text is first normalised to Unicode's form C
    takes_words_whole: bool = False  # whether a word in the vocabulary needs no merges


CHARACTERS = _byte_characters()
BYTES = {character: byte for byte, character in CHARACTERS.items()}


class BytePairs:
    """A tokenizer."""

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        added: Mapping[str, int],
        control_tokens: Mapping[str, int],
        rules: Rules,
    ) -> None:
        """`added` are the tokens that a text may name, and `control_tokens` those that are not
        text.

        The first pair in `merges` is merged first.
        """
        self.vocabulary, self.added, self.control_tokens = vocabulary, added, control_tokens
        self.rules = rules
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        longest_first = sorted(added, key=lambda name: (-len(name), name))
        self._named = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if added else None
        self._texts = _texts(vocabulary, added, control_tokens)
        self._known: dict[str, tuple[int, ...]] = {}

    @staticmethod
    def read(folder: Path) -> BytePairs:
        """The tokenizer of a model's folder.

        Raises:
            LanguageModelError: if it is missing, damaged, or of another kind.
        """
        content = read_object(folder / FILE)
        try:
            return _read(content)
        except LanguageModelError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LanguageModelError(f"{FILE} is damaged: {error!r}") from error

    def __len__(self) -> int:
        """The highest token plus one: the number of rows that an embedding needs."""
        return 1 + max([*self.vocabulary.values(), *self.added.values()], default=-1)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; the name of an added token becomes that token."""
        tokens: list[int] = []
        for part in self._named.split(text) if self._named else [text]:
            if part in self.added:
                tokens.append(self.added[part])
            else:
                for word in words(part, self.rules):
                    tokens += self._word(word)
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without control tokens; bytes that are not UTF-8 are marked."""
        texts = self._texts
        return b"".join(texts.get(token, b"") for token in tokens).decode("utf-8", "replace")

    def _word(self, word: str) -> tuple[int, ...]:
        """The tokens of a word: its bytes, merged."""
        known = self._known.get(word)
        if known is None:
            characters = "".join(CHARACTERS[byte] for byte in word.encode("utf-8", "replace"))
            if self.rules.takes_words_whole and characters in self.vocabulary:
                parts = [characters]
            else:
                parts = self._merged([each for each in characters if each in self.vocabulary])
            known = tuple(self.vocabulary[part] for part in parts)
            if len(self._known) < MOST_WORDS and len(word) <= LONGEST_WORD:
                self._known[word] = known
        return known

    def _merged(self, parts: list[str]) -> list[str]:
        """Parts after all merges: the pair with the lowest rank is merged first."""
        never = len(self._ranks)
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            first = min(pairs, key=lambda pair: self._ranks.get(pair, never))
            if first not in self._ranks:
                break
            merged, index = [], 0
            while index < len(parts):
                is_first = index < len(pairs) and pairs[index] == first
                merged.append("".join(first) if is_first else parts[index])
                index += 1 + is_first
            parts = merged
        return parts


def words(text: str, rules: Rules) -> Iterator[str]:
    """The words of a text, with the space before them; no pair is merged across two."""
    if rules.composes:
        text = unicodedata.normalize("NFC", text)
    shape = "".join(map(_shape, text)) if NOT_PLAIN.search(text) else text
    for start, end in _runs(shape) if rules.splits_digits else [(0, len(shape))]:
        for word in WORDS.finditer(shape[start:end]):
            yield text[start + word.start() : start + word.end()]


def _texts(
    vocabulary: Mapping[str, int], added: Mapping[str, int], control: Mapping[str, int]
) -> dict[int, bytes]:
    """The bytes of each token."""
    texts = {
        token: bytes(BYTES[character] for character in name)
        for name, token in vocabulary.items()
        if name not in added
    }
    texts |= {token: name.encode() for name, token in added.items()}
    return texts | dict.fromkeys(control.values(), b"")


def _runs(shape: str) -> Iterator[tuple[int, int]]:
    """The text split at each digit."""
    return (part.span() for part in re.finditer(r"[0-9]|[^0-9]+", shape))


@lru_cache(maxsize=10_000)
def _shape(character: str) -> str:
    """The ASCII character that represents all of its kind, so that `WORDS` needs no tables."""
    if character.isascii():
        return "!" if "\x1c" <= character <= "\x1f" else character
    if character.isalpha():
        return "a"
    if unicodedata.category(character).startswith("N"):
        return "0"
    return "\t" if character.isspace() else "!"


def _read(content: Mapping[str, Any]) -> BytePairs:
    """The tokenizer that a `tokenizer.json` describes, if it is of this kind."""
    model, decoder = content["model"], content.get("decoder") or {}
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind != "BPE" or decoder.get("type") != "ByteLevel":
        raise _other("byte-level BPE", f"{kind} with decoder {decoder.get('type')}")
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(option):
            raise _other(f"no `{option}`", repr(model[option]))
    normalizer = (content.get("normalizer") or {}).get("type")
    if normalizer not in (None, "NFC"):
        raise _other("no normalizer but NFC", normalizer)
    added = {token["content"]: int(token["id"]) for token in content.get("added_tokens") or ()}
    for token in content.get("added_tokens") or ():
        for option in ("lstrip", "rstrip", "single_word"):
            if token.get(option):
                raise _other(f"no `{option}`", f"it of {token['content']!r}")
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    merges = [(str(first), str(second)) for first, second in pairs]
    control = {
        token["content"]: int(token["id"])
        for token in content.get("added_tokens") or ()
        if token.get("special")
    }
    rules = Rules(
        splits_digits=_splits_digits(content.get("pre_tokenizer") or {}),
        composes=normalizer == "NFC",
        takes_words_whole=bool(model.get("ignore_merges")),
    )
    vocabulary = {str(name): int(token) for name, token in model["vocab"].items()}
    return BytePairs(vocabulary, merges, added, control, rules)


def _splits_digits(pre_tokenizer: Mapping[str, Any]) -> bool:
    """Whether each digit is a separate word; checks that words are otherwise made as expected."""
    kind = pre_tokenizer.get("type")
    steps = pre_tokenizer["pretokenizers"] if kind == "Sequence" else [pre_tokenizer]
    *before, last = steps
    is_byte_level = last.get("type") == "ByteLevel" and last.get("use_regex", True)
    digits = [step.get("type") == "Digits" and step.get("individual_digits") for step in before]
    if not is_byte_level or last.get("add_prefix_space", True) or not all(digits):
        names = ", ".join(str(step.get("type")) for step in steps)
        raise _other("GPT-2's words, with or without single digits, and no space added", names)
    return bool(before)


def _other(expected: str, got: str) -> LanguageModelError:
    return LanguageModelError(
        f"expected {expected} in {FILE}, got {got}: such a tokenizer needs torch and transformers"
    )
