"""Who may approve a version, once and on what; who wins of two; what may be deployed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import versions
from ninesteps.errors import RegistryError
from ninesteps.local.endpoint import control
from ninesteps.local.state import StatusChange
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.stamps import Expected
from ninesteps.registry import access
from ninesteps.registry.confusables import LOOK_ALIKES
from ninesteps.registry.local import LocalRegistry
from ninesteps.registry.person import is_same_person, may_be_same_person, skeleton
from ninesteps.registry.registry import (
    MAX_WHO,
    MAX_WHY,
    PRODUCTION,
    Approvals,
    listed,
    metrics,
    worded,
)
from ninesteps.settings import gate as gates
from pets import changed
from pets import settings as pet_settings
from versions import EXPECTED, NONE_SERVES, STAMPS, Registered, evaluation, scored

JO = ("Jo Doe", "auc is what we need")


@pytest.fixture
def machine(tmp_path: Path) -> Registered:
    """A machine with one version."""
    machine = Registered(tmp_path / ".local")
    machine.register()
    return machine


def refusal(decide: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(RegistryError) as refused:
        decide(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# What is kept


def test_an_approval_keeps_who_when_why_and_the_evidence_as_it_stood(machine: Registered) -> None:
    kept = machine.approvals().approve(1, " Jo \n Doe ", "auc is fine,\nso is\tdppl")
    version = machine.version(1)
    assert version.status == "Approved"
    assert version.decisions == (kept,)
    assert (kept.before, kept.after) == ("PendingManualApproval", "Approved")
    assert (kept.who, kept.why) == ("Jo Doe", "auc is fine, so is dppl")
    assert kept.at.endswith("Z") and len(kept.at) == 20
    registered = {e.uri: e.registered for e in machine.approvals().registry.evidence(version)}
    assert kept.evidence == registered
    names = {uri.rpartition("/")[2] for uri in kept.evidence}
    assert names == {"evaluation.json", "analysis.json", "model.tar.gz"}


def test_a_rejection_of_one_whose_evidence_is_gone_keeps_what_is_left(machine: Registered) -> None:
    machine.file(1, "analysis.json").unlink()
    kept = machine.approvals().reject(1, *JO)
    assert {uri.rpartition("/")[2] for uri in kept.evidence} == {"evaluation.json", "model.tar.gz"}
    assert machine.version(1).status == "Rejected"


def test_an_approved_version_can_be_withdrawn_and_stays_so(machine: Registered) -> None:
    approvals = machine.approvals()
    approvals.approve(1, *JO)
    approvals.reject(1, "Al", "a leak was found")
    decisions = machine.version(1).decisions
    assert [(d.before, d.after, d.who) for d in decisions] == [
        ("PendingManualApproval", "Approved", "Jo Doe"),
        ("Approved", "Rejected", "Al"),
    ]
    withdrawn = f"pets version 1 was rejected by Al at {decisions[1].at}"
    stays = f"{withdrawn}; a rejected version stays rejected: register another one"
    assert refusal(approvals.approve, 1, *JO) == stays
    assert refusal(approvals.reject, 1, *JO) == f"{withdrawn}; nothing was changed"
    assert machine.version(1).decisions == decisions


def test_what_cannot_be_is_refused_in_one_sentence(machine: Registered) -> None:
    machine.register()
    approvals = machine.approvals()
    assert refusal(approvals.approve, 3, *JO) == "pets has no version 3: it has 1 to 2"
    none = Approvals(LocalRegistry(machine.local, "cars"), EXPECTED)
    assert refusal(none.reject, 1, *JO) == "cars has no version 1: no version is registered"
    kept = approvals.approve(1, *JO)
    assert refusal(approvals.approve, 1, "Al", "too") == (
        f"pets version 1 was approved by Jo Doe at {kept.at}; nothing was changed"
    )
    assert len(machine.version(1).decisions) == 1


@pytest.mark.parametrize("empty", ["", "  \n", "...", "\u200b", "\x1b[0m"[:1]])
@pytest.mark.parametrize("what", ["who", "why"])
def test_nobody_and_nothing_are_no_reason(machine: Registered, what: str, empty: str) -> None:
    given = {"who": "Jo", "why": "good", what: empty}
    said = refusal(machine.approvals().approve, 1, given["who"], given["why"])
    expected = {"who": "a name", "why": "a reason"}[what]
    assert said == f"{what}: expected {expected}, got {empty!r}"
    assert machine.version(1).decisions == ()


def test_texts_are_kept_in_one_line_without_what_nobody_sees() -> None:
    assert worded("who", "Zoe\u0308  \u202eDoe\x1b[31m", MAX_WHO) == "Zoë Doe [31m"
    assert worded("who", "李雷\u3000", MAX_WHO) == "李雷"
    assert worded("why", "क्\u200dष", MAX_WHY) == "क्\u200dष"
    assert worded("why", "🙂" * 449 + "ok", MAX_WHY)
    with pytest.raises(RegistryError, match="why: expected at most 900 characters, got 902"):
        worded("why", "🙂" * 450 + "ok", MAX_WHY)
    with pytest.raises(RegistryError, match="who: expected at most 100 characters, got 101"):
        worded("who", "x" * 101, MAX_WHO)


# Evidence


@pytest.mark.parametrize("name", ["evaluation.json", "analysis.json", "model.tar.gz"])
def test_nothing_is_approved_or_deployed_on_evidence_that_is_gone_or_changed(
    machine: Registered, name: str
) -> None:
    approvals, file = machine.approvals(), machine.file(1, name)
    machine.register()
    approvals.approve(2, *JO)
    for number, decide in ((1, approvals.approve), (2, lambda n, *_: approvals.may_deploy(n))):
        file = machine.file(number, name)
        content = file.read_bytes()
        file.write_bytes(content + b" ")
        cannot = f"pets version {number} cannot be approved or deployed: its evidence s3://"
        said = refusal(decide, number, *JO)
        assert said.startswith(cannot)
        assert said.endswith(f"{name} was changed after registration")
        file.unlink()
        assert refusal(decide, number, *JO).endswith(f"{name} is gone")
        file.write_bytes(content)
        decide(number, *JO)


def test_evidence_of_which_no_digest_was_kept_approves_nothing(machine: Registered) -> None:
    with sqlite3.connect(machine.local / "state.db") as connection:
        connection.execute("UPDATE steps SET record = '{}'")
    said = refusal(machine.approvals().approve, 1, *JO)
    assert said.endswith(" has no recorded digest")


# Floors


MISSING = "in its metadata, got none: it was registered before profiles were recorded, run the "


@pytest.mark.parametrize(
    ("stamps", "violation"),
    [
        ({}, f"expected profile, profile_sha256, library {MISSING}pipeline again"),
        ({**STAMPS, "library": ""}, f"expected library {MISSING}pipeline again"),
        ({**STAMPS, "profile": "churn"},
         "expected the profile 'custom', got 'churn': run the pipeline again"),
        ({**STAMPS, "profile_sha256": "0" * 64},
         f"expected the profile 'custom' with sha256 {STAMPS['profile_sha256'][:12]}, got "
         "000000000000: its floors have changed since, run the pipeline again"),
        ({**STAMPS, "library": "new"}, "expected a library version such as 1.4.0, got 'new'"),
    ],
    ids=["none", "one missing", "another profile", "another digest", "no version"],
)  # fmt: skip
def test_nothing_is_approved_or_deployed_that_was_made_under_other_floors(
    machine: Registered, stamps: dict[str, str], violation: str
) -> None:
    approvals = machine.approvals()
    machine.register(stamps=stamps)
    said = f"pets version 2: {violation}"
    assert refusal(approvals.check, 2, "Approved") == said
    assert refusal(approvals.approve, 2, *JO) == said
    state = machine.state  # as it was approved when these floors were in force
    change = StatusChange(2, "PendingManualApproval", "Approved", *JO, "2026-01-31T00:00:00Z")
    assert state.change_status("pets", change)
    assert refusal(approvals.may_deploy, 2) == said
    assert approvals.may_deploy(2, has_served=True).number == 2  # the way back stays open
    assert approvals.reject(2, *JO).after == "Rejected"


@pytest.mark.parametrize(
    ("library", "least", "passes"),
    [
        ("1.4.0", "", True),
        ("1.4.0", "1.4.0", True),
        ("1.4.0+g0a", "1.4.0", True),
        ("1.4.0+g0a", "1.4.0+gff", True),
        ("1.10.0", "1.9.3", True),
        ("2.0.0", "1.9.3", True),
        ("1.9.9", "1.10.0", False),
        ("1.4.0+gff", "1.4.1", False),
        ("1.9.9", "2.0.0", False),
        ("1.5.0rc1", "1.4.0", False),
        ("1.5", "1.4.0", False),
    ],
)
def test_the_library_is_the_least_one_or_newer_whatever_the_suffix(
    machine: Registered, library: str, least: str, passes: bool
) -> None:
    approvals = machine.approvals(replace(EXPECTED, least_library=least))
    machine.register(stamps={**STAMPS, "library": library})
    if passes:
        assert approvals.approve(2, *JO).after == "Approved"
        assert approvals.may_deploy(2).number == 2
    else:
        assert f", got {library}" in refusal(approvals.approve, 2, *JO).replace("'", "")


def test_the_profile_that_is_expected_is_the_one_of_the_settings_as_it_is_now() -> None:
    assert access.expected(pet_settings()) == EXPECTED
    fraud = changed(pet_settings(), project={"profile": "fraud"})
    assert access.expected(fraud) == Expected("fraud", profiles.digest("fraud"), "")


# A second approver


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sam Lee <sam@example.com>", "Sam Lee"),
        ("Sam Lee <sam@example.com>", " sam  LEE"),
        ("Sam Lee <sam@example.com>", "Lee, Sam"),
        ("Sam Lee <sam@example.com>", "SAM@Example.com"),
        ("Sam Lee <sam@example.com>", "Samuel Lee <sam@example.com>"),
        ("Sam Lee <sam@example.com>", "Sam\u200b Lee"),
        ("Sam-Lee", "\uff33am Lee"),
        ("Zoë", "Zoe\u0308"),
        ("Zoë", "Zoe"),
        ("STRASSE", "straße"),
        ("sam", "sam"),
        ("Sam Lee <sam@example.com>", "sam+review@example.com"),
        ("sam+a+b@example.com", "SAM+c@EXAMPLE.com."),
        ("Sam Lee <sam@example.com>", "\u0405am L\u0435\u0435"),  # with Cyrillic letters
        ("Sam Lee <sam@example.com>", "\u0405\u0391\u039c L\u0415\u0415"),  # Greek ones, capitals
        ("Sam Lee", "\U0001d54aam \U0001d4db\u212fe"),  # letterlike symbols
        ("Sam Lee <sam@example.com>", "s\u0430m@ex\u0430mple.com"),
        ("Sam Lee <sam@example.com>", "\uff53\uff41\uff4d\uff0b\uff58\uff20example.com"),
        ("Sam Lee", "Sam\u3164 \u115fLee\u00ad"),  # fillers and a soft hyphen
        ("Sam Lee", "S\u0338am L\u00ebe\ufe0f"),
        ("Sam Lee", "SamLee"),
        ("Sam Lee", "lee_sam"),
        ("Sam Lee <sam@example.com>", '"sam" @ example.com (home)'),
        ("Sam Lee <sam@example.com>", "mailto:sam@example.com"),
        ("Sam Lee <sam@example.com>", "Sam Lee sam@home.example"),
        ("Paul Il0", "pau1 LIO"),
        ("Amold", "Arnold"),
        ("Wim", "VVirn"),
        ("\u0141ukasz", "lukasz"),
        ("\u0410\u043d\u043d\u0430", "\u0410\u041d\u041d\u0410"),  # Cyrillic, either case
        ("\u039d\u03af\u03bd\u03b1", "\u039d\u0399\u039d\u0391"),  # Greek
        ("\u041dans", "HANS"),
        ("Jo (arn:aws:sts::111122223333:assumed-role/Approver/sam+x@example.com)",
         "sam@example.com"),
        ("arn:aws:sts::111122223333:assumed-role/Approver/sam@example.com",
         "arn:aws:sts::111122223333:assumed-role/Scientist/Sam@example.com"),
        ("arn:aws:iam::111122223333:user/sam",
         "arn:aws:sts::111122223333:assumed-role/Approver/sam"),
    ],
)  # fmt: skip
def test_one_person_is_told_however_they_are_typed(one: str, other: str) -> None:
    assert is_same_person(one, other) and is_same_person(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sam Lee <sam@example.com>", "Jo Lee <jo@example.com>"),
        ("Sam", "Sam Lee"),
        ("sam@example.com", "sam@other.example"),
        ("sam+jo@example.com", "jo@example.com"),
        ("+sam@example.com", "+jo@example.com"),
        ("Hans Noe", "Nans Hoe"),
        ("李雷", "韩梅"),
        ("", "Jo"),
        ("arn:aws:sts::111122223333:assumed-role/Approver/jo@example.com",
         "arn:aws:sts::111122223333:assumed-role/Approver/sam@example.com"),
        ("arn:aws:iam::111122223333:user/a/sam", "arn:aws:iam::111122223333:user/a/jo"),
    ],
)  # fmt: skip
def test_two_people_are_told_apart(one: str, other: str) -> None:
    assert not is_same_person(one, other) and not is_same_person(other, one)


@pytest.mark.parametrize(
    "other",
    ["A. Smith", "smith, a", "asmith", "A.SMITH", "smitha", "anns", "asmith2", "as", "Ann B. Smith",
     "Smith", "ann.smith@other.example", "\u0430smith", "arn:aws:iam::111122223333:user/asmith"],
)  # fmt: skip
def test_initials_that_fit_a_person_are_told_from_their_own_name(other: str) -> None:
    ann = "Ann Smith <ann@example.com>"
    assert may_be_same_person(ann, other) and may_be_same_person(other, ann)
    assert not is_same_person(ann, other)


@pytest.mark.parametrize("other", ["Bob Smith", "B. Smith", "bsmith", "Jo", "", "Ann Jones", "xy"])
def test_what_does_not_fit_is_nobody_in_disguise(other: str) -> None:
    assert not may_be_same_person("Ann Smith <ann@example.com>", other)


def test_the_skeleton_of_a_skeleton_is_itself() -> None:
    for point in {*range(0x3100), *range(0xFE00, 0x10000), *LOOK_ALIKES}:
        for text in (chr(point), f"a{chr(point)}\u0301 {chr(point)}I"):
            assert skeleton(skeleton(text)) == skeleton(text), hex(point)


def test_who_started_the_run_may_not_approve_where_a_second_approver_is_required(
    machine: Registered,
) -> None:
    approvals = machine.approvals(require_second_approver=True, before_production=True)
    rule = "[approval] require_second_approver of pipeline.toml asks for somebody else"
    assert refusal(approvals.approve, 1, "SAM  lee", "mine") == (
        f"SAM lee started run run1 as Sam Lee <sam@example.com>, and {rule}"
    )
    approvals.approve(1, *JO)
    assert rule in refusal(approvals.approve, 1, "sam@example.com", "mine", PRODUCTION)
    approvals.approve(1, "Al", "staging answers", PRODUCTION)
    assert machine.approvals().reject(1, "Sam Lee", "mine, and wrong").after == "Rejected"


def test_one_person_cannot_give_both_approvals(machine: Registered) -> None:
    approvals = machine.approvals(before_production=True)
    approvals.approve(1, "Jo Doe <jo@example.com>", "good")
    assert refusal(approvals.approve, 1, "jo+hr@example.com", "again", PRODUCTION) == (
        "jo+hr@example.com approved pets version 1 as Jo Doe <jo@example.com>, and [approval] "
        "before_production of pipeline.toml asks for somebody else"
    )
    assert approvals.approve(1, "Al", "staging answers", PRODUCTION).who == "Al"
    assert approvals.may_deploy(1).number == 1


def test_initials_that_fit_may_approve_and_are_told(machine: Registered) -> None:
    approvals = machine.approvals(require_second_approver=True, before_production=True)
    (notice,) = approvals.notices(1, "slee")
    assert notice == (
        "slee may be Sam Lee <sam@example.com>, who started run run1, and [approval] "
        "require_second_approver of pipeline.toml asks for somebody else"
    )
    assert approvals.notices(1, *JO[:1]) == machine.approvals().notices(1, "slee") == []
    approvals.approve(1, *JO)
    assert (
        "J. Doe may be Jo Doe, who approved pets version 1"
        in approvals.notices(1, "J. Doe", PRODUCTION)[0]
    )


def test_the_rules_in_force_are_asked_again_at_deployment(machine: Registered) -> None:
    """Rules off, one's own run approved, rules on: it is not deployed until another approves it."""
    machine.approvals().approve(1, "Sam  LEE", "it is mine")
    strict = machine.approvals(require_second_approver=True)
    assert refusal(strict.may_deploy, 1) == (
        "pets version 1 was approved by Sam LEE, who started run run1, and [approval] "
        "require_second_approver of pipeline.toml asks for somebody else: pipeline approve 1"
    )
    assert "started run run1" in refusal(strict.approve, 1, "s\u0430m lee", "mine still")
    assert machine.approvals().may_deploy(1).number == 1
    assert strict.may_deploy(1, has_served=True).number == 1  # the way back stays open
    strict.approve(1, *JO)
    assert strict.may_deploy(1).number == 1
    assert "was approved by Jo Doe" in refusal(strict.approve, 1, "Al", "too")
    lax, now = (decision.rules for decision in machine.version(1).decisions)
    assert "require_second_approver = false, before_production = false, profile" in lax
    assert "require_second_approver = true" in now


