"""What `pipeline record` shows: a record online, offline as of a moment, and its prediction."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninesteps.errors import AccountError, StateError, StepError
from ninesteps.feature_store import stored
from ninesteps.feature_store.divided import MAIN
from ninesteps.feature_store.ingest import SUMMARY
from ninesteps.feature_store.online import FILE, LocalOnlineStore
from ninesteps.feature_store.records import (
    FeatureGroup,
    Record,
    event_time,
    milliseconds,
)
from ninesteps.local.endpoint import control
from ninesteps.local.state import ModelPackage, State
from ninesteps.local.storage import Storage
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from ninesteps.settings.moments import iso
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import CONTAINERS

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import conversations
    import known_answers
    from ninesteps.infrastructure import account_records
else:
    from ninesteps.containers import conversations, known_answers

APPROVED = "Approved"
NO_WORDS_THERE = "the words that a reply depends on are not read from an account"
"""Why a language model in an account gives no reasons."""


@dataclass(frozen=True)
class Answer:
    """A version's prediction for a record."""

    version: int
    where: str  # who answered, such as `the endpoint customer-churn-prod`
    values: known_answers.Answer = ()  # label and probability, or the number that is estimated
    reply: str = ""  # ... or a language model's


@dataclass(frozen=True)
class Found:
    """A record in the stores of this machine or of an account."""

    id: str
    as_of: str
    offline: Record | None
    online: Record | None
    has_online: bool  # whether there is an online store
    event_time: str  # the column
    names: Mapping[str, str] = field(default_factory=dict)  # display names of columns
    answer: Answer | None = None
    no_answer: str = ""  # why there is none

    @property
    def differences(self) -> list[str]:
        """The features that differ between the stores; none if one has no such record."""
        first, second = self.offline, self.online
        if first is None or second is None:
            return []
        return [
            name
            for name in {**first, **second}
            if not _is_same(first.get(name), second.get(name), name == self.event_time)
        ]


def _is_same(first: str | None, second: str | None, is_moment: bool) -> bool:
    """Whether two values are equal, as numbers if they are: Athena writes 10000000.0 as 1.0E7."""
    if first is None or second is None or first == second:
        return first == second
    try:
        if is_moment:
            return milliseconds(first) == milliseconds(second)
        return float(first) == float(second)
    except ValueError:
        return False


def now() -> str:
    """The current moment in the stores' format."""
    return iso(datetime.now(UTC))


# On this machine


def here(local: Path, settings: Settings, identifier: str, as_of: str) -> Found:
    """A record on this machine; offline, from all tables that were put into the store here.

    Raises:
        StateError: if neither store has it.
    """
    features = settings.features_of(settings.environment())
    row = offline_here(local, settings, identifier, as_of)
    newest = online_here(local, settings, identifier)
    if row is None and newest is None:
        raise StateError(_nowhere(identifier, as_of, "on this machine", "pipeline ingest FILE"))
    answer, why = _answered(local, settings, row or newest or {})
    return Found(
        identifier, as_of, row, newest, features.online, features.event_time,
        names_here(local, settings), answer, why,
    )  # fmt: skip


def offline_here(local: Path, settings: Settings, identifier: str, as_of: str) -> Record | None:
    """A record's rows in all tables of this machine's offline store."""
    features, folder = settings.features_of(settings.environment()), offline_folder(local, settings)
    return _joined(
        _stored(folder, name, group, settings.stored_record_id, identifier, as_of)
        for name, group in {MAIN: features, **features.owned_groups}.items()
    )


def online_here(local: Path, settings: Settings, identifier: str) -> Record | None:
    """A record in this machine's online store, if there is one."""
    if not settings.features_of(settings.environment()).online:
        return None
    stores = _online_stores(local, settings)
    return _joined(store.get([identifier]).get(identifier) for store in stores)


def delete_here(local: Path, settings: Settings, identifier: str) -> bool:
    """Delete a record from this machine's online store; return whether there was one."""
    moment = event_time(settings.features_of(settings.environment()), datetime.now(UTC))
    deleted = [store.delete(identifier, moment) for store in _online_stores(local, settings)]
    return any(deleted)


def _online_stores(local: Path, settings: Settings) -> list[LocalOnlineStore]:
    """For each own group, the main one first."""
    features, record_id = settings.features_of(settings.environment()), settings.stored_record_id
    return [
        LocalOnlineStore(local / FILE, group.group, record_id, group.event_time)
        for group in (features, *features.owned_groups.values())
    ]


def _joined(parts: Iterable[Record | None]) -> Record | None:
    """A record joined over the own groups as in step 1's query, the main group first.

    Id and moment are the main group's; a record that is not in it counts as missing.
    """
    main, *others = parts
    if main is None:
        return None
    joined = dict(main)
    for part in filter(None, others):
        joined |= {name: text for name, text in part.items() if name not in main}
    return joined


def offline_folder(local: Path, settings: Settings) -> Path:
    """The folder of the tables in this machine's offline store."""
    environment = settings.environment()
    prefix = f"{environment.bucket_name}/{settings.project.pipeline}/feature-store/x"
    return Storage(local / "s3").path(f"s3://{prefix}").parent


