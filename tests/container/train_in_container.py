"""Starts a training job as the XGBoost image does: run with the toolkit's Python, in a sandbox.

The calls are those of `training.py` in aws/sagemaker-xgboost-container, in its script mode.
"""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import collections
import collections.abc

# The image patches the toolkit to the same effect: Python 3.10 dropped this name.
collections.Mapping = collections.abc.Mapping  # type: ignore[attr-defined]

from sagemaker_containers.beta import framework  # noqa: E402


def main() -> None:
    """Install the archive that the hyperparameters name and run its script."""
    environment = framework.training_env()
    framework.modules.run_module(
        environment.module_dir,
        environment.to_cmd_args(),
        environment.to_env_vars(),
        environment.module_name,
        capture_error=False,
    )


if __name__ == "__main__":
    main()
