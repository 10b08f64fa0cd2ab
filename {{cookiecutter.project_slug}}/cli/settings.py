"""`pipeline.toml` as data classes: every default and every rule of a setting stands here.

Standard library alone, with `governance.gate` and `governance.facets`: the template's hook loads
the settings it has just written before anything is installed.
"""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from governance import cadence as cadences
from governance import gate as gates
from governance.facets import Facet, FacetError
from governance.facets import parse as parse_facets

FEATURE_DATABASE = "sagemaker_featurestore"
"""The data catalogue's database that SageMaker registers offline stores in."""

DOCUMENTATION_ACCOUNT = "111122223333"
"""AWS's own example account: what a definition names until an environment is chosen."""

LOCAL_ENVIRONMENT = "local"

STORE_COLUMNS = ("event_time", "api_invocation_time", "write_time", "is_deleted")
QUERY_COLUMNS = ("year", "month", "day", "hour", "recency")
RESERVED_COLUMNS = (*STORE_COLUMNS, *QUERY_COLUMNS)
"""What the offline store and its query add to a record: no facet can be called so."""


class SettingsError(ValueError):
    """Settings that cannot be used: where they stand, and what was read and would be right."""

    def __init__(self, message: str, *path: str) -> None:
        *tables, key = path or ("",)
        table = f" [{'.'.join(tables)}]" if tables else ""
        place = f"pipeline.toml{table}{f' {key}' if key else ''}"
        super().__init__(f"{place}: {message}")
        self.message = message
        self.path = path


@dataclass(frozen=True)
class Project:
    """Who this pipeline is."""

    name: str
    pipeline: str  # SageMaker's name for the pipeline
    prefix: str  # the steps' names begin with it
    metric_word: str  # the word in step 9's name
    problem: str = "binary"

    def __post_init__(self) -> None:
        named = re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", self.pipeline)
        _must(named and len(self.pipeline) <= 63, "pipeline", self.pipeline,
              "at most 63 letters, digits and single hyphens within")  # fmt: skip
        for key in ("prefix", "metric_word"):
            value = getattr(self, key)
            _must(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,19}", value), key, value,
                  "at most 20 letters and digits, a letter first")  # fmt: skip
        _must(self.problem in gates.METRICS, "problem", self.problem, " or ".join(gates.METRICS))


@dataclass(frozen=True)
class Column:
    """What one column of the raw table holds."""

    type: str
    format: str = ""  # of a date, as in strptime
    values: tuple[str, ...] = ()  # of a category: those known, the others are counted

    TYPES: typing.ClassVar = ("number", "date", "category")

    def __post_init__(self) -> None:
        _must(self.type in self.TYPES, "type", self.type, ", ".join(self.TYPES))
        _must(self.type != "date" or _is_date_format(self.format), "format", self.format,
              'the format of a date, such as "%Y-%m-%d"')  # fmt: skip
        _must(self.type != "category" or self.values, "values", list(self.values),
              'the known values of a category, such as ["a", "b"]')  # fmt: skip
        _must(all(self.values) and len(set(self.values)) == len(self.values), "values",
              list(self.values), "a list of different texts, none empty")  # fmt: skip


@dataclass(frozen=True)
class Data:
    """The raw table: where it lies and what its columns hold."""

    file: str
    record_id: str
    label: str
    columns: dict[str, Column]
    snapshot: str = ""  # the moment that the rows describe, where no column says it
    event_time: str = ""  # the column that says it

    def __post_init__(self) -> None:
        _must(bool(self.snapshot) != bool(self.event_time), "snapshot", self.snapshot,
              "either a moment (snapshot) or a column of moments (event_time)")  # fmt: skip
        if self.snapshot:
            _must(is_moment(self.snapshot), "snapshot", self.snapshot, MOMENT_RULE)
        _must(self.record_id not in self.columns, "record_id", self.record_id,
              "a column that [data.columns] does not have")  # fmt: skip
        _must(self.label not in (self.record_id, "event_time", *self.columns), "label", self.label,
              "a column that is neither the record id nor in [data.columns]")  # fmt: skip
        _must("event_time" not in self.columns, "columns", "event_time",
              "another name: the feature group has a column of that one")  # fmt: skip


@dataclass(frozen=True)
class Split:
    """How rows are told into train, validation and test."""

    salt: str
    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    min_positives: int = 20  # fewer of either class in a split is an error

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        _must(min(shares) > 0 and abs(sum(shares) - 1) < 1e-9, "train", list(shares),
              "train, validation and test shares above 0 that add up to 1")  # fmt: skip
        _must(self.min_positives > 0, "min_positives", self.min_positives, "1 or more")


