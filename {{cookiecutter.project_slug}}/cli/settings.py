"""`pipeline.toml` as data classes: every default and every rule of a setting stands here.

Standard library alone, with `governance` and `model_deploy.policy`: the template's hook loads
the settings it has just written before anything is installed.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cli import tables
from cli.tables import SettingsError, must
from governance import cadence as cadences
from governance import gate as gates
from governance.facets import Facet, FacetError
from governance.facets import parse as parse_facets
from governance.floor import shortfall
from governance.standards import (
    LEAST_DI,
    MOST_DPPL,
    Standards,
    StandardsFile,
    missing_facets,
    uncovered,
)
from model_deploy import policy

FEATURE_DATABASE = "sagemaker_featurestore"
"""The data catalogue's database that SageMaker registers offline stores in."""

DOCUMENTATION_ACCOUNT = "111122223333"
"""AWS's own example account: what a definition names until an environment is chosen."""

LOCAL_ENVIRONMENT = "local"

LONGEST_NAME = 50
"""Letters of a pipeline's name with an environment's: a bucket's name adds 13, and may have 63."""

STORE_COLUMNS = ("event_time", "api_invocation_time", "write_time", "is_deleted")
QUERY_COLUMNS = ("year", "month", "day", "hour", "recency")
RESERVED_COLUMNS = (*STORE_COLUMNS, *QUERY_COLUMNS)
"""What the offline store and its query add to a record: no facet can be called so."""


@dataclass(frozen=True)
class Project:
    """Who this pipeline is."""

    name: str  # what people call it
    pipeline: str  # SageMaker's name for the pipeline
    prefix: str  # the steps' names begin with it
    metric_word: str = ""  # the word in step 9's name; none: AUC or RMSE, by the problem
    problem: str = "binary"  # binary (yes or no) or regression (a number)

    def __post_init__(self) -> None:
        must(self.name.strip() and len(self.name) <= 100, "name", self.name,
             "a name of at most 100 letters")  # fmt: skip
        named = re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", self.pipeline)
        must(named and len(self.pipeline) <= 63, "pipeline", self.pipeline,
              "at most 63 letters, digits and single hyphens within")  # fmt: skip
        for key in ("prefix", *(["metric_word"] if self.metric_word else [])):
            value = getattr(self, key)
            must(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,19}", value), key, value,
                 "at most 20 letters and digits, a letter first")  # fmt: skip
        must(self.problem in gates.METRICS, "problem", self.problem, " or ".join(gates.METRICS))


@dataclass(frozen=True)
class Column:
    """What one column of the raw table holds."""

    type: str  # what its values are
    format: str = ""  # of a date, as in strptime
    values: tuple[str, ...] = ()  # of a category: those known, the others are counted

    TYPES: typing.ClassVar = ("number", "date", "category", "text")

    def __post_init__(self) -> None:
        must(self.type in self.TYPES, "type", self.type, ", ".join(self.TYPES))
        must(self.type != "date" or _is_date_format(self.format), "format", self.format,
              'the format of a date, such as "%Y-%m-%d"')  # fmt: skip
        must(self.type != "category" or self.values, "values", list(self.values),
              'the known values of a category, such as ["a", "b"]')  # fmt: skip
        must(all(self.values) and len(set(self.values)) == len(self.values), "values",
              list(self.values), "a list of different texts, none empty")  # fmt: skip


