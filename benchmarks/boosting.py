"""What XGBoost's own training takes of a splits' rows, beside which a search is held.

python boosting.py REPOSITORY ROOT COST.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROUNDS = 100
PARAMETERS = {"objective": "binary:logistic", "eta": 0.1, "max_depth": 6, "nthread": 1, "seed": 20}


def main(repository: str, root: str, cost_file: str) -> None:
    """Train one model on the train split that a run has left, by the library alone."""
    from ninesteps.step_code.bundle import folders

    sys.path[:0] = map(str, folders(Path(repository)))
    from booster import DMatrix, train
    from dataset import read_split

    (file,) = Path(root).rglob("train.csv")
    split = read_split(file.parent, "train")
    matrix = DMatrix(split.features, label=split.labels, nthread=1)
    start = time.perf_counter()
    train(PARAMETERS, matrix, ROUNDS)
    seconds = time.perf_counter() - start
    Path(cost_file).write_text(json.dumps({"seconds": seconds, "peak_bytes": 0}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
