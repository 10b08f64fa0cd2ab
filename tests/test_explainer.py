"""The explainer shows the compiled definition and a real run, and asks nobody for anything."""

from __future__ import annotations

import getpass
import html
import json
import re
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import golden
from conftest import ROOT, Run, in_full_tier
from explainer import page
from explainer.facts import ScenarioFacts, gather
from explainer.rendering import RUNNABLE
from explainer.roles import PHASES, ROLES
from explainer.sections import scenarios
from explainer.stored import size_text
from ninesteps.report.formatting import as_html
from ninesteps.report.steps import role
from ninesteps.settings.deploy import TYPES
from ninesteps.settings.tuning import Tuning
from test_docs import anchors

Explained = dict[str, ScenarioFacts]


@pytest.fixture(scope="module")
def made(explained: Explained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page and the reports."""
    return page.write(tmp_path_factory.mktemp("explainer"), explained).parent


@pytest.fixture(scope="module")
def text(made: Path) -> str:
    """The page."""
    return (made / "index.html").read_text(encoding="utf-8")


def steps_of(definition: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every step, also those in branches."""
    inner = [step["Arguments"].get("IfSteps", []) for step in definition]
    return [*definition, *(step for steps in inner for step in steps)]


def part_of(text: str, name: str, number: int) -> str:
    """One step's part of the page."""
    (found,) = re.findall(
        rf'<article class="part" id="{name}-step-{number}".*?</article>', text, re.S
    )
    return str(found)


@pytest.mark.parametrize("name", ["churn", "salary"])
def test_each_step_shows_its_request_of_the_definition(
    explained: Explained, text: str, name: str
) -> None:
    facts = explained[name]
    requests = {step["Name"]: step for step in steps_of(facts.definition["Steps"])}
    assert len(requests) == 9
    for number, step in enumerate(facts.run.steps, 1):
        part = part_of(text, name, number)
        (shown,) = re.findall(r'<pre[^>]* class="json"[^>]*>(.*?)</pre>', part, re.S)
        assert json.loads(html.unescape(re.sub(r"</?b>", "", shown))) == requests[step.name]
        assert step.name in part and f"SageMaker step type {step.type}" in part


def test_the_definition_is_the_one_that_is_kept(explained: Explained) -> None:
    for name, facts in explained.items():
        text = golden.without_hashes(json.dumps(facts.definition))
        assert json.loads(text) == json.loads((golden.GOLDEN / f"{name}.json").read_text("utf-8"))


def test_scripts_are_the_repositorys_and_stand_on_the_page_once(
    explained: Explained, text: str
) -> None:
    for script in ("process.py", "train.py", "evaluate.py", "inference.py", "clarify.py"):
        content = (explained["churn"].repository / "model_build/steps" / script).read_text("utf-8")
        assert text.count(as_html(content)) == 1
    assert "runs no script" in part_of(text, "churn", 9)


def test_sizes_and_rows_are_those_of_the_files(explained: Explained, text: str) -> None:
    for name, facts in explained.items():
        (table,) = facts.local.glob(
            f"s3/*/*/executions/{facts.run.id}/*ModelProcess/train/train.csv"
        )
        content = table.read_bytes()
        rows = content.count(b"\n")
        said = f"{rows:,} rows, {size_text(len(content))}"
        assert f'<code>train.csv</code> <span class="says-size">{said}<' in part_of(text, name, 1)


def test_every_step_has_a_role_and_the_phases_are_in_order(explained: Explained) -> None:
    for facts in explained.values():
        phases = [ROLES[role(step)].phase for step in facts.run.steps]
        assert phases == sorted(phases, key=list(PHASES).index)
        assert set(phases) == set(PHASES)
        assert len({ROLES[role(step)].title for step in facts.run.steps}) == 9


def test_each_report_lies_beside_the_page(explained: Explained, made: Path) -> None:
    for name, facts in explained.items():
        assert (made / f"reports/{name}.html").read_bytes() == facts.execution.page.read_bytes()


def card_of(text: str, name: str) -> str:
    """A scenario's card, as it is read."""
    (found,) = re.findall(rf'<li class="card" id="scenario-{name}">.*?</li>\n', text, re.S)
    return html.unescape(found)


def test_a_card_says_what_the_settings_say(explained: Explained, text: str) -> None:
    for name, facts in explained.items():
        card, settings = card_of(text, name), facts.settings
        said = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", card))
        assert said["Gate"] == settings.gate.metric
        assert said["Groups compared"] == settings.bias.facets
        assert said["Retrained"] == settings.schedule.cadence
        assert said["Label"] == settings.data.label
        assert said["Sample"].startswith(f"{facts.run.origin['table']['rows']:,} rows")
        assert f'href="reports/{name}.html"' in card


def test_every_algorithm_and_rollout_that_settings_may_name_has_words() -> None:
    assert set(scenarios.ROLLOUTS) == set(TYPES)
    assert set(scenarios.ALGORITHMS) == set(Tuning.ALGORITHMS)


def test_the_command_of_a_card_renders_it(text: str, template: Path, tmp_path: Path) -> None:
    card = card_of(text, "custom")
    (command,) = re.findall(r'aria-label="Command[^"]*">(.*?)</pre>', card)
    words = command.replace(scenarios.TEMPLATE, str(template)).split()
    done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "custom-pipeline/pipeline.toml").is_file()


