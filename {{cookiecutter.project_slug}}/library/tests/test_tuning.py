"""A search gives the same whatever the machine, reads the objective, and stops what lags behind."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import StepError
from ninesteps.local import tuning
from ninesteps.local.execution import Execution
from ninesteps.local.jobs import Job, LocalBackend, packed_model, training_definitions
from ninesteps.local.processes import Processes
from ninesteps.local.tuning import (
    ObjectiveLog,
    Trial,
    median_limits,
    metric_pattern,
    ranked,
    read_search,
    run_tuning,
    stopping_round,
)
from small_definitions import (
    BUCKET,
    IMAGE,
    Bench,
    Json,
    archive,
    container,
    get,
    join,
    read,
    s3_input,
    step,
)

READ_ETA = """\
import pathlib, sys, time
eta = float(sys.argv[sys.argv.index("--eta") + 1])
number = int(pathlib.Path(__file__).parents[1].name)  # of the trial
"""
SIX_ROUNDS = f"""\
{READ_ETA}
time.sleep(eta % 0.1 / 2)  # the trials end in another order than they begin
for round in range(6):
    auc = 0.9 - abs(eta - 0.5) + round / 100 if number < 6 else 0.2
    print(f"[{{round}}]\\ttrain-auc:{{auc + 0.05:.5f}}\\tvalidation-auc:{{auc:.5f}}", flush=True)
