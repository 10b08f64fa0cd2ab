"""Where a run came from, in words: for the terminal, the report and approvers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ninesteps.plain_text import plain

SHOWN = 5
"""Changed files that a sentence names."""

NOT_RECORDED = "not recorded: it was made by an earlier version of the library"


def lines(origin: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every line, each with its label."""
    yield from code_lines(origin)
    if table := origin.get("table"):
        yield from table_lines(table)
    for ingest in origin.get("ingests", ()):
        yield "ingested", ingest["at"]
        yield from table_lines(ingest["table"])
    if older := origin.get("older_ingests"):
        yield "ingested", f"and {older:,} earlier tables, which are not listed"


def code_lines(origin: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The commit, the template, the library, and the digests of settings and lock."""
    if "repository" not in origin:
        yield "came from", origin.get("unknown") or NOT_RECORDED
        return
    yield "commit", commit(origin)
    if folder := origin["repository"]["folder"]:
        yield "folder", f"{folder} of the git repository"
    if template := origin["template"]:
        known = f"{template['source']} at {template['commit'] or 'an unknown commit'}"
        yield "template", known if template["source"] else ".cruft.json cannot be read"
    yield "installed", f"library {origin['library']}  sha256 {origin['library_sha256'][:12]}"
    yield "python", f"{origin['python']} on {origin['machine']}"
    yield "settings", _file("pipeline.toml", origin["settings_sha256"])
    yield "lock", _file("requirements.lock", origin["lock_sha256"])
    for name, digest in origin["overridden"].items():
        yield "overridden", _file(name, digest)


def table_lines(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The raw table: its size and digest, its period, its rows."""
    yield "table", f"{table['path']}  {table['bytes']:,} bytes  sha256 {table['sha256'][:12]}"
    yield "period", f"{table['first']} to {table['last']}"
    counts = [f"{table['rows']:,} read", f"{table['kept']:,} kept"]
    if table["used"] is not None:
        counts.append(f"{table['used']:,} used")
    yield "rows", ", ".join(counts)
    for reason in table["left_out"]:
        yield "left out", f"{reason['rows']:,}: {reason['why']}"


def commit(origin: Mapping[str, Any]) -> str:
    """The commit, and the files that differed from it."""
    repository = origin["repository"]
    if not repository["commit"]:
        return f"not known: {repository['unknown']}"
    if not repository["is_dirty"]:
        return str(repository["commit"])
    return f"{repository['commit']}; {_changes(repository, 'it')}"


def dirty(origin: Mapping[str, Any]) -> str:
    """A sentence on changes that were not committed; empty if there were none."""
    repository = origin.get("repository", {})
    if not repository.get("is_dirty"):
        return ""
    return _changes(repository, f"commit {repository['commit'][:12]}")


def _changes(repository: Mapping[str, Any], commit: str) -> str:
    names, total = repository["changed"][:SHOWN], repository["changed_count"]
    more = f" and {total - len(names):,} more" if total > len(names) else ""
    differ = "1 file differs" if total == 1 else f"{total:,} files differ"
    return plain(f"{differ} from {commit} ({', '.join(names)}{more})").replace("\n", " ")


def _file(name: str, digest: str) -> str:
    return f"{name}  sha256 {digest[:12]}" if digest else f"there is no {name}"
