"""The compiled definition: nine steps, all of which the engine here can run.

Of this repository's own settings, whatever they are, and of two small ones that have what those
may not: several algorithms, and a regression.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ninesteps.definition.definition import Definition, Step, read_definition
from ninesteps.local.jobs import training_definitions
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.data import Column
from ninesteps.settings.names import stored_feature_name
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code import queries
from pets import changed
from pets import settings as pet_settings

ROOT = Path(__file__).resolve().parents[2]

COMPARING = changed(
    pet_settings(facets="age>=2, species", owner=Column("text")),
    split={"group": "owner"},
    tuning={"algorithms": ("lightgbm", "xgboost"), "objective": "validation:logloss"},
    gate={"metric": "auc > 0.6 and recall >= 0.9"},
    model={"threshold": "recall", "exclude": ("owner", "is_old")},
    bias={"group_variable": "species", "min_group_size": 7, "favourable_label": 0},
)
REGRESSION = changed(
    pet_settings(event_time="seen", facets=""),
    project={"problem": "regression", "metric_word": ""},
    split={"by": "time", "train": 0.5, "test": 0.35},
    tuning={"algorithms": ("lightgbm",), "static": {"gamma": "7"}},
    gate={"metric": "rmse < 100"},
    bias={"threshold": 2.5},
)


def settings_of(name: str) -> Settings:
    if name != "own":
        return {"comparing": COMPARING, "regression": REGRESSION}[name]
    own = pipeline_settings.load(ROOT)
    if not own.data.file:
        pytest.skip("pipeline.toml names no table yet")
    return own


@cache
def compiled(name: str) -> str:
    from ninesteps.runs.compiled import definition  # the SDK: seconds to import

    settings = settings_of(name)
    return definition(settings, settings.environment())


def step_of(name: str, step: str) -> dict[str, Any]:
    """The arguments of a step of the small settings."""
    return read_definition(compiled(name)).steps[step].arguments


def options(step: dict[str, Any]) -> dict[str, list[Any]]:
    """What a processing step's script is given, by option."""
    words = step["AppSpecification"]["ContainerArguments"]
    values: dict[str, list[Any]] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        values.setdefault(option, []).append(value)
    return values


def tuning_of(definition: Definition) -> Step:
    (tune,) = (step for step in definition.steps.values() if step.type == "Tuning")
    return tune


# Whatever the settings are


