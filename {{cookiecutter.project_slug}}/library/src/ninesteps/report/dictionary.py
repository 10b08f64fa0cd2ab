"""The dictionary of features: the name, type, meaning and source of each.

Meanings come from `pipeline.toml`: those of raw columns from `[data.columns]`, those of computed
features from `[features.dictionary]`. The columns that a category becomes are one entry, and need
no meaning of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ninesteps.nearest import did_you_mean
from ninesteps.settings.data import Column
from ninesteps.settings.meanings import Computed
from ninesteps.settings.settings import Settings


@dataclass(frozen=True)
class Feature:
    """A feature, or a raw column that the model never sees."""

    name: str
    type: str
    meaning: str  # empty: none is given
    source: str  # where it comes from; or why it is not seen
    columns: tuple[str, ...] | None = ()  # the raw columns that it comes from; None: not known
    is_seen: bool = True  # by the model


@dataclass(frozen=True)
class Dictionary:
    """The columns and features in the settings."""

    columns: Mapping[str, Column]  # the raw ones
    computed: Mapping[str, Computed]  # features by their names
    shared: Mapping[str, str]  # groups of other repositories: NAME -> the group's name
    facets: tuple[str, ...]  # columns whose groups are compared
    withheld: Mapping[str, str]  # raw columns that no feature is made of -> why
    learnt: tuple[str, ...] = ()  # the conversations that a language model learns from

    @staticmethod
    def of(settings: Settings) -> Dictionary:
        """Of a repository's settings."""
        data, facets = settings.data, tuple(facet.column for facet in settings.facets)
        withheld = dict.fromkeys(data.pseudonyms, "stored as a keyed hash")
        withheld |= {n: "withheld by [model] exclude" for n in settings.model.exclude
                     if n in data.columns}  # fmt: skip
        if settings.is_language_model:
            others = [name for name in data.columns if name not in data.conversations]
            withheld = dict.fromkeys(others, "stored with the conversations") | withheld
        groups = {name: group.group for name, group in settings.features.groups.items()}
        return Dictionary(data.columns, settings.features.dictionary, groups,
                          tuple(dict.fromkeys(facets)), withheld, data.conversations)  # fmt: skip

    def rows(self, features: Iterable[str]) -> list[Feature]:
        """The features in their order, and after them the raw columns that the model never sees.

        Args:
            features: their names, as `features.py` gives them; a language model has none.
        """
        seen: dict[str, Feature] = {}
        for name in self.learnt or features:
            feature = self._feature(name)
            seen.setdefault(feature.name, feature)
        return [*seen.values(), *self._unseen(seen.values())]

    def without_meaning(self, features: Iterable[str]) -> list[str]:
        """The features that no meaning is given for."""
        return [row.name for row in self.rows(features) if row.is_seen and not row.meaning]

    def unknown(self, features: Iterable[str]) -> list[str]:
        """A sentence on each entry of `[features.dictionary]` that is the name of no feature."""
        known = list(features)
        return [
            f"pipeline.toml [features.dictionary]: expected the name of a feature that "
            f"feature_store/features.py gives, got {name!r}{did_you_mean(name, known)}"
            for name in self.computed
            if name not in known
        ]

    def _feature(self, name: str) -> Feature:
        shared = self._shared(name)
        if entry := self.computed.get(name):
            known = entry.columns or (() if shared else None)
            source = shared or _computed_from(entry.columns)
            return Feature(name, "number", entry.meaning, source, known)
        if column := self.columns.get(name):
            return Feature(name, column.type, column.meaning, f"raw column{self._too(name)}",
                           (name,))  # fmt: skip
        if shared:
            return Feature(name, "number", "", shared)
        return (
            self._of_a_category(name)
            or self._variant(name)
            or Feature(name, "number", "", _computed_from(()), None)
        )

    def _too(self, column: str) -> str:
        return "; its groups are compared too" if column in self.facets else ""

    def _shared(self, name: str) -> str:
        """The group of another repository that a feature is read from; empty if from none."""
        for prefix, group in self.shared.items():
            if name.startswith(f"{prefix}_"):
                return f"feature group {group}, column {name.removeprefix(f'{prefix}_')}"
        return ""

    def _of_a_category(self, name: str) -> Feature | None:
        """The one entry of all the columns of 0 and 1 that a category becomes."""
        for raw, column in self.columns.items():
            mark, value = name[len(raw) : len(raw) + 1], name[len(raw) + 1 :]
            if name.startswith(raw) and mark in ("_", "=") and value in column.values:
                source = (
                    f"{raw}: 0 or 1 for each of its {len(column.values)} values{self._too(raw)}"
                )
                return Feature(f"{raw}{mark}...", column.type, column.meaning, source, (raw,))
        return None

    def _variant(self, name: str) -> Feature | None:
        """A feature that is named after one raw column, such as `hired (days ago)`."""
        raw, _, how = name.partition(" (")
        if raw not in self.columns or not how.endswith(")"):
            return None
        meaning = self.columns[raw].meaning
        return Feature(name, "number", f"{meaning} ({how}" if meaning else "",
                       _computed_from((raw,)), (raw,))  # fmt: skip

    def _unseen(self, features: Iterable[Feature]) -> Iterator[Feature]:
        """Raw columns that the model never sees: those withheld, and those that nothing uses."""
        used: set[str] = set()
        is_known = True
        for feature in features:
            used |= {*(feature.columns or ())}
            is_known &= feature.columns is not None
        for name, column in self.columns.items():
            is_unused = is_known and name not in used
            if why := self.withheld.get(name) or (is_unused and "no feature is computed from it"):
                compared = "; its groups are compared" if name in self.facets else ""
                yield Feature(name, column.type, column.meaning, f"{why}{compared}", (name,), False)


def rows(settings: Settings, features: Iterable[str]) -> list[Feature]:
    """The dictionary of features by a repository's settings: `Dictionary.rows` of them."""
    return Dictionary.of(settings).rows(features)


def _computed_from(columns: tuple[str, ...]) -> str:
    return f"computed from {', '.join(columns)}" if columns else "computed by features.py"