@dataclass(frozen=True)
class Data:
    """The raw table: where it lies and what its columns hold. Without a file none is named yet."""

    file: str = ""  # the raw table, CSV or Parquet; none: nothing runs yet
    record_id: str = ""  # the column that names a row
    label: str = ""  # the column that is predicted
    positive: str = ""  # the label's text that counts as 1, where it is not 0 and 1
    number_rows: bool = False  # no column tells rows apart: record_id is their number
    columns: dict[str, Column] = field(default_factory=dict)  # what each other column holds
    snapshot: str = ""  # the moment that the rows describe, where no column says it
    event_time: str = ""  # the column that says it

    def __post_init__(self) -> None:
        if not self.file:
            return
        for key in ("record_id", "label"):
            must(getattr(self, key), key, getattr(self, key), "the name of a column")
        must(bool(self.snapshot) != bool(self.event_time), "snapshot", self.snapshot,
             "either a moment (snapshot) or a column of moments (event_time)")  # fmt: skip
        if self.snapshot:
            must(is_moment(self.snapshot), "snapshot", self.snapshot, MOMENT_RULE)
        must(self.columns, "columns", {}, "a column at least, to make features of")
        for key in ("record_id", "label"):
            name = getattr(self, key)
            must(name.lower() not in RESERVED_COLUMNS, key, name,
                 "another name: the feature group has a column of that one")  # fmt: skip
        must(self.record_id not in self.columns, "record_id", self.record_id,
             "a column that [data.columns] does not have")  # fmt: skip
        must(self.label not in (self.record_id, "event_time", *self.columns), "label", self.label,
             "a column that is neither the record id nor in [data.columns]")  # fmt: skip
        must("event_time" not in self.columns, "columns", "event_time",
             "another name: the feature group has a column of that one")  # fmt: skip


@dataclass(frozen=True)
class Split:
    """How rows are told into train, validation and test."""

    salt: str  # a text that decides, with the record id, to which split a row goes
    by: str = "hash"  # of the record id or the group; or "time": the past learns, the future tests
    group: str = ""  # a column whose rows of one value stay together, such as a customer
    train: float = 0.7  # the share of rows that the trials learn from
    validation: float = 0.15  # ... that the best trial and the decision threshold are chosen by
    test: float = 0.15  # ... that the gate is read from
    min_positives: int = 20  # fewer of either class in a split is an error; regression: of rows

    WAYS: typing.ClassVar = ("hash", "time")

    def __post_init__(self) -> None:
        must(self.salt, "salt", self.salt, "a text, fixed before any result is seen")
        must(self.by in self.WAYS, "by", self.by, " or ".join(self.WAYS))
        shares = (self.train, self.validation, self.test)
        must(min(shares) > 0 and abs(sum(shares) - 1) < 1e-9, "train", list(shares),
              "train, validation and test shares above 0 that add up to 1")  # fmt: skip
        must(self.min_positives > 0, "min_positives", self.min_positives, "1 or more")


@dataclass(frozen=True)
class Range:
    """Where the search for one hyperparameter looks."""

    min: float  # the least value that is tried
    max: float  # the greatest
    scaling: str = "Auto"  # how values are spread between them
    integer: bool = False  # whole numbers alone

    SCALINGS: typing.ClassVar = ("Auto", "Linear", "Logarithmic")

    def __post_init__(self) -> None:
        must(self.min < self.max, "min", self.min, f"a number below max = {self.max}")
        must(self.scaling in self.SCALINGS, "scaling", self.scaling, ", ".join(self.SCALINGS))
        must(self.scaling != "Logarithmic" or self.min > 0, "min", self.min,
              "a number above 0 for a logarithmic scale")  # fmt: skip
        for key in ("min", "max"):
            value = getattr(self, key)
            must(not self.integer or value == int(value), key, value, "a whole number")


