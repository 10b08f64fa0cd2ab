"""`pipeline deploy` and `pipeline rollback` here: starts the endpoint and sends it commands."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninesteps.errors import DeployError, StepError
from ninesteps.local.endpoint import control
from ninesteps.local.erasures import Erasures
from ninesteps.local.processes import KEEPS_MEMORY
from ninesteps.local.state import ModelPackage, State
from ninesteps.local.storage import Storage
from ninesteps.registry import access as approval
from ninesteps.settings import deploy as policy
from ninesteps.settings.project import LANGUAGE_MODEL
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import known_answers
else:
    from ninesteps.containers import known_answers

GOLDEN_RECORDS, GOLDEN_CONVERSATIONS = 100, 20
REPLY_TYPES = (known_answers.JSON, known_answers.JSON_LINES)
START_SECONDS = 30
PORT = 8080
"""Where the endpoint runs unless another port is given."""


@dataclass(frozen=True)
class Known:
    """Records or conversations, with the model's answers from before its registration."""

    records: Sequence[str]  # CSV, or the JSON of messages
    answers: Sequence[str]  # CSV, or replies
    content_types: Sequence[str] = (known_answers.CSV, known_answers.JSON)

    @property
    def are_conversations(self) -> bool:
        """Whether the model is a language model."""
        return known_answers.CSV not in self.content_types

    def golden(self) -> dict[str, list[str]]:
        """Some of them, evenly spaced, in the endpoint's form."""
        most = GOLDEN_CONVERSATIONS if self.are_conversations else GOLDEN_RECORDS
        chosen = known_answers.spaced(len(self.records), most)
        return {
            "records": [self.records[n] for n in chosen],
            "answers": [self.answers[n] for n in chosen],
            "content_types": [*self.content_types],
        }

    def requests(self) -> list[bytes]:
        """Each as a request of `content_type`."""
        if self.are_conversations:
            return [known_answers.asking_for_reply(record) for record in self.records]
        return [f"{record}\n".encode() for record in self.records]

    @property
    def content_type(self) -> str:
        """The content type of the requests."""
        return self.content_types[0]


