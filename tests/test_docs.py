"""The documentation: it builds strictly, leads nowhere that is not there, and says what is true."""

from __future__ import annotations

import ast
import dataclasses
import html
import json
import re
import shutil
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np
import pytest

import activities
import reference
from conftest import GENERATED, QUESTIONS, ROOT, Rendered

DOCS = ROOT / "docs"
SITE = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
READ_ON_GITHUB = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")

HOSTS = {"cruft.github.io", "docs.aws.amazon.com"}
"""Where links may lead to outside."""

PAGE_HOSTS = {*HOSTS, "zensical.org"}
"""Where those of a built page may: the theme names its maker."""

EXAMPLES = {
    "git.example.com",
    "studio-d-abc.studio.eu-west-1.sagemaker.aws",
    "us-east-1.console.aws.amazon.com",
}

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ADDRESS = re.compile(r"https?://[^\s)\"'<>`]+")


# The site


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation's sources, with the reference made of the code."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("reference"))
    (folder / "docs/reference").mkdir()
    shutil.copyfile(DOCS / "reference/index.md", folder / "docs/reference/index.md")
    shutil.copyfile(ROOT / "zensical.toml", folder / "zensical.toml")
    command = [sys.executable, str(ROOT / "tools/reference.py"), str(folder / "docs/reference")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def site(pages: Path) -> Path:
    """The built site."""
    done = build(pages)
    assert done.returncode == 0, done.stdout + done.stderr
    return pages / "site/docs"


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def nav_files(nav: list[Any]) -> Iterator[str]:
    """The files that a navigation names."""
    for item in nav:
        for inner in item.values() if isinstance(item, dict) else (item,):
            yield from nav_files(inner) if isinstance(inner, list) else [inner]


def test_every_page_is_in_the_navigation_and_built(pages: Path, site: Path) -> None:
    named = list(nav_files(SITE["nav"]))
    there = {path.relative_to(pages / "docs").as_posix() for path in pages.rglob("docs/**/*.md")}
    assert sorted(named) == sorted(there)
    for name in named:
        assert (site / name).with_suffix(".html").is_file(), name


@pytest.mark.parametrize("broken", ["[x](nowhere.md)", "[x](gate.md#nowhere)", "[x](#nowhere)"])
def test_a_link_that_leads_nowhere_stops_the_build(
    pages: Path, tmp_path: Path, broken: str
) -> None:
    shutil.copytree(pages, tmp_path / "copy", ignore=shutil.ignore_patterns("site", ".cache"))
    page = tmp_path / "copy/docs/why.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n{broken}\n", encoding="utf-8")
    done = build(tmp_path / "copy")
    assert done.returncode != 0
    assert "does not exist" in re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)


def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*>", text)
        fetched = [tag for tag in tags if re.search(r"""\b(?:src|href)=["']?(?:https?:)?//""", tag)]
        assert fetched == [], page
        drawn = re.search(r"""class=["']?[^"'>]*\bmermaid\b|language-mermaid""", text)
        assert drawn is None, f"{page}: a drawing would be drawn by a script from a CDN"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)[\"'\s]*(?:https?:)?//", sheet.read_text("utf-8"))


def test_links_of_pages_lead_to_known_places_outside(site: Path) -> None:
    for page in site.rglob("*.html"):
        for address in re.findall(r'<a [^>]*href="(https?:[^"]+)"', page.read_text("utf-8")):
            parts = urlsplit(html.unescape(address))
            assert parts.scheme == "https", address
            assert parts.hostname in PAGE_HOSTS, f"{page.name}: {address}"


def test_the_search_knows_the_pages(site: Path) -> None:
    found = (site / "search.json").read_text(encoding="utf-8")
    for sentence in (
        "expected a closing bracket, got the end of the gate",
        "min_group_size",
        "balanced_accuracy",
    ):
        assert sentence in found, sentence


# What is read on GitHub, as plain Markdown