@dataclass(frozen=True)
class Tuning:
    """The search for the best model."""

    ranges: dict[str, Range]  # a range for each hyperparameter that is searched
    objective: str = ""  # none: the first of its problem's
    algorithms: tuple[str, ...] = ("xgboost",)  # of several the better one is registered
    jobs: int = 12  # trials in all
    parallel: int = 4  # of them at a time
    seed: int = 20  # of the search and of every trial
    static: dict[str, str] = field(default_factory=dict)  # the same for every trial

    OBJECTIVES: typing.ClassVar = {
        "binary": {"validation:auc": "Maximize", "validation:map": "Maximize",
                   "validation:logloss": "Minimize"},
        "regression": {"validation:rmse": "Minimize", "validation:mae": "Minimize"},
    }  # fmt: skip
    """The objectives that the XGBoost image's own metric definitions know."""

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
    """Those that LightGBM has too: `lightgbm_model.py` says by which names."""

    ALGORITHMS: typing.ClassVar = ("xgboost", "lightgbm")
    MIN_TRIALS: typing.ClassVar = 3  # of each algorithm, where several are compared

    def __post_init__(self) -> None:
        known = [name for objectives in self.OBJECTIVES.values() for name in objectives]
        must(self.objective in ("", *known), "objective", self.objective, ", ".join(known))
        chosen = set(self.algorithms)
        once = chosen and len(chosen) == len(self.algorithms)
        must(once and chosen <= set(self.ALGORITHMS), "algorithms", list(self.algorithms),
             f"one or more of {', '.join(self.ALGORITHMS)}")  # fmt: skip
        least = self.MIN_TRIALS * len(chosen) if len(chosen) > 1 else 1
        must(self.jobs >= least, "jobs", self.jobs,
             f"{least} or more, for {' and '.join(self.algorithms)}")  # fmt: skip
        must(1 <= self.parallel <= self.jobs, "parallel", self.parallel,
              f"between 1 and jobs = {self.jobs}")  # fmt: skip
        must(self.jobs <= 750, "jobs", self.jobs, "at most 750: SageMaker searches no more")
        must(self.seed >= 0, "seed", self.seed, "0 or more")
        must(self.ranges, "ranges", {}, "a range for at least one hyperparameter")
        tunable = self.SHARED if "lightgbm" in self.algorithms else tuple(self.TUNABLE)
        for name, found in self.ranges.items():
            must(name in tunable, "ranges", name, f"one of {', '.join(tunable)}")
            lowest, most, whole = self.TUNABLE[name]
            must(lowest <= found.min and found.max <= most, "ranges", f"{name} {found.min:g} to "
                 f"{found.max:g}", f"{name} from {lowest:g} to {most:g}")  # fmt: skip
            must(found.integer == whole, "ranges", f"{name} integer = {str(found.integer).lower()}",
                 f"integer = {str(whole).lower()}")  # fmt: skip
        set_by_others = ("objective", "eval_metric", "sagemaker_", "_")
        own = [name for name in self.static if name.startswith(set_by_others)]
        must(not own, "static", own, "hyperparameters that do not follow from other settings")
        if "lightgbm" in self.algorithms:
            alien = sorted(self.static.keys() - set(self.SHARED))
            must(not alien, "static", alien, f"for LightGBM some of {', '.join(self.SHARED)}")
        both = sorted(self.ranges.keys() & self.static.keys())
        must(not both, "static", both, "a hyperparameter that [tuning.ranges] does not have")


@dataclass(frozen=True)
class GateSettings:
    """What a model must reach to be registered."""

    metric: str  # the metric gate: comparisons joined by and / or
    bias: str = ""  # the bias gate, which must hold too; none: bias decides nothing


@dataclass(frozen=True)
class Approval:
    """Who may approve a registered version, and for what."""

    two_pairs_of_eyes: bool = False  # who approves may not be who started the run
    before_production: bool = False  # a second approval, between staging and production
    days_to_answer: int = 7  # then the second approval counts as refused

    def __post_init__(self) -> None:
        must(1 <= self.days_to_answer <= 10, "days_to_answer", self.days_to_answer,
             "1 to 10")  # fmt: skip


TRAIN_MEDIAN = "train median"
"""The threshold between an unfavourable and a favourable number that the training split sets."""


@dataclass(frozen=True)
class Bias:
    """Between whom outcomes are compared."""

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
        must(self.backend in self.BACKENDS, "backend", self.backend, " or ".join(self.BACKENDS))
        must(not isinstance(self.threshold, str) or self.threshold in known, "threshold",
             self.threshold, f'"{TRAIN_MEDIAN}" or a number')  # fmt: skip
        must(self.favourable_label in (0, 1), "favourable_label", self.favourable_label, "0 or 1")
        must(self.min_group_size > 0, "min_group_size", self.min_group_size, "1 or more")


