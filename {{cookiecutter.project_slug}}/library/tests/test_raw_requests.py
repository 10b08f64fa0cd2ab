"""One definition of features: a record gives the same vector by both stores and by a request."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pets
import process
import raw_records
from archives import archive, repository
from dataset import Columns, read_split
from ninesteps.errors import SettingsError
from ninesteps.feature_store.online import FILE, LocalOnlineStore
from ninesteps.local.endpoint import worker
from ninesteps.runs import ingesting
from ninesteps.settings import loading
from ninesteps.settings.data import Column
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import training_code
from people import container_at, query_result, training_job
from records import from_csv

CSV, JSON = "text/csv", "application/json"
EVERY_SCENARIO = os.environ.get("SCENARIOS_TRIED") == "all"
SCENARIOS = ("churn", "fraud", "attrition", "salary") if EVERY_SCENARIO else ("churn", "salary")
ROWS = 120

ODD = ("", " ", "NA", "-", "nowhere", "1.0", "2", " 3 ", "1e3", "-0.0", "31/02/2020", "9999-12-31",
       "12/31/9999", "0.1000000000000000055511151231257827", "16777217", "None",
       "1.0000001788139343",  # half way between two singles, of which its text is nearer to one
       "Ünal")  # fmt: skip
"""Texts that stand in tables; in a column where one would stop an ingest it is left out."""

pytestmark = pytest.mark.usefixtures("own_features")


def sample(settings: Settings) -> tuple[list[str], list[dict[str, str]]]:
    """The sample's first rows, some of them with odd values."""
    with (settings.root / settings.data.file).open(newline="", encoding="utf-8") as file:
        rows = [row for _, row in zip(range(ROWS), csv.DictReader(file), strict=False)]
    odd = []
    for name, column in settings.data.columns.items():
        for text in ODD:
            is_number = column.type != "number" or text.strip().replace(".", "").isdigit()
            if is_number or text in ("", " ", "NA", "1e3", "-0.0", "None"):
                row = rows[len(odd) % len(rows)]
                odd.append({**row, settings.data.record_id: f"odd-{len(odd)}", name: text})
    return [*rows[0]], [*rows, *odd]