"""


def searched(
    folder: Path,
    script: str,
    limit: int = 2,
    on_trial: Callable[[list[Trial]], None] = lambda trials: None,
    names: tuple[str, ...] = (),
    **arguments: Any,
) -> list[Trial]:
    """The trials of a search, over definitions of these names, by so many processes at a time."""
    bench = Bench(folder)
    search = partial(bench.comparing, names=names) if names else bench.tuning
    request = search(script, **arguments)["Arguments"]
    for definition in training_definitions(request):
        definition["OutputDataConfig"] = {"S3OutputPath": f"{BUCKET}/models"}
    job = Job("search", request, folder / "sandbox", folder / "logs")
    with Processes(limit) as processes:
        machine = LocalBackend(bench.engine.storage, processes, {})
        return run_tuning(read_search(request), job, folder / "kept", machine, on_trial)


@pytest.mark.parametrize(
    ("strategy", "stopping"), [("Bayesian", "Auto"), ("Bayesian", "Off"), ("Random", "Auto")]
)
def test_a_search_is_the_same_however_many_processes_run(
    tmp_path: Path, strategy: str, stopping: str
) -> None:
    config = {"Strategy": strategy, "TrainingJobEarlyStoppingType": stopping}
    outcomes = []
    for limit in (1, 2, 4):
        trials = searched(tmp_path / str(limit), SIX_ROUNDS, limit, jobs=9, parallel=3, **config)
        outcomes.append([(t.job.name, t.tuned, t.values, t.status) for t in trials])
    assert outcomes[0] == outcomes[1] == outcomes[2]
    last = "Stopped" if stopping == "Auto" else "Completed"
    # the seventh is the first that four others came before, not counting those beside it
    assert [status for *_, status in outcomes[0]] == ["Completed"] * 6 + [last] * 3


def test_another_seed_searches_elsewhere(tmp_path: Path) -> None:
    first, other = (
        [t.tuned for t in searched(tmp_path / str(seed), SIX_ROUNDS, jobs=2, RandomSeed=seed)]
        for seed in (1, 2)
    )
    assert first != other


def test_later_trials_are_proposed_from_the_results_of_earlier_ones(tmp_path: Path) -> None:
    """Two at a time: the first two know of nothing, the others of what came out and its sign."""
    script = f"{READ_ETA}\nprint(f'[0]\\tvalidation-auc:{{abs(eta - PEAK)}}')"
    searches = {
        (peak, direction): searched(
            tmp_path / f"{peak}{direction}",
            script.replace("PEAK", peak),
            jobs=8,
            HyperParameterTuningJobObjective={"Type": direction, "MetricName": "validation:auc"},
        )
        for peak, direction in (("0.2", "Maximize"), ("0.8", "Maximize"), ("0.2", "Minimize"))
    }
    one, *others = ([trial.tuned["eta"] for trial in trials] for trials in searches.values())
    for other in others:
        assert one[:2] == other[:2]
        assert one[2:] != other[2:]


def test_what_a_failed_trial_printed_teaches_nothing(tmp_path: Path) -> None:
    fails = f"{SIX_ROUNDS}\nif number < 3: sys.exit(1)"
    says_nothing = f"{READ_ETA}\nif number < 3: sys.exit(1)\n{SIX_ROUNDS}"
    one, other = (
        [trial.tuned for trial in searched(tmp_path / name, script, jobs=6)]
        for name, script in {"fails": fails, "says_nothing": says_nothing}.items()
    )
    assert one == other


def test_every_change_is_told_and_a_trials_folder_goes_when_it_has_ended(tmp_path: Path) -> None:
    ended = []

    def on_trial(trials: list[Trial]) -> None:
        ended.append(sum(trial.status != "InProgress" for trial in trials))

    trials = searched(tmp_path, SIX_ROUNDS, jobs=4, on_trial=on_trial)
    assert ended == sorted(ended)
    assert (ended[0], ended[-1]) == (0, 4)
    assert not any(trial.job.folder.exists() for trial in trials)


def test_the_next_trial_is_proposed_while_a_model_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed, in_time = threading.Event(), []

    def packed(job: Job) -> tuple[Path, str]:
        in_time.append(proposed.wait(30))
        return packed_model(job)

    monkeypatch.setattr(tuning, "packed_model", packed)
    searched(
        tmp_path, SIX_ROUNDS, jobs=3, parallel=2,
        on_trial=lambda trials: proposed.set() if len(trials) == 3 else None,
    )  # fmt: skip
    assert in_time == [True] * 3


def test_a_model_that_cannot_be_put_aside_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(job: Job) -> tuple[Path, str]:
        if job.sandbox.root.name == "002":
            raise PermissionError("cannot be read")
        return packed_model(job)

    monkeypatch.setattr(tuning, "packed_model", packed)
    with pytest.raises(PermissionError, match="cannot be read"):
        searched(tmp_path, SIX_ROUNDS, jobs=4)


def test_the_best_trials_model_is_what_later_steps_are_given(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    script = f"""{SIX_ROUNDS}
import os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "eta").write_text(str(eta))
"""
    best = join(
        get("Steps.Tune.TrainingJobDefinition.OutputDataConfig.S3OutputPath"),
        get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"),
        "output/model.tar.gz",
    )
    execution = bench.run(
        bench.tuning(script),
        step("Create", "Model", {"PrimaryContainer": container(best)}),
    )
    assert [run.reason for run in execution.steps.values()] == ["", ""]
    name = f"pipelines-{execution.id}-Create"
    uri = bench.engine.state.model(name)["PrimaryContainer"]["ModelDataUrl"]
    bench.engine.storage.unpack(uri, tmp_path / "model")
    eta = float((tmp_path / "model/eta").read_text())
    detail = execution.steps["Tune"].detail
    assert detail == f"best validation:auc {0.9 - abs(eta - 0.5) + 0.05:.5g} of 4 trials"


@pytest.mark.parametrize(("direction", "best"), [("Maximize", 0.9), ("Minimize", 0.1)])
def test_the_direction_says_which_trial_is_best(
    tmp_path: Path, direction: str, best: float
) -> None:
    script = f"{READ_ETA}\nprint(f'[0]\\tvalidation-rmse:{{eta}}')"
    trials = searched(
        tmp_path,
        script,
        jobs=10,
        parallel=2,
        HyperParameterTuningJobObjective={"Type": direction, "MetricName": "validation:rmse"},
    )
    values = [trial.value for trial in trials]
    first = ranked(trials, direction == "Maximize")[0]
    assert first.value == (max if direction == "Maximize" else min)(v for v in values if v)
    assert first.value == pytest.approx(best, abs=0.2)


KILLS_ITSELF = """\
import os, pathlib, signal
print("[0]\\tvalidation-auc:0.99", flush=True)  # of an attempt that does not count
tried = pathlib.Path({folder!r}, pathlib.Path(__file__).parents[1].name)
tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
if tried.name == "002" and len(tried.read_text()) <= {times}:
    os.kill(os.getpid(), signal.SIGKILL)
