"""Who makes a call of the pretended account: in a thread, until it is said otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pretend_account.iam import Identity


@dataclass(frozen=True)
class Principal:
    """Who makes a call: a role's name and the session's, with its policies."""

    name: str
    session: str = "service"
    policies: Callable[[], Identity] | None = None  # none: AWS itself or an administrator

    @property
    def caller(self) -> str:
        """Role and session, as an ARN has them."""
        return f"{self.name}/{self.session}"


AWS = Principal("AWS")
"""The services themselves, for which the account's policies do not count: moto answers alone."""

NOBODY = Principal("nobody", policies=lambda: Identity(()))

PRINCIPAL: ContextVar[Principal | None] = ContextVar("PRINCIPAL", default=None)
"""Who acts in this thread; none: whoever is signed in at the terminal."""


@contextmanager
def acting(principal: Principal) -> Iterator[None]:
    """Make the calls of this thread as somebody."""
    token = PRINCIPAL.set(principal)
    try:
        yield
    finally:
        PRINCIPAL.reset(token)
