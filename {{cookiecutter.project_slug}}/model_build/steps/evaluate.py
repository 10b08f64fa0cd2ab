"""Step 3's script: the best model's metrics on the test split, and the bias numbers of the gate.

They are computed from the answers of the archive's own `inference.py`, the code that will serve. If
several algorithms were compared, the best trial of each is scored too. Every trial's archive
describes its algorithm and objective, so no call to SageMaker is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import curves
import metrics
from bias_report import gate_numbers
from champion import SECTION, Champion, Term
from container import input_path, output_path, write_json
from dataset import GROUPS, Columns, Split, read_groups, read_split
from inference import Description
from own_metrics import NO_METRICS, OwnMetrics, own_metrics, own_value
from paired_bootstrap import Paired
from served_model import Answers, ServedModel, read_answers, records_of, requests_of
from wheels import prove_that_carried_can_load

ANSWERS = "answers.csv"
"""The answers, one line per record of the test split, which a deployed model must repeat."""


def main(arguments: Sequence[str]) -> None:
    """Score the test split and write `evaluation.json`, with `curves.json` and the answers."""
    prove_that_carried_can_load()
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--min-group-size", type=int, required=True)
    parser.add_argument("--algorithm", action="append", default=[])
    parser.add_argument("--min-trials", type=int, default=1)
    parser.add_argument("--metric", action="append", default=[], help="a custom metric")
    parser.add_argument("--champion", action="append", default=[], type=Term.read)
    options = parser.parse_args(arguments)
    model = ServedModel.unpack(input_path("model") / "model.tar.gz")
    models = read_trials(input_path("trials")) if options.algorithm else {}
    description = Description.read(model.folder)
    trials = {job: Description.read(trial.folder) for job, trial in models.items()}
    best = best_of_each(trials, options.algorithm)
    own = own_metrics(options.metric)
    champion = Champion.read(input_path("champion"), input_path("test"), options.champion)
    asked = [*champion.models, model, *(models[job] for job in best.values())]
    test, answers_of = ask(asked, input_path("test"))
    answers = answers_of[model.sha256]
    content = evaluation(test, description, answers, options.min_group_size, own)
    content["model_sha256"] = model.sha256
    if options.champion:
        content[SECTION] = champion.section(
            content,
            answers_of,
            lambda its: judged(test, its, options.min_group_size, own),
            lambda its: Paired(
                test, answers, its, options.min_group_size, read_groups(input_path("test")), own
            ),
        )
    if options.algorithm:
        content["algorithms"] = {name: {"trials": 0} for name in options.algorithm} | {
            name: compared(trials, job, answers_of[models[job].sha256], test, own)
            for name, job in best.items()
        }
        content["comparison_doubts"] = doubts(content["algorithms"], options.min_trials)
    result = output_path("evaluation")
    write_json(result / "evaluation.json", content)
    write_json(result / "curves.json", drawings(test, description, answers, options.min_group_size))
    (result / ANSWERS).write_text(answers.text, encoding="utf-8", newline="")


def ask(models: Sequence[ServedModel], folder: Path) -> tuple[Split, dict[str, Answers]]:
    """The test split, and the answers of the models to its records, by SHA-256 of their archives.

    The models are called before the split is read, since reading starts threads. Meanwhile the
    split's files are removed, so that a model can neither read nor change the labels.
    """
    names = [name for name in ("test.csv", "columns.json", GROUPS) if (folder / name).is_file()]
    files = {folder / name: (folder / name).read_bytes() for name in names}
    requests = requests_of(records_of(folder, "test", Columns.read(folder)))
    for file in files:
        file.unlink()
    try:
        asked = {model.sha256: model for model in models}
        texts = {sha256: model.ask(requests) for sha256, model in asked.items()}
    finally:
        for file, content in files.items():
            file.write_bytes(content)
    test = read_split(folder, "test")
    is_regression = test.columns.is_regression
    return test, {
        sha256: read_answers(text, test.ids, is_regression) for sha256, text in texts.items()
    }


def evaluation(
    test: Split,
    description: Description,
    answers: Answers,
    min_group_size: int,
    own: OwnMetrics = NO_METRICS,
) -> dict[str, Any]:
    """The content of `evaluation.json`: metrics and bias numbers, named as gates name them."""
    return {
        **judged(test, answers, min_group_size, own),
        "algorithm": description.algorithm,
        "objective": {description.objective: description.value},
        "decision": description.decision and description.decision.as_json(),
        "rows": len(test.labels),
    }


def judged(
    test: Split, answers: Answers, min_group_size: int, own: OwnMetrics = NO_METRICS
) -> dict[str, Any]:
    """Everything that a gate may name: metrics, and bias numbers."""
    numbers = gate_numbers(test, answers.labels, min_group_size)
    return {**measured(test, answers, own), "bias_metrics": numbers}


def measured(test: Split, answers: Answers, own: OwnMetrics = NO_METRICS) -> dict[str, Any]:
    """The problem's metrics and the team's own, named as gates name them."""
    if answers.probabilities is None:
        section = "regression_metrics"
        values = metrics.regression_metrics(test.labels, answers.labels)
    else:
        section = "binary_classification_metrics"
        values = metrics.binary_metrics(test.labels, answers.probabilities, answers.labels)
    values |= {name: own_value(name, metric, test, answers) for name, metric in own.items()}
    return {section: {name: {"value": value} for name, value in values.items()}}


def drawings(
    test: Split,
    description: Description,
    answers: Answers,
    min_group_size: int,
) -> dict[str, Any]:
    """The content of `curves.json`, for the report's charts; no gate reads it."""
    if answers.probabilities is None or description.decision is None:
        return curves.regression_curves(test, answers.labels, min_group_size)
    return curves.binary_curves(
        test.labels, answers.probabilities, answers.labels, description.decision.threshold
    )


