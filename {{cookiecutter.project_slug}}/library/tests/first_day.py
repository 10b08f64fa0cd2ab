"""The first day of a pipeline in an account: the commands in their order, each with what it says.

It is churn's own repository, with a search of two trials. Everything that
a command, a job or a state machine calls is decided on by IAM (`pretend_account`). What AWS does by
itself meanwhile (rows land, an execution runs, events arrive) happens between the commands.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.client import BaseClient
from click.testing import CliRunner

import ninesteps.sdk  # noqa: F401  # which sets variables: before a day changes them
from ninesteps.cli import here, main
from ninesteps.infrastructure import (
    athena_rows,
    change_set,
    own_feature_group,
    permissions,
    policies,
)
from ninesteps.local.state import State
from ninesteps.repository import readme
from ninesteps.settings import loading
from pretend_account import resources
from pretend_account.account import Account, account
from pretend_account.iam import Identity
from pretend_account.lessons import ACCOUNT
from pretend_account.principals import Principal

ROOT = Path(__file__).resolve().parents[2]
REGION, NAME = "us-east-1", "customer-churn-prod"
AS_OF = "2018-01-22T00:00:00.000Z"

PAGE = ROOT.parent / "docs/first-day.md"

SIGNED_IN = {
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "testing"),
    "AWS_EC2_METADATA_DISABLED": "true", "MOTO_ACCOUNT_ID": ACCOUNT,
    "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Sam Lee",
    "GIT_CONFIG_KEY_1": "user.email", "GIT_CONFIG_VALUE_1": "sam@example.com",
}  # fmt: skip
"""Credentials that stand for nobody: who calls is the account's `signed_in`."""

UNSET = (
    "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION", "AWS_REGION",
)  # fmt: skip


@dataclass
class Said:
    """A command that was typed, by whom, and what it printed."""

    command: str
    who: str
    output: str


@dataclass
class Stack:
    """What a stack of the account has."""

    resources: dict[tuple[str, str], str]  # name in the template and type -> name in the account
    parameters: dict[str, str]


@contextmanager
def offline() -> Iterator[None]:
    """No variable of AWS's, no call of its services, no socket."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("expected no call and no connection")

    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (
        mock.patch.dict(os.environ, plain, clear=True),
        mock.patch.object(BaseClient, "_make_api_call", refused),
        mock.patch.object(socket.socket, "connect", refused),
        mock.patch.object(socket, "getaddrinfo", refused),
    ):
        yield


@dataclass
class Day:
    """What was done, in order."""

    account: Account
    repository: Path
    said: list[Said] = field(default_factory=list)
    plans: dict[str, Any] = field(default_factory=dict)  # by the command's name
    stacks: dict[str, Stack] = field(default_factory=dict)  # after the first bootstrap

    def do(self, command: str, who: Principal, is_shown: bool = True) -> str:
        """Type a command as somebody; then events reach who waits for them.

        Args:
            is_shown: whether docs/first-day.md shows it.
        """
        self.account.signed_in = who
        done = CliRunner().invoke(main.main, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}: {done.output} {done.exception!r}"
        if is_shown:
            self.said.append(Said(command, who.name, done.stdout))
        self.account.deliver()
        return done.stdout

    def plan(self, command: str) -> None:
        """Ask for a plan where there are no credentials and no network."""
        with offline():
            done = CliRunner().invoke(main.main, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}: {done.output} {done.exception!r}"
        self.plans[shlex.split(command)[1]] = json.loads(done.stdout)

    def note_stacks(self) -> None:
        """Note what the account's stacks have now."""
        for name in (NAME, f"{NAME}-rollout"):
            self.stacks[name] = Stack(*resources.inventory(ACCOUNT, REGION, name))

    def encrypt_jobs(self) -> None:
        """Put the key that the stack has made into pipeline.toml, as bootstrap says."""
        file = self.repository / "pipeline.toml"
        text, of = file.read_text(encoding="utf-8"), f'region = "{REGION}"\ngithub'
        assert text.count(of) == 1
        key = f'region = "{REGION}"\nkms_key_arn = "{self.account.key}"\ngithub'
        file.write_text(text.replace(of, key), encoding="utf-8")

    def role(self, name: str, person: str) -> Principal:
        """A person who has taken on a role of the stack."""
        return self.account.role(f"{NAME}-{name}", person)

    def least(self, command: str, person: str) -> Principal:
        """A person who has what the table of permissions says that a command takes, and no more."""
        settings = loading.load(self.repository)
        environment = settings.account_environment("prod")
        own = {**policies.values(settings, environment, []), "key": self.account.key}
        granted = policies.permissions(permissions.of_calls(command), own)
        statements = [
            {"Effect": effect, "Action": action, "Resource": resource,
             "Condition": json.loads(condition)}
            for effect, action, resource, condition in sorted(granted)
        ]  # fmt: skip
        identity = Identity(tuple(statements))
        return Principal(f"{command} of the table", person, lambda: identity)