@dataclass(frozen=True)
class Model:
    """What the model sees and how it decides."""

    exclude: tuple[str, ...] = ()  # raw columns that no feature is made of, and single features
    threshold: str = "accuracy"  # the rule for the decision threshold, on the validation split

    THRESHOLDS: typing.ClassVar = ("accuracy", "f1", "recall")

    def __post_init__(self) -> None:
        must(self.threshold in self.THRESHOLDS, "threshold", self.threshold,
              ", ".join(self.THRESHOLDS))  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """When the pipeline is run anew."""

    cadence: str = cadences.NEVER  # a word, `cron(...)` or `rate(...)`
    timezone: str = "UTC"  # in which the cadence is read
    arrival_interval_hours: int = 24  # at least between a start and the next by rows that arrive
    when_too_soon: str = "wait"  # for its end; or "drop": such rows wait for those that follow

    TOO_SOON: typing.ClassVar = ("wait", "drop")

    def __post_init__(self) -> None:
        must(0 <= self.arrival_interval_hours <= 120, "arrival_interval_hours",
             self.arrival_interval_hours, "0 to 120")  # fmt: skip
        must(self.when_too_soon in self.TOO_SOON, "when_too_soon", self.when_too_soon,
             " or ".join(self.TOO_SOON))  # fmt: skip


INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9-]+"
INSTANCE_TYPE_RULE = "an instance type such as ml.m5.large"


@dataclass(frozen=True)
class Compute:
    """The instances that SageMaker's jobs run on: defaults of the definition's parameters."""

    processing_instance: str = "ml.m5.large"  # of steps 1, 3, 5 and 7
    processing_count: int = 1  # for each of them
    training_instance: str = "ml.m5.large"  # of each trial of step 2
    training_count: int = 1  # for each of them
    transform_instance: str = "ml.m5.large"  # of step 6
    transform_count: int = 1  # of step 6

    def __post_init__(self) -> None:
        for key in ("processing_instance", "training_instance", "transform_instance"):
            must(re.fullmatch(INSTANCE_TYPE, getattr(self, key)), key, getattr(self, key),
                 INSTANCE_TYPE_RULE)  # fmt: skip
        for key in ("processing_count", "training_count", "transform_count"):
            must(getattr(self, key) > 0, key, getattr(self, key), "1 or more")


