"""`pipeline reproduce`: a version is made again, and what differs, or is gone, is said."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sqlite3
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import archives
from ninesteps.cli import here, main
from ninesteps.local.engine import Engine
from ninesteps.local.state import digest_of
from ninesteps.report.local_run import packages
from ninesteps.repository import origin
from ninesteps.runs.reproducing import environment, inputs, repository
from ninesteps.runs.reproducing.differences import Difference, difference
from ninesteps.runs.reproducing.recorded import Recorded, recorded
from ninesteps.runs.reproducing.result import (
    CHANGED,
    DIFFERS,
    GONE,
    REMADE,
    USED,
    Artifact,
    Part,
    Reproduction,
)
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import code_objects
from ninesteps.terminal import reproduction
from small_definitions import (
    WRITE,
    Bench,
    Json,
    archive,
    get,
    join,
    model,
    output_of,
    read,
    register,
    s3_input,
)

TRAIN = """\
import os, pathlib, sys
eta = float(sys.argv[sys.argv.index("--eta") + 1])
print(f"[0]#011validation-auc:{0.9 - abs(eta - 0.5):.6f}")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(f"{eta}\\n" * 3)
"""
SCORE = f"""{WRITE}
noise = NOISE
text = '{{"auc": {{"value": %r}}, "rows": 7}}' % (0.9 + noise)
(base / "processing/output/metrics/evaluation.json").write_text(text)
"""
NOISY = "int.from_bytes(os.urandom(4), 'big') / 2**32 / 100 + 0.001"
"""From 0.001 to 0.011: two runs have two."""


@dataclass(frozen=True)
class Product:
    """A repository with a version of a few small steps."""

    root: Path
    scratch: Path  # where temporary folders are made
    group: str

    @property
    def local(self) -> Path:
        return self.root / ".local"

    def file(self, pattern: str) -> Path:
        """The one file below the folder that stands for S3."""
        (file,) = (self.local / "s3").glob(pattern)
        return file

    def reproduce(self, *options: str, status: int = 0) -> Result:
        """Run the command in the repository, whose own results it may only read."""
        before = tree(self.local)
        done = CliRunner().invoke(main.main, ["reproduce", *options])
        assert done.exit_code == status, done.output + done.stderr
        assert tree(self.local) == before
        assert not [*self.scratch.iterdir()]
        return done

    def states(self, *options: str, status: int = 0) -> dict[str, Json]:
        """Every artifact as the command's JSON has it."""
        done = self.reproduce(*options, "--json", status=status)
        return {
            f"{step['name']} {artifact['name']}": artifact
            for step in json.loads(done.stdout)["steps"]
            for artifact in step["artifacts"]
        }

    def recorded(self, number: int = 1) -> Recorded:
        return recorded(self.local, self.group, number)


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its digest; SQLite's memory of who reads is no result."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != "state.db-shm")
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def steps_of(bench: Bench, group: str, noise: str = "0.0") -> tuple[Json, ...]:
    """Rows, a search, a score, and the version."""
    rows = bench.processing("Rows", f"{WRITE}\n(base / 'processing/output/rows/a.csv')"
                            ".write_text('a,1.5\\n' * 9)", ("rows",))  # fmt: skip
    rows["CacheConfig"] = {"Enabled": True, "ExpireAfter": "P1D"}
    tune = {**bench.tuning(TRAIN, jobs=2), "DependsOn": ["Rows"]}
    tune["CacheConfig"] = {"Enabled": True, "ExpireAfter": "P1D"}
    best = join(
        get("Steps.Tune.TrainingJobDefinition.OutputDataConfig.S3OutputPath"),
        get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"),
        "output/model.tar.gz",
    )
    score = bench.processing(
        "Score", SCORE.replace("NOISE", noise), ("metrics",), DependsOn=["Tune"],
        inputs=[s3_input("rows", output_of("Rows", "rows"))],
    )  # fmt: skip
    metrics = join(output_of("Score", "metrics"), "evaluation.json")
    package = register("Register", best, metrics, DependsOn=["Create", "Score"])
    package["Arguments"]["ModelPackageGroupName"] = group
    return rows, tune, model("Create", best), score, package


