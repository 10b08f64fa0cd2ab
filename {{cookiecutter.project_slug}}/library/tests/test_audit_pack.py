"""The audit pack: nobody's data is in it, its bytes are the same, and it says what it lacks."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audited_machine import APPROVER, ORIGIN, PLANTED, RUN, Machine, planted, spellings
from ninesteps.audit import impact_ratios, laws, lineage, pack, privacy
from ninesteps.audit.known import NAMES, STATED
from ninesteps.audit.pack import Pack
from ninesteps.cli import here, main
from ninesteps.errors import RegistryError
from ninesteps.lineage import local as lineage_here
from ninesteps.lineage import roles
from ninesteps.lineage.graph import Association, Entity, Graph
from ninesteps.profiles import profile as profiles
from ninesteps.report import page
from ninesteps.report.figure import Panel
from ninesteps.step_code import bundle
from page_structure import check_structure
from reports import ROOT, facts, files

MADE = {"index.html", "index.txt", "verify.py", "__main__.py"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine whose run left names everywhere, and its version approved."""
    machine = Machine(tmp_path_factory.mktemp("audited"))
    machine.approve()
    return machine


@pytest.fixture(scope="module")
def made(machine: Machine) -> Pack:
    return pack.make(machine.subject())


def test_a_teams_own_panels_are_left_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may show rows: what a pack has is known to hold none."""
    shown = Panel("own-panel-1", "Ours", "Barnaby earns the most.")
    monkeypatch.setattr(page, "own_panels", lambda *_: [shown])
    with_them = page.build(facts(), files(), root=machine.local).html
    assert "Barnaby" in with_them  # so that the assertion below can fail
    content = members(pack.make(machine.subject()))
    assert b"Barnaby" not in content["report.html"]
    assert b"own panels" in content["index.html"]


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    """A machine of the test's own, to change."""
    machine = Machine(tmp_path)
    machine.approve()
    return machine


def members(made: Pack) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read(made: Pack, name: str) -> Any:
    return json.loads(members(made)[name])


def audit(machine: Machine, *arguments: object, status: int = 0) -> Result:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(here, "root", lambda: machine.root)
        patched.setattr(here, "local", lambda: machine.local)
        patched.setattr(here, "settings", lambda: machine.settings)
        patched.chdir(machine.root)
        words = ("audit", *map(str, arguments))
        done = CliRunner(env={"COLUMNS": "80"}).invoke(main.main, words)
    assert done.exit_code == status, done.output
    return done


# Nobody's data


def test_no_planted_name_is_in_any_file_of_the_pack(machine: Machine, made: Pack) -> None:
    left = b"".join(file.read_bytes() for file in machine.local.rglob("*") if file.is_file())
    for text in PLANTED:
        assert any(spelt in left for spelt in spellings(text)), f"{text} was not planted"
        found = [name for name, content in members(made).items()
                 if any(spelt.lower() in content.lower() for spelt in spellings(text))]  # fmt: skip
        assert found == [], text


def test_no_id_and_no_path_of_the_machine_is_in_it(machine: Machine, made: Pack) -> None:
    whole = b"".join(members(made).values())
    assert str(machine.root).encode() not in whole
    assert b"test.csv.out" not in members(made)["report.html"]
    assert "explanations_shap" not in "".join(members(made))


def test_groups_that_are_large_enough_keep_their_names_and_numbers(made: Pack) -> None:
    groups = read(made, "evaluation.json")["bias_metrics"]["groups"]
    assert [(g["value"], g["rows"]) for g in groups["kind"]] == [("cat", 200), ("dog", 200)]
    assert [g["value"] for g in groups["age_ge_4"]] == ["[4, …]"]
    facets = read(made, "analysis.json")["post_training_bias_metrics"]["facets"]
    assert [g["value_or_threshold"] for g in facets["facet_kind"]] == ["cat"]
    ratio = read(made, "evaluation.json")["bias_metrics"]["four_fifths"]["kind"]
    assert (ratio["lowest"], ratio["highest"]) == ("fewer than 10 rows", "cat")


