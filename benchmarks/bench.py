"""Measures the local engine beside plain scripts and other engines: `tox run -e bench`.

    python benchmarks/bench.py [PART ...] [--repetitions 5] [--rows 10000,100000] [--keep]

Without a part, all of them but size: nine, chain, fan, steps, again, bias, scale; `noop` is the
first three.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import bias
import noop
import real
import results
import scale
import size
from results import Comparison

COMPARISONS: dict[str, Callable[[Path, int], Comparison]] = {
    "nine": noop.nine,
    "chain": noop.chain,
    "fan": noop.fan,
    "steps": real.steps,
    "again": real.again,
    "bias": bias.metrics,
}
GROUPS = {
    "noop": ("nine", "chain", "fan"),
    "real": ("steps", "again"),
    "scale": ("scale",),
    "size": ("size",),  # ten million rows: measured only where it is named
}


def main() -> None:
    """Measure the parts that are asked for, say each as it is known, and keep what is asked."""
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what a user starts is compiled already
    asked = options.part or [*COMPARISONS, "scale"]
    parts = [own for name in asked for own in GROUPS.get(name, (name,))]
    known, machine = results.load(), results.machine()
    print(machine, flush=True)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        for part in parts:
            print(flush=True)
            known.machine[part] = machine
            if part == "scale":
                known.scale = scale.scale(Path(folder), options.rows)
                print(*results.scale_as_text(known.scale), sep="\n", flush=True)
            elif part == "size":
                known.size = size.size(Path(folder), options.size_rows)
                print(*results.size_as_text(known.size), sep="\n", flush=True)
            else:
                comparison = COMPARISONS[part](Path(folder), options.repetitions)
                known.comparisons[part] = comparison
                print(*results.as_text(comparison), sep="\n", flush=True)
            if options.keep:
                results.save(known)


def _part(name: str) -> str:
    known = [*COMPARISONS, *GROUPS]
    if name not in known:
        raise argparse.ArgumentTypeError(f"{name!r} was read, where {', '.join(known)} are right")
    return name


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", nargs="*", type=_part, metavar="PART")
    parser.add_argument("--repetitions", type=int, default=5, help="default %(default)s")
    parser.add_argument(
        "--rows", type=lambda text: [int(size) for size in text.split(",")], default=scale.SIZES,
        help="sizes of the growing table, default 10000,100000,1000000",
    )  # fmt: skip
    parser.add_argument(
        "--size-rows",
        type=int,
        default=size.ROWS,
        help="of the table of `size`, default %(default)s",
    )
    parser.add_argument("--keep", action="store_true", help="write results.json, the page, README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
