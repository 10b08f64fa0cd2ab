"""A run that failed or was killed goes on where it was, and ends as if nothing had been."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import killed_run
from ninesteps.errors import DefinitionError, StateError
from ninesteps.local.engine import RunOptions
from ninesteps.local.history import History
from ninesteps.local.state import State, run_lock
from small_definitions import (
    BUCKET,
    WRITE,
    Bench,
    Json,
    get,
    output_of,
    read,
    s3_input,
)
from test_engine import Interrupting, how

KILLS = int(os.environ.get("KILLS_TRIED", "4"))
"""How many random moments of a kill are tried; 100 in the full tier."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def counting(bench: Bench, name: str, more: str = "", **arguments: Any) -> Json:
    """A step that counts how often it has run, in a file outside the engine's sight."""
    script = f"with open({str(bench.root / f'{name}.ran')!r}, 'a') as f: f.write('x')\n{more}"
    return bench.processing(name, script, **arguments)


def ran(bench: Bench, name: str) -> int:
    file = bench.root / f"{name}.ran"
    return len(file.read_text()) if file.exists() else 0


UNTIL = "import os\nif not os.path.exists({!r}): raise ValueError('not yet')\n"


def test_after_a_failure_no_finished_step_runs_again(bench: Bench) -> None:
    ready = bench.root / "ready"
    steps = (
        counting(bench, "First", f"{WRITE}(base / 'processing/output/out/a').write_text('1')",
                 outputs=("out",)),
        counting(bench, "Second", UNTIL.format(str(ready)),
                 inputs=[s3_input("a", output_of("First", "out"))]),
        counting(bench, "Third", DependsOn=["Second"]),
        counting(bench, "Beside"),
    )  # fmt: skip
    execution = bench.run(*steps)
    assert execution.status == "Failed"
    assert how(execution)["Third"] == ("Skipped", "Second failed")
    assert execution.steps["Beside"].status == "Succeeded", "another branch goes on"
    ready.touch()
    resumed = Bench(bench.root).engine.resume(execution.id)
    assert resumed.id == execution.id
    assert how(resumed) == dict.fromkeys(("First", "Second", "Third", "Beside"), ("Succeeded", ""))
    counts = {name: ran(bench, name) for name in ("First", "Second", "Third", "Beside")}
    assert counts == {"First": 1, "Second": 2, "Third": 1, "Beside": 1}
    assert [(e.id, e.status) for e in bench.engine.state.executions()] == [
        (execution.id, "Succeeded")
    ]


def test_it_goes_on_with_its_own_definition_and_parameters(bench: Bench) -> None:
    ready = bench.root / "ready"
    parameter = {"Name": "Word", "Type": "String"}
    step = bench.processing("Say", UNTIL.format(str(ready)) + "import sys\nprint(sys.argv[1])",
                            words=[get("Parameters.Word")])  # fmt: skip
    execution = bench.run(step, parameters=[parameter], Word="hello")
    ready.touch()
    log = bench.engine.resume(execution.id).steps["Say"].log
    assert log is not None and log.read_text() == "hello\n"


def test_it_began_when_it_began(bench: Bench) -> None:
    ready = bench.root / "ready"
    script = "import sys\nprint(sys.argv[1])\n" + UNTIL.format(str(ready))
    step = bench.processing("Say", script, words=[get("Execution.StartDateTime")])
    execution = bench.run(step)
    ready.touch()
    time.sleep(1.1)
    log = bench.engine.resume(execution.id).steps["Say"].log
    assert log is not None and log.read_text() == f"{execution.started}\n"


def test_a_finished_step_whose_outputs_are_gone_runs_again(bench: Bench) -> None:
    ready = bench.root / "ready"
    first = counting(bench, "First", f"{WRITE}(base / 'processing/output/out/a').write_text('1')",
                     outputs=("out",))  # fmt: skip
    second = counting(bench, "Second", UNTIL.format(str(ready)),
                      inputs=[s3_input("a", output_of("First", "out"))])  # fmt: skip
    execution = bench.run(first, second)
    (bench.root / f"s3/bucket/{execution.id}/First/out/a").unlink()
    ready.touch()
    assert bench.engine.resume(execution.id).status == "Succeeded"
    assert ran(bench, "First") == 2


