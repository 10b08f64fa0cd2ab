"""`pipeline.toml`: what is read, what is assumed, and what is refused with the key's name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ninesteps.cli import here
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
    features = settings.features_of(settings.environment())
    assert features.group == settings.model_package_group == "Pet-adoption"
    assert features.table == "pet_adoption"  # the data catalogue writes lowercase letters


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
    with pytest.raises(SettingsError, match="expected one of prod, got 'test'"):
        settings.environment("test")


PROD = '[environments.prod]\naccount = "111122223333"\nregion = "eu-west-1"\n'


@pytest.mark.parametrize(("length", "is_read"), [(45, True), (46, False), (63, False)])
def test_a_pipelines_name_leaves_room_for_that_of_each_environment(
    tmp_path: Path, length: int, is_read: bool
) -> None:
    change = ('pipeline = "Pet-adoption"', f'pipeline = "{"x" * length}"')
    if is_read:
        assert len(load(tmp_path, change, more=PROD).environment("prod").bucket_name) == 63
        return
    with pytest.raises(SettingsError, match="at most 50 characters with the pipeline's name, got"):
        load(tmp_path, change, more=PROD)


def test_environments_of_one_account_share_no_table(tmp_path: Path) -> None:
    more = PROD + PROD.replace("prod", "test") + '[environments.test.features]\ngroup = "Pets-2"\n'
    settings = load(tmp_path, more=f'[features]\nworkgroup = "team"\n{more}')
    prod, test = (settings.features_of(settings.environment(n)) for n in ("prod", "test"))
    assert (prod.group, prod.table) == ("pet-adoption-prod", "pet_adoption_prod")
    assert (test.group, test.table) == ("Pets-2", "pets_2")
    assert prod.workgroup == test.workgroup == "team"


def test_an_own_group_is_called_after_the_main_one_or_as_an_environment_says(
    tmp_path: Path,
) -> None:
    more = f"""
[features.owned.vet]
columns = ["weight"]
{PROD}
{PROD.replace("prod", "test")}
[environments.test.features.owned.vet]
group = "vets"
"""
    settings = load(tmp_path, more=more)
    named = {
        name: settings.features_of(settings.environment(name)).owned_groups["vet"]
        for name in ("local", "prod", "test")
    }
    assert {name: (group.group, group.table) for name, group in named.items()} == {
        "local": ("Pet-adoption-vet", "pet_adoption_vet"),
        "prod": ("pet-adoption-prod-vet", "pet_adoption_prod_vet"),
        "test": ("vets", "vets"),
    }


def test_a_shared_group_may_be_called_otherwise_in_each_environment(tmp_path: Path) -> None:
    more = f"""
