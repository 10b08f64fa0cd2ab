"""`[tuning]`: the search for the best model."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass, field

from ninesteps.settings.toml import require


@dataclass(frozen=True)
class Range:
    """The range of one hyperparameter."""

    min: float  # the smallest value to try
    max: float  # the largest value to try
    scaling: str = "Auto"  # how values are distributed between them
    integer: bool = False  # whether only whole numbers are tried

    SCALINGS: typing.ClassVar = ("Auto", "Linear", "Logarithmic")

    def __post_init__(self) -> None:
        require(self.min < self.max, "min", self.min, f"a number below max = {self.max}")
        require(self.scaling in self.SCALINGS, "scaling", self.scaling, ", ".join(self.SCALINGS))
        require(self.scaling != "Logarithmic" or self.min > 0, "min", self.min,
              "a number above 0 for a logarithmic scale")  # fmt: skip
        for key in ("min", "max"):
            value = getattr(self, key)
            require(not self.integer or value == int(value), key, value, "a whole number")


@dataclass(frozen=True)
class Tuning:
    """The search for the best model."""

    ranges: dict[str, Range]  # the range of each hyperparameter to search
    objective: str = ""  # the metric to optimise; empty: the problem type's default
    # the algorithms to try; of several, the best model is registered
    algorithms: tuple[str, ...] = ("xgboost",)
    jobs: int = 12  # the number of trials
    parallel: int = 4  # how many trials run at the same time
    seed: int = 20  # the random seed of the search and of every trial
    # hyperparameters that are the same for every trial
    static: dict[str, str] = field(default_factory=dict)

    CHOSEN: typing.ClassVar = (
        "algorithm", "threshold_rule", "recall_target", "seed", "max_tokens", "max_reply_tokens",
    )  # fmt: skip
    """Hyperparameters of the training script that other settings determine."""

    OBJECTIVES: typing.ClassVar = {
        "binary": {"validation:auc": "Maximize", "validation:map": "Maximize",
                   "validation:logloss": "Minimize"},
        "regression": {"validation:rmse": "Minimize", "validation:mae": "Minimize"},
        "language_model": {"validation:loss": "Minimize"},
    }  # fmt: skip
    """The objectives by problem type; for tables, those among the XGBoost image's own metric
    definitions."""

    TUNABLE: typing.ClassVar[dict[str, tuple[float, float, bool]]] = {
        "alpha": (0, 1000, False),
        "colsample_bylevel": (0.1, 1, False),
        "colsample_bynode": (0.1, 1, False),
        "colsample_bytree": (0.1, 1, False),
        "eta": (0, 1, False),
        "gamma": (0, 1000, False),
        "lambda": (0, 1000, False),
        "max_delta_step": (0, 10, True),
        "max_depth": (0, 100, True),
        "min_child_weight": (0, 1000, False),
        "num_round": (1, 4000, True),
        "subsample": (0.1, 1, False),
    }
    """The hyperparameters that a tuning job on the XGBoost image may tune: least, most, whole."""

    SHARED: typing.ClassVar = (
        "alpha", "colsample_bytree", "eta", "gamma", "lambda", "max_depth", "min_child_weight",
        "num_round", "subsample",
    )  # fmt: skip
    """Those that LightGBM has too; `lightgbm_model.py` has its names for them."""

    LORA: typing.ClassVar[dict[str, tuple[float, float, bool]]] = {
        "learning_rate": (0, 1, False),
        "rank": (1, 512, True),
        "alpha": (1, 1024, True),
        "dropout": (0, 0.9, False),
        "epochs": (1, 100, True),
    }
    """The hyperparameters of low-rank adaptation that may be searched: least, most, whole."""

    BATCHES: typing.ClassVar = {"batch_size": "16", "accumulation": "1"}
    """Defaults: the conversations in a batch, and the batches in a step."""

    ALGORITHMS: typing.ClassVar = ("xgboost", "lightgbm", "lora")
    BY_PROBLEM: typing.ClassVar = {
        "binary": ("xgboost", "lightgbm"),
        "regression": ("xgboost", "lightgbm"),
        "language_model": ("lora",),
    }
    """The algorithms that learn each type of problem."""

    MOST_SEED: typing.ClassVar = 2**32 - 1  # of 32 bits, as numpy's
    MIN_TRIALS: typing.ClassVar = 3  # of each algorithm, if several are compared

    def __post_init__(self) -> None:
        known = [name for objectives in self.OBJECTIVES.values() for name in objectives]
        require(self.objective in ("", *known), "objective", self.objective, ", ".join(known))
        chosen = set(self.algorithms)
        once = chosen and len(chosen) == len(self.algorithms)
        require(once and chosen <= set(self.ALGORITHMS), "algorithms", list(self.algorithms),
             f"one or more of {', '.join(self.ALGORITHMS)}")  # fmt: skip
        require("lora" not in chosen or len(chosen) == 1, "algorithms", list(self.algorithms),
             "only lora: it cannot be compared with other algorithms")  # fmt: skip
        least = self.MIN_TRIALS * len(chosen) if len(chosen) > 1 else 1
        require(self.jobs >= least, "jobs", self.jobs,
             f"{least} or more for {' and '.join(self.algorithms)}")  # fmt: skip
        require(1 <= self.parallel <= self.jobs, "parallel", self.parallel,
              f"between 1 and jobs = {self.jobs}")  # fmt: skip
        require(self.jobs <= 750, "jobs", self.jobs, "at most 750 (SageMaker's limit)")
        require(0 <= self.seed <= self.MOST_SEED, "seed", self.seed, f"0 to {self.MOST_SEED}")
        require(self.ranges, "ranges", {}, "a range for at least one hyperparameter")
        limits = self.LORA if "lora" in chosen else self.TUNABLE
        tunable = self.SHARED if "lightgbm" in chosen else tuple(limits)
        for name, span in self.ranges.items():
            require(name in tunable, "ranges", name,
                 f"one of {', '.join(tunable)} for {' and '.join(self.algorithms)}")  # fmt: skip
            lowest, most, whole = limits[name]
            require(lowest <= span.min and span.max <= most, "ranges", f"{name} {span.min:g} to "
                 f"{span.max:g}", f"{name} from {lowest:g} to {most:g}")  # fmt: skip
            got = f"{name} integer = {str(span.integer).lower()}"
            require(span.integer == whole, "ranges", got, f"integer = {str(whole).lower()}")
        set_by_others = ("objective", "eval_metric", "sagemaker_", "_", *self.CHOSEN)
        own = [name for name in self.static if name.startswith(set_by_others)]
        require(not own, "static", own, "hyperparameters that other settings do not determine")
        if "lightgbm" in chosen:
            alien = sorted(self.static.keys() - set(self.SHARED))
            require(not alien, "static", alien, f"some of {', '.join(self.SHARED)} for LightGBM")
        if "lora" in chosen:
            self._check_lora()
        both = sorted(self.ranges.keys() & self.static.keys())
        require(not both, "static", both, "hyperparameters that are not in [tuning.ranges]")

    def _check_lora(self) -> None:
        """Check that every hyperparameter of LoRA is searched or fixed, and each fixed one is a
        number."""
        known = (*self.LORA, *self.BATCHES)
        alien = sorted(self.static.keys() - set(known))
        require(not alien, "static", alien, f"some of {', '.join(known)} for LoRA")
        absent = [name for name in self.LORA if name not in {**self.ranges, **self.static}]
        require(not absent, "ranges", sorted(self.ranges),
             f"{', '.join(absent)} too, here or in [tuning.static]: LoRA has no default"
        )  # fmt: skip
        for name, text in self.static.items():
            least, most, whole = self.LORA.get(name, (1, 4096, True))
            try:
                number = float(text)
            except ValueError:
                number = math.nan
            fits = least <= number <= most and (not whole or number == int(number))
            require(fits, "static", f"{name} = {text}", f"{name} from {least:g} to {most:g}"
                 f"{', a whole number' if whole else ''}")  # fmt: skip