def stored_vectors(
    folder: Path, settings: Settings, header: list[str], rows: list[dict[str, str]]
) -> tuple[Columns, dict[str, bytes]]:
    """The vectors of a table's records in step 1's splits, by id."""
    file = folder / "table.csv"
    with file.open("w", newline="", encoding="utf-8") as content:
        writer = csv.DictWriter(content, header)
        writer.writeheader()
        writer.writerows(rows)
    read = ingesting.table(folder, settings, settings.environment(), file)
    ingesting.put_online(folder, read)
    files = sorted(read.folder.rglob("*.parquet"))
    table = pa.concat_tables([pq.ParquetFile(file).read() for file in files])
    data = settings.data
    words = ["--as-of", "2100-01-01T00:00:00Z", "--record-id", data.stored_name(data.record_id),
             "--label", data.stored_name(data.label), "--problem", settings.project.problem,
             "--split-by", "hash", "--salt", "s", "--shares", "0.6,0.2,0.2",
             "--min-positives", "1", "--favourable-label", "1"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        container_at(patch, folder / "base")
        query_result(folder / "base", table)
        process.main(words)
    vectors = {}
    for name in ("train", "validation", "test"):
        split = read_split(folder / "base" / "processing" / "output" / name, name)
        vectors |= {key: row.tobytes() for key, row in zip(split.ids, split.features, strict=True)}
    return split.columns, vectors


@dataclass(frozen=True)
class Trained:
    """A model of the sample's rows, as a training job leaves it, and what it was trained on."""

    settings: Settings
    archive: Path  # unpacked
    columns: Columns
    rows: list[dict[str, str]]
    stored: dict[str, bytes]  # the records' vectors in the splits, by id


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Churn's, trained by a process as SageMaker starts it, from the training archive alone."""
    base = tmp_path_factory.mktemp("trained")
    settings = loading.load(repository(base, "churn"))
    settings = pets.changed(settings, data={"quality": pets.settings().data.quality})
    header, rows = sample(settings)
    columns, stored = stored_vectors(base, settings, header, rows)
    code, model_dir = base / "sourcedir", base / "model"
    for name, content in training_code(settings, "train.py").files.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_bytes(content)
    words = ["--algorithm", "xgboost", "--threshold_rule", "accuracy", "--num_round", "5",
             "--objective", "binary:logistic", "--eval_metric", "auc"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        outputs = base / "base" / "processing" / "output"
        training_job(patch, outputs, model_dir)
        command = [sys.executable, "-B", "train.py", *words]
        subprocess.run(
            command, cwd=code, env=dict(os.environ), check=True, stdout=subprocess.DEVNULL
        )
    return Trained(settings, model_dir, columns, rows, stored)


class Server:
    """A process of the endpoint, asked as the endpoint asks it."""

    def __init__(self, archive: Path) -> None:
        command = [sys.executable, "-B", worker.__file__, str(archive), "inference.py"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._answer()[0] == 200

    def ask(self, content: object, accept: str = JSON) -> tuple[int, str]:
        """Status and body of an answer."""
        assert self._process.stdin
        fields = JSON.encode(), accept.encode(), json.dumps(content).encode()
        self._process.stdin.write(worker.REQUEST.pack(*map(len, fields)) + b"".join(fields))
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> tuple[int, str]:
        assert self._process.stdout
        read = self._process.stdout.read
        status, kind, body = worker.ANSWER.unpack(read(worker.ANSWER.size))
        read(kind)
        return status, read(body).decode()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def server(trained: Trained) -> Iterator[Server]:
    """A process that serves the model."""
    started = Server(trained.archive)
    yield started
    started.end()


def as_json(row: dict[str, str], settings: Settings, number: int) -> dict[str, Any]:
    """A row as a client sends it: numbers as such in every other record, and no empty values."""
    record: dict[str, Any] = dict(row)
    for name, column in settings.data.columns.items():
        text = row[name].strip()
        if number % 2 and column.type == "number" and text not in ("", "NA", "None"):
            value = float(text)
            is_whole = value.is_integer() and text != "-0.0"
            record[name] = int(value) if number % 4 == 1 and is_whole else value
        if number % 3 == 0 and not text:
            record[name] = None
        if number % 3 == 1 and not text:
            del record[name]
    if settings.data.snapshot:
        record["event_time"] = settings.data.snapshot
    return {**record, "new": number}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_record_gives_the_same_vector_by_both_stores_and_by_a_request(
    tmp_path: Path, scenario: str
) -> None:
    settings = loading.load(repository(tmp_path, scenario))
    settings = pets.changed(settings, data={"quality": pets.settings().data.quality})
    header, rows = sample(settings)
    columns, stored = stored_vectors(tmp_path, settings, header, rows)
    features, record_id = settings.features_of(settings.environment()), settings.data.record_id
    online = LocalOnlineStore(tmp_path / FILE, features.group, record_id, features.event_time)
    code = archive(tmp_path / "code", settings)
    records = [as_json(row, settings, number) for number, row in enumerate(rows)]
    together = raw_records.read(records, code, columns.features)
    assert together.shape == (len(rows), len(columns.features))
    compared = 0
    for number, (row, record) in enumerate(zip(rows, records, strict=True)):
        key = row[settings.data.record_id].strip()
        if key not in stored:  # no moment or label: no record of the store
            continue
        compared += 1
        found = online.get([key])[key]  # as a client sends it on
        line = ",".join(found.get(feature, "") for feature in columns.features)
        assert from_csv(line, len(columns.features)).tobytes() == stored[key], found
        assert together.vectors[number].tobytes() == stored[key], record
        if number % 5 == 0:
            alone = raw_records.read([record], code, columns.features)
            assert alone.vectors[0].tobytes() == stored[key], record
            assert alone.unknown[0] == together.unknown[number]
    assert compared > ROWS


def test_a_raw_record_is_answered_as_its_vector_is(trained: Trained, server: Server) -> None:
    records = [as_json(row, trained.settings, number) for number, row in enumerate(trained.rows)]
    chosen = [*range(0, len(records), 9)]
    keys = [trained.rows[place][trained.settings.data.record_id] for place in chosen]
    vectors = [np.frombuffer(trained.stored[key], dtype=np.float32) for key in keys]
    features = [[None if np.isnan(n) else n for n in vector.tolist()] for vector in vectors]
    asked = {"instances": [{"features": vector} for vector in features]}
    _, body = server.ask(asked)
    of_vectors = json.loads(body)["predictions"]
    status, body = server.ask({"records": [records[place] for place in chosen]})
    assert status == 200
    answers = json.loads(body)["predictions"]
    unknown = [answer.pop("unknown") for answer in answers]
    named = [
        {"retained": one["predicted_label"], "probability": one["score"]} for one in of_vectors
    ]
    assert answers == named
    assert {"favday", "city"} < {name for names in unknown for name in names}
    for place, answer in zip(chosen[::5], answers[::5], strict=True):
        _, body = server.ask({"records": [records[place]]})
        alone = json.loads(body)["predictions"][0]
        assert {name: alone[name] for name in answer} == answer
    _, lines = server.ask({"records": [records[place] for place in chosen]}, accept=CSV)
    assert lines == server.ask(asked, accept=CSV)[1]


def test_a_server_whose_clients_send_vectors_starts_without_pandas(trained: Trained) -> None:
    program = (
        "import sys, json, inference\n"
        "model = inference.model_fn('..')\n"
        "body = json.dumps({'instances': [{'features': [1.0] * len(model.columns.features)}]})\n"
        "inference.predict_fn(inference.input_fn(body, 'application/json'), model)\n"
        "assert 'pandas' not in sys.modules\n"
        "raw = inference.input_fn('{\"records\": [{\"esent\": 5}]}', 'application/json')\n"
        "assert 'pandas' in sys.modules and raw.shape == (1, len(model.columns.features))\n"
    )
    command = [sys.executable, "-B", "-c", program]
    subprocess.run(command, cwd=trained.archive / "code", check=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"records": []}, "expected at least one record, got none"),
        ({"records": {}}, 'expected JSON such as {"records": [{"age": 41}]}, got something else'),
        ({"records": [3]}, 'expected JSON such as {"records": [{"age": 41}]}, got something else'),
        ({"records": [{"esent": 1}, {"sent": 1}]},
         "record 2: expected columns such as created, firstorder, lastorder, esent, eopenrate, "),
        ({"records": [{}]}, "got nothing"),
        ({"records": [{"esent": 1}, {"esent": "many"}]},
         "record 2: 'esent': expected a number, got 'many'"),
        ({"records": [{"esent": 10**400}]}, "record 1: 'esent': expected a number, got '1000"),
        ({"records": [{"esent": [1]}]}, "record 1: 'esent': expected a single value, got several"),
        ({"records": [{"esent": {"a": 1}}]}, "'esent': expected a single value, got several"),
        ({"records": [{"city": "a\nb"}]}, "record 1: 'city': expected one line of text, got "),
        ({"records": [{"esent": 1}, {"city": "\ud800"}]},
         "record 2: 'city': expected valid Unicode text, got '\\ud800'"),
        ({"records": [{"esent": "\udfff"}]}, "'esent': expected valid Unicode text, got "),
        ({"records": [{"esent": 1, "event_time": "\ud800"}]},
         "'event_time': expected valid Unicode text, got "),
        ({"records": [{"esent": 1e39}]},
         "features.py: 'esent': expected finite numbers within single precision, got others in "),
        ({"records": [{"esent": 1, "event_time": "yesterday"}]},
         "record 1: 'event_time': expected a moment such as 2026-01-31T00:00Z, got 'yesterday'"),
        ({"record": [{"esent": 1}]},
         'expected JSON such as {"instances": [{"features": [1.5, null]}]} or {"records": '),
    ],
)  # fmt: skip
def test_what_no_ingest_would_take_is_refused_with_one_sentence(
    server: Server, content: object, said: str
) -> None:
    status, body = server.ask(content)
    assert (status, said in body) == (400, True), body
    assert "\n" not in body and "Traceback" not in body


