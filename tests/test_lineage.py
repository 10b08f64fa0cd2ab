"""The lineage of versions of a real run: printed, drawn, as events, backwards and forwards."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import walk
from conftest import Repository, library_of
from page_structure import check_structure

OPENLINEAGE = Path(__file__).parent / "openlineage"
DOCS = Path(__file__).parents[1] / "docs/lineage.md"

TYPES = {
    "artifact": {"DataSet", "Query", "Code", "Image", "Parameters", "PipelineDefinition", "Model",
                 "ModelPackage", "Repository", "Library", "Settings", "Environment"},
    "action": {"HyperParameterTuningJob", "Condition", "Approval", "ModelDeployment"},
    "context": {"PipelineExecution", "ModelGroup", "Endpoint"},
    "trial component": {"ProcessingJob", "TrainingJob", "TransformJob"},
}  # fmt: skip
ROLES = {
    "raw table", "commit", "feature group", "query", "code", "split", "evaluation",
    "bias and explainability report", "explanations of single records", "model", "SageMaker model",
    "predictions",
}  # fmt: skip

Json = dict[str, Any]


@dataclass(frozen=True)
class Lived:
    """A repository with versions that were decided on and deployed."""

    repository: Repository

    def asked(self, version: int) -> Json:
        """The graph of a version as it is printed now."""
        return dict(json.loads(self.repository.pipeline("lineage", str(version), "--json").stdout))

    @cache  # noqa: B019 -- one for the tests of this file
    def graph(self, version: int) -> Json:
        """The same, asked for once: most tests only look."""
        return self.asked(version)

    def versions(self, what: str) -> dict[str, bool]:
        """The versions that came from something, and whether their models did."""
        said = self.repository.pipeline("lineage", "--of", what, "--json").stdout
        return {v["name"].split()[-1]: v["is_in_model"] for v in json.loads(said)["versions"]}

    def file(self, uri: str) -> Path:
        """An object of S3."""
        return self.repository.path / ".local/s3" / uri.removeprefix("s3://")


@pytest.fixture(scope="module")
def lived(after_a_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Version 1 rejected; 2, of a commit but the same results, deployed; 3 of another table."""
    folder = tmp_path_factory.mktemp("lived") / after_a_run.name
    shutil.copytree(after_a_run, folder, symlinks=True)
    repository = Repository(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    repository.pipeline("run")
    repository.pipeline("reject", "1", "--who", "Jo Field", "--why", "a test")
    repository.pipeline("approve", "2", "--who", "Sam Lee", "--why", "good")
    with_loopback = str(library_of(folder))  # else it is cut off, too
    repository.pipeline("deploy", "2", "--port", "0", PYTHONPATH=with_loopback)
    repository.pipeline("endpoint", "--stop", PYTHONPATH=with_loopback)
    shorter = (folder / "data/churn.csv").read_bytes().splitlines(keepends=True)[:-200]
    (folder / "data/shorter.csv").write_bytes(b"".join(shorter))
    for name in ("jobs = 12", "parallel = 4"):
        repository.edit("pipeline.toml", name, name.partition("=")[0] + "= 1")
    repository.pipeline("run", "--data", "data/shorter.csv")
    yield Lived(repository)


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Team", "-c", "user.email=team@example.com")
    program = shutil.which("git") or "git"
    done = subprocess.run([program, *who, *words], cwd=folder, capture_output=True, text=True,
                          check=True)  # fmt: skip
    return done.stdout.strip()


def entities(graph: Json, **facts: str) -> list[Json]:
    return [e for e in graph["entities"] if all(e[name] == text for name, text in facts.items())]


def test_every_kind_of_entity_is_there(lived: Lived) -> None:
    graph = lived.graph(2)
    for kind, types in TYPES.items():
        assert {e["type"] for e in entities(graph, kind=kind)} >= types, kind
    assert {e["role"] for e in graph["entities"]} >= ROLES
    used = {association["type"] for association in graph["associations"]}
    assert used >= {"ContributedTo", "AssociatedWith", "Produced", "DerivedFrom"}


def test_no_entity_came_from_itself(lived: Lived) -> None:
    for version in (1, 2, 3):
        graph = lived.graph(version)
        leads_to: dict[str, set[str]] = {e["id"]: set() for e in graph["entities"]}
        for association in graph["associations"]:
            leads_to[association["source"]].add(association["destination"])
        while leads_to:
            ends = {id_ for id_, others in leads_to.items() if not others & leads_to.keys()}
            assert ends, f"a circle among {len(leads_to)} entities"
            leads_to = {id_: others for id_, others in leads_to.items() if id_ not in ends}


def test_each_hash_is_that_of_the_file_itself(lived: Lived) -> None:
    checked = set()
    for entity in lived.graph(2)["entities"]:
        if not entity["uri"].startswith("s3://"):
            continue
        path, facts = lived.file(entity["uri"]), entity["properties"]
        if path.is_file():
            assert entity["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            files = sorted(f for f in path.rglob("*") if f.is_file())
            listing = "".join(
                f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(path).as_posix()}\n"
                for f in files
            )
            assert files, entity
            assert entity["sha256"] == hashlib.sha256(listing.encode()).hexdigest()
            assert facts.get("files", listing) == listing
        checked.add(entity["role"])
    assert checked >= {"feature group", "query", "code", "split", "evaluation", "model"}


def test_a_table_is_one_artifact_however_many_versions_learnt_from_it(lived: Lived) -> None:
    tables = [entities(lived.graph(version), role="raw table") for version in (1, 2, 3)]
    assert tables[0] == tables[1] != tables[2]
    ((table,), _, (shorter,)) = tables
    file = lived.repository.path / "data/churn.csv"
    assert table["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert int(table["properties"]["rows"]) - int(shorter["properties"]["rows"]) == 200
    assert table["properties"]["last"] == "2018-01-22T00:00:00.000Z"


def test_a_later_run_changes_nothing_that_is_said_of_an_earlier_version(
    lived: Lived, tmp_path: Path
) -> None:
    shutil.copytree(lived.repository.path, tmp_path / "later", symlinks=True)
    later = Lived(Repository(tmp_path / "later"))
    with closing(sqlite3.connect(tmp_path / "later/.local/state.db")) as state, state:
        ((first, text),) = state.execute(
            "SELECT id, origin FROM executions ORDER BY rowid LIMIT 1"
        ).fetchall()
        origin = json.loads(text) | {"python": "3.13.0", "machine": "another", "overridden": {}}
        origin["table"] |= {"path": "elsewhere/copy.csv", "kept": 1, "used": 1, "left_out": []}
        for table, change in (
            ("executions", {"id": "laterlater01", "origin": json.dumps(origin)}),
            ("steps", {"execution": "laterlater01"}),
        ):
            named = [row[1] for row in state.execute(f"PRAGMA table_info({table})")]
            anew = {"record": "replace(record, :first, 'laterlater01')"}  # other jobs, other files
            values = ", ".join(
                f":{name}" if name in change else anew.get(name, name) for name in named
            )
            whose = "id" if table == "executions" else "execution"
            state.execute(
                f"INSERT INTO {table} SELECT {values} FROM {table} "  # noqa: S608
                f"WHERE {whose} = :first",
                {**change, "first": first},
            )
    assert later.graph(1) == lived.graph(1)
    (run,) = entities(later.graph(1), role="run")
    assert run["properties"]["raw table"] == "data/churn.csv"
    assert run["properties"]["rows left out"] == (
        "3 empty custid; 4 a later row has the same custid and event time"
    )
    with closing(sqlite3.connect(tmp_path / "later/.local/state.db")) as state:
        recorded = state.execute("SELECT name FROM lineage_entities WHERE role = 'run'").fetchall()
    assert ("run laterlater01",) in recorded


def test_what_a_run_was_started_with_is_its_own(lived: Lived) -> None:
    commits = {
        e["properties"]["uncommitted changes"]: e["properties"]["commit"]
        for version in (2, 3)
        for e in entities(lived.graph(version), role="commit")
    }
    head = git(lived.repository.path, "rev-parse", "HEAD")
    assert commits == {"no": head, "yes": head}  # the second is of edited settings
    (run, _) = sorted(entities(lived.graph(2), role="run"), key=lambda e: str(e["created"]))
    assert run["properties"]["not recorded"].startswith("commit: ")
    settings = entities(lived.graph(3), role="settings")[0]["sha256"]
    file = lived.repository.path / "pipeline.toml"
    assert settings == hashlib.sha256(file.read_bytes()).hexdigest()


def test_each_trial_is_there_with_its_settings_and_the_best_is_marked(lived: Lived) -> None:
    trials = entities(lived.graph(2), type="TrainingJob")
    assert len(trials) == 12
    assert all(len(json.loads(t["properties"]["hyperparameters"])) == 5 for t in trials)
    (best,) = [t for t in trials if t["properties"].get("best")]
    values = [float(t["properties"]["objective"].split()[-1]) for t in trials
              if "objective" in t["properties"]]  # fmt: skip
    assert float(best["properties"]["objective"].split()[-1]) == max(values)


def test_what_was_reused_leads_to_the_run_that_made_it(lived: Lived) -> None:
    first, second, third = (lived.graph(version) for version in (1, 2, 3))

    def ids(graph: Json, **facts: str) -> set[str]:
        return {entity["id"] for entity in entities(graph, **facts)}

    assert ids(first, role="job") == ids(second, role="job")
    assert ids(first, role="model") == ids(second, role="model")
    assert len(ids(first, role="run")) == 1
    assert len(ids(second, role="run")) == 2
    assert ids(first, role="run") < ids(second, role="run")
    assert not ids(second, role="job") & ids(third, role="job")
    assert ids(second, role="code") >= ids(third, role="code") - ids(third, name="train.py")


def test_decisions_and_deployments_are_there_with_who_and_why(lived: Lived) -> None:
    (rejected,) = entities(lived.graph(1), type="Approval")
    facts = rejected["properties"]
    assert (facts["after"], facts["who"], facts["why"]) == ("Rejected", "Jo Field", "a test")
    graph = lived.graph(2)
    (approved,) = entities(graph, type="Approval")
    (deployment,) = entities(graph, type="ModelDeployment")
    (package,) = entities(graph, type="ModelPackage")
    (model,) = entities(graph, role="model")
    edges = {(a["source"], a["destination"]): a["type"] for a in graph["associations"]}
    assert edges[approved["id"], package["id"]] == "ContributedTo"  # as SageMaker has it
    assert edges[approved["id"], deployment["id"]] == "AssociatedWith"
    assert edges[package["id"], deployment["id"]] == "ContributedTo"
    assert edges[model["id"], approved["id"]] == "ContributedTo"  # which it rests on
    assert deployment["properties"]["outcome"] == "deployed"
    assert deployment["properties"]["requests"] == "0"
    assert deployment["properties"]["served until because"] == "the endpoint was stopped"


def test_the_recorded_lineage_is_as_when_it_is_derived_again(lived: Lived) -> None:
    """So what a kill has left out is there the next time, and nothing is there twice."""
    file = lived.repository.path / ".local/state.db"

    def rows() -> list[list[Any]]:
        with closing(sqlite3.connect(file)) as state:
            return [
                sorted(state.execute("SELECT * FROM lineage_entities")),
                sorted(state.execute("SELECT * FROM lineage_associations")),
            ]

    before = lived.asked(2)
    recorded = rows()
    assert len(recorded[0]) > 50
    with closing(sqlite3.connect(file)) as state, state:
        state.execute("DELETE FROM lineage_associations")
        state.execute("DELETE FROM lineage_entities")
    after = lived.asked(2)
    assert rows() == recorded
    assert sorted(map(str, after["entities"])) == sorted(map(str, before["entities"]))
    assert lived.asked(2) == after
    assert rows() == recorded


def test_the_tree_fits_80_columns_and_has_no_line_twice(lived: Lived) -> None:
    lines = lived.repository.pipeline("lineage", "2").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert re.fullmatch(r"ModelPackage  customer-churn version 2  [0-9a-f]{12}", lines[0])
    assert "came from" in lines
    assert "led to" in lines
    of_jobs = [line for line in lines if "ProcessingJob" in line and "(above)" not in line]
    assert len(of_jobs) == len({line.split()[-1] for line in of_jobs}) == 4


def test_the_documentation_shows_what_is_printed(lived: Lived) -> None:
    (example, found, *_) = [b.text for b in walk.blocks(DOCS) if b.kind == "text"]
    printed = lived.repository.pipeline("lineage", "1").stdout
    assert walk.fits(example, printed)
    assert not walk.fits(example.replace("churn.csv", "other.csv"), printed)
    said = [lived.repository.pipeline("lineage", "--of", what).stdout
            for what in ("data/churn.csv", "customer-churn")]  # fmt: skip
    first_lines = [line for line in found.splitlines() if " version " not in line]
    assert all(text.startswith(line) for text, line in zip(said, first_lines, strict=True))


def test_a_mermaid_chart_has_every_node_and_names_what_it_joins(lived: Lived) -> None:
    """Mermaid's flowchart, as its grammar has it: declared nodes, then edges between them."""
    header, *lines = lived.repository.pipeline("lineage", "2", "--mermaid").stdout.splitlines()
    assert header == "flowchart LR"
    node = re.compile(
        r'    (n\d+)(\[|\{\{|\(\[|\()"((?:[\w .,:/…-]|#\d+;|<br/>)+)"(\]|\}\}|\]\)|\))'
    )
    edge = re.compile(r"    (n\d+) -->\|[A-Za-z]+\| (n\d+)")
    closing_of = {"[": "]", "{{": "}}", "([": "])", "(": ")"}
    nodes = [match for line in lines if (match := node.fullmatch(line))]
    edges = [match for line in lines if (match := edge.fullmatch(line))]
    assert len(nodes) + len(edges) == len(lines)
    assert all(closing_of[match[2]] == match[4] for match in nodes)
    names = [match[1] for match in nodes]
    assert len(set(names)) == len(names)
    assert {end for match in edges for end in match.groups()} == set(names)


def test_the_page_draws_it_and_each_node_leads_to_its_facts(lived: Lived) -> None:
    page = lived.repository.path / ".local/page.html"
    (run,) = {e["properties"]["run"] for e in entities(lived.graph(2), type="ModelPackage")}
    lived.repository.pipeline("report", run, "-o", str(page))
    html = page.read_text(encoding="utf-8")
    check_structure(html)
    section = html[html.index('<section id="lineage"') :]
    section = section[: section.index("</section>")]
    places = re.findall(r'<a class="entity" href="#(lineage-\d+)"', section)
    assert len(places) > 25
    assert sorted(places) == sorted(re.findall(r'<div id="(lineage-\d+)"', section))
    for entity in lived.graph(2)["entities"]:
        assert entity["id"] in section
        assert entity["sha256"] in section
    assert "approved by Sam Lee" in section
    assert len(section) < 100_000


def validator() -> Callable[[Json], Iterator[str]]:
    """What is wrong with an event, by OpenLineage's own schemas."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    files = [OPENLINEAGE / "OpenLineage.json", *sorted((OPENLINEAGE / "facets").iterdir())]
    contents = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    registry = referencing.Registry().with_resources(
        (content["$id"], referencing.Resource.from_contents(content)) for content in contents
    )

    def made(schema: Json) -> Any:
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        return jsonschema.Draft202012Validator(schema, registry=registry, format_checker=checker)

    of_event, of_facet = made({"$ref": contents[0]["$id"]}), {}
    for content in contents[1:]:
        ((name, _),) = content["properties"].items()
        of_facet[name] = (content["$id"], made({"$ref": content["$id"]}))

    def faults(event: Json) -> Iterator[str]:
        yield from (error.message for error in of_event.iter_errors(event))
        for name, facet in facets(event):
            address, of = of_facet[name]
            assert facet["_schemaURL"].partition("#")[0] == address
            yield from (error.message for error in of.iter_errors({name: facet}))

    return faults


def facets(event: Json) -> Iterator[tuple[str, Json]]:
    for part in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        for section in ("facets", "inputFacets"):
            yield from part.get(section, {}).items()


def test_events_are_valid_by_openlineages_own_schemas(lived: Lived) -> None:
    said = lived.repository.pipeline("lineage", "2", "--openlineage").stdout
    events = [json.loads(line) for line in said.splitlines()]
    faults = validator()
    assert [list(faults(event)) for event in events] == [[]] * len(events)
    broken = {**events[0], "run": {}, "eventTime": "yesterday"}
    assert list(faults(broken)), "the schema finds nothing at all"
    kinds: dict[str, list[str]] = {}
    for event in events:
        kinds.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert all(sorted(of) == ["COMPLETE", "START"] for of in kinds.values())
    steps = {event["job"]["name"] for event in events}
    assert {"ChurnModelProcess", "ChurnHyperParameterTuning", "ChurnTransform"} <= steps
    assert {name for event in events for name, _ in facets(event)} >= {
        "version", "dataSource", "schema", "sql", "jobType", "parent", "executionParameters",
    }  # fmt: skip
    assert "columnLineage" not in said
    assert [e["eventTime"] for e in events] == sorted(e["eventTime"] for e in events)


@pytest.mark.parametrize(
    ("what", "versions"),
    [
        ("customer-churn", {"1": True, "2": True, "3": True}),  # the feature group
        ("the split of version 1", {"1": True, "2": True}),
        ("the evaluation of version 3", {"3": False}),
        ("the run of version 2", {"2": False}),
        ("data/churn.csv", {"1": True, "2": True}),
        ("data/shorter.csv", {"3": True}),
        ("the commit", {"2": False, "3": True}),  # version 2 reuses what was there before
    ],
)
def test_versions_are_found_by_what_they_came_from(
    lived: Lived, what: str, versions: dict[str, bool]
) -> None:
    if what.startswith("the split"):
        (split,) = entities(lived.graph(1), role="split", name="train.csv")
        what = split["sha256"][:16]
    elif what == "the commit":
        what = git(lived.repository.path, "rev-parse", "HEAD")[:10]
    elif what.startswith("the evaluation"):
        (evaluation,) = entities(lived.graph(3), role="evaluation")
        what = evaluation["uri"]
    elif what.startswith("the run"):
        runs = {e["properties"]["run"] for e in entities(lived.graph(2), role="run")}
        (what,) = runs - {e["properties"]["run"] for e in entities(lived.graph(1), role="run")}
    assert lived.versions(what) == versions


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["9"], 2, "pipeline: customer-churn has no version 9: it has 1 to 3"),
        (["one"], 2, "pipeline: expected a version's number such as 1, got 'one'"),
        (["-1"], 2, "pipeline: expected a version's number such as 1, got '-1'"),
        (["--of", "nothing"], 2, "pipeline: expected a file, a feature group, a commit, a SHA-256 "
         "or an S3 URI that a run here has used, got 'nothing'"),
        (["--of", "README.md"], 2, "pipeline: README.md: no run here has read or written a file "
         "with its content (sha256 "),
        ([], 2, "Error: expected VERSION or --of THING, got neither"),
        (["1", "--json", "--mermaid"], 2, "Error: expected --json, --mermaid or "
         "--openlineage, got several"),
    ],
)  # fmt: skip
def test_what_there_is_not_is_one_sentence(
    lived: Lived, words: list[str], status: int, sentence: str
) -> None:
    done = lived.repository.pipeline("lineage", *words, status=status)
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(sentence)


def test_a_folder_that_may_only_be_read_is_read(lived: Lived) -> None:
    """Nothing on disk is changed by looking: an auditor may have no right to write."""
    local = lived.repository.path / ".local"
    before = {f: f.read_bytes() for f in (local / "state.db",)}
    lived.asked(2)
    assert {f: f.read_bytes() for f in before} == before
