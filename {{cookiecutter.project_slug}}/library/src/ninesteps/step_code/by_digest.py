"""Files that a definition names lie under the hash of their bytes: the same for every compile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings


def root_uri(settings: Settings, environment: Environment) -> str:
    """Everything of a pipeline is under this prefix."""
    return f"s3://{environment.bucket_name}/{settings.project.pipeline}"


def inside(settings: Settings, name: str, *key: str) -> Path:
    """A file or folder of the repository: what it leads to would be published with the code.

    Args:
        name: its path below the repository.
        key: of the settings that name it.

    Raises:
        SettingsError: if a link leads out of the repository.
    """
    path = settings.root / name
    target = Path(os.path.realpath(path))  # which takes a link to itself too
    if not target.is_relative_to(settings.root.resolve()):
        raise SettingsError(
            f"expected a file or folder of the repository and no link out of it, got {name}, which "
            f"leads to {target}", *key,
        )  # fmt: skip
    return path


def digest(sha256: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, of which 16 hexadecimal digits name the prefix.

    Args:
        sha256: of each file's bytes, by its name.
    """
    total = hashlib.sha256()
    for name, content in sorted(sha256.items()):
        total.update(name.encode() + b"\0" + content)
    return total.hexdigest()[:16]


def uri(settings: Settings, environment: Environment, files: Mapping[str, bytes]) -> str:
    """Where these files lie."""
    hashes = {name: hashlib.sha256(content).digest() for name, content in files.items()}
    return f"{root_uri(settings, environment)}/code/{digest(hashes)}"


def objects(
    settings: Settings, environment: Environment, files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """These files by their S3 URIs."""
    place = uri(settings, environment, files)
    return {f"{place}/{name}": content for name, content in files.items()}
