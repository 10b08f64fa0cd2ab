"""`pipeline.toml`: what is read, what is assumed, and what is refused with the key's name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ninesteps.errors import SettingsError
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import DOCUMENTATION_ACCOUNT
from ninesteps.settings.moments import is_moment
from ninesteps.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

LEAST = """\
[project]
name = "Pets"
pipeline = "Pet-adoption"
profile = "pets"
prefix = "Pet"
metric_word = "AUC"

[data]
file = "pets.csv"
record_id = "chip"
label = "adopted"
snapshot = "2026-01-31T00:00:00Z"

[data.columns]
age = { type = "number" }
born = { type = "date", format = "%Y-%m-%d" }
species = { type = "category", values = ["cat", "dog"] }

[split]
salt = "pets"

[tuning]
objective = "validation:auc"

[tuning.ranges]
eta = { min = 0.1, max = 0.5 }

[gate]
metric = "auc > 0.75"

[bias]
facets = "species, age>=2"
group_variable = "species"
"""


def load(
    folder: Path, *changes: tuple[str, str], more: str = "", profile: str = "", text: str = LEAST
) -> Settings:
    """The settings above, with some of their text changed, in a repository of these standards."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "pipeline.toml").write_text(text + more, encoding="utf-8")
    profiles = folder / "profiles"
    profiles.mkdir(exist_ok=True)
    (profiles / "pets.toml").write_text(f"[profile]\n{profile}")
    return pipeline_settings.load(folder, profiles)


def test_this_repositorys_own_settings_can_be_used() -> None:
    assert pipeline_settings.load(ROOT).full_gate


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.project.problem == "binary"
    assert (settings.split.train, settings.split.validation, settings.split.test) == (
        0.7,
        0.15,
        0.15,
    )
    assert (settings.split.by, settings.split.group) == ("hash", "")
    assert (settings.tuning.jobs, settings.tuning.parallel) == (12, 4)
    assert settings.tuning.algorithms == ("xgboost",)
    assert (settings.data.positive, settings.data.number_rows) == ("", False)
    assert (settings.model.exclude, settings.model.threshold) == ((), "accuracy")
    assert settings.bias.min_group_size == 100
    assert settings.aws.region == "us-east-1"
    assert str(settings.full_gate) == "auc > 0.75"
    assert [facet.key for facet in settings.facets] == ["species", "age_ge_2"]
    assert settings.data.columns["species"].values == ("cat", "dog")