def test_rare_values_of_the_training_split_are_counted_with_others(made: Pack) -> None:
    profile = read(made, "profile.json")
    assert profile["context"]["kind"]["values"] == [
        ["cat", 600], ["dog", 400], ["fewer than 10 rows", 2]
    ]  # fmt: skip
    assert profile["features"]["purrs"]["values"] == [[0.0, 500], [1.0, 501]]
    assert profile["features"]["weight"]["quantiles"][4] == 5.0  # of 1,000 rows: as they are


def test_a_group_is_small_if_few_of_it_are_in_any_split(fresh: Machine) -> None:
    uri = f"{ROOT}/Process/train/profile.json"
    content = json.loads(fresh.objects[uri])
    content["context"]["kind"]["values"] = [["cat", 991], ["dog", 9]]
    fresh.write(uri, json.dumps(content).encode())
    bias = read(pack.make(fresh.subject()), "evaluation.json")["bias_metrics"]
    assert [group["value"] for group in bias["groups"]["kind"]] == ["cat"]


def test_the_report_has_no_picture_of_single_records(made: Pack) -> None:
    report = members(made)["report.html"].decode()
    assert "Left out of audit packs: it has a row for each record." in report
    assert "Record by record" in report  # the part, whose text says that it is left out


def test_who_made_something_is_taken_out_of_what_aws_answers() -> None:
    answer = {"CreatedBy": {"UserProfileName": "p"}, "a": [{"LastModifiedBy": {}, "b": 2}]}
    assert privacy.without_people(answer) == {"a": [{"b": 2}]}


def test_percentiles_of_few_rows_are_rounded(fresh: Machine) -> None:
    uri = f"{ROOT}/Process/train/profile.json"
    content = json.loads(fresh.objects[uri])
    content["rows"] = 999
    content["features"]["weight"]["quantiles"][0] = 12.3456
    fresh.write(uri, json.dumps(content).encode())
    profile = read(pack.make(fresh.subject()), "profile.json")
    assert profile["features"]["weight"]["quantiles"][0] == 12.0


def test_a_copy_that_lacks_nothing_is_the_file_itself(machine: Machine, made: Pack) -> None:
    files = read(made, "manifest.json")["files"]
    uri = f"{ROOT}/Evaluate/evaluation/curves.json"
    assert files["curves.json"]["copy_of"] == uri
    assert members(made)["curves.json"] == machine.objects[uri]
    assert "copy_of" not in files["evaluation.json"]
    assert files["evaluation.json"]["note"].startswith(
        "groups, values and words of fewer than 10 rows"
    )


def test_who_started_the_run_is_named_where_a_rule_of_approval_asks_for_it(
    machine: Machine, made: Pack
) -> None:
    assert "run_started_by" not in read(made, "approvals.json")
    approval = dataclasses.replace(machine.settings.approval, require_second_approver=True)
    settings = dataclasses.replace(machine.settings, approval=approval)
    asked = pack.make(machine.subject(settings))
    assert read(asked, "approvals.json")["run_started_by"].startswith("Thaddeus")
    kinds = {e["kind"]: e["facts"] for e in read(asked, "chain.json")["entries"]}
    assert kinds["started"]["by"].startswith("Thaddeus")
    assert "Thaddeus" not in members(asked)["report.html"].decode()


# What is in it


def test_it_has_every_item_or_says_why_not(made: Pack) -> None:
    manifest, files = read(made, "manifest.json"), members(made)
    assert manifest["files"].keys() == files.keys() - {"manifest.json"}
    assert files.keys() > MADE
    assert manifest["absent"].keys() == {"comparison.json", "requirements.lock", "query.sql",
                                         "impact_ratios.json"}  # fmt: skip
    for name, entry in manifest["files"].items():
        assert entry["bytes"] == len(files[name])
    assert made.absent == manifest["absent"]