def read_trials(folder: Path) -> dict[str, ServedModel]:
    """Every trial that produced a model, by the name of its training job."""
    archives = sorted(folder.glob("*/output/model.tar.gz"))
    return {archive.parent.parent.name: ServedModel.unpack(archive) for archive in archives}


def best_of_each(trials: Mapping[str, Description], algorithms: Sequence[str]) -> dict[str, str]:
    """The job of the best trial on validation, for each algorithm that has a trial."""
    own = {name: [job for job, trial in trials.items() if trial.algorithm == name]
           for name in algorithms}  # fmt: skip
    # In a tie, the earlier trial wins, as in the search: the jobs' names contain their numbers.
    return {name: min(jobs, key=lambda job: (trials[job].loss, job))
            for name, jobs in own.items() if jobs}  # fmt: skip


def doubts(found: Mapping[str, Mapping[str, Any]], least: int) -> list[str]:
    """Reasons to doubt the comparison of algorithms, in sentences.

    SageMaker's search decides how to divide its trials among algorithms: too few of one are not an
    error, but people should know.
    """
    counts = {name: int(one["trials"]) for name, one in found.items()}
    total = sum(counts.values())
    return [
        f"{name} has {count} of {total} trials with a model, fewer than {least}: "
        + ("too few to say which algorithm is better" if count else "no comparison took place")
        for name, count in counts.items()
        if count < least
    ]


def compared(
    trials: Mapping[str, Description],
    job: str,
    answers: Answers,
    test: Split,
    own: OwnMetrics = NO_METRICS,
) -> dict[str, Any]:
    """The best trial of an algorithm in `evaluation.json`, measured on the test split."""
    best = trials[job]
    return {
        "trials": sum(trial.algorithm == best.algorithm for trial in trials.values()),
        "training_job": job,
        "objective": {best.objective: best.value},
        "hyperparameters": best.hyperparameters,
        **measured(test, answers, own),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
