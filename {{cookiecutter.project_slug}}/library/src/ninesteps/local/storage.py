"""S3 on disk: `s3://bucket/key` is a file below one folder.

The first part of a key, the pipeline's name, is shortened on disk if it is long: with the names of
steps and files, a path would exceed the 260 characters that Windows allows.
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
"""Characters of the first folder in a bucket."""

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]+(?:/.*)?)", re.DOTALL)


@dataclass(frozen=True)
class Storage:
    """The folder that holds one folder a bucket."""

    root: Path

    def path(self, uri: str) -> Path:
        """The file or folder of a URI; a key that leaves its bucket is refused."""
        parts = _URI.fullmatch(str(uri))
        if parts is None or ".." in re.split(r"[/\\]", parts[1]):
            raise StepError(f"expected an S3 URI such as s3://bucket/key, got {uri!r}")
        bucket, _, key = parts[1].partition("/")
        first, slash, rest = key.partition("/")
        whole = self.root / bucket / first
        if slash and len(first) > LONGEST_FOLDER and not whole.is_dir():  # of an earlier library
            digest = hashlib.sha256(first.encode()).hexdigest()[:8]
            whole = whole.with_name(f"{first[: LONGEST_FOLDER - 9]}~{digest}")
        return whole / rest

    def file(self, uri: str) -> Path:
        """The file of one object that exists."""
        path = self.path(uri)
        if not path.is_file():
            raise StepError(f"there is nothing at {uri}")
        return path

    def read(self, uri: str, sha256: str = "") -> bytes:
        """The content of an existing object, checked against its SHA-256 if that is given.

        The bytes that were checked are returned: the file may change a moment later.
        """
        content = self.file(uri).read_bytes()
        if sha256 and (now := hashlib.sha256(content).hexdigest()) != sha256:
            raise StepError(f"{uri}: expected sha256 {sha256}, as it was written, got {now}")
        return content

    def objects(self, uri: str) -> list[tuple[str, Path]]:
        """The objects at a URI, one or a whole folder of them: (name below it, file), in order."""
        path = self.path(uri)
        if path.is_file():
            return [(path.name, path)]
        files = files_of(path)
        if not files:
            raise StepError(f"there is nothing at {uri}")
        return [(file.relative_to(path).as_posix(), file) for file in files]

    def download(self, uri: str, folder: Path) -> None:
        """Copy the objects at a URI to a folder: what a script does there stays there."""
        for name, file in self.objects(uri):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def unpack(self, uri: str, folder: Path, sha256: str = "") -> dict[str, str]:
        """Unpack the files of an archive, and give the SHA-256 of each by its path.

        A link, or a path that leaves the folder, is refused, by hand, since tarfile's own filter
        came with Python 3.11.4. If a SHA-256 is given, another archive is refused before.
        """
        import tarfile
        import zlib

        files = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(self.read(uri, sha256))) as archive:
                for member in archive:
                    # No link is ever unpacked, so the name alone says where a file comes to lie.
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
        """Take a file, or the files of a folder, to a URI; what has gone there already stays.

        As in S3, what lies there keeps its place unless something new has its name.
        """
        target = self.path(uri)
        if not source.is_dir():
            _move(source, target)
            return
        for file in files_of(source):
            _move(file, target / file.relative_to(source))

    def write(self, uri: str, content: bytes) -> None:
        """Write one object; it appears under its name when it is whole."""
        target = self.path(uri)
        if target.is_file() and target.read_bytes() == content:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = self.root / f".{os.urandom(8).hex()}"  # on the same disk, and no URI names it
        whole.write_bytes(content)
        whole.replace(target)


def files_of(folder: Path) -> list[Path]:
    """The files below a folder, in order."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _move(file: Path, target: Path) -> None:
    """Rename a file, if it has not been already; to another disk it is copied first."""
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
