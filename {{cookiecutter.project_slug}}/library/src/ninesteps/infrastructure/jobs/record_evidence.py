"""On registration: notes which versions of which files a model was registered on, with digests.

Also makes the golden requests: a few rows of the test split with what the archive answers now, by
its own `inference.py`, in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from container import extract, output_path, write_json
from evidence import NAMES, as_json, read, read_package

GOLDEN = 20
"""Rows of the test split that are asked of an endpoint before it gets any traffic."""

ANSWER = """
import sys, inference
model = inference.model_fn(sys.argv[1])
data = inference.input_fn(sys.stdin.buffer.read(), inference.CSV)
print(inference.output_fn(inference.predict_fn(data, model), inference.CSV)[0], end="")
"""


def main(arguments: Sequence[str]) -> None:
    """Write `evidence.json`, which goes into the package's metadata, and `golden.json`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--package", required=True)
    parser.add_argument("--golden", required=True, help="where golden.json will lie")
    options = parser.parse_args(arguments)
    package = read_package(options.package)
    files = {name: read(package.uris[name]) for name in NAMES}
    split = package.noted("test_split")
    rows = requests(read(f"{split}/test.csv").content, read(f"{split}/columns.json").content)
    golden = output_path("result") / "golden.json"
    write_json(golden, answered(rows, files["model"].content))
    noted = {f"{name}_version_id": file.version_id for name, file in files.items()}
    noted |= {f"{name}_sha256": file.sha256 for name, file in files.items()}
    noted |= {
        "golden_uri": options.golden,
        "golden_sha256": hashlib.sha256(golden.read_bytes()).hexdigest(),
    }
    write_json(output_path("result") / "evidence.json", noted)


def requests(table: bytes, columns: bytes) -> list[str]:
    """Evenly spaced rows of a split, each as a request: its features, as a transform sends them."""
    rows = list(csv.reader(io.StringIO(table.decode())))
    features = len(as_json("columns.json", columns)["features"])
    spaced = range(0, len(rows), max(1, -(-len(rows) // GOLDEN)))
    return [",".join(rows[position][-features:]) for position in spaced]


def answered(rows: list[str], archive: bytes) -> list[dict[str, str]]:
    """Each request with the archive's answer."""
    with tempfile.TemporaryDirectory() as folder:
        packed, model = Path(folder, "model.tar.gz"), Path(folder, "model")
        packed.write_bytes(archive)
        extract(packed, model)
        done = subprocess.run(
            [sys.executable, "-c", ANSWER, str(model)],
            input="".join(f"{row}\n" for row in rows).encode(),
            cwd=model / "code",
            stdout=subprocess.PIPE,
            check=True,
        )
    answers = done.stdout.decode().splitlines()
    return [{"request": row, "answer": answer}
            for row, answer in zip(rows, answers, strict=True)]  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