def test_a_value_counts_as_missing_whatever_says_that_it_is(
    trained: Trained, server: Server
) -> None:
    bodies = {
        server.ask({"records": [{"esent": 5, "event_time": "2018-01-22T00:00:00Z", **more}]})[1]
        for more in ({}, {"eopenrate": None}, {"eopenrate": ""}, {"eopenrate": " NA "},
                     {"eopenrate": float("nan")}, {"new": [1]})
    }  # fmt: skip
    assert len(bodies) == 1


ODD_COLUMNS = {
    "price": Column("number", decimal=",", thousands=".", unit="€", parentheses=True),
    "weight": Column("number", unit="kg"),
    "class": Column("category", values=("1.0", "2", "Köln")),
    "Year": Column("category", values=("2020", "2021")),
    "moved": Column("date", format="%d.%m.%Y %H:%M%z"),
    "first day": Column("date", format="%Y%m%d"),
    "owner": Column("text"),
}
ODD_ROWS = (
    ("1.234,5 €", "12kg", "1", "2020", "31.12.2025 23:59+0200", "20200131", "7.0"),
    ("(2,5) €", "-999", "1.0", "2020.0", "31.12.9999 00:00+0000", "00010101", "Ann"),
    ("\u2212€7", " 1e3 ", "2.0", "2022", "01.02.2026", "20209999", "-"),
    ("", "-", "Köln", "-", "-", "", ""),
    ("1\u00a0€", "0.1", "koln", " 2021 ", "29.02.2025 10:00+0000", "20200131.0", "NA"),
    ("0,30000000000000004", "16777217", "NA", "", "28.02.2025 10:00-1130", "99991231", "12.50"),
)