def test_names_in_aws_follow_from_the_pipelines(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.feature_group == settings.model_package_group == "Pet-adoption"
    assert settings.feature_table == "pet_adoption"  # the data catalogue takes no other


def test_the_gate_is_both_gates_and_may_name_the_facets(tmp_path: Path) -> None:
    settings = load(
        tmp_path, ('metric = "auc > 0.75"', 'metric = "auc > 0.75"\nbias = "dppl[age_ge_2] < .1"')
    )
    assert str(settings.full_gate) == "auc > 0.75 and dppl[age_ge_2] < 0.1"


def test_an_environment_is_chosen_by_name_and_local_needs_none(tmp_path: Path) -> None:
    more = '[environments.prod]\naccount = "111122223333"\nregion = "eu-west-1"\n'
    settings = load(tmp_path, more=more)
    prod = settings.environment("prod")
    assert prod.name == "prod"
    assert prod.bucket_name == "pet-adoption-prod-111122223333"
    assert prod.role_arn == "arn:aws:iam::111122223333:role/pet-adoption-prod-pipeline"
    assert prod.named("Pet-adoption") == "pet-adoption-prod"
    assert settings.environment().named("Pet-adoption") == "Pet-adoption"
    assert settings.environment().account == DOCUMENTATION_ACCOUNT
    with pytest.raises(SettingsError, match="there is no environment 'test'; there is prod"):
        settings.environment("test")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('prefix = "Pet"\n', "", "[project] prefix: it is missing"),
        ("[split]\n", "[splits]\n", "pipeline.toml splits: there is no such key; there is project"),
        ('salt = "pets"', 'salt = "pets"\nsalty = 1', "[split] salty: there is no such key"),
        ('name = "Pets"', "name = 7", "[project] name: 7 was read, where a text is right"),
        ('salt = "pets"', 'salt = "p"\ntrain = "0.7"', "[split] train: '0.7' was read"),
        ('salt = "pets"', 'salt = "p"\ntrain = true', "where a number is right"),
        ('salt = "pets"', 'salt = "p"\nmin_positives = 2.5', "where a whole number is right"),
        ('salt = "pets"', 'salt = "p"\ntrain = 0.8', "shares above 0 that add up to 1"),
        ('salt = "pets"', 'salt = "p"\ntrain = nan', "[split] train: nan was read, where a finite"),
        ('salt = "pets"', 'salt = "p"\nmin_positives = 0', "[split] min_positives: 0 was read"),
        ('salt = "pets"', 'salt = "p"\ntrain = 1.0\ntest = -0.15', "shares above 0"),
        ('[split]\nsalt = "pets"', "[[split]]", "where a table is right"),
        ('"Pet-adoption"', '"pet_adoption"', "letters, digits and single hyphens within"),
        ('"Pet-adoption"', f'"{"a-" * 40}a"', "at most 63 letters, digits and single hyphens"),
        ('prefix = "Pet"', 'prefix = "9"', "[project] prefix: '9' was read"),
        ('prefix = "Pet"', 'prefix = "Pet"\nproblem = "ranking"', "binary or regression"),
        ('type = "number"', 'type = "float"', "[data.columns.age] type: 'float' was read"),
        (', format = "%Y-%m-%d"', "", "[data.columns.born] format: '' was read"),
        ('"cat", "dog"', "", "[data.columns.species] values: [] was read"),
        ('"%Y-%m-%d"', '"%Q"', "[data.columns.born] format: '%Q' was read"),
        ('"cat", "dog"', '"cat", "cat"', "a list of different texts, none empty is right"),
        ('"cat", "dog"', '"cat", ""', "a list of different texts, none empty is right"),
        ('record_id = "chip"', 'record_id = "age"', "[data] record_id: 'age' was read"),
        ('label = "adopted"', 'label = "chip"', "[data] label: 'chip' was read"),
        ('label = "adopted"', 'label = "species"', "[data] label: 'species' was read"),
        ("age = {", 'event_time = { type = "number" }\nage = {', "[data] columns: 'event_time'"),
        ('["cat", "dog"]', '"cat"', "where a list is right"),
        ('"cat", "dog"', '"cat", 7', "7 was read, where a text is right"),
        ('"2026-01-31T00:00:00Z"', '"2026-01-31"', "a moment in UTC such as 2026-01-31T00:00:00Z"),
        ('snapshot = "2026-01-31T00:00:00Z"', "", "either a moment (snapshot) or a column"),
        ('snapshot = "', 'event_time = "seen"\nsnapshot = "', "either a moment (snapshot)"),
        ('"validation:auc"', '"validation:AUC"', "[tuning] objective: 'validation:AUC' was read"),
        ('"validation:auc"', '"validation:rmse"', "is right for a binary problem"),
        ("min = 0.1", "min = 0.5", "[tuning.ranges.eta] min: 0.5 was read, where a number below"),
        ("max = 0.5", 'max = 0.5, scaling = "Log"', "Auto, Linear, Logarithmic is right"),
        ("max = 0.5", "max = inf", "[tuning.ranges.eta] max: inf was read, where a finite number"),
        ("max = 0.5", 'max = 0.5, integer = "yes"', "'yes' was read, where true or false is right"),
        ("max = 0.5", "max = 2, integer = true", "min: 0.1 was read, where a whole number"),
        ("min = 0.1", 'scaling = "Logarithmic", min = 0', "above 0 for a logarithmic scale"),
        ("[tuning.ranges]", '[tuning.static]\neta = "1"\n[tuning.ranges]', "[tuning] static: ["),
        ("eta = { min = 0.1, max = 0.5 }", "", "a range for at least one hyperparameter"),
        ('"validation:auc"', '"validation:auc"\njobs = 2', "[tuning] parallel: 4 was read"),
        ('"validation:auc"', '"validation:auc"\njobs = 0', "[tuning] jobs: 0 was read, where 1 or"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = []', "[tuning] algorithms: []"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = ["trees"]',
         "[tuning] algorithms: ['trees'] was read, where one or more of xgboost, lightgbm is"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = ["xgboost", "xgboost"]',
         "[tuning] algorithms: ['xgboost', 'xgboost'] was read"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = ["xgboost", "lightgbm"]\njobs = 5',
         "[tuning] jobs: 5 was read, where 6 or more, for xgboost and lightgbm is right"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = "xgboost"', "where a list is right"),
        ('record_id = "chip"\n', "", "[data] record_id: '' was read, where the name of"),
        ('label = "adopted"\n', "", "[data] label: '' was read, where the name of"),
        ('label = "adopted"', 'label = "adopted"\nnumber_rows = "yes"', "where true or false is"),
        ('"number"', '"text"', "[bias] facets: `age>=2` compares numbers with a text"),
        ('salt = "pets"', 'salt = "p"\nby = "chance"', "[split] by: 'chance' was read, where"),
        ('salt = "pets"', 'salt = "p"\nby = "time"',
         "[split] by: 'time' was read, and [data] names no event_time to split by"),
        ('salt = "pets"', 'salt = "p"\ngroup = "owner"',
         "[split] group: 'owner' is no column of [data.columns]: age, born, species"),
        ("[bias]\n", '[model]\nthreshold = "best"\n[bias]\n', "[model] threshold: 'best' was read"),
        ("[bias]\n", '[model]\nthreshold = "recall"\n[bias]\n',
         "[gate] metric: 'auc > 0.75' was read, where a `recall > ...` is right too: [model]"),
        ("[bias]\n", "[bias]\nthreshold = 5\n", "[bias] threshold: a binary label has no"),
        ("[bias]\n", '[bias]\nthreshold = "train median"\n', "[bias] threshold: a binary label"),
        ("[bias]\n", '[bias]\nthreshold = "median"\n',
         "[bias] threshold: 'median' was read, where \"train median\" or a number is right"),
        ('"auc > 0.75"', '"auc > high"', "[gate] metric: `high` after `auc >`"),
        ('"auc > 0.75"', '"auc > 0.75"\nbias = "di[dog] > 1"', "[gate] bias: `di[dog]` names no"),
        ('"species, age>=2"', '"species, age<2"', "[bias] facets: `age<2` is no facet"),
        ('"species, age>=2"', '"born>=2"', "[bias] facets: `born>=2` compares numbers with a date"),
        ("[bias]\n", "[bias]\nfavourable_label = 2\n", "[bias] favourable_label: 2 was read"),
        ("[bias]\n", "[bias]\nmin_group_size = 0\n", "[bias] min_group_size: 0 was read"),
        ("[bias]\n", "[compute]\ntraining_count = 0\n[bias]\n", "[compute] training_count: 0 was"),
        ("[bias]\n", "[approval]\ndays_to_answer = 11\n[bias]\n", "days_to_answer: 11 was read"),
        ("[bias]\n", "[schedule]\narrival_interval_hours = 121\n[bias]\n", "hours: 121 was read"),
        ("[bias]\n", '[schedule]\nwhen_too_soon = "later"\n[bias]\n', "where wait or drop is"),
        ('"species, age>=2"', '"breed"', "'breed' is no column of [data.columns]: age, born"),
        ('group_variable = "species"', 'group_variable = "breed"', "[bias] group_variable"),
        ('[bias]\n', '[aws]\nregion = "Mars"\n[bias]\n', "a region such as us-east-1"),
        ('[bias]\n', '[environments.x]\naccount = "12"\nregion = "us-east-1"\n[bias]\n',
         "[environments.x] account: '12' was read, where 12 digits"),
        ("[project]", "[project", "it is no TOML"),
        ('name = "Pets"', 'name = "Pets"\nname = "Pets"', "it is no TOML"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_what_was_read(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, (old, new))
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("pipeline.toml")
    assert "\n" not in str(refused.value)


REGRESSION = """\
[project]
name = "Pets"
pipeline = "pet-price"
profile = "pets"
prefix = "Pet"
problem = "regression"

[data]
file = "pets.csv"
record_id = "chip"
label = "price"
event_time = "sold"

[data.columns]
age = { type = "number" }
owner = { type = "text" }
species = { type = "category", values = ["cat", "dog"] }

[split]
salt = "pets"
by = "time"
group = "owner"

[tuning]

[tuning.ranges]
eta = { min = 0.1, max = 0.5 }

[model]
exclude = ["species", "owner", "is_old"]

[gate]
metric = "rmse < 100"

[bias]
facets = "species"
"""


def test_a_regression_has_defaults_of_its_own(tmp_path: Path) -> None:
    settings = load(tmp_path, text=REGRESSION)
    assert (settings.objective, settings.metric_word) == ("validation:rmse", "RMSE")
    assert settings.bias.threshold == ""
    assert settings.recall_target is None


def test_objective_and_metric_word_follow_from_the_problem_unless_they_are_said(
    tmp_path: Path,
) -> None:
    assert load(tmp_path).metric_word == "AUC"
    unsaid = load(tmp_path, ('objective = "validation:auc"\n', ""), ('metric_word = "AUC"\n', ""))
    assert (unsaid.objective, unsaid.metric_word) == ("validation:auc", "AUC")
    said = load(
        tmp_path, ('"validation:auc"', '"validation:map"'), ('word = "AUC"', 'word = "Precision"')
    )
    assert (said.objective, said.metric_word) == ("validation:map", "Precision")
    mae = ("[tuning]\n", '[tuning]\nobjective = "validation:mae"\n')
    assert load(tmp_path, mae, text=REGRESSION).objective == "validation:mae"


@pytest.mark.parametrize("threshold", ['"train median"', "5", "-2.5"])
def test_a_regressions_labels_are_told_apart_by_the_median_or_a_number(
    tmp_path: Path, threshold: str
) -> None:
    change = ("[bias]\n", f"[bias]\nthreshold = {threshold}\n")
    read = load(tmp_path, change, text=REGRESSION).bias.threshold
    assert read == ("train median" if threshold[0] == '"' else float(threshold))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[bias]\n", "[bias]\nthreshold = true\n", "[bias] threshold: True was read, where a text"),
        ("[bias]\n", "[bias]\nthreshold = inf\n", "[bias] threshold: inf was read, where a finite"),
        ("[bias]\n", "[bias]\nfavourable_label = 0\n",
         "[bias] favourable_label: 0 was read, where 1 is right: above the threshold is"),
        ("[tuning]\n", '[tuning]\nobjective = "validation:auc"\n',
         "[tuning] objective: 'validation:auc' was read, where validation:rmse or validation:mae"),
        ("rmse < 100", "auc > 0.7", "[gate] metric: `auc` is no metric of a regression problem"),
        ("[model]\n", '[model]\nthreshold = "recall"\n', "[model] threshold: 'recall' was read"),
        ("[data]\n", '[data]\npositive = "Yes"\n', "[data] positive: a regression's label is a"),
    ],
)  # fmt: skip
def test_what_a_regression_cannot_have_is_named(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, (old, new), text=REGRESSION)
    assert sentence in str(refused.value)


def test_features_are_made_of_the_columns_that_are_not_excluded(tmp_path: Path) -> None:
    settings = load(tmp_path, text=REGRESSION)
    assert settings.feature_columns == ("age",)
    assert load(tmp_path).feature_columns == ("age", "born", "species")


def test_columns_of_facets_group_variable_and_group_are_stored_each_once(tmp_path: Path) -> None:
    by_species = ("[bias]\n", '[bias]\ngroup_variable = "species"\n')
    settings = load(tmp_path, by_species, text=REGRESSION)
    assert settings.context_columns == ("species",)
    assert settings.stored_columns == ("species", "owner")
    grouped = ('salt = "pets"', 'salt = "pets"\ngroup = "age"')
    assert load(tmp_path, grouped).stored_columns == ("species", "age")


def test_several_algorithms_are_compared_with_three_trials_each_at_least(tmp_path: Path) -> None:
    both = '"validation:auc"\nalgorithms = ["lightgbm", "xgboost"]\njobs = 6'
    tuning = load(tmp_path, ('"validation:auc"', both)).tuning
    assert (tuning.algorithms, tuning.jobs) == (("lightgbm", "xgboost"), 6)
    one = '"validation:auc"\nalgorithms = ["lightgbm"]\njobs = 1\nparallel = 1'
    assert load(tmp_path, ('"validation:auc"', one)).tuning.algorithms == ("lightgbm",)


@pytest.mark.parametrize(
    ("gate", "target"),
    [
        ("recall > 0.9", 0.9),
        ("auc > 0.7 and recall >= 0.8", 0.8),
        ("recall > 0.6 and recall > 0.7", 0.7),
        ("(recall > 0.6 or f1 > 0.9) and auc > 0.5", 0.6),
        ("recall < 0.9 and auc > 0.7", None),
        ("precision > 0.9", None),
    ],
)
def test_the_recall_to_reach_is_the_metric_gates(
    tmp_path: Path, gate: str, target: float | None
) -> None:
    metric = ("auc > 0.75", gate)
    assert load(tmp_path, metric).recall_target == target
    by_recall = ("[bias]\n", '[model]\nthreshold = "recall"\n[bias]\n')
    if target is not None:
        assert load(tmp_path, metric, by_recall).model.threshold == "recall"
    else:
        with pytest.raises(
            SettingsError, match=r"\[gate\] metric: .* was read, where a `recall > ...` is right"
        ):
            load(tmp_path, metric, by_recall)


# No table yet

DATA = LEAST[LEAST.index("[data]\n") : LEAST.index("[split]")]


@pytest.mark.parametrize("data", ["", "[data]\n", '[data]\nlabel = "adopted"\n\n'])
def test_settings_without_a_table_hold_but_for_a_run(tmp_path: Path, data: str) -> None:
    settings = load(tmp_path, (DATA, data))  # facets of columns that are not known yet
    assert str(settings.full_gate) == "auc > 0.75"
    with pytest.raises(SettingsError) as refused:
        settings.check_table()
    assert refused.value.path == ("data", "file")
    assert str(refused.value).startswith("pipeline.toml [data] file: no table is named yet; ")
    assert "`pipeline schema FILE`" in str(refused.value)


def test_settings_with_a_table_are_fit_for_a_run(tmp_path: Path) -> None:
    load(tmp_path).check_table()


def test_a_table_has_a_column_at_least(tmp_path: Path) -> None:
    columns = LEAST[LEAST.index("[data.columns]") : LEAST.index("[split]")]
    with pytest.raises(SettingsError, match=r"\[data\] columns: \{\} was read, where a column at"):
        load(tmp_path, (columns, ""))


def test_what_is_no_column_matter_is_checked_without_a_table_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[gate\] metric: `high` after"):
        load(tmp_path, (DATA, ""), ("auc > 0.75", "auc > high"))


# Standards


def gated(bias: str) -> tuple[str, str]:
    return 'metric = "auc > 0.75"', f'metric = "auc > 0.75"\nbias = "{bias}"'


@pytest.mark.parametrize(
    ("standards", "changes", "sentence"),
    [
        ('facets = ["species", "sex"]', (),
         "[bias] facets: 'species, age>=2' was read, where sex must be among the facets too, "
         "each value by itself: the profile pets requires species, sex"),
        ("bias_gate = true", (('facets = "species, age>=2"', 'facets = ""'),),
         "[bias] facets: no facet was read, where one is right: the profile pets requires"),
        ("bias_gate = true", (), "[gate] bias: '' was read, which does not limit species, age>=2; "
                                 "the profile pets requires a bias gate over every facet"),
        ("bias_gate = true", (gated("dppl[species] < 0.1"),), "which does not limit age>=2; "),
        ("bias_gate = true", (gated("worst_dppl < 0.3"),), "which does not limit species, age>=2"),
        ("bias_gate = true", (gated("worst_di > 0.7"),), "which does not limit species, age>=2"),
        ('metric_gate = "auc > 0.8"', (),
         "[gate] metric: 'auc > 0.75' was read, where `auc > 0.75` is weaker than `auc > 0.8`: "
         "the profile pets requires `auc > 0.8` at least"),
        ('metric_gate = "auc > 0.7 and f1 > 0.5"', (), "where there is no `f1 > 0.5`: "),
        ('metric_gate = "auc > 0.7"', (("auc > 0.75", "auc > 0.75 or f1 > 0.9"),),
         "where there is no `auc > 0.7` and `f1 > 0.9` is enough: "),
        ("most_recall = 0.9", (("auc > 0.75", "recall > 0.5 or recall > 0.91"),),
         "[gate] metric: 'recall > 0.5 or recall > 0.91' was read, where a recall of at most 0.9 "
         "is right: the profile pets requires it"),
        ('problem = "regression"', (), "[project] problem: 'binary' was read, where regression"),
        ('protected_columns = ["sex", "age"]', (("[bias]\n", '[model]\nexclude = ["sex"]\n[bias]\n'),),
         "[model] exclude: age must be in it too: the profile pets requires models that "
         "do not see sex, age"),
    ],
)  # fmt: skip
def test_settings_below_the_standards_are_refused(
    tmp_path: Path, standards: str, changes: tuple[tuple[str, str], ...], sentence: str
) -> None:
    load(tmp_path, *changes)  # where the standards ask for nothing
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, *changes, profile=standards)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("pipeline.toml [")