@dataclass(frozen=True)
class Range:
    """Where the search for one hyperparameter looks."""

    min: float
    max: float
    scaling: str = "Auto"
    integer: bool = False

    SCALINGS: typing.ClassVar = ("Auto", "Linear", "Logarithmic")

    def __post_init__(self) -> None:
        _must(self.min < self.max, "min", self.min, f"a number below max = {self.max}")
        _must(self.scaling in self.SCALINGS, "scaling", self.scaling, ", ".join(self.SCALINGS))
        _must(self.scaling != "Logarithmic" or self.min > 0, "min", self.min,
              "a number above 0 for a logarithmic scale")  # fmt: skip
        for key in ("min", "max"):
            value = getattr(self, key)
            _must(not self.integer or value == int(value), key, value, "a whole number")


@dataclass(frozen=True)
class Tuning:
    """The search for the best model."""

    objective: str
    ranges: dict[str, Range]
    jobs: int = 12
    parallel: int = 4
    seed: int = 20
    static: dict[str, str] = field(default_factory=dict)  # the same for every trial

    OBJECTIVES: typing.ClassVar = {
        "binary": {"validation:auc": "Maximize", "validation:map": "Maximize",
                   "validation:logloss": "Minimize"},
        "regression": {"validation:rmse": "Minimize", "validation:mae": "Minimize"},
    }  # fmt: skip
    """The objectives that the XGBoost image's own metric definitions know."""

    def __post_init__(self) -> None:
        known = [name for objectives in self.OBJECTIVES.values() for name in objectives]
        _must(self.objective in known, "objective", self.objective, ", ".join(known))
        _must(1 <= self.parallel <= self.jobs, "parallel", self.parallel,
              f"between 1 and jobs = {self.jobs}")  # fmt: skip
        _must(self.ranges, "ranges", {}, "a range for at least one hyperparameter")
        both = sorted(self.ranges.keys() & self.static.keys())
        _must(not both, "static", both, "a hyperparameter that [tuning.ranges] does not have")


@dataclass(frozen=True)
class GateSettings:
    """What a model must reach to be registered."""

    metric: str
    bias: str = ""


@dataclass(frozen=True)
class Bias:
    """Between whom outcomes are compared."""

    facets: str = ""
    group_variable: str = ""  # strata for CDDL and CDDPL
    favourable_label: int = 1
    min_group_size: int = 100  # smaller groups are reported but do not decide

    def __post_init__(self) -> None:
        _must(self.favourable_label in (0, 1), "favourable_label", self.favourable_label, "0 or 1")
        _must(self.min_group_size > 0, "min_group_size", self.min_group_size, "1 or more")


@dataclass(frozen=True)
class Model:
    """What the model sees and how it decides."""

    exclude: tuple[str, ...] = ()  # columns of the feature group that are no features
    threshold: str = "accuracy"  # the rule for the decision threshold, on the validation split

    THRESHOLDS: typing.ClassVar = ("accuracy", "f1")

    def __post_init__(self) -> None:
        _must(self.threshold in self.THRESHOLDS, "threshold", self.threshold,
              ", ".join(self.THRESHOLDS))  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """When the pipeline is run anew."""

    cadence: str = cadences.NEVER
    timezone: str = "UTC"


@dataclass(frozen=True)
class Compute:
    """The instances that SageMaker's jobs run on: defaults of the definition's parameters."""

    processing_instance: str = "ml.m5.large"
    processing_count: int = 1
    training_instance: str = "ml.m5.large"
    training_count: int = 1
    transform_instance: str = "ml.m5.large"
    transform_count: int = 1

    def __post_init__(self) -> None:
        for key in ("processing_count", "training_count", "transform_count"):
            _must(getattr(self, key) > 0, key, getattr(self, key), "1 or more")


@dataclass(frozen=True)
class Environment:
    """An AWS account and region to compile for."""

    account: str
    region: str
    role: str = ""
    bucket: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        _must(re.fullmatch(r"\d{12}", self.account), "account", self.account, "12 digits")
        _must_be_region(self.region)

    @property
    def role_arn(self) -> str:
        """The role that the jobs run under."""
        return self.role or f"arn:aws:iam::{self.account}:role/SageMakerPipelineRole"

    @property
    def bucket_name(self) -> str:
        """The bucket that executions write to."""
        return self.bucket or f"sagemaker-{self.region}-{self.account}"


@dataclass(frozen=True)
class Aws:
    """Where the definition is compiled for when no environment is named."""

    region: str = "us-east-1"

    def __post_init__(self) -> None:
        _must_be_region(self.region)


@dataclass(frozen=True)
class Settings:
    """All of `pipeline.toml`."""

    project: Project
    data: Data
    split: Split
    tuning: Tuning
    gate: GateSettings
    bias: Bias = field(default_factory=Bias)
    model: Model = field(default_factory=Model)
    schedule: Schedule = field(default_factory=Schedule)
    compute: Compute = field(default_factory=Compute)
    aws: Aws = field(default_factory=Aws)
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
    def full_gate(self) -> gates.Gate:
        """`[gate]`, read: the metric gate and the bias gate."""
        bias = self._gate(self.gate.bias) if self.gate.bias.strip() else None
        return gates.both(self._gate(self.gate.metric), bias)

    def _gate(self, text: str) -> gates.Gate:
        return gates.parse(text, self.project.problem, tuple(facet.key for facet in self.facets))

    @property
    def cadence(self) -> cadences.Cadence:
        """`[schedule]`, read."""
        return cadences.parse(self.schedule.cadence, self.schedule.timezone)

    def environment(self, name: str = LOCAL_ENVIRONMENT) -> Environment:
        """The environment of a name; `local` needs no account and stands for no real one."""
        if name in self.environments:
            return dataclasses.replace(self.environments[name], name=name)
        if name == LOCAL_ENVIRONMENT:
            return Environment(DOCUMENTATION_ACCOUNT, self.aws.region, name=name)
        has = ", ".join(self.environments) or "none"
        raise SettingsError(f"there is no environment {name!r}; there is {has}", "environments")


