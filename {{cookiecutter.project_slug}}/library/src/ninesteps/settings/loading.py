"""Loads `pipeline.toml` and checks its sections against each other and against the profile."""

from __future__ import annotations

import contextlib
import json
import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ninesteps.errors import ProfileError, SettingsError
from ninesteps.nearest import did_you_mean
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.profile import LEAST_DI, MOST_DPPL, Profile, missing_facets, uncovered
from ninesteps.settings import cadence as cadences
from ninesteps.settings import gate as gates
from ninesteps.settings import toml
from ninesteps.settings.data import Column
from ninesteps.settings.facets import Facet, FacetError, shortest
from ninesteps.settings.features import Features
from ninesteps.settings.floor import shortfall
from ninesteps.settings.judge import Judge
from ninesteps.settings.judgement import Model
from ninesteps.settings.names import (
    FEATURE_NAME_RULE,
    RESERVED_COLUMNS,
    is_stored_name,
    proposed_name,
)
from ninesteps.settings.operation import GPU
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning


def load(
    root: Path, profiles_folder: Path = profiles.FOLDER, *, with_floors: bool = True
) -> Settings:
    """Read `pipeline.toml` in a repository and check it, also against the floors of its profile.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    notices: list[str] = []
    try:
        content = toml.load(Settings, root, "pipeline.toml", notices.append)
    except SettingsError as error:
        if error.path == ("project", "profile") and error.message == toml.MISSING:
            known = ", ".join(profiles.names(profiles_folder))
            raise SettingsError(f"expected one of {known}, found none", *error.path) from None
        raise
    settings = replace(content, root=root, notices=tuple(notices))
    _check_together(settings)
    profile = profiles.load(settings.project.profile, profiles_folder)
    if with_floors:
        _check_profile(settings, profile)
    _check_bias_limits(settings)
    return settings


def named_label(root: Path) -> str:
    """`[data] label` of settings that may not load yet, for example while a table is drafted."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = tomllib.loads((root / "pipeline.toml").read_text(encoding="utf-8"))
        data = content.get("data")
        label = data.get("label") if isinstance(data, dict) else None
        return label if isinstance(label, str) else ""
    return ""


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
            near = (
                did_you_mean(error.asked, error.known) if isinstance(error, gates.GateError) else ""
            )
            raise SettingsError(f"{error}{near}", *path) from None
    for name, environment in settings.environments.items():
        settings.check_name(name)
        settings.features_of(replace(environment, name=name))  # its keys are read
    _check_group_names(settings)
    _check_division(settings)
    _check_problem(settings)
    if settings.data.file:
        _check_columns(settings)


def _check_problem(settings: Settings) -> None:
    """Check that the settings suit the problem type."""
    problem, objectives = settings.project.problem, Tuning.OBJECTIVES[settings.project.problem]
    _check_base(settings)
    _check_conversations(settings)
    if settings.is_language_model:
        _check_hugging_face(settings)
    algorithms = Tuning.BY_PROBLEM[problem]
    if not set(settings.tuning.algorithms) <= set(algorithms):
        raise SettingsError(
            f"expected {' or '.join(algorithms)} for a {problem} problem, got "
            f"{', '.join(settings.tuning.algorithms)}", "tuning", "algorithms",
        )  # fmt: skip
    if settings.objective not in objectives:
        raise SettingsError(
            f"expected {' or '.join(objectives)} for a {problem} problem, got "
            f"{settings.objective!r}", "tuning", "objective",
        )  # fmt: skip
    if problem != "binary" and settings.model.threshold != Model.threshold:
        raise SettingsError(
            f"expected no threshold for a {problem} problem, got {settings.model.threshold!r}",
            "model", "threshold",
        )  # fmt: skip
    if problem == "regression" and settings.data.positives:
        raise SettingsError(
            "expected nothing for a regression, whose label is a number, got "
            f"{settings.data.positive!r}", "data", "positive",
        )  # fmt: skip
    if problem != "regression" and not settings.data.label_column.is_plain:
        raise SettingsError(
            "expected no such key for a binary label; [data] positive names its texts", "data",
            "label_column",
        )  # fmt: skip
    if problem != "regression" and settings.bias.threshold != "":
        raise SettingsError(
            f"expected nothing for a binary label, got {settings.bias.threshold!r}",
            "bias", "threshold",
        )  # fmt: skip
    if problem == "regression" and settings.bias.favourable_label != 1:
        raise SettingsError(
            "expected 1 for a regression (above the threshold is favourable), got 0",
            "bias", "favourable_label",
        )  # fmt: skip
    if settings.model.threshold == "recall" and settings.recall_target is None:
        raise SettingsError(
            "expected a `recall > ...`, by which [model] threshold = \"recall\" is chosen, got "
            f"{settings.gate.metric!r}", "gate", "metric",
        )  # fmt: skip


