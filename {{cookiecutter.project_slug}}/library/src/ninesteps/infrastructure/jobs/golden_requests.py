"""On staging: does the endpoint answer the golden requests as the archive did on registration?"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

from evidence import EvidenceError, as_json, client, read_noted, read_package, write_verdict

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
        for number, asked in enumerate(golden, 1):
            expected, answer = asked["answer"], ask(options.endpoint, asked["request"])
            if not same(answer, expected):
                raise EvidenceError(
                    f"golden request {number} of {len(golden)}: expected {expected!r}, "
                    f"got {answer!r}"
                )
    except EvidenceError as error:
        write_verdict(False, str(error))
    else:
        write_verdict(True, f"{len(golden)} golden requests were answered as recorded")


def ask(endpoint: str, request: str) -> str:
    """The endpoint's answer to one record."""
    response = client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="text/csv", Accept="text/csv", Body=request.encode()
    )
    return str(response["Body"].read().decode().strip())


def same(answer: str, expected: str) -> bool:
    """Labels exactly, probabilities to 1e-6; a regression's one number to 1e-6 of its size."""
    fields, expected_fields = answer.split(","), expected.split(",")
    if len(fields) != len(expected_fields):
        return False
    *labels, number = zip(fields, expected_fields, strict=True)
    if any(got != right for got, right in labels):
        return False
    try:
        got, right = (float(text) for text in number)
    except ValueError:
        return False
    size = 0.0 if labels else CLOSE
    return math.isclose(got, right, rel_tol=size, abs_tol=0.0 if size else CLOSE)


if __name__ == "__main__":
    main(sys.argv[1:])
