"""SageMaker's own model of its requests and answers, from botocore."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ninesteps.validation.finding import either


@dataclass(frozen=True)
class Calls:
    """The calls that SageMaker makes for a step type."""

    create: str
    given: str  # the name, which SageMaker generates
    describe: tuple[str, ...]  # calls whose answers are the step's properties


CALLS = {
    "Processing": Calls("CreateProcessingJob", "ProcessingJobName", ("DescribeProcessingJob",)),
    "Training": Calls("CreateTrainingJob", "TrainingJobName", ("DescribeTrainingJob",)),
    "Tuning": Calls(
        "CreateHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        ("DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"),
    ),
    "Model": Calls("CreateModel", "ModelName", ("DescribeModel",)),
    "Transform": Calls("CreateTransformJob", "TransformJobName", ("DescribeTransformJob",)),
    "RegisterModel": Calls("CreateModelPackage", "ModelPackageName", ("DescribeModelPackage",)),
}
"""The calls, by step types that make a request."""

JOBS = ("Processing", "Training", "Tuning", "Transform")
"""The step types that start a job: only these are cached, and retried after a job's faults."""


@cache
def model() -> Any:
    """SageMaker's service model, ignoring any models in the home directory."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")


def request(step_type: str) -> Any:
    """The shape of the request for a step of this type."""
    return model().operation_model(CALLS[step_type].create).input_shape


def properties(step_type: str) -> dict[str, Any]:
    """The shapes of a step's properties, by name."""
    answers = (model().operation_model(call).output_shape for call in CALLS[step_type].describe)
    return {name: shape for answer in answers for name, shape in answer.members.items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """The known names, or the most similar ones if there are many."""
    known = list(known)
    if len(known) > 4:
        known = [*difflib.get_close_matches(name, known, 3, 0), "another"]
    return either(known)


_CLASSES = {
    "L": "a-zA-Z\u00aa",
    "M": "\u0301",
    "N": "0-9\u00b2",
    "P": "!-#%-*,-/:;?@\\[-\\]_{}\u00bf",
    "S": "$+<->^`|~\u00a6",
    "Z": " \u00a0",
    "Alnum": "a-zA-Z0-9",
}
"""The ASCII characters of a Unicode class, and one more that represents the others."""


def matches(pattern: str, text: str) -> bool:
    r"""Whether a string matches a pattern of the service model.

    Patterns are in Java's syntax: Unicode classes such as \p{L} are replaced by those above. The
    only pattern that Python still cannot read, for Athena's catalogue and database (it has
    surrogates), matches every string.
    """
    known = re.sub(r"\\p\{(\w+)\}", lambda match: _CLASSES[match[1]], pattern)
    known = re.sub(r"\$\{1,\d+\}$", "", known)  # a length after the end
    others = (c if c.isascii() else _CLASSES.get(unicodedata.category(c)[0], "\x7f")[-1]
              for c in text)  # fmt: skip
    try:
        return re.fullmatch(known, "".join(others), re.ASCII) is not None
    except re.error:
        return True