def test_both_stages_are_asked_again_at_deployment(machine: Registered) -> None:
    lax, strict = (
        machine.approvals(before_production=True),
        machine.approvals(require_second_approver=True, before_production=True),
    )
    lax.approve(1, *JO)
    lax.approve(1, "sam@example.com", "mine", PRODUCTION)
    assert refusal(strict.may_deploy, 1).startswith(
        "pets version 1 was approved for production by sam@example.com, who started run run1, and "
    )
    assert refusal(strict.may_deploy, 1).endswith(": pipeline approve 1 --for production")
    assert strict.may_deploy(1, to_production=False).number == 1
    strict.approve(1, "Al", "staging answers", PRODUCTION)
    assert strict.may_deploy(1).number == 1


def test_one_who_gave_both_approvals_by_an_earlier_library_is_asked_again(
    machine: Registered,
) -> None:
    for stage in ("", PRODUCTION):
        change = StatusChange(1, "PendingManualApproval", "Approved", *JO, "2026-01-31T00:00:00Z")
        assert machine.state.change_status("pets", replace(change, stage=stage))
    approvals = machine.approvals(before_production=True)
    assert "was approved for production by Jo Doe, who approved pets version 1, and " in refusal(
        approvals.may_deploy, 1
    )


@pytest.mark.parametrize("rules", [{"require_second_approver": True}, {}])
def test_what_was_approved_by_nobody_is_not_deployed_where_two_are_asked_for(
    machine: Registered, rules: dict[str, bool]
) -> None:
    """As of a pipeline whose definition registers its versions as approved."""
    machine.state.start_execution("by hand", "pets", {}, "{}", [], started_by="Sam")
    request = machine.state.model_packages("pets")[0].request
    machine.state.register("pets", "Approved", "by hand", "R", request)
    approvals = machine.approvals(**rules)
    said = refusal(approvals.may_deploy, 2)
    assert said.startswith(
        "pets version 2 cannot be deployed: who approved it is not known" if rules
        else "pets version 2 cannot be approved or deployed: its evidence "
    )  # fmt: skip


