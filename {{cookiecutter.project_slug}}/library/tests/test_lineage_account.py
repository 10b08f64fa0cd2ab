"""Lineage in an account: SageMaker's own records, joined with what the package's metadata says.

What is asked and what is answered passes botocore's validation (`pretend_account.lineage`); moto
has no lineage API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber

from accounts import ACCOUNT, REGION
from ninesteps.errors import AccountError, LineageError
from ninesteps.infrastructure.account import one_sentence
from ninesteps.lineage import account, roles
from ninesteps.lineage.condensed import condensed
from ninesteps.lineage.forward import uses
from ninesteps.lineage.graph import Graph, as_json
from ninesteps.lineage.mermaid import mermaid
from ninesteps.lineage.openlineage import events
from ninesteps.lineage.tree import tree
from ninesteps.registry.account import AccountRegistry
from ninesteps.registry.registry import Decision, Version
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from pretend_account.lessons import client_error, validate
from pretend_account.lineage import CREATED, Lineage

PREFIX = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
PACKAGE = f"{PREFIX}:model-package/pets-prod/3"
RUN, AT = "abcdefghijkl", "s3://models/pets/executions/abcdefghijkl"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.2-0"
PROD = Environment(ACCOUNT, REGION, bucket="models", name="prod")
FEATURES = Features(group="pets-prod", table="pets_prod")
ORIGIN = {
    "repository": {"commit": "0a" * 20, "is_dirty": False},
    "library": "1.4.0", "library_sha256": "cd" * 32, "settings_sha256": "ef" * 32,
}  # fmt: skip
METADATA = {
    "execution": RUN, "as_of": "2026-01-31T00:00:00Z", "test_split": f"{AT}/PetProcess/test",
    "model_sha256": "ab" * 32, "evaluation_sha256": "12" * 32,
}  # fmt: skip
VERSION = Version(
    "pets-prod", 3, "Approved", "2026-01-31T12:00:00Z", RUN,
    f"{AT}/Tune/{RUN}-PetHyper-001/output/model.tar.gz",
    f"{AT}/PetEval/evaluation/evaluation.json", (), METADATA,
    (Decision("PendingManualApproval", "Approved", "Ada", "as asked", "2026-02-01T00:00:00Z"),),
)  # fmt: skip


class Registry(AccountRegistry):
    """A registry whose package was read."""

    def origin(self, version: Version) -> dict[str, Any]:
        return ORIGIN


REGISTRY = Registry(None, PROD, "pets-prod", "pets-prod")


@pytest.fixture
def recorded() -> Lineage:
    """What SageMaker has recorded of a version: data, jobs, model, package, group, endpoint."""
    made = Lineage(PREFIX)
    code = made.artifact("s3://models/pets/code/0123456789abcdef", "DataSet")
    test = made.artifact(f"{AT}/PetProcess/test", "DataSet")
    train = made.artifact(f"{AT}/PetProcess/train", "DataSet")
    scores = made.artifact(f"{AT}/PetEval/evaluation", "DataSet")
    image = made.artifact(IMAGE, "Image")
    model = made.artifact(VERSION.model, "Model")
    package = made.artifact(PACKAGE, "Model")
    process = made.job(f"pipelines-{RUN}-PetProcess-x", "ProcessingJob")
    trial = made.job(
        f"{RUN}-PetHyper-001",
        "TrainingJob",
        Parameters={"eta": {"NumberValue": 0.25}, "algorithm": {"StringValue": "x"}},
    )
    evaluated = made.job(f"pipelines-{RUN}-PetEval-x", "ProcessingJob")
    group = made.context("pets-prod-group", "ModelGroup", f"{PREFIX}:model-package-group/pets-prod")
    deployed = made.action("pets-prod-v3", "ModelDeployment", PACKAGE)
    endpoint = made.context("pets-prod-endpoint", "Endpoint", f"{PREFIX}:endpoint/pets-prod")
    for source, job in ((code, process), (image, process), (train, trial), (image, trial),
                        (test, evaluated), (model, evaluated), (model, package),
                        (image, package), (package, deployed)):  # fmt: skip
        made.join(source, job)
    for job, output in ((process, train), (process, test), (trial, model), (evaluated, scores)):
        made.join(job, output, "Produced")
    made.join(package, group, "AssociatedWith")
    made.join(deployed, endpoint, "AssociatedWith")
    return made


@pytest.fixture
def sagemaker(recorded: Lineage, monkeypatch: pytest.MonkeyPatch) -> Any:
    return answering(recorded, monkeypatch)


def client_of_nobody() -> Any:
    return boto3.Session("testing", "testing", region_name=REGION).client("sagemaker")


def at(recorded: Lineage, uri: str) -> str:
    """The ARN of the artifact with an address."""
    (arn,) = [
        arn
        for arn, one in recorded.entities.items()
        if "ArtifactArn" in one and one["Source"]["SourceUri"] == uri
    ]
    return arn


def answering(recorded: Lineage, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client whose calls the lineage answers; requests and answers are validated."""
    client = client_of_nobody()
    answers: dict[str, Callable[..., dict[str, Any]]] = {
        "QueryLineage": recorded.query_lineage, "ListArtifacts": recorded.list_artifacts,
    }  # fmt: skip

    def answer(self: BaseClient, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        model = self.meta.service_model.operation_model(operation)
        validate(operation, request, model.input_shape)
        given = answers.get(operation, recorded.describe)(**request)
        validate(f"the answer to {operation}", given, model.output_shape)
        return given

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return client


def graph_of(sagemaker: Any) -> tuple[Graph, str]:
    return account.graph_of_version(sagemaker, REGISTRY, VERSION, FEATURES)


def by_role(graph: Graph, role: str) -> list[str]:
    return sorted(entity.name for entity in graph.entities.values() if entity.role == role)


def test_what_sagemaker_recorded_is_read_with_its_types_and_associations(
    recorded: Lineage, sagemaker: Any
) -> None:
    graph, start = graph_of(sagemaker)
    package = graph.entities[start]
    assert (package.type, package.name, package.uri) == ("ModelPackage", "pets-prod version 3",
                                                         PACKAGE)  # fmt: skip
    upstream = {entity.id for entity in graph.upstream(start)}
    (trial,) = [arn for arn in recorded.entities if "pethyper-001" in arn]
    job = graph.entities[trial]
    assert (job.type, job.kind, job.name) == ("TrainingJob", "trial component",
                                              f"{RUN}-PetHyper-001")  # fmt: skip
    assert json.loads(job.properties["hyperparameters"]) == {"eta": "0.25", "algorithm": "x"}
    assert (job.properties["status"], job.properties["seconds"]) == ("Completed", "90")
    assert job.created == "2026-01-31T12:01:30Z"
    assert trial in upstream
    downstream = [entity.type for entity in graph.downstream(start)]
    assert {"ModelGroup", "ModelDeployment", "Endpoint", "Approval"} == set(downstream)
    found = {(a.source, a.destination, a.type) for a in graph.associations}
    assert set(recorded.edges) <= found


def test_what_sagemaker_does_not_record_comes_from_metadata_evidence_and_settings(
    recorded: Lineage, sagemaker: Any
) -> None:
    graph, start = graph_of(sagemaker)
    (group,) = [e for e in graph.entities.values() if e.role == roles.FEATURE_GROUP]
    assert group.id == f"{PREFIX}:feature-group/pets-prod"
    (process,) = [arn for arn in recorded.entities if "petprocess" in arn]
    assert [a.destination for a in graph.outgoing[group.id]] == [process]
    assert by_role(graph, roles.COMMIT) == [f"commit {'0a' * 6}"]
    assert by_role(graph, roles.RUN) == [f"run {RUN}"]
    (run,) = [e for e in graph.entities.values() if e.role == roles.RUN]
    jobs = {graph.entities[a.destination].name for a in graph.outgoing[run.id]}
    assert {f"pipelines-{RUN}-PetProcess-x", f"{RUN}-PetHyper-001"} <= jobs
    digests = {e.uri: e.sha256 for e in graph.entities.values() if e.sha256}
    assert digests[VERSION.model] == "ab" * 32
    assert digests[VERSION.evaluation] == "12" * 32
    upstream = {entity.id for entity in graph.upstream(start)}
    assert {group.id, run.id} < upstream
    assert by_role(graph, roles.APPROVAL) == ["Approved by Ada"]


def test_an_approval_that_sagemaker_recorded_is_not_told_twice(
    recorded: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = {"IamIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/ada"}}
    status = {"ModelApprovalStatus": "Approved"}
    action = recorded.action(
        "pets-prod-3-approval", "Approval", PACKAGE, Properties=status, CreatedBy=by
    )
    recorded.join(at(recorded, PACKAGE), action)
    graph, _ = graph_of(answering(recorded, monkeypatch))
    (approval,) = [e for e in graph.entities.values() if e.role == roles.APPROVAL]
    assert approval.id == action
    assert approval.properties["ModelApprovalStatus"] == "Approved"
    assert approval.properties["by"].endswith("role/ada")


def test_it_is_drawn_as_that_of_this_machine(sagemaker: Any) -> None:
    graph, start = graph_of(sagemaker)
    lines = tree(graph, start)
    assert lines[0].startswith("ModelPackage  pets-prod version 3")
    assert max(map(len, lines)) <= 80
    for word in ("TrainingJob", "Endpoint", "commit", "pets-prod"):
        assert any(word in line for line in lines), word
    assert mermaid(graph).startswith("flowchart LR")
    assert len(condensed(graph).nodes) <= len(graph.entities)
    assert json.loads(json.dumps(as_json(graph)))["associations"]
    jobs = {event["job"]["name"] for event in events(graph)}
    assert f"{RUN}-PetHyper-001" in jobs


def test_every_page_of_an_answer_is_read(
    recorded: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = graph_of(answering(recorded, monkeypatch))
    recorded.page = 2
    paged, _ = graph_of(answering(recorded, monkeypatch))
    assert paged.entities == whole.entities
    assert set(paged.associations) == set(whole.associations)


def test_what_lies_deeper_than_a_query_goes_is_asked_for_again_and_a_circle_ends(
    recorded: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = at(recorded, f"{AT}/PetProcess/train")
    last = place
    for number in range(25):
        earlier = recorded.artifact(f"s3://models/older/{number}", "DataSet")
        recorded.join(earlier, last, "DerivedFrom")
        last = earlier
    recorded.join(place, last, "DerivedFrom")  # a circle
    graph, start = graph_of(answering(recorded, monkeypatch))
    assert last in {entity.id for entity in graph.upstream(start)}


def test_an_entity_that_was_deleted_since_keeps_its_place(
    recorded: Lineage, sagemaker: Any
) -> None:
    (trial,) = [arn for arn in recorded.entities if "pethyper-001" in arn]
    recorded.deleted.add(trial)
    graph, start = graph_of(sagemaker)
    assert graph.entities[trial].properties["note"].startswith("deleted since")
    assert trial in {entity.id for entity in graph.upstream(start)}


def test_a_version_of_which_sagemaker_has_no_lineage_is_drawn_by_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, start = graph_of(answering(Lineage(PREFIX), monkeypatch))
    assert start == PACKAGE
    assert "no lineage for it" in graph.entities[start].properties["note"]
    names = {entity.role for entity in graph.upstream(start)}
    assert {roles.MODEL, roles.EVALUATION} <= names


def test_the_versions_that_came_from_an_address_are_found(sagemaker: Any) -> None:
    for uri, is_in_model in ((f"{AT}/PetProcess/train", True),
                             ("s3://models/pets/code/0123456789abcdef", True)):  # fmt: skip
        graph, entities = account.versions_of(sagemaker, uri)
        (use,) = uses(graph, entities)
        assert (use.package.name, use.is_in_model) == ("pets-prod version 3", is_in_model)
    graph, entities = account.versions_of(sagemaker, f"{AT}/PetProcess/test")
    assert uses(graph, entities) == []
    with pytest.raises(LineageError, match="has no record of 's3://models/none'"):
        account.versions_of(sagemaker, "s3://models/none")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDeniedException", "README.md lists what the role needs"),
        ("ThrottlingException", "AWS refused QueryLineage: ThrottlingException"),
    ],
)
def test_a_call_that_is_refused_is_one_sentence(
    recorded: Lineage, monkeypatch: pytest.MonkeyPatch, code: str, expected: str
) -> None:
    def refused(**_: Any) -> dict[str, Any]:
        raise client_error(code, "QueryLineage", "it may not be asked")

    monkeypatch.setattr(recorded, "query_lineage", refused)
    with pytest.raises(AccountError) as told, one_sentence():
        graph_of(answering(recorded, monkeypatch))
    assert expected in str(told.value)
    assert "\n" not in str(told.value)


def test_a_throttled_call_is_made_again_by_the_client_itself() -> None:
    session = boto3.Session("testing", "testing", region_name=REGION)
    config = account.client(session).meta.config
    assert config.retries["mode"] == "adaptive"
    assert config.retries["total_max_attempts"] == 10


def test_the_requests_are_those_that_botocores_stubber_expects() -> None:
    client = client_of_nobody()
    arn = f"{PREFIX}:artifact/1a"
    with Stubber(client) as stub:
        stub.add_response("list_artifacts", {"ArtifactSummaries": [{"ArtifactArn": arn}]},
                          {"SourceUri": "s3://models/rows"})  # fmt: skip
        stub.add_response(
            "query_lineage", {"Vertices": [], "Edges": []},
            {"StartArns": [arn], "Direction": "Descendants", "IncludeEdges": True,
             "MaxDepth": 10, "MaxResults": 50},
        )  # fmt: skip
        stub.add_response(
            "describe_artifact",
            {"ArtifactArn": arn, "ArtifactType": "DataSet", "CreationTime": CREATED,
             "Source": {"SourceUri": "s3://models/rows",
                        "SourceTypes": [{"SourceIdType": "S3ETag", "Value": "1b"}]},
             "MetadataProperties": {"CommitId": "0a", "Repository": "https://example.com/r"}},
            {"ArtifactArn": arn},
        )  # fmt: skip
        graph, (entity,) = account.versions_of(client, "s3://models/rows")
        stub.assert_no_pending_responses()
    assert entity.properties == {
        "S3ETag": "1b", "commit": "0a", "repository": "https://example.com/r",
    }  # fmt: skip
    assert graph.associations == ()
