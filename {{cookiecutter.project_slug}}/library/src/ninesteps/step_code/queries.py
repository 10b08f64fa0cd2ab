"""Step 1's queries of the offline store: files under the hash of their bytes, like code.

A job's argument has at most 256 characters, so the query is an input; the moment is an argument,
with a placeholder in the query. `sources.json` says where each query's tables are.
"""

from __future__ import annotations

import json
from dataclasses import replace

from ninesteps.feature_store.point_in_time import Joined, Source, joined_query
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from ninesteps.settings.settings import Settings
from ninesteps.step_code import by_digest

MAIN = "features"
"""The name of the feature group with the label in the queries."""


def files(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The queries' files, by name."""
    features, record_id = settings.features_of(environment), settings.stored_record_id
    others = {
        name: Joined(_source(group, record_id), features.owned[name].columns)
        for name, group in features.owned_groups.items()
    }
    others |= {
        name: Joined(
            Source(
                shared.table,
                shared.record_id or record_id,
                shared.event_time,
                shared.is_fractional,
                "" if shared.database == features.database else shared.database,
            ),
            shared.columns,
            f"{name}_",
        )
        for name, shared in features.groups.items()
    }
    main = replace(_source(features, record_id), window_days=settings.data.window_days)
    sources = [{
        "name": MAIN,
        "database": features.database,
        "catalog": features.catalog,
        "workgroup": features.workgroup,
        "event_time": features.event_time,
    }]  # fmt: skip
    return {
        "sources.json": (json.dumps(sources, indent=2) + "\n").encode(),
        f"{MAIN}.sql": (joined_query(main, others) + "\n").encode(),
    }


def _source(features: Features, record_id: str) -> Source:
    """A table of the pipeline's own feature group."""
    return Source(features.table, record_id, features.event_time, features.is_fractional)


def uri(settings: Settings, environment: Environment) -> str:
    """Their prefix, the same for the same bytes."""
    return by_digest.uri(settings, environment, files(settings, environment))


def objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The files needed before step 1 runs, by S3 URI."""
    return by_digest.objects(settings, environment, files(settings, environment))
