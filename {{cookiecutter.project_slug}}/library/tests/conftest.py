"""What every test of the library stands on: the repository in place, and processes that find it."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pyarrow as pa
import pytest
from botocore.loaders import create_loader

import container_variables

LIBRARY = Path(__file__).resolve().parents[1]
SOURCE = LIBRARY / "src"
SCRIPTS = (LIBRARY.parent / "model_build/steps", SOURCE / "ninesteps/infrastructure/jobs")
"""What a container is started with; what these import comes with them."""


@pytest.fixture(autouse=True, scope="session")
def _library_can_be_imported_by_processes() -> None:
    """As if it were installed: what a test starts by `python -m ninesteps...` finds it."""
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCE), given]))


@pytest.fixture(autouse=True, scope="session")
def _the_sdk_asks_iam_nothing() -> None:
    """As `ninesteps.sdk` sets it at its import, which may come in a test that keeps no variable."""
    os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")


@pytest.fixture(autouse=True)
def _signals_are_as_in_a_terminal() -> Iterator[None]:
    """Whatever starts the tests may have had some ignored, as `nohup` does, and so may a test."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL}
    usual["SIGHUP"] = signal.SIG_DFL
    there = {getattr(signal, name): handler for name, handler in usual.items()
             if hasattr(signal, name)}  # fmt: skip
    before = {number: signal.signal(number, handler) for number, handler in there.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _containers_have_their_own_variables(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A test that imports a script of a container sees what SageMaker sets there, and no more."""
    if container_variables.is_of_a_container(request.module, SCRIPTS):
        container_variables.only(monkeypatch, container_variables.PROCESSING, tmp_path)


@pytest.fixture(autouse=True, scope="session")
def _service_models_are_read_once() -> Iterator[None]:
    """Each session of boto3 would read them again: SageMaker's takes half a second."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore.session, "create_loader", functools.cache(create_loader))
        yield


@pytest.fixture
def own_features() -> Iterator[None]:
    """As in a server's process, which knows the features of one archive alone."""
    pa.array(["x"]).to_pandas()  # PyArrow finds pandas, as where no step has hidden it
    before = {name: m for name, m in sys.modules.items() if name.startswith("feature_store")}
    path = [*sys.path]
    for name in before:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.startswith("feature_store")]:
        del sys.modules[name]
    sys.modules.update(before)
    sys.path[:] = path
