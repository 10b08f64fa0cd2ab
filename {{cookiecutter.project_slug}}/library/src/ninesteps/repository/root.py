"""A repository's root: the nearest folder with a `pipeline.toml`, from a folder upward."""

from __future__ import annotations

from pathlib import Path

from ninesteps.errors import SettingsError

SETTINGS = "pipeline.toml"


def find(start: Path | None = None) -> Path:
    """The repository of a folder; by default of the working directory.

    Raises:
        SettingsError: if neither the folder nor one above it has the file.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / SETTINGS).is_file():
            _check_name(folder)
            return folder
    raise SettingsError(f"expected this file in {here} or a folder above it, found none")


def _check_name(folder: Path) -> None:
    """Refuse a path that is not UTF-8: databases, definitions and pages could not contain it."""
    try:
        str(folder).encode("utf-8")
    except UnicodeEncodeError:
        raise SettingsError(
            f"expected a repository in a folder whose path is UTF-8, got {str(folder)!a}"
        ) from None