def _check_base(settings: Settings) -> None:
    """Check that a language model has a base, and no other model has one or is judged by
    replies."""
    is_language = settings.is_language_model
    if is_language and not settings.model.base:
        raise SettingsError(
            "expected the base model's folder for a language_model problem, such as data/base "
            "(the scenario assist has one), got none", "model", "base",
        )  # fmt: skip
    if not is_language and settings.model.base:
        raise SettingsError(
            f"expected nothing for a {settings.project.problem} problem, which has no base "
            f"model, got {settings.model.base!r}", "model", "base",
        )  # fmt: skip
    if is_language and settings.bias_is_managed:
        raise SettingsError(
            "expected 'open_source' for a language_model problem, whose replies Clarify's image "
            f"cannot judge, got {settings.bias.backend!r}", "bias", "backend",
        )  # fmt: skip
    asked = [c.metric for c in gates.comparisons(settings.full_gate)]
    if "refusal_rate" in asked and not settings.judge.must_refuse:
        raise SettingsError(
            "expected the file of prompts that must be refused, because the gate names "
            "refusal_rate, got none", "judge", "must_refuse",
        )  # fmt: skip
    if not is_language and settings.judge != Judge():
        raise SettingsError(
            f"expected no such table for a {settings.project.problem} problem, which has no "
            "replies to judge", "judge",
        )  # fmt: skip


def _check_conversations(settings: Settings) -> None:
    """Check that a language model has one column of conversations, and no other model has any."""
    data, found = settings.data, settings.data.conversations
    if not data.file:
        return
    if settings.is_language_model and len(found) != 1:
        raise SettingsError(
            'expected one column of type = "conversation" for a language_model problem, got '
            f"{', '.join(found) or 'none'}", "data", "columns",
        )  # fmt: skip
    if not settings.is_language_model and found:
        raise SettingsError(
            f"expected no conversation for a {settings.project.problem} problem, got {found[0]!r}",
            "data", "columns",
        )  # fmt: skip
    if settings.is_language_model and settings.split.group:
        raise SettingsError(
            "expected nothing for a language_model problem, whose rows stay together by prompt, "
            f"got {settings.split.group!r}", "split", "group",
        )  # fmt: skip
    for name in settings.context_columns:
        if name in found:
            raise SettingsError(
                f"expected a column with groups, got the conversations {name!r}", "bias", "facets"
            )


def _check_hugging_face(settings: Settings) -> None:
    """Check that a language model's images exist in the region, and that it trains on a GPU."""
    settings.check_images(settings.aws.region)
    compute = settings.compute
    evaluation = "evaluation_instance" if compute.evaluation_instance else "processing_instance"
    for key in ("training_instance", evaluation):
        if not re.fullmatch(GPU, getattr(compute, key)):
            raise SettingsError(
                "expected an instance type with a GPU, such as ml.g5.xlarge, which Hugging "
                f"Face's training image needs, got {getattr(compute, key)!r}",
                "compute", key if key == "training_instance" else "evaluation_instance",
            )  # fmt: skip


def _check_columns(settings: Settings) -> None:
    """Check that the columns that settings name are in the table, with the expected types."""
    columns, has = settings.data.columns, ", ".join(settings.data.columns)
    named = [(facet.column, ("bias", "facets")) for facet in settings.facets]
    named += [(settings.bias.group_variable, ("bias", "group_variable"))]
    named += [(settings.split.group, ("split", "group"))]
    named_on_purpose = [(name, ("model", "protected", name)) for name in settings.model.protected]
    for name, path in (*named, *named_on_purpose):
        if name and name not in columns:
            near = did_you_mean(name, columns)
            raise SettingsError(
                f"expected a column of [data.columns] ({has}), got {name!r}{near}", *path
            )
    _check_stored_names(settings, named)
    _check_event_times(settings)
    _check_owned_columns(settings)
    _check_dictionary(settings)
    for facet in settings.facets:
        _check_facet(facet, columns[facet.column], settings.data.missing)
    if settings.split.by == "time" and not settings.data.event_time:
        raise SettingsError("expected 'hash' because [data] has no event_time, got 'time'",
                            "split", "by")  # fmt: skip


def _check_event_times(settings: Settings) -> None:
    """Check that no other column has the name of the event time, in each environment."""
    data = settings.data
    stored = {data.stored_name(raw).lower() for raw in (data.record_id, data.label, *data.columns)}
    for features in _features_of_all(settings):
        if (name := features.event_time).lower() in stored:
            raise SettingsError(
                f"expected a name that no other column of the feature group has, got {name!r}",
                "features", "event_time",
            )  # fmt: skip


def _features_of_all(settings: Settings) -> list[Features]:
    """`[features]` of this machine and of each environment."""
    named = [replace(e, name=name) for name, e in settings.environments.items()]
    here = settings.features.named(settings.project.pipeline)
    return [here, *map(settings.features_of, named)]


