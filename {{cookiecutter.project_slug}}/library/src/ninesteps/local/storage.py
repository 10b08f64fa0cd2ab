"""S3 on disk: `s3://bucket/key` is a file below one folder.

The first part of a key, the pipeline's name, is shortened on disk if it is long: with the names of
steps and files, a path could exceed Windows' limit of 260 characters.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ninesteps.errors import StepError

LONGEST_FOLDER = 24
"""The most characters of a bucket's first folder."""

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]+(?:/.*)?)", re.DOTALL)


@dataclass(frozen=True)
class Storage:
    """The folder with one folder per bucket."""

    root: Path

    def path(self, uri: str) -> Path:
        """The file or folder of a URI; a key that leaves its bucket is refused."""
        parts = _URI.fullmatch(str(uri))
        if parts is None or ".." in re.split(r"[/\\]", parts[1]):
            raise StepError(f"expected an S3 URI such as s3://bucket/key, got {uri!r}")
        bucket, _, key = parts[1].partition("/")
        first, slash, rest = key.partition("/")
        whole = self.root / bucket / first
        if slash and len(first) > LONGEST_FOLDER and not whole.is_dir():  # from an earlier library
            digest = hashlib.sha256(first.encode()).hexdigest()[:8]
            whole = whole.with_name(f"{first[: LONGEST_FOLDER - 9]}~{digest}")
        return whole / rest

    def file(self, uri: str) -> Path:
        """The file of one existing object."""
        path = self.path(uri)
        if not path.is_file():
            raise StepError(f"there is nothing at {uri}")
        return path

    def read(self, uri: str, sha256: str = "") -> bytes:
        """The content of an existing object, checked against its SHA-256 if given.

        It returns the bytes that were checked: the file may change later.
        """
        content = self.file(uri).read_bytes()
        if sha256 and (now := hashlib.sha256(content).hexdigest()) != sha256:
            raise StepError(f"{uri}: expected sha256 {sha256}, as it was written, got {now}")
        return content

    def objects(self, uri: str) -> list[tuple[str, Path]]:
        """The objects at a URI, one or a whole folder: (name below the URI, file), sorted."""
        path = self.path(uri)
        if path.is_file():
            return [(path.name, path)]
        files = files_of(path)
        if not files:
            raise StepError(f"there is nothing at {uri}")
        return [(file.relative_to(path).as_posix(), file) for file in files]

    def download(self, uri: str, folder: Path) -> None:
        """Copy the objects at a URI to a folder, so that a script cannot change the originals."""
        for name, file in self.objects(uri):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def unpack(self, uri: str, folder: Path, sha256: str = "") -> dict[str, str]:
        """Unpack the files of an archive, and return the SHA-256 of each by path.

        Links, and paths that leave the folder, are refused by our own check, since tarfile's filter
        needs Python 3.11.4. If a SHA-256 is given, any other archive is refused first.
        """
        import tarfile
        import zlib

        files = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(self.read(uri, sha256))) as archive:
                for member in archive:
                    # Links are never unpacked, so the name alone determines where a file is
                    # written.
                    target = folder / member.name
                    is_inside = target.is_relative_to(folder) and ".." not in target.parts
                    if not is_inside or not (member.isfile() or member.isdir()):
                        raise StepError(f"{uri}: expected files inside it, got {member.name!r}")
                    if packed := archive.extractfile(member):
                        content = packed.read()
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(content)
                        name = target.relative_to(folder).as_posix()
                        files[name] = hashlib.sha256(content).hexdigest()
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise StepError(f"{uri} cannot be unpacked: {error}") from None
        return files

    def move(self, source: Path, uri: str) -> None:
        """Move a file, or the files of a folder, to a URI; files that were already moved stay.

        As in S3, existing objects stay unless a new one has the same name.
        """
        target = self.path(uri)
        if not source.is_dir():
            _move(source, target)
            return
        for file in files_of(source):
            _move(file, target / file.relative_to(source))

    def write(self, uri: str, content: bytes) -> None:
        """Write one object atomically."""
        target = self.path(uri)
        if target.is_file() and target.read_bytes() == content:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = self.root / f".{os.urandom(8).hex()}"  # on the same disk, and not part of any URI
        whole.write_bytes(content)
        whole.replace(target)


def files_of(folder: Path) -> list[Path]:
    """The files below a folder, in order."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _move(file: Path, target: Path) -> None:
    """Rename a file, unless that is done already; to another disk it is copied first."""
    if not file.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        whole = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(file, whole)
        whole.replace(target)
        file.unlink()
