"""The online store of this machine: AWS's rules for what is newest, and how quickly it answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninesteps.errors import StateError
from ninesteps.feature_store.online import LocalOnlineStore
from ninesteps.feature_store.records import Record, milliseconds


def store(folder: Path, group: str = "pets") -> LocalOnlineStore:
    return LocalOnlineStore(folder / "online.db", group, "chip", "event_time")


def record(chip: str, event_time: str, **features: str) -> Record:
    return {"chip": chip, "event_time": event_time, **features}


OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z"


def test_what_was_never_put_is_not_there(tmp_path: Path) -> None:
    assert store(tmp_path).get(["007"]) == {}
    assert not store(tmp_path).delete("007", NEW)
    assert list(tmp_path.iterdir()) == []


def test_the_later_event_counts_in_whatever_order_records_come(tmp_path: Path) -> None:
    online = store(tmp_path)
    assert online.put([record("007", NEW, age="2"), record("007", OLD, age="1")]) == 1
    assert online.put([record("007", OLD, age="0")]) == 0
    assert online.get(["007"]) == {"007": record("007", NEW, age="2")}


def test_a_record_of_the_same_moment_is_historic_as_aws_documents_it(tmp_path: Path) -> None:
    online = store(tmp_path)
    online.put([record("007", NEW, age="1")])
    assert online.put([record("007", NEW, age="2")]) == 0
    assert online.get(["007"])["007"]["age"] == "1"


def test_a_put_replaces_all_of_a_record(tmp_path: Path) -> None:
    online = store(tmp_path)
    online.put([record("007", OLD, age="1", colour="red")])
    online.put([record("007", NEW, age="2")])
    assert online.get(["007"])["007"] == record("007", NEW, age="2")


def test_groups_and_ids_are_kept_apart_and_many_are_read_at_once(tmp_path: Path) -> None:
    ids = [str(number) for number in range(1203)]
    store(tmp_path).put(record(chip, OLD) for chip in ids)
    store(tmp_path, "owners").put([record("7", NEW)])
    found = store(tmp_path).get([*ids, "none"])
    assert sorted(found, key=int) == ids
    assert found["7"]["event_time"] == OLD
    assert store(tmp_path, "owners").get(["7"])["7"]["event_time"] == NEW


def test_a_deletion_has_to_be_later_than_the_record(tmp_path: Path) -> None:
    online = store(tmp_path)
    online.put([record("007", NEW)])
    assert not online.delete("007", NEW)
    assert "007" in online.get(["007"])
    assert online.delete("007", "2026-01-01T00:00:00.002Z")
    assert online.get(["007"]) == {}
    assert online.put([record("007", OLD)]) == 1  # nothing is left of it


def test_what_cannot_be_put_puts_nothing(tmp_path: Path) -> None:
    online = store(tmp_path)
    with pytest.raises(KeyError):
        online.put([record("007", NEW), {"chip": "008"}])
    assert online.get(["007", "008"]) == {}


def test_a_file_that_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "online.db").write_bytes(b"no database" * 100)
    with pytest.raises(StateError, match=r"online\.db cannot be used: file is not a database"):
        store(tmp_path).get(["007"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T00:00:01.250Z", 1250),
        ("1969-12-31T23:59:59.500Z", -500),
        ("1.25", 1250),
        ("1516579200.0", 1_516_579_200_000),
    ],
)
def test_event_times_are_read_to_the_millisecond(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


def test_who_reads_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    online = store(tmp_path)
    online.put([record("007", OLD)])
    is_writing, may_end = threading.Event(), threading.Event()

    def slow() -> Iterator[Record]:
        yield record("008", OLD)
        is_writing.set()
        assert may_end.wait(30)

    writer = threading.Thread(target=lambda: online.put(slow()))
    writer.start()
    assert is_writing.wait(30)
    assert online.get(["007", "008"]) == {"007": record("007", OLD)}
    may_end.set()
    writer.join()
    assert online.get(["008"]) == {"008": record("008", OLD)}


def test_of_a_hundred_reads_of_a_large_store_99_take_less_than_5_milliseconds(
    tmp_path: Path,
) -> None:
    """Of the processor's time, which does not depend on what else the machine does."""
    online = store(tmp_path)
    features = {f"feature_{number}": f"{number}.25" for number in range(50)}
    online.put(record(str(number), OLD, **features) for number in range(5_000))
    taken = []
    for number in range(100):
        began = time.thread_time()
        assert len(online.get([str(number * 49)])) == 1
        taken.append(time.thread_time() - began)
    assert sorted(taken)[98] < 0.005
