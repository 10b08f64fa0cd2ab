"""What an execution does: order, branches, the contract of `/opt/ml`, failures, interruption."""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
import threading
import time
from pathlib import Path

import pytest

from container_variables import PYTORCH_TOOLKIT, TRAINING_TOOLKIT
from ninesteps.definition.known_fields import EXECUTION_VARIABLES
from ninesteps.errors import DefinitionError
from ninesteps.local.execution import Execution
from small_definitions import (
    BUCKET,
    IN,
    OUT,
    WRITE,
    Bench,
    Json,
    archive,
    compare,
    condition,
    fail,
    get,
    join,
    metric,
    model,
    output_of,
    own_uri,
    read,
    register,
    s3_input,
    step,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def how(execution: Execution) -> dict[str, tuple[str, str]]:
    """Each step's status and reason."""
    return {name: (run.status, run.reason) for name, run in execution.steps.items()}


def noted(bench: Bench, execution: str) -> tuple[str, dict[str, str]]:
    """What the SQLite file says of an execution and its steps."""
    with sqlite3.connect(bench.root / "state.db") as state:
        query = "SELECT status FROM executions WHERE id = ?"
        ((status,),) = state.execute(query, (execution,)).fetchall()
        query = "SELECT name, status FROM steps WHERE execution = ?"
        return status, dict(state.execute(query, (execution,)).fetchall())


# Order and branches


def test_a_step_runs_after_those_it_refers_to_and_those_it_names(bench: Bench) -> None:
    first = bench.processing(
        "First",
        WRITE + "(base / 'processing/output/data/a.txt').write_text('made')",
        outputs=("data",),
    )
    script = WRITE + "print((base / 'processing/input/data/a.txt').read_text())"
    second = bench.processing(
        "Second", script, inputs=[s3_input("data", output_of("First", "data"))]
    )
    third = bench.processing("Third", "pass", DependsOn=["Second"])
    order, statuses = [], []

    def listener(execution: Execution) -> None:
        order.extend((n, r.status) for n, r in execution.steps.items() if r.status != "Waiting")
        statuses.append(execution.status)

    bench.engine.run("pipeline", read(third, second, first), {}, listener)
    assert list(dict.fromkeys(order)) == [
        (name, status)
        for name in ("First", "Second", "Third")
        for status in ("Executing", "Succeeded")
    ]
    assert statuses[-1] == "Succeeded"
    assert set(statuses[:-1]) == {"Executing"}


def test_steps_that_do_not_wait_for_each_other_run_at_once(bench: Bench) -> None:
    """Each waits for the file that the other writes."""
    script = """\
import pathlib, sys, time
mine, other = map(pathlib.Path, sys.argv[1:])
mine.touch()
while not other.exists():
    time.sleep(0.01)
"""
    a, b = str(bench.root / "a"), str(bench.root / "b")
    limit = {"StoppingCondition": {"MaxRuntimeInSeconds": 10}}
    execution = bench.run(
        bench.processing("A", script, words=[a, b], **limit),
        bench.processing("B", script, words=[b, a], **limit),
    )
    assert execution.status == "Succeeded"


def test_no_more_processes_run_at_once_than_the_machine_has_cores(tmp_path: Path) -> None:
    """Trials of a tuning step count too: each sees that no other has the lock."""
    bench = Bench(tmp_path, parallel=1)
    script = f"""\
import os, time
os.mkdir({str(tmp_path / "lock")!r})
time.sleep(0.02)
os.rmdir({str(tmp_path / "lock")!r})
print("[0]\\tvalidation-auc:0.5")
"""
    tuning = bench.tuning(script, jobs=3, parallel=3)
    execution = bench.run(tuning, *(bench.processing(name, script) for name in "AB"))
    assert how(execution) == dict.fromkeys(("Tune", "A", "B"), ("Succeeded", ""))
    assert execution.notes == []


@pytest.mark.parametrize(("auc", "taken", "left"), [(0.8, "Yes", "No"), (0.7, "No", "Yes")])
def test_the_branch_that_is_not_taken_is_skipped(
    bench: Bench, auc: float, taken: str, left: str
) -> None:
    yes, no = (
        (bench.processing(name, "pass"), bench.processing(f"After{name}", "pass", DependsOn=[name]))
        for name in ("Yes", "No")
    )
    holds = compare(metric("auc"), "GreaterThan", 0.75)
    gate = condition("Check", holds, then=yes, otherwise=no)
    later = bench.processing("Later", "pass", DependsOn=["No"])
    execution = bench.run(bench.evaluation({"auc": auc}), gate, later)
    outcome = "passes" if taken == "Yes" else "fails"
    steps = how(execution)
    assert execution.status == "Succeeded"
    assert execution.steps["Check"].outcome is (taken == "Yes")
    assert steps[taken] == steps[f"After{taken}"] == ("Succeeded", "")
    assert (
        steps[left] == steps[f"After{left}"] == ("Skipped", f"the model {outcome} the gate Check")
    )
    assert steps["Later"] == (("Succeeded", "") if taken == "No" else ("Skipped", "No skipped"))


def test_a_condition_inside_a_branch_is_asked_only_there(bench: Bench) -> None:
    inner = condition("Inner", compare(1, "Equals", 1), then=(bench.processing("Deep", "pass"),))
    for number, steps in {
        1: {"Inner": ("Succeeded", ""), "Deep": ("Succeeded", "")},
        2: {
            "Inner": ("Skipped", "the model fails the gate Outer"),
            "Deep": ("Skipped", "Inner skipped"),
        },
    }.items():
        execution = bench.run(condition("Outer", compare(number, "Equals", 1), then=(inner,)))
        assert how(execution) == {"Outer": ("Succeeded", ""), **steps}


def test_a_condition_that_fails_skips_both_branches(bench: Bench) -> None:
    gate = condition(
        "Check",
        compare(metric("auc"), "GreaterThan", 0.75),
        then=(fail("Yes"),),
        otherwise=(fail("No"),),
    )
    steps = how(bench.run(bench.evaluation({"auc": "0.8"}), gate))
    assert steps["Check"][0] == "Failed"
    assert steps["Check"][1].startswith("cannot compare '0.8' > 0.75: expected two numbers")
    assert steps["Yes"] == steps["No"] == ("Skipped", "Check failed")


def test_every_comparison_of_a_gate_is_noted_also_after_one_that_fails(bench: Bench) -> None:
    gate = condition(
        "Check",
        compare(metric("auc"), "GreaterThan", 0.9),
        compare(metric("recall"), "GreaterThan", 0.5),
        compare(metric("f1"), "GreaterThan", 0.9),
    )
    execution = bench.run(bench.evaluation({"auc": 0.8, "recall": 0.7, "f1": 0.6}), gate)
    run = execution.steps["Check"]
    assert [(c.left_name, c.left, c.holds) for c in run.compared] == [
        ("auc", 0.8, False),
        ("recall", 0.7, True),
        ("f1", 0.6, False),
    ]
    assert (run.outcome, run.detail) == (False, "false")


def test_after_a_failed_step_only_those_that_wait_for_it_are_skipped(bench: Bench) -> None:
    execution = bench.run(
        bench.processing("Broken", "raise ValueError('no rows')"),
        bench.processing("Next", "pass", DependsOn=["Broken"]),
        bench.processing("Last", "pass", DependsOn=["Next", "Other"]),
        bench.processing("Other", "import time; time.sleep(0.3)"),
        bench.processing("AfterOther", "pass", DependsOn=["Other"]),
    )
    assert execution.status == "Failed"
    assert how(execution) == {
        "Broken": ("Failed", "ValueError: no rows (script.py, line 1)"),
        "Next": ("Skipped", "Broken failed"),
        "Last": ("Skipped", "Next skipped"),
        "Other": ("Succeeded", ""),
        "AfterOther": ("Succeeded", ""),
    }
    status, steps = noted(bench, execution.id)
    assert status == "Failed"
    assert steps == {name: status for name, (status, _) in how(execution).items()}


def test_a_fail_step_ends_the_execution_as_failed_with_its_message(bench: Bench) -> None:
    message = join("auc is", metric("auc"))
    execution = bench.run(bench.evaluation({"auc": 0.7}), fail("Refuse", message))
    assert execution.status == "Failed"
    assert how(execution)["Refuse"] == ("Failed", "auc is/0.7")


def test_parameters_and_execution_variables_reach_the_script(bench: Bench) -> None:
    variables = [get(f"Execution.{name}") for name in EXECUTION_VARIABLES]
    given = [{"Name": "AsOf", "Type": "String"}]
    words = ["--as-of", get("Parameters.AsOf"), *variables]
    printed = bench.processing("Print", "import sys; print(sys.argv[1:])", words=words)
    execution = bench.run(printed, parameters=given, AsOf="2026-11-01")
    log = execution.steps["Print"].log
    assert log is not None
    _, as_of, id_, arn, name, of_pipeline, *moments = json.loads(log.read_text().replace("'", '"'))
    assert (as_of, id_, name) == ("2026-11-01", execution.id, "pipeline")
    assert arn == f"{of_pipeline}/execution/{execution.id}"
    assert all(moment.startswith("20") and moment.endswith("Z") for moment in moments)


def test_wrong_parameters_start_nothing(bench: Bench) -> None:
    with pytest.raises(DefinitionError):
        bench.run(fail("F"), Colour="red")
    assert not (bench.root / "runs").exists()
    with sqlite3.connect(bench.root / "state.db") as state:
        assert state.execute("SELECT * FROM executions").fetchall() == []


# The contract of a processing job


def test_a_script_sees_the_folders_and_files_of_its_container(bench: Bench) -> None:
    bench.put(f"{BUCKET}/data/rows/a.csv", "1,2\n")
    script = f"""\
{WRITE}
import json
files = sorted(str(f.relative_to(base)) for f in base.rglob("*") if f.is_file())
made = os.listdir(base / "processing/output/made")
print(json.dumps([sys.argv[1:], str(base), os.getcwd(), files, made]))
"""
    words = ["--in", f"{IN}/data", "--name", "/opt/mlops", get("Execution.PipelineName")]
    look = bench.processing(
        "Look",
        script,
        outputs=("made",),
        inputs=[s3_input("data", f"{BUCKET}/data")],
        words=words,
    )
    execution = bench.run(look)
    assert how(execution) == {"Look": ("Succeeded", "")}
    log = execution.steps["Look"].log
    assert log is not None
    seen_words, base, folder, files, made = json.loads(log.read_text())
    assert Path(base).is_relative_to(bench.root.resolve())
    assert folder == base
    assert seen_words == [
        "--in",
        f"{base}/processing/input/data",
        "--name",
        "/opt/mlops",
        "pipeline",
    ]
    assert files == [
        "config/processingjobconfig.json",
        "config/resourceconfig.json",
        "processing/input/code/script.py",
        "processing/input/data/rows/a.csv",
    ]
    assert made == []


def test_a_script_sees_its_own_variables_and_none_of_this_machines(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = A\naws_secret_access_key = B\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    execution = bench.run(bench.processing("Look", script, Environment={"RULE": "f1"}))
    log = execution.steps["Look"].log
    assert log is not None
    variables = json.loads(log.read_text())
    assert variables["RULE"] == "f1"
    assert variables["PATH"] == os.environ["PATH"]
    assert "secret" not in variables.values()
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        assert variables[name] == os.devnull  # botocore reads these, not `~/.aws`


REGIONAL = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def test_a_job_is_told_the_region_of_its_image_as_sagemaker_tells_it(bench: Bench) -> None:
    """In the variable that botocore does not read, and in no other."""
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    look = bench.processing("Look", script)
    look["Arguments"]["AppSpecification"]["ImageUri"] = REGIONAL
    execution = bench.run(look)
    log = execution.steps["Look"].log
    assert log is not None
    told = json.loads(log.read_text())
    assert told["AWS_REGION"] == "eu-west-1"
    assert "AWS_DEFAULT_REGION" not in told


HUGGING_FACE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-training:2.9.0"


@pytest.mark.parametrize(
    ("image", "toolkit"), [(REGIONAL, TRAINING_TOOLKIT), (HUGGING_FACE, PYTORCH_TOOLKIT)]
)
def test_a_training_is_told_all_that_the_toolkit_tells_it(
    bench: Bench, image: str, toolkit: frozenset[str]
) -> None:
    """Not `SM_TRAINING_ENV`, which repeats the others."""
    script = """\
import json, os, pathlib
kinds = ("SM_", "TRAINING", "MASTER_", "NCCL_")
told = {name: value for name, value in os.environ.items() if name.startswith(kinds)}
pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
"""
    job, static = bench.training_job(script)
    job["AlgorithmSpecification"] = {**job["AlgorithmSpecification"], "TrainingImage": image}
    train = step("Train", "Training", {**job, "HyperParameters": {**static, "depth": "3"}})
    execution = bench.run(train)
    assert how(execution) == {"Train": ("Succeeded", "")}
    (archive,) = bench.root.glob("s3/bucket/**/model.tar.gz")
    with tarfile.open(archive) as packed:
        file = packed.extractfile("told.json")
        assert file is not None
        told = json.load(file)
    toolkits = toolkit - {"SM_TRAINING_ENV"}
    assert told.keys() == {*toolkits, "SM_HP_DEPTH", "TRAINING_JOB_NAME"}
    assert json.loads(told["SM_USER_ARGS"]) == ["--depth", "3"]
    assert json.loads(told["SM_FRAMEWORK_PARAMS"]) == static
    assert told["TRAINING_JOB_NAME"] == f"pipelines-{execution.id}-Train"


def test_the_log_has_what_the_script_writes_in_its_order(bench: Bench) -> None:
    script = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')"
    execution = bench.run(bench.processing("Say", script))
    log = execution.steps["Say"].log
    assert log == execution.folder / "logs/Say.log"
    assert log is not None and log.read_text() == "out\nerr\nout again\n"


def test_outputs_are_taken_over_when_the_step_has_succeeded(bench: Bench) -> None:
    script = WRITE + "(base / 'processing/output/data/sub').mkdir()\n"
    script += "(base / 'processing/output/data/sub/a.txt').write_text('made')\n"
    execution = bench.run(bench.processing("Make", script, outputs=("data",)))
    assert bench.text(f"{BUCKET}/{execution.id}/Make/data/sub/a.txt") == "made"
    assert not list((execution.folder / "sandboxes").iterdir())


@pytest.mark.parametrize(
    "end",
    ["raise ValueError", "sys.exit(3)", "os.kill(os.getpid(), 9)", "import time; time.sleep(60)"],
)
def test_a_step_that_fails_leaves_nothing_in_the_storage(bench: Bench, end: str) -> None:
    script = f"{WRITE}(base / 'processing/output/data/a.txt').write_text('half')\n{end}\n"
    limit = {"MaxRuntimeInSeconds": 0.5}
    execution = bench.run(
        bench.processing("Make", script, outputs=("data",), StoppingCondition=limit)
    )
    assert execution.steps["Make"].status == "Failed"
    assert not bench.engine.storage.path(f"{BUCKET}/{execution.id}").exists()


def test_a_property_file_that_is_not_in_its_output_fails_the_step(bench: Bench) -> None:
    step_ = bench.evaluation({})
    target = {"S3Uri": own_uri("other"), "LocalPath": f"{OUT}/other"}
    outputs = step_["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    outputs.append({"OutputName": "other", "S3Output": target})
    step_["PropertyFiles"][0]["OutputName"] = "other"
    execution = bench.run(step_)
    reason = "the property file evaluation.json is not in the output 'other'"
    assert how(execution) == {"Evaluate": ("Failed", reason)}
    assert not bench.engine.storage.path(f"{BUCKET}/{execution.id}").exists()


def test_two_executions_share_no_key(bench: Bench) -> None:
    make = bench.evaluation({"auc": 1})
    one, other = bench.run(make).id, bench.run(make).id
    assert one != other
    for execution in (one, other):
        assert bench.text(f"{BUCKET}/{execution}/Evaluate/metrics/evaluation.json")


def test_a_relative_root_is_where_it_was_when_the_engine_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(Path("here"))
    assert bench.run(bench.processing("Run", "pass")).status == "Succeeded"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"words": ["/opt/ml/../x"]}, "expected a path below /opt/ml, got '/opt/ml/../x'"),
        ({"words": [5]}, "command or environment: expected texts, got 5"),
        ({"Environment": {"A": 5}}, "command or environment: expected texts, got 5"),
        (
            {"inputs": [s3_input("../../x", f"{BUCKET}/code")]},
            f"expected a path below /opt/ml, got '{IN}/../../x'",
        ),
        (
            {"inputs": [s3_input("x", "s3://bucket/../x")]},
            "expected an S3 URI such as s3://bucket/key, got 's3://bucket/../x'",
        ),
        ({"inputs": [s3_input("x", f"{BUCKET}/none")]}, f"there is nothing at {BUCKET}/none"),
        (
            {"ProcessingOutputConfig": {"Outputs": [
                {"OutputName": "x", "S3Output": {"S3Uri": "s3://../x", "LocalPath": f"{OUT}/x"}}
            ]}},
            "expected an S3 URI such as s3://bucket/key, got 's3://../x'",
        ),
        (
            {"ProcessingOutputConfig": {"Outputs": [
                {"OutputName": "x", "S3Output": {"S3Uri": BUCKET, "LocalPath": "/etc/x"}}
            ]}},
            "expected a path below /opt/ml, got '/etc/x'",
        ),
        (
            {"AppSpecification": {"ContainerEntrypoint": ["bash", "-c", "true"]}},
            "entrypoint: expected python3 ..., got ['bash', '-c', 'true']",
        ),
    ],
)  # fmt: skip
def test_a_job_that_cannot_be_run_here_says_why_and_runs_nothing(
    bench: Bench, change: Json, reason: str
) -> None:
    mark = bench.root / "ran"
    script = f"open({str(mark)!r}, 'w')"
    replaced = {key: change[key] for key in change if key not in ("words", "inputs", "Environment")}
    asked = {key: change[key] for key in change if key not in replaced}
    step_ = bench.processing("Run", script, **asked)
    step_["Arguments"].update(replaced)
    assert how(bench.run(step_)) == {"Run": ("Failed", reason)}
    assert not mark.exists()


