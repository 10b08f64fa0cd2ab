"""A run that never was, with all that a report is made from, for the report's tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ninesteps.report.dictionary import Dictionary
from ninesteps.report.facts import RunFacts, StepFacts
from ninesteps.settings.data import Column

ROOT = "s3://bucket/pets/executions/one"
SHARE = {"rows": 200, "favourable": 150, "share": 0.75, "interval": [0.68, 0.81]}
FEW = {"rows": 4, "favourable": 1, "share": 0.25, "interval": [0.006, 0.81]}


def group(value: str, rows: int = 200, share: dict[str, Any] = SHARE) -> dict[str, Any]:
    why = "" if rows >= 100 else f"it has {rows} rows, fewer than 100"
    return {"value": value, "rows": rows, "counted": not why, "why_not": why, "dppl": 0.05,
            "di": 0.93, "predicted": share, "labelled": share}  # fmt: skip


LESS = {**SHARE, "share": 0.5, "interval": [0.43, 0.57]}
EVALUATION: dict[str, Any] = {
    "binary_classification_metrics": {
        name: {"value": value}
        for name, value in {"auc": 0.9, "accuracy": 0.8, "precision": 0.75, "recall": 0.6,
                            "f1": 0.67, "average_precision": 0.85, "flagged_share": 0.4}.items()
    },
    "bias_metrics": {
        "worst_dppl": {"value": 0.25},
        "worst_di": {"value": 0.66},
        "dppl": {"kind": {"value": 0.25}},
        "di": {"kind": {"value": 0.66}},
        "groups": {"kind": [group("cat"), group("dog", share=LESS), group("newt", 4, FEW)],
                   "age_ge_4": [group("[4, 9]")]},
        "others": {"age_ge_4": {"predicted": LESS, "labelled": SHARE}},
        "without_value": {"kind": 0, "age_ge_4": 7},
        "four_fifths": {"kind": {"lowest": "dog", "highest": "cat", "ratio": 0.667,
                                 "interval": [0.55, 0.8]}, "age_ge_4": None},  # too few
        "confidence": 0.95,
    },
    "algorithm": "xgboost",
    "objective": {"validation:auc": 0.91},
    "decision": {"rule": "accuracy", "threshold": 0.5, "reached": True},
    "rows": 404,
}  # fmt: skip

_AT = {"value": 0.6, "interval": [0.5, 0.7], "part": 60, "rows": 100}
CURVES: dict[str, Any] = {
    "rows": 404,
    "threshold": 0.5,
    "roc": [[0, 0], [0.1, 0.6], [1, 1]],
    "precision_recall": [[0.1, 1], [0.6, 0.75], [1, 0.25]],
    "calibration": [{"rows": 202, "said": s, "true": t, "interval": [t - 0.1, t + 0.1]}
                    for s, t in ((0.2, 0.25), (0.7, 0.6))],
    "histogram": {"edges": [0, 0.5, 1], "positive": [40, 60], "negative": [284, 20]},
    "confusion": {"true_positive": 60, "false_positive": 20, "false_negative": 40,
                  "true_negative": 284},
    "at_threshold": dict.fromkeys(("recall", "precision", "specificity"), _AT),
    "confidence": 0.95,
}  # fmt: skip

COLUMNS: dict[str, Any] = {
    "features": ["weight", "purrs"],
    "label": "stayed", "problem": "binary", "favourable_label": 1, "label_threshold": None,
    "facets": [{"key": "kind", "column": "kind"},
               {"key": "age_ge_4", "column": "age", "threshold": 3.9999999999999996}],
    "columns": ["id", "event_time", "stayed", "facet_kind", "facet_age", "weight", "purrs"],
}  # fmt: skip

_METRICS = [{"name": "DPL", "description": "Difference in Positive Proportions", "value": 0.1}]
_SECTION = {"facets": {"facet_kind": [{"value_or_threshold": "cat", "metrics": _METRICS}]}}
ANALYSIS: dict[str, Any] = {
    "version": "1.0",
    "pre_training_bias_metrics": _SECTION,
    "post_training_bias_metrics": _SECTION,
    "explanations": {
        "kernel_shap": {"label0": {"global_shap_values": {"weight": 0.4, "purrs": 0.1}}},
        "method": "tree SHAP by xgboost, exact, in log-odds",
        "pdp": [{"feature_name": "weight", "data_type": "numerical",
                 "feature_values": [1.0, 2.0, 3.0], "model_predictions": [[0.2, 0.5, 0.6]]}],
    },
}  # fmt: skip

PROFILE: dict[str, Any] = {
    "rows": 1000,
    "percentiles": list(range(1, 100)),
    "label": {"missing": 0, "values": [[0.0, 400], [1.0, 600]]},
    "features": {
        "weight": {"missing": 10, "mean": 50, "quantiles": [float(n) for n in range(1, 100)]},
        "purrs": {"missing": 0, "values": [[0.0, 500], [1.0, 500]]},
    },
    "context": {"kind": {"missing": 0, "values": [["cat", 600], ["dog", 400]]}},
}

FOUND: dict[str, Any] = {
    "rows": {"train": 1000, "validation": 300, "test": 404},
    "rows_with_a_twin": {"train": 0, "test": 0}, "suspicious_features": {},
}  # fmt: skip

TRAINING_BIAS: dict[str, Any] = {
    "label": "stayed",
    "facets": {},
    "groups": {"kind": [{"value": "cat", "labelled": SHARE}, {"value": "newt", "labelled": FEW}]},
    "confidence": 0.95,
}

GATE = {
    "Type": "GreaterThan",
    "LeftValue": {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.E"},
                                  "Path": "binary_classification_metrics.auc.value"}},
    "RightValue": 0.75,
}  # fmt: skip


@dataclass
class Files:
    """A `ninesteps.report.facts.Source` in memory."""

    content: dict[str, bytes]
    printed: dict[str, list[str]] = field(default_factory=dict)

    def read(self, uri: str, most: int) -> bytes | None:
        found = self.content.get(uri)
        return found if found is not None and len(found) <= most else None

    def log(self, step: StepFacts) -> Iterable[str]:
        return self.printed.get(step.name, [])


def files(**replaced: Any) -> Files:
    """What the steps wrote; a file's content by its name, None for one that is not there."""
    local_shap = "weight_label0,purrs_label0\n" + "".join(
        f"{(n - 202) / 100},{n % 2}\n" for n in range(404)
    )
    test = "".join(f"{n},2026,1,cat,4,{n},{n % 2}\n" for n in range(404))
    content: dict[str, Any] = {
        "Process/train/columns": COLUMNS, "Process/train/profile": PROFILE,
        "Process/test/findings": FOUND,
        "Process/bias/pretraining_bias": TRAINING_BIAS,
        "Evaluate/evaluation/evaluation": EVALUATION,
        "Evaluate/evaluation/curves": CURVES, "Config/config/analysis_config": {},
        "Clarify/analysis_result/analysis": ANALYSIS,
    }  # fmt: skip
    named = {f"{ROOT}/{path}.json": json.dumps(replaced.get(path.rpartition("/")[2], one))
             for path, one in content.items()
             if replaced.get(path.rpartition("/")[2], one) is not None}  # fmt: skip
    named[f"{ROOT}/Clarify/analysis_result/explanations_shap/out.csv"] = local_shap
    named[f"{ROOT}/Process/test/test.csv"] = test
    return Files({uri: text.encode() for uri, text in named.items()})


