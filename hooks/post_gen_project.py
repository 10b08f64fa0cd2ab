"""Lays the scenario over the base, writes the answers into the settings, packs the library.

The library reads the settings back: an answer is parsed once, in one place. Then it is packed into
`vendor/`, and its source is removed.

On a refusal nothing of what was written stays. The sentence is the first line on stderr.
"""

import json
import re
import shutil
import sys
import tomllib
from collections import OrderedDict  # noqa: F401  # as which cookiecutter prints dictionaries
from pathlib import Path

ANSWERS = dict({{cookiecutter.items() | list | pprint}})

SETTINGS = {
    ("project", "name"): "project_name",
    ("project", "pipeline"): "project_slug",
    ("project", "prefix"): "step_prefix",
    ("project", "problem"): "problem_type",
    ("data", "label"): "label",
    ("gate", "metric"): "metric_gate",
    ("gate", "bias"): "bias_gate",
    ("bias", "facets"): "bias_facets",
    ("schedule", "cadence"): "retraining_cadence",
    ("bias", "backend"): "bias_backend",
    ("deploy", "rollout"): "rollout",
    ("aws", "region"): "aws_region",
    ("notify", "email"): "notification_email",
}
"""Where each answer stands in `pipeline.toml`: (table, key)."""

CONFLICTS = {
    ("tuning", "objective"): "problem_type",
    ("tuning", "algorithms"): "problem_type",
    ("model", "base"): "problem_type",
    ("bias", "favourable_label"): "problem_type",
    ("bias", "threshold"): "problem_type",
}
"""Settings that are no answers: which answer is at fault where they do not fit together."""

LIBRARY = Path("library")
"""The library's source, which lies here: no hook can reach the template's own folder."""

OVERLAYS = {"problems": "problem_type", "scenarios": "scenario", "ci": "ci"}
"""Folders of files that a choice lays over those in place, by the question that chooses. The later
one is laid over the one before it."""

LEFTOVERS = (".local", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__")
"""What working inside the template's folder leaves there: no part of a new repository."""


def main() -> None:
    """Lay over, write, then read back as the pipeline will."""
    for name in LEFTOVERS:
        for folder in list(Path().rglob(name)):
            shutil.rmtree(folder)
    for folder, question in OVERLAYS.items():
        lay_over(Path(folder), question, ANSWERS[question])
    answers = {key: ANSWERS[question] for key, question in SETTINGS.items()}
    write_toml(Path("pipeline.toml"), answers)
    write_toml(Path("pyproject.toml"), {("project", "name"): ANSWERS["project_slug"]})
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(LIBRARY.resolve()), str((LIBRARY / "src").resolve())]
    import wheel_backend

    from ninesteps.errors import SettingsError
    from ninesteps.repository import readme, template_files, vendor
    from ninesteps.settings import loading

    try:
        settings = loading.load(Path.cwd())
    except SettingsError as error:
        question = (SETTINGS | CONFLICTS).get(error.path)
        sys.exit(f"{question}: {error.message}" if question else str(error))
    readme.write(Path.cwd(), settings)
    Path(vendor.FOLDER).mkdir()
    wheel = wheel_backend.build_wheel(vendor.FOLDER)
    vendor.place(Path.cwd(), Path(vendor.FOLDER, wheel))
    shutil.rmtree(LIBRARY)
    template_files.write_list(Path.cwd())


def lay_over(folder: Path, question: str, choice: str) -> None:
    """Put a choice's files over those in place, a scenario's data instead of theirs."""
    overlay = folder / choice
    if overlay.is_dir():
        if question == "scenario":
            shutil.rmtree("data")
        shutil.copytree(overlay, Path(), dirs_exist_ok=True)
    elif choice != ANSWERS["_in_place"].get(question, choice):
        sys.exit(f"{question}: the template has no folder {overlay.as_posix()} for {choice!r}")
    shutil.rmtree(folder)


def write_toml(file: Path, values: dict[tuple[str, str], str]) -> None:
    """Set string values in a TOML file, each in its table; comments and order stay."""
    text = file.read_text(encoding="utf-8")
    for (table, key), value in values.items():
        head, mark, rest = text.partition(f"[{table}]\n")
        written = toml_string(value)
        line = re.compile(rf'^{key} = "[^"\n]*"', re.MULTILINE)
        rest, count = line.subn(lambda _, new=f"{key} = {written}": new, rest, count=1)
        if not mark or not count:
            sys.exit(f"the template's {file} has no {key} in [{table}]")
        text = head + mark + rest
    file.write_text(text, encoding="utf-8", newline="\n")
    content = tomllib.loads(text)
    for (table, key), value in values.items():
        if content[table][key] != value:
            sys.exit(f"{value!r} cannot be written to [{table}] {key} of {file}")


def toml_string(value: str) -> str:
    """A TOML basic string: JSON's escapes of quotes and backslashes are TOML's too."""
    return json.dumps(value, ensure_ascii=False)


def remove_all() -> None:
    """Empty this folder: the first hook goes on in an empty one alone, so that all is ours.

    cookiecutter removes a folder that it made, and leaves one that was there (its -f) as it is.
    """
    for path in Path().iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


try:
    main()
except BaseException:
    remove_all()
    raise
