"""On registration: records which versions of which files a model was registered on, with digests.

One file, `evidence.json`, has all of it, where the version came from (its execution, the code that
was published, the tables that were ingested) and its warnings. The package's metadata names it.

It also makes the golden requests: a few rows of the test split with the batch transform's answers.
The answers that were evaluated must be the same, and so must those that the archive's own
`inference.py` gives now, in a process of its own, unless it is a language model's.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import archive_process
import known_answers
import provenance
import registration_warnings
from container import extract, output_path, read_json, write_json
from evidence import NAMES, EvidenceError, Package, as_json, read, read_package
from ninesteps.report import run_warnings

LANGUAGE_MODEL = "language_model"
GOLDEN = 20
"""Rows of the test split that are asked of an endpoint before it gets any traffic."""


def main(arguments: Sequence[str]) -> None:
    """Write `evidence.json`, `golden.json`, and what goes into the package's metadata."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--package", required=True)
    parser.add_argument("--place", required=True, help="the S3 URI where the files will lie")
    parser.add_argument("--name", required=True, help="the pipeline's name in the account")
    parser.add_argument("--folder", required=True, help="... and its folder in the bucket")
    options = parser.parse_args(arguments)
    package = read_package(options.package)
    files = {name: read(package.uris[name]) for name in NAMES}
    golden_file, evidence_file = (
        output_path("result") / name for name in ("golden.json", "evidence.json")
    )
    write_json(golden_file, golden_requests(package, files["model"].content))
    golden = {"uri": f"{options.place}/golden.json", "sha256": _digest(golden_file)}
    bucket = options.place.removeprefix("s3://").partition("/")[0]
    run = provenance.of_package(package, options.name)
    ingests, older = provenance.ingests(bucket, options.folder, run)
    same = provenance.same_model_as(package, files["model"].sha256)
    origin = provenance.origin(bucket, options.folder, run)
    warnings = registration_warnings.warnings(
        package, options.name, files["evaluation"].content, ingests, origin
    )
    evidence = {
        "package": package.arn,
        "execution": run.as_json(),
        "files": {name: {"uri": package.uris[name], "version_id": file.version_id,
                         "sha256": file.sha256} for name, file in files.items()},
        "golden": golden,
        "origin": origin,
        "ingests": ingests,
        "older_ingests": older,
        "same_model_as": same,
        "warnings": warnings,
    }  # fmt: skip
    write_json(evidence_file, evidence)
    noted = {f"{name}_version_id": file.version_id for name, file in files.items()}
    noted |= {f"{name}_sha256": file.sha256 for name, file in files.items()}
    noted |= {"golden_uri": golden["uri"], "golden_sha256": golden["sha256"]}
    noted |= {"evidence_uri": f"{options.place}/evidence.json",
              "evidence_sha256": _digest(evidence_file)}  # fmt: skip
    noted |= run_warnings.metadata(warnings)
    noted |= {} if same is None else {"same_model_as": str(same)}
    recorded = {"metadata": noted, "notice": notice(evidence)}
    write_json(output_path("result") / "recorded.json", recorded)


def notice(evidence: Mapping[str, Any]) -> str:
    """What the reviewers are told besides; empty if there is nothing."""
    sentences = []
    if same := evidence["same_model_as"]:
        sentences.append(f" Its model.tar.gz has the same bytes as version {same}.")
    repository = evidence["origin"].get("repository", {})
    if repository.get("is_dirty"):
        count, commit = repository["changed_count"], repository["commit"][:12]
        files = "1 file differs" if count == 1 else f"{count} files differ"
        sentences.append(f" Its code is not committed: {files} from commit {commit}.")
    if told := evidence["warnings"]:
        sentences.append(f" Before you trust its metrics: {'; '.join(told)}.")
    return "".join(sentences)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def golden_requests(package: Package, archive: bytes) -> list[dict[str, str]]:
    """Evenly spaced rows of the test split, with the answers that transform and archive both gave.

    Of a language model they are conversations, each the JSON of its messages, with their replies.

    Raises:
        EvidenceError: if there are none, or evaluation, transform and archive answered differently.
    """
    split, evaluated = package.noted("test_split"), package.uris["evaluation"].rpartition("/")[0]
    columns = read(f"{split}/columns.json").content
    if as_json("columns.json", columns).get("problem") == LANGUAGE_MODEL:
        return replied(
            read(f"{split}/test.jsonl").content,
            read(f"{package.noted('predictions')}/test.jsonl.out").content,
            read(f"{evaluated}/answers.jsonl").content,
        )
    rows = requests(read(f"{split}/test.csv").content, columns)
    answers = same_answers(
        read(f"{package.noted('predictions')}/test.csv.out").content,
        read(f"{evaluated}/answers.csv").content,
    )
    if len(answers) != len(rows):
        raise EvidenceError(f"the transform: expected {len(rows)} predictions, got {len(answers)}")
    chosen = known_answers.spaced(len(rows), GOLDEN)
    if not chosen:
        raise EvidenceError("the test split: expected rows for golden requests, got none")
    return answered([rows[n] for n in chosen], [answers[n] for n in chosen], archive)