def product_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, noise: str = "0.0", runs: int = 1
) -> Product:
    root = archives.repository(folder, "churn")
    group = loading.load(root).model_package_group
    bench = Bench(root / ".local")
    steps = steps_of(bench, group, noise)
    for _ in range(runs):
        execution = bench.engine.run("customer-churn", read(*steps), {})
        assert execution.versions, [run.reason for run in execution.steps.values()]
    bench.engine.state._connection.close()  # which takes SQLite's log into the file
    return typed_in(folder, monkeypatch, group)


def typed_in(folder: Path, monkeypatch: pytest.MonkeyPatch, group: str) -> Product:
    """The repository below a folder, as that in which commands are typed from now on."""
    root, scratch = folder / "repository", folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(root)
    here.root.cache_clear()
    return Product(root, scratch, group)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A repository with a version, which is never changed."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        return product_in(folder, patched)


@pytest.fixture
def product(made: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    """A copy of it, in which the command is typed."""
    shutil.copytree(made.root, tmp_path / "repository")
    return typed_in(tmp_path, monkeypatch, made.group)


# A version, made again


def test_every_artifact_of_every_step_is_compared_and_identical(product: Product) -> None:
    found = product.states("1")
    assert {artifact["state"] for artifact in found.values()} == {"identical"}
    run = product.recorded().run.id
    models = sorted(name for name in found if name.endswith("/output/model.tar.gz"))
    assert len(models) == 3  # of two trials, and the best again
    assert {name.partition(run)[0] for name in models} == {"Tune models/", "Create models/"}
    assert [name for name in found if name not in models] == [
        "Rows rows/a.csv", "Rows request and answer", "Tune request and answer",
        "Create request and answer", "Score metrics/evaluation.json", "Score request and answer",
        "Register package request",
    ]  # fmt: skip
    digests = {digest for one in found.values() for digest in (one["made"], one["recorded"])}
    assert {len(digest) for digest in digests} == {64}


def test_a_folder_that_is_asked_for_keeps_the_run_and_what_was_found(
    product: Product, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    done = product.reproduce("1", "-o", str(kept))
    assert done.stdout.splitlines()[-1] == "reproduced: every artifact is byte-identical"
    content = json.loads((kept / "reproduction.json").read_text(encoding="utf-8"))
    run = product.recorded().run.id
    assert (content["version"], content["run"], content["is_proven"]) == (1, run, True)
    assert (kept / "runs" / run / "logs/Score.log").is_file()
    assert product.reproduce("1", "-o", str(kept), status=2).stderr.count("expected an empty") == 1


def test_a_version_whose_steps_came_from_an_earlier_run_is_made_again_under_its_own_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = product_in(tmp_path, monkeypatch, runs=2)
    kept = product.recorded(2)
    assert kept.sources["Tune"] == kept.runs[0] != kept.run.id == kept.sources["Score"]
    done = product.reproduce("2", "--json")
    content = json.loads(done.stdout)
    assert content["runs"] == kept.runs
    assert content["counts"]["identical"] == sum(content["counts"].values()) > 8
    reused = {step["name"]: step["source"] for step in content["steps"]}
    assert (reused["Tune"], reused["Score"]) == (kept.runs[0], "")


@pytest.mark.parametrize(("names", "said"), [("a", "1 differs"), ("ab", "2 differ")])
def test_how_many_artifacts_differ_is_said(
    names: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    part = Part("Tune", "Succeeded", artifacts=tuple(Artifact(name, DIFFERS) for name in names))
    reproduction.show(Reproduction("pets", 1, "one", ("one",), 1e-6, (), (), (part,)))
    assert f"{len(names)} artifacts: {said}\n" in capsys.readouterr().out


def test_a_number_that_no_two_runs_have_alike_is_reported_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = product_in(tmp_path, monkeypatch, noise=NOISY)
    done = product.reproduce("1", status=1)
    lines = done.stdout.splitlines()
    assert lines[-1] == "not reproduced: artifacts differ"
    (place,) = [n for n, line in enumerate(lines) if "metrics/evaluation.json" in line]
    assert lines[place].endswith("differs")
    assert lines[place + 1].lstrip().startswith("1 number, by at most 0.0")
    assert "(auc.value)" in " ".join(lines[place + 1 : place + 3])
    found = product.states("1", status=1)
    different = {name: one for name, one in found.items() if one["state"] != "identical"}
    (evaluation,) = different.values()
    assert 0 < evaluation["absolute"] < 0.01
    assert evaluation["relative"] == pytest.approx(evaluation["absolute"] / 0.9, rel=0.02)
    within = product.states("1", "--tolerance", "0.02")
    assert within["Score metrics/evaluation.json"]["state"] == "within tolerance"


def test_lines_fit_80_columns(product: Product) -> None:
    product.file("bucket/code/Score/script.py").unlink()
    done = product.reproduce("1", status=1)
    assert max(map(len, done.stdout.splitlines())) <= 80


# What is gone or was changed


def test_steps_whose_code_is_gone_or_changed_are_not_made_again(product: Product) -> None:
    script = product.file("bucket/code/Score/script.py")
    for code, state in ((None, GONE), (b"print('another')\n", CHANGED)):
        script.unlink() if code is None else script.write_bytes(code)
        content = json.loads(product.reproduce("1", "--json", status=1).stdout)
        states = {source["detail"].partition(":")[0]: source["state"]
                  for source in content["sources"] if source["name"] == "code"}  # fmt: skip
        assert states["code/Score"] == state
        steps = {step["name"]: step for step in content["steps"]}
        assert steps["Score"]["status"] == "Failed"
        assert "there is nothing at s3://bucket/code/Score" in steps["Score"]["reason"]
        assert {a["state"] for a in steps["Score"]["artifacts"]} == {"missing"}
        assert {a["state"] for a in steps["Tune"]["artifacts"]} == {"identical"}
        assert content["is_proven"] is False


def test_what_a_parameter_names_is_brought_too_if_it_is_as_the_step_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the model of the version that served then."""
    root = archives.repository(tmp_path, "churn")
    group, bench = loading.load(root).model_package_group, Bench(root / ".local")
    champion = bench.put("s3://bucket/older/executions/abc/model.tar.gz", "a model")
    rows, tune, create, score, package = steps_of(bench, group)
    named = s3_input("champion", get("Parameters.ChampionModel"))
    score["Arguments"]["ProcessingInputs"].append(named)
    parameter = {"Name": "ChampionModel", "Type": "String", "DefaultValue": champion}
    definition = read(rows, tune, create, score, package, parameters=[parameter])
    bench.engine.run("customer-churn", definition, {})
    bench.engine.state._connection.close()
    product = typed_in(tmp_path, monkeypatch, group)
    content = json.loads(product.reproduce("1", "--json").stdout)
    assert {"name": "input", "state": USED, "detail": "older/executions/abc/model.tar.gz"} in (
        content["sources"]
    )
    product.file("bucket/older/executions/abc/model.tar.gz").write_text("another")
    found = product.states("1", status=1)
    assert found["Score metrics/evaluation.json"]["state"] == "missing"
    assert found["Tune request and answer"]["state"] == "identical"


def test_a_recorded_file_that_is_gone_is_compared_by_its_digest(product: Product) -> None:
    product.file("bucket/*/Rows/rows/a.csv").unlink()
    assert product.states("1")["Rows rows/a.csv"]["state"] == "identical"


def test_the_definition_of_a_run_that_was_changed_since_is_refused(product: Product) -> None:
    with sqlite3.connect(product.local / "state.db") as connection:
        connection.execute("UPDATE executions SET definition = replace(definition, '0.9', '0.8')")
    connection.close()
    done = product.reproduce("1", status=2)
    assert "was changed since it began" in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["9"], "has no version 9"),
        (["-1"], "expected a version's number such as 1, got '-1'"),
        (["1", "--tolerance", "nan"], "expected a number, got 'nan'"),
        (["1", "--tolerance", "-1"], "-1"),
    ],
)
def test_wrong_use_is_one_sentence(product: Product, options: list[str], sentence: str) -> None:
    assert sentence in product.reproduce(*options, status=2).stderr


def test_an_interrupted_reproduction_leaves_nothing(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "run_again", stopped)
    kept, empty = tmp_path / "kept", tmp_path / "empty"
    empty.mkdir()
    for options in ([], ["-o", str(kept)], ["-o", str(empty)]):
        assert "stopped" in product.reproduce("1", *options, status=130).stderr
    assert not kept.exists()
    assert not [*empty.iterdir()]


# What a version was made from


@pytest.fixture
def kept(product: Product) -> Recorded:
    return product.recorded()


def test_the_raw_table_is_used_only_with_its_recorded_bytes(kept: Recorded, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    table = root / "data/churn.csv"
    origin_ = {"table": {"path": "data/churn.csv", "sha256": digest_of(table)}}
    known = replace(kept, run=replace(kept.run, origin=origin_))
    assert inputs.raw_table(root, known, None)[0] == table
    with table.open("a", encoding="utf-8") as file:
        file.write("\n")
    found, source = inputs.raw_table(root, known, None)
    assert (found, source.state) == (None, CHANGED)
    assert "expected SHA-256" in source.detail
    table.unlink()
    assert inputs.raw_table(root, known, None)[1].state == GONE
    assert "was not recorded" in inputs.raw_table(root, kept, None)[1].detail


def test_ingested_rows_are_used_only_if_step_1_read_them(kept: Recorded, tmp_path: Path) -> None:
    uri, fresh = "s3://bucket/store/data", Bench(tmp_path / "fresh").engine.storage
    file = kept.storage.path(uri) / "year=2026/a.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), file)
    digest = inputs.listing_sha256({"year=2026/a.parquet": digest_of(file)})
    steps = {**kept.steps, "Rows": replace(
        kept.steps["Rows"], record=replace(kept.steps["Rows"].record, inputs={uri: digest})
    )}  # fmt: skip
    known = replace(kept, steps=steps)
    assert inputs.bring_rows(known, fresh, [uri])[0].state == USED
    assert digest_of(fresh.path(uri) / "year=2026/a.parquet") == digest_of(file)
    pq.write_table(pa.table({"a": [2]}), file)
    assert inputs.bring_rows(known, fresh, [uri])[0].state == CHANGED
    shutil.rmtree(file.parent)
    assert inputs.bring_rows(known, fresh, [uri])[0].state == GONE


def with_code_of(kept: Recorded, settings: Settings) -> Recorded:
    """The same version, as if its definition named this repository's code."""
    uris = sorted({uri.rpartition("/")[0] for uri in code_objects(settings, settings.environment())
                   if not uri.endswith(".tar.gz")})  # fmt: skip
    definition = kept.definition
    rows = definition.steps["Rows"]
    named = {"ProcessingInputs": [s3_input(f"code{n}", uri) for n, uri in enumerate(uris)]}
    steps = {**definition.steps, "Rows": replace(rows, arguments={**rows.arguments, **named})}
    changed = replace(kept)
    changed.__dict__["definition"] = replace(definition, steps=steps)  # a cached property
    return changed


def test_the_repository_of_then_is_the_working_tree_or_the_recorded_commit(
    kept: Recorded, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    asked = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    commit = asked.stdout.strip()
    settings = loading.load(root)
    known = with_code_of(kept, settings)
    for is_dirty in (False, True):
        origin_ = {"repository": {"commit": commit, "is_dirty": is_dirty},
                  "settings_sha256": digest_of(root / "pipeline.toml")}  # fmt: skip
        known.__dict__["run"] = replace(kept.run, origin=origin_)
        there = repository.of_then(root, settings, known, tmp_path / "unused")
        assert there is not None
        assert there.where == repository.WORKING_TREE
        script = root / "model_build/steps/process.py"
        text = script.read_text(encoding="utf-8")
        script.write_text(f"{text}\n", encoding="utf-8")
        then = repository.of_then(root, settings, known, tmp_path / f"checkout-{is_dirty}")
        script.write_text(text, encoding="utf-8")
        if is_dirty:
            assert then is None
        else:
            assert then is not None
            assert then.where == f"commit {commit[:12]}"
            assert then.settings.root == tmp_path / f"checkout-{is_dirty}"
    objects = there.code
    (uri, *_) = objects
    fresh = Bench(tmp_path / "fresh").engine.storage
    sources = [s for s in inputs.bring_code(known, there, fresh) if s.state == REMADE]
    assert len(sources) == len(objects)
    assert all(fresh.read(of) == content for of, content in objects[uri].items())


def test_what_is_otherwise_on_this_machine_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("numpy==1\n", encoding="utf-8")
    now = {
        **origin.origin(tmp_path, {}),
        environment.PACKAGES: packages(),
    }
    assert not [*environment.differences_of_environment(tmp_path, now)]
    then = {
        **now, "python": "3.10.1", "lock_sha256": "0a" * 32, "library_sha256": "0b" * 32,
        environment.PACKAGES: {**packages(), "numpy": "1.0"},
    }  # fmt: skip
    said = [*environment.differences_of_environment(tmp_path, then)]
    assert [sentence.partition(":")[0] for sentence in said] == [
        "Python", "the library's files", "requirements.lock", "numpy",
    ]  # fmt: skip
    assert said[0].startswith("Python: 3.10.1 then, ")
    assert said[3] == f"numpy: 1.0 then, {packages()['numpy']} now"
    assert "not known" in next(environment.differences_of_environment(tmp_path, {}))


# Two files


@pytest.mark.parametrize(
    ("name", "recorded_", "made", "expected"),
    [
        ("a.json", '{"a": {"b": 1.0}}', '{"a": {"b": 1.5}}', ("", 1, 0.5, 0.5 / 1.5, "a.b", True)),
        ("a.json", '{"a": [1.0, 2.0]}', '{"a": [1.0, 2.0000001]}',
         ("", 1, 1e-7, 5e-8, "a[1]", False)),
        ("a.json", '{"rows": 1000000000}', '{"rows": 1000000001}',
         ("", 1, 1.0, 1e-9, "rows", True)),  # a count is exact
        ("a.json", '{"a": 1}', '{"b": 1}', ("only one of the two has a, b", 0, 0, 0, "", False)),
        ("a.json", '{"a": "x"}', '{"a": "y"}', ("a: expected 'x', got 'y'", 0, 0, 0, "", False)),
        ("a.json", '{"a": true}', '{"a": 1}', ("a: expected True, got 1", 0, 0, 0, "", False)),
        ("a.json", '{"a": NaN}', '{"a":  NaN}', ("", 0, 0, 0, "", False)),
        ("a.json", '{"a": NaN}', '{"a": 1.0}', ("", 1, math.inf, 1.0, "a", True)),
        ("a.csv", "x1,0.25\nx2,0.5\n", "x1,0.25\nx2,0.75\n",
         ("", 1, 0.25, 1 / 3, "line 2", True)),
        ("a.csv", "x1,0.25\n", "x2,0.25\n",
         ("line 1: expected 'x1,0.25', got 'x2,0.25'", 0, 0, 0, "", False)),
        ("a.csv", "1\n", "1\n2\n", ("expected 2 lines, got 3", 0, 0, 0, "", False)),
        ("a.txt", "at 2026-01-31T00:00:00Z", "at 2026-01-31T00:00:01Z",
         ("line 1: expected 'at 2026-01-31T00:00:00Z', got 'at 2026-01-31T00:00:01Z'",
          0, 0, 0, "", False)),
    ],
)  # fmt: skip
def test_numbers_are_compared_as_numbers_and_all_else_as_it_is(
    name: str, recorded_: str, made: str, expected: tuple[str, int, float, float, str, bool]
) -> None:
    found = difference(name, recorded_.encode(), made.encode(), 1e-6)
    what, numbers, absolute, relative, where, excess = expected
    assert found == Difference(what, numbers, pytest.approx(absolute, rel=1e-6),
                               pytest.approx(relative, rel=1e-6), where, excess)  # fmt: skip


def test_members_of_archives_and_columns_of_tables_are_compared(tmp_path: Path) -> None:
    found = difference("model.tar.gz", archive({"m.json": '{"leaf": 0.5}', "a.py": "x"}),
                       archive({"m.json": '{"leaf": 0.25}', "a.py": "x"}), 1e-6)  # fmt: skip
    assert (found.absolute, found.where) == (0.25, "m.json leaf")
    assert "a.py" in difference("a.tar.gz", archive({"a.py": "x"}), archive({}), 1e-6).what
    tables = []
    for name, column in (("one", {"a": [1.0], "b": ["x"]}), ("two", {"a": [1.125], "b": ["x"]})):
        pq.write_table(pa.table(column), tmp_path / name)
        tables.append((tmp_path / name).read_bytes())
    found = difference("rows.parquet", tables[0], tables[1], 1e-6)
    assert (found.absolute, found.where) == (0.125, "a[0]")
