"""The SDK is imported without its ModelBuilder, which a pipeline that asks for it still has."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """\
import sys
from ninesteps import sdk
assert "sagemaker.serve" not in sys.modules
from sagemaker.mlops.workflow import automl_step
kept = vars(automl_step)["ModelBuilder"]
assert "sagemaker.serve" not in sys.modules
from sagemaker.mlops import ModelBuilder
import sagemaker.mlops
from sagemaker.serve import ModelBuilder as of_serve
from sagemaker.serve.model_builder import ModelBuilder as of_its_module
assert isinstance(ModelBuilder, type)
assert ModelBuilder is of_serve is of_its_module
assert ModelBuilder is automl_step.ModelBuilder is sagemaker.mlops.ModelBuilder
try:
    kept(nothing_that_it_has=1)
except TypeError as error:
    assert "ModelBuilder.__init__()" in str(error)
else:
    raise AssertionError("automl_step makes something else")
"""


def test_who_asks_the_sdk_for_its_model_builder_is_given_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