def links(file: Path) -> list[str]:
    """Where a page's links lead, those in its blocks of code left out."""
    text = re.sub(r"^```.*?^```$", "", file.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return _LINK.findall(text)


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def committed_pages() -> list[Path]:
    return [
        *(ROOT / name for name in READ_ON_GITHUB),
        *sorted(DOCS.glob("*.md")),
        DOCS / "reference/index.md",
    ]


@pytest.mark.parametrize("page", committed_pages(), ids=lambda page: page.name)
def test_links_on_github_lead_to_files_that_are_committed(template: Path, page: Path) -> None:
    """`template` holds what git knows, so a link to a page that is made at build time fails."""
    here = template / page.relative_to(ROOT)
    for link in links(page):
        name, _, anchor = link.partition("#")
        if urlsplit(link).scheme:
            continue
        target = here.parent / name if name else here
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_the_generated_readme_leads_to_files_that_are_there(rendered: Rendered) -> None:
    for scenario in QUESTIONS["_scenarios"]:
        repository = rendered(scenario).path
        for link in links(repository / "README.md"):
            assert urlsplit(link).scheme or (repository / link.partition("#")[0]).exists(), link
        text = (repository / "README.md").read_text(encoding="utf-8")
        table = text.partition("## What is where\n")[2].partition("\n## ")[0]
        assert "| `pipeline.toml` |" in table
        for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE):
            is_sample = name == "data/" and not (repository / "data").exists()
            assert is_sample or (repository / name).exists(), f"{scenario}: {name}"


def test_the_anatomy_gives_the_length_of_each_file() -> None:
    """To a tenth, or five lines: a reader wants to know whether a file is short."""
    text = (DOCS / "anatomy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w./]+)` \|.*\| ([\d,]+) \|$", text, re.MULTILINE)
    lengths = {name: int(said.replace(",", "")) for name, said in rows}
    assert {"pipeline.toml", "model_build/pipeline.py", "README.md"} < lengths.keys()
    for name, said in lengths.items():
        if (GENERATED / name).is_file():
            length = len((GENERATED / name).read_text(encoding="utf-8").splitlines())
            assert abs(length - said) <= max(5, length / 10), f"{name}: {length}"


@pytest.mark.parametrize("page", committed_pages(), ids=lambda page: page.name)
def test_addresses_are_well_formed_and_of_known_hosts(page: Path) -> None:
    for address in _ADDRESS.findall(page.read_text(encoding="utf-8")):
        parts = urlsplit(address.rstrip(".,;"))
        if parts.hostname == "127.0.0.1":
            continue
        assert parts.scheme == "https", address
        assert parts.hostname in HOSTS | EXAMPLES, f"{page.name}: {address}"


def test_the_glossary_is_the_librarys(pages: Path) -> None:
    """The page is kept, so that others may lead to it: `python tools/reference.py` writes it."""
    written = (pages / "docs/glossary.md").read_text(encoding="utf-8")
    assert (DOCS / "glossary.md").read_text(encoding="utf-8") == written


# Your own table


