"""Lays the scenario over the base, writes the answers into the settings, packs the library.

The library reads the settings back: an answer is parsed once, in one place. Then it is packed into
`vendor/`, and its source is removed.

On a refusal nothing of what was written stays. The sentence is the first line on stderr.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
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
"""The place of each answer in `pipeline.toml`: (table, key)."""

CONFLICTS = {
    ("tuning", "objective"): "problem_type",
    ("tuning", "algorithms"): "problem_type",
    ("model", "base"): "problem_type",
    ("bias", "favourable_label"): "problem_type",
    ("bias", "threshold"): "problem_type",
}
"""Settings that are not answers: the answer to blame if they do not fit together."""

LIBRARY = Path("library")
"""The library's source, in the new folder: a hook cannot reach the template's own folder."""

OVERLAYS = {"problems": "problem_type", "scenarios": "scenario", "ci": "ci"}
"""Folders with the files of a choice, which replace those in place, by question. Later folders
replace files of earlier ones."""

LEFTOVERS = (".local", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__")
"""What work in the template's folder leaves there; not part of a new repository."""


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
        # At an update `pipeline check` judges pipeline.toml; the hook has only the old answers.
        settings = loading.load(Path.cwd(), with_floors=not is_update())
    except SettingsError as error:
        question = (SETTINGS | CONFLICTS).get(error.path)
        sys.exit(f"{question}: {error.message}" if question else str(error))
    readme.write(Path.cwd(), settings)
    Path(vendor.FOLDER).mkdir()
    wheel = wheel_backend.build_wheel(vendor.FOLDER)
    vendor.place(Path.cwd(), Path(vendor.FOLDER, wheel))
    shutil.rmtree(LIBRARY)
    template_files.write_list(Path.cwd())
    if not is_update() and not os.environ.get("CI"):
        print(next_commands(Path.cwd()))


def next_commands(folder: Path) -> str:
    """The next commands, for this machine's shell."""
    is_windows = os.name == "nt"
    place = subprocess.list2cmdline([str(folder)]) if is_windows else shlex.quote(str(folder))
    lines = [f"cd {place}"]
    if is_windows:
        lines += ["py -m venv .venv", r".venv\Scripts\activate"]
    else:
        lines += ["python3 -m venv .venv && . .venv/bin/activate"]
    lines += ["pip install -r requirements.lock"]
    if ANSWERS["scenario"] == "custom":
        lines += ["pipeline schema FILE --label NAME --write   # drafts [data]"]
    lines += ["pipeline run"]
    return "\n".join(["", f"{folder.name} is ready. Next:", "", *(f"  {line}" for line in lines)])


def lay_over(folder: Path, question: str, choice: str) -> None:
    """Replace files by those of a choice; a scenario's data replaces the whole folder."""
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


def undo() -> None:
    """Empty this folder: the first hook accepts only an empty one, so everything in it is new.

    cookiecutter removes a folder that it created, but leaves one that existed before (its -f).
    """
    for path in Path().iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


# Both hooks have the lines below, because a hook cannot import from the template.


def ask_again(refused: str) -> str:
    """The command that gives the same answers again, the refused one last; empty if there is none.

    It leaves out answers that are the scenario's defaults. There is no command if an answer does
    not fit on a shell's line, or if cookiecutter would run it as Jinja.
    """
    own = ANSWERS["_scenarios"][ANSWERS["scenario"]]
    answers = {
        question: answer
        for question, answer in ANSWERS.items()
        if not question.startswith("_") and answer != own.get(question, "")
    }
    answers["project_slug"] = ANSWERS.get("__project_slug", ANSWERS["project_slug"])
    question = refused.partition(":")[0]
    if question in answers:
        answers[question] = answers.pop(question)
    folder, template = str(Path.cwd().parent), template_address()
    texts = [*map(str, answers.values()), folder, template]
    is_jinja = any("{" + mark in text for text in texts for mark in "#%{")
    if is_jinja or not all(text.isprintable() for text in texts):
        return ""
    options = ["--no-input", "--output-dir", folder]
    if "_commit" in ANSWERS:  # cruft's mark; cookiecutter has none
        answers_json = json.dumps(answers, ensure_ascii=False)
        lines = [["cruft", "create", *options, template], ["--extra-context", answers_json]]
    else:
        checkout = ["--checkout", ANSWERS["_checkout"]] if ANSWERS.get("_checkout") else []
        lines = [["cookiecutter", *options, *checkout, template]]
        lines += [[f"{question}={answer}"] for question, answer in answers.items()]
    if os.name == "nt":
        command = subprocess.list2cmdline([word for line in lines for word in line])
    else:
        command = " \\\n    ".join(shlex.join(line) for line in lines)
    return (
        f"\nTo correct it, edit the last answer and run:\n\n  {command}\n\n"
        "(A traceback of cookiecutter follows. It says only that this check failed.)\n"
    )


def template_address() -> str:
    """The template's address as it was typed, without a password or token."""
    address = str(ANSWERS.get("_template") or "TEMPLATE")
    return re.sub(r"^(https?://)(?:[^/@]*@)?([^?#]*).*", r"\1\2", address)


def is_update() -> bool:
    """Whether `cruft update` or `cruft diff` is rendering.

    They do not tell a hook. Both render in their own folder below that of temporary files, beside
    another one with a clone of the template and what is compared.
    """
    temporary = Path.cwd().resolve().parent.parent
    if "_commit" not in ANSWERS or temporary != Path(tempfile.gettempdir()).resolve():
        return False
    return any(  # Path.is_dir would raise where another user's folder is closed
        os.path.isdir(folder / "repo") and os.path.isdir(folder / compared)  # noqa: PTH112
        for folder in temporary.iterdir()
        for compared in ("current_template", "remote")
    )


try:
    main()
except SystemExit as refused:
    undo()
    print(refused, file=sys.stderr)
    if not is_update():
        print(ask_again(str(refused)), end="", file=sys.stderr)
    sys.exit(1)
except BaseException:
    undo()
    raise
