"""On staging: does the endpoint answer the golden requests as the archive did on registration?"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

from evidence import Refused, as_json, client, read_noted, read_package, write_verdict

CLOSE = 1e-6
"""How far a probability, or a regression's number by its size, may lie from the recorded one."""


def main(arguments: Sequence[str]) -> None:
    """Write `verdict.json`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--package", required=True)
    parser.add_argument("--endpoint", required=True)
    options = parser.parse_args(arguments)
    try:
        package = read_package(options.package)
        golden = as_json("golden.json", read_noted(package, "golden", package.noted("golden_uri")))
        for number, one in enumerate(golden, 1):
            answer = ask(options.endpoint, one["request"])
            if not same(answer, one["answer"]):
                raise Refused(f"golden request {number} of {len(golden)} was answered {answer!r}, "
                              f"where {one['answer']!r} is right")  # fmt: skip
    except Refused as refused:
        write_verdict(False, str(refused))
    else:
        write_verdict(True, f"{len(golden)} golden requests were answered as recorded")


def ask(endpoint: str, request: str) -> str:
    """The endpoint's answer to one record."""
    found = client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="text/csv", Accept="text/csv", Body=request.encode()
    )
    return str(found["Body"].read().decode().strip())


def same(answer: str, expected: str) -> bool:
    """Labels exactly, probabilities to 1e-6; a regression's one number to 1e-6 of its size."""
    left, right = answer.split(","), expected.split(",")
    if len(left) != len(right):
        return False
    *labels, number = zip(left, right, strict=True)
    if any(one != other for one, other in labels):
        return False
    try:
        value, wanted = (float(text) for text in number)
    except ValueError:
        return False
    size = 0.0 if labels else CLOSE
    return math.isclose(value, wanted, rel_tol=size, abs_tol=0.0 if size else CLOSE)


if __name__ == "__main__":
    main(sys.argv[1:])
