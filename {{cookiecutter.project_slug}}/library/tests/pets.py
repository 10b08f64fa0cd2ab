"""A small product for the tests of reading and storing: a raw table of pets, and its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ninesteps.settings.data import Column, Data, Quality, Split
from ninesteps.settings.judgement import Bias, GateSettings
from ninesteps.settings.project import Project
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Range, Tuning

ROOT = Path(__file__).resolve().parents[2]
"""The repository in place: churn's."""

HEADER = "chip,adopted,age,born,species,seen"
ROWS = (
    "007,1,1.5,2020-01-31,cat,2026-01-01T10:30:00Z",
    "008,0,12,2009-12-01,dog,2026-01-02T00:00:00Z",
    "1e5,1,0.25,2025-11-30,cat,2026-01-02T23:59:59Z",
)


def settings(event_time: str = "", facets: str = "species", **columns: Column) -> Settings:
    """Settings of the table; its moment is a snapshot unless a column says it."""
    types = {
        "age": Column("number"),
        "born": Column("date", format="%Y-%m-%d"),
        "species": Column("category", values=("cat", "dog")),
    }
    return Settings(
        project=Project("Pets", "pets", "Pet", "custom", "AUC"),
        data=Data(
            file="pets.csv",
            record_id="chip",
            label="adopted",
            columns={**types, **columns},
            quality=Quality(unreadable=1, dropped=1),  # of three rows one is more than the limits
            snapshot="" if event_time else "2026-01-31T00:00:00Z",
            event_time=event_time,
        ),
        split=Split("pets"),
        tuning=Tuning(ranges={"eta": Range(0.1, 0.5)}),
        gate=GateSettings("auc > 0.5"),
        bias=Bias(facets=facets),
        root=ROOT,
    )


def changed(of: Settings, **sections: dict[str, Any]) -> Settings:
    """The same settings but for these keys, such as `data={"positive": "yes"}`."""
    tables = {name: replace(getattr(of, name), **keys) for name, keys in sections.items()}
    return replace(of, **tables)


def raw_file(folder: Path, *rows: str, header: str = HEADER, end: str = "\n") -> Path:
    """The table as a file; each row and line end as given."""
    file = folder / "pets.csv"
    file.write_bytes("".join(f"{line}{end}" for line in (header, *rows)).encode())
    return file