def test_settings_of_a_table_read_the_texts_beside_them() -> None:
    import pyarrow as pa

    from ninesteps.feature_store.reading.values import read_numbers
    from ninesteps.settings.data import Column, Quality
    from ninesteps.settings.names import is_stored_name

    page = (DOCS / "your-table.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    read = [tomllib.loads(block) for block in sorted(blocks, key=lambda block: block[0] == "[")]
    data: dict[str, Any] = {name: {} for name in ("columns", "quality", "stored")}
    for content in (block.get("data", {}) for block in read):
        for name, keys in content.items():
            data[name] |= keys
    columns = {name: Column(**keys) for name, keys in data["columns"].items()}
    ranged = [columns.pop(name) for name in ("age", "city")]
    assert all(column.required for column in ranged)
    assert (ranged[0].min, ranged[0].max) == (18, 75)
    texts = {
        "price": ("$1,234.50", 1234.5),
        "weight": ("1.234,5 kg", 1234.5),
        "change": ("(12) %", -12),
    }
    assert set(columns) == set(texts)
    for name, (text, number) in texts.items():
        assert text in page
        assert read_numbers(pa.array([text]), columns[name]).to_pylist() == [number]
    assert Quality(**data["quality"]) == Quality(max_age_days=45)
    assert all(map(is_stored_name, data["stored"].values()))


# The reference says everything that the code has


@pytest.fixture(scope="module")
def text(pages: Path) -> dict[str, str]:
    """The reference's pages by name, with Markdown's escapes undone."""
    return {
        path.stem: re.sub(r"\\([*_<\[\]|])", r"\1", path.read_text(encoding="utf-8"))
        for path in (pages / "docs/reference").glob("*.md")
    }


def test_every_question_is_there_with_its_choices_and_defaults(text: dict[str, str]) -> None:
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text["questions"], re.M | re.S))
    asked = {key: value for key, value in QUESTIONS.items() if not key.startswith("_")}
    assert list(parts) == list(asked)
    for key, value in asked.items():
        prompt = QUESTIONS["__prompts__"][key]
        asked_as = prompt if isinstance(prompt, str) else prompt["__prompt__"]
        assert asked_as.rpartition("\n")[2].strip() in parts[key]
        for choice in value if isinstance(value, list) else []:
            assert f"`{choice}`: " in parts[key]
        for scenario, answers in QUESTIONS["_scenarios"].items():
            if answers.get(key):
                assert f"| `{scenario}` | `{answers[key]}` |" in parts[key]


def data_classes(module: ModuleType) -> list[type]:
    return [
        one for one in vars(module).values()
        if dataclasses.is_dataclass(one) and isinstance(one, type)
        and one.__module__ == module.__name__
    ]  # fmt: skip


def test_every_setting_is_there_with_its_default_and_a_text(text: dict[str, str]) -> None:
    from ninesteps.profiles import profile
    from ninesteps.settings import (
        ab_test,
        data,
        deploy,
        environment,
        features,
        judge,
        judgement,
        meanings,
        operation,
        project,
        tuning,
    )  # fmt: skip

    modules = (ab_test, data, deploy, environment, features, judge, judgement, meanings, operation,
               project, tuning, profile)  # fmt: skip
    fields = [field for module in modules for one in data_classes(module)
              if one.__name__ not in {"Alarm", "_File"} for field in dataclasses.fields(one)
              if field.metadata.get("in_file", True)
              and not dataclasses.is_dataclass(typing.get_type_hints(one)[field.name])]  # fmt: skip
    fields += dataclasses.fields(data.Column)  # of [data.label_column] too
    rows = [[cell.strip() for cell in re.split(r" \| ", line.strip("| "))]
            for line in text["settings"].splitlines() if line.startswith("| `")]  # fmt: skip
    assert sorted(row[0].strip("`") for row in rows) == sorted(field.name for field in fields)
    for key, kind, default, *about in rows:
        assert about and about[0], f"{key}: nothing explains it"
        assert kind and default, key
    for field in fields:
        if isinstance(field.default, str | int | float) and field.default != "":
            written = json.dumps(field.default)
            assert [r for r in rows if r[0] == f"`{field.name}`" and r[2] == f"`{written}`"], field


def test_what_a_setting_expects_stands_beside_it(text: dict[str, str]) -> None:
    for key, expected in (
        ("decimal", '"." or ","'),
        ("salt", "a string, fixed before any result is seen"),
        ("unreadable", "a share between 0 and 1"),
        ("event_time_format", 'the format of a time, such as "%d.%m.%Y %H:%M"'),
    ):
        row = re.search(rf"^\| `{key}` \|.*\| (.*) \|$", text["settings"], re.MULTILINE)
        assert row and expected in row[1], key


def test_the_keys_of_every_scenarios_settings_are_there(text: dict[str, str]) -> None:
    for file in [GENERATED / "pipeline.toml", *GENERATED.glob("scenarios/*/pipeline.toml")]:
        for table, content in tomllib.loads(file.read_text(encoding="utf-8")).items():
            part = text["settings"].partition(f"### `[{table}]`")[2].partition("\n### ")[0]
            for key in content:
                assert f"| `{key}` |" in part or f"### `[{table}.NAME]`" in text["settings"] or (
                    f"### `[{table}.{key}.NAME]`" in text["settings"]
                ), f"{file.parent.name}: [{table}] {key}"  # fmt: skip