def test_notation_formats_words_and_names_of_every_kind_are_read_alike(tmp_path: Path) -> None:
    data = {"missing": ("-", "-999"), "stored": {"owner": "keeper"}}
    settings = pets.changed(
        pets.settings("seen", **ODD_COLUMNS), data=data, split={"group": "owner"}
    )
    settings = replace(settings, root=repository(tmp_path, "custom"))
    header = ["chip", "adopted", "age", "born", "species", "seen", *ODD_COLUMNS]
    rows = []
    for number in range(60):
        odd = ODD_ROWS[number % len(ODD_ROWS)]
        moment = f"2026-01-{number % 28 + 1:02}T10:30:00.{number:03}+01:00"
        row = (str(number), str(number % 2), str(number / 7), "2020-01-31", "cat", moment, *odd)
        rows.append(dict(zip(header, row, strict=True)))
    columns, stored = stored_vectors(tmp_path, settings, header, rows)
    assert any(name.startswith("class_koln_") for name in columns.features)
    code = archive(tmp_path / "code", settings)
    read = raw_records.read(rows, code, columns.features)
    for number, row in enumerate(rows):
        assert read.vectors[number].tobytes() == stored[str(number)], row
        alone = raw_records.read([row], code, columns.features)
        assert alone.vectors[0].tobytes() == stored[str(number)], row
    assert list(read.unknown[:6]) == [
        (), (), ("Year", "moved", "first day"), (), ("class", "moved", "first day"), ("class",),
    ]  # fmt: skip


def test_features_that_import_the_library_are_refused_where_they_would_travel(
    tmp_path: Path,
) -> None:
    """A container has no library: the first raw record would fail there."""
    settings = loading.load(repository(tmp_path, "churn"))
    file = settings.root / "feature_store" / "features.py"
    file.write_text(f"import ninesteps\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^feature_store/features\.py: expected imports that"):
        training_code(settings, "train.py")