def test_the_decision_is_there_with_the_rules_that_were_in_force(made: Pack) -> None:
    content = read(made, "approvals.json")
    (decision,) = content["decisions"]
    assert (decision["who"], decision["after"]) == (APPROVER, "Approved")
    assert decision["rules"] == content["rules_in_force"]
    assert content["rules_in_force"].startswith("gate auc > 0.75")


def test_who_deployed_it_and_why_is_there_and_who_deployed_another_is_not(fresh: Machine) -> None:
    fresh.run("two")
    folder = fresh.local / "endpoint"
    folder.mkdir()
    one = {"version": 1, "before": None, "by_hand": False, "who": "Al Gore", "reason": "spring"}
    two = {**one, "version": 2, "before": 1, "who": "Thaddeus", "reason": "Petunia asked for it"}
    back = {**one, "before": 2, "by_hand": True, "who": "Ida", "reason": "too slow"}
    lines = [
        {**each, "event": event, "at": f"2026-01-0{day}T00:00:00Z", **ended}
        for day, each in enumerate((one, two, back), 1)
        for event, ended in (("began", {"policy": {}}), ("ended", {"outcome": "deployed"}))
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / "deployments.jsonl").write_text(text, encoding="utf-8")
    made = pack.make(fresh.subject())
    told = read(made, "approvals.json")["deployments"]
    assert [(one["what"], one["who"], one["why"]) for one in told] == [
        ("deployed", "Al Gore", "spring"),
        ("deployed again: version 2 was rolled back", "Ida", "too slow"),
    ]
    page = " ".join(members(made)["index.html"].decode().split())
    assert "On this machine it was deployed by Al Gore, 1 January 2026, 00:00 UTC" in page
    assert "spring" in members(made)["report.html"].decode()
    lineage_json = members(made)["lineage.json"].decode()
    assert "Al Gore" in lineage_json
    for content in members(made).values():
        for name in ("Thaddeus", "Petunia"):
            assert not any(spelling in content for spelling in spellings(name))


def test_entries_of_other_versions_are_there_by_their_hash_alone(fresh: Machine) -> None:
    from ninesteps.local.state import State

    state = State(fresh.local / "state.db")
    state.start_execution("two", "pets", {}, "{}", [], started_by="Zebedee Quux")
    made = pack.make(fresh.subject())
    entries = read(made, "chain.json")["entries"]
    assert [e["kind"] for e in entries] == ["started", "registered", "approved", "started"]
    assert [e["facts"] is None for e in entries] == [True, False, False, True]
    assert read(made, "chain.json")["head"] == f"4:{entries[-1]['sha256']}"
    assert b"Zebedee" not in made.content


def test_every_object_is_listed_with_its_digests(machine: Machine, made: Pack) -> None:
    listed = {o["uri"]: o for o in read(made, "data.json")["objects"]}
    assert listed.keys() == machine.objects.keys()
    assert all(o["sha256_noted"] == o["sha256_now"] != "" for o in listed.values())


def test_the_lineage_names_who_decided_and_nobody_else(fresh: Machine) -> None:
    fresh.run("two")
    made = pack.make(fresh.subject())
    entities = read(made, "lineage.json")["entities"]
    assert [e["name"] for e in entities if e["type"] == "Approval"] == [f"approved by {APPROVER}"]
    assert not any("started by" in e["properties"] for e in entities)
    assert members(made)["lineage.mmd"].startswith(b"flowchart LR\n")
    assert b'<svg class="lineage"' in members(made)["report.html"]
    assert b"Thaddeus" not in made.content


