"""Nine components that do nothing, by Kubeflow Pipelines' local runner, without a venv a step."""

import tempfile

from kfp import dsl, local


@dsl.component(install_kfp_package=False)
def nothing() -> None:
    """Do nothing."""


@dsl.pipeline
def nine() -> None:
    """1 -> 2 -> {3, 4}; 4 -> {5, 6} -> 7; 3, 7 -> 9 -> 8."""
    one = nothing()
    two = nothing().after(one)
    three, four = nothing().after(two), nothing().after(two)
    five, six = nothing().after(four), nothing().after(four)
    seven = nothing().after(five, six)
    ninth = nothing().after(three, seven)
    nothing().after(ninth)


def main() -> None:
    """Run them."""
    with tempfile.TemporaryDirectory() as folder:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=folder)
        nine()


if __name__ == "__main__":
    main()