print("[1]\\tvalidation-auc:0.5", flush=True)
"""


@pytest.mark.parametrize(("times", "status"), [(2, "Succeeded"), (3, "Failed")])
def test_a_trial_that_was_killed_is_tried_again_as_often_as_its_strategy_says(
    tmp_path: Path, times: int, status: str
) -> None:
    bench, tried = Bench(tmp_path), tmp_path / "tried"
    tried.mkdir()
    tune = bench.tuning(KILLS_ITSELF.format(folder=str(tried), times=times), jobs=3)
    strategy = {"MaximumRetryAttempts": 2}
    tune["Arguments"]["TrainingJobDefinition"]["RetryStrategy"] = strategy
    run = bench.run(tune).steps["Tune"]
    assert run.status == status
    assert tried.joinpath("002").read_text() == "xxx"
    assert tried.joinpath("001").read_text() == "x"
    if status == "Succeeded":
        assert run.detail.startswith("best validation:auc 0.5")


def test_of_equal_trials_the_earlier_is_better() -> None:
    job = Job("", {}, Path(), Path())
    trials = [Trial({"eta": eta}, job, values=[0.5], status="Completed") for eta in "123"]
    for maximize in (True, False):
        assert [trial.tuned["eta"] for trial in ranked(trials, maximize)] == ["1", "2", "3"]


def test_failed_trials_are_left_out_and_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    script = f"{READ_ETA}\nif number in (1, 4): raise ValueError('out of luck')\n{SIX_ROUNDS}"
    details: list[str] = []

    def listener(execution: Execution) -> None:
        details.append(execution.steps["Tune"].detail)

    definition = read(bench.tuning(script, jobs=5))
    execution = bench.engine.run("pipeline", definition, {}, listener)
    assert execution.steps["Tune"].status == "Succeeded"
    assert execution.notes == ["Tune: 2 of 5 trials failed"]
    assert re.fullmatch(r"best validation:auc 0\.\d+ of 5 trials", details[-1])
    so_far = r"trial [1-5] of 5(, best so far 0\.\d+)?"
    assert any(re.fullmatch(so_far, detail) for detail in details)


FAILURES = {
    "raise ValueError('no data')": "ValueError: no data (train.py, line 1)",
    "pass": "expected a finite validation:auc in its log, got none",
    r"print('[0]\tvalidation-auc:0.5\n[1]\tvalidation-auc:nan')": (
        "expected a finite validation:auc in its log, got nan"
    ),
    r"print('[0]\tvalidation-auc:high')": "could not convert string to float: 'high'",
    r"print('[0]\tvalidation-auc:0.5')" + "\nraise SystemExit(3)": (
        "the script ended with exit status 3: [0]\tvalidation-auc:0.5"
    ),
}


@pytest.mark.parametrize(("script", "reason"), FAILURES.items())
def test_a_search_without_a_model_fails_and_says_why_the_first_failed(
    tmp_path: Path, script: str, reason: str
) -> None:
    bench = Bench(tmp_path)
    run = bench.run(bench.tuning(script, jobs=3)).steps["Tune"]
    assert run.status == "Failed"
    assert run.reason == f"none of 3 trials produced a model; the first: {reason}"


# Several training definitions

TWO = ("trees", "lines")
BY_NAME = f"""\
{READ_ETA}
import os
name = os.environ["NAME"]
time.sleep(eta % 0.1 / 2)
print(f"[0]\\tvalidation-auc:{{abs(eta - (0.2 if name == 'trees' else 0.8)) / 2}}")
"""


def of(trials: list[Trial], name: str) -> list[str]:
    """What one definition's trials were given."""
    return [trial.tuned["eta"] for trial in trials if trial.definition == name]


