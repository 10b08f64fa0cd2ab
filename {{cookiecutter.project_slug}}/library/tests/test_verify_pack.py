"""What checks an audit pack elsewhere: any change is named, with nothing but Python."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import random
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from audited_machine import Machine
from ninesteps.audit import pack, verify
from ninesteps.audit.verify import MANIFEST, check, packed
from ninesteps.cli import main

SOURCE = Path(verify.__file__)
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A pack, of a version that was approved."""
    machine = Machine(tmp_path_factory.mktemp("audited"))
    machine.approve()
    return pack.make(machine.subject()).content


@pytest.fixture
def files(made: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def faults(folder: Path, content: bytes) -> list[str]:
    """What is found in a zip."""
    file = folder / "pack.zip"
    file.write_bytes(content)
    return check(file)[0]


def with_manifest(files: Files) -> bytes:
    """The pack of somebody who writes its manifest again, too."""
    manifest = json.loads(files[MANIFEST])
    for name, entry in manifest["files"].items():
        entry["sha256"] = hashlib.sha256(files[name]).hexdigest()
    return packed({**files, MANIFEST: json.dumps(manifest).encode()})


# The file itself


def test_it_is_short_and_stands_on_the_standard_library_of_python_3_9() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    tree = ast.parse(text, feature_version=(3, 9))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert imported <= sys.stdlib_module_names
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]


@pytest.mark.parametrize("way", ["folder", "argument", "zip"])
def test_it_runs_by_itself_without_the_library(
    made: bytes, files: Files, tmp_path: Path, way: str
) -> None:
    (tmp_path / "pack.zip").write_bytes(made)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        archive.extractall(folder)
    words = {"folder": ["verify.py"], "argument": ["verify.py", "../pack.zip"],
             "zip": ["../pack.zip"]}[way]  # fmt: skip
    alone = [sys.executable, "-I", "-S", "-B"]
    done = subprocess.run([*alone, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"all {len(files) - 1} files are as manifest.json lists them" in done.stdout
    assert hashlib.sha256(files[MANIFEST]).hexdigest() in done.stdout
    (folder / "evaluation.json").write_bytes(b"{}")
    spoilt = packed({**files, "evaluation.json": b"{}"})
    (tmp_path / "pack.zip").write_bytes(spoilt)
    done = subprocess.run([*alone, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("evaluation.json was changed: it does not have the SHA-256")


def test_a_whole_pack_has_no_fault(made: bytes, tmp_path: Path) -> None:
    assert faults(tmp_path, made) == []


# Files that were changed


def test_every_changed_missing_and_added_file_is_named(files: Files, tmp_path: Path) -> None:
    for name in files.keys() - {MANIFEST}:
        changed = packed({**files, name: files[name][:-1] + b"?"})
        assert faults(tmp_path, changed)[0].startswith(f"{name} was changed: "), name
        less = packed({other: content for other, content in files.items() if other != name})
        assert f"{name} is missing: the manifest lists it" in faults(tmp_path, less)
    more = faults(tmp_path, packed({**files, "more.json": b"{}"}))
    assert more == ["more.json was added: the manifest does not list it"]


def test_a_folder_is_checked_as_a_zip_is(files: Files, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert check(tmp_path)[0] == []
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("more")
    (tmp_path / "curves.json").unlink()
    assert check(tmp_path)[0] == [
        "curves.json is missing: the manifest lists it",
        "sub/more.txt was added: the manifest does not list it",
    ]


def test_no_byte_of_the_zip_can_be_changed_unseen(made: bytes, tmp_path: Path) -> None:
    source = random.Random(7)
    ends = (*range(0, 60, 3), *range(len(made) - 60, len(made), 3))
    places = [*source.sample(range(len(made)), 40), *ends]
    for place in places:
        changed = bytearray(made)
        changed[place] ^= 1 << source.randrange(8)
        assert faults(tmp_path, bytes(changed)), place


@pytest.mark.parametrize("extra", [b"x", b"PK\x05\x06" + bytes(18)])
def test_nothing_can_be_put_before_or_after_it(made: bytes, tmp_path: Path, extra: bytes) -> None:
    assert faults(tmp_path, made + extra)
    assert faults(tmp_path, extra + made)


# What is no pack


@pytest.mark.parametrize("length", [0, 1, 100, -1, -22, -500, -5_000])
def test_a_pack_that_was_cut_is_one_sentence(made: bytes, tmp_path: Path, length: int) -> None:
    (said,) = faults(tmp_path, made[:length])
    assert said.startswith("pack.zip: expected a whole zip file, got one that cannot be read: ")


def zipped(*members: tuple[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no zip", "expected a whole zip file, got one that cannot be read: File is not a zip"),
        (zipped(), "expected an audit pack, got none: it has no manifest.json of one"),
        (zipped((MANIFEST, b"[]")), "expected an audit pack, got none"),
        (zipped((MANIFEST, b'{"files": {"a": 1}}')), "expected an audit pack, got none"),
        (zipped(("../a.json", b"{}")), "no file of a pack is called '../a.json'"),
        (zipped(("a/../../b", b"{}")), "no file of a pack is called 'a/../../b'"),
        (zipped(("/etc/passwd", b"{}")), "no file of a pack is called '/etc/passwd'"),
        (zipped(("C:\\a.json", b"{}")), "no file of a pack is called"),
        (zipped((".hidden", b"{}")), "no file of a pack is called '.hidden'"),
        (zipped(("a.json", b"1"), ("a.json", b"2")), "expected one file a.json, got 2"),
        (zipped(("a.json", b"1" * 999), how=zipfile.ZIP_DEFLATED),
         "expected a.json as it is, got it compressed"),
        (zipped(("a.json", b"{}"), how=zipfile.ZIP_DEFLATED),
         "expected a.json as it is, got it compressed"),
    ],
)  # fmt: skip
def test_what_is_no_pack_is_one_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    (found,) = faults(tmp_path, content)
    assert found.startswith(f"pack.zip: {said}")


def test_the_folder_where_one_is_has_a_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert check(Path())[0][0].startswith(f"{tmp_path.name}: expected an audit pack, got none")


def test_the_command_names_a_pack_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(main.main, ["audit", "--verify", str(tmp_path / "no.zip")])
    assert done.exit_code == 2
    said = "expected a pack's file or folder, or no value, got "
    assert f"--verify: {said}'{tmp_path / 'no.zip'}', which does not exist" in done.stderr


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    assert check(tmp_path / "no.zip") == (["no.zip: No such file or directory"], [])
    assert check(tmp_path)[0][0].endswith("it has no manifest.json of one")


# Who writes the manifest again


def rewritten(name: str, change: Callable[[Any], None], files: Files) -> bytes:
    content = json.loads(files[name])
    change(content)
    return with_manifest({**files, name: json.dumps(content).encode()})


def test_who_writes_the_manifest_again_changes_its_digest(files: Files, tmp_path: Path) -> None:
    again = with_manifest({**files, "report.md": b"# fine"})
    assert faults(tmp_path, again) == []
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    assert digest not in "".join(check(tmp_path / "pack.zip")[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["entries"][2]["facts"].update(who="Al"), "chain.json: entry 3 was changed"),
        (lambda c: c["entries"].pop(1), "chain.json: entry 2 does not follow on the one before"),
        (lambda c: c["entries"].pop(), "chain.json: expected the head 3:"),
        (lambda c: c["entries"].reverse(), "chain.json: entry 1 does not follow"),
        (lambda c: c["entries"][2].update(facts=None), "chain.json does not say that the version"),
        (lambda c: c.pop("entries"), "chain.json does not have the shape that a pack's has"),
    ],
)
def test_a_chain_that_was_changed_is_found(
    change: Callable[[Any], None], said: str, files: Files, tmp_path: Path
) -> None:
    found = faults(tmp_path, rewritten("chain.json", change, files))
    assert any(fault.startswith(said) for fault in found), found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["decisions"][0].update(who="Al"), "chain.json does not say that the version "
                                                       "was approved by Al"),
        (lambda c: c["decisions"].clear(), "approvals.json does not say that the version was "
                                           "approved by Jo Marsh"),
        (lambda c: c.update(decisions=7), "approvals.json does not have the shape"),
    ],
)  # fmt: skip
def test_decisions_that_the_chain_does_not_tell_are_found(
    change: Callable[[Any], None], said: str, files: Files, tmp_path: Path
) -> None:
    found = faults(tmp_path, rewritten("approvals.json", change, files))
    assert any(fault.startswith(said) for fault in found), found


def test_a_decision_rests_on_the_files_of_the_pack(files: Files, tmp_path: Path) -> None:
    def other(content: Any) -> None:
        uri = json.loads(files[MANIFEST])["files"]["curves.json"]["copy_of"]
        content["decisions"][0]["evidence"][uri] = "0" * 64

    (found,) = faults(tmp_path, rewritten("approvals.json", other, files))
    assert found.startswith("curves.json is not the file that the decision of")


# The command


def test_the_command_says_what_the_script_says(made: bytes, files: Files, tmp_path: Path) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(made)
    done = CliRunner().invoke(main.main, ["audit", "--verify", str(file)])
    assert (done.exit_code, done.stdout.splitlines()) == (0, check(file)[1])
    file.write_bytes(packed({**files, "report.md": b"# fine"}))
    done = CliRunner().invoke(main.main, ["audit", "--verify", str(file)])
    assert done.exit_code == 1
    assert done.stderr.startswith("pipeline: report.md was changed: ")
    done = CliRunner().invoke(main.main, ["audit", "--verify", str(file), "--json"])
    assert json.loads(done.stdout)["faults"] == check(file)[0]