def test_the_card_without_a_table_shows_what_is_drafted(text: str) -> None:
    (drafted,) = re.findall(
        r'aria-label="Drafted settings">(.*?)</pre>', card_of(text, "custom"), re.S
    )
    content = tomllib.loads(drafted)["data"]
    assert content["file"] == "data/churn.csv"
    assert content["label"] == "retained"
    assert "city" in content["columns"]


def test_links_to_the_documentation_lead_to_its_pages(text: str) -> None:
    links = set(re.findall(r'href="docs/([^"#]+)\.html#?([^"]*)"', text))
    assert ("start", "") in links and len(links) > 20
    for name, heading in links:
        if name.startswith("reference/"):  # made from the code, with the site
            continue
        page_file = ROOT / "docs" / f"{name}.md"
        assert page_file.is_file(), name
        assert not heading or heading in anchors(page_file), f"{name}#{heading}"


def test_the_page_asks_nobody_and_runs_its_own_script_alone(text: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(
        r"<(?:link|img|iframe|object|embed|script|source)\b[^>]*(?:src|href)=", text
    )
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|\son\w+=", text)


def test_no_path_user_or_machine_is_named(explained: Explained, made: Path) -> None:
    """On the page and in every report that is published with it."""
    folders = {str(ROOT), str(Path.home()), tempfile.gettempdir(), "/root/", "/home/"}
    folders |= {str(facts.repository.parent) for facts in explained.values()}
    names = {socket.gethostname(), getpass.getuser()} - {"localhost", "root"}
    pages = {path.name: path.read_text(encoding="utf-8") for path in made.rglob("*.html")}
    assert pages.keys() == {"index.html", *(f"{name}.html" for name in explained)}
    for file, text in pages.items():
        assert [folder for folder in folders if folder in text] == [], file
        assert [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)] == [], file


@in_full_tier
def test_every_scenario_with_a_table_is_explained(ran: Callable[[str], Run]) -> None:
    runs = {name: ran(name) for name in RUNNABLE}
    facts = {
        name: gather(name, run.repository.path, run.execution.name) for name, run in runs.items()
    }
    text = page.html(facts)
    for name in RUNNABLE:
        assert len(re.findall(rf'<article class="part" id="{name}-step-\d"', text)) == 9
        assert f'href="reports/{name}.html"' in card_of(text, name)
    test_every_link_within_leads_somewhere(text)


def test_every_link_within_leads_somewhere(text: str) -> None:
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]*)"', text):
        assert target in ids, target
