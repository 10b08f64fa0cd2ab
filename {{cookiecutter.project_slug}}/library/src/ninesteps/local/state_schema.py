"""The tables of the state's SQLite file: upgrades from each version to the next.

A file has the number of its last upgrade as `user_version`. A module that stores its own data in
the file adds an upgrade here, and uses `State.transaction()` and `State.rows()`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ninesteps.local import chain, chain_tables

VERSION_1 = """
CREATE TABLE executions (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, parameters TEXT NOT NULL,
    status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT
);
CREATE TABLE steps (
    execution TEXT NOT NULL REFERENCES executions (id), name TEXT NOT NULL, type TEXT NOT NULL,
    status TEXT NOT NULL, seconds REAL, reason TEXT NOT NULL,
    PRIMARY KEY (execution, name)
);
CREATE TABLE models (name TEXT PRIMARY KEY, request TEXT NOT NULL);
CREATE TABLE model_packages (
    package_group TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL,
    execution TEXT NOT NULL REFERENCES executions (id), created TEXT NOT NULL,
    request TEXT NOT NULL,
    PRIMARY KEY (package_group, version)
);
"""
VERSION_2 = """
ALTER TABLE executions ADD COLUMN definition TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN catalog TEXT NOT NULL DEFAULT '[]';
ALTER TABLE executions ADD COLUMN wanted TEXT NOT NULL DEFAULT '{}';
ALTER TABLE steps ADD COLUMN record TEXT NOT NULL DEFAULT '{}';
ALTER TABLE steps ADD COLUMN cache_key TEXT;
ALTER TABLE steps ADD COLUMN ended REAL;
CREATE INDEX steps_by_key ON steps (cache_key);
ALTER TABLE model_packages ADD COLUMN step TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX one_package_a_step ON model_packages (execution, step) WHERE step <> '';
CREATE TABLE digests (
    path TEXT PRIMARY KEY, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
    sha256 TEXT NOT NULL
);
"""
STATUS_OF_P = """
    coalesce((SELECT after FROM status_changes c WHERE c.package_group = p.package_group
              AND c.version = p.version AND c.stage = {stage} ORDER BY c.number DESC LIMIT 1),
             CASE {stage} WHEN '' THEN p.status ELSE 'PendingManualApproval' END)