@dataclass(frozen=True)
class Deploy:
    """How an approved version takes over from the one before it, and when that is undone."""

    rollout: str = "canary"  # a part and then all; linear: by equal steps; or all_at_once
    step_percent: int = 10  # the canary's share of the capacity, or each step's of a linear rollout
    interval_seconds: int = 300  # between a step and the next
    bake_seconds: int = 300  # with all the traffic, before the old version is stopped
    instance_type: str = "ml.m5.large"  # of the endpoint
    instances: int = 2  # of the endpoint: a canary is at most half of them
    max_error_percent: float = 1.0  # of a minute's requests, failed by the model: above it, back
    max_latency_ms: int = 1000  # of 99 in 100 of a minute's requests: above it, back

    def __post_init__(self) -> None:
        must(self.rollout in policy.TYPES, "rollout", self.rollout, ", ".join(policy.TYPES))
        least = 10 if self.rollout == "linear" else 1  # SageMaker's own limits
        must(least <= self.step_percent <= 50, "step_percent", self.step_percent,
             f"{least} to 50 percent of the capacity")  # fmt: skip
        for key in ("interval_seconds", "bake_seconds"):
            must(0 <= getattr(self, key) <= 3600, key, getattr(self, key), "0 to 3600 seconds")
        most = policy.TIMEOUT_SECONDS[1]
        must(policy.longest(self) <= most, "interval_seconds", self.interval_seconds,
             f"less: with its {len(policy.steps(self))} steps the rollout would take longer than "
             f"SageMaker's {most} seconds")  # fmt: skip
        must(re.fullmatch(INSTANCE_TYPE, self.instance_type), "instance_type",
             self.instance_type, INSTANCE_TYPE_RULE)  # fmt: skip
        must(self.instances >= 2, "instances", self.instances, "2 or more")
        must(0 < self.max_error_percent < 100, "max_error_percent", self.max_error_percent,
             "a percentage above 0 and below 100")  # fmt: skip
        must(0 < self.max_latency_ms <= 60_000, "max_latency_ms", self.max_latency_ms,
             "1 to 60000 milliseconds: SageMaker waits no longer")  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """An AWS account and region to compile for."""

    account: str  # its twelve digits
    region: str  # the region
    role: str = ""  # the jobs' role; none: the one that `pipeline bootstrap` makes
    bucket: str = ""  # what executions write to; none: the one that `pipeline bootstrap` makes
    kms_key_arn: str = ""  # the key that disks and outputs are encrypted with; none: AWS's own
    subnets: tuple[str, ...] = ()  # the subnets that jobs and models are in; none: SageMaker's own
    security_groups: tuple[str, ...] = ()  # ... and their security groups
    permissions_boundary: str = ""  # the ARN of a policy that limits each role that is made
    github_repository: str = ""  # OWNER/NAME: its main branch may publish; none: no role for it
    monthly_budget: int = 0  # of the whole account, in US dollars: above it [notify] email is told
    name: str = ""  # not to be set: it is the table's own

    def __post_init__(self) -> None:
        must(re.fullmatch(r"\d{12}", self.account), "account", self.account, "12 digits")
        _must_be_region(self.region)
        for key, pattern, right in self.RULES:
            value = getattr(self, key)
            must(not value or re.fullmatch(pattern, value), key, value, right)
        for key, start in (("subnets", "subnet-"), ("security_groups", "sg-")):
            values = getattr(self, key)
            must(all(re.fullmatch(rf"{start}[0-9a-f]+", value) for value in values), key,
                 list(values), f'a list such as ["{start}0a1b2c3d"]')  # fmt: skip
        must(bool(self.subnets) == bool(self.security_groups), "security_groups",
             list(self.security_groups), "one at least with subnets, and none without")  # fmt: skip
        must(self.monthly_budget >= 0, "monthly_budget", self.monthly_budget, "0 or more")

    RULES: typing.ClassVar = (
        ("role", r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
         "a role's ARN, such as arn:aws:iam::111122223333:role/Name"),
        ("bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
         "a bucket's name: small letters, digits, dots and hyphens"),
        ("kms_key_arn", r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[0-9a-zA-Z-]+",
         "a key's ARN (no alias), such as arn:aws:kms:us-east-1:111122223333:key/1234abcd"),
        ("permissions_boundary", r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+",
         "a policy's ARN, such as arn:aws:iam::111122223333:policy/Boundary"),
        ("github_repository", r"[\w.-]+/[\w.-]+", "OWNER/NAME"),
    )  # fmt: skip
    """What a text must look like, if it is set: key, pattern, what is right."""

    @property
    def role_arn(self) -> str:
        """The role that the jobs run under."""
        return self.role or f"arn:aws:iam::{self.account}:role/SageMakerPipelineRole"

    @property
    def bucket_name(self) -> str:
        """The bucket that executions write to."""
        return self.bucket or f"sagemaker-{self.region}-{self.account}"

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in, as ARNs name it."""
        others = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
        return next((p for start, p in others.items() if self.region.startswith(start)), "aws")

    def sagemaker_arn(self, resource: str) -> str:
        """The ARN of something of SageMaker's, such as `pipeline/customer-churn-prod`."""
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:{resource}"

    def role_of(self, stack: str) -> str:
        """The ARN of the jobs' role that a stack makes."""
        return f"arn:{self.partition}:iam::{self.account}:role/{stack}-pipeline"

    def bucket_of(self, stack: str) -> str:
        """The bucket that a stack makes."""
        return f"{stack}-{self.account}"

    def named(self, pipeline: str) -> str:
        """What a pipeline and all that belongs to it is called here.

        Several environments may lie in one account: so its name, and the environment's. In small
        letters, as SageMaker writes names in ARNs, which policies compare letter by letter.
        """
        return (
            pipeline if self.name in ("", LOCAL_ENVIRONMENT) else f"{pipeline}-{self.name}".lower()
        )


@dataclass(frozen=True)
class Aws:
    """Where the definition is compiled for when no environment is named."""

    region: str = "us-east-1"  # whose image account and endpoints a definition names

    def __post_init__(self) -> None:
        _must_be_region(self.region)


