"""`[features]`: the feature groups in the Feature Store's offline store that step 1 reads.

Glue's and Athena's names: https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
Event times: https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-create-feature-group.html
"""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass, field

from ninesteps.errors import SettingsError
from ninesteps.settings.environment import Environment
from ninesteps.settings.meanings import Computed
from ninesteps.settings.names import (
    FEATURE_NAME,
    FEATURE_NAME_RULE,
    SYSTEM_COLUMNS,
)
from ninesteps.settings.toml import RuleBroken, require

OWN_CATALOG = "AwsDataCatalog"
"""Athena's name for the Glue data catalogue of the account itself."""


KEY = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[0-9a-zA-Z-]+"
KEY_RULE = "a key's ARN (no alias), such as arn:aws:kms:us-east-1:111122223333:key/1234abcd"
GLUE_NAME = r"[a-z0-9_-]{1,255}"
GLUE_RULE = "lowercase letters, digits, _ and -, at most 255 characters"
PLACE = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=-]+)*"
PLACE_RULE = "s3://bucket/prefix, with no slash at its end"
TYPES = ("string", "fractional")


def _is_name(text: str) -> bool:
    """Whether the Feature Store accepts a name for a group or a column."""
    return len(text) <= 64 and bool(FEATURE_NAME.fullmatch(text))


def _check_columns(columns: tuple[str, ...]) -> None:
    are_names = columns and all(map(_is_name, columns))
    require(
        are_names and len({name.lower() for name in columns}) == len(columns),
        "columns",
        list(columns),
        f"a list of different names, at least one: {FEATURE_NAME_RULE}",
    )


def _table(group: str) -> str:
    """The default name of a group's table."""
    return group.replace("-", "_").lower()


@dataclass(frozen=True)
class SharedGroup:
    """A feature group of another repository, which this one only reads."""

    group: str  # its name in the account
    columns: tuple[str, ...]  # the columns to read; each becomes NAME_column
    table: str = ""  # its table in the data catalogue; empty: the group's name with _ for -
    database: str = ""  # the table's database; empty: that of [features]
    record_id: str = ""  # the column with the record's id; empty: as in the pipeline's own group
    event_time: str = "event_time"  # the column with the moment that a row describes
    event_time_type: str = "string"  # its format: string (ISO 8601) or fractional (seconds)
    location: str = ""  # where its rows are, s3://bucket/prefix; empty: the pipeline's own bucket
    kms_key_arn: str = ""  # the key of its rows, if it is not the environment's
    store: str = ""  # the path of the owner's repository from this one, whose rows runs here read

    def __post_init__(self) -> None:
        require(_is_name(self.group), "group", self.group, FEATURE_NAME_RULE)
        _check_columns(self.columns)
        for key, pattern, expected in self.RULES:
            value = getattr(self, key)
            require(not value or re.fullmatch(pattern, value), key, value, expected)
        for key in ("record_id", "event_time"):
            value = getattr(self, key)
            is_set = value or key == "record_id"
            require(is_set and (not value or _is_name(value)), key, value, FEATURE_NAME_RULE)
        require(self.event_time_type in TYPES, "event_time_type", self.event_time_type,
             " or ".join(TYPES))  # fmt: skip

    RULES: typing.ClassVar = (
        ("table", GLUE_NAME, GLUE_RULE),
        ("database", GLUE_NAME, GLUE_RULE),
        ("location", PLACE, PLACE_RULE),
        ("kms_key_arn", KEY, KEY_RULE),
    )
    """What a string must look like, if it is set: key, pattern, what is expected."""

    def named(self, database: str) -> SharedGroup:
        """The same group, with default names for those that are not set."""
        table = self.table or _table(self.group)
        return dataclasses.replace(self, table=table, database=self.database or database)

    @property
    def is_fractional(self) -> bool:
        """Whether event times are seconds since 1970 with a fraction, and not texts."""
        return self.event_time_type == "fractional"


@dataclass(frozen=True)
class OwnedGroup:
    """A feature group of this repository beside the main one, which the label is in.

    An ingest writes the columns there, with the record's id and event time; a run joins them again.
    """

    columns: tuple[str, ...]  # the features that it has, by their stored names
    group: str = ""  # its name in the account; empty: the main group's name, - and NAME
    table: str = ""  # its table in the data catalogue; empty: the group's name with _ for -

    def __post_init__(self) -> None:
        _check_columns(self.columns)
        require(not self.group or _is_name(self.group), "group", self.group, FEATURE_NAME_RULE)
        require(not self.table or re.fullmatch(GLUE_NAME, self.table), "table", self.table,
             GLUE_RULE)  # fmt: skip


def _owned(name: str, own: OwnedGroup, main: str) -> OwnedGroup:
    """A further group, with default names from its key and the main group.

    Raises:
        SettingsError: if a default name is too long.
    """
    group = own.group or f"{main}-{name}"
    try:
        return OwnedGroup(own.columns, group, own.table or _table(group))
    except RuleBroken as error:
        raise SettingsError(str(error), "features", "owned", name, error.key) from None