NO_LIMITS = {
    "worst_dppl > 0.1": "`worst_dppl > 0.1` asks for bias",
    "worst_di < 0.8": "`worst_di < 0.8` asks for bias",
    "worst_dppl < 1": "`worst_dppl < 1` decides nothing: worst_dppl is a gap without a sign",
    "di[species] > 0": "`di[species] > 0` decides nothing: di is a ratio, 1 at best, and every",
    "worst_dppl < 0.1 or auc > 0.9": "`worst_dppl < 0.1` decides nothing where `auc > 0.9` is en",
    "dppl[species] > -0.1": "`dppl[species] > -0.1` decides nothing: dppl lies between 0 and 1",
    "worst_dppl < -0.1": "`worst_dppl < -0.1` decides nothing: worst_dppl lies between 0 and 1",
}
"""Bias gates that mean nothing, with what is said of each where no standard asks for one."""


@pytest.mark.parametrize("text", NO_LIMITS)
def test_a_bias_gate_that_limits_no_bias_is_refused_whoever_asked_for_it(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, gated(text))
    assert str(refused.value).startswith(f"pipeline.toml [gate] bias: {NO_LIMITS[text]}")
    with pytest.raises(SettingsError, match=r"^pipeline.toml \[gate\] bias: "):
        load(tmp_path, gated(text), profile="bias_gate = true")


