"""Step 3's script: the best model's metrics on the test split, and the bias numbers of the gate.

They are those of what the model's archive answers by its own `inference.py`, which is what serves.
Where several algorithms were compared, also the best of each: every trial's archive says what it
was and how good, so that nothing has to be asked of the service.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, SupportsFloat

import curves
import metrics
from bias_report import gate_numbers
from container import input_path, output_path, write_json
from dataset import Columns, DataError, Split, read_split
from inference import Description
from served_model import Answers, ServedModel, read_answers, records_of, requests_of

OwnMetrics = Mapping[str, Callable[..., SupportsFloat]]
NO_METRICS: OwnMetrics = {}

ANSWERS = "answers.csv"
"""What was answered, a line a record of the test split: what serves has to answer the same."""


def main(arguments: Sequence[str]) -> None:
    """Score the test split and write `evaluation.json`, with `curves.json` and the answers."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--min-group-size", type=int, required=True)
    parser.add_argument("--algorithm", action="append", default=[])
    parser.add_argument("--min-trials", type=int, default=1)
    parser.add_argument("--metric", action="append", default=[], help="a custom metric")
    options = parser.parse_args(arguments)
    model = ServedModel.unpack(input_path("model") / "model.tar.gz")
    models = read_trials(input_path("trials")) if options.algorithm else {}
    description = Description.read(model.folder)
    trials = {job: Description.read(trial.folder) for job, trial in models.items()}
    best = best_of_each(trials, options.algorithm, options.min_trials)
    own = own_metrics(options.metric)
    test, answers = ask([model, *(models[job] for job in best.values())], input_path("test"))
    said = answers[model.sha256]
    content = evaluation(test, description, said, options.min_group_size, own)
    content["model_sha256"] = model.sha256
    if best:
        content["algorithms"] = {
            name: compared(trials, job, answers[models[job].sha256], test, own)
            for name, job in best.items()
        }
    result = output_path("evaluation")
    write_json(result / "evaluation.json", content)
    write_json(result / "curves.json", drawings(test, description, said, options.min_group_size))
    (result / ANSWERS).write_text(said.text, encoding="utf-8", newline="")


def ask(models: Sequence[ServedModel], folder: Path) -> tuple[Split, dict[str, Answers]]:
    """The test split, and what the models answer to its records, by the SHA-256 of their archives.

    They are asked before the split is read, which starts threads; and its files are out of the way
    meanwhile: an answer can come from no label, and nothing can be written into them.
    """
    files = {folder / name: (folder / name).read_bytes() for name in ("test.csv", "columns.json")}
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
    """What `evaluation.json` says of a model: metrics and bias numbers as gates address them."""
    return {
        **measured(test, answers, own),
        "bias_metrics": gate_numbers(test, answers.labels, min_group_size),
        "algorithm": description.algorithm,
        "objective": {description.objective: description.value},
        "decision": description.decision and description.decision.as_json(),
        "rows": len(test.labels),
    }


def measured(test: Split, answers: Answers, own: OwnMetrics = NO_METRICS) -> dict[str, Any]:
    """The metrics of the problem and those of the team's own, as a gate addresses them."""
    if answers.probabilities is None:
        section = "regression_metrics"
        values = metrics.regression_metrics(test.labels, answers.labels)
    else:
        section = "binary_classification_metrics"
        values = metrics.binary_metrics(test.labels, answers.probabilities, answers.labels)
    values |= {name: own_value(name, metric, test, answers) for name, metric in own.items()}
    return {section: {name: {"value": value} for name, value in values.items()}}


def own_metrics(names: Sequence[str]) -> OwnMetrics:
    """The team's own, by name: `NAME(labels, predictions, scores)` in `custom_metrics.py`.

    Labels and predictions are (n,), 0 and 1 or numbers; scores are the probabilities of the
    positive class, (n,), and None of a regression.
    """
    if not names:
        return {}
    import custom_metrics  # there where `[gate] metrics` of pipeline.toml names one

    return {name: getattr(custom_metrics, name) for name in names}


def own_value(
    name: str, metric: Callable[..., SupportsFloat], test: Split, answers: Answers
) -> float:
    """What a metric of the team's own comes to.

    Raises:
        DataError: if that is no finite number.
    """
    scores = answers.probabilities
    copies = (test.labels.copy(), answers.labels.copy(), None if scores is None else scores.copy())
    value: object = metric(*copies)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise DataError(f"custom_metrics.py {name}: expected a finite number, got {value!r:.80}")
    return float(value)


def drawings(
    test: Split,
    description: Description,
    answers: Answers,
    min_group_size: int,
) -> dict[str, Any]:
    """What `curves.json` says of a model, for the report's pictures; no gate reads it."""
    if answers.probabilities is None or description.decision is None:
        return curves.regression_curves(test, answers.labels, min_group_size)
    return curves.binary_curves(
        test.labels, answers.probabilities, answers.labels, description.decision.threshold
    )


def read_trials(folder: Path) -> dict[str, ServedModel]:
    """Every trial that gave a model, by the name of its training job."""
    archives = sorted(folder.glob("*/output/model.tar.gz"))
    return {archive.parent.parent.name: ServedModel.unpack(archive) for archive in archives}


def best_of_each(
    trials: Mapping[str, Description], algorithms: Sequence[str], least: int
) -> dict[str, str]:
    """The job of the best trial of each algorithm on validation.

    Raises:
        DataError: if one was tried too seldom to be called the worse.
    """
    best = {}
    for name in algorithms:
        own = [job for job, trial in trials.items() if trial.algorithm == name]
        if len(own) < least:
            raise DataError(
                f"expected at least {least} trials of {name} with a model to compare "
                f"{' and '.join(algorithms)}, got {len(own)}"
            )
        # Of equals the earlier one, as the search has it: jobs are numbered in their names.
        best[name] = min(own, key=lambda job: (trials[job].loss, job))
    return best


def compared(
    trials: Mapping[str, Description],
    job: str,
    answers: Answers,
    test: Split,
    own: OwnMetrics = NO_METRICS,
) -> dict[str, Any]:
    """What `evaluation.json` says of the best trial of an algorithm, measured on the test split."""
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