# The sentences of failures

FAILURES = {
    "print('x')\n\nraise ValueError('no rows')": "ValueError: no rows (script.py, line 3)",
    "import json\njson.loads('{')": (
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1) (script.py, line 2)"
    ),
    "try:\n  1 / 0\nexcept ZeroDivisionError as error:\n  raise KeyError('a') from error": (
        "KeyError: 'a' (script.py, line 4)"
    ),
    "class DataError(ValueError): ...\nraise DataError('expected rows, got none')": (
        "expected rows, got none"  # a sentence about the data: no line of code helps
    ),
    "raise ValueError('first line\\nsecond line')": "ValueError: first line (script.py, line 1)",
    "x = (": "SyntaxError: '(' was never closed (script.py, line 1)",
    "if True:\nx = 1": (
        "IndentationError: expected an indented block after 'if' statement on line 1 "
        "(script.py, line 2)"
    ),
    "import sys; sys.exit('no rows')": "the script ended with exit status 1: no rows",
    "import sys; print('a'); sys.exit(3)": "the script ended with exit status 3: a",
    "import os; os._exit(4)": "the script ended with exit status 4",
    "import os; os.kill(os.getpid(), 9)": "the script ended with signal 9",
    # a traceback that was logged and survived is not why the process ended
    "import os, traceback\ntry: 1 / 0\nexcept ZeroDivisionError: traceback.print_exc()\n"
    "print('going on', flush=True)\nos.kill(os.getpid(), 9)": (
        "the script ended with signal 9: going on"
    ),
    "import time; time.sleep(60)": "ran for longer than MaxRuntimeInSeconds = 1",
    "import sys\nsys.stdout.buffer.write(b'caf\\xe9 \\xff\\n')\nraise ValueError('caf\\xe9')": (
        "ValueError: café (script.py, line 3)"
    ),
    "print('x' * 10_000_000)\nraise ValueError('y' * 10_000)": (
        f"ValueError: {'y' * 488} (script.py, line 2)"
    ),
    "raise ValueError('y' * 10_000_000)": f"the script ended with exit status 1: {'y' * 500}",
}


