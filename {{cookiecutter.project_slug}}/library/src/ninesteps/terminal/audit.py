"""What `pipeline audit` prints about a new pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ninesteps.audit.pack import Pack
from ninesteps.audit.verify import MANIFEST
from ninesteps.terminal.lines import wrapped


def made(pack: Pack, file: Path) -> None:
    """Print its path, what is missing, and the digest to keep elsewhere."""
    for uri in pack.changed:
        click.echo(f"changed    {uri}: not as its step wrote it", err=True)
    click.echo(f"wrote      {file}: {pack.files} files, {len(pack.content):,} bytes")
    for name, why in pack.absent.items():
        click.echo(wrapped(f"{name}: {why}", "missing", 11))
    click.echo(f"{MANIFEST} has SHA-256 {pack.manifest_sha256}")
    click.echo("Keep this digest elsewhere: the pack alone cannot show that it was rewritten.")


def as_json(pack: Pack, file: Path) -> dict[str, Any]:
    """The same as data."""
    return {
        "pack": str(file),
        "files": pack.files,
        "bytes": len(pack.content),
        "manifest_sha256": pack.manifest_sha256,
        "absent": dict(pack.absent),
        "changed": list(pack.changed),
    }
