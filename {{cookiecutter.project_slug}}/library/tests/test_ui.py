"""`pipeline ui`: what history and registry say, to be read alone, and by this machine alone."""

from __future__ import annotations

import dataclasses
import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from audited_machine import APPROVER, RUN, Machine
from ninesteps.cli import here, main
from ninesteps.local.endpoint.control import port_refused
from ninesteps.local.history import History
from ninesteps.local.state import KeptStep, Record, State, run_lock
from ninesteps.local.verdict import of_run
from ninesteps.settings.gate import Comparison
from ninesteps.ui import charts, pages
from ninesteps.ui import machine as machines
from ninesteps.ui.server import ADDRESS, Server, answer
from page_structure import Page, check_structure

DEFINITION = (Path(__file__).resolve().parents[3] / "tests/golden/churn.json").read_text("utf-8")
CHECK = "CheckAUCScoreChurnEvaluation"


@dataclasses.dataclass
class Asked:
    status: int
    headers: http.client.HTTPMessage
    text: str


def ask(server: Server, target: str, method: str = "GET", host: str = "") -> Asked:
    connection = http.client.HTTPConnection(ADDRESS, server.server_port, timeout=20)
    named = host or f"{ADDRESS}:{server.server_port}"
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", named)
    connection.endheaders()
    got = connection.getresponse()
    made = Asked(got.status, got.headers, got.read().decode())
    connection.close()
    return made


