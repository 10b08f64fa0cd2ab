"""The variables that SageMaker sets in a container, and how a test gets these and no others.

What runs in a container must not lean on a variable of the machine that tests it: a region that
botocore reads, a profile, a configuration below `HOME`. What the lists rest on:

- `AWS_REGION`: src/smspark/bootstrapper.py of aws/sagemaker-spark-container reads it in Processing
  jobs, `_files.py` and `_trainer.py` of aws/sagemaker-containers in training, local mode of the
  SageMaker Python SDK sets it. Nobody there sets `AWS_DEFAULT_REGION`, which botocore reads.
- `TRAINING_JOB_NAME`, `TRAINING_JOB_ARN`, `TRANSFORM_JOB_ARN`: `_params.py` of
  aws/sagemaker-containers, `sagemaker/core/experiments/_environment.py` of the SDK, which takes a
  Processing job's ARN from `/opt/ml/config/processingjobconfig.json`.
- `SM_*` of a training: `to_env_vars` in `_env.py` of aws/sagemaker-containers; on the images of
  PyTorch and Hugging Face `to_env_vars` in `environment.py` of aws/sagemaker-training-toolkit (its
  5.1.4), and what `training.py` of aws/sagemaker-pytorch-training-toolkit sets.
- `SAGEMAKER_BATCH` and the three beside it: "Use Your Own Inference Code with Batch Transform" in
  the developer guide.
- What an image itself sets: docker/xgboost/Dockerfile of aws/deep-learning-containers, and the
  Dockerfiles that `step_code/images.py` names.

Credentials come there from an address, which `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` names and
which answers on AWS alone: `CREDENTIALS` stand for them here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

REGION = "eu-west-1"
"""Not the region that botocore or this repository takes where none is said."""

IMAGE = {
    "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8",
    "SM_INPUT": "/opt/ml/input",
    "SM_INPUT_TRAINING_CONFIG_FILE": "/opt/ml/input/config/hyperparameters.json",
    "SM_INPUT_DATA_CONFIG_FILE": "/opt/ml/input/config/inputdataconfig.json",
    "SM_CHECKPOINT_CONFIG_FILE": "/opt/ml/input/config/checkpointconfig.json",
    "SM_MODEL_DIR": "/opt/ml/model",
    "SAGEMAKER_TRAINING_MODULE": "sagemaker_xgboost_container.training:main",
    "SAGEMAKER_SERVING_MODULE": "sagemaker_xgboost_container.serving:main",
    "XGBOOST_MMS_CONFIG": "/home/model-server/config.properties",
    "NCCL_SOCKET_IFNAME": "eth",
}  # fmt: skip
"""What the XGBoost image sets, but for paths of its own."""

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
EVERY_JOB = {"AWS_REGION": REGION, **CREDENTIALS}
PROCESSING = {**IMAGE, **EVERY_JOB}
TRAINING_TOOLKIT = frozenset(
    f"SM_{name}"
    for name in (
        "CHANNELS", "CURRENT_HOST", "FRAMEWORK_MODULE", "FRAMEWORK_PARAMS", "HOSTS", "HPS",
        "INPUT_CONFIG_DIR", "INPUT_DATA_CONFIG", "INPUT_DIR", "LOG_LEVEL", "MODEL_DIR",
        "MODULE_DIR", "MODULE_NAME", "NETWORK_INTERFACE_NAME", "NUM_CPUS", "NUM_GPUS",
        "OUTPUT_DATA_DIR", "OUTPUT_DIR", "OUTPUT_INTERMEDIATE_DIR", "RESOURCE_CONFIG",
        "TRAINING_ENV", "USER_ARGS", "USER_ENTRY_POINT",
    )
)  # fmt: skip
"""What the toolkit sets for a training script, beside `SM_CHANNEL_*` and `SM_HP_*`."""
PYTORCH_TOOLKIT = TRAINING_TOOLKIT | {
    *(
        f"SM_{name}"
        for name in (
            "CURRENT_INSTANCE_GROUP", "CURRENT_INSTANCE_GROUP_HOSTS", "CURRENT_INSTANCE_TYPE",
            "DISTRIBUTION_INSTANCE_GROUPS", "INSTANCE_GROUPS", "INSTANCE_GROUPS_DICT", "IS_HETERO",
            "NUM_NEURONS",
        )
    ),
    "MASTER_ADDR", "MASTER_PORT", "NCCL_DEBUG", "NCCL_IB_DISABLE", "NCCL_SOCKET_IFNAME",
}  # fmt: skip
"""What PyTorch's toolkit sets, on Hugging Face's training image too."""
HUGGING_FACE = {
    "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "UTF-8",
    "DLC_CONTAINER_TYPE": "training",
    "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
    "HF_HUB_USER_AGENT_ORIGIN": "aws:sagemaker:gpu-cuda:training",
}  # fmt: skip
"""What Hugging Face's training image sets, but for paths of its own."""
HUGGING_FACE_PROCESSING = {**HUGGING_FACE, **EVERY_JOB}
TRAINING = {
    **IMAGE,
    **EVERY_JOB,
    "TRAINING_JOB_NAME": "trial-1",
    "TRAINING_JOB_ARN": f"arn:aws:sagemaker:{REGION}:111122223333:training-job/trial-1",
}
TRANSFORM = {
    **IMAGE,
    **EVERY_JOB,
    "TRANSFORM_JOB_ARN": f"arn:aws:sagemaker:{REGION}:111122223333:transform-job/batch-1",
    "SAGEMAKER_BATCH": "true",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
    "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
}
HOSTING = {**IMAGE, **EVERY_JOB}

OF_THE_TESTS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "TEMP", "SYSTEMROOT")
"""What a process needs on this machine to start, and to find what is tested."""
PREFIXES_OF_THE_TESTS = ("COV_", "COVERAGE_", "PYTEST_")


def only(patch: pytest.MonkeyPatch, variables: Mapping[str, str], home: Path) -> None:
    """Take all variables away but these; below the home nothing configures anything."""
    for name in set(os.environ) - set(OF_THE_TESTS):
        if not name.startswith(PREFIXES_OF_THE_TESTS):
            patch.delenv(name)
    for name, value in {**variables, "HOME": str(home)}.items():
        patch.setenv(name, value)


def is_of_a_container(module: ModuleType, folders: Iterable[Path]) -> bool:
    """Whether a test's module imports a script that runs in a container, or from one."""
    scripts = {file.stem for folder in folders for file in folder.glob("*.py")}
    names = {getattr(value, "__module__", None) or getattr(value, "__name__", None)
             for value in vars(module).values()}  # fmt: skip
    found = {n for n in names & scripts if isinstance(n, str) and n in sys.modules}
    return bool(found)
