"""Builds the library's wheel: the same bytes on every machine, by the standard library alone.

The template's hook packs the library with it; pip builds with it too (PEP 517). Members are stored
uncompressed with fixed dates, so that the bytes depend on nothing but the content. The version has
a suffix made of that content (`1.4.0+g3f2a91c0`): different bytes never share a version.

A public index takes no such suffix: with the config setting `plain=true` the wheel has none.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "src"
PACKAGE = "ninesteps"
VERSION_FILE = f"{PACKAGE}/version.py"
PIPELINE = "model_build"
SHIPPED = f"{PACKAGE}/step_code/shipped.json"
LEFT_OUT = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
DATE = (1980, 1, 1, 0, 0, 0)

Files = dict[str, bytes]


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Write the wheel into a folder; gives its file name (PEP 517)."""
    plain = (config_settings or {}).get("plain", "").lower() == "true"
    return _write(Path(wheel_directory), _sources(), plain)


def build_editable(
    wheel_directory: str,
    config_settings: Mapping[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Write a wheel that points to the source (PEP 660)."""
    return _write(Path(wheel_directory), {f"{PACKAGE}.pth": f"{SOURCE}\n".encode()}, plain=True)


def build_sdist(sdist_directory: str, config_settings: Mapping[str, str] | None = None) -> str:
    """Refuse: the library travels as a wheel."""
    raise NotImplementedError("there is no source distribution; build the wheel")


def _sources() -> Files:
    """The package's files by their paths, with Unix line ends: a checkout may have others."""
    files: Files = {}
    for path in sorted((SOURCE / PACKAGE).rglob("*")):
        if path.is_file() and not any(part in LEFT_OUT for part in path.parts):
            content = path.read_bytes().replace(b"\r\n", b"\n")
            files[path.relative_to(SOURCE).as_posix()] = content
    return {**files, SHIPPED: _shipped()} if (HERE.parent / PIPELINE).is_dir() else files


def _shipped() -> bytes:
    """SHA-256 of the pipeline's code as the template ships it, which a team may change."""
    digests = {
        path.relative_to(HERE.parent).as_posix(): hashlib.sha256(
            path.read_bytes().replace(b"\r\n", b"\n")
        ).hexdigest()
        for path in sorted((HERE.parent / PIPELINE).rglob("*.py"))
    }
    return (json.dumps(digests, indent=1) + "\n").encode()


def _version(files: Files, metadata: Files, plain: bool) -> str:
    """The version, with a suffix made of all that the wheel holds."""
    text = (SOURCE / VERSION_FILE).read_text(encoding="utf-8")
    match = re.search(r'^VERSION = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise ValueError(f'expected a line VERSION = "..." in {VERSION_FILE}, found none')
    if plain:
        return match[1]
    total = hashlib.sha256()
    for name, content in sorted({**files, **metadata}.items()):
        total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return f"{match[1]}+g{total.hexdigest()[:8]}"  # a letter first, or a number loses its zeros


def _write(folder: Path, files: Files, plain: bool) -> str:
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = _version(files, _metadata(project, "0"), plain)
    if VERSION_FILE in files:
        text = files[VERSION_FILE].decode()
        stamped = re.sub(r'^VERSION = "[^"]+"$', f'VERSION = "{version}"', text, flags=re.MULTILINE)
        files = {**files, VERSION_FILE: stamped.encode()}
    information = f"{PACKAGE}-{version}.dist-info"
    members = {
        **files,
        **{f"{information}/{name}": text for name, text in _metadata(project, version).items()},
    }
    members[f"{information}/RECORD"] = _record(members, f"{information}/RECORD")
    wheel = f"{PACKAGE}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, DATE)
            member.create_system, member.external_attr = 3, 0o644 << 16  # as on Unix
            archive.writestr(member, content)
    return wheel


def _metadata(project: Mapping[str, object], version: str) -> Files:
    """The files of `.dist-info`, but for RECORD."""
    readme = (HERE / str(project["readme"])).read_text(encoding="utf-8")
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in _strings(project["dependencies"])),
        "Description-Content-Type: text/markdown",
        "",
        readme.replace("\r\n", "\n"),
    ]
    scripts = project["scripts"]
    assert isinstance(scripts, dict)  # noqa: S101  # of this folder's own pyproject.toml
    commands = "".join(f"{name} = {target}\n" for name, target in scripts.items())
    tags = "Root-Is-Purelib: true\nTag: py3-none-any\n"
    return {
        "METADATA": "\n".join(lines).encode(),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {PACKAGE}\n{tags}".encode(),
        "entry_points.txt": f"[console_scripts]\n{commands}".encode(),
    }


def _strings(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def _record(members: Files, own: str) -> bytes:
    lines = []
    for name, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        lines.append(f"{name},sha256={digest.decode()},{len(content)}")
    return "\n".join([*lines, f"{own},,", ""]).encode()


def main(arguments: Sequence[str]) -> None:
    """`python wheel_backend.py [--plain] FOLDER`: write the wheel, and print its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plain", action="store_true", help="no suffix, for a public index")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    plain = {"plain": str(options.plain)}
    print(options.folder / build_wheel(str(options.folder), plain))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