def test_a_setting_without_a_text_is_refused() -> None:
    with pytest.raises(reference.Unexplained, match=r"Unexplained\.bare has no comment"):
        list(reference.sections(Undocumented))


@dataclasses.dataclass
class Unexplained:
    """A table with a key that nobody explains."""

    explained: str = ""  # by this
    bare: str = ""


@dataclasses.dataclass
class Undocumented:
    """All of it."""

    table: Unexplained = dataclasses.field(default_factory=Unexplained)


def test_every_metric_that_a_gate_may_name_is_there(text: dict[str, str]) -> None:
    from ninesteps.settings import gate

    for problem, names in gate.METRICS.items():
        for name in (*names, *gate.BIAS_METRICS[problem]):
            assert gate.parse(f"{name} > 0.5", problem)
            assert f"| `{name}` | " in text["metrics"], name
    for name in gate.FACET_METRICS:
        assert f"| `{name}[facet]` | " in text["metrics"], name


def test_every_metric_of_the_bias_report_is_there_in_full(text: dict[str, str]) -> None:
    import bias_metrics

    assert len(bias_metrics.DESCRIPTIONS) == 21
    for description in bias_metrics.DESCRIPTIONS.values():
        part = text["metrics"].partition(f"### {description}\n")[2].partition("\n### ")[0]
        assert re.search(r"^- Formula: `.+`$", part, re.MULTILINE), description
        assert re.search(r"^- Range: `.+`$", part, re.MULTILINE), description
        assert re.search(r"^- Source: .*guide, “.+”$", part, re.MULTILINE), description
        assert len(re.findall(r"^- ", part, re.MULTILINE)) == 4, description


def test_the_measured_numbers_lie_in_the_ranges_that_are_said() -> None:
    import bias_metrics
    from bias_metrics import Outcomes, flip_test, posttraining_bias, pretraining_bias

    said = reference.metrics(Path(bias_metrics.__file__))
    source, measured = np.random.default_rng(3), set()
    for rows in source.integers(4, 40, 300):
        labels, predictions, group = source.random((3, rows)) < source.random((3, 1))
        strata, features = source.integers(0, 3, rows), source.normal(size=(rows, 2))
        outcomes = Outcomes.of(labels, predictions, strata)
        (cells,) = outcomes.of_groups(np.where(group, 0, 1), 1)
        numbers = pretraining_bias(cells) | posttraining_bias(cells)
        numbers["FT"] = flip_test(predictions, group, features)
        for name, number in numbers.items():
            if number is not None:
                low, high = (bound(one) for one in said[name].range.strip("[]()").split(", "))
                assert low - 1e-9 <= number <= high + 1e-9, f"{name} = {number}"
                measured.add(name)
    assert measured == set(bias_metrics.DESCRIPTIONS)


def bound(text: str) -> float:
    """An end of a range, as it is written."""
    known = {"ln 2": np.log(2), "sqrt 2": np.sqrt(2), "inf": np.inf, "-inf": -np.inf}
    return float(known.get(text, text))