MOMENT_RULE = "a moment in UTC such as 2026-01-31T00:00:00Z"


def is_moment(text: str) -> bool:
    """Whether a text is a moment as the Feature Store writes it: ISO-8601 to the second, with Z."""
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return False
    return len(text) == 20


def load(root: Path) -> Settings:
    """Read and check `pipeline.toml` in a repository.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    file = root / "pipeline.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no such file in {root}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"it is no TOML: {error}") from None
    settings: Settings = _read(Settings, table, ())
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    """The rules that concern more than one section."""
    problem, columns = settings.project.problem, settings.data.columns
    checks: list[tuple[Callable[[], object], tuple[str, str]]] = [
        (lambda: settings.facets, ("bias", "facets")),
        (lambda: settings._gate(settings.gate.metric), ("gate", "metric")),
        (lambda: settings.full_gate, ("gate", "bias")),
        (lambda: settings.cadence, ("schedule", "cadence")),
    ]
    for parse, path in checks:
        try:
            parse()
        except (FacetError, gates.GateError, cadences.CadenceError) as error:
            raise SettingsError(str(error), *path) from None
    objectives = Tuning.OBJECTIVES[problem]
    if settings.tuning.objective not in objectives:
        read, right = settings.tuning.objective, " or ".join(objectives)
        raise SettingsError(
            f"{read!r} was read, where {right} is right for a {problem} problem",
            "tuning", "objective",
        )  # fmt: skip
    told_apart = [(facet.column, "facets") for facet in settings.facets]
    if settings.bias.group_variable:
        told_apart.append((settings.bias.group_variable, "group_variable"))
    for name, key in told_apart:
        if name not in columns:
            has = ", ".join(columns)
            raise SettingsError(f"{name!r} is no column of [data.columns]: {has}", "bias", key)
        if name.lower() in RESERVED_COLUMNS:
            raise SettingsError(f"{name!r} is a column that the feature group has", "bias", key)
    for facet in settings.facets:
        kind = columns[facet.column].type
        if facet.threshold is not None and kind != "number":
            raise SettingsError(f"`{facet}` compares numbers with a {kind}", "bias", "facets")


def _is_date_format(text: str) -> bool:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    try:
        return "%" in text and bool(datetime.strptime(moment.strftime(text), text))
    except ValueError:
        return False


class _Wrong(ValueError):
    """A value that breaks its data class's rule: the key, and what is right."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _must(holds: object, key: str, value: object, right: str) -> None:
    if not holds:
        raise _Wrong(key, f"{value!r} was read, where {right} is right")


def _must_be_region(region: str) -> None:
    is_region = re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region)
    _must(is_region, "region", region, "a region such as us-east-1")


def _read(cls: Any, table: object, path: tuple[str, ...]) -> Any:
    """A data class from a TOML table, refusing unknown and missing keys and wrong types."""
    if not isinstance(table, dict):
        raise SettingsError(f"{table!r} was read, where a table is right", *path)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in table:
        if key not in fields:
            raise SettingsError(f"there is no such key; there is {', '.join(fields)}", *path, key)
    for name, spec in fields.items():
        has_default = not (
            spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        )
        if name not in table and not has_default:
            raise SettingsError("it is missing", *path, name)
    values = {key: _value(hints[key], value, (*path, key)) for key, value in table.items()}
    try:
        return cls(**values)
    except _Wrong as wrong:
        raise SettingsError(str(wrong), *path, wrong.key) from None


def _value(hint: Any, value: object, path: tuple[str, ...]) -> Any:
    if dataclasses.is_dataclass(hint):
        return _read(hint, value, path)
    origin = typing.get_origin(hint)
    if origin is dict:
        if not isinstance(value, dict):
            raise SettingsError(f"{value!r} was read, where a table is right", *path)
        inner = typing.get_args(hint)[1]
        return {key: _value(inner, item, (*path, key)) for key, item in value.items()}
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{value!r} was read, where a list is right", *path)
        return tuple(_value(str, item, path) for item in value)
    kind: Any = (int, float) if hint is float else hint
    if not isinstance(value, kind) or (isinstance(value, bool) and hint is not bool):
        right = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise SettingsError(f"{value!r} was read, where {right[hint]} is right", *path)
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{value!r} was read, where a finite number is right", *path)
    return value