def test_an_or_beside_bias_in_the_metric_gate_is_refused_too(tmp_path: Path) -> None:
    """It leaves a bias gate as it is, and looks like one that it is not."""
    beside = ("auc > 0.75", "auc > 0.75 or worst_dppl < 0.1")
    with pytest.raises(SettingsError, match=r"\[gate\] metric: `worst_dppl < 0.1` decides nothing"):
        load(tmp_path, beside)
    load(tmp_path, ("auc > 0.75", "auc > 0.75 and worst_dppl < 0.1"))


@pytest.mark.parametrize(
    "bias",
    [
        "worst_dppl < 0.2",
        "worst_dppl <= 0.2",
        "worst_di > 0.8",
        "worst_di >= 0.8",
        "dppl[species] < 0.1 and di[age_ge_2] > 0.9",
        "worst_dppl < 0.1 and auc < 0.99",
        "worst_dppl < 0.1 or worst_di > 0.9",
    ],
)
def test_a_gate_over_every_facet_meets_the_standards(tmp_path: Path, bias: str) -> None:
    assert load(tmp_path, gated(bias), profile="bias_gate = true").bias_gate


@pytest.mark.parametrize(
    "floor", ["auc > 0.75", "auc > 0.7", "auc >= 0.75", "auc > 0.7 or f1 > 0.9"]
)
def test_a_gate_at_the_floor_or_above_is_taken(tmp_path: Path, floor: str) -> None:
    standards = f'metric_gate = "{floor}"\nmost_recall = 0.9'
    assert str(load(tmp_path, profile=standards).metric_gate) == "auc > 0.75"
    at_most = ("auc > 0.75", "auc > 0.75 and recall > 0.9")
    assert load(tmp_path, at_most, profile=standards).recall_target == 0.9


