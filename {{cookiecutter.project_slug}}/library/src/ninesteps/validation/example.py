"""Makes an example of the evaluation step's output, with the step's own functions on four rows."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ninesteps.settings.gate import SECTIONS, of_champion
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import folders
from ninesteps.validation.own_metrics import check_own_metrics

if TYPE_CHECKING:
    from dataset import Split


def example_evaluation(settings: Settings) -> dict[str, Any]:
    """An `evaluation.json` for these settings; its values are meaningless.

    Of the team's own metrics it has only the names: their functions are not called.

    Raises:
        SettingsError: if one of them has no function.
    """
    check_own_metrics(settings)
    for folder in map(str, folders(settings.root)):
        if folder not in sys.path:
            sys.path.append(folder)
    from champion import SECTION, Term, decided

    problem, rows = settings.project.problem, _rows(settings)
    content = _of_replies(rows) if settings.is_language_model else _of_labels(rows, settings)
    content[SECTIONS[problem]] |= {name: {"value": 0.5} for name in settings.gate.metrics}
    if terms := of_champion(settings.full_gate):
        content[SECTION] = decided([Term.read(term.argument) for term in terms], passing=True)
    return content


def _rows(settings: Settings) -> Split:
    """Four rows of a split, with the settings' facets."""
    import numpy as np

    from dataset import Columns, Facet, Split, Texts

    problem = settings.project.problem
    facets = tuple(Facet.from_json(json.loads(facet.argument)) for facet in settings.facets)
    features = () if settings.is_language_model else ("x",)
    columns = Columns(
        record_id="id", label="label", problem=problem, favourable_label=1,
        label_threshold=0.5 if problem == "regression" else None, facets=facets,
        group_variable=None, context=tuple({facet.column: 0 for facet in facets}),
        features=features,
    )  # fmt: skip
    labels = np.array([0.0, 1.0, 0.0, 1.0])
    context = {name: Texts.of("1919") for name in columns.context}
    numbers = np.zeros((4, len(features)), dtype=np.float32)
    return Split(columns, [*"abcd"], labels, context, numbers)


def _of_labels(rows: Split, settings: Settings) -> dict[str, Any]:
    """The example for a model that answers a label or a number."""
    from decision import DecisionThreshold
    from evaluate import evaluation
    from inference import Description
    from served_model import Answers

    is_binary = settings.project.problem == "binary"
    decision = DecisionThreshold("accuracy", 0.5) if is_binary else None
    model = Description("xgboost", settings.objective, 0.5, {}, decision)
    answers = Answers("", rows.labels, rows.labels if is_binary else None)
    return evaluation(rows, model, answers, 1)


def _of_replies(rows: Split) -> dict[str, Any]:
    """The example for a language model whose replies are the references."""
    from conversations import Conversation
    from distinct_prompts import DistinctPrompts
    from judge import Judge
    from judged_replies import Replies, user
    from model_backend import ReplyLoss
    from reply_evaluation import ReplyEvaluation

    asked = [Conversation(name, (user(name),), name) for name in rows.ids]
    replies = Replies(rows.ids, [], [ReplyLoss(1.0, 1)] * len(asked))
    prompts, judge = DistinctPrompts.of(asked), Judge(1.0, ())
    return ReplyEvaluation(rows, prompts, judge, 1, replies, replies).content()