@pytest.mark.parametrize("strategy", ["Bayesian", "Random"])
def test_definitions_take_turns_however_many_processes_run(tmp_path: Path, strategy: str) -> None:
    outcomes = []
    for limit in (1, 2, 4):
        folder = tmp_path / str(limit)
        arguments = {"jobs": 7, "parallel": 3, "Strategy": strategy}
        trials = searched(folder, BY_NAME, limit, names=TWO, **arguments)
        outcomes.append([(t.job.name, t.definition, t.tuned, t.values, t.status) for t in trials])
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [trial[1] for trial in outcomes[0]] == [*TWO * 3, "trees"]
    assert {trial[-1] for trial in outcomes[0]} == {"Completed"}


def test_each_definition_is_searched_by_its_own_results_alone(tmp_path: Path) -> None:
    script = f"{BY_NAME}\nif name == 'lines': print(f'[1]\\tvalidation-auc:{{VALUE}}')"
    one, other = (
        searched(tmp_path / value, script.replace("VALUE", value), names=TWO, jobs=10)
        for value in ("eta", "1 - eta")
    )
    assert of(one, "lines")[:2] == of(one, "trees")[:2]  # of one seed: both begin alike
    assert of(one, "trees") == of(other, "trees")
    assert of(one, "lines")[:2] == of(other, "lines")[:2]
    assert of(one, "lines")[2:] != of(other, "lines")[2:]


