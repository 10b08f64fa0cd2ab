"""The process that explains a version's answer to one record, as step 7 explains a test split.

    python explained_process.py FOLDER EXCHANGE PLACE...

It reads `request.json` from the folder EXCHANGE and writes `explained.json` there. FOLDER is an
unpacked archive; step code is imported from the first of the PLACES that has the module.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

REQUEST, EXPLAINED = "request.json", "explained.json"


def main(folder: str, exchange: str, *places: str) -> int:
    """Explain the answer, or write why that is not possible; give the exit status."""
    sys.path[:] = [*places, *sys.path[1:]]
    request = json.loads(Path(exchange, REQUEST).read_text(encoding="utf-8"))
    try:
        explained = _explained(Path(folder), request["record"], request["shap"])
    except Exception as error:  # of the team's own code, too
        explained = {"error": f"{type(error).__name__}: {error}"}
    Path(exchange, EXPLAINED).write_text(json.dumps(explained), encoding="utf-8")
    return int("error" in explained)


def _explained(folder: Path, record: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the archive answers to a record, and its SHAP values.

    Args:
        record: the text of its features.
        asked: the SHAP settings of step 7's configuration, with its background.
    """
    import numpy as np

    import inference
    import records
    from dataset import Split
    from explanations import shap_values
    from known_answers import CLOSE
    from served_model import ArchivePredictor, ServedModel

    model, served = inference.model_fn(str(folder)), ServedModel(folder, "")
    features = records.from_csv(f"{record}\n", len(model.columns.features))
    (text,) = served.ask([f"{record}\n"])
    answer = [float(number) for number in text.strip().split(",")]
    own = float(model.fitted.predict(features)[0])
    size = CLOSE if model.columns.is_regression else 0.0
    if not np.isclose(own, answer[-1], rtol=size, atol=CLOSE - size):
        fitted = ArchivePredictor(served, model.columns.is_regression)
        model = dataclasses.replace(model, fitted=fitted)
    split = Split(model.columns, [""], np.zeros(1), {}, features)
    shap = shap_values(asked, model, split)
    decision = model.description.decision
    return {
        "answer": answer,
        "values": shap.local[0].tolist(),
        "expected": shap.expected,
        "method": shap.method,
        "threshold": None if decision is None else decision.threshold,
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
