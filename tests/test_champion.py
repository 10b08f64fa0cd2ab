"""A gate that compares with the version that serves: a run, a deployment, and runs after it."""

from __future__ import annotations

import csv
import json
import re
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import EVERY_SCENARIO, Repository, library_of, render_scenario
from page_structure import check_structure

BY_JO = ("--who", "Jo", "--why", "as we asked")
GATE = "auc > 0.71 and auc >= champion.auc - 0.2"
TABLE, ROWS = "data/churn.csv", 1_000
SMALL = {
    'metric = "auc > 0.75"': f'metric = "{GATE}"',
    "jobs = 12": "jobs = 2",
    "parallel = 4": "parallel = 2",
    "min = 50, max = 300": "min = 5, max = 10",
}
"""What `pipeline.toml` has instead: two small trials, and a gate that speaks of the champion."""


def command(repository: Repository, *arguments: str) -> str:
    """A command that may connect to the endpoint here."""
    return repository.pipeline(*arguments, PYTHONPATH=str(library_of(repository.path))).stdout


def shorten(repository: Repository, rows: int) -> None:
    """Leave so many rows in the table: other data, of which no definition is compiled again."""
    file = repository.path / TABLE
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[: rows + 1]), encoding="utf-8")


@pytest.fixture(scope="module")
def serving(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository whose first version serves, made by a gate that compares with the champion."""
    repository = render_scenario(template, tmp_path_factory.mktemp("champion"), "churn")
    for old, new in SMALL.items():
        repository.edit("pipeline.toml", old, new)
    shorten(repository, ROWS)
    first = command(repository, "run")
    assert "champion   no version serves: each comparison with the champion passes" in first
    command(repository, "approve", "1", *BY_JO)
    command(repository, "deploy", "1", "--port", "0", "--time-scale", "1000000")
    yield repository
    command(repository, "endpoint", "--stop")


def last(repository: Repository) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(repository.pipeline("show", "last", "--json").stdout)
    return content


def test_the_example_of_a_request_is_answered_by_the_label_as_the_batch_was(
    serving: Repository,
) -> None:
    """The table's row alone; with what tells groups apart it has the batch's own answer."""
    comment, *lines = command(serving, "endpoint", "--example").splitlines()
    shown = re.search(r"record '(\w+)' of the test split, .*, without doorstep, city$", comment)
    body = json.loads(command(serving, "endpoint", "--example", "--json"))
    words = shlex.split("\n".join(lines).replace("\\\n", ""))  # as a shell joins lines
    assert shown and (words[0], json.loads(words[-1])) == ("curl", body)
    said = posted(words[-3], body)
    with (serving.path / TABLE).open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["custid"] == shown[1])
    assert all(row.get(name, text) == text for name, text in body["records"][0].items())
    assert [*said["predictions"][0]] == ["retained", "probability", "unknown"]
    (record,) = body["records"]
    everything = {"records": [{**record, "city": row["city"], "doorstep": row["doorstep"]}]}
    (whole,) = posted(words[-3], everything)["predictions"]
    (batch,) = serving.path.glob(".local/s3/**/test.csv.out")
    answers = {line.split(",")[0]: line.split(",")[1:] for line in batch.read_text().splitlines()}
    assert [str(whole["retained"]), f"{whole['probability']:.9g}"] == answers[shown[1]]


def posted(url: str, content: object) -> Any:
    """The endpoint's answer to JSON."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(content).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def test_the_next_model_is_compared_with_the_version_that_serves(serving: Repository) -> None:
    before = last(serving)
    assert before["champion"]["outcome"] == "none serves"
    shorten(serving, ROWS - 10)
    said = command(serving, "run")
    assert re.search(r"^champion +version 1, sha256 [0-9a-f]{12}$", said, re.MULTILINE)
    (auc, champion, difference) = re.findall(
        r"^ +auc (\S+), here (\S+): (\S+) \(95 % interval \S+ to \S+\)", said, re.MULTILINE
    )[0]
    assert float(champion) - float(auc) == pytest.approx(float(difference), abs=2e-4)
    assert re.search(r"auc - champion\.auc \S+ >= -0\.2  passes by ", said)
    content = last(serving)
    archive = content["parameters"]["ChampionModel"]
    assert archive.startswith("s3://") and archive.endswith("/output/model.tar.gz")
    assert (content["champion"]["uri"], content["champion"]["version"]) == (archive, 1)
    (page,) = re.findall(r"^report     (.+)$", said, re.MULTILINE)
    gate = check_structure((serving.path / page).read_text("utf-8")).section("gate").text
    assert "Compared with the version that serves" in gate
    assert re.search(rf"The champion is version 1, sha256 [0-9a-f]{{12}}, {archive}, scored", gate)
    check_lineage(serving, archive)
    again = command(serving, "run")
    assert again.count("Cached") >= 7  # step 3 among them: the same champion
    command(serving, "approve", "2", *BY_JO)


def check_lineage(serving: Repository, archive: str) -> None:
    """The champion's model reached step 3, and the new version did not come from it."""
    graph = json.loads(serving.pipeline("lineage", "2", "--json").stdout)
    by_id = {entity["id"]: entity for entity in graph["entities"]}
    (champion,) = [entity for entity in graph["entities"] if entity["uri"] == archive]
    own = champion["id"]
    (edge,) = [a for a in graph["associations"] if own in (a["source"], a["destination"])]
    evaluation = by_id[edge["destination"]]["properties"]["step"]
    assert (evaluation, edge["type"]) == ("ChurnEvalBestModel", "AssociatedWith")
    jobs = {entity["properties"].get("job") for entity in graph["entities"]}
    assert len(jobs) > 5
    assert archive.split("/")[-3] not in jobs  # which trained it
    found = json.loads(serving.pipeline("lineage", "--of", archive, "--json").stdout)["versions"]
    by_name = {use["name"].split()[-1]: use["is_in_model"] for use in found}
    assert by_name == {"1": True, "2": False}


@pytest.mark.skipif(
    not EVERY_SCENARIO, reason="the full tier: compiles again; step 3 is tested alone"
)
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
    assert "the model fails the gate" in text
    assert last(serving)["status"] == "Succeeded"
