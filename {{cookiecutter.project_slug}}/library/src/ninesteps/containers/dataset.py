"""The splits' layout, and reading them: record id, event time, label, facets, features.

A split is header-less CSV, with its columns named in `columns.json`. The features are one slice at
the end, which a batch transform's input filter selects; the model never sees the columns before it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from container import read_json, write_json
from hidden_imports import hidden

with hidden("pandas"):
    pa.array([0]).to_numpy()  # pyarrow looks for pandas once; importing pandas takes a second

FACET_PREFIX = "facet_"


GROUPS = "groups.csv"
"""The file with the group number of each row, one per line, if rows belong together in groups."""


class DataError(ValueError):
    """Unusable data; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Facet:
    """A column whose groups are compared; `ninesteps.settings.facets` describes its text form."""

    key: str
    column: str
    values: tuple[str, ...] = ()
    threshold: float | None = None  # the group is strictly above it

    @property
    def is_of_two(self) -> bool:
        """Whether it compares one group with all others, rather than each value with the rest."""
        return bool(self.values) or self.threshold is not None

    @staticmethod
    def from_json(content: dict[str, Any]) -> Facet:
        """Parse the output of `argument` of the settings' facet."""
        return Facet(**{**content, "values": tuple(content.get("values", ()))})

    def as_entry(self) -> dict[str, Any]:
        """The facet in Clarify's configuration: with values, one number, or neither."""
        name: dict[str, Any] = {"name_or_index": FACET_PREFIX + self.column}
        if self.threshold is not None:
            return {**name, "value_or_threshold": [self.threshold]}
        return {**name, "value_or_threshold": list(self.values)} if self.values else name

    @staticmethod
    def of_entry(entry: dict[str, Any]) -> Facet:
        """Parse an entry written by `as_entry` or by a person."""
        column = entry["name_or_index"].removeprefix(FACET_PREFIX)
        given = entry.get("value_or_threshold", [])
        if len(given) == 1 and isinstance(given[0], int | float):
            return Facet(column, column, threshold=float(given[0]))
        return Facet(column, column, values=tuple(map(str, given)))


@dataclass(frozen=True)
class Columns:
    """The columns of a split: the content of `columns.json`."""

    record_id: str
    label: str
    problem: str
    favourable_label: int  # 1: the positive class, or above the threshold
    label_threshold: float | None  # for a regression: between unfavourable and favourable numbers
    facets: tuple[Facet, ...]
    group_variable: str | None
    context: tuple[str, ...]  # raw columns of facets and group variable, as named in the table
    features: tuple[str, ...]
    event_time: str = "event_time"
    baseline: tuple[float | None, ...] = ()  # the training medians of the features; None: no value
    shown: dict[str, str] = field(default_factory=dict)  # columns with another display name

    @property
    def names(self) -> list[str]:
        """Every column of the CSV, in order."""
        context = [FACET_PREFIX + name for name in self.context]
        return [self.record_id, self.event_time, self.label, *context, *self.features]

    @property
    def is_regression(self) -> bool:
        """Whether the label is a number rather than a class."""
        return self.problem == "regression"

    @property
    def positive_label(self) -> float:
        """Clarify's favourable label: its value, or the threshold that it is above."""
        return self.favourable_label if self.label_threshold is None else self.label_threshold

    def favourable(self, labels: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where labels or predictions are favourable, (n,)."""
        positive = labels == 1 if self.label_threshold is None else labels > self.label_threshold
        favourable: NDArray[np.bool_] = positive == bool(self.favourable_label)
        return favourable

    def write(self, folder: Path) -> None:
        """Write `columns.json`, with every column's type."""
        types = dict.fromkeys(self.names, "string")
        types |= {self.label: "number" if self.is_regression else "integer"} | dict.fromkeys(
            self.features, "number"
        )
        content = dataclasses.asdict(self)
        write_json(folder / "columns.json", {**content, "columns": self.names, "types": types})

    @staticmethod
    def read(folder: Path) -> Columns:
        """Read `columns.json`."""
        content = read_json(folder / "columns.json")
        fields = {field.name for field in dataclasses.fields(Columns)}
        kept = {name: value for name, value in content.items() if name in fields}
        for name in ("context", "features", "baseline"):
            kept[name] = tuple(kept.get(name, ()))
        kept["facets"] = tuple(Facet.from_json(facet) for facet in kept["facets"])
        return Columns(**kept)


@dataclass(frozen=True)
class Texts:
    """A column of texts, (n,): each row's position among the distinct texts, -1 for none."""

    codes: NDArray[np.intp]
    different: tuple[str, ...]

    @staticmethod
    def of(cells: Any) -> Texts:
        """The texts of an Arrow column or a list; None is a missing text."""
        column = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([list(cells)])
        encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return Texts(codes.astype(np.intp), tuple(encoded.dictionary.to_pylist()))

    @property
    def raw(self) -> NDArray[np.object_]:
        """The texts, (n,), None for a missing one."""
        different: NDArray[np.object_] = np.array([*self.different, None], dtype=object)
        return different[self.codes]


@dataclass(frozen=True)
class Split:
    """One split in memory, n rows."""

    columns: Columns
    ids: list[str]
    labels: NDArray[np.float64]  # (n,); 0 and 1 for a binary problem
    context: dict[str, Texts]  # raw values by column
    features: NDArray[np.float32]  # (n, features); missing is NaN

    @property
    def favourable(self) -> NDArray[np.bool_]:
        """Where the label is favourable, (n,)."""
        return self.columns.favourable(self.labels)

    @property
    def strata(self) -> NDArray[np.intp] | None:
        """The group variable as codes from 0, (n,); None without one."""
        if self.columns.group_variable is None:
            return None
        return self.context[self.columns.group_variable].codes + 1  # 0: rows without a value


def read_groups(folder: Path) -> NDArray[np.intp] | None:
    """The number of each row's group, from 0 without gaps, (n,); None without groups."""
    if not (folder / GROUPS).is_file():
        return None
    numbers = np.loadtxt(folder / GROUPS, dtype=np.intp, ndmin=1)
    codes: NDArray[np.intp] = np.unique(numbers, return_inverse=True)[1]
    return codes


def read_split(folder: Path, name: str, columns: Columns | None = None) -> Split:
    """Read `<name>.csv`, with the caller's columns or those of the `columns.json` beside it."""
    columns = columns or Columns.read(folder)
    kinds = {column: pa.string() for column in columns.names}
    kinds |= {columns.label: pa.float64()} | {column: pa.float32() for column in columns.features}
    table = pyarrow.csv.read_csv(
        folder / f"{name}.csv",
        # In one thread: with several, a process that ends soon after may abort (Arrow #34314).
        read_options=pyarrow.csv.ReadOptions(column_names=columns.names, use_threads=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=kinds, strings_can_be_null=True, null_values=[""]
        ),
    )
    features = np.empty((table.num_rows, len(columns.features)), dtype=np.float32)
    for position, feature in enumerate(columns.features):
        features[:, position] = table[feature].to_numpy(zero_copy_only=False)
    return Split(
        columns=columns,
        ids=table[columns.record_id].to_pylist(),
        labels=table[columns.label].to_numpy(),
        context={column: Texts.of(table[FACET_PREFIX + column]) for column in columns.context},
        features=features,
    )