@pytest.mark.parametrize(("script", "reason"), FAILURES.items(), ids=range(len(FAILURES)))
def test_a_script_that_fails_is_one_sentence(bench: Bench, script: str, reason: str) -> None:
    limit = {"MaxRuntimeInSeconds": 1}
    execution = bench.run(bench.processing("Run", script, StoppingCondition=limit))
    assert how(execution) == {"Run": ("Failed", reason)}
    assert execution.steps["Run"].log is not None


def test_the_line_is_that_of_the_scripts_own_code(bench: Bench) -> None:
    step_ = bench.processing("Run", "import rows\n\nrows.read()")
    bench.put(f"{BUCKET}/code/Run/rows.py", "import json\ndef read():\n    json.loads('')\n")
    assert bench.run(step_).steps["Run"].reason.endswith("(char 0) (rows.py, line 3)")


def test_a_fault_of_the_engine_itself_fails_the_step_with_its_trace_in_a_log(
    bench: Bench,
) -> None:
    limit = {"MaxRuntimeInSeconds": "soon"}
    broken = bench.processing("Broken", "pass", StoppingCondition=limit)
    execution = bench.run(broken, bench.processing("Other", "pass"))
    reason = "ValueError: could not convert string to float: 'soon'"
    assert how(execution) == {"Broken": ("Failed", reason), "Other": ("Succeeded", "")}
    log = execution.steps["Broken"].log
    assert log is not None and log.name == "Broken.error.log"
    assert "Traceback" in log.read_text()


