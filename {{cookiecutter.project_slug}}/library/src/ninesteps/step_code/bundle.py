"""A step's code: its script and the modules that it imports, under the hash of their bytes.

The hash is part of the S3 prefix in the definition. So a changed comment in the bias step changes
only that step's inputs, and does not repeat twelve training jobs.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import io
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.local.imported import imported_packages
from ninesteps.repository.root import SETTINGS
from ninesteps.repository.vendor import LOCK
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code import base_model, by_digest, images, no_champion, queries, suite
from ninesteps.step_code.by_digest import root_uri
from ninesteps.step_code.carried_wheels import CARRIED, Wheel, needed, read
from ninesteps.step_code.raw_columns import RAW_COLUMNS, raw_columns

BIAS_SCRIPT = "clarify.py"
PROCESSING_SCRIPTS = ("process.py", "evaluate.py", "analysis_config.py", BIAS_SCRIPT)
TRAINING_SCRIPT = "train.py"
INFERENCE_SCRIPT = "inference.py"
STEPS = "model_build/steps"
"""The repository's scripts and modules; a module here replaces the library's of the same name."""

FEATURES = "feature_store"
"""The team's features, which also compute features from raw records at the endpoint."""

LIBRARY = "ninesteps"

CONTAINERS = Path(__file__).resolve().parent.parent / "containers"
"""The library's modules that are packed with the scripts."""

PACKAGING = CONTAINERS / "packaging"
"""Files that let pip install the training archive without a package index."""


@dataclass(frozen=True)
class StepCode:
    """The files of one step."""

    entry: str
    files: dict[str, bytes]
    wheels: tuple[Wheel, ...] = ()  # sent to SageMaker with the files

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and contents; its first 16 hexadecimal digits name the prefix."""
        hashes = {name: hashlib.sha256(content).digest() for name, content in self.files.items()}
        hashes |= {wheel.file: bytes.fromhex(wheel.sha256) for wheel in self.wheels}
        return by_digest.digest(hashes)

    def uri(self, root: str) -> str:
        """Its prefix under a pipeline's root, the same for the same bytes."""
        return f"{root}/code/{self.digest}"

    def content(self, wheels: Path | None) -> dict[str, bytes]:
        """The files, with wheels from a folder; without a folder, as needed on this machine."""
        carried = {} if wheels is None else {w.file: read(w, wheels) for w in self.wheels}
        return {**self.files, **carried}

    def archive(self, wheels: Path | None) -> bytes:
        """The content as `sourcedir.tar.gz`: the same files give the same bytes."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w") as tar,
        ):
            for name, content in sorted(self.content(wheels).items()):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
        return packed.getvalue()


def code_objects(
    settings: Settings, environment: Environment, wheels: Path | None = None
) -> dict[str, bytes]:
    """The code that the definition names, by S3 URI, which must exist before it runs.

    For SageMaker it includes the wheels that the image lacks, from a folder (`carried_wheels.py`).
    """
    root, (processing, train) = root_uri(settings, environment), _codes(settings)
    objects = {
        f"{code.uri(root)}/{name}": content
        for code in processing
        for name, content in code.content(wheels).items()
    }
    return {
        **objects,
        **queries.objects(settings, environment),
        **no_champion.objects(settings, environment),
        **base_model.objects(settings, environment),
        **suite.objects(settings, environment),
        _archive_uri(train, root): train.archive(wheels),
    }


def settings_uri(root: str, digest: str) -> str:
    """The URI of settings with a SHA-256, under a pipeline's root."""
    return _recorded_uri(root, digest, SETTINGS)


def lock_uri(root: str, digest: str) -> str:
    """The URI of a lock file with a SHA-256, under a pipeline's root."""
    return _recorded_uri(root, digest, LOCK)


def _recorded_uri(root: str, digest: str, name: str) -> str:
    return f"{root}/code/{digest[:16]}/{name}"