def _stored(
    folder: Path, name: str, features: Features, record_id: str, identifier: str, as_of: str
) -> Record | None:
    """A record's values in one group, from all tables that were put into it."""
    folders = [*folder.glob(f"*/data-{name}" if name else "*/data")]
    if not any(file for of_table in folders for file in of_table.rglob("*.parquet")):
        return None
    row = stored.as_of(folders, record_id, identifier, as_of)
    group = FeatureGroup.of(features, record_id, row.schema)
    return next(group.records(group.cast(row)), None)


def names_here(local: Path, settings: Settings) -> dict[str, str]:
    """The names that columns are shown under, as the summaries of the tables here say."""
    names: dict[str, str] = {}
    folder = offline_folder(local, settings)
    for summary in sorted(folder.glob(f"*/{SUMMARY}")):
        names |= json.loads(summary.read_text(encoding="utf-8")).get("names", {})
    return names


def _answered(local: Path, settings: Settings, record: Record) -> tuple[Answer | None, str]:
    """The prediction of the version that serves, or of the newest; or why there is none."""
    package, where = chosen_package(local, settings)
    if package is None:
        return None, "no version is registered"
    try:
        if settings.is_language_model:
            said = reply(local, package, question(settings, record))
            return Answer(package.version, where, reply=said), ""
        values = ask(local, package, lambda features: request(features, record))
    except ValueError as error:
        return None, f"version {package.version} gave no answer: {error}"
    return Answer(package.version, where, values), ""


def ask(
    local: Path, package: ModelPackage, line: Callable[[Sequence[str]], str]
) -> known_answers.Answer:
    """The answer of a version's archive for a record.

    Args:
        line: makes the record's text from the names of the features that the archive takes.

    Raises:
        ValueError: if it gives no answer; says why.
    """
    with _unpacked(local, package) as folder:
        columns = json.loads((folder / "code" / "columns.json").read_text(encoding="utf-8"))
        text = _ask_archive(folder, line(columns["features"]))
    (values,) = known_answers.read_answers(text.encode(), known_answers.CSV)
    return values


def question(settings: Settings, record: Record) -> str:
    """The question to a language model: a record's conversation without the last reply.

    Raises:
        ValueError: if the record has no conversation.
    """
    column = next(iter(settings.data.conversations), "")
    *asked, _ = conversations.parsed(record.get(settings.data.stored_name(column)) or "null")
    return json.dumps({"messages": asked})


def reply(local: Path, package: ModelPackage, asked: str) -> str:
    """The reply of a version's archive to a `question`.

    Raises:
        ValueError: if it gives no reply; says why.
    """
    with _unpacked(local, package) as folder:
        return _reply(_ask_archive(folder, asked, known_answers.JSON))


