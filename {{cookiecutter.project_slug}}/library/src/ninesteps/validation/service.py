"""SageMaker's own model of its requests and answers, as botocore carries it."""

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
    """What SageMaker calls for a step of one type."""

    create: str
    given: str  # the name, which it gives by itself
    describe: tuple[str, ...]  # whose answers are the step's properties


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
"""Of the step types that make a request."""

JOBS = ("Processing", "Training", "Tuning", "Transform")
"""The step types that start a job: these alone are cached, and retried for the job's faults."""


@cache
def model() -> Any:
    """SageMaker's service model; models in a home directory do not change what is right here."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")


def request(step_type: str) -> Any:
    """The shape of the request that creates what a step of this type creates."""
    return model().operation_model(CALLS[step_type].create).input_shape


def properties(step_type: str) -> dict[str, Any]:
    """The shapes of a step's properties, by name."""
    answers = (model().operation_model(call).output_shape for call in CALLS[step_type].describe)
    return {name: shape for answer in answers for name, shape in answer.members.items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """The known names, or of many those that are most like another."""
    known = list(known)
    if len(known) > 4:
        known = [*difflib.get_close_matches(name, known, 3, 0), "the like"]
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
"""What a Unicode class has of ASCII, and one character more, which stands for all its others."""


def matches(pattern: str, text: str) -> bool:
    r"""Whether a text is what a pattern of the service model describes.

    Patterns are Java's: Unicode classes such as \p{L} are put as those above. The one pattern that
    Python still cannot read, that of Athena's catalogue and database (it has surrogates), takes
    every text.
    """
    known = re.sub(r"\\p\{(\w+)\}", lambda match: _CLASSES[match[1]], pattern)
    known = re.sub(r"\$\{1,\d+\}$", "", known)  # a length that stands after the end
    others = (c if c.isascii() else _CLASSES.get(unicodedata.category(c)[0], "\x7f")[-1]
              for c in text)  # fmt: skip
    try:
        return re.fullmatch(known, "".join(others), re.ASCII) is not None
    except re.error:
        return True
