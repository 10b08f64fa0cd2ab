"""Nine nodes that do nothing, by Kedro, in one process: python kedro_steps.py sequential|thread."""

import sys

from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner, ThreadRunner

GRAPH = {
    "one": [], "two": ["one"], "three": ["two"], "four": ["two"], "five": ["four"],
    "six": ["four"], "seven": ["five", "six"], "nine": ["three", "seven"], "eight": ["nine"],
}  # fmt: skip


def nothing(*inputs: int) -> int:
    """Do nothing; the number makes an output."""
    return 0


def main(runner: str) -> None:
    """Run them."""
    nodes = [node(nothing, needs or None, name, name=name) for name, needs in GRAPH.items()]
    runners = {"sequential": SequentialRunner, "thread": ThreadRunner}
    runners[runner]().run(Pipeline(nodes), DataCatalog())


if __name__ == "__main__":
    main(sys.argv[1])