def test_each_definition_runs_with_its_own_ranges_hyperparameters_and_code(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tune = bench.comparing("print('[0]\\tvalidation-auc:0.1')", jobs=2)
    _, lines = tune["Arguments"]["TrainingJobDefinitions"]
    script = """\
import os, sys
assert os.environ["NAME"] == "lines"
assert sys.argv[1:3] == ["--degree", "2"] and sys.argv[3] == "--alpha"
print("loss=0.75")
"""
    code = bench.put(f"{BUCKET}/code/lines.tar.gz", archive({"lines.py": script}))
    lines["StaticHyperParameters"] = {
        "sagemaker_program": "lines.py", "sagemaker_submit_directory": code, "degree": "2"
    }  # fmt: skip
    alpha = {"Name": "alpha", "MinValue": "1", "MaxValue": "9"}
    lines["HyperParameterRanges"] = {"IntegerParameterRanges": [alpha]}
    lines["AlgorithmSpecification"] = {
        "TrainingImage": "lines",
        "MetricDefinitions": [{"Name": "validation:auc", "Regex": "loss=([0-9.]+)"}],
    }
    execution = bench.run(tune)
    assert execution.notes == []
    detail = execution.steps["Tune"].detail
    assert detail == "best validation:auc lines 0.75, trees 0.1 of 2 trials"


def test_the_best_of_all_definitions_is_what_later_steps_are_given(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    script = f"""{BY_NAME}
pathlib.Path(os.environ["SM_MODEL_DIR"], "made_by").write_text(f"{{name}} {{eta}}")
"""
    summary, models = (
        "Steps.Tune.TrainingJobSummaries[0]",
        "Steps.Tune.TrainingJobDefinitions[0].OutputDataConfig.S3OutputPath",
    )
    best = join(get(models), get(f"{summary}.TrainingJobName"), "output/model.tar.gz")
    job = "Steps.Tune.BestTrainingJob"
    words = [get(f"{where}.TrainingJobDefinitionName") for where in (summary, job)]
    look = (
        "import os, sys\nmodels = os.environ['SAGEMAKER_BASE_DIR'] + '/processing/input/models'\n"
    )
    look += "print(*sys.argv[1:], *os.listdir(models))"
    execution = bench.run(
        bench.comparing(script, jobs=6),
        step("Create", "Model", {"PrimaryContainer": container(best)}),
        bench.processing("Look", look, words=words, inputs=[s3_input("models", get(models))]),
    )
    assert [run.reason for run in execution.steps.values()] == ["", "", ""]
    uri = bench.engine.state.model(f"pipelines-{execution.id}-Create")["PrimaryContainer"]
    bench.engine.storage.unpack(uri["ModelDataUrl"], tmp_path / "model")
    name, eta = (tmp_path / "model/made_by").read_text().split()
    value = abs(float(eta) - (0.2 if name == "trees" else 0.8)) / 2
    detail = execution.steps["Tune"].detail
    found = re.fullmatch(r"best validation:auc (\w+) (0\.\d+), (\w+) (0\.\d+) of 6 trials", detail)
    assert found is not None
    assert (found[1], found[2], {found[1], found[3]}) == (name, f"{value:.6g}", set(TWO))
    assert float(found[2]) >= float(found[4])
    log = execution.steps["Look"].log
    assert log is not None
    first, again, *jobs = log.read_text().split()
    assert (first, again) == (name, name)
    names = {re.fullmatch(rf"{execution.id}-Tune-\w{{10}}-(00\d)", job)[1] for job in jobs}  # type: ignore[index]
    assert names == {f"{n:03d}" for n in range(1, 7)}


def test_the_best_so_far_of_each_definition_is_told(tmp_path: Path) -> None:
    """The last trial ends when somebody has seen what the three before it gave."""
    bench = Bench(tmp_path)
    seen = tmp_path / "seen"
    script = f"""{BY_NAME}
for _ in range(1000 if number == 4 else 0):
    if pathlib.Path({str(seen)!r}).exists(): break
    time.sleep(0.01)
"""
    so_far = r"trial 3 of 4, best so far (trees|lines) 0\.\d+, (trees|lines) 0\.\d+"

    def listener(execution: Execution) -> None:
        if re.fullmatch(so_far, execution.steps["Tune"].detail):
            seen.touch()

    definition = read(bench.comparing(script, parallel=1))
    bench.engine.run("pipeline", definition, {}, listener)
    assert seen.exists()


def test_a_definition_without_a_model_is_not_among_the_best(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    execution = bench.run(bench.comparing(f"{BY_NAME}\nif name == 'lines': sys.exit(1)"))
    detail = execution.steps["Tune"].detail
    assert re.fullmatch(r"best validation:auc trees 0\.\d+ of 4 trials", detail)
    assert execution.notes == ["Tune: 2 of 4 trials failed"]


def test_where_less_is_better_the_least_of_each_definition_is_best(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    script = "import os\nerror = 3 if os.environ['NAME'] == 'trees' else 2\n"
    script += "print(f'[0]\\tvalidation-rmse:{error}')"
    least = {"Type": "Minimize", "MetricName": "validation:rmse"}
    execution = bench.run(bench.comparing(script, HyperParameterTuningJobObjective=least))
    detail = execution.steps["Tune"].detail
    assert detail == "best validation:rmse lines 2, trees 3 of 4 trials"


@pytest.mark.parametrize(
    "other",
    [
        {"Type": "Minimize", "MetricName": "validation:auc"},
        {"Type": "Maximize", "MetricName": "validation:map"},
    ],
)
def test_definitions_with_different_objectives_are_refused(tmp_path: Path, other: Json) -> None:
    bench = Bench(tmp_path)
    tune = bench.comparing(BY_NAME)
    tune["Arguments"]["TrainingJobDefinitions"][1]["TuningObjective"] = other
    execution = bench.run(tune)
    run = execution.steps["Tune"]
    reason = "training definitions with different objectives cannot be compared"
    assert (run.status, run.reason) == ("Failed", reason)
    assert not bench.engine.storage.path(f"{BUCKET}/{execution.id}").exists()


def test_definitions_of_one_name_are_refused(tmp_path: Path) -> None:
    request = Bench(tmp_path).comparing("pass")["Arguments"]
    request["TrainingJobDefinitions"][1]["DefinitionName"] = (
        request["TrainingJobDefinitions"][0]["DefinitionName"]
    )  # fmt: skip
    with pytest.raises(StepError, match="two training definitions are named"):
        read_search(request)


def test_a_definition_whose_objective_cannot_be_read_is_refused(tmp_path: Path) -> None:
    request = Bench(tmp_path).comparing("pass")["Arguments"]
    request["TrainingJobDefinitions"][1]["AlgorithmSpecification"]["TrainingImage"] = "lines"
    with pytest.raises(StepError, match="no metric definition says how validation:auc is read"):
        read_search(request)


# The objective

XGBOOST = metric_pattern("validation:auc", {"TrainingImage": IMAGE})


def objective(tmp_path: Path, content: bytes) -> list[float]:
    file = tmp_path / "log"
    file.write_bytes(content)
    log = ObjectiveLog(file, XGBOOST, [])
    log.read()
    return log.values


def test_the_objective_is_read_from_the_lines_of_the_rounds(tmp_path: Path) -> None:
    lines = (
        b"reading validation-auc:0.1\n"
        b"[0]\ttrain-auc:0.9\tvalidation-auc:0.70\n"
        b"[1]\ttrain-auc:0.9\tvalidation-logloss:0.3\n"
        b"2026-11-23 INFO [2]\ttrain-auc:0.9\tvalidation-auc:0.71\n"
        b"[3] validation-auc:0.4\n"
        b"[10]\ttrain-auc:0.9\tvalidation-auc:7.2e-01\n"
        b"done\n"
    )
    assert objective(tmp_path, lines) == [0.70, 0.71, 0.72]


def test_an_objective_that_is_not_the_last_of_its_line_is_no_number(tmp_path: Path) -> None:
    """As on AWS, where the tab is `#011`, and so belongs to the value."""
    with pytest.raises(ValueError, match=r"'0\.7#011test-auc:0\.2'"):
        objective(tmp_path, b"[0]\tvalidation-auc:0.7\ttest-auc:0.2\n")


def test_what_is_in_no_encoding_is_read_over(tmp_path: Path) -> None:
    lines = b"\xff\xfe caf\xe9\x00\n[0]\t\xff-auc:1\tvalidation-auc:0.7\n"
    assert objective(tmp_path, lines) == [0.7]


def test_a_huge_line_is_read_over(tmp_path: Path) -> None:
    assert objective(tmp_path, b"x" * 10_000_000 + b"\n[0]\tvalidation-auc:0.7\n") == [0.7]


def test_a_growing_log_is_read_on_and_a_line_only_when_it_is_whole(tmp_path: Path) -> None:
    log = ObjectiveLog(tmp_path / "log", XGBOOST, [])
    log.read()
    assert log.values == []  # there is no log yet
    expected = {
        "[0]\tvalidation-auc:0.7\n[1]\tval": [0.7],
        "idation-auc:0.8": [0.7],
        "5\n": [0.7, 0.85],
        "": [0.7, 0.85],
        "[2]\tvalidation-auc:0.9\n": [0.7, 0.85, 0.9],
    }
    for text, values in expected.items():
        with log.file.open("a") as file:
            file.write(text)
        log.read()
        assert log.values == values


def test_a_job_may_say_how_its_metric_is_read(tmp_path: Path) -> None:
    own = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}], "TrainingImage": "x"}
    (tmp_path / "log").write_text("epoch 1 loss=0.5 time=3\nepoch 2 loss=0.25 time=3\n")
    log = ObjectiveLog(tmp_path / "log", metric_pattern("loss", own), [])
    log.read()
    assert log.values == [0.5, 0.25]


@pytest.mark.parametrize("regex", ["loss=[0-9.]+", "(loss)=([0-9.]+)", "loss=(["])
def test_a_metrics_regex_that_cannot_be_used_is_refused(regex: str) -> None:
    own = {"MetricDefinitions": [{"Name": "loss", "Regex": regex}]}
    with pytest.raises(StepError, match=r"Regex of loss: expected one group, the value, got "):
        metric_pattern("loss", own)


def test_a_metric_that_nothing_says_how_to_read() -> None:
    with pytest.raises(StepError, match="no metric definition says how loss is read"):
        metric_pattern("loss", {"TrainingImage": "pytorch"})


# Early stopping


def trial(*values: float, status: str = "Completed") -> Trial:
    return Trial({}, Job("", {}, Path(), Path()), values=list(values), status=status)


FOUR = [trial(0.5, 0.7, 0.9), trial(0.5, 0.7, 0.9), trial(0.4, 0.6, 0.8), trial(0.6, 0.6, 0.6)]
"""Running averages: .5 .6 .7, .5 .6 .7, .4 .5 .6, .6 .6 .6, with medians .5, .6 and .65."""


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ((0.5, 0.6, 0.65), None),
        ((0.6, 0.7, 0.8), None),
        ((0.49, 0.9, 0.9), 0),
        ((0.5, 0.59, 0.9), 1),
        ((0.5, 0.6, 0.64), 2),
        ((0.5, 0.6), None),
        ((0.5, 0.6, 0.65, 0.1), None),  # no trial ran so far
        ((), None),
    ],
)
def test_a_trial_stops_at_the_first_round_below_the_median(
    values: tuple[float, ...], stops: int | None
) -> None:
    assert stopping_round([*values], median_limits(FOUR), maximize=True) == stops