def live(day: Day) -> None:
    """Do what docs/first-day.md says."""
    administrator = Principal("Administrator", "noor")
    publisher, operator = day.role("publisher", "ci"), day.role("operator", "sam")
    approver, ingester = day.role("approver", "ada"), day.role("ingester", "lee")
    day.plan("pipeline bootstrap --env prod --plan --json")
    day.do("pipeline bootstrap --env prod --yes", administrator)
    day.note_stacks()
    day.encrypt_jobs()
    day.do("pipeline readme", administrator)
    day.do("pipeline bootstrap --env prod --yes", administrator)
    day.do("pipeline ingest data/churn.csv --env prod", ingester)
    day.plan("pipeline publish --env prod --plan --json")
    day.do("pipeline publish --env prod", publisher)
    day.do(f"pipeline start --env prod --as-of {AS_OF}", operator)
    day.do("pipeline status --env prod", operator)
    day.account.run_executions()
    day.do("pipeline status --env prod", operator)
    day.do("pipeline logs last ChurnHyperParameterTuning --env prod", operator)
    trial = day.do("pipeline logs last ChurnHyperParameterTuning --trial 1 --env prod", operator,
                   is_shown=False)  # fmt: skip
    assert "validation-auc" in trial
    day.do("pipeline registry 1 --env prod", approver)
    day.do("pipeline approve 1 --env prod --who 'Ada Byron' --why 'Metrics and bias are read'",
           approver)  # fmt: skip
    day.do("pipeline card 1 --env prod", day.least("card", "ada"), is_shown=False)
    State(day.repository / ".local/state.db").append_event("deployed", {})  # a chain of one
    audit = day.least("audit", "ada")
    day.do("pipeline audit --head --env prod", audit, is_shown=False)
    day.do("pipeline audit --verify --env prod", audit, is_shown=False)
    day.do("pipeline audit 1 --env prod", day.least("audit pack", "ada"), is_shown=False)
    day.do("pipeline registry 1 --env prod", approver)
    drawn = day.do("pipeline lineage 1 --env prod", day.least("lineage", "ada"), is_shown=False)
    assert all(word in drawn for word in ("TrainingJob", "PipelineExecution", NAME)), drawn
    report(day, "lineage-h")
    day.do(f"pipeline record {a_record(day)} --env prod", ingester)
    traced(day)
    day.do("pipeline schedule on --env prod", day.least("schedule", "noor"))
    day.account.fire(NAME)
    day.do("pipeline runs --env prod", operator)
    compared = day.do("pipeline registry 1 --against last --env prod", approver, is_shown=False)
    listed = day.do("pipeline registry --env prod", approver, is_shown=False)
    assert re.search(r"^ +serves$", listed, re.MULTILINE), listed
    assert "cannot be compared" in compared  # the execution that goes on has no metrics yet
    report(day, "Compared with version 1")
    day.do("pipeline stop last --env prod", operator)
    day.do("pipeline ingest data/churn.csv --env prod", ingester)
    day.do("pipeline runs --env prod", operator)


def report(day: Day, part: str) -> None:
    """The last execution's page has a part, and no part of it could not be had."""
    least = day.least("report", "ada")
    page = Path(day.do("pipeline report last --env prod", least, is_shown=False).strip())
    html = page.read_text(encoding="utf-8")
    assert part in html
    assert "AWS refused" not in html