@dataclass(frozen=True)
class Notify:
    """Who is told of a version that waits for approval, of a rollout and of an alarm."""

    email: str = ""  # an address, which has to confirm once; none: nobody, the topic is there

    def __post_init__(self) -> None:
        address = r"[^@\s<>\"',;]+@[^@\s<>\"',;]+\.[^@\s<>\"',;]+"
        must(not self.email or re.fullmatch(address, self.email), "email", self.email,
             "one address, such as team@example.com, or none")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """All of `pipeline.toml`."""

    project: Project
    split: Split
    tuning: Tuning
    gate: GateSettings
    data: Data = field(default_factory=Data)
    bias: Bias = field(default_factory=Bias)
    approval: Approval = field(default_factory=Approval)
    model: Model = field(default_factory=Model)
    schedule: Schedule = field(default_factory=Schedule)
    compute: Compute = field(default_factory=Compute)
    deploy: Deploy = field(default_factory=Deploy)
    aws: Aws = field(default_factory=Aws)
    notify: Notify = field(default_factory=Notify)
    environments: dict[str, Environment] = field(default_factory=dict)

    @property
    def feature_group(self) -> str:
        """The feature group that holds the features."""
        return self.project.pipeline

    @property
    def feature_table(self) -> str:
        """The offline store's table in the data catalogue: Glue's names have no hyphens."""
        return self.feature_group.replace("-", "_").lower()

    @property
    def model_package_group(self) -> str:
        """The model package group that versions are registered in."""
        return self.project.pipeline

    @property
    def facets(self) -> tuple[Facet, ...]:
        """`[bias] facets`, read."""
        return parse_facets(self.bias.facets)

    @property
    def context_columns(self) -> tuple[str, ...]:
        """The columns that tell groups apart: the facets' and the group variable, each once."""
        columns = [facet.column for facet in self.facets]
        return tuple(dict.fromkeys([*columns, *filter(None, [self.bias.group_variable])]))

    @property
    def stored_columns(self) -> tuple[str, ...]:
        """The raw columns that the feature group keeps beside the features."""
        return tuple(dict.fromkeys([*self.context_columns, *filter(None, [self.split.group])]))

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The raw columns that features are made of."""
        return tuple(name for name in self.data.columns if name not in self.model.exclude)

    @property
    def metric_word(self) -> str:
        """The word in step 9's name."""
        word = {"binary": "AUC", "regression": "RMSE"}[self.project.problem]
        return self.project.metric_word or word

    @property
    def objective(self) -> str:
        """What the tuning looks for."""
        return self.tuning.objective or next(iter(Tuning.OBJECTIVES[self.project.problem]))

    @property
    def metric_gate(self) -> gates.Gate:
        """`[gate] metric`, read."""
        return self._gate(self.gate.metric)

    @property
    def bias_gate(self) -> gates.Gate | None:
        """`[gate] bias`, read; None if there is none."""
        return self._gate(self.gate.bias) if self.gate.bias.strip() else None

    @property
    def full_gate(self) -> gates.Gate:
        """`[gate]`, read: the metric gate and the bias gate."""
        return gates.both(self.metric_gate, self.bias_gate)

    @property
    def recall_target(self) -> float | None:
        """The recall that the metric gate asks for; None if it does not."""
        asked = [c.number for c in gates.comparisons(self.metric_gate)
                 if c.metric == "recall" and c.sign in (">", ">=")]  # fmt: skip
        return max(asked, default=None)

    def _gate(self, text: str) -> gates.Gate:
        return gates.parse(text, self.project.problem, tuple(facet.key for facet in self.facets))

    @property
    def bias_is_managed(self) -> bool:
        """Whether step 7 is Clarify's image, which runs on SageMaker alone."""
        return self.bias.backend == "clarify"

    def with_backend(self, backend: str) -> Settings:
        """The same with another `[bias] backend`."""
        return dataclasses.replace(self, bias=dataclasses.replace(self.bias, backend=backend))

    @property
    def cadence(self) -> cadences.Cadence:
        """`[schedule]`, read."""
        return cadences.parse(self.schedule.cadence, self.schedule.timezone)

    def check_table(self) -> None:
        """Refuse to go on without a table.

        Raises:
            SettingsError: if none is named.
        """
        if not self.data.file:
            raise SettingsError(
                "no table is named yet; `pipeline schema FILE` drafts [data] from a CSV or Parquet "
                "file: put what it prints in the place of [data]", "data", "file",
            )  # fmt: skip

    def environment(self, name: str = LOCAL_ENVIRONMENT) -> Environment:
        """The environment of a name; `local` needs no account and stands for no real one."""
        if name == LOCAL_ENVIRONMENT and name not in self.environments:
            return Environment(DOCUMENTATION_ACCOUNT, self.aws.region, name=name)
        return self.account_environment(name)

    def account_environment(self, name: str) -> Environment:
        """The environment of a name, which stands for an account: one of `[environments]`."""
        if name not in self.environments:
            has = ", ".join(self.environments) or "none"
            raise SettingsError(f"there is no environment {name!r}; there is {has}", "environments")
        found = self.environments[name]
        stack = dataclasses.replace(found, name=name).named(self.project.pipeline)
        right = re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", name) and len(stack) <= LONGEST_NAME
        if not right:
            raise SettingsError(
                f"{name!r} was read, where letters, digits and single hyphens within are right, "
                f"which with the pipeline's name are at most {LONGEST_NAME}", "environments",
            )  # fmt: skip
        return dataclasses.replace(
            found,
            name=name,
            role=found.role or found.role_of(stack),
            bucket=found.bucket or found.bucket_of(stack),
        )


