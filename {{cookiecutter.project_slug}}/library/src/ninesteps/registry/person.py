"""Decides whether two texts name the same person, however they are typed.

The approval job carries this file, so it imports only the standard library.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

from ninesteps.registry.confusables import ALIKE_IN_LATIN, LOOK_ALIKES

_FILLERS = "\u115f\u1160"
"""Hangul's fillers: letters by category, but invisible. Decomposition maps the others to these."""

_ARN = re.compile(r"\barn:[^\s()<>,;]+")
_ADDRESS = re.compile(r"[^\s<>,;:()\"'\[\]]+@[^\s<>,;:()\"'\[\]]+")
_PLUS_PART = re.compile(r"(?<=\w)\+[^\s@<>,;()]*")

Words = tuple[str, ...]


def arn_of(context: Mapping[str, Any]) -> str:
    """The ARN in a UserContext of SageMaker; empty if there is none."""
    return str(context.get("IamIdentity", {}).get("Arn") or context.get("UserProfileArn", ""))


def is_same_person(one: str, other: str) -> bool:
    """Whether two texts name the same person.

    `Jo Doe <jo@example.com>` is `doe, JO` and `JO+x@example.com`, and the session of that name
    under any role: `arn:aws:sts::111122223333:assumed-role/Approver/jo@example.com`. Texts that
    look the same are the same, in any alphabet. Two people with the same name count as one, which
    is the safer error.
    """
    return not set(_identities(one)).isdisjoint(_identities(other))


def may_be_same_person(one: str, other: str) -> bool:
    """Whether two different texts could name one person: `A. Smith`, `asmith` and `Ann Smith`."""
    return any(_fits(a, b) or _fits(b, a) for a in _names(one) for b in _names(other))


def skeleton(text: str) -> str:
    """What a text looks like: texts that look the same have the same skeleton.

    It has no marks, no case and no invisible characters; look-alikes become Latin letters and
    digits.
    """
    shown = _plain(text).translate(LOOK_ALIKES)  # capitals first: folded, they may look different
    folded = _plain(_plain(shown).casefold()).translate(LOOK_ALIKES)
    return folded.casefold().translate(ALIKE_IN_LATIN)


def _plain(text: str) -> str:
    """A decomposed text without marks, control characters and fillers."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(
        c for c in decomposed if unicodedata.category(c)[0] not in "MC" and c not in _FILLERS
    )


def _identities(text: str) -> Iterator[Words]:
    """A person's names and addresses as skeletons: their sorted words, and the words joined.

    Each in its own case and folded, since Н looks like H, and so does its small letter н.
    """
    addresses, name = _parts(text)
    for part in (*addresses, name):
        for cased in (part, part.casefold()):
            if words := [skeleton(word) for word in _words(cased)]:
                yield tuple(sorted(words))
                yield ("".join(words),)
                yield ("".join(reversed(words)),)


def _names(text: str) -> Iterator[Words]:
    """What may be a person's name, as folded words: the name, or an address up to the @."""
    addresses, name = _parts(text)
    logins = [] if len(_words(name)) > 1 else [a.partition("@")[0] for a in addresses]
    for part in (*logins, name):
        if words := [w for word in _words(part.casefold()) if (w := word.rstrip("0123456789"))]:
            yield tuple(words)


def _parts(text: str) -> tuple[list[str], str]:
    """The addresses in a text, without their plus-parts, and the rest of it: a name."""
    text = " ".join(
        unicodedata.normalize("NFKC", _without_invisible(text)).replace('"', " ").split()
    )
    text = _ARN.sub(lambda arn: arn[0].rpartition("/")[2], text)
    text = _PLUS_PART.sub("", re.sub(r"\s*@\s*", "@", text))
    return _ADDRESS.findall(text), re.sub(r"<[^>]*>", " ", _ADDRESS.sub(" ", text))


def _without_invisible(text: str) -> str:
    """A text without format characters, such as a zero-width space; tabs and the like stay."""
    return "".join(c for c in text if unicodedata.category(c) != "Cf" and c not in _FILLERS)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", _plain(text.replace("|", "l")))


def _fits(short: Words, long: Words) -> bool:
    """Whether each word is one of the other name or its initial; or the only word, its login."""
    if len(short) == 1 and len(long) > 1 and skeleton(short[0]) in _logins(long):
        return True
    rest = list(long)
    for word in sorted(short, key=len, reverse=True):
        fitting = [w for w in rest if _abbreviates(word, w)]
        if not fitting:
            return False
        rest.remove(fitting[0])
    return True


def _abbreviates(word: str, whole: str) -> bool:
    same = skeleton(word) == skeleton(whole)
    return same or (1 in (len(word), len(whole)) and skeleton(word[0]) == skeleton(whole[0]))


def _logins(words: Words) -> set[str]:
    """Logins that are made of a name: asmith, smitha, anns, as."""
    made = {"".join(word[0] for word in words)}
    for one, other in permutations(words, 2):
        made |= {one[0] + other, one + other[0]}
    return {skeleton(login) for login in made}
