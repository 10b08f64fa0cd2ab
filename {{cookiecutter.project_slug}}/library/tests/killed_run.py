"""The run that is killed in `test_resume.py`, as a command of its own: it starts without pytest.

python killed_run.py ROOT
"""

from __future__ import annotations

import sys
from pathlib import Path

from small_definitions import (
    WRITE,
    Bench,
    get,
    join,
    model,
    output_of,
    read,
    register,
)

PIPELINE = f"""{WRITE}
import time
for name in ("a", "b", "c"):
    time.sleep(0.02)
    for part in range(5):
        file = base / f"processing/output/{{name}}/{{part}}.csv"
        file.write_text(f"{{name}},{{part}}\\n" * 2000)
"""
TRAIN = """\
import os, pathlib, sys, time
eta = float(sys.argv[sys.argv.index("--eta") + 1])
for round in range(4):
    print(f"[{round}]\\tvalidation-auc:{0.9 - abs(eta - 0.5) + round / 100:.6f}", flush=True)
    time.sleep(0.01)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(f"{eta}\\n" * 3000)
"""


def whole(root: Path) -> None:
    """Run, or go on with, a pipeline that has of every kind of step what leaves a trace."""
    bench = Bench(root)
    best = join(
        get("Steps.Tune.TrainingJobDefinition.OutputDataConfig.S3OutputPath"),
        get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"),
        "output/model.tar.gz",
    )
    process = bench.processing("Process", PIPELINE, ("a", "b", "c"))
    tune = {**bench.tuning(TRAIN, jobs=5), "DependsOn": ["Process"]}
    evaluate = bench.evaluation({"auc": 0.9})
    evaluate["DependsOn"] = ["Tune"]
    metrics = join(output_of("Evaluate", "metrics"), "evaluation.json")
    definition = read(process, tune, evaluate, model("Create", best),
                      register("Register", best, metrics, DependsOn=["Create"]))  # fmt: skip
    begun = bench.engine.state.executions()
    if not begun:
        bench.engine.run("pipeline", definition, {})
    elif begun[0].status != "Succeeded":
        bench.engine.resume(begun[0].id)


if __name__ == "__main__":
    whole(Path(sys.argv[1]))
