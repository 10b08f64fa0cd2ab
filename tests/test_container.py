"""The steps' scripts suit the XGBoost 3.2-0 container: its toolkit, its packages, no network.

The image cannot be started here. The toolkit that it starts scripts with can: `container/` has
what it needs, locked, and two drivers which call it as the image does.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import container
import container_variables
import inference
import metrics
from conftest import EVERY_SCENARIO, GENERATED
from dataset import Columns, Facet, read_split
from model_build.pipeline import SERVING
from ninesteps.settings import loading
from ninesteps.settings.project import LANGUAGE_MODEL
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code import bundle as step_code
from ninesteps.step_code.bundle import PROCESSING_SCRIPTS
from ninesteps.step_code.carried_wheels import CARRIED
from ninesteps.step_code.images import IMAGES, XGBOOST, image_of, lacking
from ninesteps.step_code.raw_columns import RAW_COLUMNS

CONTAINER = Path(__file__).parent / "container"
FOLDERS = step_code.folders(GENERATED)
STEPS = sorted(path for folder in FOLDERS for path in folder.glob("*.py"))
"""The scripts of the repository in place, and the library's modules that travel with them."""


TEAMS_OWN = "custom_metrics"
"""What own_metrics.py imports where a team has metrics of its own."""


def tuned_by(*algorithms: str) -> Settings:
    """The settings in place, with a search that compares these."""
    settings = loading.load(GENERATED)
    return replace(settings, tuning=replace(settings.tuning, algorithms=algorithms))


LOCK = CONTAINER / "requirements.lock"
PYPROJECT = GENERATED / "library" / "pyproject.toml"

IMAGE = XGBOOST.packages
"""What a script may import there, by its version."""
OF_AWS = {"boto3", "botocore"}
"""Not pinned to the image's, since commands need newer ones; a container asks them for little."""
IMPORTED_AS = {"scikit-learn": "sklearn", "xgboost-cpu": "xgboost"}
NOT_IN_3_12 = {"asynchat", "asyncore", "distutils", "imp", "smtpd"}
"""Standard modules that the container's Python 3.12 has no more, and 3.11 has."""

COLUMNS = Columns(
    record_id="customer",
    label="stayed",
    problem="binary",
    favourable_label=1,
    label_threshold=None,
    facets=(Facet("city", "city"),),
    group_variable=None,
    context=("city",),
    features=("esent", "eopenrate", "ordfreq"),
)
ROUNDS = 8
HYPERPARAMETERS = {  # as the service writes them: strings all
    "eta": "0.3",
    "max_depth": "3",
    "num_round": str(ROUNDS),
    "objective": "binary:logistic",
    "eval_metric": "auc",
    "_tuning_objective_metric": "validation:auc",
    "sagemaker_program": "train.py",
}
METRIC_LINE = re.compile(r"^\[(\d+)\]\ttrain-auc:(\S+)\tvalidation-auc:(\S+)$", re.MULTILINE)
RECORDS = "12.5,3,40\n80,,33\n,1,\n"
RAW = json.dumps({"records": [{"esent": 12.5, "eopenrate": "3", "ordfreq": 40, "city": "Oslo"},
                              {"esent": 80, "ordfreq": "33"}, {"eopenrate": 1}]})  # fmt: skip
WRONG_RAW = json.dumps({"records": [{"esent": "many"}]})
INSTANCES = json.dumps(
    {"instances": [{"features": f} for f in ([12.5, 3, 40], [80, None, 33], [None, 1, None])]}
)


@dataclass(frozen=True)
class Run:
    """A container that has run: the folder that was its `/opt/ml`, and what it printed."""

    root: Path
    log: str

    @property
    def model(self) -> Path:
        return self.root / "model"


@pytest.fixture(scope="session")
def toolkit(request: pytest.FixtureRequest) -> Path:
    """The Python of an environment with the image's toolkit; kept until the lock changes."""
    if sys.platform != "linux":
        pytest.skip("the container is Linux, and so is its toolkit")
    if not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("the toolkit is compiled when it is installed, and there is no C compiler")
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("container")
    installed = folder / "installed"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.base_prefix.encode()).hexdigest()
    if not installed.is_file() or installed.read_text() != wanted:
        installed.unlink(missing_ok=True)
        for command in install_commands(folder / "venv"):
            subprocess.run(command, check=True)
        installed.write_text(wanted)
    return folder / "venv" / "bin" / "python"