def test_a_copy_of_a_repository_goes_on_by_itself_and_leaves_the_first_alone(
    tmp_path: Path,
) -> None:
    """Copied while a step's output was on its way to its place, with the state's log beside it."""
    bench, ready = Bench(tmp_path / "first"), tmp_path / "ready"
    out = f"{WRITE}(base / 'processing/output/out/a').write_text('1')"
    first = counting(bench, "First", out, outputs=("out",))
    second = counting(bench, "Second", UNTIL.format(str(ready)),
                      inputs=[s3_input("a", output_of("First", "out"))])  # fmt: skip
    execution = bench.run(first, second)
    (kept, _) = bench.engine.state.steps(execution.id)
    ((uri, _),) = kept.record.digests.items()
    on_its_way = execution.folder / "sandboxes/First-1/a"
    on_its_way.parent.mkdir()
    bench.engine.storage.file(uri).rename(on_its_way)
    kept.record.moves.append([str(on_its_way), uri])
    bench.engine.state.note_step(kept)
    shutil.copytree(bench.root, tmp_path / "copy")
    ready.touch()
    resumed = Bench(tmp_path / "copy").engine.resume(execution.id)
    assert how(resumed) == {"First": ("Succeeded", ""), "Second": ("Succeeded", "")}
    assert (ran(bench, "First"), ran(bench, "Second")) == (1, 2)
    assert on_its_way.read_text() == "1"
    log = resumed.steps["First"].log
    assert log is not None and log.is_relative_to(tmp_path / "copy") and log.is_file()
    shown = History(tmp_path / "copy").execution(execution.id).steps["First"].log
    assert shown == log


def test_after_an_interrupt_it_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    interrupting = Interrupting(tmp_path / "pids")
    sleep = f"""\
import os, pathlib, time
pids = pathlib.Path({str(tmp_path / "pids")!r})
if not pids.exists():
    pids.write_text(f"{{os.getpid()}} .")
    time.sleep(60)
"""
    first = counting(bench, "First")
    with pytest.raises(KeyboardInterrupt):
        definition = read(first, bench.processing("Sleep", sleep, DependsOn=["First"]))
        bench.engine.run("pipeline", definition, {}, interrupting)
    assert interrupting.execution is not None
    resumed = bench.engine.resume(interrupting.execution.id)
    assert how(resumed) == {"First": ("Succeeded", ""), "Sleep": ("Succeeded", "")}
    assert ran(bench, "First") == 1


def test_what_cannot_be_resumed_says_why(bench: Bench) -> None:
    done = bench.run(bench.processing("Run", "pass"))
    failed = bench.run(bench.processing("Run", "raise ValueError"))
    with pytest.raises(StateError, match=f"run {done.id} has succeeded: there is nothing to resu"):
        bench.engine.resume(done.id)
    with pytest.raises(StateError, match="there is no run zzz"):
        bench.engine.resume("zzz")
    with (
        run_lock(failed.folder),
        pytest.raises(StateError, match="still running in another proc"),
    ):
        bench.engine.resume(failed.id)


def test_one_step_alone_runs_with_those_that_it_needs(bench: Bench) -> None:
    steps = (counting(bench, "First"), counting(bench, "Second", DependsOn=["First"]),
             counting(bench, "Third", DependsOn=["Second"]), counting(bench, "Beside"))  # fmt: skip
    options = RunOptions(only="Second")
    execution = bench.engine.run("pipeline", read(*steps), {}, options=options)
    other = ("Skipped", "only Second was selected")
    assert how(execution) == {
        "First": ("Succeeded", ""),
        "Second": ("Succeeded", ""),
        "Third": other,
        "Beside": other,
    }
    with pytest.raises(
        DefinitionError, match="there is no step 'Fourth'; there is 1 First, 2 Second"
    ):
        bench.engine.run("pipeline", read(*steps), {}, options=RunOptions(only="Fourth"))