MOMENT_RULE = "a moment in UTC such as 2026-01-31T00:00:00Z"


def is_moment(text: str) -> bool:
    """Whether a text is a moment as the Feature Store writes it: ISO-8601 to the second, with Z."""
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return False
    return len(text) == 20


def load(root: Path) -> Settings:
    """Read and check `pipeline.toml` in a repository, and hold it to the template's standards.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    settings = tables.load(Settings, root, "pipeline.toml")
    _check_together(settings)
    _check_standards(settings, tables.load(StandardsFile, root, StandardsFile.NAME).standards)
    _check_bias_limits(settings)
    return settings


def _check_together(settings: Settings) -> None:
    """The rules that concern more than one section."""
    checks: list[tuple[Callable[[], object], tuple[str, str]]] = [
        (lambda: settings.facets, ("bias", "facets")),
        (lambda: settings.metric_gate, ("gate", "metric")),
        (lambda: settings.full_gate, ("gate", "bias")),
        (lambda: settings.cadence, ("schedule", "cadence")),
    ]
    for parse, path in checks:
        try:
            parse()
        except (FacetError, gates.GateError, cadences.CadenceError) as error:
            raise SettingsError(str(error), *path) from None
    _check_problem(settings)
    if settings.data.file:
        _check_columns(settings)


def _check_problem(settings: Settings) -> None:
    """What is set must suit the problem type."""
    problem, objectives = settings.project.problem, Tuning.OBJECTIVES[settings.project.problem]
    if settings.objective not in objectives:
        raise SettingsError(
            f"{settings.objective!r} was read, where {' or '.join(objectives)} is right for a "
            f"{problem} problem", "tuning", "objective",
        )  # fmt: skip
    if problem == "regression" and settings.model.threshold != Model.threshold:
        raise SettingsError(f"{settings.model.threshold!r} was read, and a regression flags nobody",
                            "model", "threshold")  # fmt: skip
    if problem == "regression" and settings.data.positive:
        raise SettingsError("a regression's label is a number", "data", "positive")
    if problem == "binary" and settings.bias.threshold != "":
        raise SettingsError("a binary label has no threshold", "bias", "threshold")
    if problem == "regression" and settings.bias.favourable_label != 1:
        raise SettingsError("0 was read, where 1 is right: above the threshold is favourable",
                            "bias", "favourable_label")  # fmt: skip
    if settings.model.threshold == "recall" and settings.recall_target is None:
        raise SettingsError(
            f"{settings.gate.metric!r} was read, where a `recall > ...` is right too: [model] "
            "threshold = \"recall\" is chosen by it", "gate", "metric",
        )  # fmt: skip


def _check_columns(settings: Settings) -> None:
    """Columns that are named must be in the table, and of the type that is asked of them."""
    columns, has = settings.data.columns, ", ".join(settings.data.columns)
    named = [(facet.column, ("bias", "facets")) for facet in settings.facets]
    named += [(settings.bias.group_variable, ("bias", "group_variable"))]
    named += [(settings.split.group, ("split", "group"))]
    for name, path in named:
        if name and name not in columns:
            raise SettingsError(f"{name!r} is no column of [data.columns]: {has}", *path)
        if name.lower() in RESERVED_COLUMNS:
            raise SettingsError(f"{name!r} is a column that the feature group has", *path)
    for facet in settings.facets:
        kind = columns[facet.column].type
        if facet.threshold is not None and kind != "number":
            raise SettingsError(f"`{facet}` compares numbers with a {kind}", "bias", "facets")
        known = columns[facet.column].values
        if unknown := [value for value in facet.values if known and value not in known]:
            raise SettingsError(
                f"`{facet}` names {', '.join(unknown)}, where {facet.column} has "
                f"{', '.join(known)} in [data.columns]", "bias", "facets",
            )  # fmt: skip
    if settings.split.by == "time" and not settings.data.event_time:
        raise SettingsError("'time' was read, and [data] names no event_time to split by",
                            "split", "by")  # fmt: skip


def _check_standards(settings: Settings, standards: Standards) -> None:
    """What the template's standards ask for, whatever else is set."""
    rule = f"{StandardsFile.NAME} asks for"
    if standards.problem and settings.project.problem != standards.problem:
        raise SettingsError(f"{settings.project.problem!r} was read, where {standards.problem} is "
                            f"right: {rule} it", "project", "problem")  # fmt: skip
    _check_floor(settings, standards)
    if absent := missing_facets(standards, settings.facets):
        raise SettingsError(
            f"{settings.bias.facets!r} was read, where {', '.join(absent)} must be among the "
            f"facets too, each value by itself: {rule} {', '.join(standards.facets)}",
            "bias", "facets",
        )  # fmt: skip
    most = standards.most_group_size
    if most and settings.bias.min_group_size > most:
        raise SettingsError(f"{settings.bias.min_group_size} was read, where at most {most} is "
                            f"right: {rule} it", "bias", "min_group_size")  # fmt: skip
    if standards.bias_gate and not settings.facets:
        raise SettingsError(f"no facet was read, where one is right: {rule} a bias gate",
                            "bias", "facets")  # fmt: skip
    if standards.bias_gate and (open_ := list(uncovered(settings.bias_gate, settings.facets))):
        raise SettingsError(
            f"{settings.gate.bias!r} was read, which does not limit {', '.join(map(str, open_))}; "
            f"{rule} a bias gate over every facet, such as `worst_dppl < 0.1` (at most {MOST_DPPL})"
            f" or `worst_di > 0.8` (at least {LEAST_DI})", "gate", "bias",
        )  # fmt: skip
    if seen := [name for name in standards.unseen if name not in settings.model.exclude]:
        raise SettingsError(f"{', '.join(seen)} must be in it too: {rule} models that do not see "
                            f"{', '.join(standards.unseen)}", "model", "exclude")  # fmt: skip


