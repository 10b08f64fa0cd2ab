"""Whatever is answered: refused in a sentence that names the question, or rendered as it was typed.

The template that is rendered here has the real hooks, settings and languages; data and steps are
left out, so that thousands of answers can be tried.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import select
import shutil
import string
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.generate import generate_context, generate_files
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import GENERATED, QUESTIONS, ROOT, SCENARIOS
from cruft_runs import repository_of, run

ASKED = tuple(question for question in QUESTIONS if not question.startswith("_"))
WHERE = {
    "project_name": ("project", "name"),
    "project_slug": ("project", "pipeline"),
    "step_prefix": ("project", "prefix"),
    "problem_type": ("project", "problem"),
    "label": ("data", "label"),
    "metric_gate": ("gate", "metric"),
    "bias_gate": ("gate", "bias"),
    "bias_facets": ("bias", "facets"),
    "retraining_cadence": ("schedule", "cadence"),
    "bias_backend": ("bias", "backend"),
    "rollout": ("deploy", "rollout"),
    "aws_region": ("aws", "region"),
    "notification_email": ("notify", "email"),
}
"""Where an accepted answer is to be read back."""

KEPT = (
    "ci",
    "library",
    "model_deploy",
    "README.md",
    "pyproject.toml",
    "pipeline.toml",
    "problems",
    "requirements.lock",
    "scenarios",
)


@pytest.fixture(scope="session")
def small(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without what no answer reaches."""
    folder = tmp_path_factory.mktemp("small") / "template"
    shutil.copytree(template / "hooks", folder / "hooks")
    shutil.copyfile(template / "cookiecutter.json", folder / "cookiecutter.json")
    for path in sorted((template / GENERATED.name).rglob("*")):
        name = path.relative_to(template / GENERATED.name)
        if path.is_file() and name.parts[0] in KEPT and path.suffix != ".csv":
            (folder / GENERATED.name / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / GENERATED.name / name)
    (folder / GENERATED.name / "data").mkdir()
    (folder / GENERATED.name / "data/sample.csv").write_text("id\n", encoding="utf-8")
    return folder


