"""Hyperparameter tuning: Optuna searches the definition's ranges, with one training job per trial.

With N parallel trials, a trial is proposed only from the results up to N trials before it, no
matter what else has ended. So the search does not depend on the machine's speed or on how many
trials it runs at once: the same definition and data give the same result.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import re
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

from ninesteps.errors import ScriptError, StepError
from ninesteps.local.jobs import (
    Job,
    LocalBackend,
    TrainingScript,
    packed_model,
    prepare_training,
    training_definitions,
)
from ninesteps.local.processes import INTERNAL_ERROR
from ninesteps.local.state import digest_of

_OTHERS_NEEDED = 4
"""The fewest trials for early stopping to compare with."""
_LONGEST_LINE = 65536  # bytes; a longer one counts as several


@functools.cache
def load_optuna() -> Any:
    """Optuna without tqdm, whose progress bars are not used: that saves a quarter of the import."""
    shown = "tqdm.auto"
    is_known = shown in sys.modules
    if not is_known:
        sys.modules[shown] = stand_in = ModuleType(shown)
        stand_in.__dict__["tqdm"] = None
    try:
        import optuna
    finally:
        if not is_known:
            sys.modules.pop(shown, None)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@dataclass
class Trial:
    """One training job of a search."""

    tuned: dict[str, str]  # the hyperparameters that the search chose
    job: Job
    definition: str = ""  # the name of its training definition, if there are several
    values: list[float] = field(default_factory=list)  # of the objective, one per round
    status: str = "InProgress"
    reason: str = ""
    fault: Exception | None = None  # of the machine, if it failed
    archive: Path | None = None  # its model, until the search is done
    judged: threading.Event = field(default_factory=threading.Event)  # its value is known
    done: threading.Event = field(default_factory=threading.Event)  # its model is stored

    @property
    def value(self) -> float | None:
        """The objective's last value: the saved model's."""
        return self.values[-1] if self.values else None


@dataclass(frozen=True)
class TrialSearch:
    """A parsed tuning request."""

    jobs: int
    parallel: int
    maximize: bool
    objective: str
    early_stopping: bool
    definitions: list[TrainingDefinition]

    @property
    def direction(self) -> str:
        """Optuna's direction."""
        return "MAXIMIZE" if self.maximize else "MINIMIZE"


@dataclass(frozen=True)
class TrainingDefinition:
    """One training definition of a search."""

    name: str  # empty if there is only one
    request: dict[str, Any]
    pattern: re.Pattern[str]  # of the objective in a log
    ranges: dict[str, Any]
    sampler: Any


def run_tuning(
    search: TrialSearch,
    job: Job,
    kept: Path,
    backend: LocalBackend,
    on_trial: Callable[[list[Trial]], None],
) -> list[Trial]:
    """Run all trials; return them in the order in which they were proposed.

    Several training definitions take turns, each with its own search.

    Args:
        kept: a folder for the results of trials: a repeated search finds the ended ones there, and
            runs only the others. The job's log is a folder with one log per trial.

    Raises:
        StepError: if no trial produced a model, or one was killed: without it, this would be a
        different search.
    """
    optuna = load_optuna()
    direction = optuna.study.StudyDirection[search.direction]
    turns = [(definition, optuna.create_study(direction=direction, sampler=definition.sampler))
             for definition in search.definitions]  # fmt: skip
    asked: list[Any] = []
    trials: list[Trial] = []

    with ThreadPoolExecutor(max_workers=search.parallel) as pool:
        for number in range(search.jobs):
            earlier = number - search.parallel
            if earlier >= 0:
                trials[earlier].judged.wait()
                _check_no_fault(trials)
                _tell(turns[earlier % len(turns)][1], asked[earlier], trials[earlier])
            backend.processes.check_not_ended()
            definition, study = turns[number % len(turns)]
            asked.append(study.ask(definition.ranges))
            trial = _trial(number, job, definition, asked[-1].params)
            trials.append(trial)
            # In the order of the trials: the trial that the next one waits for runs first.
            script = _prepare(trial, backend, kept)
            before = trials[: max(0, earlier + 1)]
            pool.submit(_run, trial, script, before, search, definition, backend, kept)
            on_trial(trials)
        for trial in trials:
            trial.done.wait()
            on_trial(trials)
    _check_no_fault(trials)
    if not ranked(trials, search.maximize):
        first = trials[0].reason
        raise ScriptError(f"none of {len(trials)} trials produced a model; the first: {first}")
    return trials


