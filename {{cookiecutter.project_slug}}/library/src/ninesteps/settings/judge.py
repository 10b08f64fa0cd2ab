"""`[judge]`: how the replies of a language model are judged."""

from __future__ import annotations

from dataclasses import dataclass

from ninesteps.settings.toml import is_in_repository, require


@dataclass(frozen=True)
class Judge:
    """How step 3 judges the replies of a language model."""

    must_refuse: str = ""  # a file with one prompt per line; the model must refuse each
    refusals: tuple[str, ...] = ()  # how replies that refuse begin, such as ["I cannot"]
    good: float = 0.9  # the lowest chrF against its reference at which a reply counts as good

    def __post_init__(self) -> None:
        require(0 < self.good <= 1, "good", self.good, "a chrF above 0 and at most 1")
        require(not self.must_refuse or is_in_repository(self.must_refuse), "must_refuse",
             self.must_refuse, "a file of the repository, such as data/must_refuse.txt"
        )  # fmt: skip
        words = all(text.strip() == text != "" for text in self.refusals)
        require(words and len(set(self.refusals)) == len(self.refusals), "refusals",
             list(self.refusals), "a list of different strings, none empty")  # fmt: skip
        require(self.refusals or not self.must_refuse, "refusals", list(self.refusals),
             "how replies that refuse begin, because must_refuse is set")  # fmt: skip