def _check_group_names(settings: Settings) -> None:
    """Check the names of groups, which queries use, and that each group has its own table."""
    for features in _features_of_all(settings):
        for key, groups in (("groups", features.groups), ("owned", features.owned)):
            for name in groups:
                if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) or name == "own":
                    raise SettingsError(
                        "expected a name of lowercase letters, digits and _, a letter first, at "
                        f"most 32 characters, and not 'own', got {name!r}", "features", key,
                    )  # fmt: skip
        taken = {features.group: features.table}
        for name, group in features.owned.items():
            path = ("features", "owned", name)
            if name in features.groups:
                raise SettingsError(
                    f"expected a name that is not in [features.groups], got {name!r}", *path
                )
            if group.group in taken or group.table in taken.values():
                raise SettingsError(
                    "expected a group and a table that no other own group has, got "
                    f"{group.group!r} and {group.table!r}", *path, "group",
                )  # fmt: skip
            taken[group.group] = group.table


def _check_division(settings: Settings) -> None:
    """Check that the features are in the same groups in every environment."""

    def columns(features: Features) -> dict[str, tuple[str, ...]]:
        return {name: group.columns for name, group in features.owned.items()}

    wanted = columns(settings.features)
    for name, environment in settings.environments.items():
        got = columns(settings.features_of(replace(environment, name=name)))
        for group in got:
            if got[group] != wanted.get(group):
                raise SettingsError(
                    "expected the groups and columns of [features.owned], because every "
                    f"environment has the same, got {', '.join(got[group])}",
                    "environments", name, "features", "owned", group,
                )  # fmt: skip


def _check_owned_columns(settings: Settings) -> None:
    """Check that each feature is in one group, and that id, label, facets and moments are in the
    main one."""
    data = settings.data
    main = [data.record_id, data.label, *settings.stored_columns]
    kept = {data.stored_name(raw).lower(): "the main group" for raw in main}
    for features in _features_of_all(settings):
        taken = kept | {features.event_time.lower(): "the main group"}
        taken |= dict.fromkeys(RESERVED_COLUMNS, "every feature group")
        for name, group in features.owned.items():
            for column in group.columns:
                if where := taken.get(column.lower()):
                    raise SettingsError(
                        f"expected features that no other group has, got {column!r}, which is in "
                        f"{where}", "features", "owned", name, "columns",
                    )  # fmt: skip
                taken[column.lower()] = f"[features.owned.{name}]"


def _check_dictionary(settings: Settings) -> None:
    """Check that the columns a feature is computed from are columns that `features.py` gets."""
    known = (*settings.feature_columns, "event_time")
    for name, computed in settings.features.dictionary.items():
        for column in computed.columns:
            path = ("features", "dictionary", name, "columns")
            if column in settings.model.exclude:
                raise SettingsError(
                    f"expected columns that features.py gets, got {column!r}, which is in "
                    "[model] exclude", *path,
                )  # fmt: skip
            if column not in known:
                raise SettingsError(
                    f"expected columns of [data.columns], or event_time, got {column!r}"
                    f"{did_you_mean(column, known)}", *path,
                )  # fmt: skip


def _check_facet(facet: Facet, column: Column, missing: tuple[str, ...]) -> None:
    """Check that a facet's groups can occur in its column."""
    if facet.threshold is not None and column.type != "number":
        raise SettingsError(
            f"expected a column of numbers for `{facet}`, got a {column.type}", "bias", "facets"
        )
    if column.type == "date" and facet.values:
        raise SettingsError(
            f"expected a column of numbers, a category or a text for `{facet}`, got a date",
            "bias", "facets",
        )  # fmt: skip
    if unknown := [value for value in facet.values if column.values and value not in column.values]:
        raise SettingsError(
            f"expected values of {facet.column} in [data.columns] ({', '.join(column.values)}), "
            f"got {', '.join(unknown)} in `{facet}`", "bias", "facets",
        )  # fmt: skip
    if none := [value for value in facet.values if value in missing]:
        raise SettingsError(
            f"expected values that are not in [data] missing, got {', '.join(none)} in `{facet}`",
            "bias", "facets",
        )  # fmt: skip
    if column.type == "number":
        for value in facet.values:
            _check_number(facet, value)


def _check_number(facet: Facet, value: str) -> None:
    """Check that a number is written as it is stored, which groups are compared by: 1, not 1.0 or
    01."""
    number = math.nan
    with contextlib.suppress(ValueError):
        number = float(value)
    if not math.isfinite(number):
        raise SettingsError(
            f"expected numbers, as {facet.column} is in [data.columns], got {value} in `{facet}`",
            "bias", "facets",
        )  # fmt: skip
    stored = shortest(number)
    if value != stored:
        raise SettingsError(
            f"expected {stored}, as the number is stored, got {value} in `{facet}`",
            "bias", "facets",
        )  # fmt: skip