def test_every_command_and_option_is_there(text: dict[str, str]) -> None:
    from ninesteps.cli.main import main

    def leaves(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from leaves(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command

    found = dict(leaves(main, "pipeline"))
    assert {"pipeline run", "pipeline check", "pipeline compile"} <= set(found)
    for path, command in found.items():
        part = text["commands"].partition(f"## {path}\n")[2].partition("\n## ")[0]
        assert " ".join(str(command.help).split("\n\n")[0].split()) in part, path
        for parameter in command.params:
            is_option = isinstance(parameter, click.Option)
            context = click.Context(command)
            names = parameter.opts if is_option else [parameter.make_metavar(context)]
            for name in names:
                assert re.search(rf"`\[?{re.escape(name)}[] `]", part), f"{path} {name}"


def test_every_exit_status_of_the_commands_is_there(text: dict[str, str]) -> None:
    from ninesteps import errors

    statuses = {errors.FAILED, errors.WRONG_USE, errors.NOT_REGISTERED, errors.INTERRUPTED}
    for kind in errors.NineStepsError.__subclasses__():
        assert kind.exit_status in statuses, kind
    for status in statuses:
        assert f"| `{status}` | " in text["commands"], status


def error_texts() -> list[tuple[str, str]]:
    """The longest piece of text that each `raise` in the code has, found without `ast`."""
    found = []
    for path in sorted(GENERATED.rglob("*.py")):
        name = path.relative_to(GENERATED).as_posix().removeprefix("library/src/")
        if name.startswith(("tests/", "scenarios/", "library/", ".")):
            continue
        raised = re.findall(
            r"raise [\w.]+\(\s*f?(\"(?:[^\"\\\n]|\\.)*\")", path.read_text(encoding="utf-8")
        )
        for literal in raised:
            longest = max(re.split(r"\{[^}]*\}", str(ast.literal_eval(literal))), key=len).strip()
            if len(re.findall(r"\w+", longest)) > 1 < len(longest.split()):
                found.append((name, longest))
    return found


def test_the_errors_are_ordered_by_what_the_reader_was_doing(text: dict[str, str]) -> None:
    headings = re.findall(r"^## (.+)$", text["errors"], re.MULTILINE)
    assert headings == ["What the exceptions are", *activities.ORDER]
    assert len(activities.ORDER) == len(activities.ACTIVITIES)
    for activity in activities.ACTIVITIES:
        part = text["errors"].partition(f"\n## {activity.name}\n")[2].partition("\n## ")[0]
        assert part.strip().startswith(activity.when) and "\n### " in part
        for pattern in activity.modules:
            said = [m for m in reference.said_by_module() if fnmatch(m, pattern)]
            assert said, f"{activity.name}: no module that says anything is {pattern}"


def test_every_error_that_is_raised_is_there(text: dict[str, str]) -> None:
    raised = error_texts()
    assert len(raised) > 100
    for module, piece in raised:
        part = re.split(r"\n##+ ", text["errors"].partition(f"\n### {module}\n")[2])[0]
        assert piece in part, f"{module}: {piece}"


SAID = {
    "ninesteps/settings/gate.py": [
        "auc >> 1",
        "(auc > 0.5",
        "rmse > 3",
        "auc > 2",
        "",
        "auc > 0.5 auc",
    ],
    "ninesteps/settings/facets.py": ["a, a", "a>=x", "=", "é", "a=|b"],
    "ninesteps/settings/cadence.py": ["soon", "rate(0 days)", "cron(1 2 3)", "cron(61 0 1 * ? *)"],
}


@pytest.mark.parametrize(("module", "wrong"), SAID.items(), ids=SAID)
def test_what_is_really_said_is_one_of_the_sentences(
    text: dict[str, str], module: str, wrong: list[str]
) -> None:
    from ninesteps.settings import cadence, facets, gate

    part = re.split(r"\n##+ ", text["errors"].partition(f"\n### {module}\n")[2])[0]
    known = [re.sub(r"\\\{[\w.]+\\\}", ".*", re.escape(sentence.strip()))
             for sentence in re.findall(r"^- `+(.*?)`+$", part, re.MULTILINE)]  # fmt: skip
    for written in wrong:
        with pytest.raises(ValueError, match=r"\w") as error:
            if module.endswith("gate.py"):
                gate.parse(written, "binary")
            else:
                (facets.parse if module.endswith("facets.py") else cadence.parse)(written)
        assert any(re.fullmatch(one, str(error.value)) for one in known), error.value


def test_the_rules_of_settings_and_the_findings_of_the_check_are_there(
    text: dict[str, str],
) -> None:
    for sentence in (
        "`[split] salt`: `expected a string, fixed before any result is seen, got {value}`",
        "`[tuning] jobs`: `expected at most 750 (SageMaker's limit), got {value}`",
        "`Steps: expected one or more steps, got none`",
        "it waits for itself, expected it to wait for other steps only",
        "marks of an unfinished merge",
        "expected {right}, got a key that is no question",
    ):
        assert sentence in text["errors"], sentence