def test_a_job_that_runs_for_too_long_is_ended_with_what_it_started(bench: Bench) -> None:
    script = """\
import os, pathlib, subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {inner.pid}")
time.sleep(60)
"""
    pids = bench.root / "pids"
    limit = {"MaxRuntimeInSeconds": 0.5}
    bench.run(bench.processing("Run", script, words=[str(pids)], StoppingCondition=limit))
    for pid in map(int, pids.read_text().split()):
        assert has_ended(pid)


def has_ended(pid: int) -> bool:
    """Within a second: whoever adopts an orphan may take its time to bury it."""
    for _ in range(100):
        status = Path(f"/proc/{pid}/status")
        if Path("/proc").is_dir() and status.is_file() and "State:\tZ" in status.read_text():
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_of_a_link_in_an_output_is_kept_what_it_leads_to(bench: Bench) -> None:
    script = f"{WRITE}out = base / 'processing/output/out'\n(out / 'model').write_text('trees')\n"
    script += "(out / 'latest').symlink_to(out / 'model')\n"
    execution = bench.run(bench.processing("Run", script, outputs=("out",)))
    written = bench.root / f"s3/bucket/{execution.id}/Run/out"
    assert {f.name: f.read_text() for f in written.iterdir()} == {
        "model": "trees",
        "latest": "trees",
    }
    assert not any(f.is_symlink() for f in written.iterdir())