def test_decisions_on_other_versions_are_not_in_the_lineage(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Entity("p", "artifact", "ModelPackage", "version 1", role=roles.PACKAGE)
    approvals = [
        Entity(f"d{version}", "action", "Approval", f"approved by {who}", role=roles.APPROVAL,
               properties={"version": version, "who": who})
        for version, who in (("1", APPROVER), ("2", "Petunia"))
    ]  # fmt: skip
    whole = Graph(
        {entity.id: entity for entity in (package, *approvals)},
        (Association("d1", "p", "ContributedTo"), Association("d2", "p", "ContributedTo")),
    )
    monkeypatch.setattr(lineage_here, "graph_of_version", lambda *of: whole)
    found = lineage.graph(machine.subject())
    assert found.entities.keys() == {"p", "d1"}
    assert [association.source for association in found.associations] == ["d1"]


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("/home/petunia/people.csv", "people.csv"),
        ("C:\\Users\\Petunia\\people.csv", "people.csv"),
        ("C:/Users/Petunia/people.csv", "people.csv"),
        ("~petunia/people.csv", "people.csv"),
        ("\\\\server\\petunia\\people.csv", "people.csv"),
        ("data/people.csv", "data/people.csv"),
        ("s3://bucket/pets/people.csv", "s3://bucket/pets/people.csv"),
        ("arn:aws:sagemaker:eu-west-1:111122223333:model/pets", None),
        ("", ""),
    ],
)
def test_of_a_path_on_a_machine_the_last_name_stays(place: str, kept: str | None) -> None:
    assert privacy.last_name(place) == (place if kept is None else kept)


def test_it_is_compared_with_the_version_that_it_replaced(fresh: Machine) -> None:
    fresh.run("two")
    fresh.run("three")
    content = read(pack.make(fresh.subject(number=3)), "comparison.json")
    assert (content["first"]["name"], content["second"]["name"]) == ("version 1", "version 3")
    assert content["metrics"]["is_same"]
    assert content["first"]["by"] == ""
    from ninesteps.local.state import State

    group = fresh.settings.model_package_group
    facts = {"group": group, "version": 3, "from": 2, "to": 3, "by_hand": False}
    State(fresh.local / "state.db").append_event("deployed", facts)
    made = pack.make(fresh.subject(number=3))
    assert read(made, "comparison.json")["first"]["name"] == "version 2"
    whole = b"".join(members(made).values()).lower()
    for text in PLANTED:
        assert not any(spelt.lower() in whole for spelt in spellings(text)), text


def test_the_first_version_replaced_none(made: Pack) -> None:
    assert made.absent["comparison.json"] == (
        "it did not replace a version: none was approved or served before it"
    )


def test_the_lock_is_there_if_it_is_the_one_that_the_run_had(fresh: Machine) -> None:
    lock, found = fresh.root / "requirements.lock", fresh.subject()
    lock.write_bytes(b"numpy==2.1.0\n")
    assert members(pack.make(fresh.subject()))["requirements.lock"] == b"numpy==2.1.0\n"
    lock.write_bytes(b"numpy==2.2.0\n")
    why = pack.make(fresh.subject()).absent["requirements.lock"]
    assert why.startswith("the requirements.lock of the run was not kept with its code, and the ")
    kept = bundle.lock_uri(found.store, found.origin["lock_sha256"])
    fresh.write(kept, b"numpy==2.3.0\n")
    assert pack.make(fresh.subject()).absent["requirements.lock"] == why
    fresh.write(kept, b"numpy==2.1.0\n")  # as a run keeps it
    assert members(pack.make(fresh.subject()))["requirements.lock"] == b"numpy==2.1.0\n"


def test_a_run_that_recorded_no_origin_says_so(fresh: Machine) -> None:
    found = fresh.subject()
    facts = dataclasses.replace(found.facts, origin={})
    made = pack.make(dataclasses.replace(found, facts=facts))
    assert made.absent["origin.json"].startswith("the run did not record where its code")
    text = " ".join(members(made)["index.txt"].decode().split())
    assert "Not known: the run did not record its commit." in text


# Always the same bytes


