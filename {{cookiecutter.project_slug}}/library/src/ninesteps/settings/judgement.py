"""`[gate]`, `[approval]`, `[bias]` and `[model]`: what the model uses, and how it is judged."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field

from ninesteps.settings.gate import METRIC_NAME, is_reserved
from ninesteps.settings.toml import is_in_repository, require


@dataclass(frozen=True)
class GateSettings:
    """What a model must reach to be registered."""

    metric: str  # the metric gate: comparisons joined by and / or
    bias: str = ""  # the bias gate, which must pass too; empty: bias does not decide
    metrics: tuple[str, ...] = ()  # the team's own metrics: functions in steps/custom_metrics.py

    MOST: typing.ClassVar = 40
    """The most characters of a metric's name: a whole gate may have 256."""

    def __post_init__(self) -> None:
        for name in self.metrics:
            is_name = METRIC_NAME.fullmatch(name) and len(name) <= self.MOST
            require(is_name, "metrics", name, "lowercase letters, digits and _, a letter first, at "
                 f"most {self.MOST} characters")  # fmt: skip
            require(not is_reserved(name), "metrics", name,
                 "a name that no other metric and no word of a gate has")  # fmt: skip
        require(len(set(self.metrics)) == len(self.metrics), "metrics", list(self.metrics),
             "different names")  # fmt: skip


@dataclass(frozen=True)
class Approval:
    """Who may approve a registered version, and how."""

    # whether the person who started a run may not approve its version
    require_second_approver: bool = False
    # another person must approve again between staging and production
    before_production: bool = False
    days_to_answer: int = 7  # the days after which a missing second approval counts as a rejection
    signers: str = ""  # the file of people who may sign approvals here; empty: anybody
    require_signature: bool = False  # approvals here count only if they are signed

    RENAMED: typing.ClassVar[dict[str, str]] = {"two_pairs_of_eyes": "require_second_approver"}

    def __post_init__(self) -> None:
        require(1 <= self.days_to_answer <= 10, "days_to_answer", self.days_to_answer,
             "1 to 10")  # fmt: skip
        require(self.signers or not self.require_signature, "signers", self.signers,
             "the file of people who may sign, because require_signature is true")  # fmt: skip


TRAIN_MEDIAN = "train median"
"""The threshold between unfavourable and favourable numbers: the median of the training split."""


@dataclass(frozen=True)
class Bias:
    """The groups to compare for bias."""

    facets: str = ""  # the columns whose groups are compared; empty: no bias is measured
    group_variable: str = ""  # the column whose values are the strata of CDDL and CDDPL
    favourable_label: int = 1  # the label that is the favourable outcome
    # of a regression: predictions above it are favourable; empty: the median
    threshold: str | float = ""
    min_group_size: int = 100  # smaller groups are reported but do not decide
    # what runs step 7: this repository's script, or the image of Clarify
    backend: str = "open_source"
    # whether to compute SHAP values for each record, besides the global ones
    local_explanations: bool = True

    BACKENDS: typing.ClassVar = ("open_source", "clarify")

    def __post_init__(self) -> None:
        known = ("", TRAIN_MEDIAN)
        require(self.backend in self.BACKENDS, "backend", self.backend, " or ".join(self.BACKENDS))
        require(not isinstance(self.threshold, str) or self.threshold in known, "threshold",
             self.threshold, f'"{TRAIN_MEDIAN}" or a number')  # fmt: skip
        require(
            self.favourable_label in (0, 1), "favourable_label", self.favourable_label, "0 or 1"
        )
        require(self.min_group_size > 0, "min_group_size", self.min_group_size, "1 or more")


@dataclass(frozen=True)
class Model:
    """The model's inputs, its decision threshold and, of a language model, its base."""

    # raw columns that no feature is made from, and single features to leave out
    exclude: tuple[str, ...] = ()
    # the rule that selects the decision threshold on the validation split
    threshold: str = "accuracy"
    protected: dict[str, str] = field(default_factory=dict)
    """Protected columns that the model uses on purpose, each with the reason."""
    base: str = ""  # of a language model: the folder of the base model, or its s3:// prefix
    max_tokens: int = 512  # of a language model: the most tokens of a conversation with its reply
    # of a language model: the most tokens of a reply; it is cut off there
    max_reply_tokens: int = 128

    THRESHOLDS: typing.ClassVar = ("accuracy", "f1", "recall")

    def __post_init__(self) -> None:
        require(self.threshold in self.THRESHOLDS, "threshold", self.threshold,
              ", ".join(self.THRESHOLDS))  # fmt: skip
        for name, why in self.protected.items():
            require(why.strip() and len(why) <= 300 and why.isprintable(), f"protected.{name}", why,
                 "why the model uses it: one line of at most 300 characters")  # fmt: skip
            require(name not in self.exclude, f"protected.{name}", why,
                 "a column that is not in [model] exclude")  # fmt: skip
        path = re.sub("^s3://[a-z0-9.-]+/", "", self.base)
        require(not self.base or is_in_repository(path), "base", self.base,
             "a folder of the repository, such as data/base, or s3://BUCKET/PREFIX")  # fmt: skip
        require(16 <= self.max_tokens <= 131_072, "max_tokens", self.max_tokens, "16 to 131072")
        require(1 <= self.max_reply_tokens < self.max_tokens, "max_reply_tokens",
             self.max_reply_tokens, f"1 or more, and fewer than max_tokens = {self.max_tokens}"
        )  # fmt: skip

    @property
    def base_prefix(self) -> str:
        """The base's s3:// prefix; empty if it is a folder of the repository, or not set."""
        return self.base if self.base.startswith("s3://") else ""