def test_a_step_is_debugged_in_this_process_and_leaves_it_as_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr("sys.breakpointhook", lambda: stopped.append(f"{os.getpid()} {sys.argv}"))
    before = (Path.cwd(), dict(os.environ), list(sys.path), sys.argv, sys.modules["__main__"])
    script = f"{WRITE}breakpoint()\nprint('seen')\n(base / 'processing/output/o/a').write_text('1')"
    steps = (bench.processing("Debug", script, ("o",), words=["w"]), counting(bench, "After"))
    options = RunOptions(only="Debug", debug=True)
    execution = bench.engine.run("pipeline", read(*steps), {}, options=options)
    assert how(execution)["Debug"] == ("Succeeded", "")
    assert len(stopped) == 1 and stopped[0].startswith(f"{os.getpid()} ") and "'w'" in stopped[0]
    assert capsys.readouterr().out == "seen\n"
    assert execution.steps["Debug"].log is not None
    assert execution.steps["Debug"].log.read_text() == "seen\n"
    assert bench.text(f"{BUCKET}/{execution.id}/Debug/o/a") == "1"
    assert before == (Path.cwd(), dict(os.environ), sys.path, sys.argv, sys.modules["__main__"])


def test_a_search_is_debugged_a_trial_at_a_time_and_never_taken_over(bench: Bench) -> None:
    script = "import sys\nprint('[0]\\tvalidation-auc:' + sys.argv[2])"
    tune = {**bench.tuning(script, jobs=4), "CacheConfig": {"Enabled": True}}
    options = RunOptions(only="Tune", debug=True)
    debugged = bench.engine.run("pipeline", read(tune), {}, options=options)
    assert how(debugged) == {"Tune": ("Succeeded", "")}
    log = debugged.steps["Tune"].log
    assert log is not None and debugged.notes == []
    assert len({file.read_text() for file in log.iterdir()}) == 4, "each has its own lines"
    assert bench.run(tune).steps["Tune"].source == ""


def test_a_run_of_one_step_is_resumed_as_such(bench: Bench) -> None:
    ready = bench.root / "ready"
    steps = (counting(bench, "First", UNTIL.format(str(ready))), counting(bench, "Beside"))
    options = RunOptions(only="First", cache=False)
    failed = bench.engine.run("pipeline", read(*steps), {}, options=options)
    assert failed.status == "Failed"
    ready.touch()
    assert how(bench.engine.resume(failed.id))["Beside"] == (
        "Skipped",
        "only First was selected",
    )


@pytest.mark.parametrize("harm", ["no record", "half a record", "half a model", "no model"])
def test_what_is_left_of_a_trial_is_taken_up_only_if_it_is_whole(bench: Bench, harm: str) -> None:
    """As a power cut may leave it: the search is the same, whatever has to run again."""
    ready, runs = bench.root / "ready", bench.root / "runs.txt"
    script = f"""\
import os, pathlib, sys
with open({str(runs)!r}, "a") as file:
    file.write("x")
print("[0]\\tvalidation-auc:" + sys.argv[2], flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "m").write_text(sys.argv[2])
if os.path.exists({str(ready)!r}) or pathlib.Path(__file__).parents[1].name != "003":
    sys.exit()
os.kill(os.getpid(), 9)
"""
    tune = bench.tuning(script, jobs=4, parallel=1)
    failed = bench.run(tune)
    assert failed.steps["Tune"].reason.startswith("trial 3: the script ended with signal 9")
    kept = failed.folder / "kept/Tune"
    record = next(file for file in kept.iterdir() if file.name.endswith("-001.json"))
    model = record.with_suffix(".tar.gz")
    if harm == "no record":
        record.unlink()
    elif harm == "half a record":
        record.write_bytes(record.read_bytes()[:20])
    elif harm == "half a model":
        model.write_bytes(model.read_bytes()[:20])
    else:
        model.unlink()
    ready.touch()
    resumed = bench.engine.resume(failed.id)
    assert how(resumed) == {"Tune": ("Succeeded", "")}
    assert resumed.notes == []
    assert len(runs.read_text()) == 3 + 3, "the first, the third and the fourth"
    whole = bench.run(bench.tuning(script, jobs=4, parallel=1)).steps["Tune"].detail
    assert resumed.steps["Tune"].detail == whole


# Retry policies

