"""Attrition owns three feature groups, and a second repository reads one: compensation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from conftest import Repository

Render = Callable[..., Repository]

GROUP = """
[features.groups.pay]
group = "{owner}-compensation"
columns = ["salary", "bonus"]
store = "../{owner}"

[environments.prod]
account = "111122223333"
region = "eu-west-1"

[environments.prod.features.groups.pay]
group = "{owner}-prod-compensation"
location = "s3://{owner}-prod-111122223333/{owner}/feature-store"
"""
STEP_1 = ("run", "--only", "AttritionModelProcess")


@pytest.fixture
def reader(render: Render) -> Repository:
    """A repository beside the owner's, with its settings extended by the group above."""
    owner = render(scenario="attrition", project_slug="owner")
    repository = render(scenario="attrition", project_slug="reader")
    settings = repository.path / "pipeline.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + GROUP.format(owner=owner.path.name), encoding="utf-8")
    return repository


def rows(repository: Path) -> dict[str, tuple[float | None, float | None]]:
    """Each employee's pay in a repository's own feature group."""
    pattern = f"{repository}/.local/s3/*/*/feature-store/*/data-compensation/**/*.parquet"
    found = duckdb.read_parquet(pattern).select("employee_id", "salary", "bonus")
    return {employee: (salary, bonus) for employee, salary, bonus in found.fetchall()}


def test_columns_of_anothers_group_are_features_under_the_groups_name(reader: Repository) -> None:
    owner = reader.path.parent / "owner"
    refused = reader.pipeline(*STEP_1, status=2).stderr
    assert "[features.groups.pay] store: expected a repository that has put" in refused

    Repository(owner).pipeline(*STEP_1)
    reader.pipeline(*STEP_1)
    (train,) = reader.path.glob(".local/s3/*/*/executions/*/AttritionModelProcess/train")
    columns = json.loads((train / "columns.json").read_text(encoding="utf-8"))
    assert columns["features"][-2:] == ["pay_salary", "pay_bonus"]
    found = duckdb.read_csv(f"{train}/train.csv", header=False, all_varchar=True)
    expected = rows(owner)
    read = {row[0]: tuple(v and float(v) for v in row[-2:]) for row in found.fetchall()}
    assert len(read) > 100
    assert all(expected[employee] == pay for employee, pay in read.items())


def test_in_an_account_the_query_names_the_tables_there(reader: Repository) -> None:
    reader.pipeline("compile", "--env", "prod")
    reader.pipeline("check")
