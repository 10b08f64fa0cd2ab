"""Which steps reuse the result of an earlier run, and which do not."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import DefinitionError
from ninesteps.local.engine import RunOptions
from ninesteps.local.execution import Execution
from ninesteps.local.step_cache import listing_sha256
from small_definitions import (
    BUCKET,
    WRITE,
    Bench,
    Json,
    archive,
    condition,
    get,
    join,
    model,
    output_of,
    read,
    register,
    s3_input,
    step,
)
from test_engine import how

CACHED = {"Enabled": True, "ExpireAfter": "P30D"}
COPY = f"""{WRITE}
rows = (base / "processing/input/rows/rows.csv").read_text()
(base / "processing/output/out/copy.csv").write_text(rows.upper())
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.put(f"{BUCKET}/raw/rows.csv", "a,1\n")
    return bench


def copying(bench: Bench, name: str = "Copy", uri: Any = f"{BUCKET}/raw", **fields: Any) -> Json:
    arguments = {"inputs": [s3_input("rows", uri)], **fields}
    return {**bench.processing(name, COPY, ("out",), **arguments), "CacheConfig": CACHED}


def sources(*executions: Execution) -> list[dict[str, str]]:
    """From which run each step was taken over; of one that ran, an empty text."""
    assert {execution.status for execution in executions} == {"Succeeded"}
    return [{n: run.source for n, run in e.steps.items()} for e in executions]


