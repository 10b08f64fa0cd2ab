"""The nine steps for a newcomer: each step's title, its phase, and why it exists."""

from __future__ import annotations

from dataclasses import dataclass

TRAINING, GOVERNANCE = "Training and evaluation", "Governance and registration"
PHASES = {
    TRAINING: "A model is trained, and measured on rows that it has not seen.",
    GOVERNANCE: "Bias is measured, and only a model that passes the gate is registered.",
}
"""The two phases, in order, and what each does."""


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
        "All rows are read as of one point in time, so the model learns nothing from the future. "
        "The rows for the final test are set aside here, before anything is trained.",
    ),
    "Tuning": Role(
        "Search for the best model",
        TRAINING,
        "Nobody picks hyperparameters by hand: a Bayesian search tries many in parallel, and the "
        "validation rows decide which are best.",
    ),
    "evaluate.py": Role(
        "Evaluate the model",
        TRAINING,
        "The gate's metrics come from this step. They are measured on rows that no model has seen, "
        "also group by group.",
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
        "The groups to compare and the favourable outcome are fixed before anything is measured.",
    ),
    "Transform": Role(
        "Predict the test rows",
        GOVERNANCE,
        "Bias is measured in the model's predictions, so they are made first. The columns that "
        "define the groups are not sent to the model.",
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
        "A version has its metrics, its bias report and its origin. It then waits for a person: "
        "nothing is deployed without an approval.",
    ),
    "Condition": Role(
        "Decide at the gate",
        GOVERNANCE,
        "The limits are part of the definition, so nobody can loosen them when starting a run. "
        "If the model fails, the run still completes, but nothing is registered.",
    ),
}
"""By `ninesteps.report.steps.role`."""