def test_a_bias_gate_that_asks_for_it_meets_the_floor_too(tmp_path: Path) -> None:
    limited = gated("worst_dppl < 0.1 and flagged_share < 0.4")
    standards = 'metric_gate = "auc > 0.7 and flagged_share < 0.5"'
    assert load(tmp_path, limited, profile=standards).bias_gate


def test_a_floor_that_is_no_gate_is_named_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, profile='metric_gate = "rmse < 5"')
    assert str(refused.value).startswith(
        "profiles/pets.toml [profile] metric_gate: `rmse` is no metric of a binary"
    )


def test_settings_that_meet_the_other_standards_are_taken(tmp_path: Path) -> None:
    protected_columns = ("[bias]\n", '[model]\nexclude = ["age", "sex"]\n[bias]\n')
    standards = 'facets = ["age", "species"]\nprotected_columns = ["sex", "age"]'
    assert load(tmp_path, protected_columns, profile=standards).model.exclude == ("age", "sex")


def test_the_standards_hold_before_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[gate\] bias: '' was read"):
        load(tmp_path, (DATA, ""), profile="bias_gate = true")


def test_standards_that_cannot_be_read_are_named_by_their_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, profile="bias_gates = true")
    file = "profiles/pets.toml"
    assert str(refused.value).startswith(f"{file} [standards] bias_gates: there is no such key")
    (tmp_path / file).unlink()
    with pytest.raises(SettingsError, match=rf"^{file}: there is no such file in "):
        pipeline_settings.load(tmp_path)