def test_who_started_may_approve_where_nobody_asks_for_another(machine: Registered) -> None:
    assert machine.approvals().approve(1, "Sam Lee", "it is mine").who == "Sam Lee"


def test_a_run_that_nobody_is_known_to_have_started_cannot_be_approved_by_a_second_person(
    machine: Registered,
) -> None:
    machine.register(started_by="")
    said = refusal(machine.approvals(require_second_approver=True).approve, 2, *JO)
    assert said.startswith(
        "who started run run2 is not known, and [approval] require_second_approver"
    )


def test_neither_the_starter_nor_the_first_approver_is_offered_as_the_approver(
    machine: Registered,
) -> None:
    for rule in (False, True):
        approvals = machine.approvals(require_second_approver=rule, before_production=True)
        assert not approvals.may_give(1, "sam lee")
        assert approvals.may_give(1, JO[0])
    approvals.approve(1, *JO)
    assert not approvals.may_give(1, JO[0], PRODUCTION)
    assert approvals.may_give(1, "Al", PRODUCTION)


# Before production


def test_only_what_is_approved_is_deployed(machine: Registered) -> None:
    approvals = machine.approvals()
    assert refusal(approvals.may_deploy, 9).startswith("pets has no version 9")
    assert refusal(approvals.may_deploy, 1) == (
        "pets version 1 is not approved: pipeline approve 1"
    )
    approvals.approve(1, *JO)
    assert approvals.may_deploy(1).model == "s3://models/run1/model.tar.gz"
    kept = approvals.reject(1, "Al", "a leak")
    assert refusal(approvals.may_deploy, 1) == (
        f"pets version 1 was rejected by Al at {kept.at}; it can never be deployed"
    )


