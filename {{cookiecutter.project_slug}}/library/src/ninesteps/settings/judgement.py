"""`[gate]`, `[approval]`, `[bias]` and `[model]`: how a model decides, and how it is judged."""

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
    bias: str = ""  # the bias gate, which must pass too; none: bias decides nothing
    metrics: tuple[str, ...] = ()  # of the team's own: functions in steps/custom_metrics.py

    MOST: typing.ClassVar = 40
    """Characters of a metric's name: a gate has 256 in all."""

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
    """Who may approve a registered version, and for what."""

    require_second_approver: bool = False  # who approves may not be who started the run
    before_production: bool = False  # a second approval, by another, between staging and production
    days_to_answer: int = 7  # then the second approval counts as refused
    signers: str = ""  # the file of who may sign approvals here; none: whoever signs
    require_signature: bool = False  # an approval here counts only if it is signed

    RENAMED: typing.ClassVar[dict[str, str]] = {"two_pairs_of_eyes": "require_second_approver"}

    def __post_init__(self) -> None:
        require(1 <= self.days_to_answer <= 10, "days_to_answer", self.days_to_answer,
             "1 to 10")  # fmt: skip
        require(self.signers or not self.require_signature, "signers", self.signers,
             "the file of those who may sign, as require_signature asks for it")  # fmt: skip


TRAIN_MEDIAN = "train median"
"""The threshold between an unfavourable and a favourable number that the training split sets."""


@dataclass(frozen=True)
class Bias:
    """The groups to compare for bias."""

    facets: str = ""  # the columns whose groups are compared; none: no bias is measured
    group_variable: str = ""  # strata for CDDL and CDDPL
    favourable_label: int = 1  # the label of those who come off well
    threshold: str | float = ""  # of a regression: above it is favourable; none: the median
    min_group_size: int = 100  # smaller groups are reported but do not decide
    backend: str = "open_source"  # what runs step 7: this repository's script, or clarify's image
    local_explanations: bool = True  # SHAP values record by record, beside the global ones

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
    """What the model sees and how it decides."""

    exclude: tuple[str, ...] = ()  # raw columns that no feature is made of, and single features
    threshold: str = "accuracy"  # the rule for the decision threshold, on the validation split
    protected: dict[str, str] = field(default_factory=dict)
    """Columns by which people are protected and which the model sees on purpose, each with why."""
    base: str = ""  # of a language model: the folder of the base model, or its s3:// prefix
    max_tokens: int = 512  # ... of a conversation with its reply, at most
    max_reply_tokens: int = 128  # ... of a reply: there it ends, if it has not before

    THRESHOLDS: typing.ClassVar = ("accuracy", "f1", "recall")

    def __post_init__(self) -> None:
        require(self.threshold in self.THRESHOLDS, "threshold", self.threshold,
              ", ".join(self.THRESHOLDS))  # fmt: skip
        for name, why in self.protected.items():
            require(why.strip() and len(why) <= 300 and why.isprintable(), f"protected.{name}", why,
                 "why the model sees it: one line of at most 300 characters")  # fmt: skip
            require(name not in self.exclude, f"protected.{name}", why,
                 "a column that [model] exclude does not withhold")  # fmt: skip
        path = re.sub("^s3://[a-z0-9.-]+/", "", self.base)
        require(not self.base or is_in_repository(path), "base", self.base,
             "a folder of the repository, such as data/base, or s3://BUCKET/PREFIX")  # fmt: skip
        require(16 <= self.max_tokens <= 131_072, "max_tokens", self.max_tokens, "16 to 131072")
        require(1 <= self.max_reply_tokens < self.max_tokens, "max_reply_tokens",
             self.max_reply_tokens, f"1 or more, and fewer than max_tokens = {self.max_tokens}"
        )  # fmt: skip

    @property
    def base_prefix(self) -> str:
        """The base's s3:// prefix; empty where it is a folder of the repository, or none."""
        return self.base if self.base.startswith("s3://") else ""