def test_it_is_the_same_bytes_on_another_day_in_another_place_by_another_user(
    machine: Machine, made: Pack, tmp_path: Path
) -> None:
    assert pack.make(machine.subject()).content == made.content
    shutil.copytree(machine.root, tmp_path / "moved")
    for file in (tmp_path / "moved").rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    script = (
        "import sys; from pathlib import Path; from ninesteps.audit import pack, subject\n"
        "from ninesteps.settings import loading\n"
        "root, source, out = map(Path, sys.argv[1:])\n"
        "of = subject.here(root, root / '.local', loading.load(source), 1)\n"
        "pack.make(of).write(out)\n"
    )
    other = {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7", "USER": "petunia", "LC_ALL": "C",
             "HOME": str(tmp_path), "PYTHONPATH": os.environ["PYTHONPATH"]}  # fmt: skip
    source = Path(__file__).resolve().parents[2]
    arguments = [str(tmp_path / "moved"), str(source), str(tmp_path / "again.zip")]
    subprocess.run([sys.executable, "-c", script, *arguments], env=other, check=True, umask=0o077)
    assert (tmp_path / "again.zip").read_bytes() == made.content


# Wrong input, and what is gone


def test_a_version_that_there_is_not(machine: Machine) -> None:
    assert "has no version 7: it has 1" in audit(machine, 7, status=2).stderr
    assert "expected a version's number such as 1, got 'x'" in audit(machine, "x", status=2).stderr


def test_a_place_where_nothing_can_be_written(machine: Machine) -> None:
    said = audit(machine, 1, "-o", "nowhere/pack.zip", status=2).stderr
    assert "-o: expected a file to write the pack to, got nowhere/pack.zip" in said
    said = audit(machine, 1, "-o", ".", status=2).stderr
    assert "-o: expected a file to write the pack to, got a folder" in said


def test_options_that_do_not_go_together(machine: Machine) -> None:
    assert "expected VERSION, --verify or --head" in audit(machine, status=2).stderr
    assert "-o: expected a VERSION" in audit(machine, "--verify", "-o", "x", status=2).stderr
    of_pack = audit(machine, "x.zip", "--verify", "--env", "p", status=2)
    assert "--env: expected a VERSION, or the chain of events" in of_pack.stderr
    assert "--head: expected no VERSION and no PACK" in audit(machine, 1, "--head", status=2).stderr


def test_files_that_are_gone_are_named_with_the_reason(fresh: Machine) -> None:
    fresh.path(f"{ROOT}/Clarify/analysis_result/analysis.json").unlink()
    done = audit(fresh, 1)
    assert (
        "analysis.json: ClarifyProcessingStep left no analysis.json that can be read"
        in " ".join(done.stdout.split())
    )
    text = members(pack.make(fresh.subject()))["index.txt"].decode()
    assert "Not known: ClarifyProcessingStep left no analysis.json that can be read." in text
    assert "- analysis.json is missing: ClarifyProcessingStep left" in text


def test_where_nothing_is_left_it_refuses(fresh: Machine) -> None:
    shutil.rmtree(fresh.local / "s3")
    said = audit(fresh, 1, status=2).stderr
    assert f"version 1: nothing of run {RUN} is left to make a pack of" in said
    assert not list(fresh.root.glob("*.zip"))


def test_a_file_that_was_changed_since_is_shouted(fresh: Machine) -> None:
    uri = f"{ROOT}/Evaluate/evaluation/curves.json"
    fresh.write(uri, fresh.objects[uri].replace(b'"rows": 404', b'"rows": 405'))
    assert f"changed    {uri}: not as its step wrote it" in audit(fresh, 1).stderr
    made = pack.make(fresh.subject())
    assert "IT WAS CHANGED" in read(made, "manifest.json")["files"]["curves.json"]["note"]
    assert "Problems found" in members(made)["index.html"].decode()
    assert made.changed == (uri,)


def test_a_chain_that_is_not_whole_is_shouted(fresh: Machine) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(fresh.local / "state.db")) as connection, connection:
        connection.execute("DROP TRIGGER events_stay")
        connection.execute("UPDATE events SET at = '2020-01-01T00:00:00Z' WHERE number = 3")
    text = members(pack.make(fresh.subject()))["index.txt"].decode()
    assert "- The chain of events is broken:" in text
    assert "is broken: entry 3:" in " ".join(text.split())


