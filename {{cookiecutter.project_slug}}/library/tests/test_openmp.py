"""LightGBM finds the library that it is linked to, or a job says so before it does anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import wheels
from ninesteps.settings.operation import ARM
from ninesteps.step_code.bundle import CONTAINERS
from ninesteps.validation import service

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the library is Linux's")
WITHOUT_THE_SYSTEMS = f"""\
import ctypes, sys
sys.path.insert(0, {str(CONTAINERS)!r})
import wheels
load = ctypes.CDLL
def without(name, *how, **more):
    if name == wheels.OPENMP:
        raise OSError("cannot open shared object file")
    return load(name, *how, **more)
ctypes.CDLL = without
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_THE_SYSTEMS + script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@LINUX
def test_lightgbm_learns_with_the_library_that_another_package_brings() -> None:
    done = run("""\
wheels.load_openmp()
from hidden_imports import hidden
with hidden("sklearn", "pandas", "matplotlib", "dask"):
    import lightgbm
import numpy as np
values = np.arange(400.0).reshape(-1, 1)
data = lightgbm.Dataset(values, (values[:, 0] > 200) * 1)
learnt = lightgbm.train({"objective": "binary", "num_threads": 2, "verbose": -1}, data, 5)
assert learnt.predict(values)[0] < 0.5 < learnt.predict(values)[-1]
print(*sorted({line.split()[-1] for line in open("/proc/self/maps") if "gomp" in line}))
""")
    assert done.returncode == 0, done.stderr
    (used,) = done.stdout.split()
    assert re.search(r"/openmp-\w+/libgomp\.so\.1$", used)


@LINUX
def test_a_job_that_carries_lightgbm_says_at_once_that_it_cannot_load(tmp_path: Path) -> None:
    (tmp_path / "lightgbm-4.7.0-py3-none-any.whl").touch()
    script = "import pathlib; sys.path = [{here!r}]\n"
    script += "wheels.prove_that_carried_can_load(pathlib.Path({here!r}))"
    done = run(script.format(here=str(tmp_path)))
    last = done.stderr.splitlines()[-1]
    assert last == (
        "ImportError: LightGBM needs the library libgomp.so.1, which neither the image nor a "
        "package in it has: use an image that has it, or remove lightgbm from [tuning] algorithms"
    )


def test_a_job_that_carries_nothing_needs_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> None:
        raise AssertionError

    monkeypatch.setattr(wheels, "load_openmp", never)
    wheels.prove_that_carried_can_load(tmp_path)


def test_arms_instances_are_told_from_others() -> None:
    """Of all families that SageMaker has for endpoints and trainings."""
    shapes = ("ProductionVariantInstanceType", "TrainingInstanceType")
    kinds = {kind for shape in shapes for kind in service.model().shape_for(shape).enum}
    families = {kind.split(".")[1] for kind in kinds if re.fullmatch(ARM, kind)}
    assert families == {
        "c6g", "c6gd", "c6gn", "c7g", "c8g", "m6g", "m6gd", "m8g", "p6e-gb200", "r6g", "r6gd",
        "r7gd", "r8g",
    }  # fmt: skip
