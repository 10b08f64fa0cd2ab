"""A disk that is full or cannot be written to: one sentence, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

OWN_MOUNTS = ["unshare", "--map-root-user", "--mount"]
COMMON = """\
import json, pathlib, subprocess, sys
from small_definitions import Bench
from ninesteps.errors import StateError
root = pathlib.Path(sys.argv[1])
def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root)], check=True)
def steps(bench):
    script = "import os, pathlib\\nbase = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])\\n"
    script += "(base / 'processing/output/o/a').write_bytes(b'x' * {})"
    return (bench.processing("First", script.format(100_000), ("o",)),
            bench.processing("Big", script.format(1_500_000), ("o",), DependsOn=["First"]))
def say(execution):
    print(json.dumps([[r.status, r.reason] for r in execution.steps.values()]))
"""


def told(folder: Path, script: str) -> list[Any]:
    """What a script prints, a JSON value a line, that may mount disks of its own on a folder."""
    if not shutil.which("unshare") or subprocess.run([*OWN_MOUNTS, "true"], check=False).returncode:
        pytest.skip("this user may mount no disk of its own")
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")])
    done = subprocess.run(
        [*OWN_MOUNTS, sys.executable, "-c", COMMON + script, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_step_that_fills_the_disk_fails_and_can_be_resumed_once_there_is_room(
    tmp_path: Path,
) -> None:
    failed, resumed = told(
        tmp_path,
        """
mount("size=2m")
bench = Bench(root)
ballast = root / "ballast"
ballast.write_bytes(b"x" * 700_000)
execution = bench.run(*steps(bench))
say(execution)
ballast.unlink()
say(bench.engine.resume(execution.id))
""",
    )
    assert failed[0] == ["Succeeded", ""]
    assert failed[1][0] == "Failed" and "No space left on device" in failed[1][1]
    assert resumed == [["Succeeded", ""]] * 2


def test_a_search_that_fills_the_disk_fails_and_is_the_same_once_there_is_room(
    tmp_path: Path,
) -> None:
    failed, resumed, whole = told(
        tmp_path,
        """
mount("size=3m")
bench = Bench(root)
script = "import os, pathlib, sys\\nprint('[0]\\\\tvalidation-auc:' + sys.argv[2])\\n"
script += "pathlib.Path(os.environ['SM_MODEL_DIR'], 'm').write_bytes(os.urandom(400_000))"
ballast = root / "ballast"
ballast.write_bytes(b"x" * 1_000_000)
execution = bench.run(bench.tuning(script, jobs=4, parallel=1))
say(execution)
ballast.unlink()
resumed = bench.engine.resume(execution.id)
print(json.dumps([resumed.status, resumed.steps["Tune"].detail, resumed.notes]))
import shutil
shutil.rmtree(root / "s3/bucket" / execution.id)
whole = bench.run(bench.tuning(script, jobs=4, parallel=1))
print(json.dumps([whole.status, whole.steps["Tune"].detail, whole.notes]))
""",
    )
    assert failed[0][0] == "Failed" and "No space left on device" in failed[0][1]
    assert resumed == whole and resumed[0] == "Succeeded" and resumed[2] == []


def test_a_state_that_cannot_be_written_is_one_sentence_and_what_was_in_it_stays(
    tmp_path: Path,
) -> None:
    first, said, again = told(
        tmp_path,
        """
mount("size=1m")
bench = Bench(root)
say(bench.run(steps(bench)[0]))
with open(root / "ballast", "wb", buffering=0) as ballast:
    try:
        while True: ballast.write(b"x" * 100)
    except OSError: pass
try:
    for _ in range(100): bench.engine.state.create_model("m" * 100, {"a": "b" * 5000})
    print(json.dumps("written"))
except StateError as error:
    print(json.dumps(str(error)))
(root / "ballast").unlink()
print(json.dumps([e.status for e in Bench(root).engine.state.executions()]))
""",
    )
    assert first == [["Succeeded", ""]]
    assert said.endswith("state.db cannot be used: database or disk is full")
    assert again == ["Succeeded"]


def test_a_folder_that_is_read_only_is_one_sentence(tmp_path: Path) -> None:
    (said,) = told(
        tmp_path,
        """
mount("size=1m,ro")
try:
    Bench(root / "new")
except (StateError, OSError) as error:
    print(json.dumps(str(error)))
""",
    )
    assert "Read-only file system" in said