def install_commands(venv: Path) -> list[list[str]]:
    """What makes the environment: uv where there is one, else pip."""
    python, lock = str(venv / "bin" / "python"), str(LOCK)
    locked = ["--quiet", "--no-deps", "--require-hashes", "-r", lock]
    uv = uv_program()
    if uv is None:
        return [
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            [python, "-m", "pip", "install", *locked],
        ]
    return [
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)],
        [uv, "pip", "install", "--python", python, "--build-constraints", lock, *locked],
    ]


def uv_program() -> str | None:
    """uv as it is installed with the tests' own packages, else the machine's; None without one."""
    try:
        from uv import find_uv_bin
    except ImportError:
        return shutil.which("uv")
    return str(find_uv_bin())


def run_in_container(
    python: Path, root: Path, command: Sequence[str | Path], environment: Mapping[str, str]
) -> Run:
    """Run a driver of `container/` with `root` as `/opt/ml`, cut off from every package index.

    Beside what that takes it has the variables that SageMaker sets, and no others.
    """
    site = root.with_name("site-packages")
    site.mkdir()
    done = subprocess.run(
        [python, *command],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "SAGEMAKER_BASE_DIR": str(root),
            "PYTHONPATH": str(site),
            "PIP_TARGET": str(site),  # of this run alone, as a container's own would be
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return Run(root, done.stdout)


def write_channel(folder: Path, name: str, rows: int, seed: int) -> None:
    """A split of customers who stay the likelier the more they spend; some values are missing."""
    random = np.random.default_rng(seed)
    spend, visits, age = random.normal(50, 20, rows), random.poisson(4, rows), np.arange(rows) % 60
    stayed = spend + 4 * visits + random.normal(0, 15, rows) > 65
    folder.mkdir(parents=True)
    COLUMNS.write(folder)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for i in range(rows):
            given = [f"{spend[i]:.2f}" if i % 9 else "", visits[i], 18 + age[i]]
            moment, city = "2026-01-31T00:00:00Z", ("Delhi", "Mumbai")[i % 2]
            writer.writerow([f"c{i}", moment, int(stayed[i]), city, *given])


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="session")
def wheels(request: pytest.FixtureRequest, toolkit: Path) -> Path:
    """The wheels that a step's code carries to SageMaker; kept, and held to their hashes anyway."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("wheels")
    options = ["--no-deps", "--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64"]
    options += ["--python-version", "3.12", "--dest", str(folder), "--quiet"]
    for wheel in (wheel for found in CARRIED.values() for wheel in found):
        if not (folder / wheel.file).is_file():
            package, version = wheel.file.split("-")[:2]
            command = [str(toolkit), "-m", "pip", "download", *options, f"{package}=={version}"]
            subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="session", params=Tuning.BY_PROBLEM["binary"])
def trained(
    request: pytest.FixtureRequest,
    toolkit: Path,
    wheels: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """A training job of the tuning step; LightGBM comes with it, since the image has none."""
    root = tmp_path_factory.mktemp("training") / "ml"
    (root / "model").mkdir(parents=True)
    archive = root.with_name("sourcedir.tar.gz")
    archive.write_bytes(
        step_code.training_code(tuned_by(request.param), "train.py").archive(wheels)
    )
    for seed, (name, rows) in enumerate({"train": 300, "validation": 200}.items()):
        write_channel(root / "input" / "data" / name, name, rows, seed)
    config = root / "input" / "config"
    submitted = {"sagemaker_submit_directory": str(archive)}  # there an S3 URI
    chosen = {"algorithm": request.param, "threshold_rule": "accuracy"}
    write_json(config / "hyperparameters.json", HYPERPARAMETERS | chosen | submitted)
    channel = {"ContentType": "text/csv", "TrainingInputMode": "File"}
    write_json(config / "inputdataconfig.json", {"train": channel, "validation": channel})
    write_json(config / "resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    driver = CONTAINER / "train_in_container.py"
    return run_in_container(toolkit, root, [driver], container_variables.TRAINING)


TELLS = """\
import json, os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(dict(os.environ)))
"""


def test_the_toolkit_tells_a_training_what_the_tests_of_scripts_are_told(
    toolkit: Path, tmp_path: Path
) -> None:
    """And what the local engine tells it: it is compared with the same list."""
    root = tmp_path / "ml"
    (root / "model").mkdir(parents=True)
    packaging = {file.name: file.read_bytes() for file in step_code.PACKAGING.iterdir()
                 if file.is_file()}  # fmt: skip
    archive = tmp_path / "sourcedir.tar.gz"
    code = step_code.StepCode("train.py", {"train.py": TELLS.encode(), **packaging})
    archive.write_bytes(code.archive(None))
    config = root / "input" / "config"
    submitted = {"sagemaker_submit_directory": str(archive)}
    write_json(config / "hyperparameters.json", HYPERPARAMETERS | submitted)
    write_json(config / "inputdataconfig.json", {})
    write_json(config / "resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    driver = CONTAINER / "train_in_container.py"
    run_in_container(toolkit, root, [driver], container_variables.TRAINING)
    told = json.loads((root / "model" / "told.json").read_text())
    assert told["AWS_REGION"] == container_variables.REGION
    assert "AWS_DEFAULT_REGION" not in told
    own = {name for name in told if name.startswith("SM_") and not name.startswith("SM_HP_")}
    image = {name for name in container_variables.IMAGE if name.startswith("SM_")}
    assert own - (image - {"SM_MODEL_DIR"}) == container_variables.TRAINING_TOOLKIT
    names = {name for name in HYPERPARAMETERS if not name.startswith(("sagemaker_", "_"))}
    assert {f"SM_HP_{name.upper()}" for name in names} <= told.keys()


REQUESTS: dict[str, dict[str, Any]] = {
    name: {"path": "/invocations", "method": "POST", "headers": headers, "body": body}
    for name, headers, body in [
        ("csv", {"Content-Type": "text/csv", "Accept": "text/csv"}, RECORDS),
        ("no accept", {"Content-Type": "text/csv"}, RECORDS),
        ("any accept", {"Content-Type": "text/csv", "Accept": "*/*"}, RECORDS),
        ("charset", {"Content-Type": "text/csv; charset=utf-8", "Accept": "text/csv"}, RECORDS),
        ("one record", {"Content-Type": "text/csv", "Accept": "text/csv"}, "12.5,3,40"),
        ("json", {"Content-Type": "application/json", "Accept": "application/json"}, INSTANCES),
        ("raw", {"Content-Type": "application/json", "Accept": "text/csv"}, RAW),
        ("wrong raw", {"Content-Type": "application/json", "Accept": "text/csv"}, WRONG_RAW),
        ("wrong type", {"Content-Type": "text/plain", "Accept": "text/csv"}, "12.5,3,40"),
        ("wrong json", {"Content-Type": "application/json", "Accept": "text/csv"}, "[12.5,3,40]"),
        ("wrong width", {"Content-Type": "text/csv", "Accept": "text/csv"}, "12.5,3\n"),
    ]
}
PING = {"ping": {"path": "/ping", "method": "GET"}}


@dataclass(frozen=True)
class Served:
    """The answers to REQUESTS by name, and what the container printed."""

    answers: dict[str, dict[str, Any]]
    log: str


@pytest.fixture(scope="session", params=["worker", "handler"] if EVERY_SCENARIO else ["worker"])
def served(
    request: pytest.FixtureRequest,
    toolkit: Path,
    trained: Run,
    tmp_path_factory: pytest.TempPathFactory,
) -> Served:
    """The trained model, served from a container that has its archive and nothing else."""
    root = tmp_path_factory.mktemp("serving") / "ml"
    shutil.copytree(trained.model, root / "model")
    asked, answers = root.with_name("requests.json"), root.with_name("answers.json")
    write_json(asked, REQUESTS | PING if request.param == "worker" else REQUESTS)
    code = SERVING["SAGEMAKER_SUBMIT_DIRECTORY"].replace("/opt/ml", str(root))
    run = run_in_container(
        toolkit,
        root,
        [CONTAINER / "serve_in_container.py", request.param, asked, answers],
        {**container_variables.HOSTING, **SERVING, "SAGEMAKER_SUBMIT_DIRECTORY": code},
    )
    return Served(json.loads(answers.read_text(encoding="utf-8")), run.log)


def predicted_here(model_dir: Path, records: str) -> str:
    """What the script answers in this process."""
    model = inference.model_fn(str(model_dir))
    data = inference.input_fn(records, "text/csv")
    answer: Any = inference.output_fn(inference.predict_fn(data, model), "text/csv")
    return str(answer[0] if isinstance(answer, tuple) else answer)


def test_training_prints_the_lines_that_the_service_reads(trained: Run) -> None:
    lines = METRIC_LINE.findall(trained.log)
    assert [int(number) for number, _, _ in lines] == list(range(ROUNDS))
    assert float(lines[-1][2]) > 0.7


def test_the_last_line_is_of_the_saved_model(trained: Run) -> None:
    validation = read_split(trained.root / "input" / "data" / "validation", "validation")
    model = inference.model_fn(str(trained.model))
    probabilities = inference.predict_fn(validation.features, model).probabilities
    printed = float(METRIC_LINE.findall(trained.log)[-1][2])
    assert probabilities is not None
    assert metrics.auc(validation.labels, probabilities) == pytest.approx(printed, abs=1e-5)


def test_the_model_archive_has_what_serves_it(trained: Run) -> None:
    description = inference.Description.read(trained.model)
    files = {"xgboost": "xgboost-model.json", "lightgbm": "lightgbm-model.txt"}
    assert (trained.model / files[description.algorithm]).is_file()
    code = trained.model / "code"
    assert description.decision is not None
    assert description.decision.rule == "accuracy" and 0 <= description.decision.threshold <= 1
    carried = {wheel.file for wheel in CARRIED.get(f"{description.algorithm}_model.py", ())}
    assert {path.name for path in code.glob("*.whl")} == carried
    assert Columns.read(code) == COLUMNS
    for script in step_code.closure("inference.py", FOLDERS).values():
        assert (code / script.name).read_bytes() == script.read_bytes()


def test_the_served_predictions_are_the_models(served: Served, trained: Run) -> None:
    answer = served.answers["csv"]
    assert answer["status"] == 200
    assert answer["body"] == predicted_here(trained.model, RECORDS)
    assert len(answer["body"].splitlines()) == len(RECORDS.splitlines())
    assert served.answers["one record"]["body"] == predicted_here(trained.model, "12.5,3,40")


@pytest.mark.parametrize("name", ["csv", "no accept", "any accept", "charset"])
def test_the_answer_is_csv_and_says_so(served: Served, trained: Run, name: str) -> None:
    answer = served.answers[name]
    assert (answer["status"], answer["body"]) == (200, predicted_here(trained.model, RECORDS))
    assert answer["type"].partition(";")[0] == "text/csv"


def test_raw_records_have_the_predictions_of_their_features(served: Served) -> None:
    """The team's features and the raw columns went from the training archive to the server's."""
    assert served.answers["raw"]["status"] == 200
    assert served.answers["raw"]["body"] == served.answers["csv"]["body"]
    assert '{"records": 3, "unknown": {"city": 1}}' in served.log


def test_the_same_records_in_json_have_the_same_predictions(served: Served) -> None:
    answer = served.answers["json"]
    assert (answer["status"], answer["type"].partition(";")[0]) == (200, "application/json")
    predictions = json.loads(answer["body"])["predictions"]
    found = [(one["predicted_label"], one["score"]) for one in predictions]
    rows = [line.split(",") for line in served.answers["csv"]["body"].splitlines()]
    assert [label for label, _ in found] == [int(label) for label, _ in rows]
    assert [score for _, score in found] == pytest.approx([float(score) for _, score in rows])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong type", "expected a request of type text/csv or application/json, got 'text/plain'"),
        (
            "wrong json",
            'expected JSON such as {"instances": [{"features": [1.5, null]}]} or {"records": ',
        ),
        ("wrong raw", "record 1: 'esent': expected a number, got 'many'"),
        ("wrong width", "expected 3 fields in a record ... got 2"),  # the model says their names
    ],
)
def test_a_wrong_request_is_an_error_that_says_why(served: Served, name: str, reason: str) -> None:
    assert served.answers[name]["status"] >= 400
    said = served.log + served.answers[name]["body"]
    assert re.search(".*".join(map(re.escape, reason.split(" ... "))), said)


@pytest.mark.parametrize("served", ["worker"], indirect=True)
def test_a_ping_is_answered(served: Served) -> None:
    assert served.answers["ping"]["status"] == 200


def test_the_training_archive_is_the_same_bytes_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = step_code.training_code(tuned_by("xgboost"), "train.py").archive(None)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert step_code.training_code(tuned_by("xgboost"), "train.py").archive(None) == first


def test_the_training_archive_installs_without_an_index(toolkit: Path, tmp_path: Path) -> None:
    code = step_code.training_code(tuned_by("xgboost"), "train.py")
    source, target = tmp_path / "source", tmp_path / "target"
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(code.archive(None))
    container.extract(archive, source)
    options = ["--no-index", "--no-deps", "--target", str(target)]
    command = [str(toolkit), "-m", "pip", "install", ".", *options]
    subprocess.run(command, cwd=source, env={"PATH": os.environ["PATH"]}, check=True)
    modules = {name for name in code.files if name.endswith(".py")}
    installed = [path.relative_to(target).as_posix() for path in target.rglob("*.py")]
    assert set(installed) == modules
    assert (target / RAW_COLUMNS).read_bytes() == code.files[RAW_COLUMNS]
    assert [path.name for path in target.glob("*.dist-info")] == ["training_step-1.0.dist-info"]


def test_the_processing_scripts_import_with_the_images_packages_alone(toolkit: Path) -> None:
    modules = ", ".join(name.removesuffix(".py") for name in PROCESSING_SCRIPTS)
    command = [str(toolkit), "-B", "-c", f"import {modules}"]
    path = os.pathsep.join(map(str, FOLDERS))
    subprocess.run(command, env={"PATH": os.environ["PATH"], "PYTHONPATH": path}, check=True)


def third_party(script: Path) -> frozenset[str]:
    """What a script imports that is neither Python's nor beside it."""
    siblings = {path.stem for path in STEPS}
    standard = sys.stdlib_module_names - NOT_IN_3_12
    return step_code.imported_modules(script) - standard - siblings - {TEAMS_OWN}


