"""What a job printed: its streams in one of CloudWatch's log groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

NOT_THERE = "ResourceNotFoundException"


@dataclass(frozen=True)
class JobLogs:
    """The logs of an account's jobs; `logs` is boto3's client of CloudWatch Logs."""

    logs: Any

    def streams(self, group: str, job: str) -> list[str]:
        """The streams of a job: one for each of its containers, called `<job>/...`."""
        pages = self.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, logStreamNamePrefix=f"{job}/"
        )
        try:
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except ClientError as error:  # the group is made by the first job of its kind
            if error.response["Error"]["Code"] != NOT_THERE:
                raise
            return []

    def lines(self, group: str, stream: str) -> Iterator[str]:
        """Every line of a stream, the oldest first."""
        asked: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
        token = ""
        while True:
            page = self.logs.get_log_events(
                startFromHead=True, **asked, **({"nextToken": token} if token else {})
            )
            yield from (_line(event) for event in page["events"])
            if page["nextForwardToken"] == token:  # the service's way to say that this is the end
                return
            token = page["nextForwardToken"]

    def last(self, group: str, stream: str, count: int) -> list[str]:
        """The last lines of a stream."""
        page = self.logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=count, startFromHead=False
        )
        return [_line(event) for event in page["events"]]


def _line(event: dict[str, Any]) -> str:
    return str(event["message"]).rstrip("\n")
