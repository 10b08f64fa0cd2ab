"""The role of a lineage entity in the pipeline, which its type alone does not show."""

from __future__ import annotations

TABLE, FEATURE_GROUP, QUERY = "raw table", "feature group", "query"
CODE, IMAGE = "code", "image"
COMMIT, TEMPLATE, LIBRARY = "commit", "template", "library"
SETTINGS, PARAMETERS, ENVIRONMENT = "settings", "parameters", "environment"
DEFINITION, RUN = "definition", "run"
JOB, SEARCH, GATE = "job", "search", "gate"
SPLIT, PREDICTIONS, OUTPUT = "split", "predictions", "output"
EVALUATION = "evaluation"
BIAS, EXPLAINABILITY = "bias and explainability report", "explanations of single records"
MODEL, SAGEMAKER_MODEL, PACKAGE = "model", "SageMaker model", "model package"
BASE = "base model"
GROUP, APPROVAL, DEPLOYMENT, ENDPOINT = "model group", "approval", "deployment", "endpoint"

BEFORE_A_RUN = (COMMIT, TEMPLATE, LIBRARY, SETTINGS, PARAMETERS, ENVIRONMENT, DEFINITION)
"""What a run has of its own: entities that contribute to the run, and by it to its jobs."""


def of_file(output: str, name: str) -> str:
    """The role of a file that a processing job wrote.

    Args:
        output: the name of the job's output.
        name: the file's path below it.
    """
    if name == "evaluation.json":
        return EVALUATION
    if name == "analysis.json":
        return BIAS
    if name.startswith("explanations_shap/"):
        return EXPLAINABILITY
    is_split = output in ("train", "validation", "test") and name.partition(".")[0] == output
    return SPLIT if is_split else OUTPUT