@contextlib.contextmanager
def stderr_of_processes() -> Iterator[Path]:
    """What the hooks, which are processes of their own, say meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        file, kept = Path(folder) / "stderr", os.dup(2)
        try:
            with file.open("wb") as target:
                os.dup2(target.fileno(), 2)
            yield file
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def check(template: Path, answers: dict[str, str]) -> bool:
    """Render; hold what came of it to the promise, and tell whether it was accepted."""
    with tempfile.TemporaryDirectory() as folder, stderr_of_processes() as stderr:
        output = Path(folder)
        try:
            path = Path(cookiecutter(
                str(template), no_input=True, extra_context=answers, output_dir=folder,
                default_config=True,
            ))  # fmt: skip
        except FailedHookException:
            said = stderr.read_text(encoding="utf-8").splitlines()
            assert said[0].partition(":")[0] in ASKED, said
            assert list(output.iterdir()) == []
            return False
        assert [path] == list(output.iterdir())
        assert stderr.read_text(encoding="utf-8") == ""
        read_back(path, answers)
    return True


def read_back(path: Path, answers: dict[str, str]) -> None:
    """Every file parses, and the settings hold what was typed."""
    for file in path.rglob("*"):
        if file.suffix == ".py":
            ast.parse(file.read_text(encoding="utf-8"), file.name)
    content = tomllib.loads((path / "pipeline.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == path.name == content["project"]["pipeline"]
    for question, answer in answers.items():
        if question in WHERE and (answer or question != "metric_gate"):  # empty: custom's default
            table, key = WHERE[question]
            assert content[table][key] == answer, question
    title = (path / "README.md").read_text(encoding="utf-8").partition("\n")[0]
    assert title == f"# {content['project']['name']}"


# Answers of every kind. Jinja in an answer is cookiecutter's own language, and it renders it.

LETTERS = st.text(max_size=30)
WICKED = st.text(
    alphabet=st.sampled_from(list("\"'\\#=[]{}()<>|&;$`%!?*~^\n\r\t\0\x7f\x85\u2028\u202e\ud800"
                                  "\U0001f600\u05e9\u0301,.:-_ aZ09")),
    max_size=12,
)  # fmt: skip
TEXTS = (LETTERS | WICKED).filter(
    lambda text: not any(mark in text for mark in ("{{", "{%", "{#", "}}", "%}", "#}"))
)
NUMBERS = st.one_of(
    st.floats(0, 1).map(str), st.floats().map(str), st.integers(-2, 3).map(str), TEXTS
)
NAMES = st.sampled_from(
    ["auc", "recall", "f1", "flagged_share", "rmse", "r2", "worst_dppl", "worst_di", "dppl[city]",
     "di[doorstep]", "dppl[nobody]", "worst_mean_residual"]
) | TEXTS  # fmt: skip
SIGNS = st.sampled_from([">", ">=", "<", "<=", "==", "=>", ""])
COMPARISONS = st.builds("{} {} {}".format, NAMES, SIGNS, NUMBERS)
GATES = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds("({})".format, inner)
        | st.builds("{} and {}".format, inner, inner)
        | st.builds("{} or {}".format, inner, inner)
    ),
    max_leaves=6,
)
FACETS = st.lists(
    st.sampled_from(["city", "doorstep", "doorstep>=1", "city=BLR|BOM", "age>=40", "city>2", "="])
    | TEXTS,
    max_size=4,
).map(", ".join)
CRON_FIELDS = st.sampled_from(["*", "?", "0", "6", "31", "2", "MON", "L", "1W", "2#1", "*/5", "x"])
CADENCES = st.one_of(
    st.sampled_from(["daily", "weekly", "monthly", "quarterly", "annual", "none", "hourly"]),
    st.lists(CRON_FIELDS, min_size=4, max_size=7).map(lambda f: f"cron({' '.join(f)})"),
    st.builds("rate({} {})".format, NUMBERS, st.sampled_from(["day", "days", "hour", "week"])),
    TEXTS,
)
SLUGS = st.text(string.ascii_letters + string.digits + "-_. /\\:~", max_size=70)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "scenario": st.sampled_from(SCENARIOS),
        "project_name": TEXTS,
        "project_slug": SLUGS | st.sampled_from(["con", "LPT1", "a", "a--b", "x" * 63, "x" * 64]),
        "problem_type": st.sampled_from(["binary", "regression"]) | TEXTS,
        "step_prefix": st.sampled_from(["Mine", "x" * 20, "x" * 21]) | TEXTS,
        "label": st.sampled_from(["retained", "custid", "city", "event_time"]) | TEXTS,
        "metric_gate": GATES | TEXTS,
        "bias_gate": GATES | TEXTS,
        "bias_facets": FACETS,
        "retraining_cadence": CADENCES,
        "bias_backend": st.sampled_from(["open_source", "clarify"]),
        "aws_region": st.sampled_from(["eu-west-1", "us-gov-west-1", "mars"]) | TEXTS,
        "notification_email": st.sampled_from(["", "a@example.com", "a@b", "a b@c.de"]) | TEXTS,
    },
)
ONE_ANSWER = st.one_of(
    ANSWERS.filter(bool).flatmap(
        lambda answers: st.sampled_from(sorted(answers)).map(lambda key: {key: answers[key]})
    )
)
"""One answer at a time: of many wild ones some question always refuses."""


@settings(
    max_examples=int(os.environ.get("ANSWERS_TRIED", "12")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(answers=ONE_ANSWER | ANSWERS)
@example(answers={"project_name": "\ud800"})
@example(answers={"project_name": "ends in a backslash \\"})
@example(answers={"project_name": "'''\"\"\" $(id) `id` ; rm -rf / # x = [1]"})
@example(answers={"label": "déjà \U0001f600 \u05e9\u05dc\u05d5\u05dd"})
@example(answers={"scenario": "custom", "bias_facets": "gender, age>=40"})
@example(answers={"metric_gate": "auc > 0.8 or (auc > 0.7 and f1 > 0.9)"})
def test_an_answer_is_refused_by_name_or_read_back_as_typed(
    small: Path, answers: dict[str, str]
) -> None:
    check(small, answers)


@pytest.mark.parametrize(
    ("answers", "is_accepted"),
    [
        ({"project_name": "שלום 客户 🎉 \"quoted\" \\ 'x'"}, True),
        ({"project_name": "a\nb"}, False),
        ({"scenario": "custom", "label": "Größe [cm]"}, True),
        ({"scenario": "custom", "problem_type": "regression"}, True),
        ({"scenario": "attrition", "bias_gate": "dppl[gender] < 0.1"}, False),
        ({"scenario": "attrition", "metric_gate": "auc > 0.9 and recall > 0.1"}, False),
        ({"scenario": "attrition", "metric_gate": "auc > 0.71 and recall > 0.65"}, True),
    ],
)
def test_the_check_can_tell_accepted_from_refused(
    small: Path, answers: dict[str, str], is_accepted: bool
) -> None:
    assert check(small, answers) is is_accepted


def test_the_questions_are_read_back_from_somewhere() -> None:
    assert set(WHERE) == set(ASKED) - {"scenario", "ci"}


def test_defaults_of_every_scenario_are_accepted(small: Path) -> None:
    for scenario in SCENARIOS:
        assert check(small, {"scenario": scenario})


@pytest.mark.parametrize(
    "slug",
    ["", ".", "..", "../beside", "in/side", "in/../side", "{tmp}/other/away", "in\\side", "CON",
     "dot.", "a b", "\u00fcn\u00ef", "\ud800", "n\0l", "x" * 300, "deep/" * 9 + "x" * 300],
)  # fmt: skip
def test_a_slug_that_is_no_folder_here_leaves_nothing_anywhere(
    small: Path, tmp_path: Path, slug: str
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    slug = slug.replace("{tmp}", tmp_path.as_posix())
    with stderr_of_processes() as stderr:
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(small), no_input=True, extra_context={"project_slug": slug},
                output_dir=str(output), default_config=True, overwrite_if_exists=True,
            )  # fmt: skip
        said = stderr.read_text(encoding="utf-8")
    assert said.startswith("project_slug: expected ")
    assert list(tmp_path.rglob("*")) == [output]


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("answers", [{}, {"metric_gate": "no gate"}], ids=["accepted", "refused"])
@pytest.mark.parametrize(
    "kept",
    [
        ("pipeline.toml", ".local/state.db", "data/ours.csv"),
        (".git/HEAD",),
        ("notes.txt",),
        ("library/src/unfinished.py",),
    ],
    ids=["repository", "git", "other", "unfinished"],
)
@pytest.mark.parametrize("is_skipped", [False, True])
def test_a_folder_with_files_is_never_written_over(
    small: Path, tmp_path: Path, kept: tuple[str, ...], answers: dict[str, str], is_skipped: bool
) -> None:
    for name in kept:
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).write_text("ours", encoding="utf-8")
    before = everything(tmp_path)
    with stderr_of_processes() as stderr:
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(small), no_input=True, extra_context={"project_slug": "here", **answers},
                output_dir=str(tmp_path), default_config=True, overwrite_if_exists=True,
                skip_if_file_exists=is_skipped,
            )  # fmt: skip
        said = stderr.read_text(encoding="utf-8").splitlines()[0]
    assert everything(tmp_path) == before
    assert said.startswith("project_slug: expected a new or empty folder, got ")
    assert "`cruft update`" in said


def test_an_empty_folder_is_rendered_into(small: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    path = cookiecutter(
        str(small), no_input=True, extra_context={"project_slug": "here"},
        output_dir=str(tmp_path), default_config=True, overwrite_if_exists=True,
    )  # fmt: skip
    assert (Path(path) / "pipeline.toml").is_file()


def test_of_a_refused_answer_nothing_stays_in_an_empty_folder(small: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with stderr_of_processes() as stderr:
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(small), no_input=True, overwrite_if_exists=True, default_config=True,
                extra_context={"project_slug": "here", "metric_gate": "no gate"},
                output_dir=str(tmp_path),
            )  # fmt: skip
        assert stderr.read_text(encoding="utf-8").startswith("metric_gate: expected ")
    assert list(tmp_path.rglob("*")) == [tmp_path / "here"]


# What a person types next: after a render, and after a refusal


def hook(name: str) -> str:
    return (ROOT / f"hooks/{name}_gen_project.py").read_text(encoding="utf-8")


def test_what_both_hooks_need_is_the_same_in_both() -> None:
    _, mark, before = hook("pre").partition("# Both hooks have the lines below")
    assert mark
    assert hook("post").partition(mark)[2] == before


WICKED_FOLDER = "it's a folder"


@pytest.mark.skipif(os.name == "nt", reason="the commands are those of a POSIX shell")
@pytest.mark.parametrize("scenario", ["churn", "custom"])
def test_a_render_ends_with_the_next_commands(small: Path, tmp_path: Path, scenario: str) -> None:
    folder = tmp_path / WICKED_FOLDER
    done = run(sys.executable, "-m", "cookiecutter", "--no-input", "-o", folder, small,
               f"scenario={scenario}", cwd=tmp_path)  # fmt: skip
    (made,) = folder.iterdir()
    ready, _, place, *rest = done.stdout.strip().splitlines()
    assert ready == f"{made.name} is ready. Next:"
    assert run("bash", "-c", f"{place} && pwd", cwd=tmp_path).stdout == f"{made}\n"
    assert [command.split("#")[0].strip() for command in rest] == [
        "python3 -m venv .venv && . .venv/bin/activate",
        "pip install -r requirements.lock",
        *(["pipeline schema FILE --label NAME --write"] if scenario == "custom" else []),
        "pipeline run",
    ]
    assert max(map(len, rest)) <= 80 - len("  ")


def test_a_render_in_a_job_says_nothing(small: Path, tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "cookiecutter", "--no-input", small, cwd=tmp_path, CI="true")
    assert done.stdout + done.stderr == ""


def command_in(stderr: str) -> str:
    """The command that a refusal offers: all of the lines that end in a backslash, and one more."""
    _, found, text = stderr.partition("\nTo correct it, edit the last answer and run:\n\n")
    assert found
    lines = text.splitlines()
    last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: last + 1])


NAME = """O'Brien "& Sons" $(id) \\ `x` ü"""