def test_a_file_of_another_shape_takes_no_more_than_its_own_place(fresh: Machine) -> None:
    for name in ("Evaluate/evaluation/evaluation", "Process/train/profile"):
        fresh.write(f"{ROOT}/{name}.json", b"[]")
    made = pack.make(fresh.subject())
    assert {"evaluation.json", "profile.json"} <= made.absent.keys()
    assert "is not in the expected format" in made.absent["profile.json"]
    assert "analysis.json" in members(made)


def test_what_is_printed_says_where_and_what_to_keep(machine: Machine, made: Pack) -> None:
    done = audit(machine, 1)
    assert (machine.root / "customer-churn-v1-audit.zip").read_bytes() == made.content
    assert f"manifest.json has SHA-256 {made.manifest_sha256}" in done.stdout
    assert "Keep this digest elsewhere" in done.stdout
    content = json.loads(audit(machine, 1, "--json", "-o", machine.root / "other.zip").stdout)
    assert content["manifest_sha256"] == made.manifest_sha256
    assert (machine.root / "other.zip").read_bytes() == made.content
    assert not list(machine.root.glob(".*.zip*"))


# The page


def test_the_page_is_whole_and_its_text_has_80_columns(made: Pack) -> None:
    files = members(made)
    page = check_structure(files["index.html"].decode(), files)
    text = files["index.txt"].decode()
    assert max(map(len, text.splitlines())) <= 80
    for law in laws.load().law:
        assert page.by_id(law.key)
        assert law.name.split(":")[0] in " ".join(text.split())


def test_the_page_answers_with_numbers_of_this_version(made: Pack) -> None:
    text = " ".join(members(made)["index.txt"].decode().split())
    assert "the widest gap is 0.250 and the lowest ratio 0.660" in text
    assert "auc is 0.9, expected more than 0.75; it passes" not in text  # of the AI Act: not churn
    assert "recall 60.0 % (95 % interval 50.0 to 70.0 %)" in text or "recall 0.6000" in text
    assert f"approved by {APPROVER}" in text
    assert "It is not legal advice" in text
    assert f"commit {ORIGIN['repository']['commit']}, with uncommitted changes" in text
    assert f"the table people.csv with SHA-256 {'3' * 64}, 1,704 rows" in text


def test_laws_that_do_not_concern_a_profile_are_said_and_not_asked(made: Pack) -> None:
    text = " ".join(members(made)["index.txt"].decode().split())
    assert (
        "Does it apply to this model? Not for this profile. Predicting which customers stay" in text
    )
    assert "Article 26" not in text
    assert "Article 35(1), (3) and (7)" in text


# The mapping


def test_each_sentence_names_facts_and_each_question_items_that_there_are(made: Pack) -> None:
    manifest = read(made, "manifest.json")
    items = {*manifest["files"], *manifest["absent"], "manifest.json"}
    for law in laws.load().law:
        for question in law.question:
            where = f"{law.key} {question.article}"
            assert question.names <= NAMES, where
            assert set(question.items) <= items, where
            assert question.shows and question.asks and question.not_shown, where


def test_what_people_decide_is_never_said_to_have_happened() -> None:
    """`{decisions}` may be "none so far": a sentence before it must hold for that, too."""
    sentences = [s for law in laws.load().law for q in law.question for s in q.shows]
    before = [s.partition("{decisions}")[0] for s in sentences if "{decisions}" in s]
    assert before
    assert all(re.match(r"(It tells .* )?Decisions .*: $", text) for text in before), before