# Training, models, registration


def test_a_training_step_gives_its_model_to_the_next(bench: Bench) -> None:
    bench.put(f"{BUCKET}/rows/train.csv", "1\n2\n")
    script = """\
import json, os, pathlib
names = ("SM_CHANNELS", "SM_NUM_CPUS", "SM_HPS", "RULE")
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text()
model = {name: os.environ[name] for name in names}
config = pathlib.Path(os.environ["SM_INPUT_DIR"], "config")
model |= {file.name: json.loads(file.read_text()) for file in config.iterdir()}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps([rows, model]))
"""
    source = {"S3DataSource": {"S3Uri": f"{BUCKET}/rows"}}
    job, static = bench.training_job(
        script,
        InputDataConfig=[{"ChannelName": "train", "DataSource": source}],
        Environment={"RULE": "f1"},
    )
    train = step("Train", "Training", {**job, "HyperParameters": {**static, "depth": "3"}})
    execution = bench.run(
        train, model("Create", get("Steps.Train.ModelArtifacts.S3ModelArtifacts"))
    )
    assert how(execution) == dict.fromkeys(("Train", "Create"), ("Succeeded", ""))
    name = f"pipelines-{execution.id}-Create"
    uri = bench.engine.state.model(name)["PrimaryContainer"]["ModelDataUrl"]
    assert (
        uri == f"{BUCKET}/{execution.id}/models/pipelines-{execution.id}-Train/output/model.tar.gz"
    )
    bench.engine.storage.unpack(uri, bench.root / "model")
    rows, variables = json.loads((bench.root / "model/model.json").read_text())
    assert rows == "1\n2\n"
    assert variables == {
        "SM_CHANNELS": '["train"]',
        "SM_NUM_CPUS": "1",
        "SM_HPS": '{"depth": "3"}',
        "RULE": "f1",
        "hyperparameters.json": {**static, "depth": "3"},
        "inputdataconfig.json": {"train": {}},
        "resourceconfig.json": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }


