"""One fixture renders a repository, one runs its pipeline; the rest of the tests stand on these."""

from __future__ import annotations

import atexit
import compileall
import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.main import cookiecutter

from explainer.facts import ScenarioFacts, gather

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
SHARED_DATA = ROOT.parent / "shared" / "data"
NO_NETWORK = Path(__file__).parent / "no_network"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a job in the background has it
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and so what the tests start

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
SCENARIOS: tuple[str, ...] = tuple(QUESTIONS["_scenarios"])


def overlay(scenario: str) -> Path:
    """A scenario's own files."""
    in_place = scenario == QUESTIONS["_in_place"]["scenario"]
    return GENERATED if in_place else GENERATED / "scenarios" / scenario


SAMPLED = tuple(scenario for scenario in SCENARIOS if (overlay(scenario) / "data").is_dir())
"""The scenarios that ship a sample table."""

EVERY_SCENARIO = os.environ.get("SCENARIOS_TRIED") == "all"
"""In the full tier: what churn shows is shown of the other scenarios too."""

in_full_tier = pytest.mark.skipif(not EVERY_SCENARIO, reason="the full tier: a case of its own")
"""Of a test that takes seconds for a case beside one that is always tried."""

LONGEST_FIRST = (
    "test_render", "test_scenarios", "test_every_render", "test_history", "test_run",
    "test_procedures", "test_updates", "test_real_data", "test_pre_commit", "test_compile",
)  # fmt: skip
"""A file goes to one worker whole: what takes minutes begins first, or one waits for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


_CREDENTIALS = ("AWS_", "SAGEMAKER_")


def library_of(repository: Path) -> Path:
    """The wheel in a repository's `vendor/`, unpacked as pip would: what its commands run on."""
    (wheel,) = (repository / "vendor").glob("ninesteps-*.whl")
    return _unpacked(wheel.name, wheel.read_bytes())


@functools.cache
def _unpacked(name: str, content: bytes) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ninesteps-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        wheel.extractall(folder)
    compileall.compile_dir(folder, quiet=2)  # as an installation has it: no run compiles it again
    return folder


@dataclass(frozen=True)
class Repository:
    """A rendered repository."""

    path: Path

    def pipeline(
        self, *arguments: str | Path, status: int | None = 0, typed: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the repository: no network, no AWS settings, 80 columns."""
        done = subprocess.run(
            [sys.executable, "-m", "ninesteps.cli", *map(str, arguments)],
            cwd=self.path, env=self._environment(variables), input=typed,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    def start(self, *arguments: str, until: str) -> subprocess.Popen[str]:
        """Start a command as `pipeline` runs it; gives it once it has printed such a beginning."""
        process = subprocess.Popen(
            [sys.executable, "-m", "ninesteps.cli", *arguments],
            cwd=self.path, env=self._environment({}),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(until):
                break
        return process

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(_CREDENTIALS)}
        return {
            **own,
            "PYTHONPATH": os.pathsep.join([str(NO_NETWORK), str(library_of(self.path))]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "80",
            "HOME": str(self.path.parent),
            **variables,
        }

    def files(self) -> set[str]:
        """Every file, as a path below the repository."""
        return {p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file()}

    def results(self) -> dict[str, bytes]:
        """What runs have left behind, by path."""
        return {name: (self.path / name).read_bytes() for name in self.files() if ".local" in name}

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one place in a file."""
        text = (self.path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (self.path / name).write_text(text.replace(old, new), encoding="utf-8")


Rendered = Callable[[str], Repository]


@pytest.fixture(scope="session")
def types(request: pytest.FixtureRequest) -> Path:
    """What mypy keeps: the libraries' types are read once for all renders, not in each."""
    return Path(request.config.cache.mkdir("types"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone of it would be: what git knows, without caches."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    folder = tmp_path_factory.mktemp("template")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture
def render(template: Path, tmp_path: Path) -> Callable[..., Repository]:
    """Render a repository with answers."""

    def rendered(**answers: str) -> Repository:
        path = cookiecutter(
            str(template), no_input=True, extra_context=answers, output_dir=str(tmp_path)
        )
        return Repository(Path(path))

    return rendered


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """A scenario with its default answers: read, never changed."""

    @functools.cache
    def repository(scenario: str) -> Repository:
        return render_scenario(template, tmp_path_factory.mktemp(scenario), scenario)

    return repository


@pytest.fixture(scope="session")
def churn(rendered: Rendered) -> Repository:
    """The churn scenario with its default answers: read, never changed."""
    return rendered("churn")


@dataclass(frozen=True)
class Run:
    """A run of the nine steps, and what it printed."""

    repository: Repository
    output: str

    @property
    def execution(self) -> Path:
        """The folder of what the execution wrote, as its `s3://` prefix has it."""
        executions = self.repository.path.glob(".local/s3/*/*/executions/*")
        return min(executions, key=lambda folder: folder.stat().st_ctime)

    def read(self, name: str) -> Any:
        """A JSON file below it."""
        return json.loads((self.execution / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def ran(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The nine steps of a scenario, run on its sample."""

    @functools.cache
    def run(scenario: str) -> Run:
        repository = render_scenario(template, tmp_path_factory.mktemp(f"{scenario}_run"), scenario)
        return Run(repository, repository.pipeline("run").stdout)

    return run


@pytest.fixture(scope="session")
def after_a_run(ran: Callable[[str], Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Churn's repository as its first run left it: to be copied."""
    repository = ran("churn").repository.path
    kept = tmp_path_factory.mktemp("kept") / repository.name
    return Path(shutil.copytree(repository, kept, symlinks=True))


@pytest.fixture(scope="session")
def churn_run(ran: Callable[[str], Run], after_a_run: Path) -> Run:
    """The nine steps of the churn scenario, run on its sample; some tests run them again."""
    assert after_a_run.is_dir()  # it was copied before any of them
    return ran("churn")


@pytest.fixture(scope="session")
def explained(ran: Callable[[str], Run]) -> dict[str, ScenarioFacts]:
    """What the explainer is made from, of the scenarios that other tests run too."""
    runs = {name: ran(name) for name in ("churn", "salary")}
    return {
        name: gather(name, run.repository.path, run.execution.name) for name, run in runs.items()
    }


@pytest.fixture(scope="module")
def used(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with a small run behind it: one trial."""
    repository = render_scenario(template, tmp_path_factory.mktemp("used"), "churn")
    repository.edit("pipeline.toml", "jobs = 12", "jobs = 1")
    repository.edit("pipeline.toml", "parallel = 4", "parallel = 1")
    repository.pipeline("run")
    return repository


def render_scenario(template: Path, folder: Path, scenario: str) -> Repository:
    """Render a scenario with its default answers into a folder."""
    answers = {"scenario": scenario}
    path = cookiecutter(str(template), no_input=True, extra_context=answers, output_dir=str(folder))
    return Repository(Path(path))


@pytest.fixture(scope="session")
def cloned(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a git repository, which is all that cruft takes."""
    folder = tmp_path_factory.mktemp("cloned") / "template"
    shutil.copytree(template, folder)
    from cruft_runs import repository_of

    return repository_of(folder)