def requests(table: bytes, columns: bytes) -> list[str]:
    """Rows of a split, each as a request: its features, as a transform sends them."""
    rows = csv.reader(io.StringIO(table.decode()))
    features = len(as_json("columns.json", columns)["features"])
    return [",".join(row[-features:]) for row in rows]


def same_answers(transformed: bytes, evaluated: bytes) -> list[str]:
    """The transform's answers, one for each record, if the evaluation had the same.

    Raises:
        EvidenceError: if it had others: then what was judged is not what serves.
    """
    rows = csv.reader(io.StringIO(transformed.decode()))
    answers = [",".join(row[1:]) for row in rows]  # without the record's id
    check("the evaluation", known_answers.answered(len(answers)), evaluated, answers)
    return answers


def check(
    what: str, request: known_answers.GoldenRequest, body: bytes, answers: Sequence[str]
) -> None:
    """Check that the answers to a request are those of the transform.

    Raises:
        EvidenceError: if they are not.
    """
    try:
        known = known_answers.read_answers("\n".join(answers).encode(), known_answers.CSV)
    except ValueError as error:
        raise EvidenceError(f"the transform: expected numbers: {error}") from None
    if different := known_answers.difference(request, body, known):
        raise EvidenceError(f"{what}: {different}")


def answered(records: list[str], answers: list[str], archive: bytes) -> list[dict[str, str]]:
    """Each record with its answer, if the archive gives the same now, in a batch and alone.

    Raises:
        EvidenceError: if it gives another.
    """
    asked = [
        r for r in known_answers.requests(records, [known_answers.CSV]) if not r.may_be_refused
    ]
    with tempfile.TemporaryDirectory() as folder:
        packed, model = Path(folder, "model.tar.gz"), Path(folder, "model")
        packed.write_bytes(archive)
        extract(packed, model)
        texts = [request.body.decode() for request in asked]
        write_json(Path(folder, archive_process.REQUESTS), texts)
        command = [sys.executable, archive_process.__file__, str(model), folder]
        subprocess.run(command, check=True)
        result = read_json(Path(folder, archive_process.ANSWERS))
    for request, text in zip(asked, result["texts"], strict=True):
        check("the archive", request, text.encode(), answers)
    kinds = ",".join(result["content_types"])
    return [{"request": record, "answer": answer, "content_types": kinds}
            for record, answer in zip(records, answers, strict=True)]  # fmt: skip


def replied(split: bytes, transformed: bytes, evaluated: bytes) -> list[dict[str, str]]:
    """Conversations with their replies, if evaluation and transform gave the same.

    Both asked the archive's own script, on images that can compute its replies; this one cannot.

    Raises:
        EvidenceError: if they did not, or there are none.
    """
    try:
        records, replies = known_answers.known_replies(split, transformed, evaluated)
    except (ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"the transform's replies: {error}") from None
    chosen = known_answers.spaced(len(records), GOLDEN)
    if not chosen:
        raise EvidenceError("the test split: expected conversations with replies, got none")
    kinds = ",".join((known_answers.JSON, known_answers.JSON_LINES))
    return [{"request": records[n], "answer": replies[n], "content_types": kinds} for n in chosen]


if __name__ == "__main__":
    main(sys.argv[1:])