def _check_floor(settings: Settings, standards: Standards) -> None:
    """The gate lets through no model that the floor would not, and asks for no recall above all."""
    read, rule = f"{settings.gate.metric!r} was read", f"{StandardsFile.NAME} asks for"
    try:
        floor = standards.floor(settings.project.problem)
    except gates.GateError as error:
        raise SettingsError(str(error), "standards", "metric_gate",
                            file=StandardsFile.NAME) from None  # fmt: skip
    if floor and (short := shortfall(settings.full_gate, floor)):
        raise SettingsError(f"{read}, where {short}: {rule} `{floor}` at least",
                            "gate", "metric")  # fmt: skip
    if (settings.recall_target or 0) > standards.most_recall:
        raise SettingsError(
            f"{read}, where a recall of at most {standards.most_recall:g} is right: {rule} it, "
            "since a model that is to find nearly all flags nearly everybody", "gate", "metric",
        )  # fmt: skip


def _check_bias_limits(settings: Settings) -> None:
    """A gate that names bias limits it, whether or not the standards ask for that."""
    keys = tuple(facet.key for facet in settings.facets)
    for key, gate in (("metric", settings.metric_gate), ("bias", settings.bias_gate)):
        try:
            if gate is not None:
                gates.check_bias(gate, keys)
        except gates.GateError as error:
            raise SettingsError(str(error), "gate", key) from None


def _is_date_format(text: str) -> bool:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    try:
        return "%" in text and bool(datetime.strptime(moment.strftime(text), text))
    except ValueError:
        return False


def _must_be_region(region: str) -> None:
    is_region = re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region)
    must(is_region, "region", region, "a region such as us-east-1")