@contextmanager
def served(machine: machines.Machine) -> Iterator[Server]:
    with Server(machine, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Two runs: one that registered, and one whose model failed the gate."""
    made = Machine(tmp_path_factory.mktemp("served"))
    made.approve()
    state = State(made.local / "state.db")
    state.start_execution("refused00000", "pets", {"AsOf": "2026-02-01T00:00:00Z"}, DEFINITION, [])
    for name, kind, record, ended in (
        ("ChurnModelProcess", "Processing", Record(), 1000.0),
        ("ChurnHyperParameterTuning", "Tuning", Record(source=RUN), 1002.0),
        (CHECK, "Condition", Record(outcome=False), 1004.0),
    ):
        kept = KeptStep("refused00000", name, kind, "Succeeded", 1.0, "", record)
        state.note_step(kept, ended=ended)
    state.end_execution("refused00000", "Succeeded")
    page = made.local / "runs" / RUN / "report.html"
    page.write_text("<!DOCTYPE html><title>The report of the run</title>", encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def server(ran: Machine) -> Iterator[Server]:
    with served(machines.Machine(ran.local, ran.settings)) as server:
        yield server


def read(html: str) -> Page:
    """A page that is whole, whose links lead on it or to another of these pages."""
    links = {one.attributes.get("href", "") for one in Page(html).elements}
    return check_structure(html, {link for link in links if re.match(r"/(?!/)", link)})


def page(server: Server, target: str) -> Page:
    got = ask(server, target)
    assert got.status == 200, got.text
    return read(got.text)


def rows(page: Page, section: str) -> list[list[str]]:
    table = page.section(section).all("tbody")[0]
    return [[" ".join(c.text.split()) for c in row.all("th", "td")] for row in table.all("tr")]


def test_the_index_says_what_history_and_registry_say(server: Server, ran: Machine) -> None:
    index = page(server, "/")
    history = History(ran.local).runs()
    assert [row[0] for row in rows(index, "runs")] == [run["run"] for run in history]
    of = {row[0]: row for row in rows(index, "runs")}
    assert of[RUN][1:3] == ["✓ registered", "Version 1"]
    assert of["refused00000"][1:3] == ["✕ gate failed", "–"]
    assert of["refused00000"][5:] == ["2026-02-01", "–"]
    ((version, status, _, auc, run, report),) = rows(index, "versions")
    assert (version, status, auc, run) == ("Version 1", "✓ approved", "0.9000", RUN)
    links = {a.attributes["href"] for a in index.root.all("a")}
    assert {"/versions/1", f"/runs/{RUN}", f"/runs/{RUN}/report.html"} <= links
    assert report == "Report" and "No version serves" in index.root.all("header")[0].text
    titles = [h.text for h in index.section("metrics").all("h3")]
    assert titles[:3] == ["auc", "accuracy", "precision"]
    limits = [one for one in index.section("metrics").all("line")
              if one.attributes["class"] == "limit"]  # fmt: skip
    assert len(limits) == 1  # of the one comparison of churn's gate


def test_what_serves_is_marked(ran: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines.control, "serving", lambda local: 1)
    here_ = machines.Machine(ran.local, ran.settings)
    index = read(pages.index(here_))
    assert rows(index, "versions")[0][0] == "Version 1 serves"
    assert "Version 1 serves on this machine." in index.root.all("header")[0].text
    assert "It serves on this machine." in pages.version(here_, 1)


def test_a_run_has_its_steps_in_time(server: Server, ran: Machine) -> None:
    made = page(server, "/runs/refused00000")
    assert made.root.all("h1")[0].text.endswith("Run refused00000: gate failed")
    by_name = {row[0]: row[1:] for row in rows(made, "steps")}
    assert list(by_name) == [
        run.step.name for run in History(ran.local).execution("refused").numbered
    ]
    assert by_name["ChurnModelProcess"] == ["0.0 s", "1.0 s", "Succeeded"]
    assert by_name["ChurnHyperParameterTuning"] == ["2.0 s", "1.0 s", "Cached"]
    assert by_name["ChurnTransform"] == ["–", "–", "Waiting"]
    bars = {
        one.attributes["class"]: round(float(one.attributes["x"]))
        for one in made.root.all("rect")
        if one.attributes["class"] in ("bar", "bar other")
    }
    assert bars == {"bar": 3, "bar other": 270}  # at 0 of 5 s, and the gate that failed at 4


def test_a_version_has_metrics_decisions_and_lineage(server: Server, ran: Machine) -> None:
    made = page(server, "/versions/1")
    pairs = [d.text for d in made.section("metrics").all("dt", "dd")]
    assert pairs[:2] == ["auc", "0.90000"]
    assert f"{APPROVER} set it to Approved" in made.section("decisions").text
    picture = next(one for one in made.root.all("svg") if one.attributes["class"] == "lineage")
    assert [a for a in picture.all("a") if "ModelPackage" in a.attributes["aria-label"]]


def test_a_report_is_shown_and_can_reach_nothing(server: Server) -> None:
    got = ask(server, f"/runs/{RUN}/report.html")
    assert (got.status, "The report of the run" in got.text) == (200, True)
    assert got.headers["Content-Security-Policy"].endswith("sandbox allow-scripts")
    none = ask(server, "/runs/refused00000/report.html")
    assert none.status == 404 and "pipeline report refused00000" in none.text


@pytest.mark.parametrize(
    "target",
    ["/nothing", "/versions/2", "/versions/0", "/versions/1/..", "/runs/", "/runs/refused",
     "/runs/../state.db", "/runs/..%2f..%2fstate.db", "/runs/%2e%2e/report.html",
     "/runs/../report.html", f"/runs/{RUN}/../../state.db", f"/runs/{RUN}/logs", "//etc/passwd",
     f"/runs/{RUN}/report.json", "/state.db", "/%00", "http://elsewhere.example/x"],
)  # fmt: skip
def test_only_what_is_known_leads_anywhere(server: Server, target: str) -> None:
    got = ask(server, target)
    assert (got.status, got.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "Page not found" in got.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_answered(server: Server, method: str) -> None:
    got = ask(server, "/", method)
    assert (got.status, got.headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_no_content(server: Server) -> None:
    got = ask(server, "/", "HEAD")
    assert (got.status, got.text) == (200, "") and int(got.headers["Content-Length"]) > 1000


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:80"])
def test_whoever_asks_by_another_name_is_refused(server: Server, host: str) -> None:
    assert ask(server, "/", host=host).status == 421
    assert ask(server, "/", host=f"localhost:{server.server_port}").status == 200


def test_every_answer_has_a_policy_that_lets_nothing_in(server: Server) -> None:
    for target in ("/", "/nothing", "/versions/1"):
        headers = ask(server, target).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; base-uri 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def kept(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [folder, *sorted(folder.rglob("*"))]
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in paths}


def test_nothing_is_written(server: Server, ran: Machine) -> None:
    before = kept(ran.local)
    for target in ("/", f"/runs/{RUN}", "/versions/1", f"/runs/{RUN}/report.html", "/nothing"):
        ask(server, target)
    assert kept(ran.local) == before


def test_an_empty_folder_is_said_and_stays_empty(ran: Machine, tmp_path: Path) -> None:
    empty = machines.Machine(tmp_path / ".local", ran.settings)
    index = read(answer(empty, "/").html.decode())
    assert "Nothing has run on this machine: start with pipeline run" in " ".join(
        index.root.all("header")[0].text.split()
    ).replace(" .", ".")
    assert not (tmp_path / ".local").exists()


def test_a_damaged_state_is_a_sentence(ran: Machine, tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all " * 100)
    got = answer(machines.Machine(tmp_path, ran.settings), "/")
    assert got.status == 500
    assert "state.db cannot be used: file is not a database" in got.html.decode()


def test_a_version_whose_evaluation_is_gone_has_no_metrics(tmp_path: Path) -> None:
    made = Machine(tmp_path)
    (evaluation,) = made.local.rglob("evaluation.json")
    here_ = machines.Machine(made.local, made.settings)
    assert 'id="metrics"' in pages.index(here_)
    for content in ("{", "[]", None):
        if content is None:
            evaluation.unlink()
        else:
            evaluation.write_text(content, encoding="utf-8")
        assert rows(read(pages.index(here_)), "versions")[0][3] == "–"
        assert "evaluation.json is missing" in pages.version(here_, 1)


def test_a_run_that_goes_on_is_seen(tmp_path: Path, ran: Machine) -> None:
    here_ = machines.Machine(tmp_path, ran.settings)
    state = State(tmp_path / "state.db")
    assert rows_of_runs(here_) == []
    state.start_execution("goes0000on00", "pets", {}, DEFINITION, [])
    folder = tmp_path / "runs/goes0000on00"
    folder.mkdir(parents=True)
    with run_lock(folder):
        assert rows_of_runs(here_) == [["goes0000on00", "… running"]]
    assert rows_of_runs(here_) == [["goes0000on00", "✕ killed"]]
    state.end_execution("goes0000on00", "Stopped")
    assert rows_of_runs(here_) == [["goes0000on00", "– stopped"]]


def rows_of_runs(machine: machines.Machine) -> list[list[str]]:
    index = read(pages.index(machine))
    return [r[:2] for r in rows(index, "runs")] if index.section("runs").all("tbody") else []


def test_many_runs_are_on_pages(tmp_path: Path, ran: Machine) -> None:
    state = State(tmp_path / "state.db")
    for number in range(2 * pages.A_PAGE + 1):
        state.start_execution(f"run{number:09}", "pets", {}, "", [])
        state.end_execution(f"run{number:09}", "Failed")
    here_ = machines.Machine(tmp_path, ran.settings)
    first, last = (read(answer(here_, t).html.decode()) for t in ("/", "/?runs=3"))
    assert len(rows(first, "runs")) == pages.A_PAGE
    assert [row[0] for row in rows(last, "runs")] == ["run000000000"]
    hrefs = [a.attributes["href"] for a in first.section("runs").all("a")]
    assert hrefs[-1] == "/?runs=2&versions=1#runs"
    for odd in ("/?runs=99", "/?runs=x", "/?runs=-1", "/?runs=1&runs=2", "/?runs="):
        assert answer(here_, odd).status == 200
    assert "definition was not kept" in pages.run(here_, "run000000001")


@pytest.mark.parametrize(
    ("status", "passes", "is_registered", "says"),
    [("Succeeded", True, True, "registered"), ("Succeeded", False, False, "gate failed"),
     ("Succeeded", None, False, "succeeded"), ("Failed", None, False, "failed"),
     ("Failed", False, False, "failed"), ("Executing", None, False, "running"),
     ("Stopped", None, False, "stopped"), ("Killed", None, False, "killed")],
)  # fmt: skip
def test_a_run_ends_in_one_of_these(status: str, passes: bool | None, is_registered: bool,
                                    says: str) -> None:  # fmt: skip
    assert of_run(status, passes, is_registered) == says


def line(number: int, **metrics: float) -> machines.VersionLine:
    return machines.VersionLine(number, "Approved", "", "run", number == 2, False, "", metrics)


def test_a_metric_is_drawn_with_its_limits_and_what_serves() -> None:
    versions = [line(1, win_rate=0.4), line(2, win_rate=0.6), line(3, rmse=2.0)]
    limit = Comparison("win_rate", ">", 0.5)
    figure = charts.over_versions("win_rate", versions, [limit])
    assert figure.says == "0.6000 in version 2, the newest; from 0.4000 to 0.6000 in 2 versions."
    assert "gate: &gt; 0.5" in figure.svg and figure.svg.count("<circle") == 2
    assert figure.svg.count('class="point"') == 1
    alone = charts.over_versions("rmse", versions, [])
    assert alone.says == "2 in version 3, the newest." and 'class="limit"' not in alone.svg


def test_the_gates_metrics_come_first_then_the_newest_versions_own() -> None:
    versions = [line(2, own_cost=1.0, rmse=2.0), line(1, rmse=3.0, mae=1.0)]
    assert pages.metric_names(versions, ["rmse", "r2"]) == ["rmse", "own_cost"]


def test_the_command_says_its_address_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "ninesteps.cli", "ui", "--port", "0", "--open"], cwd=repository,
        env={**os.environ, "BROWSER": "echo opened %s"}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    said = [process.stdout.readline() for _ in range(2)]
    addresses = [re.search(r"http://127\.0\.0\.1:(\d+)/", text) for text in said]
    first, second = addresses
    assert first and second and first[0] == second[0]
    connection = http.client.HTTPConnection(ADDRESS, int(first[1]), timeout=20)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "pipeline: stopped\n")


def test_a_port_in_use_is_said(tmp_path: Path, ran: Machine, monkeypatch: Any) -> None:
    monkeypatch.setattr(here, "local", lambda: tmp_path)
    monkeypatch.setattr(here, "settings", lambda: ran.settings)
    with socket.create_server((ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(main.main, ["ui", "--port", str(port)])
    assert done.exit_code == 2
    assert f"--port: port {port} of 127.0.0.1: " in done.stderr
    assert "; use another port, or --port 0 for any free one\n" in done.stderr


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.EACCES, "; use another port, or --port 0 for any free one"), (errno.EMFILE, "")],
)
def test_a_port_that_is_refused_gets_advice_that_helps(code: int, advice: str) -> None:
    said = port_refused(80, OSError(code, "reason"))
    assert said == f"port 80 of 127.0.0.1: reason{advice}"