KILLS_ITSELF = """\
import os, pathlib, signal
ran = pathlib.Path({!r})
ran.write_text(ran.read_text() + "x" if ran.exists() else "x")
if len(ran.read_text()) <= {}:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def retried(bench: Bench, times: int, **policy: object) -> tuple[str, str, int, float]:
    """How a step ends that is killed so many times, and has a policy: also runs and seconds."""
    ran = bench.root / "ran"
    step = bench.processing("Run", KILLS_ITSELF.format(str(ran), times))
    faults = ["SageMaker.JOB_INTERNAL_ERROR"]
    step["RetryPolicies"] = [
        {"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 60},
        {"ExceptionType": faults, "IntervalSeconds": 0.2, "BackoffRate": 2.0, **policy},
    ]
    began = time.monotonic()
    run = bench.run(step).steps["Run"]
    return run.status, run.reason, len(ran.read_text()), time.monotonic() - began


def test_a_step_that_was_killed_runs_again_as_its_policy_says(bench: Bench) -> None:
    status, _, runs, seconds = retried(bench, 3, MaxAttempts=3)
    assert (status, runs) == ("Succeeded", 4)
    assert seconds > 0.2 + 0.4 + 0.8


def test_a_policy_is_made_use_of_so_often_and_no_more(bench: Bench) -> None:
    assert retried(bench, 3, MaxAttempts=2)[:3] == ("Failed", "the script ended with signal 9", 3)


def test_a_policy_ends_after_so_many_minutes(bench: Bench) -> None:
    status, _, tried, _ = retried(bench, 99, ExpireAfterMin=0.01)
    assert status == "Failed"
    assert 1 <= tried <= 3  # as many as fit into the time


def test_the_scripts_own_failure_is_not_retried(bench: Bench) -> None:
    step = counting(bench, "Run", "raise ValueError('mine')")
    step["RetryPolicies"] = [{"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"]}]
    assert bench.run(step).status == "Failed"
    assert ran(bench, "Run") == 1


# Killed at any moment


def left(root: Path) -> tuple[dict[str, bytes], list[tuple[object, ...]]]:
    """Every file of the one execution, and the registry, with the execution's id taken out."""
    state = Bench(root).engine.state
    (execution,) = state.executions()
    assert execution.status == "Succeeded"
    folder = root / "s3/bucket" / execution.id
    files = {
        f.relative_to(folder).as_posix().replace(execution.id, "ID"): f.read_bytes()
        for f in folder.rglob("*")
        if f.is_file()
    }
    packages = [
        (p.version, p.status, str(p.request).replace(execution.id, "ID"))
        for p in state.model_packages("group")
    ]
    assert not list((root / "runs" / execution.id / "sandboxes").iterdir())
    assert [entry.kind for entry in state.events()] == ["started", "registered"]
    assert state.event_faults() == []
    return files, packages


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    try:
        lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [p for child in map(int, " ".join(lists).split()) for p in (child, *descendants(child))]


def begin(root: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")])
    return subprocess.Popen(
        [sys.executable, killed_run.__file__, str(root)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("victim", ["the engine", "a step"])
def test_whatever_is_killed_whenever_the_end_is_the_same(tmp_path: Path, victim: str) -> None:
    times = []
    for name in ("first", "whole"):
        began = time.monotonic()
        assert begin(tmp_path / name).wait() == 0
        times.append(time.monotonic() - began)
    seconds = min(times)
    expected = left(tmp_path / "whole")
    assert len(expected[0]) == 15 + 5 + 1 and len(expected[1]) == 1
    moments = random.Random(20)
    struck = 0
    for number in range(KILLS):
        root = tmp_path / str(number)
        process = begin(root)
        time.sleep(moments.uniform(0.1, 0.9) * seconds)
        while process.poll() is None:
            found = descendants(process.pid)[1:] if victim == "a step" else [process.pid]
            if found:  # the first descendant is the process that forks the steps
                with contextlib.suppress(ProcessLookupError):  # a step that has ended by now
                    os.kill(moments.choice(found), signal.SIGKILL)
                    struck += 1
                    break
        process.wait()
        assert State(root / "state.db", read_only=True).event_faults() == [], f"kill {number}"
        for _ in range(3):
            if begin(root).wait() == 0 and left_is_whole(root):
                break
        assert left(root) == expected, f"kill {number}"
    assert struck > KILLS / 3, "too few kills struck anything"


def left_is_whole(root: Path) -> bool:
    return [e.status for e in Bench(root).engine.state.executions()] == ["Succeeded"]