def test_a_facet_called_as_a_column_of_the_store_is_refused(tmp_path: Path) -> None:
    hour = ("age = {", 'hour = { type = "number" }\nage = {')
    assert load(tmp_path, hour).data.columns["hour"]  # a raw column may be called so
    grouped = ('salt = "pets"', 'salt = "pets"\ngroup = "hour"')
    for change in (('"species, age>=2"', '"hour"'), grouped):
        with pytest.raises(SettingsError, match="'hour' is a column that the feature group has"):
            load(tmp_path, hour, change)


@pytest.mark.parametrize("key", ["record_id", "label"])
@pytest.mark.parametrize("name", ["is_deleted", "Write_Time", "event_time"])
def test_a_column_that_the_store_would_overwrite_is_refused(
    tmp_path: Path, key: str, name: str
) -> None:
    line = next(line for line in LEAST.splitlines() if line.startswith(f"{key} = "))
    with pytest.raises(SettingsError, match=f"{key}: '{name}' was read, where another name"):
        load(tmp_path, (line, f'{key} = "{name}"'))


def test_the_path_of_a_refusal_is_the_keys(tmp_path: Path) -> None:
    """The template's hook finds the question that was answered by it."""
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, ('"auc > 0.75"', '"auc"'))
    assert refused.value.path == ("gate", "metric")