def test_where_less_is_better_a_trial_stops_above_the_median() -> None:
    assert stopping_round([0.5, 0.6, 0.66], median_limits(FOUR), maximize=False) == 2
    assert stopping_round([0.1, 0.1, 0.1], median_limits(FOUR), maximize=False) is None


def test_fewer_than_four_finished_trials_stop_nothing() -> None:
    others = [*FOUR[:3], trial(0.9, status="Stopped"), trial(0.9, status="Failed")]
    assert stopping_round([0.0, 0.0], median_limits(others), maximize=True) is None


def test_a_trial_that_lags_behind_is_ended_before_its_end(tmp_path: Path) -> None:
    """The fifth trial would print for a minute; four have finished by then."""
    script = f"""{READ_ETA}
print("[0]\\tvalidation-auc:" + ("0.9" if number < 5 else "0.1"), flush=True)
if number == 5:
    time.sleep(60)
"""
    trials = searched(tmp_path, script, jobs=5, parallel=1, TrainingJobEarlyStoppingType="Auto")
    assert [t.status for t in trials] == ["Completed"] * 4 + ["Stopped"]
    assert [t.archive is not None for t in trials] == [True] * 4 + [False]


def test_a_trial_that_was_too_quick_to_be_ended_has_no_model_either(tmp_path: Path) -> None:
    """Whether a model is there must not depend on when the log was looked at."""
    script = f"""{READ_ETA}
print("[0]\\tvalidation-auc:" + ("0.9" if number < 5 else "0.1"), flush=True)
"""
    trials = searched(tmp_path, script, jobs=5, parallel=1, TrainingJobEarlyStoppingType="Auto")
    assert [t.status for t in trials] == ["Completed"] * 4 + ["Stopped"]
    assert [t.archive is not None for t in trials] == [True] * 4 + [False]