def _check_no_fault(trials: list[Trial]) -> None:
    for number, trial in enumerate(trials, start=1):
        if isinstance(trial.fault, StepError):
            raise StepError(f"trial {number}: {trial.reason}", fault=trial.fault.fault)
        if trial.fault:
            raise trial.fault


def read_search(request: dict[str, Any]) -> TrialSearch:
    """Parse a tuning request.

    Raises:
        StepError: if it cannot be run.
    """
    config = request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    jobs, parallel = (int(limits[f"Max{n}TrainingJobs"]) for n in ("NumberOf", "Parallel"))
    if min(jobs, parallel) < 1:
        got = f"{jobs} training jobs, {parallel} at a time"
        raise StepError(f"expected at least 1 training job and 1 at a time, got {got}")
    trained = training_definitions(request)
    objectives = [t.get("TuningObjective") or config["HyperParameterTuningJobObjective"]
                  for t in trained]  # fmt: skip
    names = [definition.get("DefinitionName", "") for definition in trained]
    if len(set(names)) < len(names):
        raise StepError(f"two training definitions are named {max(names, key=names.count)}")
    if any(objective != objectives[0] for objective in objectives):
        raise StepError("training definitions with different objectives cannot be compared")
    return TrialSearch(
        jobs=jobs,
        parallel=parallel,
        maximize=objectives[0]["Type"] == "Maximize",
        objective=objectives[0]["MetricName"],
        early_stopping=config.get("TrainingJobEarlyStoppingType") == "Auto",
        definitions=[
            TrainingDefinition(
                name=content.get("DefinitionName", ""),
                request=content,
                pattern=metric_pattern(
                    objectives[0]["MetricName"], content["AlgorithmSpecification"]
                ),
                ranges=_distributions(
                    content.get("HyperParameterRanges") or config["ParameterRanges"]
                ),
                sampler=_sampler(config, parallel),
            )
            for content in trained
        ],
    )


def _sampler(config: dict[str, Any], parallel: int) -> Any:
    optuna = load_optuna()
    seed = config.get("RandomSeed", 0)
    samplers: dict[str, Callable[[], Any]] = {
        "Bayesian": lambda: optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=parallel, constant_liar=True
        ),
        "Random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    return samplers[config["Strategy"]]()


def metric_pattern(objective: str, specification: dict[str, Any]) -> re.Pattern[str]:
    """The pattern of the objective in a log: the job's own definition, or XGBoost's.

    The XGBoost image is a built-in algorithm, whose metrics cannot be defined: the service reads
    lines such as `[5]#011train-auc:0.9#011validation-auc:0.8`.
    """
    for definition in specification.get("MetricDefinitions", []):
        if definition["Name"] == objective:
            regex = definition["Regex"]
            with contextlib.suppress(re.error):
                if re.compile(regex).groups == 1:
                    return re.compile(regex)
            raise StepError(f"Regex of {objective}: expected one group, the value, got {regex!r}")
    if "xgboost" not in specification.get("TrainingImage", ""):
        raise StepError(f"no metric definition says how {objective} is read from the log")
    return re.compile(rf"\[[0-9]+\].*#011{re.escape(objective.replace(':', '-'))}:(\S+)")