@pytest.mark.parametrize("script", STEPS, ids=lambda path: path.name)
def test_a_script_imports_only_what_the_image_has(script: Path) -> None:
    """What runs it follows from the step: the next test looks at each by itself."""
    carried = {wheel.file.split("-")[0] for wheel in CARRIED.get(script.name, ())}
    assert any(third_party(script) <= image.packages.keys() | carried for image in IMAGES)


PLACES = {
    problem: (GENERATED / "problems" / problem / step_code.STEPS, *FOLDERS)
    for problem in Tuning.BY_PROBLEM
}
"""Where the scripts of a problem type are looked for: those that are laid over come first."""


RUN = [
    (problem, entry)
    for problem, (own, *_) in PLACES.items()
    for entry in (*PROCESSING_SCRIPTS, "train.py", "inference.py")
    if problem != LANGUAGE_MODEL or (own / entry).is_file()
]


@pytest.mark.parametrize(("problem", "entry"), RUN)
def test_a_step_imports_only_what_its_image_has(problem: str, entry: str) -> None:
    image, files = image_of(problem, entry), step_code.closure(entry, PLACES[problem])
    carried = {wheel.file.split("-")[0] for name in files for wheel in CARRIED.get(name, ())}
    for script in files.values():
        assert third_party(script) <= image.packages.keys() | carried, script.name


