"""A forked step is what a fresh interpreter would be, and no step outlives its engine."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ninesteps.local.imported import imported_packages
from ninesteps.local.processes import OWN_PROCESS, Preload, Processes
from small_definitions import BUCKET, Bench, Json
from test_engine import has_ended, how

forks = pytest.mark.skipif(sys.platform != "linux", reason="steps are forked on Linux alone")
FRESH = {OWN_PROCESS: "0"}

PROBE = """\
import gc, json, os, sys, threading
number: int = 1
seen = {
    "argv": sys.argv[1:],
    "name": __name__,
    "script": os.path.basename(__file__) + " " + os.path.basename(sys.argv[0]),
    "is main": sys.modules["__main__"].__dict__ is globals(),
    "path": [os.path.basename(sys.path[0]), *sys.path[1:]],
    "beside": __import__("sibling").NAME,
    "environment": sorted(set(os.environ) - {"LOCAL_SAGEMAKER_FORK", "LC_CTYPE"}),
    "flags": str(sys.flags).replace("bytecode=0", "bytecode=1"),
    "bytecode": sys.dont_write_bytecode,
    "standard input": sys.stdin.read(),
    "threads": threading.active_count(),
    "folder": os.path.exists("processing"),
    "leads its group": os.getpgid(0) == os.getpid(),
    "encodings": [sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()],
    "annotation": str(__annotations__["number"]),
    "collector": gc.isenabled(),
    "dunders": sorted(name for name in globals() if name.startswith("__")),
    "interrupts": str(__import__("signal").getsignal(2)),
    "children": str(__import__("signal").getsignal(17)),
    "open files": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:3],
}
print(json.dumps(seen))
"""


IS_FORKED = """\
import json
print(json.dumps("fork_server" in open("/proc/self/cmdline").read()))
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def printed(bench: Bench, script: str, environment: Json | None = None, **files: str) -> Any:
    """The JSON that a step's script prints."""
    step = bench.processing("Run", script, words=["a", "b c"], Environment=environment or {})
    for name, text in files.items():
        bench.put(f"{BUCKET}/code/Run/{name}.py", text)
    execution = bench.run(step)
    assert how(execution) == {"Run": ("Succeeded", "")}
    log = execution.steps["Run"].log
    assert log is not None
    return json.loads(log.read_text(encoding="utf-8"))


@forks
def test_a_forked_script_sees_what_it_sees_in_a_fresh_interpreter(bench: Bench) -> None:
    sibling = "NAME = 'sibling'"
    forked = printed(bench, PROBE, sibling=sibling)
    assert forked == printed(bench, PROBE, FRESH, sibling=sibling)
    assert forked["argv"] == ["a", "b c"]
    assert forked["name"] == "__main__"


@forks
def test_it_is_forked_and_a_step_that_asks_for_it_is_not(bench: Bench) -> None:
    parent = (
        "import json, os\nprint(json.dumps('fork_server' in open('/proc/self/cmdline').read()))"
    )
    assert printed(bench, parent) is True
    assert printed(bench, parent, FRESH) is False


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED"])
def test_what_is_read_on_loading_is_there_on_loading(bench: Bench, name: str) -> None:
    """The fork server has loaded the libraries long before it hears of a step's variables."""
    script = (
        f"import json, os, sys\nprint(json.dumps([os.environ[{name!r}], sys.orig_argv[1][-9:]]))"
    )
    assert printed(bench, script, {name: "3"}) == ["3", "script.py"]


@pytest.mark.parametrize("environment", [{}, FRESH], ids=["forked", "fresh"])
@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("import sys; sys.exit()", "Succeeded", ""),
        ("import sys; sys.exit(0)", "Succeeded", ""),
        ("import sys; sys.exit(True)", "Failed", "exit status 1"),
        ("import sys; sys.exit(259)", "Failed", "exit status 3"),
        ("import sys; sys.exit(['x'])", "Failed", "exit status 1: ['x']"),
        ("raise SystemExit('gone')", "Failed", "exit status 1: gone"),
        ("import os; os.abort()", "Failed", "signal 6"),
        ("raise KeyError('k')", "Failed", "KeyError: 'k' (script.py, line 1)"),
        ("import sys; sys.excepthook = lambda *a: print('mine'); 1/0", "Failed", "1: mine"),
    ],
)
def test_it_ends_as_a_fresh_one_does(
    bench: Bench, script: str, status: str, said: str, environment: Json
) -> None:
    execution = bench.run(bench.processing("Run", script, Environment=environment))
    assert execution.steps["Run"].status == status
    assert execution.steps["Run"].reason.endswith(said)


