"""Assigns a row to a split by a hash of its key, for step 1 and for the ingest's counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def split_of(keys: Iterable[str], salt: str, shares: Sequence[float]) -> NDArray[np.int64]:
    """The split of each key, (n,): 0, 1 or 2, by SHA-256 of salt and key, not at random.

    A key is in the same split in every run, so that a test row of one run is not a training row of
    the next.
    """
    digests = b"".join(hashlib.sha256(f"{salt}{key}".encode()).digest()[:8] for key in keys)
    points = np.frombuffer(digests, dtype=">u8").astype(np.float64) / 2.0**64
    return np.searchsorted(np.cumsum(shares)[:-1], points, side="right").astype(np.int64)
