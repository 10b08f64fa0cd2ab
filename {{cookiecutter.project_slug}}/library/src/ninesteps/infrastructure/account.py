"""The AWS account of commands with `--env`: checks the credentials, and words AWS's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError

from ninesteps.errors import AccountError
from ninesteps.settings.environment import Environment

FORBIDDEN = 403

SIGN_IN_SECONDS = 10
"""How long a command's first call waits for a connection and for its answer; it is tried twice.

botocore's default is five tries of a minute each, which is too long if there is no network.
"""


def session(environment: Environment) -> Any:
    """A session of the environment's account and region.

    Credentials of another account would make a second pipeline of the same name there.

    Raises:
        AccountError: if the credentials are another account's.
    """
    signed_in = boto3.Session(region_name=environment.region)
    patience = Config(
        connect_timeout=SIGN_IN_SECONDS, read_timeout=SIGN_IN_SECONDS,
        retries={"total_max_attempts": 2},
    )  # fmt: skip
    account = signed_in.client("sts", config=patience).get_caller_identity()["Account"]
    if account != environment.account:
        raise AccountError(
            f"expected credentials of account {environment.account} for "
            f"[environments.{environment.name}], got those of {account}; nothing was sent"
        )
    return signed_in


def get_object(s3: Any, uri: str, environment: Environment) -> dict[str, Any]:
    """The object at an S3 URI, in a bucket of the environment's account and of no other."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    owner = environment.account
    return dict(s3.get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner))


def moment(when: datetime) -> str:
    """A moment from AWS, in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def one_sentence() -> Iterator[None]:
    """An error of AWS's SDK as a sentence, with what to do if that is known."""
    try:
        yield
    except NoCredentialsError:
        raise AccountError(
            "no credentials for AWS were found; sign in, for example with `aws sso login`, or "
            "let the CI job assume its role"
        ) from None
    except ClientError as error:
        code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        advice = ""
        if code == "NoSuchBucket":
            advice = "; `pipeline bootstrap` creates it, if [environments] names no other"
        elif code.startswith("AccessDenied") or _status(error) == FORBIDDEN:
            advice = "; README.md lists what the role needs"
        reason = " ".join(f"{code}: {message}".split())
        raise AccountError(f"AWS refused {error.operation_name}: {reason}{advice}") from None
    except ResponseParserError:
        raise AccountError(
            "the request to AWS failed: the answer is not from AWS; a proxy or a network's "
            "sign-in page may be in between"
        ) from None
    except BotoCoreError as error:
        raise AccountError(f"the request to AWS failed: {' '.join(str(error).split())}") from None


def _status(error: ClientError) -> object:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