def _distributions(ranges: dict[str, Any]) -> dict[str, Any]:
    kind_of = load_optuna().distributions

    def limits(r: dict[str, Any], number: Callable[[str], Any]) -> dict[str, Any]:
        is_log = r.get("ScalingType") == "Logarithmic"
        return {"low": number(r["MinValue"]), "high": number(r["MaxValue"]), "log": is_log}

    kinds: dict[str, Callable[[dict[str, Any]], Any]] = {
        "Integer": lambda r: kind_of.IntDistribution(**limits(r, int)),
        "Continuous": lambda r: kind_of.FloatDistribution(**limits(r, float)),
        "Categorical": lambda r: kind_of.CategoricalDistribution(r["Values"]),
    }
    distributions: dict[str, Any] = {}
    for kind, distribution in kinds.items():
        for r in ranges.get(f"{kind}ParameterRanges", []):
            name = r["Name"]
            if name in distributions:
                raise StepError(f"two ranges are named {name}")
            try:
                distributions[name] = distribution(r)
            except ValueError as error:
                raise StepError(f"the range of {name} cannot be searched: {error}") from None
    return distributions


def _trial(
    number: int,
    tuning: Job,
    definition: TrainingDefinition,
    parameters: dict[str, Any],
) -> Trial:
    own = f"{number + 1:03d}"
    folder, log = tuning.folder / own, tuning.log / f"{own}.log"
    job = Job(f"{tuning.name}-{own}", definition.request, folder, log)
    return Trial({name: str(v) for name, v in parameters.items()}, job, definition.name)


def _prepare(trial: Trial, backend: LocalBackend, kept: Path) -> TrainingScript | None:
    """Read a trial's earlier result, or provide its inputs; None if there is nothing to run."""
    try:
        if _restored(trial, _record(trial, kept)):
            return None
        hyperparameters = {**trial.job.request["StaticHyperParameters"], **trial.tuned}
        return prepare_training(trial.job, hyperparameters, backend)
    except Exception as error:
        _fail(trial, error)
        return None


def _run(
    trial: Trial,
    script: TrainingScript | None,
    before: list[Trial],
    search: TrialSearch,
    definition: TrainingDefinition,
    backend: LocalBackend,
    kept: Path,
) -> None:
    """Run a trial to its end without raising; the trial records the outcome."""
    try:
        if script:
            _train_with_retries(trial, script, before, search, definition, backend)
    except Exception as error:
        _fail(trial, error)
    trial.judged.set()
    try:
        if script and trial.status != "Failed":
            _keep(trial, _record(trial, kept))
    except Exception as error:  # others may already have been proposed from its value
        _fail(trial, error)
        trial.fault = error
    finally:
        shutil.rmtree(trial.job.folder, ignore_errors=True)
        trial.done.set()


def _train_with_retries(
    trial: Trial,
    script: TrainingScript,
    before: list[Trial],
    search: TrialSearch,
    definition: TrainingDefinition,
    backend: LocalBackend,
) -> None:
    """Train, and repeat after an internal error as often as the job's `RetryStrategy` says."""
    request = trial.job.request
    retries = int(request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0))
    for left in range(retries, -1, -1):
        try:
            _train(trial, script, before, search, definition, backend)
            return
        except StepError as error:
            if error.fault != INTERNAL_ERROR or not left:
                raise
        trial.values.clear()
        trial.job.log.unlink(missing_ok=True)
        shutil.rmtree(trial.job.folder, ignore_errors=True)
        static = request["StaticHyperParameters"]
        script = prepare_training(trial.job, {**static, **trial.tuned}, backend)


def _train(
    trial: Trial,
    script: TrainingScript,
    before: list[Trial],
    search: TrialSearch,
    definition: TrainingDefinition,
    backend: LocalBackend,
) -> None:
    """Run a trial's script until it ends, or the median rule stops it."""
    log = ObjectiveLog(trial.job.log, definition.pattern, trial.values)
    limits = median_limits(before) if search.early_stopping else []

    def last_round() -> int | None:
        log.read()
        return stopping_round(trial.values, limits, search.maximize)

    may_stop = (lambda: last_round() is not None) if limits else None
    trial.job.run(backend, script.words, script.environment, watch=may_stop)
    last = last_round()  # also if the script ended before it could be stopped
    if last is not None:
        del trial.values[last + 1 :]
    if trial.value is None or not math.isfinite(trial.value):
        value = trial.value or "none"
        raise StepError(f"expected a finite {search.objective} in its log, got {value}")
    trial.status = "Completed" if last is None else "Stopped"


