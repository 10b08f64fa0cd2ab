"""A gate that compares with the version that serves: a run, a deployment, and runs after it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Repository, library_of
from page_structure import check_structure

BY_JO = ("--who", "Jo", "--why", "as we asked")
GATE = "auc > 0.71 and auc >= champion.auc - 0.2"


def command(repository: Repository, *arguments: str) -> str:
    """A command that may connect to the endpoint here."""
    return repository.pipeline(*arguments, PYTHONPATH=str(library_of(repository.path))).stdout


@pytest.fixture(scope="module")
def serving(used: Repository) -> Iterator[Repository]:
    """A repository whose first version serves, and whose gate compares with it from now on."""
    used.edit("pipeline.toml", 'metric = "auc > 0.75"', f'metric = "{GATE}"')
    first = command(used, "run")
    assert "champion   no version serves: each comparison with the champion passes" in first
    command(used, "approve", "2", *BY_JO)
    command(used, "deploy", "2", "--port", "0", "--time-scale", "1000000")
    yield used
    command(used, "endpoint", "--stop")


def last(repository: Repository) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(repository.pipeline("show", "last", "--json").stdout)
    return content


def test_the_next_model_is_compared_with_the_version_that_serves(serving: Repository) -> None:
    before = last(serving)
    assert before["champion"]["outcome"] == "none serves"
    serving.edit("pipeline.toml", "seed = 20", "seed = 21")
    said = command(serving, "run")
    (auc, champion, difference) = re.findall(
        r"champion +auc (\S+), here (\S+): (\S+) \(95 % interval \S+ to \S+\)", said
    )[0]
    assert float(champion) - float(auc) == pytest.approx(float(difference), abs=2e-4)
    assert re.search(r"auc - champion\.auc \S+ >= -0\.2  passes by ", said)
    content = last(serving)
    archive = content["parameters"]["ChampionModel"]
    assert archive.startswith("s3://") and archive.endswith("/output/model.tar.gz")
    assert content["champion"]["uri"] == archive
    (page,) = re.findall(r"^report     (.+)$", said, re.MULTILINE)
    gate = check_structure((serving.path / page).read_text("utf-8")).section("gate").text
    assert "Beside the version that serves" in gate
    assert archive in gate
    again = command(serving, "run")
    assert again.count("Cached") >= 7  # step 3 among them: the same champion
    command(serving, "approve", "3", *BY_JO)


def test_a_champion_of_other_features_refuses_the_model_and_says_which(serving: Repository) -> None:
    serving.edit("pipeline.toml", "[model]\n", '[model]\nexclude = ["first_last_days_diff"]\n')
    try:
        said = command(serving, "run")
    finally:
        serving.edit("pipeline.toml", '[model]\nexclude = ["first_last_days_diff"]\n', "[model]\n")
    text = " ".join(said.split())
    assert (
        "champion the champion needs first_last_days_diff, which the test split does not have: no "
        "comparison with it passes"
    ) in text
    assert "came out false" in text
    assert last(serving)["status"] == "Succeeded"
