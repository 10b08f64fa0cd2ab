"""Answers files: the check that refuses them in a sentence, and cruft, which renders them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import EVERY_SCENARIO, ROOT, SCENARIOS
from cruft_runs import create, run, settings

SEEDS = ROOT / "seeds"
ADDRESS = "https://git.example.com/platform/template"

Answers = dict[str, Any]


def check(*files: str | Path, root: Path = ROOT, status: int = 0) -> list[str]:
    """What the check says: of good files on stdout, of refused ones on stderr."""
    command = (sys.executable, root / "tools/seeds.py", "check", *files)
    done = run(*command, cwd=root, status=status)
    return (done.stderr if status else done.stdout).splitlines()


def answers_of(scenario: str) -> Answers:
    """A committed seed."""
    answers: Answers = json.loads((SEEDS / f"{scenario}.json").read_text(encoding="utf-8"))
    return answers


def written(folder: Path, answers: Answers) -> Path:
    """Answers as a file."""
    file = folder / "seed.json"
    file.write_text(json.dumps(answers), encoding="utf-8")
    return file


# The seeds


def test_every_scenario_has_a_seed_and_every_seed_passes_the_check() -> None:
    said = check()
    assert said == [f"{SEEDS / name}.json: every answer belongs to a question"
                    for name in sorted(SCENARIOS)]  # fmt: skip
    assert all(answers_of(name)["scenario"] == name for name in SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS if EVERY_SCENARIO else ("churn", "custom"))
def test_cruft_makes_the_same_bytes_of_a_seed_each_time(
    cloned: Path, tmp_path: Path, scenario: str
) -> None:
    made = [create(cloned, SEEDS / f"{scenario}.json", tmp_path / name) for name in ("one", "two")]
    first, second = (
        {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}
        for path in made
    )
    assert first == second

    answers, content = answers_of(scenario), settings(made[0])
    assert made[0].name == content["project"]["pipeline"] == answers["project_slug"]
    assert content["gate"] == {"metric": answers["metric_gate"], "bias": answers["bias_gate"]}
    assert content["aws"]["region"] == answers["aws_region"]
    commit = run("git", "rev-parse", "HEAD", cwd=cloned).stdout.strip()
    assert json.loads(first[Path(".cruft.json")])["commit"] == commit


# Why there is a check


def test_a_misspelt_gate_is_passed_over_by_cruft_and_refused_by_the_check(
    cloned: Path, tmp_path: Path
) -> None:
    answers = answers_of("attrition")
    del answers["bias_gate"]
    seed = written(tmp_path, answers | {"bias_gat": "worst_dppl < 0.05"})
    assert settings(create(cloned, seed, tmp_path / "made"))["gate"]["bias"] == "worst_dppl < 0.1"
    assert check(seed, status=2) == [
        f"{seed}: bias_gat: expected bias_gate, got a key that is no question"
    ]


def test_jinja_in_an_answer_is_run_by_cruft_and_refused_by_the_check(
    cloned: Path, tmp_path: Path
) -> None:
    seed = written(tmp_path, {"scenario": "churn", "project_name": "{{ 6 * 7 }}"})
    assert settings(create(cloned, seed, tmp_path / "made"))["project"]["name"] == "42"
    (sentence,) = check(seed, status=2)
    assert sentence.startswith(f"{seed}: project_name: expected a text without '{{{{', ")


# What the check says, and the schema beside it

ASKED = ", ".join(json.loads((SEEDS / "schema.json").read_text(encoding="utf-8"))["properties"])
CASES: list[tuple[object, list[str]]] = [
    ({"scenario": "churn"}, []),
    ({"scenario": "churn", "label": "Größe [cm] {x}", "bias_gate": ""}, []),
    ({"scenario": "frod"}, ["scenario: expected fraud, got 'frod'"]),
    ({"scenario": "weather"},
     [f"scenario: expected one of {', '.join(SCENARIOS)}, got 'weather'"]),
    ({"scenario": ["churn"]},
     [f"scenario: expected one of {', '.join(SCENARIOS)}, got a list"]),
    ({"label": "left"},
     [f"scenario: expected one of {', '.join(SCENARIOS)}, got no answer"]),
    ({"scenario": "churn", "Metric_gate": "auc > 0.9"},
     ["Metric_gate: expected metric_gate, got a key that is no question"]),
    ({"scenario": "churn", "_in_place": "fraud"},
     [f"_in_place: expected one of {ASKED}, got a key that is no question"]),
    ({"scenario": "churn", "qqq\n": "x"},
     [f"'qqq\\n': expected one of {ASKED}, got a key that is no question"]),
    ({"scenario": "churn", "metric_gate": 0.75},
     ["metric_gate: expected a text, got 0.75"]),
    ({"scenario": "churn", "bias_gate": None}, ["bias_gate: expected a text, got null"]),
    ({"scenario": "churn", "bias_gate": True}, ["bias_gate: expected a text, got true"]),
    ({"scenario": "churn", "bias_facets": {"city": 1}},
     ["bias_facets: expected a text, got an object"]),
    ({"scenario": "churn", "label": "{% raw %}"},
     ["label: expected a text without '{{', '{%' or '{#' (cookiecutter would run it), got "
      "'{% raw %}'"]),
    ({"scenario": "churn", "lable": "x", "aws_region": 1},
     ["lable: expected label, got a key that is no question",
      "aws_region: expected a text, got 1"]),
    ([{"scenario": "churn"}],
     ["expected an object of questions and answers, got a list"]),
    ("churn", ["expected an object of questions and answers, got 'churn'"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "sentences"), CASES)
def test_the_check_says_what_is_wrong_and_the_schema_agrees(
    tmp_path: Path, content: object, sentences: list[str]
) -> None:
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    right = ["every answer belongs to a question"]
    said = check(file, status=2 if sentences else 0)
    assert said == [f"{file}: {sentence}" for sentence in sentences or right]

    schema = json.loads((SEEDS / "schema.json").read_text(encoding="utf-8"))
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    assert validator(schema).is_valid(content) == (not sentences)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"scenario": "churn", "label": "a", "label": "b"}',
         "label: expected one answer, got 2"),
        (b'{"scenario": "churn",}', "it is no JSON: "),
        (b"", "it is no JSON: "),
        (b'{"scenario": "churn", "label": "\xff"}', "it is no JSON: "),
        (b"[" * 100_000, "it is no JSON: "),
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_plain_is_refused(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    file = tmp_path / "seed.json"
    file.write_bytes(content)
    (said,) = check(file, status=2)
    assert said.startswith(f"{file}: {sentence}")


def test_a_file_that_cannot_be_read_is_refused_and_the_others_are_still_checked(
    tmp_path: Path,
) -> None:
    good = SEEDS / "fraud.json"
    done = run(
        sys.executable, ROOT / "tools/seeds.py", "check", "nowhere.json", good, tmp_path, status=2
    )
    assert done.stderr.splitlines() == [
        "nowhere.json: it cannot be read: No such file or directory",
        f"{tmp_path}: it cannot be read: Is a directory",
    ]
    assert done.stdout == f"{good}: every answer belongs to a question\n"


def test_the_schema_is_generated_from_these_questions_and_valid(
    template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template / "seeds", tmp_path / "seeds")
    shutil.copytree(template / "tools", tmp_path / "tools")
    shutil.copyfile(template / "cookiecutter.json", tmp_path / "cookiecutter.json")
    (tmp_path / "seeds/schema.json").unlink()
    run(sys.executable, tmp_path / "tools/seeds.py", "schema")
    made = (tmp_path / "seeds/schema.json").read_bytes()
    assert made == (SEEDS / "schema.json").read_bytes(), "python tools/seeds.py schema"
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(json.loads(made))

    questions = json.loads((tmp_path / "cookiecutter.json").read_text(encoding="utf-8"))
    questions["cost_centre"] = "none"
    questions["__prompts__"]["cost_centre"] = "Who pays"
    (tmp_path / "cookiecutter.json").write_text(json.dumps(questions), encoding="utf-8")
    seed = written(tmp_path, {"scenario": "churn", "cost_centre": "HR"})
    assert check(seed, root=tmp_path) == [f"{seed}: every answer belongs to a question"]
    assert len(check(seed, status=2)) == 1


# The example of a job


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The example, parsed."""
    text = (SEEDS / "create-repositories.yml").read_text(encoding="utf-8")
    content: dict[str, Any] = pytest.importorskip("yaml").safe_load(text)
    return content


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of its one job."""
    (job,) = workflow["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def test_the_example_job_may_only_read_and_runs_nothing_that_is_not_pinned(
    workflow: dict[str, Any],
) -> None:
    (job,) = workflow["jobs"].values()
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    used = [step["uses"] for step in steps_of(workflow) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    scripts = [step["run"] for step in steps_of(workflow) if "run" in step]
    assert not any("${{" in script for script in scripts), "an answer in a shell's text"
    assert "python -m pip install --require-hashes --requirement requirements.lock" in scripts
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"^cruft==\S+ \\\n    --hash=", lock, re.MULTILINE)


def test_the_example_job_checks_a_seed_before_anything_else_uses_it(
    workflow: dict[str, Any],
) -> None:
    uses_seed = (step for step in steps_of(workflow) if re.search(r"SEED|inputs\.", str(step)))
    assert next(uses_seed)["run"] == 'python tools/seeds.py check "$SEED"'


@pytest.mark.parametrize("seed", ["attrition", "misspelt"])
def test_the_example_job_makes_a_repository_of_a_seed_that_passes(
    workflow: dict[str, Any], cloned: Path, tmp_path: Path, seed: str
) -> None:
    """Its scripts, run: what they install is here already, and the checkout is a shallow one."""
    folder = tmp_path / "checkout"
    run("git", "clone", "--quiet", "--depth=1", cloned.as_uri(), folder, cwd=tmp_path)
    (folder / "seeds/misspelt.json").write_text('{"scenario": "attrition", "bias_gat": ""}')
    values = {"inputs.seed": seed, "github.workspace": str(folder),
              "github.server_url": "https://git.example.com",
              "github.repository": "platform/template"}  # fmt: skip
    (job,) = workflow["jobs"].values()
    for step in steps_of(workflow):
        if "run" not in step or "pip install" in step["run"]:
            continue
        variables = {
            name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found[1]], text)
            for name, text in (job["env"] | step.get("env", {})).items()
        }
        is_refused = seed == "misspelt"
        run("bash", "-e", "-c", step["run"], cwd=folder, status=2 * is_refused, **variables)
        if is_refused:
            assert not (folder / "created").exists()
            return
    made = folder / "created/employee-attrition"
    cruft = json.loads((made / ".cruft.json").read_text(encoding="utf-8"))
    assert cruft["template"] == ADDRESS
    assert cruft["commit"] == run("git", "rev-parse", "HEAD", cwd=cloned).stdout.strip()
    assert settings(made)["project"]["profile"] == "attrition"
