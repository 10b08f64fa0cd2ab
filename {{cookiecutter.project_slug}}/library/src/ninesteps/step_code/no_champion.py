"""The empty archive that stands for the champion where no version serves.

A pipeline's parameter names the champion's archive, and a step's input has to lie somewhere: it is
an archive without a file in it, put beside the code under the hash of its bytes.
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
"""The pipeline's parameter: the S3 URI of the archive of the version that serves.

Only a definition has it whose gate speaks of the champion, or that of a language model.
"""


def archive() -> bytes:
    """An archive of nothing: always the same bytes."""
    packed = io.BytesIO()
    # Without compression, which differs between builds of zlib.
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=0, mtime=0) as compressed:
        tarfile.open(fileobj=compressed, mode="w").close()
    return packed.getvalue()


def sha256() -> str:
    """The digest of its bytes, hexadecimal."""
    return hashlib.sha256(archive()).hexdigest()


def uri(settings: Settings, environment: Environment) -> str:
    """Where it lies, beside the code of the pipeline's steps."""
    return f"{root_uri(settings, environment)}/code/{sha256()[:16]}/model.tar.gz"


def objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """What has to be there before a run, by S3 URI: nothing where no champion is asked."""
    if not settings.has_champion:
        return {}
    return {uri(settings, environment): archive()}
