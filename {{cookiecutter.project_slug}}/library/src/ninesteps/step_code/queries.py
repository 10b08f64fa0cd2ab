"""Step 1's query of the offline store: files under the hash of their bytes, as code is.

An argument of a job holds 256 characters, so the query is an input; the moment is an argument, and
stands in the query as a placeholder. `sources.json` says where each query's tables are looked for.
"""

from __future__ import annotations

import hashlib
import json

from ninesteps.feature_store.point_in_time import Shared, Source, joined_query
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

MAIN = "features"
"""What the feature group with the label is called here."""


def files(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The files of the queries, by name."""
    features, data = settings.features_of(environment), settings.data
    source = Source(
        features.table,
        data.stored_name(data.record_id),
        features.event_time,
        features.is_fractional,
    )
    shared = {
        name: Shared(
            Source(
                other.table,
                other.record_id or data.stored_name(data.record_id),
                other.event_time,
                other.is_fractional,
                "" if other.database == features.database else other.database,
            ),
            other.columns,
        )
        for name, other in features.groups.items()
    }
    sources = [{
        "name": MAIN,
        "database": features.database,
        "catalog": features.catalog,
        "workgroup": features.workgroup,
        "event_time": features.event_time,
    }]  # fmt: skip
    return {
        "sources.json": (json.dumps(sources, indent=2) + "\n").encode(),
        f"{MAIN}.sql": (joined_query(source, shared) + "\n").encode(),
    }


def uri(settings: Settings, environment: Environment) -> str:
    """Where they lie: the same for every compile of the same bytes."""
    total = hashlib.sha256()
    for name, content in sorted(files(settings, environment).items()):
        total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    root = f"s3://{environment.bucket_name}/{settings.project.pipeline}"
    return f"{root}/code/{total.hexdigest()[:16]}"


def objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """What has to be there before step 1 runs, by S3 URI."""
    place = uri(settings, environment)
    return {f"{place}/{name}": text for name, text in files(settings, environment).items()}