def test_what_is_left_to_do_at_the_end_is_done(bench: Bench) -> None:
    script = """\
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
atexit.register(lambda: print("at exit"))
threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.1), print("a pool")))
sys.stdout.write("no line end")
"""
    execution = bench.run(bench.processing("Run", script))
    log = execution.steps["Run"].log
    assert log is not None
    text = log.read_text()
    assert text.startswith("no line end")
    assert "a pool" in text and "a thread" in text and text.endswith("at exit\n")


def test_steps_draw_different_random_numbers(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    with Processes(1, Preload(("numpy", "numpy.random"))) as processes:
        bench = Bench(tmp_path, processes=processes)
        script = (
            "import json, random, numpy\nprint(json.dumps([random.random(), numpy.random.rand()]))"
        )
        drawn = [printed(bench, script) for _ in range(2)]
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] != drawn[1][1]


# What is imported once


@forks
def test_what_is_preloaded_is_found_imported_by_a_step_that_imports_it(tmp_path: Path) -> None:
    script = "import json, sys\nbefore = 'decimal' in sys.modules\n{}\nprint(json.dumps(before))"
    preload = Preload(("decimal",))
    with_it = Bench(tmp_path / "1", processes=Processes(1, preload))
    assert printed(with_it, script.format("import decimal")) is True
    without = Bench(tmp_path / "2", processes=Processes(1, preload))
    assert printed(without, script.format("pass")) is False


@forks
def test_a_package_that_steps_import_in_their_own_way_is_for_those_alone(tmp_path: Path) -> None:
    """Another script that imports it would find it as it was imported, and it is not for it."""
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text("import sys\nsys.modules['_csv'] = None\nimport csv_of_ours\n")
    package = "import sys\nNATIVE = sys.modules.get('_csv') is not None\n"
    bench = Bench(tmp_path / "bench", processes=Processes(1, Preload((), {"csv_of_ours": wrapper})))
    files = {"csv_of_ours": package, "wrapper": wrapper.read_text()}
    assert printed(bench, f"import wrapper\n{IS_FORKED}", **files) is True
    assert printed(bench, f"import csv_of_ours\n{IS_FORKED}", **files) is False
    changed = {**files, "wrapper": "import csv_of_ours  # otherwise\n"}
    assert printed(bench, f"import wrapper\n{IS_FORKED}", **changed) is False


@forks
def test_a_library_is_compiled_once_and_a_steps_own_code_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what uv installs, nothing is compiled, and a sandbox is thrown away."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    files = {"ours": "import csv_of_ours\n", "csv_of_ours": ""}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    preload = Preload((), {"csv_of_ours": tmp_path / "ours.py"})
    bench = Bench(tmp_path / "bench", processes=Processes(1, preload))
    script = (
        "import sibling, ours, json, os\nprint(json.dumps(os.listdir(os.path.dirname(__file__))))"
    )
    beside = printed(bench, f"{script}\n", sibling="", **files)
    assert sorted(beside) == ["csv_of_ours.py", "ours.py", "script.py", "sibling.py"]
    assert list(tmp_path.glob("__pycache__/csv_of_ours.*.pyc"))


def test_a_library_that_is_not_installed_is_no_matter(tmp_path: Path) -> None:
    preload = Preload(("no_such_library", "json"))
    bench = Bench(tmp_path, processes=Processes(1, preload))
    assert printed(bench, "import json\nif 0: import no_such_library\nprint(json.dumps(1))") == 1


COMPILED = """\
import sys
import sibling
try:
    sibling.fails()
except ZeroDivisionError as error:
    import json, traceback
    frames = traceback.extract_tb(error.__traceback__)
    print(json.dumps([sibling.VALUE, *(f.filename == __file__ for f in frames), frames[1].line,
                      frames[1].filename == sibling.__file__, sibling.__spec__.origin]))
"""


@forks
def test_code_that_was_compiled_for_another_step_is_this_steps_own(tmp_path: Path) -> None:
    """What is the same in both is compiled once; it names the file of the step that runs it."""
    with Processes(1) as processes:
        bench = Bench(tmp_path, processes=processes)
        sibling = "VALUE = {}\ndef fails():\n    return 1 / 0\n"
        seen = [printed(bench, COMPILED, sibling=sibling.format(value)) for value in (1, 1, 2)]
    assert [values[0] for values in seen] == [1, 1, 2]
    assert all(values[1:5] == [True, False, "return 1 / 0", True] for values in seen)
    assert len({values[5] for values in seen}) == len(seen)  # each lay in its own sandbox