def test_a_step_whose_arguments_code_and_input_are_the_same_is_taken_over(bench: Bench) -> None:
    first, second, third = (bench.run(copying(bench)) for _ in range(3))
    assert sources(first, second, third) == [{"Copy": ""}, {"Copy": first.id}, {"Copy": first.id}]
    answer = first.steps["Copy"].answer
    assert second.steps["Copy"].answer == answer
    assert second.steps["Copy"].log == first.steps["Copy"].log
    uri = answer["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert bench.text(f"{uri}/copy.csv") == "A,1\n"
    assert not (bench.root / f"s3/bucket/{second.id}").exists()


def test_a_step_that_does_not_ask_for_it_is_not_taken_over(bench: Bench) -> None:
    never = {key: value for key, value in copying(bench).items() if key != "CacheConfig"}
    off = {**never, "CacheConfig": {"Enabled": False}}
    for one in (never, off):
        assert sources(bench.run(one), bench.run(one)) == [{"Copy": ""}] * 2


def test_without_the_cache_every_step_runs(bench: Bench) -> None:
    definition = read(copying(bench))
    runs = [
        bench.engine.run("pipeline", definition, {}, options=RunOptions(cache=c)) for c in (1, 0, 1)
    ]
    assert sources(*runs) == [{"Copy": ""}, {"Copy": ""}, {"Copy": runs[1].id}]


def input_changed(bench: Bench) -> Json:
    bench.put(f"{BUCKET}/raw/rows.csv", "a,2\n")
    return copying(bench)


def input_added(bench: Bench) -> Json:
    bench.put(f"{BUCKET}/raw/more.csv", "a,2\n")
    return copying(bench)


def code_changed(bench: Bench) -> Json:
    changed = copying(bench)
    bench.put(f"{BUCKET}/code/Copy/script.py", COPY + "# a comment\n")
    return changed


def output_changed(bench: Bench) -> Json:
    first = bench.engine.state.executions()[0].id
    (bench.root / f"s3/bucket/{first}/Copy/out/copy.csv").write_text("a,9\n")
    return copying(bench)


def output_changed_in_secret(bench: Bench) -> Json:
    """With the size and the time that it had."""
    first = bench.engine.state.executions()[0].id
    file = bench.root / f"s3/bucket/{first}/Copy/out/copy.csv"
    time.sleep(2.1)
    bench.run(copying(bench))  # by now its digest is noted
    stat = file.stat()
    file.write_text(file.read_text().replace("1", "9"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return copying(bench)


def output_removed(bench: Bench) -> Json:
    first = bench.engine.state.executions()[0].id
    (bench.root / f"s3/bucket/{first}/Copy/out/copy.csv").unlink()
    return copying(bench)


def another_property_file(bench: Bench) -> Json:
    file = {"PropertyFileName": "F", "OutputName": "out", "FilePath": "copy.csv"}
    return copying(bench, PropertyFiles=[file])


@pytest.mark.parametrize(
    "changed",
    [
        input_changed,
        input_added,
        code_changed,
        output_changed,
        output_changed_in_secret,
        output_removed,
        another_property_file,
        lambda bench: copying(bench, words=["--all"]),
        lambda bench: copying(bench, Environment={"RULE": "f1"}),
        lambda bench: copying(bench, name="Other"),
    ],
    ids=lambda change: getattr(change, "__name__", ""),
)
def test_a_step_of_which_anything_has_changed_runs_again(bench: Bench, changed: Any) -> None:
    bench.run(copying(bench))
    execution = bench.run(changed(bench))
    assert [set(found.values()) for found in sources(execution)] == [{""}]


def test_what_only_says_where_a_step_runs_does_not_matter(bench: Bench) -> None:
    first = bench.run(copying(bench))
    elsewhere = copying(
        bench,
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
        RoleArn="arn:aws:iam::111122223333:role/Other",
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert sources(bench.run(elsewhere)) == [{"Copy": first.id}]


def test_the_same_bytes_in_another_place_are_the_same_input(bench: Bench) -> None:
    """An upstream step that ran again, and gave the same, changes nothing downstream."""
    script = COPY.replace("rows/rows.csv", "rows/copy.csv")
    first_step = copying(bench, "First")
    second_step = {
        **bench.processing("Second", script, ("out",), inputs=[
            s3_input("rows", output_of("First", "out"))]),
        "CacheConfig": CACHED,
    }  # fmt: skip
    one = bench.run(first_step, second_step)
    again = {**copying(bench, "First", words=["other"])}
    two = bench.run(again, second_step)
    assert sources(one, two) == [{"First": "", "Second": ""}, {"First": "", "Second": one.id}]


def test_a_step_is_not_taken_over_once_it_is_too_old(bench: Bench) -> None:
    quick = {**copying(bench), "CacheConfig": {"Enabled": True, "ExpireAfter": "PT1S"}}
    first = bench.run(quick)
    assert sources(bench.run(copying(bench))) == [{"Copy": first.id}]
    time.sleep(1.1)
    assert sources(bench.run(quick)) == [{"Copy": ""}]


@pytest.mark.parametrize("age", ["30 days", "P", "30D", 30])
def test_an_age_that_cannot_be_read_is_refused(bench: Bench, age: object) -> None:
    with pytest.raises(DefinitionError, match="expected a duration such as P30D or PT1H, got "):
        bench.run({**copying(bench), "CacheConfig": {"Enabled": True, "ExpireAfter": age}})


def test_a_step_that_failed_is_not_taken_over(bench: Bench) -> None:
    broken = copying(bench)
    bench.put(f"{BUCKET}/code/Copy/script.py", "raise ValueError('no')")
    assert [bench.run(broken).steps["Copy"].status for _ in range(2)] == ["Failed"] * 2


def test_a_search_and_the_model_of_its_best_trial_are_taken_over(bench: Bench) -> None:
    script = "import sys\nprint('[0]\\tvalidation-auc:' + sys.argv[2])"
    tune = {**bench.tuning(script, jobs=3), "CacheConfig": CACHED}
    best = join(
        get("Steps.Tune.TrainingJobDefinition.OutputDataConfig.S3OutputPath"),
        get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"),
        "output/model.tar.gz",
    )
    steps = (tune, model("Create", best), register("Register", best))
    first, second = bench.run(*steps), bench.run(*steps)
    assert sources(first, second) == [
        {"Tune": "", "Create": "", "Register": ""},
        {"Tune": first.id, "Create": first.id, "Register": ""},
    ]
    assert second.steps["Tune"].detail == first.steps["Tune"].detail
    new, old = bench.engine.state.model_packages("group")
    assert (new.version, new.execution) == (2, second.id), "as on SageMaker, a version a run"
    assert new.request == old.request, "it is the right model"
    changed = {**bench.tuning(script + "\n", jobs=3), "CacheConfig": CACHED}
    assert sources(bench.run(changed, *steps[1:]))[0]["Tune"] == ""


def test_a_transform_of_the_same_model_and_rows_is_taken_over(bench: Bench) -> None:
    inference = """\
def model_fn(folder): return None
def input_fn(body, content_type): return body.decode()
def predict_fn(data, model): return data
def output_fn(prediction, accept): return prediction
"""
    uri = bench.put(f"{BUCKET}/model.tar.gz", archive({"code/inference.py": inference}))
    request = {
        "ModelName": get("Steps.Create.ModelName"),
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3Uri": f"{BUCKET}/raw"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": join(BUCKET, get("Execution.PipelineExecutionId"), "out"),
            "AssembleWith": "Line",
        },
    }
    steps = (
        model("Create", uri),
        {**step("Transform", "Transform", request), "CacheConfig": CACHED},
    )
    first, second = bench.run(*steps), bench.run(*steps)
    assert sources(second) == [{"Create": first.id, "Transform": first.id}]
    bench.put(uri, archive({"code/inference.py": inference + "# new\n"}))
    assert sources(bench.run(*steps)) == [{"Create": "", "Transform": ""}]


def test_a_run_of_which_all_is_taken_over_starts_no_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = condition("Check", {"Type": "Equals", "LeftValue": 1, "RightValue": 1})
    bench.run(copying(bench), gate)
    monkeypatch.setattr("subprocess.Popen", None)
    execution = bench.run(copying(bench), gate)
    assert how(execution) == dict.fromkeys(("Copy", "Check"), ("Succeeded", ""))


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    script = """\
import sys
from pathlib import Path
from small_definitions import Bench, register, BUCKET
from test_step_cache import copying
bench = Bench(Path(sys.argv[1]))
bench.put(f"{BUCKET}/raw/rows.csv", "a,1\\n")
uri = bench.put(f"{BUCKET}/model.tar.gz", b"trees")
for _ in range(3):
    execution = bench.run(*(copying(bench, name) for name in "ABC"), register("Register", uri))
    assert execution.status == "Succeeded", [r.reason for r in execution.steps.values()]
"""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")])
    command = [sys.executable, "-c", script, str(tmp_path)]
    several = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) for _ in range(3)]
    assert [process.wait(60) for process in several] == [0, 0, 0]
    packages = Bench(tmp_path).engine.state.model_packages("group")
    assert [package.version for package in packages] == list(range(9, 0, -1))
    assert len({package.execution for package in packages}) == 9


@pytest.mark.parametrize("fields", [{}, {"CacheConfig": {"Enabled": False}}])
def test_what_a_step_read_is_kept_by_its_digest(bench: Bench, fields: Json) -> None:
    """Whether its result may be reused or not."""
    bench.put(f"{BUCKET}/raw/more.csv", "b,2\n")
    ran = bench.run({**copying(bench), **fields})
    (kept,) = bench.engine.state.steps(ran.id)
    inputs = kept.record.inputs
    assert {name: inputs[f"{BUCKET}/raw/{name}"] for name in ("rows.csv", "more.csv")} == {
        "rows.csv": hashlib.sha256(b"a,1\n").hexdigest(),
        "more.csv": hashlib.sha256(b"b,2\n").hexdigest(),
    }
    assert inputs[f"{BUCKET}/code/Copy/script.py"] == hashlib.sha256(COPY.encode()).hexdigest()


def test_a_table_has_one_digest_which_sha256sum_gives_too(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("b", "a")}
    listing = f"{digests['a']}  a\n{digests['b']}  b\n"
    assert listing_sha256(digests) == hashlib.sha256(listing.encode()).hexdigest()
    if program := shutil.which("sha256sum"):
        printed = subprocess.run([program, "a", "b"], cwd=tmp_path, capture_output=True,
                                 text=True, check=True)  # fmt: skip
        assert printed.stdout == listing
