"""The stamps of a version: the profile it was trained under, the profile's digest, the library.

The approval job includes this file, so it uses only the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

PROFILE, PROFILE_SHA256, LIBRARY = "profile", "profile_sha256", "library"
"""The names of the stamps in a model package's metadata."""

OVERRIDDEN, OVERRIDDEN_SHA256 = "overridden", "overridden_sha256"
"""The keys for the team's own code in a version, and for one digest over it."""


@dataclass(frozen=True)
class Expected:
    """The stamps that a version needs to be approved or deployed."""

    profile: str
    profile_sha256: str
    least_library: str = ""  # x.y.z; empty: any

    def violation(self, metadata: Mapping[str, str]) -> str:
        """Why a version with this metadata may not be approved or deployed; empty if it may.

        The rule: it was trained under the expected profile, whose floors are unchanged, by the
        oldest allowed library or a newer one. A suffix such as `+g3f2a91c0` is ignored.
        """
        stamps = {key: metadata.get(key, "") for key in (PROFILE, PROFILE_SHA256, LIBRARY)}
        again = "run the pipeline again"
        if missing := ", ".join(key for key, value in stamps.items() if not value):
            return (
                f"expected {missing} in its metadata, got none: it was registered before profiles "
                f"were recorded, {again}"
            )
        if stamps[PROFILE] != self.profile:
            return f"expected the profile {self.profile!r}, got {stamps[PROFILE]!r}: {again}"
        if stamps[PROFILE_SHA256] != self.profile_sha256:
            return (
                f"expected the profile {self.profile!r} with sha256 {self.profile_sha256[:12]}, "
                f"got {stamps[PROFILE_SHA256][:12]}: its floors have changed since, {again}"
            )
        return self._library_violation(stamps[LIBRARY])

    def _library_violation(self, library: str) -> str:
        if not is_version(library):
            return f"expected a library version such as 1.4.0, got {library!r}"
        if self.least_library and numbers(library) < numbers(self.least_library):
            return (
                f"expected library {self.least_library} or newer, got {library}: "
                "run the pipeline again with a newer one"
            )
        return ""


def plain(version: str) -> str:
    """A version without its suffix: `1.4.0+g3f2a91c0` -> `1.4.0`."""
    return version.partition("+")[0]


def is_version(text: str) -> bool:
    """Whether a string is x.y.z, with or without a suffix."""
    return bool(re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+(\+.*)?", text))


def numbers(version: str) -> tuple[int, ...]:
    """The numbers by which versions are compared, without the suffix."""
    return tuple(map(int, re.findall(r"[0-9]+", plain(version))))
