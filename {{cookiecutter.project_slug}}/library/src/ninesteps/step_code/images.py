"""SageMaker's images: what each has, and which runs which script. The one table of their versions.

Read from the Dockerfiles in aws/deep-learning-containers: `docker/xgboost` for 3.2-0;
`huggingface/pytorch/training/docker/2.9/py3/cu130` on `pytorch/training/docker/2.9/py3/cu130`;
`huggingface/pytorch/inference/docker/2.6/py3`. A package whose version they leave open has none
here. All have Python 3.12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ninesteps.settings.project import LANGUAGE_MODEL


@dataclass(frozen=True)
class Image:
    """One image: how the SDK looks it up, and what a script may import there."""

    name: str  # as a message calls it
    packages: Mapping[str, str]  # what a script may import, and its version
    framework: str  # the SDK's names of it: this and what follows
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
"""Runs every job of a table, and those of a language model that have no model in them."""

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
"""Tunes and judges language models. It is built for instances with a GPU alone."""

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
"""Serves language models, on instances with a GPU or without."""

IMAGES = (XGBOOST, TRAINING, INFERENCE)

SCRIPTS = {
    LANGUAGE_MODEL: {"train.py": TRAINING, "evaluate.py": TRAINING, "inference.py": INFERENCE}
}
"""What runs on another image than XGBoost's, by problem type and script."""

IN_NONE = ("duckdb", "optuna")
"""Packages that are installed here beside those of the images, and that no image has."""


def image_of(problem: str, script: str) -> Image:
    """The image that runs a script."""
    return SCRIPTS.get(problem, {}).get(script, XGBOOST)


def names() -> frozenset[str]:
    """What some image has: no module that travels with a script may be called so."""
    return frozenset(name for image in IMAGES for name in image.packages)


def lacking(image: Image, imports: frozenset[str]) -> list[str]:
    """Which imports an image is known not to have.

    What is in no table is not spoken of: an image has more than a script has use for.
    """
    elsewhere = (names() | frozenset(IN_NONE)) - image.packages.keys()
    return sorted(imports & elsewhere)
