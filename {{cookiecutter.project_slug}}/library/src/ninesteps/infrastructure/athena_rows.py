"""Queries Athena for a few rows, such as a count or one record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from botocore.config import Config

from ninesteps.errors import AccountError
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features

RETRIES: dict[str, Any] = {"mode": "standard", "total_max_attempts": 8}
"""As in `containers/aws.py`, and for the same reason."""

POLL_SECONDS = 1.0
MOST_SECONDS = 900.0

Row = dict[str, str]
"""The values of a row by column, as Athena writes them; a missing value has none."""


@dataclass(frozen=True)
class Athena:
    """Queries the table of one feature group."""

    client: Any  # boto3's
    features: Features
    output: str  # the S3 prefix that answers are kept under, unless the workgroup has its own

    @staticmethod
    def of(session: Any, features: Features, environment: Environment, pipeline: str) -> Athena:
        """For an environment; results are stored where those of step 1 are."""
        output = f"s3://{environment.bucket_name}/{pipeline}/feature-store-queries/"
        config = Config(retries=RETRIES)
        return Athena(session.client("athena", config=config), features, output)

    def rows(self, query: str) -> list[Row]:
        """The rows of an answer.

        Raises:
            AccountError: if the query fails, with Athena's reason.
        """
        started = self.client.start_query_execution(
            QueryString=query,
            QueryExecutionContext={
                "Database": self.features.database, "Catalog": self.features.catalog
            },
            WorkGroup=self.features.workgroup,
            ResultConfiguration={"OutputLocation": self.output},
        )  # fmt: skip
        identifier = started["QueryExecutionId"]
        self._wait(identifier)
        pages = self.client.get_paginator("get_query_results").paginate(QueryExecutionId=identifier)
        rows = (row["Data"] for page in pages for row in page["ResultSet"]["Rows"])
        names = [cell.get("VarCharValue", "") for cell in next(rows, [])]  # the first row has them
        return [
            {n: c["VarCharValue"] for n, c in zip(names, row, strict=True) if "VarCharValue" in c}
            for row in rows
        ]

    def _wait(self, identifier: str) -> None:
        until = time.monotonic() + MOST_SECONDS
        while True:
            answer = self.client.get_query_execution(QueryExecutionId=identifier)
            status = answer["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                return
            if status["State"] in ("FAILED", "CANCELLED"):
                reason = " ".join(status.get("StateChangeReason", "Athena gave no reason").split())
                raise AccountError(f"Athena could not answer: {reason}")
            if time.monotonic() > until:
                self.client.stop_query_execution(QueryExecutionId=identifier)
                raise AccountError(f"Athena did not answer within {MOST_SECONDS / 60:.0f} minutes")
            time.sleep(POLL_SECONDS)
