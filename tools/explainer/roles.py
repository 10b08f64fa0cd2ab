"""The nine steps for a newcomer: what each is called, its phase, and why it is there."""

from __future__ import annotations

from dataclasses import dataclass

TRAINING, GOVERNANCE = "Training and evaluation", "Governance and registration"
PHASES = {
    TRAINING: "A model is found, and measured on rows that it has not seen.",
    GOVERNANCE: "How it treats people is measured, and only a model that passes is registered.",
}
"""The two phases, in order, and what each comes to."""


@dataclass(frozen=True)
class Role:
    """A step, for a newcomer."""

    title: str
    phase: str
    why: str


ROLES = {
    "process.py": Role(
        "Prepare the data",
        TRAINING,
        "Every row is as it was known at one moment, so the model learns nothing from the future. "
        "The rows for the final test are set aside here, before anything is trained.",
    ),
    "Tuning": Role(
        "Search for the best model",
        TRAINING,
        "Nobody picks settings by hand: a Bayesian search tries many, in parallel, and the "
        "validation rows decide.",
    ),
    "evaluate.py": Role(
        "Evaluate the model",
        TRAINING,
        "The numbers that the gate reads come from here. They are of rows that no model has seen, "
        "and are also given by group.",
    ),
    "Model": Role(
        "Create the model",
        TRAINING,
        "From here on the model is used as it would be in production: the same archive, the same "
        "image, the same inference script.",
    ),
    "analysis_config.py": Role(
        "Plan the bias analysis",
        GOVERNANCE,
        "Which groups are compared, and which outcome is favourable, is written down before "
        "anything is measured.",
    ),
    "Transform": Role(
        "Predict the test rows",
        GOVERNANCE,
        "Bias is measured in what the model answers, so it has to answer first. The groups' "
        "columns are not sent to it.",
    ),
    "clarify.py": Role(
        "Measure bias and explain",
        GOVERNANCE,
        "A good average can hide a group that is treated badly. SHAP values say which features "
        "the model relies on.",
    ),
    "RegisterModel": Role(
        "Register the version",
        GOVERNANCE,
        "A version carries its metrics, its bias report and its origin. It waits for a person: "
        "nothing is deployed before somebody approves it.",
    ),
    "Condition": Role(
        "Decide at the gate",
        GOVERNANCE,
        "The limits are in the definition itself, so whoever starts a run cannot loosen them. "
        "If the model fails, the run still completes, and nothing is registered.",
    ),
}
"""By `ninesteps.report.steps.role`."""