@pytest.mark.parametrize("name", ["lightgbm", "duckdb", "sagemaker", "distutils"])
def test_an_import_that_the_image_lacks_is_found(tmp_path: Path, name: str) -> None:
    script = tmp_path / "wrong.py"
    script.write_text(f"import numpy\n\ndef main():\n    from {name}.core import all_there\n")
    assert third_party(script) - IMAGE.keys() == {name}


@pytest.mark.parametrize("problem", PLACES)
def test_what_serves_a_model_travels_with_its_training_into_its_archive(problem: str) -> None:
    served = set(step_code.closure("inference.py", PLACES[problem]))
    script = step_code.find("train.py", PLACES[problem])
    assert script is not None
    (packed,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(script.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign)
        and [name.id for name in statement.targets if isinstance(name, ast.Name)]
        == ["WITH_THE_MODEL"]
    )
    assert served == {f"{module}.py" for module in packed}
    assert served <= set(step_code.closure("train.py", PLACES[problem]))


def test_an_import_that_only_another_image_has_is_known() -> None:
    assert lacking(XGBOOST, frozenset({"numpy", "torch", "duckdb", "unheard_of"})) == [
        "duckdb", "torch",
    ]  # fmt: skip


def exact_pins(requirements: Iterable[str]) -> dict[str, str]:
    """The versions of requirements that name exactly one, by import name."""
    pins = {}
    for requirement in map(Requirement, requirements):
        (*others, last) = requirement.specifier or [None]
        if last and not others and last.operator == "==":
            name = canonicalize_name(requirement.name)
            pins[IMPORTED_AS.get(name, name)] = last.version
    return pins


def unlike_the_image(pins: dict[str, str]) -> dict[str, str]:
    return {name: version for name, version in pins.items() if IMAGE.get(name, version) != version}


def test_the_local_versions_are_the_images() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    pins = exact_pins(project["dependencies"])
    assert not unlike_the_image(pins)
    imported = set().union(*map(third_party, STEPS))
    assert (imported & IMAGE.keys()) - OF_AWS <= pins.keys(), (
        "what runs in the container is pinned, to its version"
    )


def test_the_toolkits_environment_has_the_images_versions() -> None:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    pins = exact_pins(line.rstrip(" \\") for line in lines if not line.startswith((" ", "#")))
    assert {"numpy", "pyarrow", "scipy", "sklearn", "xgboost"} <= pins.keys()
    assert not unlike_the_image(pins)