[features.groups.pay]
group = "hr"
columns = ["salary"]
event_time = "at"
{PROD}
[environments.prod.features.groups.pay]
group = "hr-prod"
"""
    settings = load(tmp_path, more=more)
    prod, here = (settings.features_of(settings.environment(n)) for n in ("prod", "local"))
    assert (prod.groups["pay"].table, here.groups["pay"].table) == ("hr_prod", "hr")
    assert prod.groups["pay"].columns == ("salary",)
    # What runs here have put writes moments in one way, whatever the account's group does.
    assert (prod.groups["pay"].event_time, here.groups["pay"].event_time) == ("at", "event_time")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('[features]\ngroup = "a--"', "[features] group: expected letters, digits, and - and _"),
        ('[features]\ntable = "Pets"', "[features] table: expected lowercase letters, digits"),
        ('[features]\ndatabase = ""', "[features] database: expected a name, got ''"),
        ('[features]\nevent_time = "write_time"', "[features] event_time: expected letters"),
        ('[features]\nevent_time = "age"', "[features] event_time: expected a name that no other"),
        ('[features]\nevent_time_type = "iso"', "expected string or fractional, got 'iso'"),
        ('[features]\nlocation = "s3://lake/x/"', "location: expected s3://bucket/prefix, with no"),
        ('[features]\ncatalog = "shared"', "[features] catalog_account: expected the account of"),
        (PROD + "[environments.prod.features]\nname = 1",
         "[environments.prod.features] name: unknown key; expected one of group, table"),
        (PROD + '[environments.prod.features.groups.pay]\ngroup = "hr"',
         "[environments.prod.features.groups.pay] columns: this key is missing"),
        ('[features.groups.Pay]\ngroup = "hr"\ncolumns = ["a"]',
         "[features] groups: expected a name of lowercase letters, digits and _"),
        ('[features.groups.pay]\ngroup = "hr"\ncolumns = ["a", "a"]',
         "[features.groups.pay] columns: expected a list of different names"),
        ('[features.owned.own]\ncolumns = ["x"]', "[features] owned: expected a name of lowercase"),
        ('[features.owned.vet]\ncolumns = []', "[features.owned.vet] columns: expected a list of"),
        ('[features.owned.vet]\ncolumns = ["x", "X"]', "columns: expected a list of different"),
        ('[features.owned.vet]\ncolumns = ["city*"]', "columns: expected a list of different"),
        ('[features.owned.vet]\ncolumns = ["adopted"]',
         "[features.owned.vet] columns: expected features that no other group has, got 'adopted'"),
        ('[features.owned.vet]\ncolumns = ["x"]\nstore = ".."', "store: unknown key; expected one"),
        ('[features.owned.vet]\ncolumns = ["x"]\n[features.groups.vet]\ngroup = "hr"\n'
         'columns = ["x"]', "[features.owned] vet: expected a name that is not in [feat"),
        ('[features.owned.vet]\ncolumns = ["x"]\ngroup = "pet-adoption"',
         "[features.owned.vet] group: expected a group and a table that no other own group has"),
        ('[features.owned.vet]\ncolumns = ["x"]\ntable = "pet_adoption"',
         "[features.owned.vet] group: expected a group and a table that no other own group has"),
        (f'[features]\ngroup = "{"g" * 61}"\n[features.owned.vet]\ncolumns = ["x"]',
         "[features.owned.vet] group: expected letters, digits, and - and _ within, at most 64 ch"),
        ('[features.owned.vet]\ncolumns = ["x"]\n[features.owned.sex]\ncolumns = ["y", "x"]',
         "[features.owned.sex] columns: expected features that no other group has, got 'x', which "
         "is in [features.owned.vet]"),
        ('[features.owned.vet]\ncolumns = ["x"]\n' + PROD
         + '[environments.prod.features.owned.vet]\ncolumns = ["x", "y"]',
         "[environments.prod.features.owned] vet: expected the groups and columns of [features.o"),
        (PROD + '[environments.prod.features.owned.vet]\ncolumns = ["y"]',
         "[environments.prod.features.owned] vet: expected the groups and columns of [features.o"),
        ('[features.owned.vet]\ncolumns = ["Recency"]',
         "expected features that no other group has, got 'Recency', which is in every feature"),
        (PROD + '[environments.prod.features]\nworkgroup = "a b"',
         "[environments.prod.features] workgroup: expected letters, digits"),
        (PROD + "features = 1", "[environments.prod] features: expected a table, got 1"),
    ],
)  # fmt: skip
def test_a_wrong_name_of_the_feature_store_is_named(
    tmp_path: Path, more: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, more=f"\n{more}\n")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('prefix = "Pet"\n', "", "[project] prefix: this key is missing"),
        ("[split]\n", "[splits]\n",
         "pipeline.toml splits: unknown key; expected one of project, split, tuning, gate, "
         "data, features, bias, approval, model, judge, schedule, compute, deploy, ab, aws, "
         "notify, environments"),
        ('salt = "pets"', 'salt = "pets"\nsalty = 1',
         "[split] salty: unknown key; expected one of salt, by, group, train, validation, "
         "test, min_positives"),
        ('name = "Pets"', "name = 7", "[project] name: expected a string, got 7"),
        ('salt = "pets"', 'salt = "p"\ntrain = "0.7"',
         "[split] train: expected a number, got '0.7'"),
        ('salt = "pets"', 'salt = "p"\ntrain = true', "[split] train: expected a number, got True"),
        ('salt = "pets"', 'salt = "p"\nmin_positives = 2.5', 
         "[split] min_positives: expected a whole number, got 2.5"),
        ('salt = "pets"', 'salt = "p"\ntrain = 0.8', "shares above 0 that add up to 1"),
        ('salt = "pets"', 'salt = "p"\ntrain = nan',
         "[split] train: expected a finite number, got nan"),
        ('salt = "pets"', 'salt = "p"\nmin_positives = 0',
         "[split] min_positives: expected 1 or more, got 0"),
        ('salt = "pets"', 'salt = "p"\ntrain = 1.0\ntest = -0.15', "shares above 0"),
        ('[split]\nsalt = "pets"', "[[split]]", "split: expected a table, got [{}]"),
        ('"Pet-adoption"', '"pet_adoption"', "letters, digits and single hyphens between them"),
        ('"Pet-adoption"', f'"{"a-" * 40}a"',
         "expected letters, digits and single hyphens between them, at most 63 characters, got "
         "'a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a'"),
        ('prefix = "Pet"', 'prefix = "9"',
         "[project] prefix: expected letters and digits, a letter first, at most 20 "
         "characters, got '9'"),
        ('prefix = "Pet"', 'prefix = "Pet"\nproblem = "ranking"', "binary or regression"),
        ('type = "number"', 'type = "float"',
         "[data.columns.age] type: expected number, date, category, text, conversation, got "
         "'float'"),
        (', format = "%Y-%m-%d"', "",
         '[data.columns.born] format: expected the format of a date, such as "%Y-%m-%d", got '
         "''"),
        ('"cat", "dog"', "",
         "[data.columns.species] values: expected the known values of a category, such as "
         '["a", "b"], got []'),
        ('"%Y-%m-%d"', '"%Q"',
         '[data.columns.born] format: expected the format of a date, such as "%Y-%m-%d", got '
         "'%Q'"),
        ('"cat", "dog"', '"cat", "cat"',
         "expected a list of different strings, none empty, got ['cat', "),
        ('"cat", "dog"', '"cat", ""',
         "expected a list of different strings, none empty, got ['cat', "),
        ('record_id = "chip"', 'record_id = "age"',
         "[data] record_id: expected a column that [data.columns] does not have, got 'age'"),
        ('label = "adopted"', 'label = "chip"',
         "[data] label: expected a column that is neither the record id nor in "
         "[data.columns], got 'chip'"),
        ('label = "adopted"', 'label = "species"',
         "[data] label: expected a column that is neither the record id nor in "
         "[data.columns], got 'species'"),
        ("age = {", 'event_time = { type = "number" }\nage = {',
         "[data] columns: expected another name (the feature group has a column of this "
         "one), got 'event_time'"),
        ('["cat", "dog"]', '"cat"', "expected a list, got '"),
        ('"cat", "dog"', '"cat", 7', "expected a string, got 7"),
        ('"2026-01-31T00:00:00Z"', '"2026-01-31"', "a time in UTC such as 2026-01-31T00:00:00Z"),
        ('snapshot = "2026-01-31T00:00:00Z"', "", "either a time (snapshot) or a column"),
        ('snapshot = "', 'event_time = "seen"\nsnapshot = "', "either a time (snapshot)"),
        ('snapshot = "', 'window_days = 7\nsnapshot = "',
         "[data] window_days: expected 0, since all rows describe one time (snapshot), got 7"),
        ('snapshot = "', 'window_days = -1\nsnapshot = "', "expected 0 to 36500 days, got -1"),
        ('"validation:auc"', '"validation:AUC"',
         "[tuning] objective: expected validation:auc, validation:map, validation:logloss, "
         "validation:rmse, validation:mae, validation:loss, got 'validation:AUC'"),
        ('"validation:auc"', '"validation:rmse"',
         "expected validation:auc or validation:map or validation:logloss for a binary "
         "problem, got 'validation:rmse'"),
        ("min = 0.1", "min = 0.5",
         "[tuning.ranges.eta] min: expected a number below max = 0.5, got 0.5"),
        ("max = 0.5", 'max = 0.5, scaling = "Log"',
         "expected Auto, Linear, Logarithmic, got 'Log'"),
        ("max = 0.5", "max = inf", "[tuning.ranges.eta] max: expected a finite number, got inf"),
        ("max = 0.5", 'max = 0.5, integer = "yes"', "expected true or false, got 'yes'"),
        ("max = 0.5", "max = 2, integer = true", 
         "[tuning.ranges.eta] min: expected a whole number, got 0.1"),
        ("min = 0.1", 'scaling = "Logarithmic", min = 0', "above 0 for a logarithmic scale"),
        ("[tuning.ranges]", '[tuning.static]\neta = "1"\n[tuning.ranges]',
         "[tuning] static: expected hyperparameters that are not in [tuning.ranges], got "
         "['eta']"),
        ("eta = { min = 0.1, max = 0.5 }", "", "a range for at least one hyperparameter"),
        ('"validation:auc"', '"validation:auc"\njobs = 2',
         "[tuning] parallel: expected between 1 and jobs = 2, got 4"),
        ('"validation:auc"', '"validation:auc"\njobs = 0',
         "[tuning] jobs: expected 1 or more for xgboost, got 0"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = []',
         "[tuning] algorithms: expected one or more of xgboost, lightgbm, lora, got []"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = ["trees"]',
         "[tuning] algorithms: expected one or more of xgboost, lightgbm, lora, got ['trees']"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = ["xgboost", "xgboost"]',
         "[tuning] algorithms: expected one or more of xgboost, lightgbm, lora, got ['xgboost', "
         "'xgboost']"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = ["xgboost", "lightgbm"]\njobs = 5',
         "[tuning] jobs: expected 6 or more for xgboost and lightgbm, got 5"),
        ('"validation:auc"', '"validation:auc"\nalgorithms = "xgboost"', "expected a list, got '"),
        ('record_id = "chip"\n', "", "[data] record_id: expected the name of a column, got ''"),
        ('label = "adopted"\n', "",
         "[data] label: expected the column to predict (`pipeline schema FILE --label NAME`"),
        ('label = "adopted"', 'label = "adopted"\nnumber_rows = "yes"',
         "expected true or false, got 'yes'"),
        ('"number"', '"text"',
         "[bias] facets: expected a column of numbers for `age>=2`, got a text"),
        ('salt = "pets"', 'salt = "p"\nby = "chance"',
         "[split] by: expected hash or time, got 'chance'"),
        ('salt = "pets"', 'salt = "p"\nby = "time"',
         "[split] by: expected 'hash' because [data] has no event_time, got 'time'"),
        ('salt = "pets"', 'salt = "p"\ngroup = "owner"',
         "[split] group: expected a column of [data.columns] (age, born, species), got 'owner'"),
        ("[bias]\n", '[model]\nthreshold = "best"\n[bias]\n',
         "[model] threshold: expected accuracy, f1, recall, got 'best'"),
        ("[bias]\n", '[model]\nthreshold = "recall"\n[bias]\n',
         '[gate] metric: expected a `recall > ...`, by which [model] threshold = "recall" '
         "is chosen, got 'auc > 0.75'"),
        ("[bias]\n", "[bias]\nthreshold = 5\n",
         "[bias] threshold: expected nothing for a binary label, got 5"),
        ("[bias]\n", '[bias]\nthreshold = "train median"\n',
         "[bias] threshold: expected nothing for a binary label, got 'train median'"),
        ("[bias]\n", '[bias]\nthreshold = "median"\n',
         "[bias] threshold: expected \"train median\" or a number, got 'median'"),
        ('"auc > 0.75"', '"auc > high"',
         "[gate] metric: expected a finite number after `auc >`, got `high`"),
        ('"auc > 0.75"', '"auc > 0.75"\nbias = "di[dog] > 1"',
         "[gate] bias: expected one of this pipeline's facets (species, age_ge_2), got "
         "`di[dog]`"),
        ('"species, age>=2"', '"species, age<2"',
         "[bias] facets: expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, "
         "got `age<2`"),
        ('"species, age>=2"', '"born>=2"',
         "[bias] facets: expected a column of numbers for `born>=2`, got a date"),
        ("[bias]\n", "[bias]\nfavourable_label = 2\n",
         "[bias] favourable_label: expected 0 or 1, got 2"),
        ("[bias]\n", "[bias]\nmin_group_size = 0\n",
         "[bias] min_group_size: expected 1 or more, got 0"),
        ("[bias]\n", "[compute]\ntraining_count = 0\n[bias]\n",
         "[compute] training_count: expected 1 or more, got 0"),
        ("[bias]\n", "[compute]\ntraining_hours = 673\n[bias]\n",
         "[compute] training_hours: expected 1 to 672, got 673"),
        ("[bias]\n", "[compute]\nprocessing_hours = 0\n[bias]\n",
         "[compute] processing_hours: expected 1 to 120, got 0"),
        ("[bias]\n", "[approval]\ndays_to_answer = 11\n[bias]\n", 
         "[approval] days_to_answer: expected 1 to 10, got 11"),
        ("[bias]\n", "[schedule]\narrival_interval_hours = 121\n[bias]\n",
         "[schedule] arrival_interval_hours: expected 0 to 120, got 121"),
        ("[bias]\n", '[schedule]\nwhen_too_soon = "later"\n[bias]\n',
         "[schedule] when_too_soon: expected wait or drop, got 'later'"),
        ('"species, age>=2"', '"breed"',
         "expected a column of [data.columns] (age, born, species), got 'breed'"),
        ('group_variable = "species"', 'group_variable = "breed"', "[bias] group_variable"),
        ('[bias]\n', '[aws]\nregion = "Mars"\n[bias]\n', 
         "a region that has SageMaker's XGBoost image, such as "),
        ('[bias]\n', '[environments.x]\naccount = "12"\nregion = "us-east-1"\n[bias]\n',
         "[environments.x] account: expected 12 digits, got '12'"),
        ("[project]", "[project", "pipeline.toml: not valid TOML:"),
        ('name = "Pets"', 'name = "Pets"\nname = "Pets"', "pipeline.toml: not valid TOML:"),
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


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ('["aged"]', "columns: expected columns of [data.columns], or event_time, got 'aged'; did "
         "you mean 'age'?"),
        ('["species"]', "columns: expected columns that features.py gets, got 'species', which is "
         "in [model] exclude"),
    ],
)  # fmt: skip
def test_a_feature_is_computed_from_columns_that_there_are(
    tmp_path: Path, columns: str, sentence: str
) -> None:
    more = '\n[model]\nexclude = ["species"]\n\n[features.dictionary]\n'
    load(tmp_path, more=f'{more}years = {{ meaning = "Years", columns = ["age", "event_time"] }}')
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, more=f'{more}years = {{ meaning = "Years", columns = {columns} }}')
    assert str(refused.value) == f"pipeline.toml [features.dictionary.years] {sentence}"


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
        ("[bias]\n", "[bias]\nthreshold = true\n", "[bias] threshold: expected a string, got True"),
        ("[bias]\n", "[bias]\nthreshold = inf\n",
         "[bias] threshold: expected a finite number, got inf"),
        ("[bias]\n", "[bias]\nfavourable_label = 0\n",
         "[bias] favourable_label: expected 1 for a regression (above the threshold is "
         "favourable), got 0"),
        ("[tuning]\n", '[tuning]\nobjective = "validation:auc"\n',
         "[tuning] objective: expected validation:rmse or validation:mae for a regression "
         "problem, got 'validation:auc'"),
        ("rmse < 100", "auc > 0.7",
         "[gate] metric: expected a metric of a regression problem (rmse, mae, r2, "
         "worst_dppl, worst_di, worst_mean_residual, dppl[facet], di[facet]), got `auc`"),
        ("[model]\n", '[model]\nthreshold = "recall"\n',
         "[model] threshold: expected no threshold for a regression problem, got 'recall'"),
        ("[data]\n", '[data]\npositive = "Yes"\n',
         "[data] positive: expected nothing for a regression, whose label is a number, got 'Yes'"),
    ],
)  # fmt: skip
def test_what_a_regression_cannot_have_is_named(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, (old, new), text=REGRESSION)
    assert sentence in str(refused.value)


def with_metrics(names: str, metric: str = "auc > 0.75") -> tuple[str, str]:
    return 'metric = "auc > 0.75"', f'metric = "{metric}"\nmetrics = {names}'


def test_a_gate_may_name_metrics_of_ones_own(tmp_path: Path) -> None:
    named = with_metrics('["lift", "cost_2"]', "auc > 0.75 and lift > 3 and cost_2 < -1")
    settings = load(tmp_path, named, profile='metric_gate = "auc > 0.7"')
    assert settings.gate.metrics == ("lift", "cost_2")
    assert str(settings.full_gate) == "auc > 0.75 and lift > 3 and cost_2 < -1"
    assert load(tmp_path, with_metrics("[]")).gate.metrics == ()


def test_a_metric_of_ones_own_meets_no_floor(tmp_path: Path) -> None:
    named = with_metrics('["lift"]', "lift > 3")
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, named, profile='metric_gate = "auc > 0.7"')
    assert str(refused.value) == (
        "pipeline.toml [gate] metric: expected at least `auc > 0.7`, got 'lift > 3', where there "
        "is no `auc > 0.7`: the profile pets requires it"
    )
    with pytest.raises(SettingsError, match=r"^profiles/pets\.toml .*, got `lift`"):
        load(tmp_path, named, profile='metric_gate = "lift > 2"')


NO_NAME = "expected lowercase letters, digits and _, a letter first, at most 40 characters, got "


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ('["Lift"]', f"{NO_NAME}'Lift'"),
        ('["2nd"]', f"{NO_NAME}'2nd'"),
        ('["_lift"]', f"{NO_NAME}'_lift'"),
        ('["a-b"]', f"{NO_NAME}'a-b'"),
        ('[""]', f"{NO_NAME}''"),
        (f'["{"a" * 41}"]', f"{NO_NAME}'{'a' * 41}'"),
        ('["auc"]', "expected a name that no other metric and no word of a gate has, got 'auc'"),
        ('["rmse"]', "expected a name that no other metric and no word of a gate has, got 'rmse'"),
        ('["dppl"]', "expected a name that no other metric and no word of a gate has, got 'dppl'"),
        (
            '["champion"]',
            "expected a name that no other metric and no word of a gate has, got 'champion'",
        ),
        ('["and"]', "expected a name that no other metric and no word of a gate has, got 'and'"),
        ('["a", "a"]', "expected different names, got ['a', 'a']"),
        ('"lift"', "expected a list, got 'lift'"),
    ],
)
def test_what_a_metric_of_ones_own_cannot_be_called(
    tmp_path: Path, names: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, with_metrics(names))
    assert str(refused.value) == f"pipeline.toml [gate] metrics: {sentence}"


OLD_KEY = "[approval]\ntwo_pairs_of_eyes = true\n"
NOTICE = (
    "pipeline.toml [approval] two_pairs_of_eyes: this key is now called require_second_approver; "
    "the old name still works"
)


def test_the_old_name_of_a_key_is_read_and_noticed(tmp_path: Path) -> None:
    settings = load(tmp_path, more=OLD_KEY)
    assert settings.approval.require_second_approver
    assert settings.notices == (NOTICE,)
    new = load(tmp_path, more="[approval]\nrequire_second_approver = true\n")
    assert new == settings
    assert new.notices == ()


def test_both_names_of_a_key_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, more=f"{OLD_KEY}require_second_approver = true\n")
    assert str(refused.value) == (
        "pipeline.toml [approval] two_pairs_of_eyes: expected only require_second_approver, its "
        "new name, got both"
    )


def test_notices_are_no_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"pipeline\.toml notices: unknown key"):
        load(tmp_path, ("[project]", "notices = []\n[project]"))


def test_a_command_prints_a_notice_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "pipeline.toml").read_text(encoding="utf-8")
    (tmp_path / "pipeline.toml").write_text(f"{text}\n{OLD_KEY}", encoding="utf-8")
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    here.show_notice.cache_clear()
    assert here.settings().approval.require_second_approver
    here.settings()
    printed = capsys.readouterr()
    assert printed.err == f"pipeline: notice: {NOTICE}\n"
    assert printed.out == ""


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
            SettingsError, match=r"\[gate\] metric: expected a `recall > ...`, by which .*, got '"
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
    assert "`pipeline schema FILE --label NAME --write`" in str(refused.value)


def test_settings_with_a_table_are_fit_for_a_run(tmp_path: Path) -> None:
    load(tmp_path).check_table()


def test_a_table_has_a_column_at_least(tmp_path: Path) -> None:
    columns = LEAST[LEAST.index("[data.columns]") : LEAST.index("[split]")]
    with pytest.raises(
        SettingsError, match=r"\[data\] columns: expected at least one column to .*, got \{\}"
    ):
        load(tmp_path, (columns, ""))


def test_what_is_no_column_matter_is_checked_without_a_table_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[gate\] metric: expected a finite .*, got `high`"):
        load(tmp_path, (DATA, ""), ("auc > 0.75", "auc > high"))


# Standards


def gated(bias: str) -> tuple[str, str]:
    return 'metric = "auc > 0.75"', f'metric = "auc > 0.75"\nbias = "{bias}"'


@pytest.mark.parametrize(
    ("standards", "changes", "sentence"),
    [
        ('facets = ["species", "sex"]', (),
         "[bias] facets: expected facets over sex too, value by value, got "
         "'species, age>=2': the profile pets requires species, sex"),
        ("bias_gate = true", (('facets = "species, age>=2"', 'facets = ""'),),
         "[bias] facets: expected at least one facet, got none: the profile pets requires a "
         "bias gate"),
        ("bias_gate = true", (),
         "[gate] bias: expected a limit for every facet, got '', which does not limit "
         "species, age>=2: the profile pets requires a bias gate over every facet, such as "
         "`worst_dppl < 0.1` (at most 0.2) or `worst_di > 0.8` (at least 0.8)"),
        ("bias_gate = true", (gated("dppl[species] < 0.1"),),
         "expected a limit for every facet, got 'dppl[species] < 0.1', which does not limit "
         "age>=2: the profile pets requires a bias gate over every facet, such as "
         "`worst_dppl < 0.1` (at most 0.2) or `worst_di > 0.8` (at least 0.8)"),
        ("bias_gate = true", (gated("worst_dppl < 0.3"),), "which does not limit species, age>=2"),
        ("bias_gate = true", (gated("worst_di > 0.7"),), "which does not limit species, age>=2"),
        ('metric_gate = "auc > 0.8"', (),
         "[gate] metric: expected at least `auc > 0.8`, got 'auc > 0.75', where `auc > "
         "0.75` is weaker than `auc > 0.8`: the profile pets requires it"),
        ('metric_gate = "auc > 0.7 and f1 > 0.5"', (), "where there is no `f1 > 0.5`: "),
        ('metric_gate = "auc > 0.7"', (("auc > 0.75", "auc > 0.75 or f1 > 0.9"),),
         "where there is no `auc > 0.7` and `f1 > 0.9` is enough: "),
        ("most_recall = 0.9", (("auc > 0.75", "recall > 0.5 or recall > 0.91"),),
         "[gate] metric: expected a recall of at most 0.9, got 'recall > 0.5 or recall > "
         "0.91': the profile pets requires it, because a model that must find nearly all cases "
         "flags nearly everybody"),
        ('problem = "regression"', (),
         "[project] problem: expected regression, got 'binary': the profile pets requires it"),
        ('protected_columns = ["sex", "age"]',
         (("[bias]\n", '[model]\nexclude = ["sex"]\n[bias]\n'),),
         "[model] exclude: expected age to be excluded too, got ['sex']: the profile pets "
         "requires models that do not use sex, age"),
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
    "worst_dppl < 1": "`worst_dppl < 1` decides nothing: worst_dppl is an absolute gap",
    "di[species] > 0": "`di[species] > 0` decides nothing: di is a ratio, at best 1, so every",
    "worst_dppl < 0.1 or auc > 0.9": "`worst_dppl < 0.1` has no effect if `auc > 0.9` is en",
    "dppl[species] > -0.1": (
        "`dppl[species] > -0.1` decides nothing: dppl is always between 0 and 1"
    ),
    "worst_dppl < -0.1": (
        "`worst_dppl < -0.1` decides nothing: worst_dppl is always between 0 and 1"
    ),
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
    with pytest.raises(SettingsError, match=r"\[gate\] metric: `worst_dppl < 0.1` has no effect"):
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
        "profiles/pets.toml [profile] metric_gate: expected a metric of a binary problem (auc, "
    )


def test_settings_that_meet_the_other_standards_are_taken(tmp_path: Path) -> None:
    protected_columns = ("[bias]\n", '[model]\nexclude = ["age", "sex"]\n[bias]\n')
    standards = 'facets = ["age", "species"]\nprotected_columns = ["sex", "age"]'
    assert load(tmp_path, protected_columns, profile=standards).model.exclude == ("age", "sex")


def test_the_standards_hold_before_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"\[gate\] bias: expected a limit for every facet, got ''"
    ):
        load(tmp_path, (DATA, ""), profile="bias_gate = true")


def test_standards_that_cannot_be_read_are_named_by_their_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, profile="bias_gates = true")
    file = "profiles/pets.toml"
    assert str(refused.value).startswith(
        f"{file} [profile] bias_gates: unknown key; expected one of"
    )
    (tmp_path / file).unlink()
    with pytest.raises(
        SettingsError, match=r"\[project\] profile: expected one of assist, .*, got 'pets'"
    ):
        pipeline_settings.load(tmp_path)


HOUR = ("age = {", 'hour = { type = "number" }\nage = {')


@pytest.mark.parametrize(
    "change",
    [
        ('"species, age>=2"', '"hour"'),
        ('group_variable = "species"', 'group_variable = "hour"'),
        ('salt = "pets"', 'salt = "pets"\ngroup = "hour"'),
    ],
)
def test_a_kept_column_called_as_one_of_the_store_needs_a_stored_name(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    assert load(tmp_path, HOUR).data.columns["hour"]  # a raw column may be called so
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, HOUR, change)
    assert str(refused.value).endswith(
        'got \'hour\': add the line "hour" = "hour_value" to [data.stored] to store it under '
        "that name"
    )
    more = '[data.stored]\n"hour" = "hour_value"\n'
    data = load(tmp_path, HOUR, change, more=more).data
    assert (data.stored_name("hour"), data.stored_name("age")) == ("hour_value", "age")


@pytest.mark.parametrize("key", ["record_id", "label"])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("is_deleted", '"is_deleted" = "is_deleted_value"'),
        ("Write_Time", '"Write_Time" = "write_time_value"'),
        ("Customer ID", '"Customer ID" = "customer_id"'),
        ("_id", '"_id" = "id"'),
        ("x" * 65, f'"{"x" * 65}" = "{"x" * 56}"'),
        ("Größe", '"Größe" = "grosse"'),
        ("年齢", '"年齢" = "column"'),
        ("Spe cies", '"Spe cies" = "spe_cies"'),
    ],
)
def test_a_name_that_no_feature_group_takes_is_refused_with_the_line_to_add(
    tmp_path: Path, key: str, name: str, line: str
) -> None:
    old = next(line for line in LEAST.splitlines() if line.startswith(f"{key} = "))
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, (old, f'{key} = "{name}"'))
    assert refused.value.path == ("data", key)
    assert f"got '{name}': add the line {line} to [data.stored]" in refused.value.message
    data = load(tmp_path, (old, f'{key} = "{name}"'), more=f"[data.stored]\n{line}\n").data
    assert getattr(data, key) == name


def test_event_time_is_no_name_but_the_moments(tmp_path: Path) -> None:
    for key, old in (("record_id", "chip"), ("label", "adopted")):
        change = (f'{key} = "{old}"', f'{key} = "event_time"')
        with pytest.raises(SettingsError, match=f"{key}: expected another name .*, got 'event_tim"):
            load(tmp_path, change)


def test_stored_names_differ_in_more_than_their_case(tmp_path: Path) -> None:
    other = ("age = {", 'Species = { type = "text" }\nage = {')
    facets = ('"species, age>=2"', '"Species, age>=2"')
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, other, facets)
    assert refused.value.message == (
        "expected names that differ in more than case, got 'species' and 'Species': add the "
        'line "Species" = "species_2" to [data.stored] to store it under that name'
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('"breed" = "b"', "stored: expected record_id, label or a column of [data.columns], got "),
        ('"age" = "the age"', "expected letters, digits, and - and _ within, at most 64 charact"),
        ('"age" = "Year"', "none of event_time, api_invocation_time, write_time, is_deleted, yea"),
        (f'"age" = "{"x" * 65}"', "at most 64 characters; none of"),
    ],
)
def test_a_stored_name_is_one_that_a_feature_group_takes(
    tmp_path: Path, line: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, more=f"[data.stored]\n{line}\n")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("facets", "sentence"),
    [
        ("age=1.0", "expected 1, as the number is stored, got 1.0 in `age=1.0`"),
        ("age=01", "expected 1, as the number is stored, got 01 in `age=01`"),
        ("age=2|1e1", "expected 10, as the number is stored, got 1e1 in `age=2|1e1`"),
        ("age=.50", "expected 0.5, as the number is stored, got .50 in `age=.50`"),
        ("age=old", "expected numbers, as age is in [data.columns], got old in `age=old`"),
        ("age=nan", "expected numbers, as age is in [data.columns], got nan in `age=nan`"),
        ("born=2020-01-31",
         "expected a column of numbers, a category or a text for `born=2020-01-31`, got a date"),
    ],
)  # fmt: skip
def test_a_facet_names_values_as_they_are_stored(
    tmp_path: Path, facets: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, ('"species, age>=2"', f'"{facets}"'))
    assert refused.value.message == sentence


def test_a_facet_of_numbers_as_they_are_stored_is_taken(tmp_path: Path) -> None:
    facets = ('"species, age>=2"', '"age=1|0.5|-3|1e+16"')
    assert load(tmp_path, facets).facets[0].values == ("1", "0.5", "-3", "1e+16")


WORDS = 'missing = ["?", "-"]\npositive = ["Yes", "yes"]\nnegative = ["No", "Maybe"]\n'


def test_words_and_limits_of_the_raw_table(tmp_path: Path) -> None:
    plain = load(tmp_path).data
    assert (plain.missing, plain.positives, plain.negative) == ((), (), ())
    assert (plain.quality.unreadable, plain.quality.dropped) == (0.05, 0.2)
    more = "[data.quality]\nunreadable = 0\ndropped = 1\n"
    data = load(tmp_path, ("[data.columns]", f"{WORDS}[data.columns]"), more=more).data
    assert (data.missing, data.positives) == (("?", "-"), ("Yes", "yes"))
    assert (data.quality.unreadable, data.quality.dropped) == (0, 1)
    one = load(tmp_path, ("[data.columns]", 'positive = "Yes"\n[data.columns]')).data
    assert one.positives == ("Yes",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("", 'undecided = ["NA", "None"]\n',
         "[data] undecided: expected an empty list: move each word that means \"no value\" to "
         "[data] missing, and delete each that is a value, got ['NA', 'None']"),
        ("", 'missing = ["NA", ""]\n', "[data] missing: expected a list of different strings"),
        ("", 'missing = [" NA"]\n', "[data] missing: expected a list of different strings"),
        ("", 'missing = "NA"\n', "[data] missing: expected a list, got 'NA'"),
        ("", 'missing = ["cat"]\n',
         "[data] columns.species.values: expected no word that is also in [data] missing (cat), "
         "got ['cat'"),
        ("", 'missing = ["Y"]\npositive = "Y"\n',
         "[data] positive: expected no word that is also in [data] missing (Y), got ['Y']"),
        ("", 'negative = ["No"]\n', "[data] negative: expected positive to be set too, got ['No']"),
        ("", 'positive = "Y"\nnegative = ["N", "Y"]\n',
         "[data] negative: expected words that are not in positive, got ['Y']"),
        ("", "positive = 1\n", "[data] positive: expected a string, got 1"),
        ("", 'positive = ["Y", 1]\n', "[data] positive: expected a string, got 1"),
        ("", 'event_time_format = "%d.%m.%Y"\n',
         "[data] event_time_format: expected none where event_time names no column, got '%d"),
        ("", 'label_column = { type = "text" }\n',
         '[data] label_column: expected type = "number", with its notation, got \'text\''),
        ("", 'label_column = { type = "number", unit = "$" }\n',
         "[data] label_column: expected no such key for a binary label; [data] positive"),
        ('type = "number"', 'type = "number", decimal = ";"',
         '[data.columns.age] decimal: expected "." or ",", got \';\''),
        ('type = "number"', 'type = "number", thousands = "."',
         "thousands: expected one of \",\", \".\", \" \" and \"'\", other than decimal"),
        ('type = "number"', 'type = "number", unit = "2"',
         "[data.columns.age] unit: expected a text such as \"$\", \"%\" or \"kg\", got '2'"),
        ('type = "number"', 'type = "number", unit = " kg"', "unit: expected a text such as"),
        ('type = "number"', 'type = "number", parentheses = "yes"',
         "parentheses: expected true or false, got 'yes'"),
        ('format = "%Y-%m-%d"', 'format = "%Y-%m-%d", thousands = ","',
         "[data.columns.born] thousands: expected none for a date: only numbers have it, got ','"),
        ('format = "%Y-%m-%d"', 'format = "%Y-%Y"',
         "[data.columns.born] format: expected the format of a date, such as"),
    ],
)  # fmt: skip
def test_a_wrong_word_of_the_raw_table_is_named(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    change = (old, new) if old else ("[data.columns]", f"{new}[data.columns]")
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, change)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "notation",
    ['decimal = ",", thousands = "."', "thousands = \" \"", 'unit = "$"', 'unit = "m2"',
     'unit = "km/h"', "parentheses = true", 'thousands = "\'"'],
)  # fmt: skip
def test_a_number_may_be_in_ordinary_notation(tmp_path: Path, notation: str) -> None:
    column = load(tmp_path, ('type = "number"', f'type = "number", {notation}')).data.columns["age"]
    assert not column.is_plain
    assert load(tmp_path).data.columns["age"].is_plain


def test_an_event_time_may_have_a_format(tmp_path: Path) -> None:
    column = ('snapshot = "2026-01-31T00:00:00Z"', 'event_time = "seen"')
    more = ("[data.columns]", 'event_time_format = "%d.%m.%Y %H:%M"\n[data.columns]')
    assert load(tmp_path, column, more).data.event_time_format == "%d.%m.%Y %H:%M"
    with pytest.raises(SettingsError, match="event_time_format: expected the format of a time"):
        load(tmp_path, column, (more[0], 'event_time_format = "day"\n[data.columns]'))


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
        ("2026-01-31T00:00:00.5Z", True),
        ("2026-01-31T00:00:00.500Z", True),
        ("2026-01-31T00:00:00.500000Z", True),
        ("2026-01-31T00:00:00.Z", False),
        ("2026-01-31T00:00:00.5000000000Z", False),
        ("2026-01-31T00:00:0.5000Z", False),
        ("' OR 1=1 --", False),
    ],
)
def test_a_moment_is_iso_8601_in_utc_with_any_fraction_of_a_second(text: str, right: bool) -> None:
    assert is_moment(text) is right


def test_settings_are_read_with_nothing_installed() -> None:
    """The template's hook reads them before any dependency is there."""
    code = "import pathlib, sys; sys.path.insert(0, 'library/src')"
    code += "; from ninesteps.settings.loading import load; load(pathlib.Path())"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("eta = {", "eta2 = {",
         "[tuning] ranges: expected one of alpha, colsample_bylevel, colsample_bynode, "
         "colsample_bytree, eta, gamma, lambda, max_delta_step, max_depth, min_child_weight, "
         "num_round, subsample for xgboost, got 'eta2'"),
        ("min = 0.1,", "min = -3.0,",
         "[tuning] ranges: expected eta from 0 to 1, got 'eta -3 to 0.5'"),
        ("[tuning]\n", '[tuning]\nstatic = { objective = "reg:squarederror" }\n',
         "[tuning] static: expected hyperparameters that other settings do not determine, "
         "got ['objective']"),
        ("[tuning]\n", '[tuning]\njobs = 6\nalgorithms = ["xgboost", "lightgbm"]\n'
         'static = { scale_pos_weight = "10" }\n',
          "[tuning] static: expected some of alpha, colsample_bytree, eta, gamma, lambda, "
          "max_depth, min_child_weight, num_round, subsample for LightGBM, got "
          "['scale_pos_weight']"),
        ("[tuning]\n", "[tuning]\njobs = 751\n",
         "[tuning] jobs: expected at most 750 (SageMaker's limit), got 751"),
        ("[tuning]\n", "[tuning]\nseed = -1\n", "[tuning] seed: expected 0 to 4294967295, got -1"),
        *(("[bias]\n", f'[{table}]\n{key} = "{instance}"\n[bias]\n',
           f"[{table}] {key}: expected an x86 instance type (the XGBoost image is not built for "
           f"Arm), got '{instance}'")
          for table, key, instance in (
              ("compute", "processing_instance", "ml.m6g.large"),
              ("compute", "training_instance", "ml.p6e-gb200.36xlarge"),
              ("deploy", "instance_type", "ml.c7gn.xlarge"),
          )),
        *(("[bias]\n", f"[ab]\n{key} = {value}\n[bias]\n", f"[ab] {key}: expected {sentence}")
          for key, value, sentence in (
              ("outcome", '"Thumbs up"',
               "lowercase letters, digits and _, a letter first, at most 40 characters, got"),
              ("first_share", 0, "1 to 50 percent, got 0"),
              ("share", 5, "first_share to 90 percent: some users stay with the other "
               "version, got 5"),
              ("share", 100, "first_share to 90 percent: some users stay"),
              ("first_users", 0, "1 to 1000000, got 0"),
              ("alpha", 0.5, "0.001 to 0.2, got 0.5"),
              ("margin", -0.1, "0 to 0.2 (20 points), got -0.1"),
              ("min_users", 0, "1 to 1000000, got 0"),
              ("max_days", 6, "7 (a whole week) to 90, got 6"),
              ("on_inconclusive", '"toss"', "keep or take_over, got 'toss'"),
              ("salt", '"a b"', "letters, digits, dots, hyphens and _, at most 64 characters"),
              ("window_hours", 0, "1 to 336 (two weeks), got 0"),
              ("window_hours", "72\nmax_days = 9",
               "at most max_days less one week, got 72"),
              ("max_refusal_points", 0.0, "above 0, at most 100, got 0.0"),
          )),
        ("[bias]\n", '[compute]\ntraining_instance = "potato"\n[bias]\n',
         "[compute] training_instance: expected an instance type such as ml.m5.large, got "
         "'potato'"),
        ("[bias]\n", '[environments.prod]\naccount = "111122223333"\nregion = "eu-west-1"\n'
         'role = "rolle"\n[bias]\n',
          "[environments.prod] role: expected a role's ARN, such as "
          "arn:aws:iam::111122223333:role/Name, got 'rolle'"),
        ("[bias]\n", '[environments.prod]\naccount = "111122223333"\nregion = "eu-west-1"\n'
         'bucket = "Not A Bucket"\n[bias]\n',
          "[environments.prod] bucket: expected a bucket's name of lowercase letters, digits, "
          "dots and hyphens, got 'Not A Bucket'"),
    ],
)  # fmt: skip
def test_what_could_never_run_is_refused_before_it_does(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, (old, new))
    assert sentence in str(refused.value)
