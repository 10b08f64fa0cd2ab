"""The nine steps' work in one process, as a plain script would do it: one import, one core.

    python one_process.py REPOSITORY JOB.json FOLDER

The job's root must hold what the engine left of it: the trials' hyperparameters are read from their
archives. Each step's own `main` runs on the files that the engine would bring it, and what comes of
them is compared with the engine's, byte for byte.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock


def main(repository: str, job_file: str, folder: str) -> None:
    """Do the steps in their order."""
    from ninesteps.step_code.bundle import folders

    sys.path[:0] = map(str, folders(Path(repository)))
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    definition = json.loads(Path(job["definition"]).read_text(encoding="utf-8"))
    work = OneProcess(Path(folder), Path(job["root"]), job, definition)
    with contextlib.redirect_stdout(io.StringIO()):
        work.process()
        for number, hyperparameters in enumerate(trials(Path(job["root"]) / "s3")):
            work.train(number, hyperparameters)
        work.evaluate()
        work.analysis_config()
        work.transform()
        work.clarify()
    work.compare()


def trials(s3: Path) -> list[dict[str, str]]:
    """The hyperparameters of each model that the engine trained, in the order of the trials."""
    found = []
    for archive in sorted(s3.glob("**/output/model.tar.gz")):
        with tarfile.open(archive) as tar:
            member = tar.extractfile("code/model.json")
            if member is None:
                sys.exit(f"{archive} has no code/model.json")
            found.append(json.load(member)["hyperparameters"])
    if not found:
        sys.exit(f"no trained model is below {s3}: the engine runs first")
    return found


class OneProcess:
    """The steps' folders, and what is told to each."""

    def __init__(self, folder: Path, root: Path, job: dict[str, Any], definition: Any) -> None:
        self.folder, self.root, self.job = folder, root, job
        self.requests = {}
        for step in _all_steps(definition["Steps"]):
            self.requests[step["Name"]] = step["Arguments"]
            self.requests[step["Type"]] = step["Arguments"]
        self.best: tuple[float, Path] = (-1.0, folder)

    def process(self) -> None:
        """The query of the offline store, then step 1."""
        import athena
        import process
        from ninesteps.local.offline_store import run_query
        from ninesteps.local.storage import Storage

        request = self._begin("ChurnModelProcess")
        (uri,) = (i["S3Input"]["S3Uri"] for i in request["ProcessingInputs"]
                  if i["InputName"] == "query")  # fmt: skip
        storage = Storage(self.root / "s3")
        storage.download(uri, self._sandbox("ChurnModelProcess") / "processing/input/query")
        catalog = {(database, table): uri for database, table, uri in self.job["catalog"]}

        def rows(query: athena.Query) -> Path:
            target = self._sandbox("ChurnModelProcess") / "processing/rows" / query.name
            target.mkdir(parents=True)
            run_query(query.text, query.database, catalog, storage, target)
            return target

        with mock.patch.object(athena, "rows", rows):
            process.main(self._words(request))

    def train(self, number: int, hyperparameters: dict[str, str]) -> None:
        """A trial of step 2, and its archive."""
        import train
        from ninesteps.local.jobs import pack

        name = f"trial{number:03d}"
        model = self._sandbox(name) / "model"
        request = self.requests["Tuning"]["TrainingJobDefinition"]
        static = {key: self._text(value) for key, value in request["StaticHyperParameters"].items()}
        chosen = {key: static[key] for key in ("algorithm", "threshold_rule") if key in static}
        os.environ.update(SM_MODEL_DIR=str(model), SM_NUM_CPUS="1")
        for channel in ("train", "validation"):
            os.environ[f"SM_CHANNEL_{channel.upper()}"] = str(
                self.done("ChurnModelProcess", channel)
            )
        own = {**chosen, **hyperparameters}
        train.main([word for key, value in own.items() for word in (f"--{key}", value)])
        archive = model.with_name("model.tar.gz")
        pack(model, archive)
        value = json.loads((model / "code" / "model.json").read_text(encoding="utf-8"))["value"]
        if value > self.best[0]:
            self.best = (value, archive)

    def evaluate(self) -> None:
        """Step 3; the archive is asked in this process, as all is done here."""
        import archive_process
        import evaluate
        import inference
        import served_model

        def ask(model: served_model.ServedModel, requests: Sequence[str]) -> list[str]:
            loaded = inference.model_fn(str(model.folder))
            return [archive_process.answer(inference, loaded, request) for request in requests]

        request = self._begin("ChurnEvalBestModel")
        self._bring("ChurnEvalBestModel", test=self.done("ChurnModelProcess", "test"))
        self._bring_model("ChurnEvalBestModel", "processing/input/model")
        with mock.patch.object(served_model.ServedModel, "ask", ask):
            evaluate.main(self._words(request))

    def analysis_config(self) -> None:
        """Step 5."""
        import analysis_config

        request = self._begin("ChurnModelConfigFile")
        self._bring("ChurnModelConfigFile", columns=self.done("ChurnModelProcess", "test"))
        analysis_config.main(self._words(request))

    def transform(self) -> None:
        """Step 6."""
        import container
        from ninesteps.local import batch_transform

        sandbox = self._sandbox("ChurnTransform")
        self._bring_model("ChurnTransform", "archive")
        container.extract(sandbox / "archive" / "model.tar.gz", sandbox / "model")
        for name in ("input", "output"):
            (sandbox / name).mkdir()
        shutil.copy(self.done("ChurnModelProcess", "test") / "test.csv", sandbox / "input")
        options = {
            "request": self.requests["ChurnTransform"],
            "model_dir": str(sandbox / "model"),
            "program": str(sandbox / "model" / "code" / "inference.py"),
            "input": str(sandbox / "input"),
            "output": str(sandbox / "output"),
        }
        (sandbox / "transform.json").write_text(json.dumps(options), encoding="utf-8")
        batch_transform.main(str(sandbox / "transform.json"))

    def clarify(self) -> None:
        """Step 7."""
        import clarify

        name = "ClarifyProcessingStep"
        self._begin(name)
        self._bring(
            name,
            data=self.done("ChurnModelProcess", "test"),
            config=self.done("ChurnModelConfigFile", "config"),
            predictions=self._sandbox("ChurnTransform") / "output",
        )
        self._bring_model(name, "processing/input/model")
        clarify.main()

    def compare(self) -> None:
        """End with a word unless the engine came to the same: else it was not the same work."""
        for step, output, name in (
            ("ChurnEvalBestModel", "evaluation", "evaluation.json"),
            ("ClarifyProcessingStep", "", "analysis.json"),
        ):
            (engines,) = self.root.glob(f"s3/**/{step}/**/{name}")
            if engines.read_bytes() != (self.done(step, output) / name).read_bytes():
                sys.exit(f"{name} is not the engine's {engines}: the work was not the same")

    def done(self, step: str, output: str) -> Path:
        """Where a step has left an output."""
        return self._sandbox(step) / "processing" / "output" / output

    def _begin(self, step: str) -> Any:
        import container

        container.BASE = self._sandbox(step)
        config = container.BASE / "config" / "processingjobconfig.json"
        config.parent.mkdir()
        config.write_text(json.dumps(self._told(self.requests[step])), encoding="utf-8")
        return self.requests[step]

    def _sandbox(self, step: str) -> Path:
        path = self.folder / step
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _bring(self, step: str, **inputs: Path) -> None:
        for name, source in inputs.items():
            shutil.copytree(source, self._sandbox(step) / "processing" / "input" / name)

    def _bring_model(self, step: str, place: str) -> None:
        target = self._sandbox(step) / place
        target.mkdir(parents=True)
        shutil.copy(self.best[1], target / "model.tar.gz")

    def _words(self, request: Any) -> list[str]:
        return [
            self._text(word) for word in request["AppSpecification"].get("ContainerArguments", [])
        ]

    def _told(self, value: Any) -> Any:
        """A request as a job is told it: without what stands for a text."""
        if isinstance(value, list):
            return [self._told(one) for one in value]
        if not isinstance(value, dict):
            return value
        if value.keys() & {"Get", "Std:Join"}:
            return self._text(value)
        return {key: self._told(one) for key, one in value.items()}

    def _text(self, value: Any) -> str:
        """A value of the definition; of what a run alone knows, AsOf is told, and a name is one."""
        if isinstance(value, str):
            return value
        if "Std:Join" in value:
            return str(value["Std:Join"]["On"]).join(map(self._text, value["Std:Join"]["Values"]))
        name = str(value["Get"])
        return str(self.job["given"].get(name.removeprefix("Parameters."), name))


def _all_steps(steps: list[Any]) -> list[Any]:
    """The steps, with those within a condition."""
    inner = [_all_steps(step["Arguments"].get("IfSteps", [])) for step in steps]
    return [*steps, *(step for some in inner for step in some)]


if __name__ == "__main__":
    main(*sys.argv[1:])