"""
"""The status of a version p: from its last change, or from its registration."""

APPROVAL_STATUS = STATUS_OF_P.format(stage="''")

# REPLACE deletes rows without a trigger, so statements that would replace a row are refused too.
VERSION_3 = f"""
ALTER TABLE executions ADD COLUMN started_by TEXT NOT NULL DEFAULT '';
CREATE TABLE status_changes (
    number INTEGER PRIMARY KEY, package_group TEXT NOT NULL, version INTEGER NOT NULL,
    stage TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, who TEXT NOT NULL,
    why TEXT NOT NULL, at TEXT NOT NULL, evidence TEXT NOT NULL,
    FOREIGN KEY (package_group, version) REFERENCES model_packages (package_group, version)
);
CREATE INDEX changes_by_version ON status_changes (package_group, version);
CREATE TRIGGER changes_follow_each_other BEFORE INSERT ON status_changes
WHEN NEW.before IS NOT (
    SELECT {STATUS_OF_P.format(stage="NEW.stage")} FROM model_packages p
    WHERE p.package_group = NEW.package_group AND p.version = NEW.version
) OR EXISTS (SELECT 1 FROM status_changes WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'a change follows on the last one'); END;
CREATE TRIGGER changes_stay BEFORE UPDATE ON status_changes
BEGIN SELECT RAISE(ABORT, 'a change of status stays as it is'); END;
CREATE TRIGGER changes_are_kept BEFORE DELETE ON status_changes
BEGIN SELECT RAISE(ABORT, 'a change of status is kept'); END;
CREATE TRIGGER versions_are_new BEFORE INSERT ON model_packages
WHEN EXISTS (
    SELECT 1 FROM model_packages p WHERE p.rowid = NEW.rowid
    OR (p.package_group = NEW.package_group AND p.version = NEW.version)
    OR (p.execution = NEW.execution AND p.step = NEW.step AND p.step <> '')
)
BEGIN SELECT RAISE(ABORT, 'a version stays as it was registered'); END;
CREATE TRIGGER versions_stay BEFORE UPDATE ON model_packages
BEGIN SELECT RAISE(ABORT, 'a version stays as it was registered'); END;
CREATE TRIGGER versions_are_kept BEFORE DELETE ON model_packages
BEGIN SELECT RAISE(ABORT, 'a version is kept'); END;
"""
VERSION_4 = """
CREATE TABLE definitions (
    subject TEXT NOT NULL, sha256 TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (subject, sha256)
);
CREATE TRIGGER definitions_stay BEFORE UPDATE ON definitions
BEGIN SELECT RAISE(ABORT, 'the digest of a definition stays as it is'); END;
CREATE TRIGGER definitions_are_kept BEFORE DELETE ON definitions
BEGIN SELECT RAISE(ABORT, 'the digest of a definition is kept'); END;
"""
VERSION_5 = """
ALTER TABLE status_changes ADD COLUMN rules TEXT NOT NULL DEFAULT '';
"""
VERSION_6 = """
ALTER TABLE executions ADD COLUMN origin TEXT NOT NULL DEFAULT '{}';
"""
VERSION_7 = f"""
{chain.SCHEMA}
ALTER TABLE model_packages ADD COLUMN head TEXT NOT NULL DEFAULT '';
ALTER TABLE status_changes ADD COLUMN signature TEXT NOT NULL DEFAULT '';
"""
VERSION_8 = """
CREATE TABLE lineage_entities (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('artifact', 'action', 'context', 'trial component')),
    type TEXT NOT NULL, name TEXT NOT NULL, uri TEXT NOT NULL, sha256 TEXT NOT NULL,
    role TEXT NOT NULL, properties TEXT NOT NULL, created TEXT NOT NULL
);
CREATE INDEX lineage_by_sha256 ON lineage_entities (sha256);
CREATE TABLE lineage_associations (
    source TEXT NOT NULL REFERENCES lineage_entities (id),
    destination TEXT NOT NULL REFERENCES lineage_entities (id),
    type TEXT NOT NULL CHECK (
        type IN ('ContributedTo', 'AssociatedWith', 'DerivedFrom', 'Produced', 'SameAs')
    ),
    PRIMARY KEY (source, destination, type)
);
CREATE INDEX lineage_by_destination ON lineage_associations (destination);
"""
VERSION_9 = """
CREATE TABLE model_digests (
    package_group TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (package_group, version)
);
CREATE INDEX versions_by_digest ON model_digests (package_group, sha256);
INSERT INTO model_digests
SELECT p.package_group, p.version, min(d.value) FROM model_packages p
JOIN steps s ON s.execution = p.execution
JOIN json_each(CASE WHEN json_valid(s.record) THEN s.record ELSE '{}' END, '$.digests') d
ON d.key = CASE WHEN json_valid(p.request) THEN
           json_extract(p.request, '$.InferenceSpecification.Containers[0].ModelDataUrl') END
GROUP BY p.package_group, p.version;
CREATE TRIGGER model_digests_stay BEFORE UPDATE ON model_digests
BEGIN SELECT RAISE(ABORT, 'the digest of a version stays as it was registered'); END;
CREATE TRIGGER model_digests_are_kept BEFORE DELETE ON model_digests
BEGIN SELECT RAISE(ABORT, 'the digest of a version is kept'); END;
"""
UPGRADES = (
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8,
    VERSION_9,
)  # fmt: skip
"""In order: append a new one at the end; never change an old one."""

SCHEMA_VERSION = len(UPGRADES)

_FIRST_WITH_CHAIN = UPGRADES.index(VERSION_7) + 1


def upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade a file to this version, within the caller's transaction."""
    before = schema_version(connection)
    for schema in UPGRADES[before:]:
        for statement in _statements(schema):
            connection.execute(statement)
    if before < _FIRST_WITH_CHAIN:
        chain_tables.begin(connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def schema_version(connection: sqlite3.Connection) -> int:
    """The number of a file's upgrades; 0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _statements(schema: str) -> Iterator[str]:
    """The statements of a schema; a trigger's body contains semicolons too."""
    statement = ""
    for part in schema.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
