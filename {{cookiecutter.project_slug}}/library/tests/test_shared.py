"""Groups of other repositories on this machine: what a run may read of their owner's rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import test_ingest_account as ingests
from ninesteps.errors import SettingsError
from ninesteps.feature_store import shared
from ninesteps.runs import ingesting
from ninesteps.settings.features import SharedGroup
from pets import ROWS, raw_file

_pets = ingests._pets
"""The fixture of pets' features."""


def bring(folder: Path, **of_group: Any) -> dict[tuple[str, str], str]:
    """What a reader beside the owner gets of pets that the owner has ingested."""
    owner, reader = folder / "owner", folder / "reader"
    for one in (owner, reader):
        one.mkdir()
    own = ingests.settings()
    ingesting.table(owner / ".local", own, own.environment(), raw_file(owner, *ROWS))
    group = SharedGroup(**{"group": "pets", "columns": ("age",), "store": "../owner"} | of_group)
    features = dataclasses.replace(own.features, groups={"other": group})
    reading = dataclasses.replace(own, root=reader, features=features)
    return shared.bring(reading, reading.environment(), reader / ".local" / "s3")


def test_columns_of_numbers_are_brought(tmp_path: Path) -> None:
    (place,) = bring(tmp_path).values()
    assert [*(tmp_path / "reader/.local/s3" / place.removeprefix("s3://")).rglob("*.parquet")]


@pytest.mark.parametrize(
    ("of_group", "said"),
    [
        ({"columns": ("age", "wage")}, "columns: expected columns of numbers that '../owner' has"),
        ({"columns": ("species",)}, "got 'species'"),
        ({"record_id": "tag"}, "record_id: expected the column of '../owner' that identifies a"),
    ],
)  # fmt: skip
def test_what_the_owner_does_not_have_is_refused_before_a_step_runs(
    tmp_path: Path, of_group: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        bring(tmp_path, **of_group)
    assert str(refused.value).startswith("pipeline.toml [features.groups.other] ")
    assert said in str(refused.value)