def test_settings_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        pipeline_settings.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2026-01-31T00:00:00Z", True),
        ("2026-1-31T00:00:00Z", False),
        ("2026-02-30T00:00:00Z", False),
        ("2026-01-31T00:00:00", False),
        ("2026-01-31T00:00:00+00:00", False),
        ("2026-01-31T00:00:00.5Z", False),
        ("' OR 1=1 --", False),
    ],
)
def test_a_moment_is_iso_8601_in_utc_to_the_second(text: str, right: bool) -> None:
    assert is_moment(text) is right


def test_settings_are_read_with_nothing_installed() -> None:
    """The template's hook reads them before any dependency is there."""
    code = "import sys; sys.path.insert(0, '.'); from cli.settings import load; import pathlib"
    code += "; load(pathlib.Path())"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("eta = {", "eta2 = {", "[tuning] ranges: 'eta2' was read, where one of alpha,"),
        ("min = 0.1,", "min = -3.0,", "[tuning] ranges: 'eta -3 to 0.5' was read, where eta from"),
        ("[tuning]\n", '[tuning]\nstatic = { objective = "reg:squarederror" }\n',
         "[tuning] static: ['objective'] was read, where hyperparameters that do not follow"),
        ("[tuning]\n", '[tuning]\njobs = 6\nalgorithms = ["xgboost", "lightgbm"]\n'
         'static = { scale_pos_weight = "10" }\n', "[tuning] static: ['scale_pos_weight'] was"),
        ("[tuning]\n", "[tuning]\njobs = 751\n", "[tuning] jobs: 751 was read, where at most 750"),
        ("[tuning]\n", "[tuning]\nseed = -1\n", "[tuning] seed: -1 was read, where 0 or more"),
        ("[bias]\n", '[compute]\ntraining_instance = "potato"\n[bias]\n',
         "[compute] training_instance: 'potato' was read, where an instance type such as"),
        ("[bias]\n", '[environments.prod]\naccount = "111122223333"\nregion = "eu-west-1"\n'
         'role = "rolle"\n[bias]\n', "[environments.prod] role: 'rolle' was read, where a role's"),
        ("[bias]\n", '[environments.prod]\naccount = "111122223333"\nregion = "eu-west-1"\n'
         'bucket = "Not A Bucket"\n[bias]\n', "[environments.prod] bucket: 'Not A Bucket' was"),
    ],
)  # fmt: skip
def test_what_could_never_run_is_refused_before_it_does(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, (old, new))
    assert sentence in str(refused.value)