@pytest.mark.skipif(os.name == "nt", reason="the commands are those of a POSIX shell")
@pytest.mark.parametrize("tool", ["cookiecutter", "cruft"])
@pytest.mark.parametrize(
    ("refused", "wrong", "right"),
    [("metric_gate", "auc > 7", "auc > 0.7"), ("project_slug", "o brien", "o-brien")],
    ids=["after", "before"],
)
def test_a_refused_answer_gives_the_others_back(
    small: Path, tmp_path: Path, tool: str, refused: str, wrong: str, right: str
) -> None:
    """Refused by either hook: the command with that one answer corrected renders all of them."""
    folder = tmp_path / WICKED_FOLDER
    folder.mkdir()
    command: list[str | Path]
    answers = {"project_name": NAME, "bias_facets": "city", "ci": "gitlab", refused: wrong}
    if tool == "cruft":
        template = tmp_path / "template"
        shutil.copytree(small, template)
        repository_of(template)
        command = ["cruft", "create", template, "-y", "--output-dir", folder,
                   "--extra-context", json.dumps(answers)]  # fmt: skip
    else:
        typed = [f"{question}={answer}" for question, answer in answers.items()]
        command = ["cookiecutter", "--no-input", "-o", folder, small, *typed]
    done = run(*command, cwd=tmp_path, status=1)
    assert done.stderr.startswith(f"{refused}: ")
    assert list(folder.iterdir()) == []
    offered = command_in(done.stderr)
    assert "(A traceback of cookiecutter follows." in done.stderr.partition("\nTraceback (")[0]
    assert "\nTraceback (" in done.stdout + done.stderr  # cookiecutter's own log of a failed hook
    assert offered.count(wrong) == 1
    assert offered.rstrip("'}\"").endswith(wrong)
    run("bash", "-c", offered.replace(wrong, right), cwd=tmp_path)
    (made,) = folder.iterdir()
    content = tomllib.loads((made / "pipeline.toml").read_text(encoding="utf-8"))
    assert content["project"]["name"] == NAME
    assert content["bias"]["facets"] == "city"
    assert right in (content["gate"]["metric"], made.name)
    assert (made / ".gitlab-ci.yml").is_file()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:hush@git.example.com/a?token=hush#hush", "https://git.example.com/a"),
        ("https://hush@git.example.com/a", "https://git.example.com/a"),
        ("git@git.example.com:a/b.git", "git@git.example.com:a/b.git"),
        (None, "TEMPLATE"),
    ],
)
def test_an_offered_command_holds_no_password(
    small: Path, tmp_path: Path, address: str | None, shown: str
) -> None:
    context = generate_context(str(small / "cookiecutter.json"), extra_context={"label": ""})
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    context["cookiecutter"]["_template"] = address
    with stderr_of_processes() as stderr:
        with pytest.raises(FailedHookException):
            generate_files(small, context, tmp_path)
        said = stderr.read_text(encoding="utf-8")
    assert f" {shown} " in command_in(said)
    assert "hush" not in said


