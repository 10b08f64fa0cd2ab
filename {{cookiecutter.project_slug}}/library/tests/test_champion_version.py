"""Which version a model was compared with: on the page and card, in a comparison and a pack."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from audited_machine import Machine
from comparisons import side
from ninesteps.audit.contents import Contents
from ninesteps.audit.known import known
from ninesteps.audit.laws import load as laws
from ninesteps.local.execution import Execution
from ninesteps.model_card import schema
from ninesteps.model_card.content import Card
from ninesteps.registry.champion import Champion
from ninesteps.report import champion
from ninesteps.report.comparison.compare import compare
from ninesteps.report.evidence import collect
from ninesteps.report.page import build
from ninesteps.report.reading import Reading
from ninesteps.runs import champion as run_champion
from ninesteps.runs.run import resume
from ninesteps.settings.loading import load as churn
from ninesteps.settings.model_card import Statements
from page_structure import check_structure
from reports import EVALUATION, facts, files
from small_definitions import BUCKET, WRITE, Bench, get, s3_input
from test_model_card import registered_facts, version

SHA256 = hashlib.sha256(b"the second").hexdigest()
URI = "s3://bucket/pets/executions/older/output/model.tar.gz"
SCORED: dict[str, Any] = {
    "outcome": "scored", "says": "", "uri": URI, "sha256": SHA256,
    "auc_difference": {"value": 0.0123, "challenger": 0.9, "champion": 0.8877,
                       "interval": [-0.004, 0.031]},
    "bootstrap": {"resamples": 1000, "units": 404, "drawn": "rows", "source": "by percentiles"},
}  # fmt: skip
NONE_SERVES = {**SCORED, "outcome": "none serves", "says": "no version serves",
               "sha256": "0" * 64, "auc_difference": {"value": 0.0}}  # fmt: skip
EVALUATED = {**EVALUATION, "champion": SCORED}
CHURN = Path(__file__).resolve().parents[2]
PARAMETERS = {"AsOf": "2026-01-01T00:00:00Z", "ChampionModel": URI}


def archives() -> Iterator[tuple[int, str]]:
    """Version 4 came of these bytes again, after the run; what is older than 2 is not asked for."""
    yield from ((5, "5" * 64), (4, SHA256), (3, "3" * 64), (2, SHA256))
    pytest.fail("an older version was asked for")


def test_it_is_the_newest_version_before_with_the_same_archive() -> None:
    assert champion.version(EVALUATED, 3, archives) == 2
    assert champion.version(EVALUATED, None, archives) == 4
    assert Champion(SHA256, is_none=False).version(iter([(1, "1" * 64)]), 2) is None


@pytest.mark.parametrize(
    "evaluation",
    [EVALUATION, {**EVALUATION, "champion": NONE_SERVES}, {"champion": {"outcome": "scored"}}],
)
def test_where_there_is_none_the_registry_is_not_asked(evaluation: dict[str, Any]) -> None:
    def nothing() -> Iterator[tuple[int, str]]:
        pytest.fail("it was asked")
        yield

    assert champion.version(evaluation, 3, nothing) is None
    given = files(evaluation=evaluation)
    assert champion.version_of(facts(parameters=PARAMETERS), given, nothing) is None
    assert champion.version_of(facts(), files(evaluation=EVALUATED), nothing) is None


def test_the_page_names_it_beside_its_archive() -> None:
    run = facts(parameters=PARAMETERS, champion=2)
    gate = check_structure(build(run, files(evaluation=EVALUATED)).html).section("gate").text
    assert f"The champion is version 2, sha256 {SHA256[:12]}, {URI}, scored on the same" in gate
    other = facts(parameters=PARAMETERS)
    gate = check_structure(build(other, files(evaluation=EVALUATED)).html).section("gate").text
    assert f"The champion is an unknown version, sha256 {SHA256[:12]}" in gate


def test_the_card_has_it_with_the_difference_and_the_interval() -> None:
    run = dataclasses.replace(registered_facts(), champion=2)
    reading = Reading(run, collect(run, files(evaluation=EVALUATED)))
    card = Card(version(), reading, Statements(), "binary").content()
    assert json.loads(schema.as_text(card)) == card
    split = next(part for part in card["evaluation_details"] if part["name"] == "Test split")
    assert split["metadata"]["champion"] == f"version 2, sha256 {SHA256[:12]}"
    assert split["metadata"]["champion_archive"] == URI
    beside = split["metric_groups"][1]
    assert beside["name"] == "Compared with the version that served"
    assert beside["metric_data"] == [{
        "name": "auc - champion.auc", "value": 0.0123, "type": "number",
        "notes": "0.9000 here, 0.8877 of the champion, on the same rows; 95 % interval "
                 "\u22120.0040 to 0.0310",
    }]  # fmt: skip


def test_the_card_says_where_none_served() -> None:
    run = registered_facts()
    given = files(evaluation={**EVALUATION, "champion": NONE_SERVES})
    card = Card(version(), Reading(run, collect(run, given)), Statements(), "binary").content()
    split = next(part for part in card["evaluation_details"] if part["name"] == "Test split")
    assert split["metadata"]["champion"] == "no version serves"
    assert len(split["metric_groups"]) == 1


def test_a_comparison_shows_what_each_was_compared_with() -> None:
    first = side(evaluation={**EVALUATION, "champion": NONE_SERVES})
    second = side("version 3", "two", evaluation=EVALUATED, facts_replaced={"champion": 2})
    rows = {row.name: (row.first, row.second) for row in compare(first, second).decision.rows}
    assert rows["champion"] == ("no version serves", f"version 2, sha256 {SHA256[:12]}")
    difference = "+0.0123 (95 % interval -0.004 to +0.031)"
    assert rows["auc - champion.auc"] == (None, difference)
    plain = compare(side(), side("version 2", "two"))
    assert not {"champion", "auc - champion.auc"} & {row.name for row in plain.decision.rows}


def test_an_audit_pack_tells_it_among_the_facts_of_the_gate(tmp_path: Path) -> None:
    made = Machine(tmp_path, evaluation=EVALUATED).subject()
    subject = dataclasses.replace(made, facts=dataclasses.replace(made.facts, champion=2))
    contents = Contents(subject, laws())
    texts = known(subject, contents.reading, "none", Statements()).texts
    assert texts["gate_numbers"] == (
        f"auc is 0.900000, expected more than 0.75; champion: version 2, sha256 {SHA256[:12]}; "
        "auc - champion.auc is +0.0123 (95 % interval -0.004 to +0.031); it passes"
    )


# A run that is resumed


class Quiet(contextlib.AbstractContextManager["Quiet"]):
    """Whoever watches a run, and says nothing."""

    def update(self, execution: Execution) -> None:
        pass

    def ended(self, execution: Execution, gate: str, local: Path) -> None:
        pass

    def notice(self, sentence: str) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_a_resumed_run_keeps_the_champion_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, ready = Bench(tmp_path / ".local"), tmp_path / "ready"
    first, second = (
        bench.put(f"{BUCKET}/{name}/model.tar.gz", f"the {name}") for name in ("first", "second")
    )
    step = bench.processing(
        "Evaluate",
        f"{WRITE}if not os.path.exists({str(ready)!r}): raise ValueError('not yet')\n"
        "print((base / 'processing/input/champion/model.tar.gz').read_text())",
        inputs=[s3_input("champion", get("Parameters.ChampionModel"))],
    )
    parameter = {"Name": "ChampionModel", "Type": "String", "DefaultValue": f"{BUCKET}/none"}
    execution = bench.run(step, parameters=[parameter], ChampionModel=first)
    assert execution.status == "Failed"
    serves_now = {"ChampionModel": second}
    monkeypatch.setattr(run_champion, "parameter", lambda *_: serves_now)  # another serves by now
    ready.touch()
    resumed = resume(bench.root, churn(CHURN), execution.id, 1, True, cast(Any, Quiet()))
    (log,) = (run.log for run in resumed.steps.values())
    assert (resumed.status, resumed.parameters["ChampionModel"]) == ("Succeeded", first)
    assert log is not None and log.read_text() == "the first\n"
