"""`[project]`: a pipeline's name, profile and problem type."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ninesteps.settings import gate as gates
from ninesteps.settings.toml import require

LANGUAGE_MODEL = "language_model"
"""The problem type of a model that learns the replies to conversations, not a column."""


@dataclass(frozen=True)
class Project:
    """The pipeline's name, profile and problem type."""

    name: str  # the name that people use
    pipeline: str  # the pipeline's name in SageMaker
    prefix: str  # what the steps' names begin with
    profile: str  # the profile whose floors the settings must meet: one of the library's
    metric_word: str = ""  # the word in step 9's name; empty: AUC, RMSE or WinRate, by problem type
    problem: str = "binary"  # the problem type: binary, regression or language_model

    def __post_init__(self) -> None:
        is_line = self.name.strip() and all(map(_is_shown, self.name))
        require(is_line and len(self.name) <= 100, "name", self.name,
             "a name on one line, at most 100 characters")  # fmt: skip
        named = re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", self.pipeline)
        require(named and len(self.pipeline) <= 63, "pipeline", self.pipeline,
              "letters, digits and single hyphens between them, at most 63 characters")  # fmt: skip
        for key in ("prefix", *(["metric_word"] if self.metric_word else [])):
            value = getattr(self, key)
            require(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,19}", value), key, value,
                 "letters and digits, a letter first, at most 20 characters")  # fmt: skip
        require(self.problem in gates.METRICS, "problem", self.problem, " or ".join(gates.METRICS))


def _is_shown(character: str) -> bool:
    """Whether a character is visible as it is: not a control, nor a mark that reverses text."""
    joins = "\u200c\u200d"  # within words of some scripts, and emoji
    unfit = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character in joins or unicodedata.category(character) not in unfit