def test_production_waits_for_a_second_approval_where_one_is_asked_for(machine: Registered) -> None:
    approvals = machine.approvals(before_production=True)
    assert refusal(approvals.approve, 1, *JO, PRODUCTION) == (
        "pets version 1 is not approved yet: pipeline approve 1"
    )
    approvals.approve(1, *JO)
    assert approvals.may_deploy(1, to_production=False).number == 1
    command = "pipeline approve 1 --for production"
    not_yet = f"pets version 1 is approved, but not yet for production: {command}"
    assert refusal(approvals.may_deploy, 1) == not_yet
    kept = approvals.approve(1, "Al", "staging looks right", PRODUCTION)
    assert (kept.stage, kept.before, kept.after) == (
        "Production", "PendingManualApproval", "Approved"
    )  # fmt: skip
    assert approvals.may_deploy(1).status == "Approved"
    assert refusal(approvals.approve, 1, *JO, PRODUCTION) == (
        f"pets version 1 was approved for production by Al at {kept.at}; nothing was changed"
    )
    approvals.reject(1, "Al", "withdrawn")
    assert "it can never be deployed" in refusal(approvals.may_deploy, 1)
    assert "stays rejected" in refusal(approvals.approve, 1, *JO, PRODUCTION)


def test_a_second_approval_that_nobody_asks_for_is_refused(machine: Registered) -> None:
    machine.approvals().approve(1, *JO)
    said = refusal(machine.approvals().approve, 1, *JO, PRODUCTION)
    assert said.startswith("pets version 1 needs no second approval: [approval] before_production")


