"""A model is judged as it will serve: by its archive's own code, in batches and alone."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import known_answers
import served_model
from container import extract
from dataset import Columns, DataError
from served_model import ArchivePredictor, ServedModel, read_answers, records_of, requests_of

SCRIPT = """
import other
def model_fn(folder):
    return 0.5
def input_fn(body, kind):
    assert kind == "text/csv"
    return [float(line.split(",")[0] or 0) for line in body.decode().split("\\n")[:-1]]
def predict_fn(rows, model):
    return [other.score(row, len(rows)) for row in rows]
def output_fn(scores, kind):
    return "".join(f"{int(score >= 0.5)},{score}\\n" for score in scores), kind
"""
RIGHT = "def score(row, rows): return row / 1000"
RECORDS = [f"{number},7" for number in range(100)]
IDS = [f"r{number}" for number in range(100)]


def served(folder: Path, **modules: str) -> ServedModel:
    """An unpacked archive whose script asks its module `other` for the score of a record."""
    code = folder / "model" / "code"
    code.mkdir(parents=True)
    for name, text in {"inference": SCRIPT, "other": RIGHT, **modules}.items():
        (code / f"{name}.py").write_text(text, encoding="utf-8")
    return ServedModel(folder / "model", "")


@pytest.fixture(params=["forked", "fresh"])
def process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of process that an archive answers in."""
    if request.param == "forked" and sys.platform != "linux":
        pytest.skip("processes are forked on Linux alone")
    monkeypatch.setattr(served_model, "_can_fork", lambda: request.param == "forked")


@pytest.mark.usefixtures("process")
def test_the_archives_own_modules_answer_not_those_of_the_step(tmp_path: Path) -> None:
    dataset = "raise ImportError('the archive has its own')"
    model = served(tmp_path, dataset=dataset, other="def score(row, rows): return 1 - row / 1000")
    assert model.ask(["3,1\n", "4,1\n5,\n"]) == ["1,0.997\n", "1,0.996\n1,0.995\n"]
    broken = served(tmp_path / "broken", dataset=dataset, other=f"import dataset\n{RIGHT}")
    with pytest.raises(DataError, match=r"fails: ImportError: the archive has its own$"):
        broken.ask(["3,1\n"])


@pytest.mark.usefixtures("process")
def test_a_module_of_the_step_that_the_archive_lacks_is_not_there(tmp_path: Path) -> None:
    model = served(tmp_path, other=f"import bias_metrics\n{RIGHT}")
    with pytest.raises(DataError, match="ModuleNotFoundError: No module named 'bias_metrics'"):
        model.ask(["3,1\n"])


@pytest.mark.usefixtures("process")
def test_what_an_archive_does_to_its_process_does_not_reach_the_step(tmp_path: Path) -> None:
    tampering = f"import sys, metrics, os\nsys.modules['__main__'].x = 1\n{RIGHT}"
    model = served(tmp_path, metrics="auc = 1", other=tampering)
    assert model.ask(["500,1\n"]) == ["1,0.5\n"]
    assert not hasattr(sys.modules["__main__"], "x")
    with pytest.raises(DataError, match=r"its process ended with status 9$"):
        served(tmp_path / "ending", other="import os\nos._exit(9)").ask(["3,1\n"])


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        ("row / (1000 if rows > 1 else 999)", "expected 0,0.005 for record 'r5' alone, as in"),
        ("float('nan') if row == 50 else 0.1", "a finite probability for record 'r50', got 0,nan"),
        ("float('inf') if row == 50 else 0.1", "a finite probability for record 'r50', got 1,inf"),
        ("'a word'", "TypeError"),
    ],
)
def test_answers_that_nothing_can_rest_on(tmp_path: Path, score: str, sentence: str) -> None:
    script = SCRIPT.replace("int(score", "int(score == score and score")
    model = served(tmp_path, other=f"def score(row, rows): return {score}", inference=script)
    with pytest.raises(DataError, match=sentence):
        read_answers(model.ask(requests_of(RECORDS)), IDS, is_regression=False)


def test_records_are_asked_in_batches_and_some_of_them_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "LARGEST_REQUEST", 200)
    requests = requests_of(RECORDS)
    batches = requests[: -known_answers.ALONE]
    assert len(batches) > 1 and max(map(len, batches)) <= 200
    assert "".join(batches) == "".join(f"{record}\n" for record in RECORDS)
    assert requests[len(batches) :] == [f"{record}\n" for record in RECORDS[::5]]
    answers = read_answers(served(tmp_path).ask(requests), IDS, is_regression=False)
    assert answers.text.count("\n") == 100
    assert answers.probabilities is not None
    assert answers.probabilities.tolist() == [number / 1000 for number in range(100)]
    assert not answers.labels.any()


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["0,0.1\n", "0,0.1\n", "0,0.1\n"], "expected 2 answers, got 1"),
        (["0,0.1\n0,0.1\n", "", "0,0.1\n"], "record 'a' alone, as in a batch, got no answer"),
        (["0,0.1\n2,0.1\n", "0,0.1\n", "2,0.1\n"], "record 'b', got 2,0.1"),
        (["0,0.1\n0\n", "0,0.1\n", "0,0.1\n"], "expected a line of label and probability for"),
        (["0,0.1\n0,0.1\n", "0,0.1\n", "1,0.1\n"], "expected 0,0.1 for record 'b' alone"),
    ],
)
def test_answers_that_do_not_fit_the_records(texts: list[str], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_answers(texts, ["a", "b"], is_regression=False)


def test_numbers_of_a_regression_are_compared_by_their_size() -> None:
    same = ["1000000\n2\n", "1000000.1\n", "2\n"]
    answers = read_answers(same, ["a", "b"], is_regression=True)
    assert (answers.labels.tolist(), answers.probabilities) == ([1e6, 2.0], None)
    with pytest.raises(DataError, match="record 'b' alone"):
        read_answers([*same[:2], "2.0001\n"], ["a", "b"], is_regression=True)


@pytest.mark.parametrize("record_id", ["7", '"a,""b"""'])
def test_a_record_is_sent_as_it_is_written_in_the_split(tmp_path: Path, record_id: str) -> None:
    columns = Columns("id", "y", "binary", 1, None, (), None, ("gender",), ("a", "b", "c"))
    text = f"{record_id},2026-01-01T00:00:00Z,1,f,1.50,,-0\n"
    (tmp_path / "test.csv").write_text(text * 2, encoding="utf-8")
    assert records_of(tmp_path, "test", columns) == ["1.50,,-0"] * 2


def test_an_archive_can_stand_where_a_model_does(tmp_path: Path) -> None:
    asked = ArchivePredictor(served(tmp_path), is_regression=False)
    features = np.array([[3, np.nan], [np.nan, 1]], dtype=np.float32)
    assert asked.predict(features).tolist() == [0.003, 0.0]
    assert asked.contributions(features) is None


def packed(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def test_the_bytes_that_are_unpacked_are_those_that_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that is swapped while it is unpacked is not half one and half the other."""
    archive, one = tmp_path / "model.tar.gz", packed({"code/inference.py": b"one"})
    other = packed({"code/inference.py": b"other"})
    archive.write_bytes(one)
    opened = tarfile.open

    def swapped(*given: object, **named: object) -> object:
        archive.write_bytes(other)
        return opened(*given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(tarfile, "open", swapped)
    assert extract(archive, tmp_path / "model") == hashlib.sha256(one).hexdigest()
    assert (tmp_path / "model/code/inference.py").read_bytes() == b"one"
