"""On staging: does the endpoint answer the golden requests as the model did before registration?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from botocore.exceptions import ClientError

import known_answers
from aws import client
from evidence import EvidenceError, as_json, read_noted, read_package, write_verdict


def main(arguments: Sequence[str]) -> None:
    """Write `verdict.json`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--package", required=True)
    parser.add_argument("--endpoint", required=True)
    options = parser.parse_args(arguments)
    try:
        package = read_package(options.package)
        noted = as_json("golden.json", read_noted(package, "golden", package.noted("golden_uri")))
        asked = check(noted, options.endpoint)
    except EvidenceError as error:
        write_verdict(False, str(error))
    else:
        write_verdict(True, f"{asked} golden requests were answered as recorded")


def check(noted: Sequence[dict[str, str]], endpoint: str) -> int:
    """Send the recorded records in every way in which the model can be asked, and count requests.

    Raises:
        EvidenceError: if an answer differs, or nothing was recorded.
    """
    if not noted:
        raise EvidenceError("golden.json: expected golden requests, got none")
    kinds = noted[0].get("content_types", known_answers.CSV).split(",")
    requests, difference = known_answers.golden(
        [one["request"] for one in noted], [one["answer"] for one in noted], kinds
    )
    count = 0
    for count, request in enumerate(requests, 1):
        answer = ask(endpoint, request)
        if answer is None:
            continue
        if different := difference(request, answer):
            raise EvidenceError(f"golden request {count}: {different}")
    return count


def ask(endpoint: str, request: known_answers.GoldenRequest) -> bytes | None:
    """The endpoint's answer; None of a request that may be refused and is."""
    try:
        response = client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, ContentType=request.content_type, Accept=request.accept,
            Body=request.body,
        )  # fmt: skip
    except ClientError:
        if request.may_be_refused:
            return None
        raise
    return bytes(response["Body"].read())


if __name__ == "__main__":
    main(sys.argv[1:])
