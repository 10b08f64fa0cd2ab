"""`pipeline reproduce`: makes a version again in a fresh folder and compares it.

Nothing is read from a cache, and nothing in the repository's `.local` is changed: the steps run in
the fresh folder, under the run's own id, so that paths and moments are the original ones.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ninesteps.errors import NineStepsError
from ninesteps.feature_store.ingest import ingest, tables
from ninesteps.local.engine import Engine
from ninesteps.local.offline_store import Catalog
from ninesteps.local.processes import Processes
from ninesteps.local.storage import Storage
from ninesteps.runs import compiled, stopping
from ninesteps.runs.continuing import AS_OF
from ninesteps.runs.reproducing import artifacts, inputs
from ninesteps.runs.reproducing.environment import differences_of_environment
from ninesteps.runs.reproducing.recorded import Recorded, recorded
from ninesteps.runs.reproducing.repository import Repository, of_then
from ninesteps.runs.reproducing.result import (
    CHANGED,
    REMADE,
    USED,
    Part,
    Reproduction,
    Source,
)
from ninesteps.runs.run import Observer, available_cores, preload, shown
from ninesteps.settings.settings import Settings
from ninesteps.step_code.by_digest import root_uri

TOLERANCE = 1e-6
"""Numbers count as the same up to this absolute or relative difference."""


@dataclass(frozen=True)
class Options:
    """How a version is made again."""

    folder: Path | None = None  # that is kept; None: a temporary one
    tolerance: float = TOLERANCE
    parallel: int | None = None


def reproduce(
    root: Path, local: Path, settings: Settings, number: int, options: Options, progress: Observer
) -> Reproduction:
    """Make a version again from what was recorded, and compare each artifact.

    Args:
        root: the repository.
        local: the folder with the results of runs; it is only read.
        number: of the version.

    Raises:
        StateError: if not enough was recorded to begin.
    """
    kept = recorded(local, settings.model_package_group, number)
    with _fresh(options.folder) as folder:
        return _Rerun(root, settings, kept, folder, options, progress).run()


@contextlib.contextmanager
def _fresh(folder: Path | None) -> Iterator[Path]:
    """An empty folder; a temporary one is removed at the end, a requested one only on an error."""
    is_made = folder is None or not folder.exists()
    fresh = Path(tempfile.mkdtemp(prefix="reproduce-")) if folder is None else folder.resolve()
    fresh.mkdir(parents=True, exist_ok=True)
    try:
        yield fresh
    except BaseException:
        _empty(fresh, is_made)
        raise
    if folder is None:
        _empty(fresh, is_made)


def _empty(folder: Path, is_made: bool) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if is_made:
        folder.rmdir()


class _Rerun:
    """One version that is made again."""

    def __init__(
        self, root: Path, settings: Settings, kept: Recorded, folder: Path, options: Options,
        progress: Observer,
    ) -> None:  # fmt: skip
        self._root, self._settings, self._kept = root, settings, kept
        self._folder, self._options, self._progress = folder, options, progress
        self._storage = Storage(folder / "s3")
        self._sources: list[Source] = []
        self._parts: list[Part] = []

    def run(self) -> Reproduction:
        """Bring the inputs, run the steps, and compare."""
        kept = self._kept
        self._progress.working("looking for what it was made from")
        then = of_then(self._root, self._settings, kept, self._folder / "repository")
        self._sources.append(self._compiled(then))
        catalog = self._rows(then)
        self._sources += inputs.bring_code(kept, then, self._storage)
        if catalog is None:
            self._parts += artifacts.of_no_step(kept, "step 1 has no rows to read")
        else:
            self._parts += self._steps(then, catalog)
        differences = [*differences_of_environment(self._root, kept.run.origin)]
        if erased := kept.erasures.learnt_by(kept.package.version):
            differences.append(f"the version {erased}")
        return Reproduction(
            kept.package.group, kept.package.version, kept.run.id, tuple(kept.runs),
            self._options.tolerance, tuple(self._sources),
            tuple(differences), tuple(self._parts),
        )  # fmt: skip

    def _compiled(self, then: Repository | None) -> Source:
        """The definition compiled again; the recorded one is run in any case."""
        name = "definition"
        if then is None:
            return Source(
                name, USED,
                "as recorded by the run: neither the working tree nor a recorded commit without "
                "changes has the same code and settings",
            )  # fmt: skip
        self._progress.working("compiling")
        settings = then.settings
        try:
            text = compiled.definition(settings, settings.environment())
        except NineStepsError as error:
            return Source(
                name, USED, f"as recorded by the run: {then.where} does not compile: {error}"
            )
        if text == self._kept.run.definition:
            return Source(name, REMADE, f"compiled from {then.where}: the same bytes")
        return Source(
            name,
            CHANGED,
            f"{then.where} compiles to a different one; the one recorded by the run is used",
        )

    def _rows(self, then: Repository | None) -> Catalog | None:
        """The tables for step 1, made again from the raw table, or copied as recorded.

        None if neither is possible.
        """
        kept, old = self._kept, inputs.tables_at(self._kept)
        file, source = inputs.raw_table(self._root, kept, then)
        self._sources.append(source)
        made = dict(self._ingested(then, file)) if then and file else {}
        settings = then.settings if then else self._settings
        features = settings.features_of(settings.environment())
        owned = {(f.database, f.table) for f in (features, *features.owned_groups.values())}
        if made:
            rows = artifacts.rows_of(kept, made, self._storage, self._options.tolerance)
        elif file:
            rows = artifacts.not_made(kept, owned, "their code and settings no longer exist")
        else:
            rows = artifacts.not_made(kept, owned, "the raw table no longer exists or has changed")
        self._parts.append(rows)
        others = {table: uri for table, uri in old.items() if table not in made}
        brought = inputs.bring_rows(kept, self._storage, list(others.values()))
        self._sources += brought
        if any(source.state != USED for source in brought):
            return None
        return {**others, **made}

    def _ingested(self, then: Repository, file: Path) -> Catalog:
        """Put the raw table into the fresh folder's offline store, with the original moment."""
        settings, environment = then.settings, then.settings.environment()
        as_of = str(self._kept.run.parameters.get(AS_OF, ""))
        ingested = ingest(
            file, settings, environment, self._folder / "s3",
            lambda: self._progress.working("reading the table"), as_of=as_of,
            called=inputs.first_put(self._kept), erased=self._kept.erasures,
        )  # fmt: skip
        self._progress.ingested(file, ingested, as_of)
        return tables(settings.features_of(environment), ingested)

    def _steps(self, then: Repository | None, catalog: Catalog) -> Iterator[Part]:
        kept, at_once = self._kept, self._options.parallel or available_cores()
        settings = then.settings if then else self._settings
        engine = Engine(self._folder, catalog, at_once, Processes(at_once, preload(settings)))
        with self._progress:
            execution = engine.run_again(kept.run, shown(self._progress))
        stopping.check()
        self._progress.working("comparing")
        prefix = f"{root_uri(settings, settings.environment())}/executions"
        yield from artifacts.of_steps(
            kept, execution, engine.state, engine.storage, prefix, self._options.tolerance
        )
