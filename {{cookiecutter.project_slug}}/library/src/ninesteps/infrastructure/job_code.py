"""The code of the jobs that the state machines start, stored under its hash as for steps.

A job is its script, the modules that it imports and what it takes of the package `ninesteps`: what
decides on an approved version is the same code as decided on its registration. All of it comes from
the library alone; a module of the same name in a repository's `model_build/steps` is not looked at.
"""

from __future__ import annotations

from pathlib import Path

from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import CONTAINERS, StepCode, imported_modules, text
from ninesteps.step_code.by_digest import root_uri

JOBS = Path(__file__).parent / "jobs"
SCRIPTS = (
    "record_evidence.py", "verify_evidence.py", "golden_requests.py", "decide_ab_test.py",
)  # fmt: skip
LIBRARY = Path(__file__).resolve().parent.parent
PACKAGE = (
    "__init__.py", "definition/__init__.py", "definition/metadata.py", "definition/published.py",
    "feature_store/__init__.py", "feature_store/findings.py", "feature_store/protected.py",
    "feature_store/protected.toml",
    "infrastructure/__init__.py", "infrastructure/serving.py",
    "profiles/__init__.py", "profiles/stamps.py",
    "registry/__init__.py", "registry/champion.py", "registry/confusables.py",
    "registry/person.py",
    "report/__init__.py", "report/drift.py", "report/formatting.py", "report/run_warnings.py",
    "settings/__init__.py", "settings/gate.py",
)  # fmt: skip
"""What the jobs take along of `ninesteps`: the gate's language, the rules of the stamps and of the
champion, the comparison of people, what serves, the places of what was published, and a run's
warnings. These modules import nothing else of it."""


def job_code(entry: str) -> StepCode:
    """A job's code: uploaded as single files to one prefix."""
    files: dict[str, bytes] = {}
    waiting = [JOBS / entry]
    while waiting:
        path = waiting.pop()
        if path.name in files:
            continue
        files[path.name] = text(path)
        for name in imported_modules(path):
            siblings = (folder / f"{name}.py" for folder in (JOBS, CONTAINERS))
            waiting += [sibling for sibling in siblings if sibling.is_file()]
            if name == LIBRARY.name:
                files |= {f"{name}/{file}": text(LIBRARY / file) for file in PACKAGE}
    return StepCode(entry, files)


def code_objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The code that the state machines name, by S3 URI: it must be there before they run."""
    root = root_uri(settings, environment)
    return {
        f"{code.uri(root)}/{name}": content
        for code in map(job_code, SCRIPTS)
        for name, content in code.files.items()
    }
