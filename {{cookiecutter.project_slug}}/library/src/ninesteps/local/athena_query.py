"""Runs a query as a script, so that its memory belongs to its own process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # where this package is

from ninesteps.errors import StepError
from ninesteps.local.offline_store import run_query
from ninesteps.local.storage import Storage


def main(options_file: str) -> None:
    """Run a query; print nothing but DuckDB's error if it fails."""
    options = json.loads(Path(options_file).read_text(encoding="utf-8"))
    catalog = {(database, table): uri for database, table, uri in options["catalog"]}
    storage, folder = Storage(Path(options["storage"])), Path(options["folder"])
    try:
        run_query(
            options["query"], options["database"], catalog, storage, folder, options["compression"]
        )
    except StepError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])
