"""All of `pipeline.toml` as one data class, and the values that follow from several sections."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.nearest import did_you_mean
from ninesteps.settings import cadence as cadences
from ninesteps.settings import gate as gates
from ninesteps.settings.ab_test import AbTest
from ninesteps.settings.data import Data, Split
from ninesteps.settings.deploy import Deploy
from ninesteps.settings.environment import (
    DOCUMENTATION_ACCOUNT,
    LOCAL_ENVIRONMENT,
    LONGEST_NAME,
    Environment,
)
from ninesteps.settings.facets import Facet
from ninesteps.settings.facets import parse as parse_facets
from ninesteps.settings.features import Features
from ninesteps.settings.judge import Judge
from ninesteps.settings.judgement import Approval, Bias, GateSettings, Model
from ninesteps.settings.operation import LOCAL_DISKS, Aws, Compute, Notify, Schedule
from ninesteps.settings.project import LANGUAGE_MODEL, Project
from ninesteps.settings.regions import WITHOUT_CLARIFY, WITHOUT_HUGGING_FACE
from ninesteps.settings.toml import NOT_IN_FILE, with_changes
from ninesteps.settings.tuning import Tuning

METRIC_WORDS = {"binary": "AUC", "regression": "RMSE", "language_model": "WinRate"}
"""The word in step 9's name, by problem type, where no other is set."""