def test_a_search_that_was_broken_off_runs_only_the_trials_that_had_not_ended(
    tmp_path: Path,
) -> None:
    script = f"{READ_ETA}\nprint('[0]\\tvalidation-auc:' + str(eta))"
    whole = searched(tmp_path, script, jobs=6, parallel=2)
    for trial in whole[3:]:
        (tmp_path / f"kept/{trial.job.name}.json").unlink()
    ran = {trial.job.name: trial.job.log.stat().st_mtime_ns for trial in whole}
    again = searched(tmp_path, script, jobs=6, parallel=2)
    assert [(t.tuned, t.values, t.status) for t in again] == [
        (t.tuned, t.values, t.status) for t in whole
    ]
    assert all(trial.archive and trial.archive.is_file() for trial in again)
    anew = [t.job.name for t in again if t.job.log.stat().st_mtime_ns != ran[t.job.name]]
    assert anew == [trial.job.name for trial in whole[3:]]


# Ranges and limits


def search_request(tmp_path: Path, **config: Any) -> Json:
    return Bench(tmp_path).tuning("pass", **config)["Arguments"]


def test_ranges_are_those_of_the_definition(tmp_path: Path) -> None:
    bounds = {"MinValue": "1", "MaxValue": "100"}
    ranges = {
        "IntegerParameterRanges": [
            {"Name": "depth", **bounds, "ScalingType": "Linear"},
            {"Name": "rounds", **bounds, "ScalingType": "Logarithmic"},
        ],
        "ContinuousParameterRanges": [
            {"Name": "alpha", **bounds},
            {"Name": "eta", **bounds, "ScalingType": "Logarithmic"},
        ],
        "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
    }
    (definition,) = read_search(search_request(tmp_path, ParameterRanges=ranges)).definitions
    found = definition.ranges
    shapes = {n: (r.low, r.high, r.log) for n, r in found.items() if n != "booster"}
    assert shapes == {
        "depth": (1, 100, False),
        "rounds": (1, 100, True),
        "alpha": (1.0, 100.0, False),
        "eta": (1.0, 100.0, True),
    }
    assert [type(found[name].low) for name in shapes] == [int, int, float, float]
    assert found["booster"].choices == ("gbtree", "dart")


