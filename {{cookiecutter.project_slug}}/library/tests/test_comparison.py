"""How two runs differ: what is compared, what cannot be and why, and how it is shown."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.text import Text

from comparisons import ROWS, SECTION, answers, evaluation, of, side
from ninesteps.audit import privacy
from ninesteps.errors import StateError
from ninesteps.local.endpoint import control
from ninesteps.local.execution import Execution
from ninesteps.local.state import KeptStep, Record, State, StatusChange
from ninesteps.local.storage import Storage
from ninesteps.report.comparison import panel
from ninesteps.report.comparison.compare import compare
from ninesteps.report.comparison.model import (
    TITLES,
    Comparison,
    MetricChange,
    Part,
    as_json,
)
from ninesteps.report.comparison.names import Located, two, version_number
from ninesteps.report.comparison.side import Side, trees_and_nodes
from ninesteps.report.comparison.verdict import verdict
from ninesteps.report.evidence import Absent
from ninesteps.report.facts import Reference
from ninesteps.report.local_run import local_facts, reference, warnings_of_registration
from ninesteps.report.page import build
from ninesteps.terminal import comparison as terminal
from page_structure import Page, check_structure
from pets import settings as pet_settings
from reports import ANALYSIS, COLUMNS, EVALUATION, GATE, PROFILE, ROOT, SEARCH, steps


def shown(comparison: Comparison) -> list[str]:
    """What a terminal shows, without its colours."""
    return [Text.from_markup(line).plain for line in terminal.lines(comparison)]


def other(**replaced: Any) -> Side:
    return side("version 2", "two", **replaced)


# Metrics


def test_two_models_on_the_same_rows_have_paired_intervals_and_a_verdict() -> None:
    found = compare(side(skill=1.0), other(skill=2.0))
    auc = next(row for row in found.metrics.rows if row.name == "auc")
    assert auc.difference is not None and auc.interval is not None
    assert auc.interval[0] < auc.difference < auc.interval[1]
    assert auc.is_gated and auc.reading == "better"
    assert found.metrics.says == "Both models were scored on the same 404 test rows."
    assert found.verdict.startswith("Version 2 is better than version 1 in auc, ")
    assert "beyond chance, and worse in no metric." in found.verdict


def test_the_other_way_round_the_same_difference_is_worse() -> None:
    there, back = (compare(*sides) for sides in (
        (side(skill=1.0), other(skill=2.0)), (other(skill=2.0), side(skill=1.0))))  # fmt: skip
    for row, turned in zip(there.metrics.rows, back.metrics.rows, strict=True):
        assert row.difference == pytest.approx(-(turned.difference or 0))
        assert row.interval == pytest.approx([-end for end in reversed(turned.interval or ())])
    assert back.verdict.startswith("Version 1 is worse than version 2 in auc, ")


def test_a_small_difference_may_be_chance_and_none_is_the_same() -> None:
    found = compare(side(skill=1.5), other(skill=1.501))
    assert found.verdict == "Version 2 is neither better nor worse than version 1 beyond chance."
    same = compare(side(), other())
    assert same.metrics.is_same
    assert same.verdict == "Version 1 and version 2 have the same metrics."


def test_rows_in_another_order_are_paired_by_record_and_moment() -> None:
    test, said = answers(1.5)
    lines = [list(reversed(text.splitlines(keepends=True))) for text in (test, said)]
    turned = compare(side(), other(scored=("".join(lines[0]), "".join(lines[1]))))
    straight = compare(side(), other(skill=1.5))
    assert turned.metrics.says == straight.metrics.says
    for row, like in zip(turned.metrics.rows, straight.metrics.rows, strict=True):
        assert row.interval == pytest.approx(like.interval)


def test_other_rows_have_no_paired_interval_and_it_says_so() -> None:
    found = compare(side(), other(scored=answers(1.0, rows=ROWS - 4)))
    assert found.metrics.says == (
        "The test rows differ: version 1 has 404, version 2 400, and 400 are in both, so there "
        "is no paired interval."
    )
    assert {row.interval for row in found.metrics.rows} == {None}
    assert all(row.first_interval and row.second_interval for row in found.metrics.rows)
    assert found.verdict.startswith("Neither is shown to be better beyond chance.")


def test_on_other_rows_only_intervals_that_do_not_overlap_say_which_is_better() -> None:
    found = compare(side(skill=0.2), other(scored=answers(5.0, rows=ROWS - 4)))
    assert found.verdict.startswith("Version 2 is better in auc, ")
    assert "the intervals of the two do not overlap" in found.verdict


def test_a_label_that_has_changed_since_is_no_same_row() -> None:
    test, said = answers(1.0)
    first, _, rest = test.partition("\n")
    flipped = f"{first.replace(',0,', ',7,').replace(',1,', ',0,').replace(',7,', ',1,')}\n{rest}"
    found = compare(side(), other(scored=(flipped, said)))
    assert found.metrics.says.startswith("Of the same test rows 1 have another label now")


def test_answers_that_are_not_of_the_evaluation_give_no_intervals() -> None:
    test, said = answers(1.0)
    wrong = evaluation(test, said)
    wrong[SECTION]["auc"]["value"] = 0.99
    found = compare(side(), other(evaluation=wrong))
    assert "Version 2 has no intervals: its answers.csv and test.csv give auc " in (
        found.metrics.says
    )
    assert all(row.first_interval and not row.second_interval for row in found.metrics.rows)


def test_a_metric_of_the_teams_own_is_better_as_the_gate_reads_it() -> None:
    def own(value: float) -> dict[str, Any]:
        content = evaluation(*answers(1.0))
        content[SECTION]["lift"] = {"value": value}
        return content

    gate = json.loads(json.dumps(GATE).replace(".auc.", ".lift."))
    run = {"steps": steps([gate])}
    found = compare(side(evaluation=own(2.0), facts_replaced=run),
                    other(evaluation=own(3.0), facts_replaced=run))  # fmt: skip
    (lift,) = (row for row in found.metrics.rows if row.name == "lift")
    assert (lift.more_is_better, lift.is_gated, lift.interval) == (True, True, None)
    assert lift.reading == "not known"


def test_the_verdict_names_the_gates_metrics_first_and_what_may_be_chance() -> None:
    def row(name: str, low: float, high: float, **more: Any) -> MetricChange:
        middle = (low + high) / 2
        return MetricChange(name, 0.5, 0.5 + middle, interval=(low, high), **more)

    rows = (row("f1", 0.1, 0.2), row("auc", 0.1, 0.2, is_gated=True), row("recall", -0.1, 0.2),
            row("rmse", 0.1, 0.2, more_is_better=False),
            row("flagged_share", 0.1, 0.2, more_is_better=None))  # fmt: skip
    assert verdict("version 1", "version 2", Part(rows), Part()) == (
        "Version 2 is better than version 1 in auc and f1, and worse in rmse, beyond chance. The "
        "difference in recall may be chance. flagged_share is higher, beyond chance."
    )


# What cannot be compared


def test_other_problem_types_are_said_and_the_rest_is_shown() -> None:
    regression = {**EVALUATION, "regression_metrics": {"rmse": {"value": 3.0}}}
    del regression[SECTION]
    found = compare(side(), other(evaluation=regression))
    assert found.metrics.absent == (
        "The metrics cannot be compared, since the problem types differ: binary in version 1, "
        "regression in version 2."
    )
    assert found.verdict == f"It is not known which is better. {found.metrics.absent}"
    assert found.features.is_same and not found.features.absent


def test_other_labels_are_said() -> None:
    found = compare(side(), other(columns={**COLUMNS, "label": "left"}))
    assert "the labels differ: stayed in version 1, left in version 2" in found.metrics.absent
    assert found.groups.absent == found.metrics.absent


def test_a_run_that_failed_before_its_evaluation_is_compared_in_the_rest() -> None:
    failed = tuple(
        dataclasses.replace(step, reason="no such column") if step.name == "Evaluate" else step
        for step in steps(Evaluate="Failed")
    )
    found = compare(side(), other(facts_replaced={"steps": failed}))
    assert found.metrics.absent == (
        "The metrics cannot be compared, since version 2 has none: Evaluate failed: no such column."
    )
    assert found.parameters.is_same
    assert not found.data.absent


@pytest.mark.parametrize(
    ("lost", "parts"),
    [
        ("evaluation", {"metrics", "bias", "groups"}),
        ("analysis", {"features"}),
        ("profile", {"drift"}),
    ],
)
def test_a_file_that_is_gone_is_said_in_its_parts_alone(lost: str, parts: set[str]) -> None:
    usual = {key for key, part in compare(side(), other()).parts.items() if part.absent}
    found = compare(side(), other(**{lost: None}))
    absent = {key: part.absent for key, part in found.parts.items() if part.absent}
    assert absent.keys() - usual == parts
    assert all(f"{lost}.json" in absent[key] for key in parts)


@pytest.mark.parametrize("content", [[], {}, {"bias_metrics": 7}, "text"])
@pytest.mark.parametrize("name", ["evaluation", "analysis", "profile", "columns", "findings"])
def test_a_file_of_another_shape_ends_no_comparison(name: str, content: Any) -> None:
    found = compare(side(), other(**{name: content}))
    assert found.parameters.is_same
    assert shown(found)


def test_settings_that_were_not_kept_are_said() -> None:
    found = compare(side(facts_replaced={"origin": {}}), other())
    assert found.settings.absent == "Version 1 did not keep its settings."
    gone = other()
    gone.store.content.clear()  # type: ignore[attr-defined]
    assert compare(side(), gone).settings.absent.startswith("The settings of version 2 are gone: ")


def test_the_same_run_is_not_compared_with_itself() -> None:
    places = Places()
    with pytest.raises(StateError, match="got version 1 twice"):
        two(places, "version 1", "version 1")
    with pytest.raises(StateError, match="got version 1 and run one, which are the same run"):
        two(places, "version 1", "run one")
    assert places.read_so_far == []


def test_both_are_found_before_either_is_read() -> None:
    places = Places()
    with pytest.raises(StateError, match="there is no run nine"):
        two(places, "version 1", "run nine")
    assert places.read_so_far == []
    two(places, "version 1", "version 2")
    assert places.read_so_far == ["version 1", "version 2"]


class Places:
    """Two runs, and the names of those that were read."""

    RUNS: ClassVar = {"version 1": "one", "run one": "one", "version 2": "two"}

    def __init__(self) -> None:
        self.read_so_far: list[str] = []

    def located(self, name: str) -> Located:
        if name not in self.RUNS:
            raise StateError(f"there is no {name}")
        return Located(self.RUNS[name], name)

    def read(self, located: Located) -> Side:
        self.read_so_far.append(located.name)
        return side() if located.run == "one" else other()


@pytest.mark.parametrize(
    ("name", "number"),
    [("7", 7), ("999999999", 999_999_999), ("0", None), ("07", None), ("1234567890", None),
     ("last", None), ("tp6", None), ("serving", None), ("-1", None)],
)  # fmt: skip
def test_digits_alone_are_a_version(name: str, number: int | None) -> None:
    assert version_number(name) == number


# What differs


def test_every_aspect_of_two_like_runs_is_the_same() -> None:
    found = compare(side(), other())
    assert {key for key, part in found.parts.items() if not part.is_same} == {
        "model",
        "hyperparameters",
    }  # fmt: skip - which these runs do not have
    assert found.model.absent == "Create made no model."


def test_settings_are_compared_key_by_key() -> None:
    found = compare(
        side(settings='[gate]\nmetric = "auc > 0.7"\n[tuning.ranges]\neta = { min = 0.1 }\n'),
        other(settings='[gate]\nmetric = "auc > 0.8"\n[tuning.ranges]\neta = { min = 0.1 }\n'
                       '[data]\nmissing = ["-"]\n'),
    )  # fmt: skip
    assert [(row.name, row.first, row.second) for row in found.settings.different] == [
        ("gate.metric", "auc > 0.7", "auc > 0.8"), ("data.missing", None, ["-"])]  # fmt: skip


def test_code_is_compared_file_by_file_of_each_step() -> None:
    found = compare(side(code={"a.py": "1", "b.py": "2", "c.py": "3"}),
                    other(code={"a.py": "1", "b.py": "4", "d.py": "5"}))  # fmt: skip
    rows = [(row.file, row.how) for row in found.code.rows if row.step == "Evaluate"]
    assert rows == [("b.py", "changed"), ("c.py", "removed"), ("d.py", "added")]


def test_code_whose_marks_tell_nothing_is_read() -> None:
    first, second = (side(code={"a.py": "1", "b.py": text}) for text in ("2", "3"))
    for one in (first, second):
        one.store.are_told = False  # type: ignore[attr-defined]
    rows = [(row.file, row.how) for row in compare(first, second).code.different]
    assert set(rows) == {("b.py", "changed")}


def test_features_that_gained_lost_came_and_went() -> None:
    analysis = copy.deepcopy(ANALYSIS)
    analysis["explanations"]["kernel_shap"]["label0"]["global_shap_values"] = {
        "weight": 0.1, "colour": 0.4}  # fmt: skip
    found = compare(side(), other(analysis=analysis)).features
    assert {row.name: row.how for row in found.rows} == {
        "weight": "lost", "colour": "new", "purrs": "gone"}  # fmt: skip
    weight = next(row for row in found.rows if row.name == "weight")
    assert (weight.first, weight.second) == (pytest.approx(0.8), pytest.approx(0.2))


def test_data_are_compared_by_moment_rows_and_drift() -> None:
    profile = copy.deepcopy(PROFILE)
    profile["features"]["purrs"]["values"] = [[0.0, 100], [1.0, 900]]
    table = {"path": "pets.csv", "sha256": "a" * 64, "rows": 2108, "kept": 2104, "used": 1704,
             "left_out": [{"why": "no label", "rows": 4}]}  # fmt: skip
    found = compare(
        side(facts_replaced={"origin": {"table": table}}),
        other(profile=profile, facts_replaced={
            "parameters": {"AsOf": "2026-02-01T00:00:00Z"},
            "origin": {"table": {**table, "left_out": [{"why": "no label", "rows": 9}]}}}),
    )  # fmt: skip
    different = {row.name: (row.first, row.second) for row in found.data.different}
    assert different == {
        "as of": ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        "left out: no label": (4, 9),
    }
    assert [(row.name, row.reading) for row in found.drift.different] == [("purrs", "much")]


def test_hyperparameters_are_those_of_the_best_job() -> None:
    def searched(eta: str) -> dict[str, Any]:
        best = {"TrainingJobName": "tune-2", "TunedHyperParameters": {"eta": eta}}
        return {"steps": tuple(
            dataclasses.replace(step, answer={**SEARCH, "BestTrainingJob": best})
            if step.type == "Tuning" else step for step in steps()
        )}  # fmt: skip

    found = compare(side(facts_replaced=searched("0.1")), other(facts_replaced=searched("0.2")))
    assert [(row.name, row.first, row.second) for row in found.hyperparameters.rows] == [
        ("eta", "0.1", "0.2"), ("objective", "binary:logistic", "binary:logistic")]  # fmt: skip


def archive(name: str, content: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


def test_trees_and_nodes_are_counted_of_either_algorithm() -> None:
    trees = [{"tree_param": {"num_nodes": "7"}}, {"tree_param": {"num_nodes": "3"}}]
    model = {"learner": {"gradient_booster": {"model": {"trees": trees}}}}
    assert trees_and_nodes(archive("xgboost-model.json", json.dumps(model))) == (2, 10)
    lines = "tree\n\nTree=0\nnum_leaves=4\n\nTree=1\nnum_leaves=2\n"
    assert trees_and_nodes(archive("lightgbm-model.txt", lines)) == (2, 10)
    for broken in (b"", archive("other", ""), archive("xgboost-model.json", "{}")):
        with pytest.raises(Absent, match="trees can be counted"):
            trees_and_nodes(broken)


def test_nothing_is_shown_of_a_group_of_few_people() -> None:
    found = compare(side(), other())
    (newt,) = (row for row in found.groups.rows if row.group == "newt")
    assert (newt.rows, newt.shares, newt.dppl) == ((4, 4), (None, None), (None, None))


def test_a_side_without_facets_has_no_bias_and_no_columns() -> None:
    """Its evaluation has the worst numbers that there are, which measure nothing."""
    bare = EVALUATION["bias_metrics"] | {
        "worst_dppl": {"value": 1.0}, "worst_di": {"value": 0.0},
        "dppl": {}, "di": {}, "groups": {},
    }  # fmt: skip
    without = side("run one", "one", evaluation={**EVALUATION, "bias_metrics": bare})
    found = compare(without, other())
    assert {row.first for row in found.parts["bias"].rows} == {None}
    (group,) = (group for group in panel._groups(found) if group.title == "Bias by group")
    (table,) = group.tables
    names = ("rows", "favourable", "interval", "DPPL")
    assert table.head == ("group", *(f"{name}, this run" for name in names))
    assert {len(row) for row in table.rows} == {5}
    assert group.says.endswith("Run one has no such groups.")


# How it is shown


@pytest.fixture(scope="module")
def different() -> Comparison:
    analysis = copy.deepcopy(ANALYSIS)
    analysis["explanations"]["kernel_shap"]["label0"]["global_shap_values"] = {
        "a_feature_with_a_very_long_name_of_46_letters": 0.1, "weight": 0.4}  # fmt: skip
    profile = copy.deepcopy(PROFILE)
    profile["features"]["purrs"]["values"] = [[0.0, 100], [1.0, 900]]
    return compare(
        side("run tp6pbcf72zbn"),
        side("run tosh7de7ouup", "two", 2.0, analysis=analysis, profile=profile,
             code={"dataset.py": "1", **{f"module_{n}.py": "" for n in range(20)}},
             settings='[gate]\nmetric = "(auc > 0.95 or recall > 0.7) and worst_dppl < 0.3"\n'),
    )  # fmt: skip


OF_TABLES = {key: title for key, title in TITLES.items() if key != "replies"}


def test_every_line_fits_80_columns_and_the_verdict_comes_before_the_details(
    different: Comparison,
) -> None:
    lines = shown(different)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    places = [text.index(f"\n{title}") for title in OF_TABLES.values()]
    assert places == sorted(places)
    assert text.index("Run tosh7de7ouup is better than run tp6pbcf72zbn in auc") < places[0]


def test_columns_are_aligned(different: Comparison) -> None:
    lines = shown(different)
    start = lines.index("Metrics")
    head, value = lines[start + 2], lines[start + 3]
    for text in ("run tp6pbcf72zbn", "run tosh7de7ouup"):
        end = head.index(text) + len(text)
        assert value[end - 1].isdigit() and value[end] == " "
    assert value[head.index("difference")] == "+"


def test_what_is_the_same_says_so_in_a_line() -> None:
    lines = shown(compare(side(), other()))
    assert "Settings              the same" in lines
    assert "Metrics               the same" in lines


def test_json_has_every_row_with_what_is_made_of_it(different: Comparison) -> None:
    content = json.loads(json.dumps(as_json(different)))
    assert content.keys() >= {"first", "second", "verdict", "is_same", *OF_TABLES}
    assert "replies" not in content
    auc = next(row for row in content["metrics"]["rows"] if row["name"] == "auc")
    assert auc["difference"] == auc["second"] - auc["first"]
    assert auc["reading"] == "better"
    assert {row["how"] for row in content["features"]["rows"]} == {"new", "gone", "about the same"}
    assert content["model"] == {
        "absent": "Create made no model.", "says": None, "is_same": False, "rows": []}  # fmt: skip


def test_rows_of_one_customer_are_drawn_together() -> None:
    """Every row twice: as many groups as before, and so intervals as wide as of half the rows."""
    test, said = answers(1.0, rows=200)
    later = test.replace("2026-01-01", "2026-01-02")
    alone, twice = (
        compare(side(scored=scored), other(scored=scored))
        for scored in ((test, said), (test + later, said + said))
    )
    codes = "".join(f"{n}\n" for n in range(200))
    grouped = compare(*(
        grouped_by(codes + codes, make(scored=(test + later, said + said)))
        for make in (side, other)
    ))  # fmt: skip
    assert grouped.metrics.says.endswith("test rows, drawn by the groups of [split] group.")

    def width(comparison: Comparison) -> float:
        (auc,) = (row for row in comparison.metrics.rows if row.name == "auc")
        assert auc.first_interval
        return auc.first_interval[1] - auc.first_interval[0]

    assert width(twice) < 0.8 * width(alone)
    assert width(grouped) == pytest.approx(width(alone), rel=0.1)


def grouped_by(codes: str, one: Side) -> Side:
    store = one.store
    store.content[f"{ROOT}/Process/test/groups.csv"] = codes.encode()  # type: ignore[attr-defined]
    return one


# On the report's page

SERVING = Reference("one", 1, "version 1", "the version that serves", "Approved")


def test_what_is_told_of_the_champion_is_neither_bias_nor_code() -> None:
    test, said = answers(2.0)
    compared = {"outcome": "scored", "sha256": "0" * 64, "auc_difference": {"value": 0.5}}
    first, second = side(), other(evaluation=evaluation(test, said, champion=compared))
    given = {"InputName": "champion", "S3Input": {"S3Uri": f"{ROOT}/code/{'7' * 16}"}}
    with_champion = [
        dataclasses.replace(
            step, answer={**step.answer, "ProcessingInputs": [*step.request["ProcessingInputs"],
                                                              given]})
        if step.type == "Processing" else step
        for step in second.facts.steps
    ]  # fmt: skip
    run = dataclasses.replace(second.facts, steps=tuple(with_champion))
    found = compare(first, of("version 2", run, second.store))
    assert not [row.name for row in found.bias.rows if "champion" in row.name]
    assert not [row.step for row in found.code.rows if "champion" in row.step]


def page(of: Side, reference: Side | None, named: Reference | None = SERVING) -> Page:
    run = dataclasses.replace(of.facts, reference=named)
    return check_structure(build(run, of.store, lambda: reference).html)


def test_the_page_compares_the_run_with_what_serves_and_says_so() -> None:
    section = page(other(skill=2.0), side()).section("comparison")
    assert section.all("h2")[0].text == "Compared with version 1"
    says = section.text
    assert "This run is better than version 1 in auc" in says
    assert "Version 1 is the version that serves." in says
    assert "The same in both: gate and threshold, bias" in says
    assert len(section.all("figure")) == 1
    auc = next(row.text for row in section.all("tr") if row.text.startswith("auc (gate)"))
    assert auc.endswith("better")


def test_a_page_with_nothing_to_compare_with_has_no_such_part() -> None:
    made = check_structure(build(other().facts, other().store).html)
    assert "comparison" not in [one.attributes["id"] for one in made.root.all("section")]


def test_a_page_whose_other_run_is_gone_says_so() -> None:
    def gone() -> Side:
        raise StateError("there is no run 'one'; `pipeline runs` lists them")

    run = dataclasses.replace(other().facts, reference=SERVING)
    made = check_structure(build(run, other().store, gone).html)
    assert "There is no run 'one'" in made.section("comparison").text


@dataclasses.dataclass
class Machine:
    """A machine on which runs have ended, each with an evaluation of its own or an earlier one."""

    local: Path

    def run(
        self, name: str, evaluation: str, status: str = "Succeeded", data: str = "",
        origin: dict[str, Any] | None = None,
    ) -> Execution:  # fmt: skip
        state = State(self.local / "state.db")
        state.start_execution(name, "pets", {}, "{}", [], origin=origin or {})
        uri = f"s3://bucket/{name}/Evaluate/evaluation/evaluation.json"
        if data:
            profile = f"s3://bucket/{name}/Process/train/profile.json"
            Storage(self.local / "s3").write(profile, data.encode())
            state.note_step(KeptStep(name, "Process", "Processing", "Succeeded", 1, "",
                                     Record(digests={profile: data})))  # fmt: skip
        state.note_step(KeptStep(name, "Evaluate", "Processing", "Succeeded", 1, "",
                                 Record(digests={uri: evaluation})))  # fmt: skip
        state.end_execution(name, status)
        return Execution(name, self.local / "runs" / name, {}, {}, status)

    def register(self, run: str) -> int:
        state = State(self.local / "state.db")
        return state.register("pets", "PendingManualApproval", run, "R", {})

    def approve(self, version: int) -> None:
        change = StatusChange(version, "PendingManualApproval", "Approved", "Jo", "fine", "now")
        assert State(self.local / "state.db").change_status("pets", change)

    def drift(self, run: Execution) -> tuple[str, str]:
        """What a run's training data are compared with, or why they are with none."""
        facts = local_facts(self.local, pet_settings(), run)
        if facts.previous is None:
            return "", facts.no_previous
        return facts.previous.run, facts.previous.name_and_why

    def compared(self, run: Execution) -> tuple[str, str] | None:
        found = reference(self.local, pet_settings(), run)
        return None if found is None else (found.run, found.why)


