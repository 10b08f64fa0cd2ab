"""Serving one model over HTTP: the rehearsal's endpoint beside the bare model and MLServer.

    python benchmarks/serving.py [--repetitions 5] [--seconds 2] [--keep]

The bare model is called in this process, with the array at hand: no reading, no HTTP. MLServer
has its own XGBoost runtime, predicts in the server's own process (`parallel_workers` 0, its fastest
for one caller) and is asked in its own JSON. Both servers get the same records, one a request for
latency, 1,000 a request for rows a second, over one connection that is kept.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments import python_of
from noop import GENERATED
from results import machine

KEPT = Path(__file__).with_name("serving.json")
FEATURES, ROUNDS, ROWS = 32, 200, 1000
LOCALHOST = "127.0.0.1"

Records = NDArray[np.float32]
"""(n, features)."""

Ask = Callable[[Records], object]
"""Has records predicted."""


@dataclass(frozen=True)
class Served:
    """What one way to serve took, over all repetitions."""

    p50_ms: float
    p99_ms: float
    rows_a_second: float


def main() -> None:
    """Measure all in turn, print, and keep if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=2, help="each time; default %(default)s")
    parser.add_argument("--keep", action="store_true", help="write serving.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        found = measure(Path(name), options.repetitions, options.seconds)
    print(*as_text(found), sep="\n")
    if options.keep:
        content = {"machine": machine(), **{name: vars(one) for name, one in found.items()}}
        KEPT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, repetitions: int, seconds: float) -> dict[str, Served]:
    """Each way to serve, in turn, so many times: a slow minute hits all."""
    archive = write_archive(folder)
    single = np.random.default_rng(3).random((1, FEATURES)).astype(np.float32)
    many = np.random.default_rng(4).random((ROWS, FEATURES)).astype(np.float32)
    latencies: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    with ours(folder, archive) as pipeline, mlserver(folder, archive) as other:
        asked: dict[str, Ask] = {"pipeline": pipeline, "bare model": bare(archive),
                                 "MLServer": other}  # fmt: skip
        for repetition in range(-1, repetitions):  # the first does not count
            for name, ask in asked.items():
                took = list(timed(ask, single, seconds))
                batches = list(timed(ask, many, seconds))
                if repetition >= 0:
                    latencies.setdefault(name, []).extend(took)
                    rates.setdefault(name, []).append(ROWS * len(batches) / sum(batches))
    return {
        name: Served(percentile(latencies[name], 50), percentile(latencies[name], 99),
                     statistics.median(rates[name]))
        for name in asked
    }  # fmt: skip


def percentile(seconds: list[float], percent: int) -> float:
    """In milliseconds."""
    return 1000 * float(np.percentile(seconds, percent))


def timed(ask: Ask, records: Records, seconds: float) -> Iterator[float]:
    """Seconds of each call, one after the other for a while; of a first, that connects, none."""
    ask(records)
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        ask(records)
        yield time.perf_counter() - began


def as_text(found: dict[str, Served]) -> Iterator[str]:
    """A table of 80 columns; ratios are those to the bare model."""
    yield f"{'':<12}{'p50':>12}{'':>8}{'p99':>12}{'':>8}{'rows a second':>16}{'':>8}"
    base = found["bare model"]
    for name, one in found.items():
        yield (
            f"{name:<12}{one.p50_ms:>9.3f} ms{one.p50_ms / base.p50_ms:>7.1f}x"
            f"{one.p99_ms:>9.3f} ms{one.p99_ms / base.p99_ms:>7.1f}x"
            f"{one.rows_a_second:>16,.0f}{one.rows_a_second / base.rows_a_second:>7.2f}x"
        )


def write_archive(folder: Path) -> Path:
    """An unpacked archive as the training step leaves it: a model of 32 features."""
    from ninesteps.step_code.bundle import closure, folders

    places = folders(GENERATED)
    sys.path[:0] = map(str, places)
    import booster
    import inference
    from dataset import Columns
    from decision import DecisionThreshold
    from xgboost_model import XGBoostModel

    archive, source = folder / "model", np.random.default_rng(4)
    (archive / "code").mkdir(parents=True)
    for name, file in closure("inference.py", places).items():
        shutil.copyfile(file, archive / "code" / name)
    data = source.random((5000, FEATURES)).astype(np.float32)
    labels = data[:, :5].sum(axis=1) > 2.5
    settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    XGBoostModel(booster.train(settings, booster.DMatrix(data, labels), ROUNDS)).save(archive)
    names = tuple(f"f{number}" for number in range(FEATURES))
    Columns("id", "label", "binary", 1, None, (), None, (), names).write(archive / "code")
    description = inference.Description(
        "xgboost", "validation:auc", 0.9, {}, DecisionThreshold("f1", 0.5)
    )
    description.write(archive)
    return archive