@contextmanager
def _unpacked(local: Path, package: ModelPackage) -> Iterator[Path]:
    """A version's unpacked archive, in a temporary folder.

    Raises:
        ValueError: if it cannot be unpacked or gives no answer; says why.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "model")
        try:
            Storage(local / "s3").unpack(archive(package), folder)
            yield folder
        except (OSError, StepError) as error:
            raise ValueError(str(error)) from None


def _reply(text: str) -> str:
    content = json.loads(text)
    if not isinstance(content, dict) or not isinstance(content.get("reply"), str):
        got = content.get("error") if isinstance(content, dict) else None
        raise ValueError(f"expected a reply, got {got or 'something else'}")
    return str(content["reply"])


def archive(package: ModelPackage) -> str:
    """The S3 URI of a version's archive."""
    return str(package.request["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])


def chosen_package(local: Path, settings: Settings) -> tuple[ModelPackage | None, str]:
    """The version that the endpoint here serves, or the newest approved one, or the newest."""
    packages = State(local / "state.db", read_only=True).model_packages(
        settings.model_package_group
    )
    serving = control.serving(local)
    for package in packages:
        if package.version == serving:
            return package, "which the endpoint here serves"
    approved = next((package for package in packages if package.status == APPROVED), None)
    chosen = approved or next(iter(packages), None)
    return chosen, chosen.status if chosen else ""


def request(features: Sequence[str], record: Record) -> str:
    """A record as a model takes it: its features as text, missing ones empty."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([record.get(name, "") for name in features])
    return line.getvalue()


def _ask_archive(folder: Path, line: str, kind: str = known_answers.CSV) -> str:
    """The answer of an unpacked archive's own `inference.py`, run in a separate process."""
    with tempfile.TemporaryDirectory() as exchange:
        requests, answers = Path(exchange, "requests.json"), Path(exchange, "answers.json")
        requests.write_text(json.dumps([f"{line}\n"]), encoding="utf-8")
        command = [sys.executable, str(CONTAINERS / "archive_process.py"), str(folder), exchange,
                   kind]  # fmt: skip
        subprocess.run(command, check=False, capture_output=True)
        answered = json.loads(answers.read_text(encoding="utf-8")) if answers.is_file() else {}
    if "error" in answered or not answered.get("texts"):
        raise ValueError(answered.get("error", "its process ended without an answer"))
    return str(answered["texts"][0])


def _nowhere(identifier: str, as_of: str, where: str, command: str) -> str:
    return (
        f"no record {identifier!r} as of {as_of} {where}, neither offline nor online; "
        f"`{command}` puts a table's records there"
    )


# In an account


def in_account(settings: Settings, environment: Environment, identifier: str, as_of: str) -> Found:
    """A record in an account.

    Raises:
        AccountError: if AWS refuses a call, or there is no feature group.
        StateError: if neither store has the record.
    """
    from ninesteps.infrastructure import account, account_records

    pipeline = settings.project.pipeline
    with account.one_sentence():
        session = account.session(environment)
        groups = _groups(session, settings, environment)
        found = _in_stores(session, groups, environment, pipeline, identifier, as_of)
        try:
            serving = account_records.serving(session, environment, pipeline)
            return _asked(session, settings, serving, found) if serving else found
        except (AccountError, ValueError) as error:  # the stores' values are shown nevertheless
            return replace(found, no_answer=f"the endpoint's version gave no answer: {error}")


def _in_stores(
    session: Any,
    groups: Sequence[FeatureGroup],
    environment: Environment,
    pipeline: str,
    identifier: str,
    as_of: str,
) -> Found:
    """A record in the stores of an account, before an endpoint is asked.

    Raises:
        StateError: if neither store has it.
    """
    from ninesteps.infrastructure import account_records, put_records
    from ninesteps.infrastructure.athena_rows import Athena

    features = groups[0].features
    row = _joined(
        account_records.offline(
            Athena.of(session, group.features, environment, pipeline), group, identifier, as_of
        )
        for group in groups
    )
    newest = None
    if features.online:
        runtime = put_records.client(session)
        stores = [account_records.AccountOnlineStore(runtime, group) for group in groups]
        newest = _joined(store.get([identifier]).get(identifier) for store in stores)
    if row is None and newest is None:
        where = f"in account {environment.account}"
        command = f"pipeline ingest FILE --env {environment.name}"
        said = _nowhere(identifier, as_of, where, command)
        raise StateError(f"{said}, which can be read within 15 minutes")
    return Found(
        identifier, as_of, row, newest, features.online, features.event_time,
        no_answer="no endpoint serves a version",
    )  # fmt: skip


def _asked(
    session: Any, settings: Settings, serving: account_records.Serving, found: Found
) -> Found:
    """A record with the prediction of an endpoint."""
    from ninesteps.infrastructure import account_records

    record, where = (
        found.offline or found.online or {},
        f"which the endpoint {serving.endpoint} serves",
    )
    if settings.is_language_model:
        asked = question(settings, record)
        text = account_records.ask(session, serving.endpoint, asked, known_answers.JSON)
        answer = Answer(serving.version, where, reply=_reply(text))
    else:
        line = request(serving.features, record)
        text = account_records.ask(session, serving.endpoint, f"{line}\n", known_answers.CSV)
        (values,) = known_answers.read_answers(text.encode(), known_answers.CSV)
        answer = Answer(serving.version, where, values)
    return replace(found, names=serving.names, answer=answer, no_answer="")


def delete_in_account(settings: Settings, environment: Environment, identifier: str) -> str:
    """Delete a record from an account's stores; return the moment of the deletion.

    The service accepts the deletion of any id, even a misspelt one, so the stores are asked first.

    Raises:
        AccountError: if AWS refuses a call, or there is no feature group.
        StateError: if neither store has the record.
    """
    from ninesteps.infrastructure import account, account_records, put_records

    with account.one_sentence():
        session = account.session(environment)
        groups = _groups(session, settings, environment)
        _in_stores(session, groups, environment, settings.project.pipeline, identifier, now())
        moment = event_time(groups[0].features, datetime.now(UTC))
        runtime = put_records.client(session)
        for group in reversed(groups):  # the main one last: without it a record is not found
            account_records.AccountOnlineStore(runtime, group).delete(identifier, moment)
    return moment


def _groups(session: Any, settings: Settings, environment: Environment) -> list[FeatureGroup]:
    """The own feature groups in the account, the main one first."""
    features, sagemaker = settings.features_of(environment), session.client("sagemaker")
    owned = [("owned", name) for name in features.owned_groups]
    return [
        _group(sagemaker, settings, group, environment, *path)
        for path, group in zip(
            [(), *owned], (features, *features.owned_groups.values()), strict=True
        )
    ]


def _group(
    sagemaker: Any, settings: Settings, features: Features, environment: Environment, *path: str
) -> FeatureGroup:
    """A feature group in the account, if it agrees with the settings."""
    from ninesteps.infrastructure import feature_groups, own_feature_group

    found = own_feature_group.described(sagemaker, features.group)
    if not found:
        raise own_feature_group.missing(features.group, environment, bool(features.location))
    if "OfflineStoreConfig" in found:  # with other names a query would find nothing
        feature_groups.check_own(found, settings, features, environment, *path)
    record_id = str(found["RecordIdentifierFeatureName"])
    return FeatureGroup(features, record_id, own_feature_group.definitions(found))
