"""`pipeline`: the commands of a repository.

Exit status: 0 done (a refused model is a completed pipeline, as on SageMaker), 1 a step failed,
AWS refused a call or a version was rolled back, 2 wrong use, wrong settings or a table that cannot
be used, 3 no version was registered and `--require-registered` was given, 130 stopped by Ctrl-C or
by a signal.
"""

from __future__ import annotations

# Each module adds its commands to the group when it is imported.
from ninesteps.cli import (
    ab_test,
    account,
    audit,
    comparison,
    completion,
    cost,
    definition,
    endpoint,
    execution,
    features,
    fleet,
    history,
    lineage,
    model_card,
    registry,
    repository,
    run,
    trace,
    ui,
)
from ninesteps.cli.commands import commands as main

__all__ = [
    "ab_test",
    "account",
    "audit",
    "comparison",
    "completion",
    "cost",
    "definition",
    "endpoint",
    "execution",
    "features",
    "fleet",
    "history",
    "lineage",
    "main",
    "model_card",
    "registry",
    "repository",
    "run",
    "trace",
    "ui",
]


if __name__ == "__main__":
    main()
