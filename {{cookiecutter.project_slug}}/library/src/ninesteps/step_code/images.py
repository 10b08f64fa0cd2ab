"""SageMaker's images: their packages, and which image runs which script. The only table of
versions.

Read from the Dockerfiles in aws/deep-learning-containers: `docker/xgboost` for 3.2-0;
`huggingface/pytorch/training/docker/2.9/py3/cu130` on `pytorch/training/docker/2.9/py3/cu130`;
`huggingface/pytorch/inference/docker/2.6/py3`. Packages without a fixed version have none here. All
have Python 3.12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ninesteps.settings.project import LANGUAGE_MODEL


@dataclass(frozen=True)
class Image:
    """One image: how the SDK looks it up, and what a script may import there."""

    name: str  # for messages
    packages: Mapping[str, str]  # the packages that a script may import, with versions
    framework: str  # this and the following: the SDK's names
    version: str
    base_framework: str = ""
    scope: str = ""


XGBOOST = Image(
    "the XGBoost image 3.2-0",
    {
        "boto3": "1.38.0",
        "botocore": "1.38.0",
        "matplotlib": "3.10.9",
        "numpy": "2.1.0",
        "pandas": "2.2.3",
        "pyarrow": "22.0.0",
        "scipy": "1.15.0",
        "sklearn": "1.8.0",
        "xgboost": "3.2.0",
    },
    framework="xgboost",
    version="3.2-0",
)
"""Runs all jobs for tables, and a language model's jobs that load no model."""

TRAINING = Image(
    "Hugging Face's training image 5.3.0",
    {
        "accelerate": "1.12.0",
        "boto3": "1.42.87",
        "botocore": "",
        "datasets": "4.5.0",
        "flash_attn": "2.8.3",
        "huggingface_hub": "1.10.0",
        "jinja2": "",
        "matplotlib": "",
        "numpy": "<2",
        "pandas": "",
        "peft": "0.18.1",
        "pyarrow": "",
        "pydantic": "",
        "safetensors": "",
        "sagemaker": "",
        "scipy": "",
        "shap": "",
        "sklearn": "",
        "tokenizers": "",
        "torch": "2.9.0",
        "transformers": "5.3.0",
        "triton": "",
    },
    framework="huggingface",
    version="5.3.0",
    base_framework="pytorch2.9.0",
    scope="training",
)
"""Fine-tunes and evaluates language models. It is built only for instances with a GPU."""

INFERENCE = Image(
    "Hugging Face's inference image 5.5.3",
    {
        "accelerate": "1.12.0",
        "boto3": "",
        "botocore": "",
        "huggingface_hub": "1.10.0",
        "jinja2": "",
        "numpy": "",
        "peft": "0.18.1",
        "safetensors": "",
        "scipy": "",
        "tokenizers": "",
        "torch": "2.6.0",
        "transformers": "5.5.3",
    },
    framework="huggingface",
    version="5.5.3",
    base_framework="pytorch2.6.0",
    scope="inference",
)
"""Serves language models, on instances with or without a GPU."""

IMAGES = (XGBOOST, TRAINING, INFERENCE)

SCRIPTS = {
    LANGUAGE_MODEL: {"train.py": TRAINING, "evaluate.py": TRAINING, "inference.py": INFERENCE}
}
"""The scripts that do not run on the XGBoost image, by problem type."""

IN_NONE = ("duckdb", "optuna")
"""Packages that are installed here but are in no image."""


def image_of(problem: str, script: str) -> Image:
    """The image that runs a script."""
    return SCRIPTS.get(problem, {}).get(script, XGBOOST)


def names() -> frozenset[str]:
    """The packages of all images, whose names no module packed with a script may have."""
    return frozenset(name for image in IMAGES for name in image.packages)


def lacking(image: Image, imports: frozenset[str]) -> list[str]:
    """The imports that an image is known to lack.

    Packages in no table are not reported: an image has more packages than scripts need.
    """
    elsewhere = (names() | frozenset(IN_NONE)) - image.packages.keys()
    return sorted(imports & elsewhere)