@pytest.mark.parametrize(
    ("kind", "low", "high", "scaling"),
    [
        ("Integer", "9", "1", "Linear"),
        ("Integer", "0.5", "1", "Linear"),
        ("Integer", "0", "9", "Logarithmic"),
        ("Continuous", "0", "1", "Logarithmic"),
        ("Continuous", "low", "1", "Auto"),
    ],
)
def test_a_range_that_cannot_be_searched_is_named(
    tmp_path: Path, kind: str, low: str, high: str, scaling: str
) -> None:
    bounds = {"Name": "eta", "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    ranges = {f"{kind}ParameterRanges": [bounds]}
    with pytest.raises(StepError, match="the range of eta cannot be searched: "):
        read_search(search_request(tmp_path, ParameterRanges=ranges))


def test_two_ranges_of_one_name_are_refused(tmp_path: Path) -> None:
    bounds = {"Name": "eta", "MinValue": "1", "MaxValue": "9"}
    ranges = {"IntegerParameterRanges": [bounds], "ContinuousParameterRanges": [bounds]}
    with pytest.raises(StepError, match="two ranges are named eta"):
        read_search(search_request(tmp_path, ParameterRanges=ranges))


@pytest.mark.parametrize(("jobs", "parallel"), [(0, 1), (2, 0)])
def test_a_search_of_nothing_is_refused(tmp_path: Path, jobs: int, parallel: int) -> None:
    with pytest.raises(StepError, match=f"at a time, got {jobs} training jobs, {parallel} at a"):
        read_search(search_request(tmp_path, jobs=jobs, parallel=parallel))


def test_a_script_sees_its_hyperparameters_as_texts(tmp_path: Path) -> None:
    script = """\
import json, os, pathlib, sys
config = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "input/config/hyperparameters.json")
print(json.dumps([sys.argv[1:], os.environ["SM_HP_ETA"], json.loads(config.read_text())]))
print("[0]\\tvalidation-auc:0.5")
"""
    (only,) = searched(tmp_path, script, jobs=1, parallel=1)
    words, variable, config = json.loads(only.job.log.read_text().splitlines()[0])
    eta = only.tuned["eta"]
    assert (words, variable) == (["--eta", eta], eta)
    assert config["eta"] == eta and config["sagemaker_program"] == "train.py"
