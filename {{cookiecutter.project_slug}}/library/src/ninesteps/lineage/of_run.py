"""The lineage of one run on this machine: what it read, its jobs, and what they wrote.

A step whose result was reused adds nothing: its artifacts are those of the run that made them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ninesteps.definition.definition import PROPERTY_FILE
from ninesteps.errors import StepError
from ninesteps.feature_store.ingest import summary_of
from ninesteps.lineage import entities, roles
from ninesteps.lineage.graph import (
    ASSOCIATED_WITH,
    CONTRIBUTED_TO,
    DERIVED_FROM,
    PRODUCED,
    Builder,
    Entity,
)
from ninesteps.lineage.of_origin import came_from, of_this_run
from ninesteps.local.execution import SUCCEEDED
from ninesteps.local.state import KeptExecution, KeptStep, digest_of_text
from ninesteps.local.storage import Storage
from ninesteps.step_code import no_champion

CODE_INPUT, QUERY_INPUT = "code", "query"
"""The inputs of a processing job that are no data."""

BASE_INPUT = "base"
"""The model that another is fine-tuned from, whose files are one artifact."""

CHAMPION_INPUT = "champion"
"""The model that the new one is compared with: no ancestor of it."""

_JOB_TYPES = {"Processing": "ProcessingJob", "Transform": "TransformJob", "Training": "TrainingJob"}

Json = dict[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """What the state keeps of a run."""

    kept: KeptExecution
    steps: list[KeptStep]
    ended: Mapping[str, float]  # when each step ended, in seconds since 1970
    definition_sha256: str
    storage: Storage


@dataclass
class RunLineage:
    """Adds a run to a graph."""

    run: RunRecord
    graph: Builder
    _produced: dict[str, str] = field(default_factory=dict)  # S3 URI -> SHA-256

    def __post_init__(self) -> None:
        for step in self._done:
            if step.type not in ("Model", "RegisterModel"):  # whose digests are of what they use
                self._produced |= step.record.digests

    @property
    def _done(self) -> list[KeptStep]:
        return [step for step in self.run.steps if step.status == SUCCEEDED]

    def add(self) -> None:
        """Add the run, what it was started with, and the jobs that it ran itself."""
        self._add_run()
        for step in self._done:
            if step.record.source:
                continue
            if step.type in _JOB_TYPES:
                self._add_job(step)
            elif step.type == "Tuning":
                self._add_search(step)
            elif step.type == "Model":
                self._add_model(step)
            elif step.type == "Condition":
                self._add_gate(step)

    # The run, and what it was started with

    def _add_run(self) -> None:
        kept, origin = self.run.kept, self.run.kept.origin
        run = self.graph.add(Entity(
            entities.run_id(kept.id), "context", "PipelineExecution", f"run {kept.id}",
            role=roles.RUN, created=kept.started,
            properties=entities.texts(
                run=kept.id, pipeline=kept.pipeline, status=kept.status, started=kept.started,
                ended=kept.ended, started_by=kept.started_by,
                as_of=kept.parameters.get("AsOf"), options=kept.wanted,
                not_recorded=_not_recorded(kept), **of_this_run(origin),
            ),
        ))  # fmt: skip
        if self.run.definition_sha256:
            self._before(run, entities.of_content(
                "PipelineDefinition", roles.DEFINITION, "pipeline definition",
                self.run.definition_sha256,
            ))  # fmt: skip
        parameters = entities.canonical(kept.parameters)
        self._before(run, entities.of_content(
            "Parameters", roles.PARAMETERS, "pipeline parameters",
            digest_of_text(parameters), **kept.parameters,
        ))  # fmt: skip
        for entity in came_from(origin):
            self._before(run, entity)

    def _before(self, run: str, entity: Entity) -> None:
        self.graph.join(self.graph.add(entity), run, CONTRIBUTED_TO)

    # Jobs

    def _add_job(self, step: KeptStep) -> None:
        answer, type_ = step.record.answer, _JOB_TYPES[step.type]
        name = str(answer.get(f"{type_}Name", step.name))
        job = self._job(step, type_, name, {
            "arguments": answer.get("AppSpecification", {}).get("ContainerArguments"),
            "seconds": f"{step.seconds:g}",
        })  # fmt: skip
        for source, type_ in self._inputs(step, answer, _script(answer)):
            self.graph.join(source, job, type_)
        model = answer.get("ModelName", "")
        if model:
            self.graph.join(_model_id(model), job, CONTRIBUTED_TO)
        is_training = step.type == "Training"
        for uri, sha256 in step.record.digests.items():
            self._output(step, job, uri, sha256, roles.MODEL if is_training else "")

    def _add_search(self, step: KeptStep) -> None:
        """A search, of which each trial is a training job: the best one's model goes on."""
        answer = step.record.answer
        name = str(answer.get("HyperParameterTuningJobName", step.name))
        config = answer.get("HyperParameterTuningJobConfig", {})
        search = self.graph.add(Entity(
            entities.entity_id("action", name), "action", "HyperParameterTuningJob", step.name,
            role=roles.SEARCH, created=self._ended(step),
            properties=entities.texts(
                step=step.name, status="Completed", job=name, run=self.run.kept.id,
                strategy=config.get("Strategy"), seed=config.get("RandomSeed"),
                ranges=config.get("ParameterRanges"), limits=config.get("ResourceLimits"),
                seconds=f"{step.seconds:g}", result=step.record.detail,
            ),
        ))  # fmt: skip
        definitions = answer.get("TrainingJobDefinitions") or [answer["TrainingJobDefinition"]]
        sources = {
            str(d.get("DefinitionName", "")): [
                *self._inputs(step, d, d["StaticHyperParameters"].get("sagemaker_program", "")),
            ]
            for d in definitions
        }  # fmt: skip
        static = {str(d.get("DefinitionName", "")): d["StaticHyperParameters"] for d in definitions}
        best = answer.get("BestTrainingJob", {}).get("TrainingJobName")
        for summary in answer.get("TrainingJobSummaries", []):
            of = str(summary.get("TrainingJobDefinitionName", ""))
            is_best = summary["TrainingJobName"] == best
            trial = self._trial(step, summary, static[of], is_best)
            for source, type_ in sources[of]:
                self.graph.join(source, trial, type_)
            self.graph.join(trial, search, CONTRIBUTED_TO)
            for uri, sha256 in step.record.digests.items():
                if f"/{summary['TrainingJobName']}/" in uri:
                    model = self._output(step, trial, uri, sha256, roles.MODEL)
                    if is_best:  # the search chose it
                        self.graph.join(search, model, ASSOCIATED_WITH)

    def _trial(self, step: KeptStep, summary: Json, static: Json, is_best: bool) -> str:
        metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {})
        of_code = ("sagemaker_program", "sagemaker_submit_directory")
        return self._job(step, "TrainingJob", summary["TrainingJobName"], {
            "best": "yes" if is_best else "",
            "trial_status": summary["TrainingJobStatus"],
            "objective": f"{metric['MetricName']} {metric['Value']:g}" if metric else "",
            "hyperparameters": summary.get("TunedHyperParameters"),
            "static_hyperparameters": {k: v for k, v in static.items() if k not in of_code},
        })  # fmt: skip

    def _add_model(self, step: KeptStep) -> None:
        """A SageMaker Model: an archive, and the image that serves it."""
        answer = step.record.answer
        container = answer.get("PrimaryContainer") or answer.get("Containers", [{}])[0]
        name = str(answer.get("ModelName", step.name))
        model = self.graph.add(Entity(
            _model_id(name), "artifact", "Model", step.name, str(answer.get("ModelArn", "")),
            role=roles.SAGEMAKER_MODEL, created=self._ended(step),
            properties=entities.texts(
                step=step.name, model=name, environment=container.get("Environment"),
            ),
        ))  # fmt: skip
        for uri, sha256 in step.record.digests.items():
            archive = self._external_file(uri, sha256)
            self.graph.join(archive, model, DERIVED_FROM)
        if image := container.get("Image"):
            self.graph.join(self.graph.add(entities.image(image)), model, CONTRIBUTED_TO)

    def _add_gate(self, step: KeptStep) -> None:
        """A condition, whose outcome decides on what comes after it."""
        compared = [
            f"{_metric(name)} {_number(value)} {sign} {_number(limit)}: "
            f"{'passes' if holds else 'fails'}"
            for name, value, sign, limit, holds in step.record.compared
        ]
        gate = self.graph.add(Entity(
            gate_id(self.run.kept.id, step.name), "action", "Condition", step.name,
            role=roles.GATE, created=self._ended(step),
            properties=entities.texts(
                step=step.name, status="Completed", outcome=step.record.outcome,
                compared="; ".join(compared),
            ),
        ))  # fmt: skip
        self.graph.join(entities.run_id(self.run.kept.id), gate, ASSOCIATED_WITH)
        for uri in self._property_files(step):
            if sha256 := self._produced.get(uri):
                self.graph.join(entities.entity_id("artifact", uri, sha256), gate, CONTRIBUTED_TO)

    def _property_files(self, condition: KeptStep) -> Iterator[str]:
        """The S3 URIs of the files that a condition reads numbers from."""
        by_name = {step.name: step for step in self.run.steps}
        content = json.loads(self.run.kept.definition or "{}")
        named = {step["Name"]: step for step in _all_steps(content.get("Steps", []))}
        for reference in _references(named.get(condition.name, {}).get("Arguments", {})):
            if (match := PROPERTY_FILE.fullmatch(reference)) and match[1] in by_name:
                for file in named[match[1]].get("PropertyFiles", []):
                    if file["PropertyFileName"] == match[2]:
                        outputs = _outputs(by_name[match[1]].record.answer)
                        yield f"{outputs.get(file['OutputName'], '')}/{file['FilePath']}"

    def _job(self, step: KeptStep, type_: str, name: str, facts: Json) -> str:
        """A job of the run."""
        job = self.graph.add(Entity(
            entities.entity_id("trial component", name), "trial component", type_,
            f"trial {name.rpartition('-')[2]}" if step.type == "Tuning" else step.name,
            role=roles.JOB, created=self._ended(step),
            properties=entities.texts(
                step=step.name, status="Completed", job=name, run=self.run.kept.id, **facts
            ),
        ))  # fmt: skip
        self.graph.join(entities.run_id(self.run.kept.id), job, ASSOCIATED_WITH)
        return job

    def _output(self, step: KeptStep, job: str, uri: str, sha256: str, role: str = "") -> str:
        output, name = _output_of(step.record.answer, uri)
        if step.type == "Transform":
            role = roles.PREDICTIONS
        role = role or roles.of_file(output, name)
        columns = self._columns(step, uri) if role == roles.SPLIT else None
        artifact = self.graph.add(entities.file(
            uri, sha256, role, self._ended(step), output=output, columns=columns,
        ))  # fmt: skip
        self.graph.join(job, artifact, PRODUCED)
        return artifact

    def _columns(self, step: KeptStep, uri: str) -> list[str] | None:
        """The names of a split's columns, if the file beside it is as the step wrote it."""
        beside = f"{uri.rpartition('/')[0]}/columns.json"
        with contextlib.suppress(StepError, OSError, ValueError, KeyError):
            sha256 = step.record.digests[beside]
            return list(json.loads(self.run.storage.read(beside, sha256))["columns"])
        return None

    # What a job reads

    def _inputs(self, step: KeptStep, request: Json, script: str) -> Iterator[tuple[str, str]]:
        """What a job reads: ids, and how each is associated. What no job wrote is added."""
        read, named = self._read(step, request), _named_inputs(request)
        catalog = {uri: (database, table) for database, table, uri in self.run.kept.catalog}
        for uri, sha256 in read.items():
            if uri in catalog:
                yield self._feature_group(uri, sha256, *catalog[uri]), CONTRIBUTED_TO
        for place, name in named.items():
            files = {u: s for u, s in read.items() if u == place or u.startswith(f"{place}/")}
            if name == CODE_INPUT:
                yield self._code(script, place, files), CONTRIBUTED_TO
            elif name == QUERY_INPUT:
                yield self._query(place, files), CONTRIBUTED_TO
            elif name == BASE_INPUT and files:
                yield self._base(place, files), CONTRIBUTED_TO
            else:
                is_champion = name == CHAMPION_INPUT
                if is_champion and [*files.values()] == [no_champion.sha256()]:
                    continue  # it stands for no model
                type_ = ASSOCIATED_WITH if is_champion else CONTRIBUTED_TO
                yield from ((self._external_file(*one), type_) for one in files.items())
        image: Json = request.get("AppSpecification") or request.get("AlgorithmSpecification") or {}
        if address := image.get("ImageUri") or image.get("TrainingImage"):
            yield self.graph.add(entities.image(str(address))), CONTRIBUTED_TO

    def _read(self, step: KeptStep, request: Json) -> dict[str, str]:
        """Digests by URI of what a step read; of an older run, of what its own jobs had written."""
        if step.record.inputs:
            return step.record.inputs
        places = [place for place, name in _named_inputs(request).items() if name]
        read = {place: "" for place in places if place.endswith(".tar.gz")}
        return read | {
            uri: sha256
            for uri, sha256 in self._produced.items()
            if any(uri == place or uri.startswith(f"{place}/") for place in places)
        }

    def _external_file(self, uri: str, sha256: str) -> str:
        """A file that is read, as the step that wrote it has added it, or will."""
        id_ = entities.entity_id("artifact", uri, sha256)
        if uri not in self._produced and not self.graph.has(id_):
            role = roles.MODEL if uri.endswith("/model.tar.gz") else ""
            self.graph.add(entities.file(uri, sha256, role))
        return id_

    def _code(self, script: str, place: str, files: dict[str, str]) -> str:
        """The files that a job is started with: the library's, and the team's own."""
        if [*files] == [place]:
            names = self._packed(place, files[place])
        else:
            names = {uri.removeprefix(f"{place}/"): sha256 for uri, sha256 in files.items()}
        own = self.run.kept.origin.get("overridden") or {}
        changed = sorted(name for name, digest in own.items() if names.get(name) == digest)
        name, overridden = script or place.rpartition("/")[2], ", ".join(changed)
        if [*files] == [place]:
            listing = entities.listing(names)
            code = entities.file(place, files[place], roles.CODE, archive_files=listing,
                                 overridden=overridden)  # fmt: skip
            return self.graph.add(replace(code, type="Code", name=name))
        return self.graph.add(entities.bundle(
            "Code", roles.CODE, name, place, names, overridden=overridden,
        ))  # fmt: skip

    def _packed(self, uri: str, sha256: str) -> dict[str, str]:
        """SHA-256 of an archive's files by path; none if it is not there as it was read."""
        with contextlib.suppress(StepError, OSError, tarfile.TarError):
            content = self.run.storage.read(uri, sha256) if sha256 else b""
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                packed = {m.name: archive.extractfile(m) for m in archive if m.isfile()}
                return {name: hashlib.sha256(file.read()).hexdigest()
                        for name, file in packed.items() if file}  # fmt: skip
        return {}

    def _base(self, place: str, files: dict[str, str]) -> str:
        """The model that another is fine-tuned from, with its files."""
        names = {uri.removeprefix(f"{place}/"): sha256 for uri, sha256 in files.items()}
        return self.graph.add(entities.bundle("Model", roles.BASE, "base model", place, names))

    def _query(self, place: str, files: dict[str, str]) -> str:
        names = {uri.removeprefix(f"{place}/"): sha256 for uri, sha256 in files.items()}
        (sql, *_) = [uri for uri in files if uri.endswith(".sql")] or [""]
        text = ""
        with contextlib.suppress(StepError, OSError, UnicodeDecodeError):
            text = self.run.storage.read(sql, files.get(sql, "")).decode() if sql else ""
        return self.graph.add(entities.bundle(
            "Query", roles.QUERY, sql.rpartition("/")[2] or "query", place, names, text=text,
        ))  # fmt: skip

    def _feature_group(self, uri: str, sha256: str, database: str, table: str) -> str:
        """The rows of a feature group as they were read, and the raw table that they came from."""
        ingested = summary_of([["", "", uri]], self.run.storage.root)
        by_uri = {place: name for name, place in (ingested.groups if ingested else {}).items()}
        rows = entities.file(uri, sha256, roles.FEATURE_GROUP, database=database, table=table,
                             feature_group=by_uri.get(uri, table))  # fmt: skip
        id_ = self.graph.add(replace(rows, name=by_uri.get(uri, table)))
        raw = self.run.kept.origin.get("table") or {}
        if raw.get("sha256") and "/feature-store/" in uri:  # not rows that another repository owns
            read = entities.of_content(
                "DataSet", roles.TABLE, str(raw["path"]).replace("\\", "/").rpartition("/")[2],
                raw["sha256"], str(raw["path"]), bytes=raw.get("bytes"), rows=raw.get("rows"),
                first=raw.get("first"), last=raw.get("last"),
            )  # fmt: skip
            if not self.graph.has(read.id):  # else under the name that it was first read by
                self.graph.add(read)
            self.graph.join(read.id, id_, DERIVED_FROM)
        return id_

    def _ended(self, step: KeptStep) -> str:
        seconds = self.run.ended.get(step.name)
        return _iso(seconds) if seconds else ""


