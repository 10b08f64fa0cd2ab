"""The base of a language model: a folder of the repository, uploaded with the code, or in S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code import by_digest

NEEDED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
"""The files that every base must have."""

SUFFIXES = (".jinja", ".json", ".safetensors")
"""The files of a base that are read: none is a program, or pickled."""

LARGEST = 64_000_000
"""The most bytes of a folder that is uploaded with the code, and read for every definition."""

_KEY = ("model", "base")


def uri(settings: Settings, environment: Environment) -> str:
    """The S3 prefix of the base."""
    if base := settings.model.base_prefix:
        return base
    return by_digest.uri(settings, environment, _files(settings))


def objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The files needed before a run, by S3 URI; none for a base in S3."""
    if not settings.model.base or settings.model.base_prefix:
        return {}
    return by_digest.objects(settings, environment, _files(settings))


def paths(settings: Settings) -> list[Path]:
    """The files to read, in order; none for a base in S3."""
    if not settings.model.base or settings.model.base_prefix:
        return []
    folder = settings.root / settings.model.base
    return [path for path in sorted(folder.glob("*")) if path.suffix in SUFFIXES]


def check_is_here(settings: Settings, at: Callable[[str], Path]) -> None:
    """Check before a run that a base in S3 was copied to this machine.

    Args:
        at: returns the local folder for an S3 prefix.

    Raises:
        SettingsError: if a required file is missing.
    """
    if not (prefix := settings.model.base_prefix):
        return
    folder = at(prefix)
    if absent := [name for name in NEEDED if not (folder / name).is_file()]:
        raise SettingsError(
            f"expected {', '.join(NEEDED)} in {folder}, found no {' and no '.join(absent)}: a run "
            f"on this machine reads {prefix} there, so copy the base to it", *_KEY,
        )  # fmt: skip


def _files(settings: Settings) -> dict[str, bytes]:
    """The files of the base's folder, by name.

    Raises:
        SettingsError: if one is missing or elsewhere, or they are too large.
    """
    folder, found = by_digest.inside(settings, settings.model.base, *_KEY), paths(settings)
    names = [path.name for path in found]
    if not folder.is_dir():
        raise SettingsError(
            f"expected a folder with {', '.join(NEEDED)}, found none at {settings.model.base}",
            *_KEY,
        )  # fmt: skip
    if absent := [name for name in NEEDED if name not in names]:
        raise SettingsError(
            f"expected {', '.join(NEEDED)} in the folder {settings.model.base}, found no "
            f"{' and no '.join(absent)}", *_KEY,
        )  # fmt: skip
    if (size := sum(path.stat().st_size for path in found)) > LARGEST:
        raise SettingsError(
            f"expected a folder of at most {LARGEST // 1_000_000} MB, got {size // 1_000_000} MB: "
            "put a larger base into S3, and its s3:// prefix here", *_KEY,
        )  # fmt: skip
    for name in names:
        by_digest.inside(settings, f"{settings.model.base}/{name}", *_KEY)
    return {path.name: _content(path) for path in found}


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        return content
    return content.replace(b"\r\n", b"\n")  # a checkout on Windows may have it
