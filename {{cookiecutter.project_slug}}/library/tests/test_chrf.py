"""chrF: the same numbers as sacrebleu's, which is not needed for it."""

from __future__ import annotations

import importlib.util

import pytest

from chrf import best_chrf, chrf

OF_SACREBLEU = {
    ("Employees get 25 days of leave a year.", "Employees get 28 days of leave a year."):
        0.873135905690596,
    ("I cannot help with that.", "Ask your manager."): 0.06724452554744526,
    ("Du har rett til 25 dager.", "Du har rett til fem uker."): 0.5902333447999083,
    ("a", "aß 字ß字ccßB"): 0.2,
    ("bc\nC漢e\nfééé.漢e", "bc\nC漢e\nfééé.漢ec B\nA字edh"): 0.7270279849308051,
    ("a b", "ab"): 1.0,
    (" x ", "x"): 1.0,
    ("", "x"): 0.0,
    ("x", ""): 0.0,
    ("", ""): 0.0,
    ("ab", "cd"): 0.0,
}  # fmt: skip
"""`CHRF(char_order=6, word_order=0, beta=1).sentence_score(reply, [reference]).score / 100`."""


@pytest.mark.parametrize(("texts", "score"), OF_SACREBLEU.items())
def test_it_is_sacrebleus(texts: tuple[str, str], score: float) -> None:
    assert chrf(*texts) == pytest.approx(score, abs=1e-15)


@pytest.mark.skipif(importlib.util.find_spec("sacrebleu") is None, reason="sacrebleu is not here")
def test_it_is_that_of_the_sacrebleu_that_is_installed() -> None:
    from sacrebleu.metrics import CHRF  # type: ignore[import-not-found]

    metric = CHRF(char_order=6, word_order=0, beta=1)
    for texts, score in OF_SACREBLEU.items():
        assert metric.sentence_score(texts[0], [texts[1]]).score / 100 == score


def test_length_alone_is_no_reward() -> None:
    reference = "Ask your manager."
    assert chrf(reference, reference) == 1.0
    assert chrf(f"{reference} And then ask everybody else, too.", reference) < 0.6
    assert chrf("Ask your", reference) == pytest.approx(chrf(reference, "Ask your"))


def test_the_nearest_reference_counts() -> None:
    assert best_chrf("25 days", ["none", "25 days", "28 days"]) == 1.0
    assert best_chrf("25 days", []) == 0.0