def recorded_objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """Settings and lock file by their S3 URIs: a run records only their digests.

    Later comparisons of runs, and audit packs, read them there.
    """
    root, objects = root_uri(settings, environment), {}
    for name in (SETTINGS, LOCK):
        file = settings.root / name
        if file.is_file():  # not for settings created in Python
            content = file.read_bytes()
            objects[_recorded_uri(root, hashlib.sha256(content).hexdigest(), name)] = content
    return objects


def carried_wheels(settings: Settings) -> set[Wheel]:
    """The wheels that are sent to SageMaker with the code."""
    processing, train = _codes(settings)
    return {wheel for code in (*processing, train) for wheel in code.wheels}


def wheel_objects(settings: Settings, environment: Environment) -> dict[str, str]:
    """What of the code is or holds a wheel, by S3 URI: its SHA-256; empty of an archive, whose
    bytes are not known before the wheels are there."""
    root, (processing, train) = root_uri(settings, environment), _codes(settings)
    found = {f"{c.uri(root)}/{wheel.file}": wheel.sha256 for c in processing for wheel in c.wheels}
    return {**found, **({_archive_uri(train, root): ""} if train.wheels else {})}


def _archive_uri(code: StepCode, root: str) -> str:
    return f"{code.uri(root)}/sourcedir.tar.gz"


def _codes(settings: Settings) -> tuple[list[StepCode], StepCode]:
    """The code of every processing step, and of the training."""
    unused = {BIAS_SCRIPT} if settings.bias_is_managed else set()
    scripts = [script for script in PROCESSING_SCRIPTS if script not in unused]
    processing = [processing_code(settings, script) for script in scripts]
    return processing, training_code(settings, TRAINING_SCRIPT)


def processing_code(settings: Settings, entry: str) -> StepCode:
    """A processing step's code: uploaded as single files to one prefix."""
    files = _closure(settings, entry)
    return StepCode(entry, files, needed(files, settings.tuning.algorithms))


def training_code(settings: Settings, entry: str) -> StepCode:
    """A training step's code: uploaded as one archive, which pip installs in the container.

    It includes the team's features and the raw columns, for the model's archive.
    """
    files = {**_closure(settings, entry), **_features(settings)}
    _closure(settings, INFERENCE_SCRIPT)  # it serves the model, on its own image
    packaging = {path.name: text(path) for path in sorted(PACKAGING.iterdir()) if path.is_file()}
    return StepCode(entry, {**files, **packaging}, needed(files, settings.tuning.algorithms))


def _features(settings: Settings) -> dict[str, bytes]:
    files = sorted((settings.root / FEATURES).rglob("*.py"))
    named = {path.relative_to(settings.root).as_posix(): path for path in files}
    for name, path in named.items():
        _check_module(path, settings.root / FEATURES, name)
    return {
        **{name: text(path) for name, path in named.items()},
        RAW_COLUMNS: raw_columns(settings),
    }


def folders(root: Path) -> tuple[Path, Path]:
    """The folders that are searched for modules, in order: the repository's, then the library's."""
    return root / STEPS, CONTAINERS


def modules() -> list[str]:
    """The library's modules that are packed with the scripts, by file name."""
    return sorted(file.name for file in CONTAINERS.glob("*.py"))


def overridden(root: Path) -> dict[str, str]:
    """The library's modules that the repository overrides: file name -> SHA-256."""
    own = {file.name: file for file in (root / STEPS).glob("*.py")}
    return {name: sha256(own[name]) for name in modules() if name in own}


def is_the_librarys(name: str, digest: str) -> bool:
    """Whether an overriding module is still identical to the library's."""
    return sha256(CONTAINERS / name) == digest


