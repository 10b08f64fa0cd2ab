"""A lineage graph as OpenLineage run events: two for each job, its start and its end.

Jobs are the pipeline's steps, datasets its artifacts. No facet says which column came from which:
that is not recorded. The specification: https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from ninesteps.lineage import roles
from ninesteps.lineage.facts import values
from ninesteps.lineage.graph import Entity, Graph
from ninesteps.version import VERSION

SPEC = "https://openlineage.io/spec"
EVENT_SCHEMA = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = {
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "inputStatistics": "1-0-0/InputStatisticsInputDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "sql": "1-1-0/SQLJobFacet",
    "parent": "1-2-0/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
}
"""The facets that are used, each in the version whose schema it follows."""

PRODUCER = f"urn:ninesteps:{VERSION}"
_IDS = uuid.UUID("6f0f9a52-3f0b-5c59-9b36-6d5b8a1f7c11")
"""The namespace of run ids: the same job always has the same."""

_UNKNOWN = "1970-01-01T00:00:00Z"

Json = dict[str, Any]


def events(graph: Graph) -> list[Json]:
    """The events, the earliest first."""
    jobs = [e for e in graph.entities.values() if e.kind == "trial component" or _is_search(e)]
    made = [event for job in jobs for event in _of_job(graph, job)]
    return sorted(made, key=lambda event: event["eventTime"])


def lines(graph: Graph) -> Iterator[str]:
    """The events, a line of JSON each."""
    return (json.dumps(event, ensure_ascii=False) for event in events(graph))


def _is_search(entity: Entity) -> bool:
    return entity.type == "HyperParameterTuningJob"


def _of_job(graph: Graph, job: Entity) -> Iterator[Json]:
    """The start of a job, with what it read; and its end, with what it wrote too."""
    sources = [graph.entities[a.source] for a in graph.incoming[job.id]]
    made = [graph.entities[a.destination] for a in graph.outgoing[job.id]]
    run = next((e for e in sources if e.type == "PipelineExecution"), None)
    namespace = run.properties.get("pipeline", run.name) if run else "pipeline"
    common = {
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
        "run": {"runId": _run_id(job), "facets": _run_facets(job, run, namespace)},
        "job": {
            "namespace": namespace,
            "name": job.properties.get("step", job.name),
            "facets": _job_facets(job, sources),
        },
        "inputs": [_dataset(e) for e in sources if _is_dataset(e)],
    }
    began, ended = _times(job)
    yield {"eventType": "START", "eventTime": began, **common, "outputs": []}
    outputs = [_dataset(e, is_input=False) for e in made if _is_dataset(e)]
    stopped = job.properties.get("trial status", "Completed") not in ("Completed", "Stopped")
    yield {"eventType": "FAIL" if stopped else "COMPLETE", "eventTime": ended, **common,
           "outputs": outputs}  # fmt: skip


def _run_id(entity: Entity) -> str:
    return str(uuid.uuid5(_IDS, entity.id))


def _times(job: Entity) -> tuple[str, str]:
    """When a job began and ended; of a trial only the end of its search is known."""
    ended = job.created or _UNKNOWN
    seconds = float(job.properties.get("seconds", "0"))
    began = datetime.fromisoformat(ended) - timedelta(seconds=seconds)
    return began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), _with_fraction(ended)


def _with_fraction(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _facet(name: str, /, **content: Any) -> Json:
    address = f"{SPEC}/facets/{FACETS[name]}.json"
    kind = FACETS[name].rpartition("/")[2]
    return {name: {"_producer": PRODUCER, "_schemaURL": f"{address}#/$defs/{kind}", **content}}


def _run_facets(job: Entity, run: Entity | None, namespace: str) -> Json:
    facets = _facet("processing_engine", version=VERSION, name="ninesteps")
    if run:
        parent = {"runId": _run_id(run)}
        facets |= _facet("parent", run=parent, job={"namespace": namespace, "name": namespace})
    tuned = values(job.properties.get("hyperparameters", ""))
    fixed = values(job.properties.get("static hyperparameters", ""))
    if parameters := {**fixed, **tuned}:
        listed = [{"key": key, "value": value} for key, value in parameters.items()]
        facets |= _facet("executionParameters", parameters=listed)
    return facets


def _job_facets(job: Entity, sources: list[Entity]) -> Json:
    facets = _facet("jobType", processingType="BATCH", integration="SAGEMAKER", jobType=job.type)
    for query in sources:
        if query.role == roles.QUERY and query.properties.get("text"):
            facets |= _facet("sql", query=query.properties["text"])
    return facets


def _is_dataset(entity: Entity) -> bool:
    return entity.kind == "artifact"


def _dataset(entity: Entity, is_input: bool = True) -> Json:
    """An artifact, named as OpenLineage names objects of S3 and files."""
    namespace, name = _place(entity)
    facets: Json = {}
    if entity.sha256:
        facets |= _facet("version", datasetVersion=entity.sha256)
    if entity.uri:
        facets |= _facet("dataSource", name=entity.name, uri=_as_uri(entity.uri))
    if columns := entity.properties.get("columns"):
        fields = [{"name": n, "ordinal_position": i} for i, n in enumerate(json.loads(columns), 1)]
        facets |= _facet("schema", fields=fields)
    dataset: Json = {"namespace": namespace, "name": name, "facets": facets}
    if is_input and entity.properties.get("rows", "").isdigit():
        dataset["inputFacets"] = _facet(
            "inputStatistics", rowCount=int(entity.properties["rows"]),
            size=int(entity.properties.get("bytes", "0")), fileCount=1,
        )  # fmt: skip
    return dataset


def _place(entity: Entity) -> tuple[str, str]:
    scheme, _, rest = entity.uri.partition("://")
    if scheme == "s3" and rest:
        bucket, _, key = rest.partition("/")
        return f"s3://{bucket}", key or "/"
    if entity.uri and entity.role == roles.TABLE:
        return "file", entity.uri.replace("\\", "/")
    return "ninesteps", entity.uri or f"{entity.role or entity.type}/{entity.sha256 or entity.name}"


def _as_uri(place: str) -> str:
    """An address as a URI, which a path or an image's name is not."""
    if "://" in place or place.startswith("arn:"):
        return quote(place, safe=":/?#[]@!$&'()*+,;=%~")
    path = PurePosixPath(place.replace("\\", "/"))
    if path.is_absolute() or not path.parts or "." not in path.parts[0]:
        return f"file:{quote(str(path))}"
    return f"docker://{quote(place, safe=':/@')}"