def gate_id(execution: str, step: str) -> str:
    """The id of a condition of a run."""
    return entities.entity_id("action", roles.GATE, execution, step)


def _metric(path: str) -> str:
    """`binary_classification_metrics.auc.value` -> `auc`."""
    return path.removesuffix(".value").partition(".")[2] or path


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _model_id(name: str) -> str:
    return entities.entity_id("artifact", roles.SAGEMAKER_MODEL, name)


def _not_recorded(kept: KeptExecution) -> str:
    """What a run has kept nothing of, in words; empty if it has kept all."""
    origin = kept.origin
    if not origin:
        return "commit, library, settings, lock and raw table: an earlier library ran it"
    repository = origin.get("repository") or {}
    if repository.get("commit"):
        changed = repository.get("changed") or []
        return f"the bytes of the files changed since the commit: {', '.join(changed)}" \
            if repository.get("is_dirty") else ""  # fmt: skip
    return f"commit: {repository.get('unknown') or 'no git repository'}"


def _named_inputs(request: Json) -> dict[str, str]:
    """What a request reads: the name of the input by its S3 URI."""
    named = {
        one["S3Input"]["S3Uri"].rstrip("/"): str(one["InputName"])
        for one in request.get("ProcessingInputs", [])
        if "S3Input" in one
    }
    channels = request.get("InputDataConfig", [])
    for one in channels:
        named[one["DataSource"]["S3DataSource"]["S3Uri"].rstrip("/")] = str(one["ChannelName"])
    source = request.get("TransformInput", {}).get("DataSource", {}).get("S3DataSource", {})
    if source:
        named[source["S3Uri"].rstrip("/")] = "input"
    static: Json = request.get("StaticHyperParameters") or request.get("HyperParameters") or {}
    if directory := static.get("sagemaker_submit_directory"):
        named[str(directory)] = CODE_INPUT
    return named


