"""Reads a language model's folder; defines the error for an unusable model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


class LanguageModelError(ValueError):
    """An unusable model or conversation; the message is one sentence."""


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        LanguageModelError: if the file is missing, or is not a JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LanguageModelError(f"expected {file.name} in the model's folder, got none") from None
    except (OSError, ValueError, RecursionError) as error:
        raise LanguageModelError(f"expected JSON in {file.name}, got {error}") from error
    if not isinstance(content, dict):
        got = type(content).__name__
        raise LanguageModelError(f"expected a JSON object in {file.name}, got {got}")
    return content


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files, which identifies a model."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        total.update(name.encode() + b"\0")
        with file.open("rb") as content:
            total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()
