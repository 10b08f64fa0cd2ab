"""Refuses a slug that cannot name a folder, an answer of several lines, a folder that has files.

The other answers are checked later, by the new repository's own code.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unicodedata
from collections import OrderedDict  # noqa: F401  # as which cookiecutter prints dictionaries
from pathlib import Path

ANSWERS = dict({{cookiecutter.items() | list | pprint}})
RESERVED = {"aux", "con", "nul", "prn", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
"""Names that no folder can have on Windows."""

TURNED = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that show a text in another order (Unicode TR 36), so that nobody could review it."""


def is_line(text: str) -> bool:
    """Whether a text is one line that a person can read and a file can store."""
    unfit = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, line breaks
    return not any(unicodedata.category(c) in unfit or c in TURNED for c in text)


def refuse_files(folder: Path) -> None:
    """Refuse a folder that has files: with -f, cookiecutter would write over them."""
    if kept := sorted(path.name for path in folder.iterdir()):
        listed = ", ".join(map(ascii, kept[:3])) + (", ..." if len(kept) > 3 else "")
        sys.exit(
            f"project_slug: expected a new or empty folder, got {folder} with {listed}: nothing "
            "was changed; a repository of this template is updated by `cruft update`"
        )


def refuse_slug(slug: str) -> None:
    """Refuse a slug that cannot name a folder on every system, or a pipeline in SageMaker."""
    if not re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,62}", slug) or slug.lower() in RESERVED:
        sys.exit(
            "project_slug: expected at most 63 letters, digits and single hyphens between them, "
            f"and no device name of Windows, got {slug!a}"
        )


def main() -> None:
    """Refuse such answers before any file is written."""
    for question, answer in ANSWERS.items():
        if question.startswith("_"):
            continue
        if not isinstance(answer, str):
            sys.exit(f"{question}: expected a text, got {answer!r}")
        if not is_line(answer):
            sys.exit(f"{question}: expected one line of text, got {answer!a}")
    # The slug as it was answered: cookiecutter creates the folder before any hook runs, so
    # cookiecutter.json replaces a slug that cannot name one.
    refuse_slug(ANSWERS["__project_slug"])
    refuse_files(Path.cwd())


def undo() -> None:
    """Nothing was written."""


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