def facts(**replaced: Any) -> RunFacts:
    """A run in which all went well."""
    whole = RunFacts(
        id="one", pipeline="pets", project="Pets", where="this machine", status="Succeeded",
        started="1 January 2026, 00:00 UTC", ended="1 January 2026, 00:01 UTC", took="60.0 s",
        started_by="Jo Doe <jo@example.com>", parameters={"AsOf": "2026-01-01T00:00:00Z"},
        definition_sha256="0" * 64, steps=steps(), registered="pets version 1",
        no_previous="no earlier run is on this machine", origin=CAME_FROM,
        dictionary=Dictionary({"weight": Column("number")}, {}, {}, (), {}),
    )  # fmt: skip
    return dataclasses.replace(whole, **replaced)


def steps(conditions: list[dict[str, Any]] | None = None, **status: str) -> tuple[StepFacts, ...]:
    """The nine steps; the status of one by its name."""
    made = [
        _processing("Process", ("train", "validation", "test", "bias"), ()),
        _step("Tune", "Tuning", ("Process",), answer=SEARCH),
        _processing("Evaluate", ("evaluation",), ("Tune",)),
        _step("Create", "Model", ("Tune",)),
        _processing("Config", ("config",), ("Create",)),
        _step("Transform", "Transform", ("Create",)),
        _processing("Clarify", ("analysis_result",), ("Config", "Transform")),
        _step("Register", "RegisterModel", ("Check",), answer={"ModelPackageVersion": 1}),
        _step("Check", "Condition", ("Evaluate", "Clarify"), outcome=True,
              arguments={"Conditions": [GATE] if conditions is None else conditions}),
    ]  # fmt: skip
    return tuple(
        dataclasses.replace(one, status=status[one.name], said=status[one.name])
        if one.name in status else one
        for one in made
    )  # fmt: skip