def test_what_some_models_lack_takes_no_other_fact_with_it() -> None:
    """A sentence goes if one fact of it is unknown: such a fact stands with its own kind alone."""
    of_groups = {"facets", "worst_dppl", "worst_di", "small_groups", "facets_as_features"}
    alone = ({"at_threshold"}, {"trials"}, {"drift"}, {"chain"}, *({name} for name in STATED))
    for law in laws.load().law:
        for sentence in (s for question in law.question for s in question.shows):
            names = set(re.findall(r"{(\w+)}", sentence))
            if names & of_groups:
                assert names - of_groups <= {"favourable", "test_rows"}, sentence
            assert all(names == kind or not names & kind for kind in alone), sentence


def test_no_fact_is_made_for_nobody() -> None:
    named = {name for law in laws.load().law for q in law.question for name in q.names}
    assert named == NAMES


def test_each_law_says_whether_it_concerns_a_profile() -> None:
    for law in laws.load().law:
        assert law.concerns.keys() - {"default"} <= set(profiles.names()), law.key
        assert {concern.answer for concern in law.concerns.values()} <= set(laws.ANSWERS)
        for profile in profiles.names():
            assert law.concern(profile).why.endswith("."), law.key


@pytest.mark.parametrize(
    ("profile", "ai_act", "local_law"),
    [
        ("attrition", "where", "probably not"),
        ("salary", "where", "probably not"),
        ("churn", "no", "no"),
        ("fraud", "no", "no"),
        ("custom", "where", "where"),
    ],
)
def test_hr_laws_concern_the_profiles_about_employees(
    profile: str, ai_act: str, local_law: str
) -> None:
    found = {law.key: law.concern(profile).answer for law in laws.load().law}
    assert found == {"gdpr": "where", "dpdp": "where", "ai_act": ai_act, "ll144": local_law}


def test_the_articles_are_those_that_the_issue_names() -> None:
    cited = {law.key: " ".join(q.article for q in law.question) for law in laws.load().law}
    for number in (5, 13, 14, 15, 22, 30, 35):
        assert re.search(rf"Articles? {number}\b", cited["gdpr"]), number
    for number in (4, 5, 6, 7, 8, 11, 12, 13):
        assert re.search(rf"[Ss]ection {number}\b", cited["dpdp"]), number
    for number in (*range(9, 16), 26, 27):
        assert re.search(rf"Article {number}\b", cited["ai_act"]), number


