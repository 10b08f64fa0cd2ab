"""The `SM_*` variables that the toolkit of a training image sets for a script.

Two toolkits are supported: `sagemaker-containers` of the XGBoost image (`_env.py`, `to_env_vars`),
and `sagemaker-training` of the PyTorch and Hugging Face images (`environment.py`, `to_env_vars`),
for which `sagemaker_pytorch_container/training.py` sets a few more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ninesteps.local.processes import Sandbox

ONE_CPU = "1"
"""The number of CPUs reported to a job: two threads on two busy cores are far slower than one."""

HOST = "algo-1"
HOSTS = {"current_host": HOST, "hosts": [HOST]}
GROUP = "homogeneousCluster"
"""SageMaker's name for a job's only instance group, if the job names none."""


def own_hyperparameters(hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """The hyperparameters that a script gets as arguments, without the toolkit's own."""
    return {n: v for n, v in hyperparameters.items() if not n.startswith(("sagemaker_", "_"))}


def training_variables(
    request: Mapping[str, Any], sandbox: Sandbox, hyperparameters: Mapping[str, str]
) -> dict[str, str]:
    """The variables that a training script finds.

    All except `SM_TRAINING_ENV`, which repeats the others in one string.
    """
    shared = _shared(request, sandbox, hyperparameters)
    image = str(request.get("AlgorithmSpecification", {}).get("TrainingImage"))
    is_pytorch = any(name in image for name in ("pytorch-training", "huggingface-"))
    return {**shared, **(_of_pytorch(request) if is_pytorch else _OF_XGBOOST)}


def _shared(
    request: Mapping[str, Any], sandbox: Sandbox, hyperparameters: Mapping[str, str]
) -> dict[str, str]:
    own = own_hyperparameters(hyperparameters)
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    program = hyperparameters["sagemaker_program"]
    folders = {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": "/opt/ml/output/intermediate",
        **{f"SM_CHANNEL_{name.upper()}": f"/opt/ml/input/data/{name}" for name in channels},
    }
    return {
        **{name: str(sandbox.path(path)) for name, path in folders.items()},
        **{f"SM_HP_{name.upper()}": value for name, value in own.items()},
        "SM_HPS": json.dumps(own),
        "SM_USER_ARGS": json.dumps([w for n, v in own.items() for w in (f"--{n}", v)]),
        "SM_FRAMEWORK_PARAMS": json.dumps({n: v for n, v in hyperparameters.items()
                                           if n not in own}),
        "SM_USER_ENTRY_POINT": program,
        "SM_MODULE_NAME": Path(program).stem,
        "SM_MODULE_DIR": hyperparameters["sagemaker_submit_directory"],
        "SM_CHANNELS": json.dumps(channels),
        "SM_INPUT_DATA_CONFIG": json.dumps({name: {} for name in channels}),
        "SM_RESOURCE_CONFIG": json.dumps(HOSTS),
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_LOG_LEVEL": "20",
        "SM_NUM_CPUS": ONE_CPU,
        "SM_NUM_GPUS": "0",
        "SM_CURRENT_HOST": HOST,
        "SM_HOSTS": json.dumps([HOST]),
    }  # fmt: skip


_OF_XGBOOST = {"SM_FRAMEWORK_MODULE": "sagemaker_xgboost_container.training:main"}


def _of_pytorch(request: Mapping[str, Any]) -> dict[str, str]:
    group = {"instance_group_name": GROUP, "hosts": [HOST]}
    return {
        "SM_FRAMEWORK_MODULE": "sagemaker_pytorch_container.training:main",
        "SM_CURRENT_INSTANCE_TYPE": str(
            request.get("ResourceConfig", {}).get("InstanceType", "local")
        ),
        "SM_CURRENT_INSTANCE_GROUP": GROUP,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": json.dumps([HOST]),
        "SM_INSTANCE_GROUPS": json.dumps([GROUP]),
        "SM_INSTANCE_GROUPS_DICT": json.dumps({GROUP: group}),
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": "false",
        "SM_NUM_NEURONS": "0",
        "MASTER_ADDR": HOST,
        "MASTER_PORT": "7777",
        "NCCL_SOCKET_IFNAME": "eth0",
        "NCCL_IB_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }
