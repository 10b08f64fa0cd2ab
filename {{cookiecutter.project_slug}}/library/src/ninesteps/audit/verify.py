"""Check an audit pack: `python verify.py`, beside its files, or `python verify.py PACK.zip`.

It needs Python 3.9 or newer and nothing else. Exit status: 0 if everything is as the manifest says.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

MANIFEST, CHAIN, APPROVALS = "manifest.json", "chain.json", "approvals.json"
NAME = re.compile(r"(?!.*(?:^|/)\.)[a-z0-9_.-]+(?:/[a-z0-9_.-]+)*")
MOMENT = (1980, 1, 1, 0, 0, 0)
NO_ENTRY = "0" * 64  # what a chain's first entry has as the hash of the one before it


class NotAPack(Exception):
    """What was given is no audit pack; the message says why in one sentence."""


def packed(files: Mapping[str, bytes]) -> bytes:
    """The zip of these files: the same bytes for the same files, on every machine and day."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, MOMENT)
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, files[name])
    return target.getvalue()


def read(pack: Path) -> dict[str, bytes]:
    """The files of a pack by their names: of a zip, or of the folder it was unpacked to."""
    try:
        if pack.is_dir():
            files = (file for file in pack.rglob("*") if file.is_symlink() or not file.is_dir())
            return {file.relative_to(pack).as_posix(): file.read_bytes() for file in files}
        content = pack.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in _names(archive, len(content))}
    except OSError as error:
        raise NotAPack(error.strerror or str(error)) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise NotAPack(f"expected a whole zip file, got one that cannot be read: {error}") from None


def _names(archive: zipfile.ZipFile, size: int) -> Iterator[str]:
    names = archive.namelist()
    for name, member in zip(names, archive.infolist()):  # noqa: B905  # Python 3.9 has no strict
        if not NAME.fullmatch(name):
            raise NotAPack(f"no file of a pack is called {name!r}")
        if names.count(name) > 1:
            raise NotAPack(f"expected one file {name}, got {names.count(name)}")
        if member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
            raise NotAPack(f"expected {name} as it is, got it compressed")
        yield name


def problems(files: Mapping[str, bytes], content: bytes = b"") -> Iterator[str]:
    """What is wrong with a pack's files, and with its zip if that is given; a sentence each."""
    try:
        listed = {name: f["sha256"] for name, f in json.loads(files[MANIFEST])["files"].items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        raise NotAPack(f"expected an audit pack, got none: it has no {MANIFEST} of one") from None
    for name in sorted({*listed, *files} - {MANIFEST}):
        if name not in files:
            yield f"{name} is missing: the manifest lists it"
        elif name not in listed:
            yield f"{name} was added: the manifest does not list it"
        elif sha256(files[name]).hexdigest() != listed[name]:
            yield f"{name} was changed: it does not have the SHA-256 that the manifest lists"
    if content and packed(files) != content:
        yield "the zip was changed outside its files: a pack of them has other bytes"
    for name, check in ((CHAIN, _chain), (APPROVALS, _approvals)):
        try:
            yield from check(files) if name in files else ()
        except (ValueError, KeyError, TypeError, AttributeError):
            yield f"{name} does not have the shape that a pack's has"


def _chain(files: Mapping[str, bytes]) -> Iterator[str]:
    """Each entry has the hash of its content, and follows on the one before."""
    chain, before, number = json.loads(files[CHAIN]), NO_ENTRY, 0
    for number, entry in enumerate(chain["entries"], 1):
        content = {key: entry[key] for key in ("at", "facts", "kind", "number", "previous")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if (entry["number"], entry["previous"]) != (number, before):
            yield f"{CHAIN}: entry {number} does not follow on the one before it"
        if entry["facts"] is not None and sha256(text.encode()).hexdigest() != entry["sha256"]:
            yield f"{CHAIN}: entry {number} was changed: it does not have the SHA-256 it is given"
        before = entry["sha256"]
    if chain["head"] != (head := f"{number}:{before}"):
        yield f"{CHAIN}: expected the head {chain['head']}, got {head}"


def _approvals(files: Mapping[str, bytes]) -> Iterator[str]:
    """Each decision is in the chain, and the other way round; it rests on the files of the pack."""
    decisions = json.loads(files[APPROVALS])["decisions"]
    if CHAIN in files:
        entries = json.loads(files[CHAIN])["entries"]
        begun = max((e["at"] for e in entries if e["kind"] == "begun"), default="")  # then no chain
        told = {(e["kind"], e["facts"]["who"], e["facts"]["at"]) for e in entries
                if e["facts"] is not None and e["kind"] in ("approved", "rejected")}  # fmt: skip
        made = {(d["after"].lower(), d["who"], d["at"]) for d in decisions if d["at"] > begun}
        for kind, who, at in sorted(told ^ made):
            where = CHAIN if (kind, who, at) in made else APPROVALS
            yield f"{where} does not say that the version was {kind} by {who} at {at}"
    for name, entry in json.loads(files[MANIFEST])["files"].items():
        for decision in decisions:
            if decision["evidence"].get(entry.get("copy_of"), entry["sha256"]) != entry["sha256"]:
                yield f"{name} is not the file that the decision of {decision['at']} rests on"


def check(pack: Path) -> tuple[list[str], list[str]]:
    """What is wrong with a pack, a zip or a folder; and what else to say of it, a line each."""
    try:
        files = read(pack)
        found = list(problems(files, b"" if pack.is_dir() else pack.read_bytes()))
    except NotAPack as error:
        return [f"{pack.resolve().name}: {error}"], []
    return found, [
        *([] if found else [f"all {len(files) - 1} files are as {MANIFEST} lists them"]),
        f"signed decisions: {files.get(APPROVALS, b'').count(b'BEGIN SSH SIGNATURE')}",
        f"{MANIFEST} has SHA-256 {sha256(files[MANIFEST]).hexdigest()}",
        "Compare it with the one that was printed when the pack was made: anyone who can",
        "change the pack can also change its manifest.",
    ]


if __name__ == "__main__":
    is_zip = len(sys.argv) < 2 and zipfile.is_zipfile(sys.argv[0])
    given = Path(sys.argv[-1]) if is_zip or sys.argv[1:] else Path(__file__).parent
    faults, notes = check(given)
    sys.stdout.write("\n".join([*faults, *notes, ""]))
    sys.exit(bool(faults))