@pytest.fixture(params=["own", "comparing", "regression"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(name: str) -> Settings:
    return settings_of(name)


@pytest.fixture
def text(name: str) -> str:
    return compiled(name)


@pytest.fixture
def definition(text: str) -> Definition:
    return read_definition(text)


def test_there_are_nine_steps(definition: Definition) -> None:
    types = sorted(step.type for step in definition.steps.values())
    assert types == [
        "Condition",
        *["Model", "Processing", "Processing", "Processing", "Processing"],
        *["RegisterModel", "Transform", "Tuning"],
    ]


def test_a_version_is_registered_only_behind_the_gate(definition: Definition) -> None:
    (register,) = (s for s in definition.steps.values() if s.type == "RegisterModel")
    assert register.branch is not None
    condition, outcome = register.branch
    assert definition.steps[condition].type == "Condition"
    assert outcome is True
    assert register.arguments["ModelApprovalStatus"] == "PendingManualApproval"


def test_the_code_that_the_definition_names_is_what_compile_puts_there(
    settings: Settings, text: str
) -> None:

    from ninesteps.step_code import bundle as step_code

    objects = step_code.code_objects(settings, settings.environment())
    prefixes = {uri.rpartition("/")[0] for uri in objects}
    assert set(re.findall(r"s3://[^\"]+/code/[0-9a-f]+", text)) == prefixes


def test_container_arguments_keep_within_sagemakers_limit(text: str) -> None:
    for step in json.loads(text)["Steps"]:
        specification = step["Arguments"].get("AppSpecification", {})
        for argument in specification.get("ContainerArguments", []):
            assert len(str(argument)) <= 256


@pytest.mark.parametrize("region", [None, "", "eu-west-1"])
def test_the_region_of_the_machine_is_neither_needed_nor_used(
    monkeypatch: pytest.MonkeyPatch, region: str | None
) -> None:
    from ninesteps.runs.compiled import definition

    before = compiled("regression")  # the SDK is imported, as by a command before this one
    if region is None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
    else:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    assert definition(REGRESSION, REGRESSION.environment()) == before


def test_each_algorithm_is_trained_by_a_definition_of_its_own(
    settings: Settings, definition: Definition
) -> None:
    trained = training_definitions(tuning_of(definition).arguments)
    chosen = [t["StaticHyperParameters"]["algorithm"] for t in trained]
    assert chosen == list(settings.tuning.algorithms)


def test_the_search_is_that_of_the_settings(settings: Settings, definition: Definition) -> None:
    request = tuning_of(definition).arguments
    config = request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    assert limits["MaxNumberOfTrainingJobs"] == settings.tuning.jobs
    assert limits["MaxParallelTrainingJobs"] == settings.tuning.parallel
    direction = Tuning.OBJECTIVES[settings.project.problem][settings.objective]
    for trained in training_definitions(request):
        objective = trained.get("TuningObjective") or config["HyperParameterTuningJobObjective"]
        assert objective == {"Type": direction, "MetricName": settings.objective}
        ranges = trained.get("HyperParameterRanges") or config["ParameterRanges"]
        names = [bounds["Name"] for kind in ranges.values() for bounds in kind]
        assert sorted(names) == sorted(settings.tuning.ranges)


def test_step_1_is_asked_for_what_the_settings_say(
    settings: Settings, definition: Definition
) -> None:
    given = options(definition.steps[f"{settings.project.prefix}ModelProcess"].arguments)
    data, split = settings.data, settings.split
    shares = f"{split.train},{split.validation},{split.test}"
    columns = [data.stored_name(data.record_id)], [data.stored_name(data.label)]
    assert (given["--record-id"], given["--label"]) == columns
    assert (given["--split-by"], given["--shares"]) == ([split.by], [shares])
    assert given.get("--group", [""]) == [split.group]
    assert given.get("--group-variable", [""]) == [settings.bias.group_variable]
    assert given.get("--facet", []) == [facet.argument for facet in settings.facets]
    withheld = set(given.get("--exclude", []))  # raw columns are no features: they stand apart
    assert withheld == set(settings.model.exclude) - data.columns.keys()
    threshold = settings.bias.threshold
    right = [] if isinstance(threshold, str) else [repr(threshold)]
    assert given.get("--label-threshold", []) == right


# Several algorithms


def test_step_1_is_asked_for_stored_names_and_told_how_they_are_shown() -> None:
    from ninesteps.runs.compiled import definition

    of = changed(
        pet_settings(facets="age>=2, Art", owner=Column("text"), Art=Column("text")),
        data={"stored": {"chip": "chip_id", "Art": "kind", "owner": "owner_id"}},
        split={"group": "owner"},
        model={"exclude": ("city=Köln", "old")},
    )
    step = read_definition(definition(of, of.environment())).steps["PetModelProcess"].arguments
    found = options(step)
    assert found["--record-id"] == ["chip_id"]
    assert found["--group"] == ["owner_id"]
    facets = [json.loads(text) for text in found["--facet"]]
    assert [(facet["key"], facet["column"]) for facet in facets] == [
        ("age_ge_2", "age"), ("art", "kind")
    ]  # fmt: skip
    shown = [json.loads(text) for text in found["--shown"]]
    assert shown == [["chip_id", "chip"], ["kind", "Art"], ["owner_id", "owner"]]
    assert found["--exclude"] == [stored_feature_name("city=Köln"), "old"]
    assert b'PARTITION BY "chip_id" ' in queries.files(of, of.environment())["features.sql"]


def test_definitions_that_are_compared_differ_in_name_and_algorithm_alone() -> None:
    request = step_of("comparing", "PetHyperParameterTuning")
    one, other = request["TrainingJobDefinitions"]
    for trained, name in ((one, "lightgbm"), (other, "xgboost")):
        static = trained["StaticHyperParameters"]
        assert static.pop("algorithm") == trained.pop("DefinitionName") == name
        assert (static["threshold_rule"], static["recall_target"]) == ("recall", "0.9")
    assert one == other
    assert one["TuningObjective"] == {"Type": "Minimize", "MetricName": "validation:logloss"}
    config = request["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert request.keys() == {"HyperParameterTuningJobConfig", "TrainingJobDefinitions", "Tags"}


def test_a_search_of_several_is_cached_retried_and_seeded_as_one_of_one_is() -> None:
    searches = []
    for name in ("comparing", "regression"):
        steps = json.loads(compiled(name))["Steps"]
        (search,) = (step for step in steps if step["Type"] == "Tuning")
        seed = search["Arguments"]["HyperParameterTuningJobConfig"]["RandomSeed"]
        searches.append((seed, search["CacheConfig"], search["RetryPolicies"]))
    assert searches[0] == searches[1]


def test_the_best_of_several_and_all_trials_are_where_the_definitions_write() -> None:
    evaluate = step_of("comparing", "PetEvalBestModel")
    inputs = {i["InputName"]: i["S3Input"]["S3Uri"] for i in evaluate["ProcessingInputs"]}
    search = "Steps.PetHyperParameterTuning"
    models = {"Get": f"{search}.TrainingJobDefinitions[0].OutputDataConfig.S3OutputPath"}
    best = {"Get": f"{search}.TrainingJobSummaries[0].TrainingJobName"}
    assert inputs["trials"] == models
    assert inputs["model"]["Std:Join"]["Values"] == [models, best, "output/model.tar.gz"]
    assert options(evaluate) == {
        "--min-group-size": ["7"], "--min-trials": ["3"], "--algorithm": ["lightgbm", "xgboost"]
    }  # fmt: skip


# One algorithm, and a regression


def test_one_algorithm_is_searched_with_early_stopping_and_compared_with_none() -> None:
    request = step_of("regression", "PetHyperParameterTuning")
    config = request["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert "TrainingJobDefinitions" not in request
    evaluate = step_of("regression", "PetEvalBestModel")
    assert "trials" not in [given["InputName"] for given in evaluate["ProcessingInputs"]]
    assert options(evaluate) == {"--min-group-size": ["100"]}


def test_a_regression_learns_numbers_and_has_no_decision_threshold() -> None:
    training = step_of("regression", "PetHyperParameterTuning")["TrainingJobDefinition"]
    static = training["StaticHyperParameters"]
    assert static["algorithm"] == "lightgbm"
    assert "threshold_rule" not in static
    learnt = {name: static[name] for name in ("objective", "eval_metric", "gamma")}
    assert learnt == {"objective": "reg:squarederror", "eval_metric": "rmse", "gamma": "7"}
    compared, _ = step_of("comparing", "PetHyperParameterTuning")["TrainingJobDefinitions"]
    static = compared["StaticHyperParameters"]
    assert (static["objective"], static["eval_metric"]) == ("binary:logistic", "logloss")


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [("comparing", "$[5:]", "$[0,-2,-1]"), ("regression", "$[3:]", "$[0,-1]")],
)
def test_a_transform_sends_features_alone_and_keeps_ids_and_answers(
    name: str, sent: str, kept: str
) -> None:
    filters = step_of(name, "PetTransform")["DataProcessing"]
    assert (filters["InputFilter"], filters["OutputFilter"]) == (sent, kept)


def test_the_gates_step_is_named_by_the_metric_word_or_by_the_problem() -> None:
    for name, step in (("comparing", "CheckAUCScore"), ("regression", "CheckRMSEScore")):
        assert f"{step}PetEvaluation" in read_definition(compiled(name)).steps


# Wheels that the image lacks


def test_wheels_travel_with_the_code_of_the_algorithm_that_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ninesteps.step_code import bundle as step_code
    from ninesteps.step_code import carried_wheels

    wheel = carried_wheels.Wheel("trees.whl", hashlib.sha256(b"trees").hexdigest())
    monkeypatch.setattr(carried_wheels, "CARRIED", {"lightgbm_model.py": (wheel,)})
    (tmp_path / wheel.file).write_bytes(b"trees")
    for settings, travels in ((COMPARING, True), (pet_settings(), False)):
        objects = step_code.code_objects(settings, settings.environment(), tmp_path)
        wheels = {content for uri, content in objects.items() if uri.endswith(".whl")}
        assert wheels == ({b"trees"} if travels else set())
        (archive,) = (content for uri, content in objects.items() if uri.endswith(".tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            assert (wheel.file in tar.getnames()) is travels
    local = step_code.code_objects(COMPARING, COMPARING.environment())
    assert not [uri for uri in local if uri.endswith(".whl")]


def test_another_table_is_another_query_under_another_hash() -> None:
    """As with code: a changed query is a changed input of step 1, and so no cached result."""
    of, other = pet_settings(), changed(pet_settings(), features={"table": "pets-1767225600"})
    uris = {queries.uri(each, each.environment()) for each in (of, other)}
    assert len(uris) == 2
    assert b'FROM "pets-1767225600"' in queries.files(other, other.environment())["features.sql"]