@dataclass(frozen=True)
class Features:
    """The pipeline's main feature group: its names, its place and its event times."""

    group: str = ""  # its name; empty: the pipeline's, with the environment's
    table: str = ""  # its table in the data catalogue; empty: the group's name with _ for -
    database: str = "sagemaker_featurestore"  # the table's database in the data catalogue
    catalog: str = OWN_CATALOG  # Athena's name for the data catalogue with the database
    catalog_account: str = ""  # the account of the data catalogue, unless it is AwsDataCatalog
    workgroup: str = "primary"  # the Athena workgroup that runs the queries
    event_time: str = "event_time"  # the column with the moment that a row describes
    event_time_type: str = "string"  # its format: string (ISO 8601) or fractional (seconds)
    location: str = ""  # where its rows are, s3://bucket/prefix; empty: the pipeline's own bucket
    kms_key_arn: str = ""  # the key of its rows, if it is not the environment's
    online: bool = False  # whether the group has an online store too
    groups: dict[str, SharedGroup] = field(default_factory=dict)
    """Feature groups of other repositories, whose columns are read too."""
    owned: dict[str, OwnedGroup] = field(default_factory=dict)
    """Further feature groups of this repository, each for some of the features."""
    dictionary: dict[str, Computed] = field(default_factory=dict)
    """The meanings of features that are not raw columns, by their names in `features.py`."""

    def __post_init__(self) -> None:
        require(not self.group or _is_name(self.group), "group", self.group, FEATURE_NAME_RULE)
        for key, pattern, expected in self.RULES:
            value = getattr(self, key)
            require(not value or re.fullmatch(pattern, value), key, value, expected)
        for key in ("database", "catalog", "workgroup"):
            require(getattr(self, key), key, "", "a name")
        require(bool(self.catalog_account) == (self.catalog != OWN_CATALOG), "catalog_account",
             self.catalog_account, f"the account of a catalog other than {OWN_CATALOG}, and "
             "nothing for that one")  # fmt: skip
        taken = SYSTEM_COLUMNS
        is_stored = _is_name(self.event_time) and self.event_time.lower() not in taken
        require(is_stored, "event_time", self.event_time,
             f"{FEATURE_NAME_RULE}; none of {', '.join(sorted(taken))}")  # fmt: skip
        require(self.event_time_type in TYPES, "event_time_type", self.event_time_type,
             " or ".join(TYPES))  # fmt: skip

    RULES: typing.ClassVar = (
        ("table", GLUE_NAME, GLUE_RULE),
        ("database", GLUE_NAME, GLUE_RULE),
        ("catalog", r"[\w@-]{1,256}", "letters, digits, _, @ and -, at most 256 characters"),
        ("catalog_account", r"\d{12}", "12 digits"),
        ("workgroup", r"[a-zA-Z0-9._-]{1,128}",
         "letters, digits, ., _ and -, at most 128 characters"),
        ("location", PLACE, PLACE_RULE),
        ("kms_key_arn", KEY, KEY_RULE),
    )  # fmt: skip
    """What a string must look like, if it is set: key, pattern, what is expected."""

    def named(self, group: str) -> Features:
        """The same settings, with default names from the group's for those that are not set.

        Raises:
            SettingsError: if a default name is too long.
        """
        group = self.group or group
        groups = {name: shared.named(self.database) for name, shared in self.groups.items()}
        owned = {name: _owned(name, other, group) for name, other in self.owned.items()}
        return dataclasses.replace(
            self, group=group, table=self.table or _table(group), groups=groups, owned=owned
        )

    @property
    def owned_groups(self) -> dict[str, Features]:
        """The further own groups, each as if it were the main one.

        What handles the main group can then handle each of them.
        """
        return {
            name: dataclasses.replace(
                self, group=other.group, table=other.table, groups={}, owned={}
            )
            for name, other in self.owned.items()
        }

    def of_this_machine(self) -> Features:
        """The same settings for runs on this machine, whose stores write moments in one format."""
        groups = {
            name: dataclasses.replace(shared, event_time="event_time", event_time_type="string")
            for name, shared in self.groups.items()
        }
        return dataclasses.replace(
            self, event_time="event_time", event_time_type="string", groups=groups
        )

    @property
    def is_fractional(self) -> bool:
        """Whether event times are seconds since 1970 with a fraction, and not texts."""
        return self.event_time_type == "fractional"

    @property
    def locations(self) -> list[str]:
        """The locations of feature groups outside the pipeline's own bucket."""
        places = [self.location, *(group.location for group in self.groups.values())]
        return [*dict.fromkeys(filter(None, places))]

    @property
    def kms_key_arns(self) -> list[str]:
        """The keys of feature groups that do not use the environment's own."""
        keys = [self.kms_key_arn, *(group.kms_key_arn for group in self.groups.values())]
        return [*dict.fromkeys(filter(None, keys))]

    def catalog_arns(
        self, environment: Environment, *others: SharedGroup | Features
    ) -> tuple[str, ...]:
        """The Glue resources needed to read tables: the catalogue, the databases and the tables.

        Args:
            others: groups whose tables are read too.
        """
        account = self.catalog_account or environment.account
        start = f"arn:{environment.partition}:glue:{environment.region}:{account}"
        tables = [(self.database, self.table)]
        tables += [(other.database, other.table) for other in others]
        databases = dict.fromkeys(f"{start}:database/{database}" for database, _ in tables)
        own = dict.fromkeys(f"{start}:table/{database}/{table}" for database, table in tables)
        return (f"{start}:catalog", *databases, *own)

    def place(self, environment: Environment, pipeline: str) -> str:
        """Where the rows are: `location`, or `feature-store/` in the pipeline's bucket."""
        return self.location or f"s3://{environment.bucket_name}/{pipeline}/feature-store"
