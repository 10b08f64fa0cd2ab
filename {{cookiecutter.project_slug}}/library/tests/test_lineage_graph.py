"""The lineage graph: what an entity came from, what it led to, and what became of it since."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import botocore.session

from ninesteps.lineage import entities, local, roles
from ninesteps.lineage.erased import with_erasures
from ninesteps.lineage.graph import ASSOCIATION_TYPES, Association, Builder, Entity, Graph
from ninesteps.lineage.of_run import RunLineage, RunRecord
from ninesteps.lineage.tree import tree
from ninesteps.local.endpoint.deployments import DEPLOYMENTS
from ninesteps.local.erasures import Erasure, Erasures
from ninesteps.local.execution import SUCCEEDED
from ninesteps.local.state import KeptExecution, KeptStep, Record
from ninesteps.local.storage import Storage
from ninesteps.report.lineage_picture import lineage_part
from ninesteps.step_code import no_champion
from pets import settings as pet_settings
from versions import Registered


def _graph(*edges: str) -> Graph:
    names = dict.fromkeys("".join(edges).replace(">", ""))
    return Graph(
        {name: Entity(name, "artifact", "DataSet", name) for name in names},
        tuple(Association(edge[0], edge[2], "ContributedTo") for edge in edges),
    )


def _ids(entities: list[Entity]) -> str:
    return "".join(entity.id for entity in entities)


def test_ancestors_come_nearest_first_and_each_once() -> None:
    graph = _graph("a>b", "a>c", "b>d", "c>d", "d>e")
    assert _ids(graph.upstream("d")) == "bca"
    assert _ids(graph.downstream("a")) == "bcde"
    assert _ids(graph.upstream("a")) == _ids(graph.downstream("e")) == ""


def test_a_circle_ends() -> None:
    assert _ids(_graph("a>b", "b>a").upstream("a")) == "b"


def test_around_an_entity_is_what_led_to_it_and_what_it_led_to_alone() -> None:
    around = _graph("a>b", "b>c", "a>x").around("b")
    assert set(around.entities) == {"a", "b", "c"}
    assert [(a.source, a.destination) for a in around.associations] == [("a", "b"), ("b", "c")]


def test_association_types_are_sagemakers() -> None:
    service = botocore.session.get_session().get_service_model("sagemaker")
    assert list(ASSOCIATION_TYPES) == service.shape_for("AssociationEdgeType").enum


# What was erased since

SPLITS = "s3://pets/executions/one/test"


def _erased() -> Graph:
    """A file that was changed, one that was not, two files at an address, rows without a list."""
    rows = Entity("rows", "artifact", "DataSet", "pets", "s3://pets/rows", "9" * 64)
    listed = {"a.csv": "c" * 64, "b.csv": "d" * 64}
    found = [
        entities.file(f"{SPLITS}/test.csv", "a" * 64, roles.SPLIT),
        entities.file(f"{SPLITS}/columns.json", "b" * 64, roles.OUTPUT),
        entities.file(f"{SPLITS}/test.csv", "e" * 64, roles.SPLIT),  # as another run wrote it
        entities.bundle("DataSet", roles.OUTPUT, "both", "s3://pets/both", listed),
        entities.bundle("DataSet", roles.OUTPUT, "older", "s3://pets/both", {"a.csv": "0" * 64}),
        rows,
    ]
    files = {
        f"{SPLITS}/test.csv": ("a" * 64, "f" * 64), "s3://pets/both/a.csv": ("c" * 64, "f" * 64),
        "s3://pets/rows/1.parquet": ("1" * 64, ""),
    }  # fmt: skip
    one = Erasure("2026-02-03T04:05:06Z", "ab", "key", files)
    job = Entity("job", "trial component", "ProcessingJob", "process", role=roles.JOB)
    edges = [Association(job.id, e.id, "Produced") for e in found[:2]]
    edges += [Association(e.id, rows.id, "ContributedTo") for e in found[:-1]]
    graph = Graph({e.id: e for e in (job, *found)}, tuple(edges))
    return with_erasures(graph, Erasures((one,)))


def test_an_artifact_that_an_erasure_changed_says_so() -> None:
    graph = _erased()
    changed, deleted = (f"{how} by an erasure on 2026-02-03" for how in ("changed", "deleted"))
    said = {(e.name, e.sha256[:1]): e.properties.get("erased")
            for e in graph.entities.values() if e.kind == "artifact"}  # fmt: skip
    both, older = (e.sha256[:1] for e in graph.entities.values() if e.uri == "s3://pets/both")
    assert said == {
        ("test.csv", "a"): changed, ("columns.json", "b"): None, ("test.csv", "e"): None,
        ("both", both): changed, ("older", older): None, ("pets", "9"): deleted,
    }  # fmt: skip
    assert max(map(len, tree(graph, "rows"))) <= 80
    assert f"pets  999999999999  {deleted}" in tree(graph, "rows")[0]
    assert f"DataSet: pets, {deleted}</summary>" in lineage_part(graph)
    (joined,) = [line for line in tree(graph, "rows") if "test.csv and 1 more" in line]
    assert joined.endswith(f"1 of them {changed}")


# A renamed group


def test_a_deployment_is_that_of_the_group_that_was_deployed(tmp_path: Path) -> None:
    """Pipeline and group are renamed, and version 1 of both is there."""
    folder = tmp_path / ".local"
    assert Registered(folder).register() == 1
    assert Registered(folder, "cats", ["run1"]).register() == 1
    (folder / "endpoint").mkdir()
    began = {"event": "began", "version": 1, "before": None, "by_hand": False, "policy": {}}
    lines = [{**began, "at": "2026-01-01T00:00:00Z", "group": "pets"},
             {"event": "ended", "version": 1, "outcome": "deployed", "at": "2026-01-01T00:01:00Z"},
             {**began, "at": "2026-01-02T00:00:00Z", "group": "cats"}]  # fmt: skip
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / "endpoint" / DEPLOYMENTS).write_text(text, encoding="utf-8")
    settings = pet_settings()
    renamed = replace(settings, project=replace(settings.project, pipeline="cats"))
    for given, moment in ((renamed, "2026-01-02"), (settings, "2026-01-01")):
        graph = local.graph_of_version(folder, given, 1)
        (deployment,) = [e for e in graph.entities.values() if e.role == roles.DEPLOYMENT]
        assert deployment.created.startswith(moment)
        (endpoint,) = [e for e in graph.entities.values() if e.role == roles.ENDPOINT]
        assert endpoint.name == f"{given.model_package_group}, on this machine"


# What the job of a language model reads

JUDGE = {
    "ProcessingInputs": [
        {"InputName": name, "S3Input": {"S3Uri": f"s3://pets/{name}{file}"}}
        for name, file in {"base": "", "champion": "/model.tar.gz", "test": ""}.items()
    ]
}


def _read_by_a_judge(champion: str, tmp_path: Path) -> dict[str, Entity]:
    """What led to the job, by its name."""
    inputs = {"s3://pets/base/config.json": "1" * 64, "s3://pets/base/model.safetensors": "2" * 64,
              "s3://pets/champion/model.tar.gz": champion,
              "s3://pets/test/test.jsonl": "3" * 64}  # fmt: skip
    record = Record(answer=JUDGE, inputs=inputs)
    step = KeptStep("one", "PetsEvalBestModel", "Processing", SUCCEEDED, 1.0, "", record)
    kept = KeptExecution("one", "pets", {}, SUCCEEDED, "", None, "", [], {}, "")
    builder = Builder()
    RunLineage(RunRecord(kept, [step], {}, "", Storage(tmp_path)), builder).add()
    graph = builder.graph()
    (job,) = [e.id for e in graph.entities.values() if e.role == roles.JOB]
    return {graph.entities[a.source].name: graph.entities[a.source] for a in graph.incoming[job]}


def test_the_base_of_a_language_model_is_one_artifact_with_a_digest(tmp_path: Path) -> None:
    read = _read_by_a_judge(no_champion.sha256(), tmp_path)
    assert set(read) == {"run one", "base model", "test.jsonl"}
    base = read["base model"]
    assert (base.type, base.role, base.uri) == ("Model", roles.BASE, "s3://pets/base")
    listing = f"{'1' * 64}  config.json\n{'2' * 64}  model.safetensors\n"
    assert base.properties["files"] == listing
    assert base.sha256 == hashlib.sha256(listing.encode()).hexdigest()


def test_a_champion_is_a_model_where_one_serves(tmp_path: Path) -> None:
    champion = _read_by_a_judge("4" * 64, tmp_path)["model.tar.gz"]
    assert (champion.type, champion.sha256) == ("Model", "4" * 64)
