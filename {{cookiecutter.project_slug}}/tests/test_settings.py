"""`pipeline.toml`: what is read, what is assumed, and what is refused with the key's name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli import settings as pipeline_settings
from cli.settings import Settings, SettingsError, is_moment

ROOT = Path(__file__).resolve().parent.parent

LEAST = """\
[project]
name = "Pets"
pipeline = "Pet-adoption"
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


def load(folder: Path, *changes: tuple[str, str], more: str = "") -> Settings:
    """The settings above, with some of their text changed."""
    text = LEAST
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "pipeline.toml").write_text(text + more, encoding="utf-8")
    return pipeline_settings.load(folder)


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
    assert (settings.tuning.jobs, settings.tuning.parallel) == (12, 4)
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
    assert prod.bucket_name == "sagemaker-eu-west-1-111122223333"
    assert prod.role_arn == "arn:aws:iam::111122223333:role/SageMakerPipelineRole"
    assert settings.environment().account == pipeline_settings.DOCUMENTATION_ACCOUNT
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
        ('"auc > 0.75"', '"auc > high"', "[gate] metric: `high` after `auc >`"),
        ('"auc > 0.75"', '"auc > 0.75"\nbias = "di[dog] > 1"', "[gate] bias: `di[dog]` names no"),
        ('"species, age>=2"', '"species, age<2"', "[bias] facets: `age<2` is no facet"),
        ('"species, age>=2"', '"born>=2"', "[bias] facets: `born>=2` compares numbers with a date"),
        ("[bias]\n", "[bias]\nfavourable_label = 2\n", "[bias] favourable_label: 2 was read"),
        ("[bias]\n", "[bias]\nmin_group_size = 0\n", "[bias] min_group_size: 0 was read"),
        ("[bias]\n", "[compute]\ntraining_count = 0\n[bias]\n", "[compute] training_count: 0 was"),
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


def test_a_facet_called_as_a_column_of_the_store_is_refused(tmp_path: Path) -> None:
    hour = ("age = {", 'hour = { type = "number" }\nage = {')
    assert load(tmp_path, hour).data.columns["hour"]  # a raw column may be called so
    with pytest.raises(SettingsError, match="'hour' is a column that the feature group has"):
        load(tmp_path, hour, ('"species, age>=2"', '"hour"'))


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
