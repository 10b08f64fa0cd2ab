"""What a registered model package holds, by the request that made it or by what Describe says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHURN = {
    "archive": "model.tar.gz",
    "quality": "evaluation.json",
    "bias": "analysis.json",
    "explainability": "analysis.json",
    "image": "sagemaker-xgboost:3.2-0",
    "endpoint": ["ml.m5.large"],
    "transform": ["ml.m5.large"],
    "takes": ["text/csv", "application/json"],
    "answers": ["text/csv", "application/json"],
}
"""A package of churn: Clarify writes bias and explainability into one report."""


def package_contents(package: Mapping[str, Any]) -> dict[str, Any]:
    """The files that a package names, each by its own name, and its inference specification.

    Raises:
        AssertionError: if it names a file beside these.
    """
    (container,) = package["InferenceSpecification"]["Containers"]
    specification, reports = package["InferenceSpecification"], package["ModelMetrics"]
    assert set(reports) == {"ModelQuality", "Bias", "Explainability"}
    files = {
        "archive": container["ModelDataUrl"],
        "quality": reports["ModelQuality"]["Statistics"]["S3Uri"],
        "bias": reports["Bias"]["Report"]["S3Uri"],
        "explainability": reports["Explainability"]["Report"]["S3Uri"],
    }
    beside = {key: part for key, part in package.items() if key != "CustomerMetadataProperties"}
    assert {text for text in _texts(beside) if text.startswith("s3://")} == set(files.values())
    return {
        **{kind: uri.rpartition("/")[2] for kind, uri in files.items()},
        "image": container["Image"].rpartition("/")[2],
        "endpoint": specification["SupportedRealtimeInferenceInstanceTypes"],
        "transform": specification["SupportedTransformInstanceTypes"],
        "takes": specification["SupportedContentTypes"],
        "answers": specification["SupportedResponseMIMETypes"],
    }


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
