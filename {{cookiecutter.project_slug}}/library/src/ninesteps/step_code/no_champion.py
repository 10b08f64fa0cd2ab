"""The empty archive in place of the champion while no version serves.

A pipeline's parameter names the champion's archive, and a step's input must exist: this archive
without files is uploaded with the code, under the hash of its bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code.by_digest import root_uri

PARAMETER = "ChampionModel"
"""The pipeline's parameter with the S3 URI of the archive of the version that serves.

Only definitions with a gate on the champion have it, and those of language models.
"""


def archive() -> bytes:
    """An archive without files: always the same bytes."""
    packed = io.BytesIO()
    # Without compression, whose output differs between builds of zlib.
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=0, mtime=0) as compressed:
        tarfile.open(fileobj=compressed, mode="w").close()
    return packed.getvalue()


def sha256() -> str:
    """The hexadecimal digest of its bytes."""
    return hashlib.sha256(archive()).hexdigest()


def uri(settings: Settings, environment: Environment) -> str:
    """Its URI, beside the code of the pipeline's steps."""
    return f"{root_uri(settings, environment)}/code/{sha256()[:16]}/model.tar.gz"


def objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The files needed before a run, by S3 URI; none without a champion."""
    if not settings.has_champion:
        return {}
    return {uri(settings, environment): archive()}
