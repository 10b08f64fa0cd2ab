"""Keyed hashes in place of record ids, where an id itself must not be stored.

HMAC-SHA-256 (RFC 2104) with a key of this folder. Hashes of short ids without a key could be
reversed by trying all ids.
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
"""In `.local`; only the folder's owner can read it."""

BYTES = 32
_BLOCK = 64  # SHA-256's block size


@dataclass(frozen=True)
class Key:
    """The key of a folder such as `.local`."""

    secret: bytes

    @property
    def name(self) -> str:
        """Identifies this key without revealing it: 16 hexadecimal digits."""
        return hashlib.sha256(b"name of the key\0" + self.secret).hexdigest()[:16]

    @cached_property
    def hash(self) -> Callable[[bytes], bytes]:
        """The HMAC of a text's UTF-8, 32 bytes.

        The same as `hmac.digest`, in half the time: a table may have a million ids.
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
        """The pseudonym of an id, as 64 hexadecimal digits."""
        return self.hash(identifier.encode()).hex()


def read(local: Path) -> Key | None:
    """The key of a folder, if there is one.

    Raises:
        StateError: if the file has no valid key.
    """
    file = local / FILE
    try:
        secret = file.read_bytes()
    except FileNotFoundError:
        return None
    if len(secret) != BYTES:
        raise StateError(
            f"{file}: expected a key of {BYTES} bytes, got {len(secret)}: restore it from a "
            "backup; without it, erased records cannot be recognised"
        )
    return Key(secret)


def made(local: Path) -> Key:
    """The key of a folder, created if necessary; if two processes create it at once, one is
    kept."""
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
        os.link(whole, file)  # unlike a rename, it fails if another process has created one
    except FileExistsError:
        pass
    except OSError:  # a disk without links
        if not file.exists():
            whole.replace(file)
    whole.unlink(missing_ok=True)
    key = read(local)
    if key is None:
        raise StateError(f"{file} could not be created")
    return key