def test_a_run_is_compared_with_what_serves_else_approved_else_the_last_other_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    assert machine.compared(machine.run("a", "1")) is None
    for run in ("a", "b"):
        if run == "b":
            machine.run("b", "2")
        machine.register(run)
    machine.run("failed", "9", "Failed")
    last = machine.run("c", "2")  # whose results were all reused of b
    assert machine.compared(last) == ("a", "the latest earlier run with another result")
    assert machine.compared(machine.run("d", "3")) == (
        "c", "the latest earlier run with another result")  # fmt: skip
    machine.approve(1)
    assert machine.compared(last) == ("a", "the newest approved version before it")
    monkeypatch.setattr(control, "serving", lambda local: 2)
    assert machine.compared(last) == ("b", "the version that serves")
    served = Execution("b", tmp_path / "runs/b", {}, {}, "Succeeded")
    assert machine.compared(served) == ("a", "the newest approved version before it")


def test_drift_is_since_what_serves_else_approved_else_the_last_run_on_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    assert "there is nothing to compare with" in machine.drift(machine.run("a", "1", data="A"))[1]
    machine.register("a")
    machine.run("b", "2", data="B")
    machine.register("b")
    last = machine.run("c", "3", data="C")
    assert machine.drift(last) == ("b", "run b")
    assert machine.drift(machine.run("d", "4", data="C")) == ("b", "run b")
    machine.approve(1)
    assert machine.drift(last) == ("a", "version 1 (the newest approved version before it)")
    monkeypatch.setattr(control, "serving", lambda local: 2)
    assert machine.drift(last) == ("b", "version 2 (the version that serves)")
    same = machine.drift(machine.run("e", "5", data="B"))
    assert same == ("", "version 2, the version that serves, learnt from the same training data: "
                        "there is no drift")  # fmt: skip
    (tmp_path / "s3/bucket/b/Process/train/profile.json").unlink()
    assert machine.drift(last) == ("a", "version 1 (the newest approved version before it)")