def test_the_same_model_gives_the_same_archive(bench: Bench) -> None:
    script = "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'm').write_text('1')"
    job, static = bench.training_job(script)
    train = step("Train", "Training", {**job, "HyperParameters": static})
    bench.run(train)
    time.sleep(1.0 - time.time() % 1)  # an archive's times are in seconds
    bench.run(train)
    one, other = (bench.root / "s3").rglob("model.tar.gz")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["../train.py", "/etc/train.py/../../x"])
def test_a_training_script_outside_its_code_is_refused(bench: Bench, name: str) -> None:
    job, static = bench.training_job("pass")
    static["sagemaker_program"] = name
    execution = bench.run(step("Train", "Training", {**job, "HyperParameters": static}))
    assert "expected a path below /opt/ml, got " in execution.steps["Train"].reason


def test_training_code_that_leaves_its_folder_is_refused(bench: Bench) -> None:
    job, static = bench.training_job("pass")
    bench.put(f"{BUCKET}/code/sourcedir.tar.gz", archive({"../../train.py": "pass"}))
    execution = bench.run(step("Train", "Training", {**job, "HyperParameters": static}))
    assert "expected files inside it, got '../../train.py'" in execution.steps["Train"].reason


def test_more_than_one_instance_is_noted(bench: Bench) -> None:
    two, one = ({"InstanceType": "ml.m5.large", "InstanceCount": count} for count in (2, 1))
    job, static = bench.training_job("pass", ResourceConfig=two)
    tuning = bench.tuning("print('[0]\\tvalidation-auc:1')", jobs=1)
    tuning["Arguments"]["TrainingJobDefinition"]["ResourceConfig"] = two
    execution = bench.run(
        bench.processing("Two", "pass", ProcessingResources={"ClusterConfig": two}),
        bench.processing("One", "pass", ProcessingResources={"ClusterConfig": one}),
        step("Train", "Training", {**job, "HyperParameters": static}),
        tuning,
    )
    noted_steps = ("Train", "Tune", "Two")
    assert sorted(execution.notes) == [
        f"{name} ran on one machine, not on 2 instances" for name in noted_steps
    ]


