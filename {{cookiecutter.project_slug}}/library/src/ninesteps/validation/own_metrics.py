"""Checks that each name in `[gate] metrics` is a function in the team's module."""

from __future__ import annotations

import ast

from ninesteps.errors import SettingsError
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import STEPS

MODULE = f"{STEPS}/custom_metrics.py"


def check_own_metrics(settings: Settings) -> None:
    """Check that every name has a function; the module is parsed, not run.

    Raises:
        SettingsError: naming the first one without a function.
    """
    names = settings.gate.metrics
    top = _top_level(settings) if names else []
    functions = [node.name for node in top if isinstance(node, ast.FunctionDef)]
    imports = [node for node in top if isinstance(node, ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    for name in names:
        if name not in functions and name not in imported:
            has = ", ".join(name for name in functions if not name.startswith("_")) or "none"
            raise SettingsError(
                f"expected a function {name} in {MODULE}, got {has}", "gate", "metrics"
            )


def _top_level(settings: Settings) -> list[ast.stmt]:
    """The statements of the module; empty if there is no such file."""
    try:
        return ast.parse((settings.root / MODULE).read_bytes(), MODULE).body
    except FileNotFoundError:
        return []
    except SyntaxError as error:
        raise SettingsError(f"line {error.lineno}: {error.msg}", file=MODULE) from None