def test_why_there_is_no_drift_to_show_is_true_of_the_run(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run("a", "1", data="A")
    machine.register("a")
    machine.approve(1)
    last = machine.run("b", "2", data="B")
    assert machine.drift(last) == ("a", "version 1 (the newest approved version before it)")
    (tmp_path / "s3/bucket/a/Process/train/profile.json").unlink()
    _, why = machine.drift(last)
    assert why.startswith("this machine has no training data of a version that serves or is ap")
    without = machine.drift(machine.run("c", "3", "Failed"))
    assert without == ("", "there is no profile of the training data to compare")


def test_a_version_is_registered_though_its_warnings_cannot_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StateError("state.db: disk I/O error")

    machine = Machine(tmp_path)
    run = machine.run("a", "1", data="A")
    assert warnings_of_registration(tmp_path, pet_settings(), run) == {"warnings": "0"}
    monkeypatch.setattr(State, "steps", refused)
    assert warnings_of_registration(tmp_path, pet_settings(), run) == {}


def test_the_reasons_for_a_protected_column_stay_those_of_the_run(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kept = machine.run("a", "1", origin={"protected": {"sex": "agreed by the board"}})
    facts = local_facts(tmp_path, pet_settings(), kept)
    assert facts.protected_on_purpose == {"sex": "agreed by the board"}
    assert privacy.facts_of(facts).protected_on_purpose == {"sex": "agreed by the board"}
    none = local_facts(tmp_path, pet_settings(), machine.run("b", "1"))
    assert none.protected_on_purpose == pet_settings().model.protected
