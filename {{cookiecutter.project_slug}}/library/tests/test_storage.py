"""S3 on disk: what lies where, what appears when, and what cannot leave its folder."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path

import pytest

from ninesteps.errors import StepError
from ninesteps.local.processes import Sandbox
from ninesteps.local.storage import Storage
from small_definitions import archive


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "s3")


def folder_with(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def everything(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


def test_an_object_is_a_file_below_its_bucket(storage: Storage) -> None:
    storage.write("s3://bucket/a/b.txt", b"text")
    assert storage.path("s3://bucket/a/b.txt") == storage.root / "bucket/a/b.txt"
    assert everything(storage.root) == {"bucket/a/b.txt": "text"}
    storage.write("s3://bucket/a/b.txt", b"new")
    assert everything(storage.root) == {"bucket/a/b.txt": "new"}


def test_a_key_is_taken_as_it_stands(storage: Storage) -> None:
    storage.write("s3://bucket/a?b#c%20d", b"text")
    assert everything(storage.root) == {"bucket/a?b#c%20d": "text"}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/../x",
        "s3://bucket/a/../../x",
        "s3://bucket/a\\..\\..\\x",
        "s3://bucket/..",
        "s3://../x",
        "s3://./x",
        "s3:///x",
        "s3://Bucket/x",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://bucket/x",
        "s3:/bucket/x",
        "",
    ],
)
def test_what_is_no_uri_or_leaves_its_bucket_is_refused(storage: Storage, uri: str) -> None:
    with pytest.raises(StepError, match="expected an S3 URI such as s3://bucket/key, got "):
        storage.path(uri)


@pytest.mark.parametrize(
    "path",
    ["/opt/ml/../x", "/opt/ml/input/../../../x", "/opt/mlx", "/etc/passwd", "input", "/opt", ""],
)
def test_a_container_path_outside_opt_ml_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(StepError, match="expected a path below /opt/ml, got "):
        Sandbox(tmp_path).path(path)


def test_a_prefix_brings_everything_below_it_and_an_object_itself(
    storage: Storage, tmp_path: Path
) -> None:
    storage.move(folder_with(tmp_path / "made", a="1", sub__b="2"), "s3://bucket/data")
    storage.download("s3://bucket/data/", tmp_path / "all")
    assert everything(tmp_path / "all") == {"a": "1", "sub/b": "2"}
    storage.download("s3://bucket/data/sub/b", tmp_path / "one")
    assert everything(tmp_path / "one") == {"b": "2"}


def test_nothing_at_a_uri_is_an_error_also_where_an_empty_folder_is(
    storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    storage.move(tmp_path / "empty", "s3://bucket/empty")
    for uri in ("s3://bucket/none", "s3://bucket/empty"):
        with pytest.raises(StepError, match=f"there is nothing at {uri}"):
            storage.download(uri, tmp_path / "in")
        with pytest.raises(StepError, match=f"there is nothing at {uri}"):
            storage.file(uri)


def test_what_is_done_to_a_download_does_not_reach_the_object(
    storage: Storage, tmp_path: Path
) -> None:
    storage.write("s3://bucket/a", b"text")
    storage.download("s3://bucket/a", tmp_path / "in")
    with (tmp_path / "in/a").open("a") as file:
        file.write(" changed")
    assert everything(storage.root) == {"bucket/a": "text"}


def test_a_move_to_where_something_lies_adds_to_it(storage: Storage, tmp_path: Path) -> None:
    storage.move(folder_with(tmp_path / "1", a="1", sub__b="1"), "s3://bucket/out")
    storage.move(folder_with(tmp_path / "2", a="2", sub__c="2"), "s3://bucket/out")
    assert everything(storage.root / "bucket/out") == {"a": "2", "sub/b": "1", "sub/c": "2"}


def test_a_move_to_another_disk_is_a_copy(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folder_with(tmp_path / "made", a="1")
    rename = os.replace

    def replace(source: Path, target: Path) -> None:
        if made in Path(source).parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    storage.move(made, "s3://bucket/out")
    assert everything(storage.root) == {"bucket/out/a": "1"}
    assert everything(made) == {}


def test_a_move_that_broke_off_is_finished_by_the_next(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folder_with(tmp_path / "made", a="1", b="2")
    rename = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(source).name == "b":
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            storage.move(made, "s3://bucket/out")
    for _ in range(2):
        storage.move(made, "s3://bucket/out")
        assert everything(storage.root) == {"bucket/out/a": "1", "bucket/out/b": "2"}


# Archives


def test_an_archive_is_unpacked(storage: Storage, tmp_path: Path) -> None:
    made = folder_with(tmp_path / "made", **{"train.py": "1", "sub__b.py": "2"})
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(made, ".")  # as `tar` does it, with an entry a folder
    storage.write("s3://bucket/a.tar.gz", (tmp_path / "a.tar.gz").read_bytes())
    storage.unpack("s3://bucket/a.tar.gz", tmp_path / "code")
    assert everything(tmp_path / "code") == {"train.py": "1", "sub/b.py": "2"}


@pytest.mark.parametrize("name", ["../escaped.py", "/etc/../escaped.py", "sub/../../escaped.py"])
def test_a_member_that_leaves_the_folder_is_refused(
    storage: Storage, tmp_path: Path, name: str
) -> None:
    storage.write("s3://bucket/a.tar.gz", archive({name: "1"}))
    expected = r"s3://bucket/a.tar.gz: expected files inside it, got '.*escaped.py'"
    with pytest.raises(StepError, match=expected):
        storage.unpack("s3://bucket/a.tar.gz", tmp_path / "code")
    assert not list(tmp_path.rglob("escaped.py"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file_is_refused(storage: Storage, tmp_path: Path, kind: bytes) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("inner")
        member.type, member.linkname = kind, "/etc"
        tar.addfile(member)
    storage.write("s3://bucket/a.tar.gz", packed.getvalue())
    with pytest.raises(StepError, match="expected files inside it, got 'inner'"):
        storage.unpack("s3://bucket/a.tar.gz", tmp_path / "code")


@pytest.mark.parametrize(
    "content", [b"", b"no archive", archive({"a": "1" * 9999})[:-60]], ids=["empty", "text", "cut"]
)
def test_what_is_no_whole_archive_is_an_error(
    storage: Storage, tmp_path: Path, content: bytes
) -> None:
    storage.write("s3://bucket/a.tar.gz", content)
    with pytest.raises(StepError, match=r"s3://bucket/a.tar.gz cannot be unpacked: "):
        storage.unpack("s3://bucket/a.tar.gz", tmp_path / "code")


LONG = "a-pipeline-with-a-name-that-is-long"


def test_a_long_first_folder_is_short_on_disk_and_each_has_its_own(storage: Storage) -> None:
    one, other = (storage.path(f"s3://bucket/{name}/key/a") for name in (LONG, f"{LONG}er"))
    folder = one.relative_to(storage.root / "bucket").parts[0]
    assert len(folder) == 24 and folder.startswith("a-pipeline-with~") and one != other
    storage.write(f"s3://bucket/{LONG}/key/a", b"1")
    assert storage.objects(f"s3://bucket/{LONG}/key") == [("a", one)]
    short = "a-name-of-24-characters-"
    assert storage.path(f"s3://bucket/{short}/a") == storage.root / "bucket" / short / "a"
    assert storage.path(f"s3://bucket/{LONG}") == storage.root / "bucket" / LONG  # a file


def test_what_an_earlier_library_wrote_under_a_long_name_is_found(storage: Storage) -> None:
    file = storage.root / "bucket" / LONG / "key/a"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    assert storage.file(f"s3://bucket/{LONG}/key/a") == file