def eject(root: Path, name: str) -> Path:
    """Copy one of the library's modules into the repository; return the copy.

    From then on the copy replaces the library's module, and updates of the library do not change
    it.

    Raises:
        SettingsError: if the library has no such module, or the repository has a file of that name.
    """
    if name not in modules():
        nearest = ", ".join(difflib.get_close_matches(name, modules(), n=5, cutoff=0))
        message = f"expected a module of the library such as {nearest}, got {name!r}"
        raise SettingsError(message, file="eject")
    copy = root / STEPS / name
    if copy.exists():
        message = "this file already replaces the library's; delete it to use the library's"
        raise SettingsError(message, file=f"{STEPS}/{name}")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(text(CONTAINERS / name))
    return copy


def find(name: str, places: Sequence[Path]) -> Path | None:
    """The file of a module, in the first folder that has it."""
    return next((path for folder in places if (path := folder / name).is_file()), None)


def _closure(settings: Settings, entry: str) -> dict[str, bytes]:
    """A script and everything that it imports, by file name.

    Raises:
        SettingsError: if the repository has no such script.
    """
    files = closure(entry, folders(settings.root))
    if entry not in files:
        raise SettingsError("there is no such file", file=f"{STEPS}/{entry}")
    for name, path in files.items():
        _check_module(path, settings.root / STEPS, f"{STEPS}/{name}")
    _check_imports(files, images.image_of(settings.project.problem, entry))
    return {name: text(path) for name, path in files.items()}


def _check_imports(files: dict[str, Path], image: images.Image) -> None:
    """Refuse an import that works here but not in the image of these files.

    Raises:
        SettingsError: for the first import that the image is known to lack.
    """
    siblings = {name.removesuffix(".py") for name in files}
    for name, path in files.items():
        for package in images.lacking(image, imported_modules(path) - siblings):
            raise SettingsError(
                f"expected imports that {image.name} has, got {package!r}", file=f"{STEPS}/{name}"
            )


CARRIED_NAMES = frozenset(w.file.split("-")[0] for wheels in CARRIED.values() for w in wheels)

IN_A_CONTAINER = images.names() | CARRIED_NAMES
"""Packages of a container, or sent with its code, which no module may hide."""


def _check_module(path: Path, steps: Path, where: str) -> None:
    """Refuse a module that would work here but not in the container.

    Raises:
        SettingsError: for a name that hides a package, an import of the library, a package folder.
    """
    if path.stem in IN_A_CONTAINER | sys.stdlib_module_names | {LIBRARY}:
        raise SettingsError(
            f"expected a name that no package of the container has, got {path.stem!r}", file=where
        )
    for module in imported_modules(path):
        if module == LIBRARY:
            raise SettingsError(
                f"expected imports that the container has, got {module!r}: a container has the "
                "modules that travel with the script, and not the library", file=where,
            )  # fmt: skip
        if (steps / module).is_dir() and not (steps / f"{module}.py").is_file():
            raise SettingsError(
                f"expected a module {module}.py, got a folder: single files travel to a container",
                file=f"{STEPS}/{module}",
            )


def closure(entry: str, places: Sequence[Path]) -> dict[str, Path]:
    """A script and every module that it imports, directly or not, by file name."""
    paths: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        path = find(name, places)
        if name in paths or path is None:
            continue
        paths[name] = path
        waiting += [f"{module}.py" for module in imported_modules(path)]
    return dict(sorted(paths.items()))


def imported_modules(path: Path) -> frozenset[str]:
    """The top-level names that a script imports, anywhere in it.

    Raises:
        SettingsError: if the script is not valid Python.
    """
    try:
        return imported_packages(path.read_bytes(), path.name)
    except SyntaxError as error:
        where = "/".join(path.parts[-3:])
        raise SettingsError(f"line {error.lineno}: {error.msg}", file=where) from None


def sha256(path: Path) -> str:
    """SHA-256 of a file with Unix line ends, hexadecimal."""
    return hashlib.sha256(text(path)).hexdigest()


def text(path: Path) -> bytes:
    """The file's bytes with Unix line ends, so that a checkout on Windows has the same hash."""
    return path.read_bytes().replace(b"\r\n", b"\n")
