"""What the evaluation step writes, made by its own functions of four rows: the keys are real."""

from __future__ import annotations

import json
import sys
from typing import Any

from ninesteps.settings.gate import SECTIONS, of_champion
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import folders
from ninesteps.validation.own_metrics import check_own_metrics


def example_evaluation(settings: Settings) -> dict[str, Any]:
    """An `evaluation.json` of these settings; its values mean nothing.

    Metrics of the team's own are there by name alone: their functions are not called.

    Raises:
        SettingsError: if one of them has no function.
    """
    check_own_metrics(settings)
    for folder in map(str, folders(settings.root)):
        if folder not in sys.path:
            sys.path.append(folder)
    import numpy as np

    from champion import SECTION, Term, decided
    from dataset import Columns, Facet, Split, Texts
    from decision import DecisionThreshold
    from evaluate import evaluation
    from inference import Description
    from served_model import Answers

    is_binary = settings.project.problem == "binary"
    facets = tuple(Facet.from_json(json.loads(facet.argument)) for facet in settings.facets)
    columns = Columns(
        record_id="id", label="label", problem=settings.project.problem, favourable_label=1,
        label_threshold=None if is_binary else 0.5, facets=facets, group_variable=None,
        context=tuple({facet.column: 0 for facet in facets}), features=("x",),
    )  # fmt: skip
    labels = np.array([0.0, 1.0, 0.0, 1.0])
    context = {name: Texts.of("1919") for name in columns.context}
    rows = Split(columns, [*"abcd"], labels, context, np.zeros((4, 1), dtype=np.float32))
    decision = DecisionThreshold("accuracy", 0.5) if is_binary else None
    model = Description("xgboost", settings.objective, 0.5, {}, decision)
    content = evaluation(rows, model, Answers("", labels, labels if is_binary else None), 1)
    content[SECTIONS[columns.problem]] |= {name: {"value": 0.5} for name in settings.gate.metrics}
    if terms := of_champion(settings.full_gate):
        content[SECTION] = decided([Term.read(term.argument) for term in terms], passing=True)
    return content