@dataclass(frozen=True)
class Rehearsal:
    """The endpoint of a repository on this machine."""

    root: Path  # the repository
    local: Path  # its .local
    settings: Settings
    decided: Mapping[str, str] = field(default_factory=dict)  # who acts, and their `reason`

    @property
    def folder(self) -> Path:
        """The endpoint's folder: its address, logs and deployments."""
        return self.local / "endpoint"

    def find(self, number: int, has_served: bool = False) -> ModelPackage:
        """A version that may be deployed; with `has_served`, rolled back to.

        Raises:
            RegistryError: if there is no such version, or it may not be deployed.
        """
        approvals = approval.on_this_machine(self.local, self.settings, read_only=True)
        approvals.may_deploy(number, has_served=has_served)
        return self.package(number)

    def package(self, number: int) -> ModelPackage:
        """A registered version, whatever its status."""
        group = self.settings.model_package_group
        (package,) = State(self.local / "state.db", read_only=True).model_packages(group, number)
        return package

    def notices(self, number: int) -> list[str]:
        """Warnings to whoever deploys a version; they do not stop the deployment."""
        approvals = approval.on_this_machine(self.local, self.settings, read_only=True)
        return approvals.erasure_notices(approvals.find(number))

    def deploy(
        self,
        package: ModelPackage,
        time_scale: float,
        port: int | None = None,
        by_hand: bool = False,
    ) -> None:
        """Begin to deploy a version to the endpoint, which is started if it is not running.

        Args:
            time_scale: how many seconds of the policy pass in a second here.
            port: the endpoint's port; 0 for any free one.
            by_hand: deploy at once, as a rollback does.

        Raises:
            DeployError: if the version cannot be deployed.
        """
        with self.deploying(package, time_scale, port, by_hand):
            pass

    @contextlib.contextmanager
    def deploying(
        self,
        package: ModelPackage,
        time_scale: float,
        port: int | None = None,
        by_hand: bool = False,
        ab: dict[str, Any] | None = None,
    ) -> Iterator[None]:
        """The same, with a connection to the endpoint that stays open, which an A/B test needs.

        Args:
            ab: for an A/B test, what else `AbDeployment` needs.
        """
        known = self.known(package)
        version = self._unpack(package)
        deploy = self.settings.deploy
        alarms = policy.alarms(deploy, self.settings.project.problem)
        config = policy.deployment_config(deploy, [alarm.name for alarm in alarms])
        if by_hand:
            routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
            config["BlueGreenUpdatePolicy"] |= {
                "TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0,
            }  # fmt: skip
        try:
            if not self.is_running():
                self.start(PORT if port is None else port)
            elif port not in (None, 0, self.port()):
                raise DeployError(
                    f"--port: expected {self.port()}, where the endpoint is running, got {port}; "
                    "`pipeline endpoint --stop` stops it"
                )
            asked = control.asked(
                self.folder, "deploy", version=version, config=config, instances=deploy.instances,
                alarms=[asdict(alarm) for alarm in alarms],
                golden=known.golden(), time_scale=time_scale, by_hand=by_hand,
                package=self._package(package), ab=ab,
            )  # fmt: skip
            held = contextlib.ExitStack()
            held.enter_context(asked)
        except DeployError:
            shutil.rmtree(version["archive"], ignore_errors=True)
            raise
        with held:
            yield

    def known(self, package: ModelPackage) -> Known:
        """Records of the test split, and the model's predictions for them before registration.

        Raises:
            DeployError: if there are none, they were changed after the run, or the evaluation used
                other answers.
        """
        try:
            known, judged = self._answered(package)
        except ValueError as error:
            raise DeployError(
                f"version {package.version} was not evaluated on its own answers: {error}"
            ) from None
        except (StopIteration, StepError) as error:
            raise DeployError(
                f"version {package.version} cannot be deployed without the test split and the "
                f"predictions of run {package.execution}: {error}"
            ) from None
        records, answers = known.records, known.answers
        if not records or len(records) != len(answers):
            raise DeployError(
                f"version {package.version} cannot be deployed without golden requests: expected "
                f"predictions of the test split of run {package.execution}, got {len(answers)} of "
                f"{len(records)} records"
            )
        if judged is not None:
            own = known_answers.read_answers("\n".join(answers).encode(), known_answers.CSV)
            if different := known_answers.difference(known_answers.answered(len(own)), judged, own):
                raise DeployError(
                    f"version {package.version} was not evaluated on its own answers: {different}"
                )
        return known

    def written(self, package: ModelPackage, end: str) -> bytes:
        """The file that the version's run wrote to the S3 URI with this end, if unchanged.

        Raises:
            DeployError: if it was deleted or changed.
        """
        digests = self._digests(package)
        try:
            uri = next(uri for uri in digests if uri.endswith(end))
            return Storage(self.local / "s3").read(uri, digests[uri])
        except (StopIteration, StepError) as error:
            raise DeployError(
                f"the test split of run {package.execution} cannot be read: "
                f"{error or f'it has no {end}'}"
            ) from None

    def _answered(self, package: ModelPackage) -> tuple[Known, bytes | None]:
        """The records with the transform's and the evaluation's answers, unchanged since the run.

        A language model's answers are compared here.
        """
        digests, storage = self._digests(package), Storage(self.local / "s3")

        def read(end: str) -> bytes:
            uri = next(uri for uri in digests if uri.endswith(end))
            return storage.read(uri, digests[uri])

        columns = json.loads(read("/test/columns.json"))
        if columns.get("problem") == LANGUAGE_MODEL:
            replied = known_answers.known_replies(
                read("/test/test.jsonl"), read(".jsonl.out"), read("/evaluation/answers.jsonl")
            )
            return Known(*replied, REPLY_TYPES), None
        features = len(columns["features"])
        records = [row[-features:] for row in _rows(read("/test/test.csv"))]
        answers = [row[1:] for row in _rows(read(".csv.out"))]
        is_kept = any(uri.endswith("/evaluation/answers.csv") for uri in digests)
        judged = read("/evaluation/answers.csv") if is_kept else None  # not by an earlier library
        return Known([_line(row) for row in records], [_line(row) for row in answers]), judged

    def _digests(self, package: ModelPackage) -> dict[str, str]:
        """The SHA-256 of each file of the version's run, by S3 URI, as left by erasures."""
        state = State(self.local / "state.db", read_only=True)
        erasures = Erasures.read(state, self.local)
        noted = (pair for s in state.steps(package.execution) for pair in s.record.digests.items())
        return {uri: erasures.after(uri, sha256) for uri, sha256 in noted}

    def _package(self, package: ModelPackage) -> dict[str, str]:
        """The fields of a deployed version in the chain of events, besides its number."""
        model = package.request["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        return {"group": package.group, "model": self._digests(package)[model],
                **self.decided}  # fmt: skip

    def _unpack(self, package: ModelPackage) -> dict[str, Any]:
        """Unpack the version's archive into a new folder, to serve from there."""
        container = package.request["InferenceSpecification"]["Containers"][0]
        target = self.folder / "archives" / f"{package.version}-{os.getpid()}-{time.time_ns()}"
        target.mkdir(parents=True)
        try:
            uri = container["ModelDataUrl"]
            files = Storage(self.local / "s3").unpack(uri, target, self._digests(package)[uri])
        except StepError as error:
            shutil.rmtree(target)
            raise DeployError(f"version {package.version}: {error}") from None
        program = container["Environment"]["SAGEMAKER_PROGRAM"]
        return {
            "number": package.version, "archive": str(target), "program": program, "files": files,
        }  # fmt: skip

    # The endpoint's process

    def is_running(self) -> bool:
        """Whether there is an endpoint and it answers."""
        try:
            self.ask("status")
        except DeployError:
            return False
        return True

    def serving(self) -> int | None:
        """The version that the endpoint serves; None if none does."""
        return control.serving(self.local)

    def wait(self) -> None:
        """Wait until no version is being deployed.

        Raises:
            DeployError: if the endpoint stops.
        """
        while self.ask("status")["deploying"] is not None:
            time.sleep(0.05)

    def port(self) -> int:
        """The port on which it serves."""
        return int(control.address(self.folder)["port"])

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send the endpoint a command.

        Raises:
            DeployError: with the endpoint's own message, or if it is not running.
        """
        return control.ask(self.folder, command, **arguments)

    def stop(self) -> None:
        """Stop the endpoint and wait until it has ended; its last act is to remove its address."""
        token = control.address(self.folder)["token"]
        self.ask("stop")
        until = time.monotonic() + START_SECONDS
        with contextlib.suppress(DeployError):  # no address any more
            while control.address(self.folder)["token"] == token and time.monotonic() < until:
                time.sleep(0.05)

    def start(self, port: int, **limits: float) -> None:
        """Start the endpoint, without a version to serve.

        Args:
            port: 0 for any free one.
            limits: replacements for the defaults of `ninesteps.local.endpoint.server.Options`.

        Raises:
            DeployError: if it does not start, with the last line of its log.
        """
        state = str(self.local / "state.db")
        options = {"folder": str(self.folder), "port": port, "state": state, **limits}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / control.ADDRESS).unlink(missing_ok=True)
        file = self.folder / "options.json"
        file.write_text(json.dumps(options), encoding="utf-8")
        log = self.folder / "endpoint.log"
        # -P: no module in the working folder is imported instead of the library.
        command = [sys.executable, "-P", "-m", "ninesteps.local.endpoint.server", str(file)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, env={**os.environ, **KEEPS_MEMORY},
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > until:
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                process.kill()
                raise DeployError(f"the endpoint did not start: {lines[-1] if lines else log}")
            time.sleep(0.05)


def _rows(content: bytes) -> Iterator[list[str]]:
    yield from csv.reader(io.StringIO(content.decode(), newline=""))


def _line(row: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()