def traced(day: Day) -> None:
    """A record is in one split of version 1, which serves and says why; erasing it lists that."""
    command, least = f"pipeline trace {a_record(day)} --env prod", day.least("trace", "ada")
    told = json.loads(day.do(f"{command} --json", least, is_shown=False))
    (version,) = told["versions"]
    assert version["split"] in ("train", "validation", "test") and not version["not_read"], told
    assert told["stores"]["offline"] and told["why"]["version"] == 1, told
    assert len(told["why"]["reasons"]) == 5, told["why"]
    assert told["why"]["answer"]["label"] == told["stores"]["model"]["label"]
    listed = day.do(f"{command} --erase", least, is_shown=False)
    assert listed.startswith("NOTHING WAS DELETED in account")
    assert all(place in listed for place in version["places"])
    again = day.do(f"{command}", least, is_shown=False)
    assert "in the offline store, as of" in again and "Why version 1" in again


def a_record(day: Day) -> str:
    """The id of some customer."""
    with (day.repository / "data/churn.csv").open(encoding="utf-8", newline="") as file:
        return next(row["custid"] for row in csv.DictReader(file) if row["custid"])


def repository(folder: Path) -> None:
    """Churn's repository as it stands, with the environment and two trials."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("library", "__pycache__", ".local"))
    file = folder / "pipeline.toml"
    text = file.read_text(encoding="utf-8")
    quick = re.sub(r"^(jobs|parallel) = \d+$", r"\1 = 2", text, flags=re.MULTILINE)
    assert quick != text
    own = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    file.write_text("\n".join([quick, *own]), encoding="utf-8")
    (folder / readme.NAME).write_text(f"{readme.BEGIN}\n{readme.END}\n", encoding="utf-8")
    readme.write(folder, loading.load(folder))


@contextmanager
def day_in(folder: Path) -> Iterator[Day]:
    """A repository in a folder and an account in which nothing is yet."""
    repository(folder / "churn")
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    with (
        mock.patch.dict(os.environ, {**kept, **SIGNED_IN}, clear=True),
        mock.patch.object(here, "root", lambda: folder / "churn"),
        mock.patch.object(change_set, "POLL_SECONDS", 0),
        mock.patch.object(own_feature_group, "POLL_SECONDS", 0),
        mock.patch.object(athena_rows, "POLL_SECONDS", 0),
        account(REGION, folder / "disks") as found,
    ):
        before = Path.cwd()
        os.chdir(folder / "churn")
        try:
            yield Day(found, folder / "churn")
        finally:
            os.chdir(before)


# What docs/first-day.md shows

_SHOWN = re.compile(r"^```console\n(?P<command>.*?)\n```\n\n```text\n(?P<output>.*?)^```$",
                    re.MULTILINE | re.DOTALL)  # fmt: skip


def shown() -> list[tuple[str, str]]:
    """The page's commands, each with the output that it shows."""
    text = PAGE.read_text(encoding="utf-8")
    return [(found["command"], found["output"]) for found in _SHOWN.finditer(text)]


def write_page(said: list[Said]) -> None:
    """Put what was printed into the page, where its commands stand in their order."""
    outputs = iter(said)

    def block(found: re.Match[str]) -> str:
        one = next(outputs)
        assert one.command == found["command"], (one.command, found["command"])
        output = "".join(f"{line.rstrip()}\n" for line in one.output.strip("\n").splitlines())
        return f"```console\n{one.command}\n```\n\n```text\n{output}```"

    text = _SHOWN.sub(block, PAGE.read_text(encoding="utf-8"))
    assert next(outputs, None) is None, "the page lacks a command"
    PAGE.write_text(text, encoding="utf-8", newline="\n")


_VARIES = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "KEY"),
    (r"(?<=sha256 )[0-9a-f]{12}", "DIGEST"),
    (r"\b[a-z0-9]{12}\b", "ID"),  # an execution's, and some words, on both sides
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", "DAY"),
    (r"\b(\d+ h )?(\d+ min )?\d+(\.\d+)? m?s\b|\b\d+ min\b", "TIME"),
    (r"-?\d+([.,]\d+)*(e-?\d+)?", "N"),
)


def steady(output: str) -> str:
    """An output without what differs from run to run: identifiers, times, numbers, spaces."""
    for pattern, name in _VARIES:
        output = re.sub(pattern, name, output)
    return " ".join(output.split())
