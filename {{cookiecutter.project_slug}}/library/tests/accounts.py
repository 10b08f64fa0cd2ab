"""An account that stands for none, for the tests of what is sent to AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from moto.cloudformation.models import ChangeSet, Stack

ACCOUNT, REGION = "111122223333", "eu-west-1"


def sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials that stand for nobody, of the account that moto is then."""
    for name in ("AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)


def parameters_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have moto keep a stack's parameters as CloudFormation does.

    A CommaDelimitedList is told as `a,b`, and a change set's are the stack's once it is executed.
    """
    apply = ChangeSet.apply

    def applied(self: ChangeSet) -> None:
        apply(self)
        self.stack.parameters = self.parameters

    def told(self: Stack) -> list[dict[str, Any]]:
        return [
            {"ParameterKey": name,
             "ParameterValue": ",".join(value) if isinstance(value, list) else value}
            for name, value in self.resource_map.resolved_parameters.items()
        ]  # fmt: skip

    monkeypatch.setattr(Stack, "parameter_list", property(told))
    monkeypatch.setattr(ChangeSet, "apply", applied)


@contextmanager
def recorded_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The calls that boto3 is asked for meanwhile, as `service:Operation`."""
    found: set[str] = set()
    call = BaseClient._make_api_call

    def noted(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        found.add(f"{self.meta.service_model.signing_name}:{operation}")
        return call(self, operation, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", noted)
        yield found
