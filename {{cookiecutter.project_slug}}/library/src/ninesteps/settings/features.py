"""`[features]`: the feature group in the Feature Store's offline store that step 1 reads.

Glue's and Athena's names: https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
Event times: https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-create-feature-group.html
"""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass

from ninesteps.settings.environment import Environment
from ninesteps.settings.names import (
    FEATURE_NAME,
    FEATURE_NAME_RULE,
    RESERVED_COLUMNS,
)
from ninesteps.settings.toml import require

OWN_CATALOG = "AwsDataCatalog"
"""What Athena calls the Glue data catalogue of the account that asks."""


@dataclass(frozen=True)
class Features:
    """The feature group that features are read from, where it lies, and how it writes moments."""

    group: str = ""  # its name; none: the pipeline's, with the environment's
    table: str = ""  # its table in the data catalogue; none: the group's name with _ for -
    database: str = "sagemaker_featurestore"  # the data catalogue's database with the table
    catalog: str = OWN_CATALOG  # what Athena calls the data catalogue with the database
    catalog_account: str = ""  # the account of another catalogue than AwsDataCatalog
    workgroup: str = "primary"  # the workgroup of Athena that queries run in
    event_time: str = "event_time"  # the column with the moment that a row describes
    event_time_type: str = "string"  # how it is written: string (ISO 8601) or fractional (seconds)
    location: str = ""  # where the rows lie, s3://bucket/prefix; none: the pipeline's own bucket
    kms_key_arn: str = ""  # the rows' key, if it is another than the environment's
    online: bool = False  # whether the group has an online store too

    TYPES: typing.ClassVar = ("string", "fractional")

    def __post_init__(self) -> None:
        is_name = not self.group or (len(self.group) <= 64 and FEATURE_NAME.fullmatch(self.group))
        require(is_name, "group", self.group, FEATURE_NAME_RULE)
        for key, pattern, expected in self.RULES:
            value = getattr(self, key)
            require(not value or re.fullmatch(pattern, value), key, value, expected)
        for key in ("database", "catalog", "workgroup"):
            require(getattr(self, key), key, "", "a name")
        require(bool(self.catalog_account) == (self.catalog != OWN_CATALOG), "catalog_account",
             self.catalog_account, f"the account of a catalog other than {OWN_CATALOG}, "
             "and none for that one")  # fmt: skip
        taken = {*RESERVED_COLUMNS} - {"event_time"}
        is_stored = len(self.event_time) <= 64 and FEATURE_NAME.fullmatch(self.event_time)
        require(is_stored and self.event_time.lower() not in taken, "event_time", self.event_time,
             f"{FEATURE_NAME_RULE}; none of {', '.join(sorted(taken))}")  # fmt: skip
        require(self.event_time_type in self.TYPES, "event_time_type", self.event_time_type,
             " or ".join(self.TYPES))  # fmt: skip

    RULES: typing.ClassVar = (
        ("table", r"[a-z0-9_-]{1,255}", "small letters, digits, _ and -, at most 255 characters"),
        ("database", r"[a-z0-9_-]{1,255}",
         "small letters, digits, _ and -, at most 255 characters"),
        ("catalog", r"[\w@-]{1,256}", "letters, digits, _, @ and -, at most 256 characters"),
        ("catalog_account", r"\d{12}", "12 digits"),
        ("workgroup", r"[a-zA-Z0-9._-]{1,128}",
         "letters, digits, ., _ and -, at most 128 characters"),
        ("location", r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=-]+)*",
         "s3://bucket/prefix, with no slash at its end"),
        ("kms_key_arn", r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[0-9a-zA-Z-]+",
         "a key's ARN (no alias), such as arn:aws:kms:us-east-1:111122223333:key/1234abcd"),
    )  # fmt: skip
    """What a string must look like, if it is set: key, pattern, what is expected."""

    def named(self, group: str) -> Features:
        """The same with the names that follow from a group's, where none are set."""
        group = self.group or group
        table = self.table or group.replace("-", "_").lower()
        return dataclasses.replace(self, group=group, table=table)

    @property
    def is_fractional(self) -> bool:
        """Whether event times are seconds since 1970 with a fraction, and not texts."""
        return self.event_time_type == "fractional"

    def catalog_arns(self, environment: Environment) -> tuple[str, ...]:
        """What reading the table takes in Glue: the catalogue, the database and the table."""
        account = self.catalog_account or environment.account
        start = f"arn:{environment.partition}:glue:{environment.region}:{account}"
        table = f"{self.database}/{self.table}"
        return f"{start}:catalog", f"{start}:database/{self.database}", f"{start}:table/{table}"

    def place(self, environment: Environment, pipeline: str) -> str:
        """Where the rows lie: `location`, or the own bucket's `feature-store/`."""
        return self.location or f"s3://{environment.bucket_name}/{pipeline}/feature-store"