@dataclass(frozen=True)
class Settings:
    """All of `pipeline.toml`."""

    project: Project
    split: Split
    tuning: Tuning
    gate: GateSettings
    data: Data = field(default_factory=Data)
    features: Features = field(default_factory=Features)
    bias: Bias = field(default_factory=Bias)
    approval: Approval = field(default_factory=Approval)
    model: Model = field(default_factory=Model)
    judge: Judge = field(default_factory=Judge)
    schedule: Schedule = field(default_factory=Schedule)
    compute: Compute = field(default_factory=Compute)
    deploy: Deploy = field(default_factory=Deploy)
    ab: AbTest = field(default_factory=AbTest)
    aws: Aws = field(default_factory=Aws)
    notify: Notify = field(default_factory=Notify)
    environments: dict[str, Environment] = field(default_factory=dict)
    root: Path = field(
        default=Path(), repr=False, compare=False, metadata=NOT_IN_FILE
    )  # the repository
    notices: tuple[str, ...] = field(
        default=(), repr=False, compare=False, metadata=NOT_IN_FILE
    )  # what the author of the file should know, such as renamed keys

    def features_of(self, environment: Environment) -> Features:
        """`[features]` of one environment: environments of one account share no table.

        Raises:
            SettingsError: for a key of `[environments.NAME.features]` that breaks a rule.
        """
        path = ("environments", environment.name, "features")
        features = with_changes(self.features, environment.features, *path)
        named = features.named(environment.named(self.project.pipeline))
        is_here = environment.name in ("", LOCAL_ENVIRONMENT)
        return named.of_this_machine() if is_here else named

    @property
    def model_package_group(self) -> str:
        """The model package group that versions are registered in."""
        return self.project.pipeline

    @property
    def facets(self) -> tuple[Facet, ...]:
        """`[bias] facets`, read."""
        return parse_facets(self.bias.facets)

    @property
    def stored_record_id(self) -> str:
        """The record id's column in every own feature group."""
        return self.data.stored_name(self.data.record_id)

    @property
    def context_columns(self) -> tuple[str, ...]:
        """The columns that define groups: the facets' and the group variable, each once."""
        columns = [facet.column for facet in self.facets]
        return tuple(dict.fromkeys([*columns, *filter(None, [self.bias.group_variable])]))

    @property
    def stored_columns(self) -> tuple[str, ...]:
        """The raw columns that the feature group keeps beside the features."""
        groups = [*self.context_columns, *filter(None, [self.split.group])]
        return tuple(dict.fromkeys([*groups, *self.data.conversations, *self.data.pseudonyms]))

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The raw columns that features are made from: never keyed hashes."""
        withheld = (*self.model.exclude, *self.data.pseudonyms)
        return tuple(name for name in self.data.columns if name not in withheld)

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """The known values of each category that features are made from."""
        columns = ((name, self.data.columns[name]) for name in self.feature_columns)
        return {name: column.values for name, column in columns if column.type == "category"}

    @property
    def metric_word(self) -> str:
        """The word in step 9's name."""
        return self.project.metric_word or METRIC_WORDS[self.project.problem]

    @property
    def objective(self) -> str:
        """The metric that the tuning optimises."""
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
    def has_champion(self) -> bool:
        """Whether step 3 gets the archive of the version that serves.

        It does if the gate names the champion, or if replies are compared.
        """
        return self.is_language_model or bool(gates.of_champion(self.full_gate))

    @property
    def recall_target(self) -> float | None:
        """The recall that the metric gate requires; None if it names no such limit."""
        asked = [c.number for c in gates.comparisons(self.metric_gate)
                 if c.name == "recall" and c.sign in (">", ">=")]  # fmt: skip
        return max(asked, default=None)

    def _gate(self, text: str) -> gates.Gate:
        keys = tuple(facet.key for facet in self.facets)
        return gates.parse(text, self.project.problem, keys, self.gate.metrics)

    @property
    def ab_rules(self) -> dict[str, float | str]:
        """The rules of an A/B test: the fields of `ab_decision.Rules`."""
        names = ("first_share", "share", "first_users", "alpha", "margin", "min_users", "max_days",
                 "on_inconclusive", "window_hours", "max_refusal_points")  # fmt: skip
        return {
            **{name: getattr(self.ab, name) for name in names},
            "max_error_percent": self.deploy.max_error_percent,
            "max_latency_ms": self.deploy.max_latency_ms,
        }

    @property
    def is_language_model(self) -> bool:
        """Whether the model learns the replies to conversations, not a column."""
        return self.project.problem == LANGUAGE_MODEL

    @property
    def bias_is_managed(self) -> bool:
        """Whether step 7 uses Clarify's image, which runs only on SageMaker."""
        return self.bias.backend == "clarify"

    def with_backend(self, backend: str) -> Settings:
        """The same with another `[bias] backend`."""
        return dataclasses.replace(self, bias=dataclasses.replace(self.bias, backend=backend))

    @property
    def cadence(self) -> cadences.Cadence:
        """`[schedule]`, read."""
        return cadences.parse(self.schedule.cadence, self.schedule.timezone)

    def check_table(self) -> None:
        """Check that a table is named.

        Raises:
            SettingsError: if none is named.
        """
        if not self.data.file:
            raise SettingsError(
                "no table is named yet; `pipeline schema FILE --label NAME --write` drafts [data] "
                "from a CSV or Parquet file", "data", "file",
            )  # fmt: skip

    def environment(self, name: str = LOCAL_ENVIRONMENT) -> Environment:
        """The environment with a name; `local` needs no account."""
        if name == LOCAL_ENVIRONMENT and name not in self.environments:
            self.check_images(self.aws.region)
            return Environment(DOCUMENTATION_ACCOUNT, self.aws.region, name=name)
        return self.account_environment(name)

    def account_environment(self, name: str) -> Environment:
        """The environment of an account: one of `[environments]`, by its name."""
        if name not in self.environments:
            known = ", ".join(self.environments)
            right = (
                f"one of {known}, got {name!r}"
                if known
                else f"a table [environments.{name}], got none"
            )
            near = did_you_mean(name, self.environments)
            raise SettingsError(f"expected {right}{near}", "environments")
        self.check_name(name)
        table = self.environments[name]
        stack = dataclasses.replace(table, name=name).named(self.project.pipeline)
        self.check_images(table.region)
        self._check_disks(name, has_key=bool(table.kms_key_arn))
        return dataclasses.replace(
            table,
            name=name,
            role=table.role or table.role_of(stack),
            bucket=table.bucket or table.bucket_of(stack),
        )

    def check_name(self, environment: str) -> None:
        """Check that a stack and its resources can be named after an environment.

        Raises:
            SettingsError: if not.
        """
        table = dataclasses.replace(self.environments[environment], name=environment)
        is_name = re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", environment)
        if not is_name or len(table.named(self.project.pipeline)) > LONGEST_NAME:
            raise SettingsError(
                "expected letters, digits and single hyphens between them, at most "
                f"{LONGEST_NAME} characters with the pipeline's name, got {environment!r}",
                "environments",
            )

    def check_images(self, region: str) -> None:
        """Check that a region has the steps' images.

        Raises:
            SettingsError: if it has not.
        """
        if self.is_language_model and region in WITHOUT_HUGGING_FACE:
            raise SettingsError(
                "expected a region with Hugging Face's images, which a language_model problem "
                f"needs, got {region!r}", "aws", "region",
            )  # fmt: skip
        if self.bias_is_managed and region in WITHOUT_CLARIFY:
            raise SettingsError(
                f"expected 'open_source' in {region}, which does not have Clarify's image, got "
                f"{self.bias.backend!r}", "bias", "backend",
            )  # fmt: skip

    def _check_disks(self, name: str, has_key: bool) -> None:
        """Check that no instance whose disks cannot have a KMS key would get one.

        The jobs of a rollout always get one: the environment's, or the stack's.
        """
        encrypted = [("compute", "processing_instance")]
        if has_key and not self.is_language_model:  # every current GPU instance has such disks
            encrypted += [("compute", "training_instance"), ("compute", "transform_instance"),
                          ("deploy", "instance_type")]  # fmt: skip
        for table, key in encrypted:
            instance = getattr(getattr(self, table), key)
            if re.fullmatch(LOCAL_DISKS, instance):
                raise SettingsError(
                    "expected an instance type without local disks, because SageMaker cannot "
                    f"encrypt them with the KMS key of the environment {name}, got {instance!r}",
                    table, key,
                )  # fmt: skip
