"""Imports of a library as if others, which it can do without, were not installed: they are slow."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Within it, an import of these packages fails at once, unless they are imported already."""
    hiding = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hiding))  # type: ignore[arg-type]  # None: no such module
    try:
        yield
    finally:
        for name in hiding:
            del sys.modules[name]
