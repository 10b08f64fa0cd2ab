"""`bootstrap --plan` and `publish --plan`: what they print, and what they say is not known.

That a plan has what the commands then make is held by `test_first_day.py`, against the account.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from accounts import ACCOUNT, REGION
from first_day import offline
from ninesteps.cli import here, main
from ninesteps.infrastructure import stacks, template
from ninesteps.repository import readme
from ninesteps.runs import compiled
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from ninesteps.settings.settings import Settings
from ninesteps.step_code import carried_wheels
from ninesteps.step_code.carried_wheels import CARRIED

ROOT = Path(__file__).resolve().parents[2]
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"
WHEELS = CARRIED["lightgbm_model.py"]


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This repository's files that a plan reads, in a folder of its own."""
    folder = tmp_path / "churn"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("library", "__pycache__", ".local"))
    monkeypatch.setattr(here, "root", lambda: folder)
    return folder


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition without a step, for what does not depend on it."""
    monkeypatch.setattr(compiled, "definition", lambda *_: '{"Steps": []}')


def planned(
    monkeypatch: pytest.MonkeyPatch, root: Path, *arguments: str, status: int = 0, **changes: Any
) -> Result:
    """Ask for a plan without credentials and network; `changes` are of the settings."""
    own = pipeline_settings.load(root)
    environment = changes.pop("environment", Environment(ACCOUNT, REGION))
    settings = dataclasses.replace(own, environments={"prod": environment}, **changes)
    write_readme(root, settings)
    monkeypatch.setattr(pipeline_settings, "load", lambda _: settings)
    command, *options = arguments
    with offline():
        done = CliRunner().invoke(main.main, [command, "--env", "prod", *options])
    assert done.exit_code == status, (done.output, done.exception)
    return done


def too_wide(text: str) -> list[str]:
    """Lines of more than 80 columns; an ARN by itself is not broken."""
    return [line for line in text.splitlines() if len(line) > 80 and " " in line.strip()]


def write_readme(root: Path, settings: Settings) -> None:
    (root / readme.NAME).write_text(f"{readme.BEGIN}\n{readme.END}\n", encoding="utf-8")
    readme.write(root, settings)


def test_the_plan_of_bootstrap_is_in_order_within_80_columns_and_says_what_is_not_known(
    repository: Path, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = planned(monkeypatch, repository, "bootstrap", "--plan").stdout
    assert too_wide(text) == []
    assert re.findall(r"^\d\. (.*)$", text, re.MULTILINE) == [
        "Create or update the stack customer-churn-prod: 21 resources",
        text.split("\n2. ")[1].split("\n")[0],
        "Create or update the stack customer-churn-prod-rollout: 15 resources",
        "Create or extend the feature group customer-churn-prod: 36 features",
    ]
    assert "   IAM::Role                     customer-churn-prod-pipeline\n" in text
    assert "   KmsKeyArn                (known when the first stack is there)\n" in text
    not_known = text.partition("Not known without AWS:\n")[2]
    assert "what the account already has" in not_known
    assert "the key's ARN, an output of customer-churn-prod that" in not_known


def test_with_a_key_of_the_settings_it_is_said_that_it_may_be_the_stacks_own(
    repository: Path, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Environment(ACCOUNT, REGION, kms_key_arn=KEY)
    done = planned(
        monkeypatch, repository, "bootstrap", "--plan", "--json", environment=environment
    )
    plan = json.loads(done.stdout)
    first, _, second, _ = plan["actions"]
    assert first["parameters"]["KmsKeyArn"] == second["parameters"]["KmsKeyArn"] == KEY
    assert "Key" not in [one["resource"] for one in first["resources"]]
    assert "whether the stack customer-churn-prod made the key kms_key_arn" in plan["not_known"][2]


def test_a_group_that_bootstrap_does_not_make_is_named_with_the_reason(
    repository: Path, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Features(group="shared", location="s3://elsewhere/store")
    done = planned(monkeypatch, repository, "bootstrap", "--plan", features=elsewhere)
    why = "shared: not created, because [features] location is elsewhere"
    assert f"The feature group {why}\n" in done.stdout
    assert "Create or extend" not in done.stdout


def test_what_bootstrap_refuses_without_asking_its_plan_refuses_too(
    repository: Path, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Environment(ACCOUNT, REGION, bucket="own")
    done = planned(
        monkeypatch, repository, "bootstrap", "--plan", status=2, environment=environment
    )
    assert f"bucket: expected customer-churn-prod-{ACCOUNT}, which the stack creates" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("environment", "resources"),
    [
        (Environment(ACCOUNT, REGION, github_repository="our/churn"), ["GitHub"]),
        (Environment(ACCOUNT, REGION, github_repository="our/churn", monthly_budget=100),
         ["GitHub", "Budget"]),
    ],
)  # fmt: skip
def test_the_plan_of_what_an_account_shares(
    repository: Path, monkeypatch: pytest.MonkeyPatch, environment: Environment,
    resources: list[str],
) -> None:  # fmt: skip
    notify = dataclasses.replace(pipeline_settings.load(ROOT).notify, email="team@example.com")
    done = planned(monkeypatch, repository, "bootstrap", "--account", "--plan", "--json",
                   environment=environment, notify=notify)  # fmt: skip
    (action,) = json.loads(done.stdout)["actions"]
    assert action["stack"] == stacks.ACCOUNT_STACK
    assert [one["resource"] for one in action["resources"]] == resources


def test_the_plan_of_publish_has_every_file_with_its_digest_and_the_steps_in_order(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = planned(monkeypatch, repository, "publish", "--plan").stdout
    assert too_wide(text) == []
    settings = (repository / "pipeline.toml").read_bytes()
    digest = hashlib.sha256(settings).hexdigest()
    assert f"   customer-churn/code/{digest[:16]}/\n" in text
    assert f"{len(settings):>12,}  {digest[:12]}  pipeline.toml\n" in text
    names = [action.split("\n")[0] for action in re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]]
    assert [name.split()[0] for name in names] == ["Check", "Put", "Put", "Create"]
    assert "   1  ChurnModelProcess             Processing\n" in text
    assert "   9  CheckAUCScoreChurnEvaluation  Condition\n" in text
    assert "the ARN of the stack's own key, which `pipeline publish` puts into" in text


def test_the_longest_names_are_whole_and_apart_from_what_follows(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pipeline_settings.load(repository)
    project = dataclasses.replace(own.project, pipeline="x" * 45, prefix="P" * 20)
    text = planned(monkeypatch, repository, "publish", "--plan", project=project).stdout
    assert too_wide(text) == []
    assert f"   1  {'P' * 20}ModelProcess             " in text
    assert f"   9  CheckAUCScore{'P' * 20}Evaluation  Condition\n" in text
    text = planned(monkeypatch, repository, "bootstrap", "--plan", project=project).stdout
    assert too_wide(text) == []
    assert re.search(rf"^ +[\d,]+  \(\d+ files\)\n      {'x' * 45}/code/\w+/$", text, re.MULTILINE)


def test_wheels_are_named_and_not_fetched(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a plan fetches nothing")

    monkeypatch.setattr(carried_wheels.subprocess, "run", refused)
    tuning = dataclasses.replace(
        pipeline_settings.load(ROOT).tuning, algorithms=("xgboost", "lightgbm")
    )
    folder = ("--wheels", str(tmp_path / "wheels"))
    options = ("publish", "--plan", *folder)
    code = json.loads(
        planned(monkeypatch, repository, *options, "--json", tuning=tuning).stdout
    )["actions"][1]  # fmt: skip
    assert code["wheels"] == sorted(wheel.file for wheel in WHEELS)
    unknown = {file["uri"].rpartition("/")[2]: file for file in code["files"]
               if file["bytes"] is None}  # fmt: skip
    assert unknown.keys() == {"sourcedir.tar.gz", *code["wheels"]}
    for wheel in WHEELS:
        assert unknown[wheel.file]["sha256"] == wheel.sha256
    assert unknown["sourcedir.tar.gz"]["sha256"] is None
    text = planned(monkeypatch, repository, *options, tuning=tuning).stdout
    assert too_wide(text) == []
    for wheel in WHEELS:
        assert f"   not known  {wheel.sha256[:12]}" in text and f"  {wheel.file}\n" in text


def test_options_that_do_not_go_together_are_refused() -> None:
    for arguments, said in (
        (["bootstrap", "--env", "prod", "--plan", "--yes"], "expected --plan or --yes, got both"),
        (["publish", "--env", "prod", "--json"], "expected --plan with --json, got --json alone"),
    ):
        done = CliRunner().invoke(main.main, arguments)
        assert done.exit_code == 2
        assert said in done.stderr


def test_a_number_in_a_condition_equals_its_text() -> None:
    """As CloudFormation has it: a parameter is a text, and a template may say 0."""
    read = {
        "Parameters": {"Budget": {"Type": "Number", "Default": 0}},
        "Conditions": {"HasBudget": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Budget"}, 0]}]}},
        "Resources": {"One": {"Type": "AWS::SNS::Topic", "Condition": "HasBudget",
                              "Properties": {}}},
    }  # fmt: skip
    environment = Environment(ACCOUNT, REGION)
    assert template.resolved(read, {"Budget": "0"}, environment, "pets") == {}
    assert [*template.resolved(read, {"Budget": "5"}, environment, "pets")] == ["One"]