def bare(archive: Path) -> Ask:
    """The model's own predict, in this process, on one thread as the servers have it."""
    import xgboost

    found = xgboost.Booster({"nthread": 1})
    found.load_model(model_file(archive))
    return found.inplace_predict


def model_file(archive: Path) -> Path:
    """XGBoost's own file in an archive."""
    (file,) = (path for path in archive.iterdir() if path.is_file())
    return file


@contextmanager
def ours(folder: Path, archive: Path) -> Iterator[Ask]:
    """The rehearsal's endpoint, with one process."""
    from ninesteps.runs.rehearsal import Rehearsal
    from ninesteps.settings import loading as settings

    rehearsal = Rehearsal(GENERATED, folder / ".local", settings.load(GENERATED))
    rehearsal.start(0, processes=1)
    try:
        routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0,
                  "MaximumExecutionTimeoutInSeconds": 600}  # fmt: skip
        rehearsal.ask(
            "deploy", config={"BlueGreenUpdatePolicy": policy}, alarms=[], time_scale=1,
            version={"number": 1, "archive": str(archive), "program": "inference.py"},
            golden=golden_of(archive),
        )  # fmt: skip
        while rehearsal.ask("status")["deploying"]:
            time.sleep(0.1)
        yield over_http(rehearsal.port(), "/invocations", "text/csv", csv_of)
    finally:
        rehearsal.stop()


def golden_of(archive: Path) -> dict[str, list[str]]:
    """A record and what the archive's own script says of it: no version is served without."""
    import inference

    record = csv_of(np.zeros((1, FEATURES), dtype=np.float32)).decode()
    model = inference.model_fn(str(archive))
    answer, _ = inference.output_fn(
        inference.predict_fn(inference.input_fn(record, "text/csv"), model), "text/csv"
    )
    return {"records": [record.strip()], "answers": [answer.strip()]}


@contextmanager
def mlserver(folder: Path, archive: Path) -> Iterator[Ask]:
    """MLServer with its XGBoost runtime, which predicts in the server's own process."""
    python, served = python_of("mlserver"), folder / "mlserver"
    served.mkdir()
    port, grpc, metrics = free_ports(3)
    file = served / f"model{model_file(archive).suffix or '.ubj'}"
    shutil.copyfile(model_file(archive), file)
    server = {"host": LOCALHOST, "http_port": port, "grpc_port": grpc, "metrics_port": metrics,
              "parallel_workers": 0, "debug": False}  # fmt: skip
    model = {"name": "model", "implementation": "mlserver_xgboost.XGBoostModel",
             "parameters": {"uri": f"./{file.name}", "version": "1"}}  # fmt: skip
    (served / "settings.json").write_text(json.dumps(server), encoding="utf-8")
    (served / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    launch = "import sys; from mlserver.cli import main; sys.argv[0] = 'mlserver'; main()"
    command = [str(python), "-c", launch, "start", str(served)]
    with (folder / "mlserver.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=served, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    try:
        wait_for(port, "/v2/models/model/ready", process, folder / "mlserver.log")
        yield over_http(port, "/v2/models/model/infer", "application/json", v2_of)
    finally:
        process.terminate()
        process.wait()


def csv_of(records: Records) -> bytes:
    """Header-less CSV, a record a line."""
    return "".join(",".join(map(str, row)) + "\n" for row in records.tolist()).encode()


def v2_of(records: Records) -> bytes:
    """The Open Inference Protocol's JSON."""
    tensor = {"name": "x", "shape": list(records.shape), "datatype": "FP32",
              "data": records.ravel().tolist()}  # fmt: skip
    return json.dumps({"inputs": [tensor]}).encode()


def over_http(port: int, path: str, content_type: str, write: Callable[[Records], bytes]) -> Ask:
    """Asks over one connection; each body is written once, before it is measured."""
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=60)
    bodies: dict[int, bytes] = {}

    def ask(records: Records) -> bytes:
        body = bodies.get(id(records))
        if body is None:
            body = bodies[id(records)] = write(records)
        try:
            connection.request("POST", path, body, {"content-type": content_type})
        except ConnectionError:  # it was not used for some seconds, and the server closed it
            connection.close()
            connection.request("POST", path, body, {"content-type": content_type})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            sys.exit(f"status {answer.status}: {content[:500]!r}")
        return content

    return ask


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    taken = [socket.create_server((LOCALHOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def wait_for(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server is ready."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection(LOCALHOST, port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"it is not ready:\n{log.read_text(errors='replace')[-3000:]}")


if __name__ == "__main__":
    main()
