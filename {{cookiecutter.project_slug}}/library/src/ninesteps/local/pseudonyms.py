"""Keyed hashes that stand for record ids, where an id itself may not be kept.

HMAC-SHA-256 (RFC 2104) under a key of this folder: without the key nobody can try ids until one
fits, which is easy for hashes of short ids that have no key.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ninesteps.errors import StateError

FILE = "trace/key"
"""Below `.local`; whoever owns the folder reads it, and nobody else."""

BYTES = 32
_BLOCK = 64  # of SHA-256


@dataclass(frozen=True)
class Key:
    """The key of a folder such as `.local`."""

    secret: bytes

    @property
    def name(self) -> str:
        """What tells this key from others, without giving it away: 16 hexadecimal digits."""
        return hashlib.sha256(b"name of the key\0" + self.secret).hexdigest()[:16]

    @cached_property
    def hash(self) -> Callable[[bytes], bytes]:
        """The HMAC of a text's UTF-8, 32 bytes.

        As `hmac.digest` gives it, in half the time: a table has a million ids.
        """
        block = self.secret.ljust(_BLOCK, b"\0")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

        def of(content: bytes) -> bytes:
            first, second = inner.copy(), outer.copy()
            first.update(content)
            second.update(first.digest())
            return second.digest()

        return of

    def of(self, identifier: str) -> str:
        """What stands for an id, as 64 hexadecimal digits."""
        return self.hash(identifier.encode()).hex()


def read(local: Path) -> Key | None:
    """The key of a folder; None if there is none.

    Raises:
        StateError: if what is there is no key.
    """
    file = local / FILE
    try:
        secret = file.read_bytes()
    except FileNotFoundError:
        return None
    if len(secret) != BYTES:
        raise StateError(
            f"{file}: expected a key of {BYTES} bytes, got {len(secret)}: put it back from a copy; "
            "without it nobody can tell which records were erased"
        )
    return Key(secret)


def made(local: Path) -> Key:
    """The key of a folder, made if there is none; of two that make it at once, one is kept."""
    if key := read(local):
        return key
    file = local / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_name(f".key.{secrets.token_hex(8)}")
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as content:
        content.write(secrets.token_bytes(BYTES))
        content.flush()
        os.fsync(content.fileno())
    try:
        os.link(whole, file)  # unlike a rename, it fails where another has made one
    except FileExistsError:
        pass
    except OSError:  # a disk without links
        if not file.exists():
            whole.replace(file)
    whole.unlink(missing_ok=True)
    key = read(local)
    if key is None:
        raise StateError(f"{file} could not be made")
    return key
