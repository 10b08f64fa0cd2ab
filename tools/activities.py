"""What a reader was doing when a module spoke: the order of the errors' reference."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

_CLI, _RUNS, _LOCAL = "ninesteps/cli/", "ninesteps/runs/", "ninesteps/local/"


@dataclass(frozen=True)
class Activity:
    """One thing that a reader does, and the modules that speak to them meanwhile."""

    name: str
    when: str
    modules: tuple[str, ...]  # patterns; the first activity that has one counts


ACTIVITIES = (
    Activity(
        "Generating a repository",
        "You see these from `cookiecutter`, `cruft` or the check of an answers file.",
        ("hooks/*", "tools/seeds.py"),
    ),
    Activity(
        "Writing settings",
        "Every command that reads `pipeline.toml` prints these, and so does `pipeline check`.",
        ("ninesteps/settings/*", "ninesteps/profiles/*", f"{_CLI}here.py"),
    ),
    Activity(
        "Reading a table",
        "These come from `pipeline run`, `check`, `schema` and `ingest`, before any step starts.",
        ("ninesteps/feature_store/*", f"{_RUNS}ingesting.py", f"{_RUNS}record.py",
         f"{_CLI}features.py"),
    ),
    Activity(
        "Checking a repository",
        "`pipeline check` lists these, and `pipeline publish` sends nothing while there are any.",
        ("ninesteps/validation/*", "ninesteps/repository/*", "ninesteps/fleet/*",
         "ninesteps/definition/*", "ninesteps/step_code/*"),
    ),
    Activity(
        "Deploying on this machine",
        "These come from `pipeline deploy`, `rollback` and `endpoint`, and from a test by `--ab`.",
        (f"{_LOCAL}endpoint/*", f"{_RUNS}rehearsal.py", f"{_RUNS}ab_test.py", f"{_CLI}endpoint.py",
         f"{_CLI}ab_test.py"),
    ),
    Activity(
        "Proving where a version came from",
        "These come from `pipeline lineage`, `reproduce`, `audit` and `trace`.",
        ("ninesteps/lineage/*", "ninesteps/audit/*", "ninesteps/tracing/*", f"{_RUNS}reproducing/*",
         f"{_LOCAL}chain.py", f"{_LOCAL}pseudonyms.py", f"{_CLI}audit.py", f"{_CLI}event_chain.py",
         f"{_CLI}lineage.py", f"{_CLI}trace.py", "ninesteps/terminal/*trace.py",
         "ninesteps/terminal/audit.py"),
    ),
    Activity(
        "Approving",
        "These come from `pipeline registry`, `approve`, `reject` and `card`.",
        ("ninesteps/registry/*", "ninesteps/model_card/*", f"{_CLI}registry.py",
         "ninesteps/terminal/registry.py"),
    ),
    Activity(
        "In an account",
        "These come from commands with `--env`, and from the jobs of a rollout.",
        ("ninesteps/infrastructure/*", f"{_CLI}account.py", f"{_CLI}cost.py", f"{_CLI}execution.py",
         f"{_RUNS}cost.py", "ninesteps/report/account*", "ninesteps/terminal/execution.py"),
    ),
    Activity(
        "Looking at results",
        "These come from `pipeline report`, `show`, `runs`, `logs`, `diff` and `ui`.",
        ("ninesteps/report/*", "ninesteps/ui/*", "ninesteps/terminal/*", f"{_LOCAL}history.py",
         f"{_CLI}history.py"),
    ),
    Activity(
        "Running",
        "These come from `pipeline run`, before its steps or in the log of one.",
        (f"{_CLI}*", f"{_RUNS}*", f"{_LOCAL}*", "ninesteps/containers/*",
         "model_build/*", "problems/*"),
    ),
)  # fmt: skip

ORDER = (
    "Generating a repository", "Writing settings", "Reading a table", "Checking a repository",
    "Running", "Looking at results", "Approving", "Deploying on this machine", "In an account",
    "Proving where a version came from",
)  # fmt: skip
"""As a reader comes to them."""


def in_order() -> list[Activity]:
    """The activities as a reader comes to them."""
    return sorted(ACTIVITIES, key=lambda activity: ORDER.index(activity.name))


def of(module: str) -> Activity | None:
    """The activity in which a module speaks; None if none has it."""
    return next(
        (a for a in ACTIVITIES if any(fnmatch(module, pattern) for pattern in a.modules)), None
    )
