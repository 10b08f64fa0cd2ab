"""Steps that do nothing: what an engine costs beside bare processes and beside other engines.

The steps stand as the real ones do (1 -> 2 -> {3, 4}; 4 -> {5, 6} -> 7; 3, 7 -> 9 -> 8), or in a
chain, or in a fan of steps that wait for nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import environments
from results import OURS, ROOT, Comparison
from timing import AT_ONCE, Timed, bare, interleaved, seconds_of

GENERATED = ROOT / "{{cookiecutter.project_slug}}"
HERE = Path(__file__).resolve().parent
NINESTEPS = GENERATED / "library" / "src"
os.environ["PYTHONPATH"] = str(NINESTEPS)  # every command that is timed finds it, as if installed
sys.path.insert(0, str(NINESTEPS))

Graph = Mapping[str, Sequence[str]]
"""A step's name -> the names of those it waits for."""

NINE: Graph = {
    "One": (), "Two": ("One",), "Three": ("Two",), "Four": ("Two",), "Five": ("Four",),
    "Six": ("Four",), "Seven": ("Five", "Six"), "Nine": ("Three", "Seven"), "Eight": ("Nine",),
}  # fmt: skip
TWO_AT_A_TIME = "bare processes, two at a time"
ONE_AFTER_ANOTHER = "bare processes, one after another"


def nine(folder: Path, repetitions: int) -> Comparison:
    """Nine steps that do nothing, by every engine."""
    timed = {OURS: ours(NINE, folder), TWO_AT_A_TIME: bare(len(NINE), AT_ONCE), **others(folder)}
    title = "Nine no-op steps, the engine's start included"
    return Comparison(title, interleaved(timed, repetitions), TWO_AT_A_TIME, 2)


def chain(folder: Path, repetitions: int) -> Comparison:
    """A hundred steps, one after the other."""
    names = [f"Step{number}" for number in range(100)]
    graph = {name: names[max(0, n - 1) : n] for n, name in enumerate(names)}
    timed = {
        OURS: ours(graph, folder),
        TWO_AT_A_TIME: bare(len(names), AT_ONCE),
        ONE_AFTER_ANOTHER: bare(len(names), 1),
    }
    title = "A chain of 100 no-op steps"
    return Comparison(title, interleaved(timed, repetitions), TWO_AT_A_TIME, 2)


def fan(folder: Path, repetitions: int) -> Comparison:
    """Two hundred steps that could all run at once."""
    graph: Graph = {f"Step{number}": () for number in range(200)}
    timed = {OURS: ours(graph, folder), TWO_AT_A_TIME: bare(len(graph), AT_ONCE)}
    title = "A fan of 200 no-op steps"
    return Comparison(title, interleaved(timed, repetitions), TWO_AT_A_TIME, 2)


def ours(graph: Graph, folder: Path) -> Timed:
    """The engine, as a command that reads a definition and runs it, in a root of its own."""
    own = Path(tempfile.mkdtemp(dir=folder))
    sys.path.insert(0, str(GENERATED / "library" / "tests"))
    from small_definitions import Bench

    bench = Bench(own / "prepared", AT_ONCE)
    steps = [
        bench.processing(name, "pass\n", DependsOn=list(needs)) for name, needs in graph.items()
    ]
    definition = own / "definition.json"
    definition.write_text(json.dumps({"Parameters": [], "Steps": steps}), encoding="utf-8")
    job = own / "job.json"
    root = own / "root"
    what = {
        **{"definition": str(definition), "pipeline": "noop", "root": str(root)},
        **{"given": {}, "catalog": [], "parallel": AT_ONCE},
        "preload": [[], {}],  # steps that do nothing import nothing
    }
    job.write_text(json.dumps(what), encoding="utf-8")

    def once() -> float:
        shutil.rmtree(root, ignore_errors=True)  # nothing can be taken over from an earlier run
        shutil.copytree(own / "prepared", root)
        return seconds_of([sys.executable, HERE / "run_definition.py", job])

    return once


def others(folder: Path) -> dict[str, Timed]:
    """Kedro, Metaflow and Kubeflow's local runner, each from an environment of its own."""
    commands = {
        "kedro, in one process": ("kedro", "sequential"),
        "kedro, in threads": ("kedro", "thread"),
        "Metaflow": ("metaflow", "run", "--max-workers", str(AT_ONCE)),
        "kfp's SubprocessRunner": ("kfp",),
    }
    return {name: _other(folder, *command) for name, command in commands.items()}


def _other(folder: Path, name: str, *arguments: str) -> Timed:
    python = environments.python_of(name)
    own = Path(tempfile.mkdtemp(dir=folder))
    environment = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",  # kfp starts python3
        "HOME": str(own),
        "DO_NOT_TRACK": "1",  # no counting of users while it is timed
        "METAFLOW_HOME": str(own / ".metaflowconfig"),
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(own),
        "METAFLOW_USER": "bench",
    }
    script = HERE / "others" / f"{name}_steps.py"

    def once() -> float:
        return seconds_of([python, script, *arguments], own, environment)

    return once