def test_more_than_one_instance_of_a_search_over_several_is_noted_once(bench: Bench) -> None:
    tuning = bench.comparing("print('[0]\\tvalidation-auc:1')", jobs=2)
    for definition in tuning["Arguments"]["TrainingJobDefinitions"]:
        definition["ResourceConfig"] = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    assert bench.run(tuning).notes == ["Tune ran on one machine, not on 2 instances"]


def test_a_version_is_registered_with_what_it_was_made_of(bench: Bench) -> None:
    uri = bench.put(f"{BUCKET}/model.tar.gz", b"trees")
    report = join(output_of("Evaluate", "metrics"), "evaluation.json")
    execution = bench.run(bench.evaluation({"auc": 1}), register("Register", uri, report))
    run = execution.steps["Register"]
    assert (run.status, run.detail) == ("Succeeded", "group version 1, PendingManualApproval")
    (package,) = bench.engine.state.model_packages("group")
    assert (package.version, package.execution) == (1, execution.id)
    metrics = package.request["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert bench.text(metrics) == '{"auc": 1}'


def test_a_version_without_its_metrics_or_model_is_not_registered(bench: Bench) -> None:
    uri = bench.put(f"{BUCKET}/model.tar.gz", b"trees")
    execution = bench.run(
        register("NoMetrics", uri, own_uri("evaluation.json")),
        register("NoModel", f"{BUCKET}/none.tar.gz"),
    )
    assert how(execution) == {
        "NoMetrics": ("Failed", f"there is nothing at {BUCKET}/{execution.id}/evaluation.json"),
        "NoModel": ("Failed", f"there is nothing at {BUCKET}/none.tar.gz"),
    }
    assert bench.engine.state.model_packages("group") == []


# Interruption


class Interrupting:
    """A listener that interrupts once the script has written its process ids."""

    def __init__(self, pids: Path) -> None:
        self.pids = pids
        self.execution: Execution | None = None

    def __call__(self, execution: Execution) -> None:
        self.execution = execution
        if self.pids.exists() and self.pids.read_text().endswith("."):
            raise KeyboardInterrupt


SLEEP = """\
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} .")
time.sleep(60)
"""


def test_an_interrupt_ends_the_running_process_and_starts_no_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path, parallel=1)
    interrupting = Interrupting(tmp_path / "pids")
    uri = bench.put(f"{BUCKET}/model.tar.gz", b"trees")
    definition = read(
        bench.processing("Sleep", SLEEP, words=[str(interrupting.pids)]),
        register("Register", uri),  # is ready, and there is no place for it
        fail("Later", DependsOn=["Sleep"]),
    )
    before, start = threading.active_count(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bench.engine.run("pipeline", definition, {}, interrupting)
    assert time.monotonic() - start < 10
    assert has_ended(int(interrupting.pids.read_text().split()[0]))
    assert threading.active_count() == before
    execution = interrupting.execution
    assert execution is not None
    assert execution.status == "Stopped"
    assert {name: run.status for name, run in execution.steps.items()} == {
        "Sleep": "Stopped",
        "Register": "Waiting",
        "Later": "Waiting",
    }
    assert noted(bench, execution.id) == ("Stopped", {"Sleep": "Stopped"})
    assert bench.engine.state.model_packages("group") == []


def test_an_interrupt_ends_a_search(tmp_path: Path) -> None:
    bench = Bench(tmp_path, parallel=2)
    interrupting = Interrupting(tmp_path / "pids")
    script = SLEEP.replace("sys.argv[1]", repr(str(interrupting.pids)))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bench.engine.run(
            "pipeline", read(bench.tuning(script, jobs=50, parallel=2)), {}, interrupting
        )
    assert time.monotonic() - start < 10
    assert has_ended(int(interrupting.pids.read_text().split()[0]))
    assert interrupting.execution is not None
    logs = list((interrupting.execution.folder / "logs/Tune").iterdir())
    assert len(logs) <= 2
    assert noted(bench, interrupting.execution.id) == ("Stopped", {"Tune": "Stopped"})


def test_after_an_interrupt_the_next_run_is_a_whole_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    interrupting = Interrupting(tmp_path / "pids")
    sleeping = bench.processing("Sleep", SLEEP, words=[str(interrupting.pids)])
    with pytest.raises(KeyboardInterrupt):
        bench.engine.run("pipeline", read(sleeping), {}, interrupting)
    assert Bench(tmp_path).run(bench.processing("Run", "pass")).status == "Succeeded"
