"""Hyperparameter tuning: Optuna over the definition's ranges, one training job a trial.

A trial is proposed from the results of the trials that came so many before it as run at a time,
and from no others, whatever else has ended by then. So the search does not depend on how quick
the machine is or how many trials it runs at once: the same definition and data give the same.
"""

from __future__ import annotations

import re
import statistics
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_sagemaker.errors import StepError
from local_sagemaker.jobs import Job, Machine, run_training

_OTHERS_NEEDED = 4
"""Early stopping compares with at least so many trials."""


@dataclass
class Trial:
    """One training job of a search."""

    name: str
    hyperparameters: dict[str, str]
    job: Job
    values: list[float] = field(default_factory=list)  # of the objective, one a round
    status: str = "InProgress"
    reason: str = ""

    @property
    def value(self) -> float | None:
        """The objective's last value: that of the model that was saved."""
        return self.values[-1] if self.values else None


@dataclass(frozen=True)
class Search:
    """A tuning step's request, read."""

    jobs: int
    parallel: int
    maximize: bool
    pattern: re.Pattern[str]
    objective: str
    early_stopping: bool
    ranges: dict[str, Any]
    sampler: Any


def run_tuning(
    name: str,
    request: dict[str, Any],
    folder: Path,
    logs: Path,
    machine: Machine,
    on_trial: Callable[[list[Trial]], None],
) -> list[Trial]:
    """Run every trial; gives them in the order that they were proposed.

    Raises:
        StepError: if a field is not known here, or if no trial gave a model.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search = read_search(request)
    study = optuna.create_study(
        direction="maximize" if search.maximize else "minimize", sampler=search.sampler
    )
    asked: list[Any] = []
    trials: list[Trial] = []
    done: list[threading.Event] = []

    with ThreadPoolExecutor(max_workers=search.parallel) as pool:
        for number in range(search.jobs):
            if number >= search.parallel:
                earlier = number - search.parallel
                done[earlier].wait()
                _tell(study, asked[earlier], trials[earlier])
            asked.append(study.ask(search.ranges))
            trials.append(_trial(number, name, request, asked[-1].params, folder, logs))
            done.append(threading.Event())
            before = trials[: max(0, number - search.parallel + 1)]
            pool.submit(_run, trials[-1], before, search, machine, done[-1])
            on_trial(trials)
        for event in done:
            event.wait()
            on_trial(trials)
    if not any(trial.status == "Completed" for trial in trials):
        first = trials[0]
        raise StepError(f"none of {len(trials)} trials gave a model; the first: {first.reason}")
    return trials


def read_search(request: dict[str, Any]) -> Search:
    """What a tuning request asks for."""
    import optuna

    config, training = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    seed = config.get("RandomSeed", 0)
    limits, objective = config["ResourceLimits"], config["HyperParameterTuningJobObjective"]
    parallel = int(limits["MaxParallelTrainingJobs"])
    samplers: dict[str, Callable[[], Any]] = {
        "Bayesian": lambda: optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=parallel, constant_liar=True
        ),
        "Random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    if config["Strategy"] not in samplers:
        raise StepError(f"the strategy {config['Strategy']!r} is not known here")
    stopping = config.get("TrainingJobEarlyStoppingType", "Off")
    if stopping not in ("Off", "Auto"):
        raise StepError(f"TrainingJobEarlyStoppingType {stopping!r} is not known here")
    return Search(
        jobs=int(limits["MaxNumberOfTrainingJobs"]),
        parallel=parallel,
        maximize=objective["Type"] == "Maximize",
        pattern=metric_pattern(objective["MetricName"], training["AlgorithmSpecification"]),
        objective=objective["MetricName"],
        early_stopping=stopping == "Auto",
        ranges=_distributions(config["ParameterRanges"]),
        sampler=samplers[config["Strategy"]](),
    )


def metric_pattern(objective: str, specification: dict[str, Any]) -> re.Pattern[str]:
    """How the objective is read from a log: by the job's own definition, or XGBoost's.

    The XGBoost image counts as an algorithm of SageMaker's own, whose metrics cannot be defined:
    the service reads lines such as `[5]#011train-auc:0.9#011validation-auc:0.8`.
    """
    for definition in specification.get("MetricDefinitions", []):
        if definition["Name"] == objective:
            return re.compile(definition["Regex"])
    if "xgboost" not in specification.get("TrainingImage", ""):
        raise StepError(f"no metric definition says how {objective} is read from the log")
    return re.compile(rf".*\[[0-9]+\].*#011{re.escape(objective.replace(':', '-'))}:(\S+)")


def _distributions(ranges: dict[str, Any]) -> dict[str, Any]:
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, BaseDistribution] = {}
    for r in ranges.get("IntegerParameterRanges", []):
        limits = int(r["MinValue"]), int(r["MaxValue"])
        found[r["Name"]] = IntDistribution(*limits, log=_is_log(r))
    for r in ranges.get("ContinuousParameterRanges", []):
        bounds = float(r["MinValue"]), float(r["MaxValue"])
        found[r["Name"]] = FloatDistribution(*bounds, log=_is_log(r))
    for r in ranges.get("CategoricalParameterRanges", []):
        found[r["Name"]] = CategoricalDistribution(r["Values"])
    return found


def _is_log(r: dict[str, Any]) -> bool:
    scaling = r.get("ScalingType", "Auto")
    if scaling not in ("Auto", "Linear", "Logarithmic"):
        raise StepError(f"range {r['Name']}: the scaling {scaling!r} is not known here")
    return bool(scaling == "Logarithmic")


def _trial(
    number: int,
    name: str,
    request: dict[str, Any],
    parameters: dict[str, Any],
    folder: Path,
    logs: Path,
) -> Trial:
    training = request["TrainingJobDefinition"]
    trial_name = f"{name}-{number + 1:03d}"
    own = {key: str(value) for key, value in parameters.items()}
    job = Job(trial_name, training, folder / f"{number + 1:03d}", logs / f"{number + 1:03d}.log")
    return Trial(trial_name, {**training.get("StaticHyperParameters", {}), **own}, job)


def _run(
    trial: Trial, before: list[Trial], search: Search, machine: Machine, done: threading.Event
) -> None:
    """Run a trial to its end, whatever that is; nothing is raised, the trial says how it was."""

    def is_hopeless() -> bool:
        trial.values = read_values(trial.job.log, search.pattern)
        return search.early_stopping and stopping_round(trial, before, search.maximize) is not None

    try:
        run_training(trial.job, trial.hyperparameters, machine, is_hopeless)
        stopped = is_hopeless()  # once more: a quick trial may have ended before it was looked at
        if stopped:
            last = stopping_round(trial, before, search.maximize)
            trial.values = trial.values[: (last or 0) + 1]
        trial.status = "Stopped" if stopped else "Completed"
        if trial.value is None:
            trial.status = "Failed"
            trial.reason = f"its log has no value of {search.objective}"
    except Exception as error:
        trial.status, trial.reason = "Failed", str(error)
    finally:
        done.set()


def read_values(log: Path, pattern: re.Pattern[str]) -> list[float]:
    """The objective's values in a log, with tabs written as the service writes them."""
    if not log.is_file():
        return []
    text = log.read_text(encoding="utf-8", errors="replace").replace("\t", "#011")
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [float(match[1]) for line in lines if (match := pattern.match(line))]


def stopping_round(trial: Trial, before: list[Trial], maximize: bool) -> int | None:
    """The first round at which SageMaker's median rule stops a trial, if any.

    It is stopped when its value is worse than the median of the earlier trials' running averages
    up to that round; only trials that ran so far, and no fewer than four, are compared with.
    """
    finished = [other.values for other in before if other.status == "Completed"]
    sums = [0.0] * len(finished)
    for round_, value in enumerate(trial.values):
        averages = []
        for other, values in enumerate(finished):
            if round_ < len(values):
                sums[other] += values[round_]
                averages.append(sums[other] / (round_ + 1))
        if len(averages) < _OTHERS_NEEDED:
            continue
        median = statistics.median(averages)
        if value < median if maximize else value > median:
            return round_
    return None


def _tell(study: Any, asked: Any, trial: Trial) -> None:
    import optuna

    if trial.status == "Failed" or trial.value is None:
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(asked, trial.value)


def ranked(trials: list[Trial], maximize: bool) -> list[Trial]:
    """The trials that gave a model, best first; of equals, the earlier one."""
    complete = [t for t in trials if t.status == "Completed" and t.value is not None]
    return sorted(complete, key=lambda t: -(t.value or 0.0) if maximize else (t.value or 0.0))
