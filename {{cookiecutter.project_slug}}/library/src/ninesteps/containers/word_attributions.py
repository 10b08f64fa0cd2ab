"""Word attributions: how much less likely the reference reply becomes without one of the user's
words.

    change(word) = -ln p(reference | without the word) + ln p(reference | with it), in nats.

Above 0, the model needs the word to produce the reference. Leave-one-out, also called occlusion:
Li, Monroe and Jurafsky, Understanding Neural Networks through Representation Erasure, arXiv
1612.08220. Words with the same meaning can replace each other, so that none of them seems to
matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bias_metrics import evenly_spaced
from conversations import Conversation
from model_backend import LanguageModel

MOST_CONVERSATIONS = 120
"""The most conversations, drawn at random: each is scored once per word."""

MOST_WORDS = 40
"""The most words of a message that are left out in turn, evenly spaced."""

MOST_LISTED = 20
"""The number of words in the summary."""

FEWEST = 3
"""The fewest conversations with a word in the summary: a single one is an anecdote."""

SEED = 20

CAUTION = (
    "This shows which words the reference reply depends on. It does not explain why the model "
    "replies as it does."
)
METHOD = (
    "leave one word out of the user's last message: by how many nats the reference reply becomes "
    "less likely"
)


@dataclass(frozen=True)
class Attributed:
    """A conversation, and the effect of leaving out each of its words."""

    conversation: Conversation
    changes: Sequence[tuple[str, float]]  # words of the user's last message, in order


def attributed(
    model: LanguageModel, conversations: Sequence[Conversation], seed: int = SEED
) -> list[Attributed]:
    """Score a sample of conversations with and without each word, if they have several."""
    able = [one for one in conversations if len(_words(one)) > 1]
    if len(able) > MOST_CONVERSATIONS:
        drawn = np.random.default_rng(seed).choice(len(able), MOST_CONVERSATIONS, replace=False)
        able = [able[position] for position in sorted(drawn.tolist())]
    positions = [evenly_spaced(len(_words(one)), MOST_WORDS).tolist() for one in able]
    asked = [
        version
        for one, left_out in zip(able, positions, strict=True)
        for version in (one, *(_without(one, position) for position in left_out))
    ]
    losses = iter([loss.nll for loss in model.losses(asked)])
    found = []
    for one, left_out in zip(able, positions, strict=True):
        whole, words = next(losses), _words(one)
        changes = [(words[position], next(losses) - whole) for position in left_out]
        found.append(Attributed(one, changes))
    return found


def summary(found: Sequence[Attributed], prompts: int) -> dict[str, Any]:
    """The words that matter most for replies, on average, for `analysis.json`.

    Args:
        prompts: the number of prompts to choose from.
    """
    changes: dict[str, dict[str, list[float]]] = {}
    for one in found:
        for word, change in one.changes:
            of_word = changes.setdefault(_plain(word), {})
            of_word.setdefault(one.conversation.id, []).append(change)
    means = {
        word: sum(map(max, by_id.values())) / len(by_id)
        for word, by_id in changes.items()
        if word and len(by_id) >= FEWEST
    }
    needed = [word for word, mean in means.items() if mean > 0]
    most = sorted(needed, key=lambda word: (-means[word], word))[:MOST_LISTED]
    return {
        "method": METHOD,
        "caution": CAUTION,
        "conversations": {"explained": len(found), "of": prompts},
        "words": [{"word": word, "conversations": len(changes[word]), "mean_change": means[word]}
                  for word in most],
    }  # fmt: skip


def local(found: Sequence[Attributed]) -> list[dict[str, Any]]:
    """The attributions of each conversation, for the report."""
    return [
        {
            "id": one.conversation.id,
            "reference": one.conversation.reply,
            "words": [{"word": word, "change": change} for word, change in one.changes],
        }
        for one in found
    ]


def _words(conversation: Conversation) -> list[str]:
    return conversation.prompt[-1]["content"].split()


def _without(conversation: Conversation, position: int) -> Conversation:
    words = _words(conversation)
    rest = " ".join(words[:position] + words[position + 1 :])
    *before, last = conversation.prompt
    return replace(conversation, prompt=(*before, {**last, "content": rest}))


def _plain(word: str) -> str:
    """A word without the punctuation around it."""
    kept = [place for place, letter in enumerate(word) if letter.isalnum()]
    return word[kept[0] : kept[-1] + 1].casefold() if kept else ""
