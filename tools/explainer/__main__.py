"""Renders and runs the scenarios and writes the page: `python tools/explainer [OUT]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent
LIBRARY = TOOLS.parent / "{{cookiecutter.project_slug}}" / "library" / "src"
sys.path[:0] = [
    str(TOOLS),
    str(TOOLS.parent / "samples"),
    str(LIBRARY),
    str(LIBRARY / "ninesteps" / "containers"),
]

from explainer.facts import gather
from explainer.page import write
from explainer.rendering import IN_PLACE, RUNNABLE, rendered_and_run


def main() -> None:
    """Write `index.html`, and each scenario's report in a folder beside it."""
    parser = argparse.ArgumentParser(prog="explainer", description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=TOOLS.parent / "site",
                        help="the folder to write to (default: site)")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=RUNNABLE, default=RUNNABLE, metavar="NAME",
                        help="only these and churn, for a quick look")  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        facts = {}
        for name in (one for one in RUNNABLE if one in {IN_PLACE, *options.only}):
            print(f"explainer: running {name}", flush=True)
            facts[name] = gather(name, rendered_and_run(name, Path(folder)))
        print(f"explainer: wrote {write(options.out, facts)}")


if __name__ == "__main__":
    main()
