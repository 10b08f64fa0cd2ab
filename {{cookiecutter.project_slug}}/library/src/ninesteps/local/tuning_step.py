"""The step type Tuning: runs a search, and returns what Describe would answer."""

from __future__ import annotations

import math

from ninesteps.local import jobs, tuning
from ninesteps.local.execution import FAILED, STOPPED
from ninesteps.local.step_context import Json, StepContext, StepResult

_ENDINGS = {STOPPED: "stopped early, by the median rule", FAILED: "failed"}


def tune(context: StepContext) -> StepResult:
    """A hyperparameter tuning job."""
    job, run = context.job, context.run
    search = tuning.read_search(job.request)

    def progress(trials: list[tuning.Trial]) -> None:
        ended = [trial for trial in trials if trial.status != "InProgress"]
        best = _best_of_each(ended, search)
        so_far = f", best so far {best}" if best else ""
        run.detail = f"trial {len(ended)} of {search.jobs}{so_far}"

    trials = tuning.run_tuning(search, job, context.kept, context.backend, progress)
    models = tuning.ranked(trials, search.maximize)
    best = _best_of_each(trials, search)
    run.detail = f"best {search.objective} {best} of {len(trials)} trials"
    for status, ending in _ENDINGS.items():
        if count := sum(trial.status == status for trial in trials):
            run.notes.append(f"{run.step.name}: {count} of {len(trials)} trials {ending}")
    job.peak_bytes = max(trial.job.peak_bytes for trial in trials)
    # As in the service's list, trials without a model come after those that can be chosen.
    others = [trial for trial in trials if trial not in models]
    summaries = [_training_job_summary(trial, search.objective) for trial in (*models, *others)]
    ended = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobStatus": "Completed",
        "TrainingJobSummaries": summaries,
        "BestTrainingJob": summaries[0],
    }
    outputs = [(trial.archive, jobs.model_uri(trial.job)) for trial in models if trial.archive]
    return StepResult({**job.request, **ended}, outputs)


def _training_job_summary(trial: tuning.Trial, objective: str) -> Json:
    has_value = trial.value is not None and math.isfinite(trial.value)
    metric = {"MetricName": objective, "Value": trial.value}
    return {
        "TrainingJobName": trial.job.name,
        **({"TrainingJobDefinitionName": trial.definition} if trial.definition else {}),
        "TrainingJobStatus": trial.status,
        "TunedHyperParameters": trial.tuned,
        **({"FinalHyperParameterTuningJobObjectiveMetric": metric} if has_value else {}),
        **({"FailureReason": trial.reason} if trial.reason else {}),
    }


def _best_of_each(trials: list[tuning.Trial], search: tuning.TrialSearch) -> str:
    """The best value, `0.91`, or one per training definition, `xgboost 0.91, lightgbm 0.9`."""
    named: dict[str, float | None] = {}
    for trial in tuning.ranked(trials, search.maximize):
        named.setdefault(trial.definition, trial.value)
    return ", ".join(f"{name} {value:.6g}".strip() for name, value in named.items())