def _check_stored_names(settings: Settings, grouping: list[tuple[str, tuple[str, str]]]) -> None:
    """Check that the raw columns in the feature group have allowed, different names there."""
    data, taken = settings.data, dict[str, str]()
    kept = {data.record_id: ("data", "record_id"), data.label: ("data", "label")}
    kept |= {raw: path for raw, path in reversed(grouping) if raw}
    for raw, path in kept.items():
        name = data.stored_name(raw)
        others = [data.stored_name(other) for other in kept if other != raw]
        line = f'{json.dumps(raw, ensure_ascii=False)} = "{proposed_name(raw, others)}"'
        if not is_stored_name(name):
            raise SettingsError(
                f"expected a name that a feature group allows ({FEATURE_NAME_RULE}; none of "
                f"{', '.join(RESERVED_COLUMNS)}), got {raw!r}: add the line {line} to "
                "[data.stored] to store it under that name", *path,
            )  # fmt: skip
        if other := taken.get(name.lower()):
            raise SettingsError(
                f"expected names that differ in more than case, got {other!r} and {raw!r}: add "
                f"the line {line} to [data.stored] to store it under that name", *path,
            )  # fmt: skip
        taken[name.lower()] = raw


def _check_profile(settings: Settings, profile: Profile) -> None:
    """Check the profile's requirements."""
    rule = f"the profile {settings.project.profile} requires"
    if profile.problem and settings.project.problem != profile.problem:
        raise ProfileError(
            f"expected {profile.problem}, got {settings.project.problem!r}: {rule} it",
            "project", "problem",
        )  # fmt: skip
    _check_floor(settings, profile)
    if absent := missing_facets(profile, settings.facets):
        raise ProfileError(
            f"expected facets over {', '.join(absent)} too, value by value, got "
            f"{settings.bias.facets!r}: {rule} {', '.join(profile.facets)}",
            "bias", "facets",
        )  # fmt: skip
    most = profile.most_group_size
    if most and settings.bias.min_group_size > most:
        raise ProfileError(
            f"expected at most {most}, got {settings.bias.min_group_size}: {rule} it",
            "bias", "min_group_size",
        )  # fmt: skip
    if profile.bias_gate and not settings.facets:
        raise ProfileError(f"expected at least one facet, got none: {rule} a bias gate",
                            "bias", "facets")  # fmt: skip
    if profile.bias_gate and (open_ := list(uncovered(settings.bias_gate, settings.facets))):
        raise ProfileError(
            f"expected a limit for every facet, got {settings.gate.bias!r}, which does not limit "
            f"{', '.join(map(str, open_))}: {rule} a bias gate over every facet, such as "
            f"`worst_dppl < 0.1` (at most {MOST_DPPL}) or `worst_di > 0.8` (at least {LEAST_DI})",
            "gate", "bias",
        )  # fmt: skip
    excluded = settings.model.exclude
    if seen := [name for name in profile.protected_columns if name not in excluded]:
        raise ProfileError(
            f"expected {', '.join(seen)} to be excluded too, got {list(excluded)}: {rule} models "
            f"that do not use {', '.join(profile.protected_columns)}", "model", "exclude",
        )  # fmt: skip


def _check_floor(settings: Settings, profile: Profile) -> None:
    """Check that no model that fails the floor passes the gate, and that the gate's recall is not
    too high."""
    written, rule = settings.gate.metric, f"the profile {settings.project.profile} requires"
    try:
        floor = profile.floor(settings.project.problem)
    except gates.GateError as error:
        raise SettingsError(str(error), "profile", "metric_gate",
                            file=f"profiles/{settings.project.profile}.toml") from None  # fmt: skip
    if floor and (short := shortfall(settings.full_gate, floor)):
        raise ProfileError(
            f"expected at least `{floor}`, got {written!r}, where {short}: {rule} it",
            "gate", "metric",
        )  # fmt: skip
    if (settings.recall_target or 0) > profile.most_recall:
        raise ProfileError(
            f"expected a recall of at most {profile.most_recall:g}, got {written!r}: {rule} it, "
            "because a model that must find nearly all cases flags nearly everybody",
            "gate", "metric",
        )  # fmt: skip


def _check_bias_limits(settings: Settings) -> None:
    """Check that a gate that names bias limits it, even if the profile does not require that."""
    keys = tuple(facet.key for facet in settings.facets)
    for key, gate in (("metric", settings.metric_gate), ("bias", settings.bias_gate)):
        try:
            if gate is not None:
                gates.check_bias(gate, keys)
        except gates.GateError as error:
            raise SettingsError(str(error), "gate", key) from None
