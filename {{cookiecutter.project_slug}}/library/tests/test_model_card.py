"""Model cards: made of a run's facts, valid by AWS's schema, with what people state.

The account is moto's.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from moto import mock_aws
from moto.sagemaker.models import sagemaker_backends

from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from ninesteps.errors import RegistryError, SettingsError
from ninesteps.infrastructure import permissions
from ninesteps.model_card import making, schema
from ninesteps.model_card.content import Card
from ninesteps.registry.registry import Decision, Version
from ninesteps.report.evidence import collect
from ninesteps.report.facts import RunFacts
from ninesteps.report.reading import Reading
from ninesteps.settings import model_card
from ninesteps.settings.environment import LONGEST_NAME, Environment
from ninesteps.settings.model_card import Statements
from ninesteps.settings.settings import Settings
from pets import settings as pet_settings
from reports import SEARCH, facts, files, steps

ROOT = Path(__file__).resolve().parents[2]
PROD = Environment(ACCOUNT, REGION, bucket="models", name="prod")
MODEL = "s3://bucket/pets/executions/one/Tune/tune-002/output/model.tar.gz"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/xgboost:3.2-0"
PACKAGE = {"InferenceSpecification": {"Containers": [{"Image": IMAGE, "ModelDataUrl": MODEL}]}}
STATED = Statements(
    purpose="To say which pets stay", intended_use="Shelters plan by it",
    not_intended_for="Deciding on an animal", who_may_be_harmed="Shy animals",
    risk_rating="Low", risk_reasons="A person decides", contact="pets@example.com",
)  # fmt: skip


def version(**replaced: Any) -> Version:
    whole = Version(
        "pets", 1, "PendingManualApproval", "2026-01-01T00:01:00Z", "one", MODEL,
        "s3://bucket/pets/executions/one/Evaluate/evaluation/evaluation.json", (),
        {"gate": "auc gt 0.75", "as_of": "2026-01-01T00:00:00Z", "library": "1.4.0",
         "test_split": "s3://bucket/pets/executions/one/Process/test"}, (),
    )  # fmt: skip
    return dataclasses.replace(whole, **replaced)


def registered_facts() -> RunFacts:
    """A run whose search trained with an image, and whose registration names one."""
    training = {"AlgorithmSpecification": {"TrainingImage": IMAGE},
                "StaticHyperParameters": {"objective": "binary:logistic"}}  # fmt: skip
    made = []
    for step in steps():
        answer = {"Tune": {**SEARCH, "TrainingJobDefinition": training}, "Register": PACKAGE}
        made.append(dataclasses.replace(step, answer=answer.get(step.name, step.answer)))
    return facts(steps=tuple(made))


def content(
    of: Version | None = None, statements: Statements = STATED, **replaced: Any
) -> dict[str, Any]:
    found = registered_facts()
    reading = Reading(found, collect(found, files(**replaced)))
    return Card(of or version(), reading, statements, "binary").content()


def evaluation(card: dict[str, Any], name: str) -> dict[str, Any]:
    return next(part for part in card["evaluation_details"] if part["name"] == name)


def test_a_card_is_valid_and_says_nothing_that_the_sdk_does_not_know() -> None:
    from sagemaker.core.shapes.model_card_shapes import EvaluationDetailsItem, TrainingJobDetails

    card = content()
    assert json.loads(schema.as_text(card)) == card
    details = card["training_details"]["training_job_details"]
    assert TrainingJobDetails(**details).model_dump(exclude_none=True) == details
    for part in card["evaluation_details"]:
        assert EvaluationDetailsItem(**part).model_dump(exclude_none=True) == part


def test_facts_are_those_of_the_run() -> None:
    card = content()
    overview = card["model_overview"]
    assert (overview["model_name"], overview["model_version"]) == ("pets", 1)
    assert overview["model_artifact"] == [MODEL]
    assert overview["inference_environment"] == {"container_image": [IMAGE]}
    assert card["training_details"]["objective_function"]["function"] == {
        "function": "Maximize", "facet": "validation:auc",
    }  # fmt: skip
    job = card["training_details"]["training_job_details"]
    assert job["training_metrics"] == [{"name": "validation:auc", "value": 0.91}]
    assert {"name": "eta", "value": "0.2"} in job["hyper_parameters"]
    (metrics,) = evaluation(card, "Test split")["metric_groups"]
    assert metrics["metric_data"][0] == {"name": "auc", "value": 0.9, "type": "number"}
    (chart,) = evaluation(card, "Most influential features")["metric_groups"][0]["metric_data"]
    assert (chart["x_axis_name"], chart["value"]) == (["weight", "purrs"], [0.4, 0.1])


def test_a_group_that_is_too_small_to_be_shown_is_not_in_the_card() -> None:
    groups = evaluation(content(), "Outcomes by group")["metric_groups"]
    shown = [metric["name"] for group in groups for metric in group["metric_data"]]
    assert {"kind dog", "dppl[kind]"} <= set(shown)
    assert "newt" not in json.dumps(groups)


def test_what_people_state_stands_where_sagemaker_has_a_place_for_it() -> None:
    card = content()
    assert card["intended_uses"] == {
        "purpose_of_model": "To say which pets stay",
        "intended_uses": "Shelters plan by it\nNot intended for: Deciding on an animal",
        "risk_rating": "Low", "explanations_for_risk_rating": "A person decides",
    }  # fmt: skip
    assert card["model_overview"]["model_owner"] == "pets@example.com"
    more = card["additional_information"]
    assert more["ethical_considerations"] == "Shy animals"
    assert (
        "Not stated in model_card.toml: limits, business_problem"
        in (more["caveats_and_recommendations"])
    )


def test_decisions_are_in_the_card() -> None:
    decision = Decision("PendingManualApproval", "Approved", "Ada", "As asked", "2026-01-02")
    card = content(version(status="Approved", decisions=(decision,)))
    assert card["model_package_details"]["model_approval_status"] == "Approved"
    assert card["model_package_details"]["approval_description"] == "Ada: As asked"
    details = card["additional_information"]["custom_details"]
    assert details["decision_1"] == "Approved by Ada at 2026-01-02: As asked"


@pytest.mark.parametrize(
    ("gone", "part", "said"),
    [
        ("evaluation", "Test split", "left no evaluation.json that can be read"),
        ("analysis", "Most influential features", "left no analysis.json that can be read"),
    ],
)
def test_what_is_gone_is_left_out_and_said(gone: str, part: str, said: str) -> None:
    card = content(**{gone: None})
    assert part not in [one["name"] for one in card["evaluation_details"]]
    assert said in card["additional_information"]["caveats_and_recommendations"]
    schema.as_text(card)


def test_a_card_that_breaks_the_schema_is_refused_with_its_place() -> None:
    card = content()
    card["intended_uses"]["risk_rating"] = "Some"
    with pytest.raises(RegistryError, match=r"schema: intended_uses.risk_rating: 'Some' is not"):
        schema.as_text(card)
    with pytest.raises(RegistryError, match="at most 100,000 characters, got"):
        many = {f"detail_{n}": "x" * 1000 for n in range(101)}
        schema.as_text({"additional_information": {"custom_details": many}})


# model_card.toml


def test_the_generated_file_asks_every_question_and_answers_none() -> None:
    assert model_card.load(ROOT) == Statements()
    text = (ROOT / model_card.FILE).read_text(encoding="utf-8")
    asked = [line.partition(" =")[0] for line in text.splitlines() if " = " in line]
    assert asked == [field.name for field in dataclasses.fields(Statements)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('risk_rating = "low"', "risk_rating: expected one of High, Medium, Low, Unknown, got"),
        ('contacts = ""', "unknown key; expected one of purpose, intended_use"),
        (f'intended_use = "{"x" * 1001}"', "intended_use: expected at most 1000 characters"),
        ("limits = 3", "limits: expected a string, got 3"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / model_card.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"model_card\.toml") as raised:
        model_card.load(tmp_path)
    assert sentence in str(raised.value)


def test_the_longest_statements_make_a_valid_card() -> None:
    longest = {
        field.name: "x" * model_card.LONGEST.get(field.name, model_card.MOST)
        for field in dataclasses.fields(Statements)
    }
    schema.as_text(content(statements=Statements(**{**longest, "risk_rating": "High"})))


# In an account


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    sign_in(monkeypatch, tmp_path)
    with mock_aws():
        yield boto3.Session(region_name=REGION)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return dataclasses.replace(pet_settings(), root=tmp_path)


def test_a_card_is_made_once_and_changed_when_it_says_something_else(
    session: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded_calls(monkeypatch) as calls:
        made = making.keep(session, settings, PROD, content())
        again = making.keep(session, settings, PROD, content())
        approved = making.keep(session, settings, PROD, content(version(status="Approved")))
    assert [(kept.name, kept.number, kept.how) for kept in (made, again, approved)] == [
        ("pets-v1", 1, "made"), ("pets-v1", 1, "there already"), ("pets-v1", 2, "changed"),
    ]  # fmt: skip
    assert calls <= permissions.CALLS["card"].keys()
    found = session.client("sagemaker").describe_model_card(ModelCardName="pets-v1")
    assert json.loads(found["Content"]) == content(version(status="Approved"))


@pytest.mark.parametrize(
    ("text", "status"), [("", "Draft"), (None, "PendingReview")], ids=["nothing stated", "all"]
)
def test_a_card_is_a_draft_while_something_is_not_stated(
    session: Any, settings: Settings, text: str | None, status: str
) -> None:
    stated = "".join(
        f'{field.name} = "{"Low" if field.name == "risk_rating" else "said"}"\n'
        for field in dataclasses.fields(Statements)
    )
    (settings.root / model_card.FILE).write_text(stated if text is None else text)
    making.keep(session, settings, PROD, content())
    found = session.client("sagemaker").describe_model_card(ModelCardName="pets-v1")
    assert found["ModelCardStatus"] == status


def test_an_archived_card_is_left_as_it_is(session: Any, settings: Settings) -> None:
    making.keep(session, settings, PROD, content())
    (card,) = sagemaker_backends[ACCOUNT][REGION].model_cards["pets-v1"]
    card.model_card_status = "Archived"
    with pytest.raises(RegistryError, match="pets-v1 is archived: AWS allows no changes to it"):
        making.keep(session, settings, PROD, content(version(status="Approved")))


def test_the_longest_name_of_a_card_is_one_that_sagemaker_takes() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    name = model.operation_model("CreateModelCard").input_shape.members["ModelCardName"]
    assert LONGEST_NAME + len("-v999999") <= name.metadata["max"]
