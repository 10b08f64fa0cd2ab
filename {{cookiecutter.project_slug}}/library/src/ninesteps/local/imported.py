"""Finds the packages that a script imports, anywhere in it."""

from __future__ import annotations

import ast
import functools
import threading

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement with nested statements; expressions contain no imports."""

_PARSING = threading.Lock()
"""In Python 3.11, parsing in two threads at once may fail (python/cpython #106905)."""


@functools.cache
def imported_packages(script: bytes, name: str = "<script>") -> frozenset[str]:
    """The top-level names that a script imports.

    Raises:
        SyntaxError, ValueError: if it is not valid Python.
    """
    with _PARSING:
        waiting: list[ast.AST] = [ast.parse(script, name)]
    names: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        for block in _BLOCKS:
            waiting += getattr(node, block, ())
    return frozenset(name.partition(".")[0] for name in names)
