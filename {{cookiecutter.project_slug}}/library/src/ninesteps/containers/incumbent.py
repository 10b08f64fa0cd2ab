"""The incumbent, whose replies are compared with the new model's: the version that serves.

If no version serves, it is the base, served by the new model's own code, so that only the weights
differ.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from champion import NONE_SERVES, Champion
from container import input_uri, read_json
from dataset import DataError
from model_files import digest
from served_model import ServedModel

BASE, VERSION = "base", "version"


@dataclass(frozen=True)
class Incumbent:
    """A model to compare with."""

    what: str  # base, or version
    sha256: str  # of the version's archive, or of the base's files
    uri: str
    model: ServedModel

    @staticmethod
    def of(champion: Champion, base: Path, challenger: ServedModel) -> Incumbent:
        """The champion's archive if a version serves, else the base.

        Args:
            base: the folder of the base that the challenger was trained from.

        Raises:
            DataError: if the champion is not a language model, or the base is a different one.
        """
        if champion.model is not None:
            return Incumbent(VERSION, champion.sha256, champion.uri, champion.model)
        if champion.outcome != NONE_SERVES:
            raise DataError(champion.says)
        sha256, expected = digest(base), _base_of(challenger)
        if sha256 != expected:
            raise DataError(
                f"the base: expected the one that the model was trained from, of sha256 "
                f"{expected[:12]}, got {sha256[:12]}"
            )
        folder = base.parent / "base_with_code"
        shutil.rmtree(folder, ignore_errors=True)
        _link(base, folder)
        _link(challenger.folder / "code", folder / "code")
        return Incumbent(BASE, sha256, input_uri(base.name), ServedModel(folder, sha256))

    def as_json(self) -> dict[str, Any]:
        """Its description in `evaluation.json`."""
        return {"what": self.what, "sha256": self.sha256, "uri": self.uri}


def _base_of(model: ServedModel) -> str:
    return str(read_json(model.folder / "code/model.json")["base_sha256"])


def _link(source: Path, target: Path) -> None:
    """Link a folder's files into another folder, or copy them where links do not work."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)