# Two at once


RACES = int(os.environ.get("RACES_TRIED", "10"))
"""How often each race is run; 300 in the full tier."""


def race(folders: list[Path], who: str, after: str, start: Any, results: Any) -> None:
    """One of those who decide at once, in a process of its own."""
    for folder in folders:
        approvals = Registered(folder).approvals()
        approvals.find(1)  # it is open
        start.wait()
        try:
            decide = approvals.approve if after == "Approved" else approvals.reject
            results.put((folder, who, "", decide(1, who, "first").before))
        except Exception as error:
            results.put((folder, who, f"{type(error).__name__}: {error}", ""))


@pytest.mark.parametrize("statuses", [("Approved",) * 3, ("Approved", "Rejected", "Rejected")])
def test_of_several_at_once_exactly_one_wins(tmp_path: Path, statuses: tuple[str, ...]) -> None:
    """A rejection may come after an approval that it has seen: then it withdraws."""
    folders = [tmp_path / str(number) for number in range(RACES)]
    for folder in folders:
        Registered(folder).register()
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(len(statuses)), context.Queue()
    racers = [
        context.Process(target=race, args=(folders, f"p{n}", after, start, results))
        for n, after in enumerate(statuses)
    ]
    for racer in racers:
        racer.start()
    ended = [results.get(timeout=60) for _ in folders for _ in racers]
    for racer in racers:
        racer.join()
    for folder in folders:
        decisions = Registered(folder).version(1).decisions
        here = [(who, error, before) for where, who, error, before in ended if where == folder]
        first = [who for who, error, before in here if before == "PendingManualApproval"]
        assert [d.who for d in decisions if d.before == "PendingManualApproval"] == first
        assert {d.who for d in decisions} == {who for who, error, _ in here if not error}
        for one, next_ in pairwise(decisions):
            assert (one.after, next_.before, next_.after) == ("Approved", "Approved", "Rejected")
        for _, error, _ in here:
            assert not error or error.startswith("RegistryError: pets version 1 was "), error
        state = Registered(folder).state
        assert [entry.facts["who"] for entry in state.events()[2:]] == [d.who for d in decisions]
        assert state.event_faults() == []