def _step(name: str, kind: str, waits_for: tuple[str, ...], **more: Any) -> StepFacts:
    more = {"arguments": {}, **more}
    return StepFacts(name=name, type=kind, waits_for=waits_for, status="Succeeded",
                     said="Succeeded", took="0.1 s", **more)  # fmt: skip


def _processing(name: str, outputs: tuple[str, ...], waits_for: tuple[str, ...]) -> StepFacts:
    written = [{"OutputName": o, "S3Output": {"S3Uri": f"{ROOT}/{name}/{o}"}} for o in outputs]
    request = {
        "AppSpecification": {"ContainerEntrypoint": ["python3", "/code/process.py"],
                             "ContainerArguments": ["--label", "stayed"], "ImageUri": "image"},
        "ProcessingInputs": [{"InputName": "code", "S3Input": {"S3Uri": "s3://bucket/code"}}],
        "ProcessingOutputConfig": {"Outputs": written},
    }  # fmt: skip
    return _step(name, "Processing", waits_for, answer=request)


def trial(number: int, value: float | None, status: str = "Completed", of: str = "") -> Any:
    metric = {"MetricName": "validation:auc", "Value": value}
    return {
        "TrainingJobName": f"tune-{number:03}", "TrainingJobStatus": status,
        "TunedHyperParameters": {"eta": f"0.{number}"},
        **({"TrainingJobDefinitionName": of} if of else {}),
        **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": metric}),
    }  # fmt: skip


CAME_FROM: dict[str, Any] = {
    "repository": {"commit": "0a" * 20, "is_dirty": True, "changed": ["pipeline.toml"],
                   "changed_count": 1, "folder": "models/pets", "unknown": ""},
    "template": {"source": "git@host:template.git", "commit": "0b" * 20},
    "library": "1.0.0", "library_sha256": "0c" * 32, "python": "3.11.9",
    "machine": "Linux, x86_64", "lock_sha256": "0d" * 32, "settings_sha256": "0e" * 32,
    "overridden": {"metrics.py": "0f" * 32},
    "table": {"path": "data/pets.csv", "sha256": "1a" * 32, "bytes": 4096, "rows": 1200,
              "kept": 1190, "used": 400, "left_out": [{"why": "empty chip", "rows": 10}],
              "first": "2025-01-31T00:00:00.000Z", "last": "2026-01-31T00:00:00.000Z"},
}  # fmt: skip
"""Where the run came from."""

SEARCH: dict[str, Any] = {
    "HyperParameterTuningJobConfig": {
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"}
    },
    "TrainingJobDefinition": {"StaticHyperParameters": {"objective": "binary:logistic"}},
    "TrainingJobSummaries": [trial(2, 0.91), trial(1, 0.9), trial(3, 0.7, "Stopped"),
                             trial(4, None, "Failed")],
}  # fmt: skip
