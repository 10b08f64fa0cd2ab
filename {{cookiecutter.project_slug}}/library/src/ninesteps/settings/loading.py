"""`pipeline.toml` read, and its sections held to each other and to the profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.profile import LEAST_DI, MOST_DPPL, Profile, missing_facets, uncovered
from ninesteps.settings import cadence as cadences
from ninesteps.settings import gate as gates
from ninesteps.settings import toml
from ninesteps.settings.data import RESERVED_COLUMNS
from ninesteps.settings.facets import FacetError
from ninesteps.settings.floor import shortfall
from ninesteps.settings.judgement import Model
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning


def load(root: Path, profiles_folder: Path = profiles.FOLDER) -> Settings:
    """Read and check `pipeline.toml` in a repository, and hold it to its profile.

    Raises:
        SettingsError: with one sentence that names the key.
    """
    settings = replace(toml.load(Settings, root, "pipeline.toml"), root=root)
    _check_together(settings)
    _check_profile(settings, profiles.load(settings.project.profile, profiles_folder))
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


def _check_profile(settings: Settings, profile: Profile) -> None:
    """What the template's standards ask for, whatever else is set."""
    rule = f"the profile {settings.project.profile} requires"
    if profile.problem and settings.project.problem != profile.problem:
        raise SettingsError(f"{settings.project.problem!r} was read, where {profile.problem} is "
                            f"right: {rule} it", "project", "problem")  # fmt: skip
    _check_floor(settings, profile)
    if absent := missing_facets(profile, settings.facets):
        raise SettingsError(
            f"{settings.bias.facets!r} was read, where {', '.join(absent)} must be among the "
            f"facets too, each value by itself: {rule} {', '.join(profile.facets)}",
            "bias", "facets",
        )  # fmt: skip
    most = profile.most_group_size
    if most and settings.bias.min_group_size > most:
        raise SettingsError(f"{settings.bias.min_group_size} was read, where at most {most} is "
                            f"right: {rule} it", "bias", "min_group_size")  # fmt: skip
    if profile.bias_gate and not settings.facets:
        raise SettingsError(f"no facet was read, where one is right: {rule} a bias gate",
                            "bias", "facets")  # fmt: skip
    if profile.bias_gate and (open_ := list(uncovered(settings.bias_gate, settings.facets))):
        raise SettingsError(
            f"{settings.gate.bias!r} was read, which does not limit {', '.join(map(str, open_))}; "
            f"{rule} a bias gate over every facet, such as `worst_dppl < 0.1` (at most {MOST_DPPL})"
            f" or `worst_di > 0.8` (at least {LEAST_DI})", "gate", "bias",
        )  # fmt: skip
    if seen := [name for name in profile.protected_columns if name not in settings.model.exclude]:
        raise SettingsError(f"{', '.join(seen)} must be in it too: {rule} models that do not see "
                            f"{', '.join(profile.protected_columns)}", "model", "exclude")  # fmt: skip


def _check_floor(settings: Settings, profile: Profile) -> None:
    """The gate lets through no model that the floor would not, and asks for no recall above all."""
    read, rule = (
        f"{settings.gate.metric!r} was read",
        f"the profile {settings.project.profile} requires",
    )
    try:
        floor = profile.floor(settings.project.problem)
    except gates.GateError as error:
        raise SettingsError(str(error), "profile", "metric_gate",
                            file=f"profiles/{settings.project.profile}.toml") from None  # fmt: skip
    if floor and (short := shortfall(settings.full_gate, floor)):
        raise SettingsError(f"{read}, where {short}: {rule} `{floor}` at least",
                            "gate", "metric")  # fmt: skip
    if (settings.recall_target or 0) > profile.most_recall:
        raise SettingsError(
            f"{read}, where a recall of at most {profile.most_recall:g} is right: {rule} it, "
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
