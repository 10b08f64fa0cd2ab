"""`pipeline trace` on a real run: the reasons are step 7's, and an erasure leaves no trace."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import Repository


@pytest.fixture(scope="module")
def traced(after_a_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A copy of a repository with a run."""
    path = tmp_path_factory.mktemp("traced") / "churn"
    shutil.copytree(after_a_run, path)
    return Repository(path)


def rows(repository: Repository, name: str) -> list[list[str]]:
    (file,) = (repository.path / ".local/s3").rglob(name)
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def trace(repository: Repository, identifier: str) -> dict[str, Any]:
    return dict(json.loads(repository.pipeline("trace", identifier, "--json").stdout))


def test_the_reasons_are_the_values_that_step_7_gave_this_record(traced: Repository) -> None:
    identifier = rows(traced, "test.csv")[3][0]
    header, *values = rows(traced, "out.csv")
    shap = {n.removesuffix("_label0"): float(v) for n, v in zip(header, values[3], strict=True)}
    found = trace(traced, identifier)
    (version,), why = found["versions"], found["why"]
    assert (version["split"], version["has_explanation"]) == ("test", True)
    kept = [float(cell) for cell in rows(traced, "test.csv.out")[3][1:]]
    assert list(version["answer"].values()) == kept
    assert list(why["answer"].values()) == pytest.approx(kept)
    told = {name: value for name, value in shap.items()
            if not name.startswith(("city", "doorstep"))}  # fmt: skip
    strongest = sorted(told, key=lambda name: -abs(told[name]))[:5]
    assert [reason["feature"] for reason in why["reasons"]] == strongest
    for reason in why["reasons"]:
        assert reason["amount"] == pytest.approx(shap[reason["feature"]], rel=1e-6)
        moved = "raised" if shap[reason["feature"]] > 0 else "lowered"
        assert f" {moved} the probability of retained = 1 (" in reason["sentence"]
    assert why["rest"] + sum(r["amount"] for r in why["reasons"]) == pytest.approx(
        sum(shap.values())
    )
    assert why["never_named"] == ["doorstep", "city"]


def test_a_version_that_learnt_from_a_record_is_asked_about_it(traced: Repository) -> None:
    identifier = rows(traced, "train.csv")[0][0]
    shown = traced.pipeline("trace", identifier, "-o", "letter.txt").stdout
    assert "version 1, PendingManualApproval: learnt from it (train split of run " in shown
    assert "      asked now, it answers: " in shown
    assert (traced.path / "letter.txt").read_text(encoding="utf-8") == shown
    assert "do not prove cause and effect" in shown


def test_what_an_archive_does_not_explain_is_said(traced: Repository) -> None:
    identifier = rows(traced, "validation.csv")[0][0]
    every = [*(traced.path / ".local/s3").rglob("output/model.tar.gz")]
    for file in every:
        file.rename(file.with_suffix(".away"))
    try:
        shown = traced.pipeline("trace", identifier).stdout
    finally:
        for file in every:
            file.with_suffix(".away").rename(file)
    assert "predicts as it does: not available: there is nothing at s3://" in shown


def contents(repository: Repository) -> Iterator[tuple[Path, bytes]]:
    """Every file below `.local`, Parquet and archives as what is in them."""
    for file in sorted((repository.path / ".local").rglob("*")):
        if file.suffix == ".parquet":
            yield file, json.dumps(pq.read_table(file).to_pydict(), default=str).encode()
        elif file.name.endswith(".tar.gz"):
            with tarfile.open(file) as archive:
                for member in archive:
                    if packed := archive.extractfile(member):
                        yield file, packed.read()
        elif file.is_file():
            yield file, file.read_bytes()


@pytest.mark.parametrize("split", ["test", "train"])
def test_no_file_has_an_erased_record_and_the_version_is_as_good_as_before(
    traced: Repository, split: str
) -> None:
    identifier = rows(traced, f"{split}.csv")[5][0]
    has = [file for file, content in contents(traced) if identifier.encode() in content]
    assert len(has) >= 3
    plan = traced.pipeline("trace", identifier, "--erase", status=2).stdout
    assert ("versions 1: pipeline run, approve, deploy" in plan) is (split == "train")
    traced.pipeline("trace", identifier, "--erase", "--yes")
    assert [file for file, content in contents(traced) if identifier.encode() in content] == []
    assert "It was erased on " in traced.pipeline("trace", identifier).stdout
    assert "the chain is intact" in traced.pipeline("audit", "--verify").stdout
    evidence = traced.pipeline("registry", "1").stdout
    assert evidence.count("unchanged since registration") == 3
    if split == "test":
        page = Path(traced.pipeline("report", "last").stdout.strip()).read_text(encoding="utf-8")
        assert "was changed by an erasure on " in page and "CHANGED" not in page
        lineage = traced.pipeline("lineage", "1").stdout.splitlines()
        (line,) = [line for line in lineage if "test.csv" in line and "(above)" not in line
                   and "test.csv.out" not in line]  # fmt: skip
        assert "changed by an erasure on " in line
        assert re.search(r"DataSet: test\.csv, changed by an erasure on \S+</summary>", page)