def _script(request: Json) -> str:
    """The file that a job is started with."""
    specification: Json = request.get("AppSpecification") or {}
    entry = specification.get("ContainerEntrypoint") or [""]
    static: Json = request.get("HyperParameters") or {}
    program = static.get("sagemaker_program", "")
    return str(entry[-1]).rpartition("/")[2] or str(program)


def _outputs(answer: Json) -> dict[str, str]:
    """S3 URIs by the names of a processing job's outputs."""
    outputs = answer.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return {o["OutputName"]: str(o["S3Output"]["S3Uri"]).rstrip("/") for o in outputs}


def _output_of(answer: Json, uri: str) -> tuple[str, str]:
    """The name of the output that a file belongs to, and its path below that."""
    for name, place in _outputs(answer).items():
        if uri.startswith(f"{place}/"):
            return name, uri.removeprefix(f"{place}/")
    return "", uri.rpartition("/")[2]


def _all_steps(steps: Iterable[Json]) -> Iterator[Json]:
    for step in steps:
        yield step
        arguments = step.get("Arguments", {})
        for branch in ("IfSteps", "ElseSteps"):
            yield from _all_steps(arguments.get(branch, []))


def _references(value: Any) -> Iterator[str]:
    """Every `{"Get": ...}` of the conditions, not of the steps that hang on them."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(value.get("Get"), str):
            yield value["Get"]
        for name, item in value.items():
            if name not in ("IfSteps", "ElseSteps"):
                yield from _references(item)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
