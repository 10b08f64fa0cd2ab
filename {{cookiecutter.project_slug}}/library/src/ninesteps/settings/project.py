"""`[project]`: who a pipeline is."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ninesteps.settings import gate as gates
from ninesteps.settings.toml import require

LANGUAGE_MODEL = "language_model"
"""The problem type of which a conversation's reply is learnt, and no column."""


@dataclass(frozen=True)
class Project:
    """Who this pipeline is."""

    name: str  # what people call it
    pipeline: str  # SageMaker's name for the pipeline
    prefix: str  # the steps' names begin with it
    profile: str  # the floors that it must meet, of those that the library has
    metric_word: str = ""  # the word in step 9's name; none: AUC, RMSE or WinRate, by the problem
    problem: str = "binary"  # what a model answers: binary, regression, or language_model

    def __post_init__(self) -> None:
        is_line = self.name.strip() and all(map(_is_shown, self.name))
        require(is_line and len(self.name) <= 100, "name", self.name,
             "a name of one line and at most 100 characters")  # fmt: skip
        named = re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", self.pipeline)
        require(named and len(self.pipeline) <= 63, "pipeline", self.pipeline,
              "letters, digits and single hyphens within, at most 63 characters")  # fmt: skip
        for key in ("prefix", *(["metric_word"] if self.metric_word else [])):
            value = getattr(self, key)
            require(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,19}", value), key, value,
                 "letters and digits, a letter first, at most 20 characters")  # fmt: skip
        require(self.problem in gates.METRICS, "problem", self.problem, " or ".join(gates.METRICS))


def _is_shown(character: str) -> bool:
    """Whether a person sees a character as it is: no control, no mark that turns a text around."""
    joins = "\u200c\u200d"  # within words of some scripts, and emoji
    unfit = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character in joins or unicodedata.category(character) not in unfit
