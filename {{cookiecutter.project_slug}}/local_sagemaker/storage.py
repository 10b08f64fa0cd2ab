"""S3 on disk: `s3://bucket/key` is a file below one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local_sagemaker.errors import StepError


@dataclass(frozen=True)
class Storage:
    """The folder that holds one folder a bucket."""

    root: Path

    def path(self, uri: str) -> Path:
        """The file or folder of a URI; a key that leaves its bucket is refused."""
        parts = urlsplit(uri)
        key = parts.path.strip("/")
        if parts.scheme != "s3" or not parts.netloc or ".." in key.split("/"):
            raise StepError(f"{uri!r} is no S3 URI, such as s3://bucket/key")
        return self.root / parts.netloc / key

    def objects(self, uri: str) -> Iterator[tuple[str, Path]]:
        """The objects under a key prefix: (name below the prefix, file), in order.

        As S3 has it a prefix is text, so `.../test` covers `.../test.csv` too; where a folder or
        a file of that very name exists, that is meant.
        """
        path = self.path(uri)
        if path.is_file():
            yield path.name, path
        elif path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    yield file.relative_to(path).as_posix(), file
        else:
            raise StepError(f"there is nothing at {uri}")

    def download(self, uri: str, folder: Path) -> None:
        """Copy the objects under a prefix to a folder: what a script does there stays there."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in self.objects(uri):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def upload(self, folder: Path, uri: str) -> None:
        """Take a folder's content to a prefix; it appears there at once, or not at all."""
        target = self.path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(folder, unfinished, copy_function=_link_or_copy)
        unfinished.rename(target)

    def write(self, uri: str, content: bytes) -> None:
        """Write one object; it appears under its name when it is whole."""
        target = self.path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(target)


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