def test_who_comes_just_behind_another_is_told_of_them(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    approvals, keep = machine.approvals(), LocalRegistry.keep

    def late(self: LocalRegistry, *arguments: Any) -> bool:
        monkeypatch.setattr(LocalRegistry, "keep", keep)
        machine.approvals().approve(1, "Al", "first")
        return keep(self, *arguments)

    monkeypatch.setattr(LocalRegistry, "keep", late)
    said = refusal(approvals.reject, 1, *JO)
    assert said.startswith("pets version 1 was approved by Al at ")
    assert said.endswith(", just before you; you changed nothing")
    assert [decision.who for decision in machine.version(1).decisions] == ["Al"]


def test_numbers_are_listed_by_their_ends() -> None:
    assert listed([7, 3, 2, 1, 9]) == "1 to 3, 7, 9"
    assert listed(list(range(1, 60, 2))) == ", ".join(map(str, range(41, 60, 2)))


def test_a_decision_can_be_read_by_a_program(machine: Registered) -> None:
    kept = machine.approvals().approve(1, *JO)
    assert json.loads(json.dumps(vars(kept)))["evidence"] == kept.evidence


@pytest.fixture
def serves(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Says which version the endpoint here serves."""
    monkeypatch.setattr(control, "serving", lambda local: None)
    return lambda number: monkeypatch.setattr(control, "serving", lambda local: number)


FIRST, SECOND = b"the first archive", b"the second archive"


def test_a_version_compared_with_a_registered_archive_is_approved(
    tmp_path: Path, serves: Callable[[int | None], None]
) -> None:
    machine = Registered(tmp_path)
    machine.register(model=FIRST)
    second = machine.register(model=SECOND, champion=scored(FIRST))
    serves(1)
    assert machine.approvals().notices(second, "Jo") == []
    assert machine.approvals().approve(second, "Jo", "good").after == "Approved"


def test_a_version_compared_with_another_archive_is_not(
    tmp_path: Path, serves: Callable[[int | None], None]
) -> None:
    machine = Registered(tmp_path)
    machine.register(model=FIRST)
    second = machine.register(model=SECOND, champion=scored(b"a better one"))
    said = refusal(machine.approvals().approve, second, "Jo", "good")
    assert said.startswith(f"pets version {second} was compared with an archive of sha256 ")
    assert said.endswith("which no registered version has: run the pipeline again")


def test_a_version_compared_with_none_is_not_while_another_serves(
    tmp_path: Path, serves: Callable[[int | None], None]
) -> None:
    machine = Registered(tmp_path)
    first = machine.register(model=FIRST, champion=NONE_SERVES)
    second = machine.register(model=SECOND, champion=NONE_SERVES)
    assert machine.approvals().approve(first, "Jo", "good").after == "Approved"
    serves(first)
    assert machine.approvals().may_deploy(first)  # the one that serves itself
    said = refusal(machine.approvals().approve, second, "Jo", "good")
    assert said == (
        f"pets version {second} was not compared with a champion, but version {first} serves now: "
        "run the pipeline again"
    )


def test_that_another_version_serves_by_now_is_a_notice(
    tmp_path: Path, serves: Callable[[int | None], None]
) -> None:
    machine = Registered(tmp_path)
    machine.register(model=FIRST)
    machine.register(model=SECOND)
    third = machine.register(model=b"the third", champion=scored(FIRST))
    serves(2)
    said = ["it was compared with version 1, but version 2 serves now"]
    assert machine.approvals().notices(third, "Jo") == said
    assert machine.approvals().approve(third, "Jo", "good").after == "Approved"


def test_the_gate_in_force_is_asked_of_the_difference(
    tmp_path: Path, serves: Callable[[int | None], None]
) -> None:
    machine = Registered(tmp_path)
    machine.register(model=FIRST)
    worse = machine.register(model=SECOND, champion=scored(FIRST, -0.004))
    strict = with_gate(machine, "auc >= champion.auc - 0.003")
    assert refusal(strict.approve, worse, "Jo", "good").endswith(
        "does not pass the gate in force, auc >= champion.auc - 0.003: auc - champion.auc is -0.004"
    )
    with_gate(machine, "auc >= champion.auc - 0.005").approve(worse, "Jo", "good")


def test_a_damaged_section_of_the_champion_approves_nothing(tmp_path: Path) -> None:
    machine = Registered(tmp_path)
    version = machine.register(champion={"outcome": "scored"})
    said = refusal(machine.approvals().approve, version, "Jo", "good")
    assert said == "evaluation.json is damaged"


def with_gate(machine: Registered, gate: str) -> Approvals:
    return replace(machine.approvals(), gate=gates.parse(gate, "binary", ("species",)))


@pytest.mark.parametrize(
    ("gate", "failing"),
    [
        ("auc > 0.85", ""),
        ("auc > 0.95 or worst_dppl < 0.3", ""),
        ("auc > 0.95", "auc is 0.9"),
        ("auc > 0.85 and dppl[species] < 0.2", "dppl[species] is 0.25"),
        ("recall > 0.1", "recall is nan"),
    ],
)
def test_a_version_has_to_pass_the_gate_in_force(
    machine: Registered, gate: str, failing: str
) -> None:
    """Whatever gate stood in the definition that registered it."""
    approvals, number = with_gate(machine, gate), machine.register(auc=0.9)
    if not failing:
        approvals.approve(number, *JO)
        assert approvals.may_deploy(number)
        return
    sentence = f"pets version {number} does not pass the gate in force, {gate}: {failing}"
    assert refusal(approvals.approve, number, *JO) == sentence
    machine.approvals().approve(number, *JO)  # it did, once
    assert refusal(approvals.may_deploy, number) == sentence
    assert approvals.may_deploy(number, has_served=True)


@pytest.mark.parametrize("section", gates.SECTIONS.values())
def test_the_numbers_of_every_kind_of_problem_are_read(section: str) -> None:
    content = json.dumps({section: {"rmse": {"value": 7}}}).encode()
    assert metrics(content) == {"rmse": 7.0}


def test_metrics_of_another_archive_approve_nothing(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = hashlib.sha256(b"the archive of run2").hexdigest()
    for number, model in ((2, judged), (3, "ab" * 32)):
        content = {**json.loads(evaluation(auc=0.9)), "model_sha256": model}
        monkeypatch.setattr(versions, "evaluation", lambda c=content, **_: json.dumps(c).encode())
        assert machine.register() == number
    machine.approvals().approve(2, *JO)
    sentence = refusal(machine.approvals().approve, 3, *JO)
    assert sentence.startswith("pets version 3: expected metrics of the model with sha256 ")


def test_an_evaluation_that_is_swapped_after_it_was_hashed_approves_nothing(
    machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, read = machine.register(auc=0.9), LocalRegistry.read

    def other(registry: LocalRegistry, uri: str) -> bytes | None:
        return read(registry, uri) and evaluation(auc=0.99)

    monkeypatch.setattr(LocalRegistry, "read", other)
    sentence = refusal(machine.approvals().approve, number, *JO)
    assert sentence.endswith("evaluation.json was changed after registration")
