"""Errors of the registry, apart from what raises them: every command knows how to say one."""

from __future__ import annotations


class RegistryError(RuntimeError):
    """What cannot be done with a version; the message says why."""
