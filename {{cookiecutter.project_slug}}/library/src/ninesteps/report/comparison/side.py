"""One of the two sides of a comparison: a run's facts and files, and the values read from them."""

from __future__ import annotations

import io
import json
import tarfile
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from ninesteps.report.comparison.model import Subject
from ninesteps.report.evidence import MOST_BYTES, Absent, File, output_file
from ninesteps.report.facts import RunFacts, Source
from ninesteps.report.reading import Reading
from ninesteps.settings.gate import CHAMPION, SECTIONS
from ninesteps.step_code.bundle import settings_uri

XGBOOST, LIGHTGBM = "xgboost-model.json", "lightgbm-model.txt"
"""A model's file in its archive."""


class Store(Source, Protocol):
    """Where a run's files lie, and what is in a folder there."""

    def listing(self, uri: str) -> dict[str, str]:
        """The objects below an S3 URI: by the name below it, a mark of its content.

        Equal marks are of equal content; content may be equal where the marks are not.

        Raises:
            evidence.Absent: if it may not be looked at.
        """


@dataclass(frozen=True)
class Side:
    """A run that is compared; its files are read only when they are needed."""

    subject: Subject
    reading: Reading
    store: Store

    @property
    def name(self) -> str:
        """As it is called."""
        return self.subject.name

    @property
    def facts(self) -> RunFacts:
        """The run."""
        return self.reading.facts

    @property
    def problem(self) -> str:
        """The problem type.

        Raises:
            Absent: if there is no evaluation.
        """
        evaluation = self.reading.evaluation
        return next((name for name, key in SECTIONS.items() if key in evaluation), "binary")

    @cached_property
    def archive(self) -> File:
        """The model's archive."""
        for step in self.facts.step("Model"):
            container = step.request.get("PrimaryContainer", {})
            uri = container.get("ModelDataUrl", "")
            if not step.answer or not isinstance(uri, str):
                return File("model.tar.gz", why=f"{step.name} made no model")
            raw = self.store.read(uri, MOST_BYTES)
            why = "" if raw is not None else f"there is no archive at {uri} that can be read"
            return File("model.tar.gz", uri, raw, why, self.facts.digests.get(uri, ""))
        return File("model.tar.gz", why="no step of this pipeline makes a model")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """`pipeline.toml` as it was, by the whole path of each key.

        Raises:
            Absent: if the run did not keep it, or it is gone.
        """
        digest, root = str(self.facts.origin.get("settings_sha256", "")), self._root
        if not digest or not root:
            raise Absent(f"{self.name} did not keep its settings")
        uri = settings_uri(root, digest)
        raw = self.store.read(uri, MOST_BYTES)
        if raw is None:
            raise Absent(f"the settings of {self.name} are gone: there is nothing at {uri}")
        try:
            return dict(_flat(tomllib.loads(raw.decode("utf-8-sig"))))
        except ValueError:  # of TOML or of UTF-8
            raise Absent(f"the settings of {self.name} at {uri} cannot be read") from None

    @property
    def _root(self) -> str:
        """Everything of the pipeline is below this S3 URI; empty if no step has code."""
        for place in self.code.values():
            return place.partition("/code/")[0]
        return ""

    @cached_property
    def code(self) -> dict[str, str]:
        """Where each step's code lies, by the step's name; what else it is given, by both names."""
        return {name: uri for step in self.facts.steps for name, uri in _code(step.name, step)}

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those that the model was trained with.

        Raises:
            Absent: if there was no search, or none that came to a model.
        """
        for step in self.facts.step("Tuning"):
            best = step.answer.get("BestTrainingJob", {})
            if not best.get("TrainingJobName"):
                raise Absent(f"the search of {self.name} came to no model")
            chosen = best.get("TrainingJobDefinitionName", "")
            static = [
                definition.get("StaticHyperParameters", {})
                for definition in _definitions(step)
                if chosen in ("", definition.get("DefinitionName"))
            ]
            values = {**(static[0] if static else {}), **best.get("TunedHyperParameters", {})}
            return {n: v for n, v in sorted(values.items()) if not n.startswith("sagemaker_")}
        raise Absent(f"{self.name} has no search")

    @property
    def shap_shares(self) -> dict[str, float]:
        """Each feature's part in the sum of mean absolute SHAP values, by the name that is shown.

        Raises:
            Absent: if nothing was explained.
        """
        explanations = self.reading.evidence.analysis.json().get("explanations") or {}
        (values, *_) = (explanations.get("kernel_shap") or {"": {}}).values()
        shap = {n: abs(float(v)) for n, v in values.get("global_shap_values", {}).items()}
        if not shap:
            raise Absent(f"analysis.json of {self.name} has no explanations")
        total = sum(shap.values()) or 1.0
        return {self.reading.shown(name): value / total for name, value in shap.items()}

    def file(self, output: str, name: str) -> File:
        """A file in a processing step's output, or why it is not there."""
        return output_file(self.facts, self.store, output, name)


def trees_and_nodes(archive: bytes) -> tuple[int, int]:
    """How many trees a model has, and nodes in all of them.

    Raises:
        Absent: if it is no archive of a model of trees.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            names = set(packed.getnames())
            name = next(name for name in (XGBOOST, LIGHTGBM) if name in names)
            file = packed.extractfile(name)
            content = file.read() if file else b""
        if name == LIGHTGBM:
            leaves = [int(line.partition(b"=")[2]) for line in content.splitlines()
                      if line.startswith(b"num_leaves=")]  # fmt: skip
            return len(leaves), sum(2 * count - 1 for count in leaves)
        trees = json.loads(content)["learner"]["gradient_booster"]["model"]["trees"]
        return len(trees), sum(int(tree["tree_param"]["num_nodes"]) for tree in trees)
    except (tarfile.TarError, StopIteration, ValueError, KeyError, TypeError, EOFError, zlib.error):
        raise Absent("the archive has no model whose trees can be counted") from None


def training_files(archive: bytes) -> dict[str, bytes]:
    """The files of a training step's archive of code.

    Raises:
        Absent: if it cannot be read.
    """
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            for member in packed:
                if file := packed.extractfile(member):
                    files[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        raise Absent("the training step's archive of code cannot be read") from None
    return files


def _code(name: str, step: Any) -> Iterator[tuple[str, str]]:
    for given in step.request.get("ProcessingInputs", []):
        uri = given.get("S3Input", {}).get("S3Uri", "")
        if isinstance(uri, str) and "/code/" in uri:
            own = given.get("InputName", "")
            if own == CHAMPION:  # an archive without a model, where none served
                continue
            yield (name if own == "code" else f"{name} {own}"), uri
    for definition in _definitions(step):
        uri = definition.get("StaticHyperParameters", {}).get("sagemaker_submit_directory", "")
        if isinstance(uri, str) and "/code/" in uri:
            yield name, uri


def _definitions(step: Any) -> list[dict[str, Any]]:
    """The training jobs that a search makes."""
    one = step.request.get("TrainingJobDefinition")
    return list(step.request.get("TrainingJobDefinitions") or ([one] if one else []))


def _flat(table: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of nested tables with their whole path, such as `tuning.ranges.eta.min`."""
    for key, value in table.items():
        whole = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _flat(value, whole)
        else:
            yield whole, value
