"""Places files of a definition under the hash of their bytes, the same for every compile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings


def root_uri(settings: Settings, environment: Environment) -> str:
    """The prefix of everything in a pipeline."""
    return f"s3://{environment.bucket_name}/{settings.project.pipeline}"


def inside(settings: Settings, name: str, *key: str) -> Path:
    """A file or folder of the repository, without links out of it: their targets would be
    published.

    Args:
        name: its path in the repository.
        key: the key in the settings.

    Raises:
        SettingsError: if a link leads out of the repository.
    """
    path = settings.root / name
    target = Path(os.path.realpath(path))  # which accepts a link to itself
    if not target.is_relative_to(settings.root.resolve()):
        raise SettingsError(
            f"expected a file or folder of the repository and no link out of it, got {name}, which "
            f"leads to {target}", *key,
        )  # fmt: skip
    return path


def digest(sha256: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, whose first 16 hexadecimal digits name the prefix.

    Args:
        sha256: of each file's bytes, by name.
    """
    total = hashlib.sha256()
    for name, content in sorted(sha256.items()):
        total.update(name.encode() + b"\0" + content)
    return total.hexdigest()[:16]


def uri(settings: Settings, environment: Environment, files: Mapping[str, bytes]) -> str:
    """The prefix of these files."""
    hashes = {name: hashlib.sha256(content).digest() for name, content in files.items()}
    return f"{root_uri(settings, environment)}/code/{digest(hashes)}"


def objects(
    settings: Settings, environment: Environment, files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """These files by S3 URI."""
    place = uri(settings, environment, files)
    return {f"{place}/{name}": content for name, content in files.items()}