def _fail(trial: Trial, error: Exception) -> None:
    trial.status, trial.reason = "Failed", str(error)
    is_the_machines = isinstance(error, OSError) or bool(getattr(error, "fault", ""))
    trial.fault = error if is_the_machines else None


def _record(trial: Trial, kept: Path) -> Path:
    return kept / f"{trial.job.name}.json"


def _keep(trial: Trial, record: Path) -> None:
    """Store a trial's result: first the model, then its record.

    A stopped trial has no model.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    if trial.status == "Completed":
        archive, _ = packed_model(trial.job)
        trial.archive = archive.replace(record.with_suffix(".tar.gz"))
    content = {
        "sha256": digest_of(trial.archive) if trial.archive else "",
        "tuned": trial.tuned,
        "values": trial.values,
        "status": trial.status,
        "peak_bytes": trial.job.peak_bytes,
    }
    whole = record.with_suffix(".whole")
    whole.write_text(json.dumps(content), encoding="utf-8")
    whole.replace(record)


def _restored(trial: Trial, record: Path) -> bool:
    """Read the result of a trial that had ended when the search was interrupted."""
    archive = record.with_suffix(".tar.gz")
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        if content["tuned"] != trial.tuned:
            return False
        if content["sha256"] and digest_of(archive) != content["sha256"]:
            return False
    except (OSError, ValueError, KeyError, TypeError):  # incomplete or missing
        return False
    trial.values[:], trial.status = content["values"], content["status"]
    trial.job.peak_bytes = content["peak_bytes"]
    trial.archive = archive if content["sha256"] else None
    return True


@dataclass
class ObjectiveLog:
    """The objective's values in a growing log."""

    file: Path
    pattern: re.Pattern[str]
    values: list[float]
    _position: int = 0

    def read(self) -> None:
        """Add the values of new lines; tabs are as the service writes them."""
        size = self.file.stat().st_size if self.file.is_file() else 0
        if size == self._position:
            return
        with self.file.open("rb") as content:
            content.seek(self._position)
            while line := content.readline(_LONGEST_LINE):
                if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                    break  # still being written
                self._position += len(line)
                text = line.decode("utf-8", errors="replace").replace("\t", "#011")
                if match := self.pattern.search(text):
                    self.values.append(float(match[1]))


def median_limits(before: list[Trial]) -> list[float]:
    """The limits of SageMaker's median rule for a trial, round by round.

    A limit is the median of the earlier trials' running averages up to that round, over trials that
    reached it; at least four are needed.
    """
    finished = [other.values for other in before if other.status == "Completed"]
    averages = [
        [total / rounds for rounds, total in enumerate(accumulate(values), start=1)]
        for values in finished
    ]
    limits = []
    for round_ in range(max(map(len, averages), default=0)):
        so_far = sorted(own[round_] for own in averages if round_ < len(own))
        if len(so_far) < _OTHERS_NEEDED:
            break
        limits.append((so_far[len(so_far) // 2] + so_far[(len(so_far) - 1) // 2]) / 2)
    return limits


def stopping_round(values: list[float], limits: list[float], maximize: bool) -> int | None:
    """The first round in which a trial with these values is worse than its limit, if any."""
    for round_, (value, limit) in enumerate(zip(values, limits, strict=False)):
        if value < limit if maximize else value > limit:
            return round_
    return None


def _tell(study: Any, asked: Any, trial: Trial) -> None:
    optuna = load_optuna()
    if trial.status == "Failed" or trial.value is None:
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(asked, trial.value)


def ranked(trials: list[Trial], maximize: bool) -> list[Trial]:
    """The trials with a model, best first; among equals, the earlier one."""
    complete = [t for t in trials if t.status == "Completed" and t.value is not None]
    return sorted(complete, key=lambda t: -(t.value or 0.0) if maximize else (t.value or 0.0))