@pytest.mark.parametrize("name", ["two\nlines", "turned\u202e", "x {{"])
def test_what_no_line_can_hold_is_offered_to_nobody(small: Path, tmp_path: Path, name: str) -> None:
    context = generate_context(str(small / "cookiecutter.json"), extra_context={"label": ""})
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    context["cookiecutter"]["project_name"] = name  # as it is typed at the prompt
    with stderr_of_processes() as stderr:
        with pytest.raises(FailedHookException):
            generate_files(small, context, tmp_path)
        assert len(stderr.read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("answer", [None, True, {"a": "b"}])
def test_an_answer_that_is_no_text_is_refused_in_a_sentence(
    small: Path, tmp_path: Path, answer: object
) -> None:
    with stderr_of_processes() as stderr:
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(small), no_input=True, extra_context={"label": answer},
                output_dir=str(tmp_path), default_config=True,
            )  # fmt: skip
        said = stderr.read_text(encoding="utf-8").splitlines()[0]
    assert said == f"label: expected a text, got {answer!r}"
    assert list(tmp_path.iterdir()) == []


# At a terminal

MOST_SECONDS = 60
"""For a whole dialogue."""


def dialogue(template: Path, folder: Path, *typed: str) -> str:
    """What cookiecutter shows a person who types these answers, and Enter from then on."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cookiecutter", "--default-config", "-o", folder, template]
    process = subprocess.Popen(
        [*map(str, command)], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder.parent,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb", "HOME": str(folder.parent)},
    )  # fmt: skip
    os.close(theirs)
    answers, shown, deadline = iter(typed), b"", time.monotonic() + MOST_SECONDS

    def left() -> float:
        return max(deadline - time.monotonic(), 0.0)

    try:
        with contextlib.suppress(OSError):  # a closed terminal is the end
            while select.select([ours], [], [], left())[0] and (read := os.read(ours, 65536)):
                shown += read
                if shown.rstrip(b" ").endswith(b"):"):
                    os.write(ours, f"{next(answers, '')}\n".encode())
                assert left(), f"no end after {MOST_SECONDS} seconds: {shown.decode()}"
        assert process.wait(left() or 1) == 0, shown.decode()
    finally:
        os.close(ours)
        process.kill()
    return shown.decode().replace("\r\n", "\n")


def test_a_person_is_asked_for_seven_decisions_and_told_that_the_rest_can_stay(
    small: Path, tmp_path: Path
) -> None:
    shown = dialogue(small, tmp_path / "made", "6")
    _, *asked = re.split(r"^  \[\d+/15\] ", shown, flags=re.MULTILINE)
    divider = "The other answers have good defaults: press Enter to keep each.\n"
    assert [text.startswith(divider) for text in asked] == [n == 7 for n in range(15)]
    assert asked[0].startswith("What do you want to predict?\n")
    assert asked[6].startswith("What runs the tests on every change?\n")
    assert "(custom-pipeline): " in asked[7]
    made = tomllib.loads((tmp_path / "made/custom-pipeline/pipeline.toml").read_text("utf-8"))
    assert made["gate"]["metric"] == "auc > 0.75"


@pytest.mark.parametrize("gate", [None, "", "r2 > 0.6"])
def test_a_gate_left_empty_is_that_of_the_problem_type_which_is_asked_later(
    small: Path, tmp_path: Path, gate: str | None
) -> None:
    answers = {"scenario": "custom", "problem_type": "regression"}
    path = cookiecutter(
        str(small), no_input=True, output_dir=str(tmp_path), default_config=True,
        extra_context=answers if gate is None else answers | {"metric_gate": gate},
    )  # fmt: skip
    content = tomllib.loads((Path(path) / "pipeline.toml").read_text(encoding="utf-8"))
    assert content["gate"]["metric"] == (gate or "r2 > 0.5")