@forks
def test_what_python_says_of_code_is_in_the_log_of_each_step_that_has_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Processes(1) as processes:
        bench = Bench(tmp_path, processes=processes)
        for _ in range(2):
            execution = bench.run(bench.processing("Run", "print(1 is 1)\n"))
            log = execution.steps["Run"].log
            assert log is not None
            assert "SyntaxWarning" in log.read_text()
    assert "SyntaxWarning" not in capfd.readouterr().err


# Memory


@forks
@pytest.mark.parametrize("environment", [{}, FRESH], ids=["forked", "fresh"])
def test_a_steps_peak_memory_is_noted(bench: Bench, environment: Json) -> None:
    steps = {
        name: bench.processing(name, script, Environment=environment)
        for name, script in (("Small", "pass"), ("Large", "text = 'x' * 200_000_000"))
    }
    execution = bench.run(*steps.values())
    small, large = (execution.steps[name].peak_bytes for name in ("Small", "Large"))
    assert 2_000_000 < small < 100_000_000
    assert large - small > 150_000_000


# Ends

SLEEP = """\
import os, pathlib, subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({!r}).write_text(f"{{os.getpid()}} {{inner.pid}} .")
time.sleep(60)
"""
ENGINE = """\
import sys
from pathlib import Path
from small_definitions import Bench
bench = Bench(Path(sys.argv[1]))
bench.run(bench.processing("Sleep", Path(sys.argv[2]).read_text()))
"""


def wait_for(pids: Path) -> list[int]:
    for _ in range(1000):
        if pids.is_file() and pids.read_text().endswith("."):
            return [int(pid) for pid in pids.read_text().split()[:-1]]
        time.sleep(0.01)
    raise AssertionError("the step has not begun")


@forks
def test_no_step_outlives_an_engine_that_is_killed(tmp_path: Path) -> None:
    pids, script = tmp_path / "pids", tmp_path / "sleep.py"
    script.write_text(SLEEP.format(str(pids)))
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")])
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path), str(script)],
        env={**os.environ, "PYTHONPATH": path},
    )
    started = wait_for(pids)
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    assert all(has_ended(pid) for pid in started)


@pytest.mark.parametrize("environment", [{}, FRESH], ids=["forked", "fresh"])
def test_what_a_step_has_started_ends_with_it(bench: Bench, environment: Json) -> None:
    pids = bench.root / "pids"
    script = SLEEP.format(str(pids)).replace("time.sleep(60)\n", "pass\n")
    assert script.count("sleep(60)") == 1
    bench.run(bench.processing("Run", script, Environment=environment))
    assert all(has_ended(pid) for pid in wait_for(pids))


@forks
def test_a_file_that_cannot_be_imported_fails_the_step_not_the_server(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text("import json\nraise RuntimeError('mine')\n")
    bench = Bench(tmp_path / "b", processes=Processes(1, Preload((), {"json": wrapper})))
    step = bench.processing("Run", "import wrapper")
    bench.put(f"{BUCKET}/code/Run/wrapper.py", wrapper.read_text())
    assert how(bench.run(step)) == {"Run": ("Failed", "RuntimeError: mine (wrapper.py, line 2)")}


@forks
def test_a_fork_server_that_dies_fails_the_step_and_the_next_has_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path, parallel=1)
    kill = """\
import os, signal, time
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)
"""
    killing = bench.processing("Kill", kill)
    after = bench.processing("After", "print('still here')")
    execution = bench.run(killing, after)
    assert how(execution) == {
        "Kill": ("Failed", "the script ended with signal 9"),
        "After": ("Succeeded", ""),
    }


def test_scripts_of_steps_that_start_at_once_are_read_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python 3.11 may fail if two threads make syntax trees at the same time."""
    parse, reading, most = ast.parse, [0], [0]

    def watched(script: bytes, *how: Any, **named: Any) -> Any:
        reading[0] += 1
        most[0] = max(most[0], reading[0])
        time.sleep(0.02)
        reading[0] -= 1
        return parse(script, *how, **named)

    monkeypatch.setattr(ast, "parse", watched)
    found: list[frozenset[str]] = []
    scripts = [f"import json  # {os.urandom(8).hex()}".encode() for _ in range(4)]
    threads = [
        threading.Thread(target=lambda s=script: found.append(imported_packages(s)))
        for script in scripts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [frozenset({"json"})] * 4
    assert most == [1]