def test_a_run_without_a_registration_has_no_pack(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with pytest.raises(RegistryError, match="has no version 2"):
        from ninesteps.audit import subject

        subject.here(machine.root, machine.local, machine.settings, 2)


# Impact ratios


def test_the_rules_own_example_of_selection_rates() -> None:
    """6 RCNY § 5-301(b): 667 of 1,390 men and 555 of 1,181 women are selected."""
    sizes = {("Male", 1): 667, ("Male", 0): 723, ("Female", 1): 555, ("Female", 0): 626}
    (table,) = rates(sizes)
    found = {c.name: (c.rows, c.selected, round(c.rate, 2), c.ratio) for c in table.categories}
    assert found["Male"] == (1390, 667, 0.48, 1.0)
    assert found["Female"][:3] == (1181, 555, 0.47)
    assert round(found["Female"][3] or 0, 3) == 0.979


def rates(sizes: dict[tuple[str, int], int], least: int = 10) -> list[impact_ratios.Rates]:
    """The tables of people of a sex, so many predicted 1 and 0."""
    people = [pair for pair, size in sizes.items() for _ in range(size)]
    return tables([(sex, "") for sex, _ in people], [str(y) for _, y in people], least=least)


def tables(
    people: list[tuple[str, str]],
    answers: list[str],
    problem: str = "binary",
    least: int = 10,
    favourable: int = 1,
) -> list[impact_ratios.Rates]:
    columns = {
        "record_id": "id", "problem": problem, "favourable_label": favourable,
        "facets": [{"column": "Sex"}, {"column": "race"}] if any(r for _, r in people)
        else [{"column": "Sex"}],
        "columns": ["id", "y", "facet_Sex", "facet_race"],
    }  # fmt: skip
    test = "".join(f"{n},0,{sex},{race}\n" for n, (sex, race) in enumerate(people))
    said = "".join(f"{n},{answer}\n" for n, answer in enumerate(answers))
    return impact_ratios.tables(columns, test.encode(), said.encode(), ("sex",), ("race",), least)


def test_a_score_counts_above_the_median_of_all() -> None:
    people = [("f", "a")] * 20 + [("m", "b")] * 20
    scores = [str(n % 20 + (0 if n < 20 else 5)) for n in range(40)]  # median 12
    by_sex, by_race, by_both = tables(people, scores, "regression")
    found = {c.name: c.rate for c in by_sex.categories}
    assert found == {"f": 7 / 20, "m": 12 / 20}
    assert [c.name for c in by_both.categories] == ["f × a", "m × b"]
    assert by_race.by == ("race",)


def test_a_model_of_two_classes_has_rates_of_its_classes_and_of_its_scores() -> None:
    """Of the second, those on the favourable side of the median, 0.17: above it, or below it."""
    people = [("f", "")] * 10 + [("m", "")] * 10
    scores = [f"0,0.{n + 10}" for n in range(10)] + [f"1,0.{n + 15}" for n in range(10)]
    for favourable, classes, better in ((1, (0, 10), (2, 7)), (0, (10, 0), (7, 2))):
        by_class, by_score = tables(people, scores, favourable=favourable)
        assert (by_class.measure, by_score.measure) == ("selection rate", "scoring rate")
        assert tuple(c.selected for c in by_class.categories) == classes
        assert tuple(c.selected for c in by_score.categories) == better


def test_small_categories_have_no_ratio_and_tiny_ones_are_withheld() -> None:
    sizes = {("f", 1): 500, ("f", 0): 500, ("m", 1): 400, ("m", 0): 600, ("x", 1): 15, ("y", 1): 9}
    (table,) = rates(sizes)
    found = {c.name: c.ratio for c in table.categories}
    assert found == {"f": 1.0, "m": 0.8, "x": None}  # x is less than 2 %, though all are selected
    assert (table.withheld, table.withheld_rows) == (1, 9)


def test_unknown_categories_are_counted_apart() -> None:
    (table,) = rates({("f", 1): 20, ("m", 0): 20, ("", 1): 7})
    assert table.unknown == 7
    assert [c.name for c in table.categories] == ["f", "m"]


def test_why_there_are_no_ratios() -> None:
    with pytest.raises(impact_ratios.NotComputed, match="are not those of the test split's rows"):
        impact_ratios.tables(
            {"record_id": "id", "problem": "binary", "favourable_label": 1,
             "facets": [{"column": "sex"}], "columns": ["id", "facet_sex"]},
            b"1,f\n2,m\n", b"2,1\n1,0\n", ("sex",), (), 1,
        )  # fmt: skip


def test_ratios_are_computed_from_the_test_split_where_a_facet_is_a_sex(tmp_path: Path) -> None:
    columns = json.loads(json.dumps(planted()["columns"]).replace('"kind"', '"gender"')
                         .replace("facet_kind", "facet_gender"))  # fmt: skip
    subject = Machine(tmp_path, columns=columns).subject()
    metadata = {**subject.version.metadata, "profile": "attrition"}
    version = dataclasses.replace(subject.version, metadata=metadata)
    made = pack.make(dataclasses.replace(subject, version=version))
    table, scores = read(made, "impact_ratios.json")["tables"]
    assert table["by"] == scores["by"] == ["gender"]
    assert (table["measure"], scores["measure"]) == ("selection rate", "scoring rate")
    assert [(c["name"], c["rows"]) for c in table["categories"]] == [("cat", 201), ("dog", 203)]
    text = " ".join(members(made)["index.txt"].decode().split())
    assert "By gender: 2 categories, the lowest impact ratio is 0.990 (cat" in text
    assert "dog 203 50.2 % 102 50.2 % 1" in text
