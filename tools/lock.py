"""Writes every lock again: universal, with hashes, without addresses.

    python tools/lock.py [--upgrade]

The generated repository's lock has what the library and the repository's own tools need, and not
the library itself: it is resolved from no index, since a free name there can be taken. The
template's hook writes its line, with the hash of the wheel that it packs.

The template's own lock is held to the versions of the generated repository's, and that of the
browser's tests to both, since they are installed together. The engines that the benchmarks compare
with have a lock each. So has what CI starts with, at the versions of the template's own: tox here,
cruft in a generated repository.
"""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
LIBRARY = GENERATED / "library"
INFRASTRUCTURE = GENERATED / "model_deploy" / "infrastructure"
CONTAINER = ROOT / "tests" / "container"
BROWSER = ROOT / "tests" / "browser"
OTHER_ENGINES = ROOT / "benchmarks" / "others"
CRUFT = [GENERATED / "ci" / name for name in ("github/.github", "gitlab/.gitlab")]
COMPILE = (
    *("uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11"),
    *("--no-header", "--no-annotate", "--quiet"),
)


def main(options: list[str]) -> None:
    """Lock the generated repository first, then what stands on it."""
    lock(GENERATED, f"{LIBRARY.name}/pyproject.toml", "--group", "pyproject.toml:dev", *options)
    lock(INFRASTRUCTURE, "checkov.in", *options, target="checkov.lock")
    lock(ROOT, "requirements.in", "-c", str(GENERATED / "requirements.lock"), *options)
    constraints = [f"-c{folder / 'requirements.lock'}" for folder in (GENERATED, ROOT)]
    lock(BROWSER, "requirements.in", *constraints, *options)
    for source in sorted(OTHER_ENGINES.glob("*.in")):
        lock(OTHER_ENGINES, source.name, *options, target=source.with_suffix(".lock").name)
    constraint = f"-c{ROOT / 'requirements.lock'}"
    lock(ROOT / ".ci", "-", constraint, *options, target="tox.lock", given=tox_requirements())
    lock(CRUFT[0], "-", constraint, *options, target="cruft.lock", given="cruft\n")
    shutil.copyfile(CRUFT[0] / "cruft.lock", CRUFT[1] / "cruft.lock")


def tox_requirements() -> str:
    """What tox.ini asks for: tox itself, and its plugins."""
    file = configparser.ConfigParser(interpolation=None)
    file.read(ROOT / "tox.ini", encoding="utf-8")
    return f"tox>={file['tox']['min_version']}{file['tox']['requires']}\n"


def lock(
    folder: Path, source: str, *options: str, target: str = "requirements.lock", given: str = ""
) -> None:
    """Compile one file's requirements, or those given where it is `-`, to a lock in its folder."""
    command = [*COMPILE, source, "-o", target, *options]
    subprocess.run(command, cwd=folder, check=True, input=given, text=True)


if __name__ == "__main__":
    main(sys.argv[1:])
