"""Imports: no circle among modules, whether at the top of a file or within a function."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
STEPS = Path(__file__).resolve().parents[2] / "model_build" / "steps"


def modules() -> dict[str, Path]:
    """The library's modules by their names, those of the containers by the names they import."""
    flat = [SOURCE / "ninesteps/containers", SOURCE / "ninesteps/infrastructure/jobs", STEPS]
    found = {path.stem: path for folder in flat for path in folder.glob("*.py")}
    for path in (SOURCE / "ninesteps").rglob("*.py"):
        if path.parent not in flat and "packaging" not in path.parts:
            parts = path.relative_to(SOURCE).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(tree: ast.AST) -> set[str]:
    """The names that a module imports, each with what is taken from it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def circle(found: dict[str, Path]) -> list[str]:
    """A circle of imports; empty where there is none. A package's own `__init__` does not count."""
    graph = {}
    for name, path in found.items():
        names = imported(ast.parse(path.read_text(encoding="utf-8"))) & found.keys() - {name}
        graph[name] = {other for other in names if not name.startswith(f"{other}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(modules()) == []


@pytest.mark.parametrize("second", ["import a", "def f():\n    from a import x"])
def test_a_circle_is_found_also_within_a_function(tmp_path: Path, second: str) -> None:
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text(f"{second}\n")
    assert set(circle({name: tmp_path / f"{name}.py" for name in "ab"})) == {"a", "b"}
