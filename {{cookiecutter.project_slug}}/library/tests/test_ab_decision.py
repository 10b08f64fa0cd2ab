"""An A/B test's events and its decision, event by event."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator

import pytest

from ab_decision import ABTest, Rules
from ab_events import (
    CHALLENGER,
    MAIN,
    Event,
    EventError,
    Outcome,
    Reply,
    line,
    read,
    read_lines,
    user_digest,
    variant_of,
)

BEGAN = 1_764_288_000.0
DAY = 86400.0


def events(
    users: int,
    rates: tuple[float, float],
    *,
    share: int = 50,
    days: float = 10,
    seed: int = 1,
    said: tuple[float, float] = (1.0, 1.0),
) -> Iterator[Event]:
    """Replies over some days, each with its outcome a second later; `said`: how often it comes."""
    chance = random.Random(seed)
    for number in range(users):
        user = user_digest("s", f"user {number}")
        variant = variant_of(user, share)
        arm = int(variant == CHALLENGER)
        time = BEGAN + days * DAY * number / users
        yield Reply(time, f"r{number}", user, share, variant, 200, 40.0)
        if chance.random() < said[arm]:
            yield Outcome(time + 1, f"r{number}", chance.random() < rates[arm])


def ended(test: ABTest, happened: Iterator[Event]) -> ABTest:
    for event in happened:
        test.add(event)
    return test


def test_a_line_is_read_as_the_event_that_was_written() -> None:
    reply = Reply(BEGAN, "r1", user_digest("s", "ann"), 10, MAIN, 200, 41.5, refused=True)
    outcome = Outcome(BEGAN + 1, "r1", True)
    assert [read(line(event)) for event in (reply, outcome)] == [reply, outcome]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"share": 101}, "share: expected a whole number of 0 to 100, got '101'"),
        ({"share": True}, "share: expected a whole number of 0 to 100, got 'True'"),
        ({"user": "ann"}, "user: expected SHA-256 of the salt and the user, in hexadecimal, got"),
        ({"variant": "green"}, "variant: expected main or challenger, got 'green'"),
        ({"status": 99}, "status: expected an HTTP status, got '99'"),
        ({"ms": -1}, "ms: expected milliseconds, 0 or more, got '-1'"),
        ({"ms": float("nan")}, "ms: expected milliseconds, 0 or more, got 'nan'"),
        ({"time": "now"}, "time: expected seconds since 1970, got 'now'"),
        ({"id": ""}, "id: expected a string of 1 to 128 characters, got ''"),
        ({"refused": "no"}, "refused: expected true or false, got 'no'"),
        ({"text": "hello"}, "unknown key 'text'"),
        ({"kind": "rating"}, "kind: expected 'reply' or 'outcome', got 'rating'"),
    ],
)
def test_a_line_that_is_no_event_gets_one_sentence(
    change: dict[str, object], sentence: str
) -> None:
    reply = Reply(BEGAN, "r1", user_digest("s", "ann"), 10, MAIN, 200, 41.5)
    text = json.dumps({**json.loads(line(reply)), **change})
    with pytest.raises(EventError) as caught:
        read(text)
    assert str(caught.value).startswith(sentence)


def test_a_line_without_its_end_is_not_read_and_a_bad_one_is_named_by_its_number() -> None:
    good = line(Outcome(BEGAN, "r1", True)) + "\n"
    assert len(list(read_lines([good, good[:20]]))) == 1
    with pytest.raises(EventError, match=r"^line 2: expected an event as JSON, got '\[oops"):
        list(read_lines([good, "[oops\n"]))


def test_a_larger_share_takes_no_user_from_the_challenger() -> None:
    users = [user_digest("s", str(number)) for number in range(2000)]
    first, later = ({u for u in users if variant_of(u, s) == CHALLENGER} for s in (10, 50))
    assert first < later
    assert 150 < len(first) < 250
    assert 900 < len(later) < 1100


@pytest.mark.parametrize(
    ("rates", "outcome", "share"), [((0.5, 0.7), "better", 100), ((0.7, 0.5), "worse", 0)]
)
def test_a_difference_is_found(rates: tuple[float, float], outcome: str, share: int) -> None:
    test = ended(ABTest(Rules()), events(3000, rates))
    assert (test.decision.outcome, test.decision.share) == (outcome, share)
    assert test.decision.why.startswith("after ")


def test_better_waits_for_a_whole_week_and_worse_for_nothing() -> None:
    better = ended(ABTest(Rules()), events(3000, (0.4, 0.8), days=10))
    assert better.last_counted - BEGAN == pytest.approx(7 * DAY, abs=400)
    worse = ended(ABTest(Rules()), events(3000, (0.8, 0.4), days=10))
    assert worse.last_counted - BEGAN < DAY


def test_better_waits_for_the_least_number_of_users_of_each_version() -> None:
    rules = Rules(min_users=300)
    test = ended(ABTest(rules), events(4000, (0.2, 0.9), share=20, days=40))
    assert test.decision.outcome == "better"
    assert min(test.bets.users) == 300


def test_the_state_goes_on_from_json_wherever_it_was_written() -> None:
    whole = ended(ABTest(Rules(margin=0.02)), events(150, (0.5, 0.55), share=10, said=(0.9, 0.9)))
    test = ABTest(Rules(margin=0.02))
    for event in events(150, (0.5, 0.55), share=10, said=(0.9, 0.9)):
        test.add(event)
        test = ABTest.from_json(json.loads(json.dumps(test.as_json())))
    assert test.as_json() == whole.as_json()


def test_the_decision_does_not_hang_on_when_one_looks() -> None:
    quiet = ended(ABTest(Rules()), events(1500, (0.5, 0.6), said=(0.9, 0.9)))
    looked = ABTest(Rules())
    for event in events(1500, (0.5, 0.6), said=(0.9, 0.9)):
        looked.look(event.time, is_before=True)
        looked.add(event)
        looked.look(event.time, is_before=True)
    assert looked.as_json() == quiet.as_json()


def test_one_outcome_counts_of_each_user_and_of_each_reply() -> None:
    test, user = ABTest(Rules()), user_digest("s", "ann")
    for number in range(5):
        test.add(Reply(BEGAN + number, f"r{number}", user, 50, variant_of(user, 50), 200, 40))
        test.add(Outcome(BEGAN + number, f"r{number}", number == 0))
    test.add(Outcome(BEGAN + 9, "r0", False))
    assert (sum(test.bets.users), sum(test.bets.resolved)) == (1, 1)


def test_a_user_without_an_outcome_counts_as_not_resolved_when_the_window_ends() -> None:
    test, user = ABTest(Rules(window_hours=72)), user_digest("s", "ann")
    test.add(Reply(BEGAN, "r1", user, 50, variant_of(user, 50), 200, 40))
    test.look(BEGAN + 72 * 3600 - 1)
    assert (sum(test.bets.users), test.pending) == (0, 1)
    test.look(BEGAN + 72 * 3600)
    assert (sum(test.bets.users), sum(test.bets.resolved), test.pending) == (1, 0, 0)
    test.add(Outcome(BEGAN + 72 * 3600 + 1, "r1", True))
    assert sum(test.bets.resolved) == 0


def test_users_count_in_the_order_of_their_first_replies() -> None:
    test = ABTest(Rules(window_hours=72))
    for number in range(3):
        user = user_digest("s", str(number))
        test.add(Reply(BEGAN + number, f"r{number}", user, 50, variant_of(user, 50), 200, 40))
    test.add(Outcome(BEGAN + 10, "r2", True))
    assert sum(test.bets.users) == 0
    test.add(Outcome(BEGAN + 20, "r0", True))
    assert sum(test.bets.users) == 1
    test.look(BEGAN + 1 + 72 * 3600)
    assert sum(test.bets.users) == 3


def one_late(number: int, moment: float) -> tuple[Reply, Outcome]:
    """A user's reply and its outcome, both at a moment."""
    user = user_digest("s", str(number))
    reply = Reply(BEGAN + moment, f"r{number}", user, 50, variant_of(user, 50), 200, 40)
    return reply, Outcome(BEGAN + moment, f"r{number}", number % 2 == 0)


def test_an_event_that_comes_in_late_gets_the_place_that_its_moment_has() -> None:
    """Which writer is slow changes nothing: the state is that of the events in their order."""
    pairs = [one_late(number, 60.0 * number) for number in range(60)]
    in_order, mixed = ABTest(Rules(), late=7200), ABTest(Rules(), late=7200)
    for pair in pairs:
        for event in pair:
            in_order.add(event)
    is_slow = [reply.arm for reply, _ in pairs]  # the challenger's writer
    quick = [event for pair, slow in zip(pairs, is_slow, strict=True) if not slow for event in pair]
    for event in quick:
        mixed.add(event)
    assert sum(mixed.bets.users) == 0
    mixed.look(BEGAN + 3600)
    slow = [pair for pair, slow in zip(pairs, is_slow, strict=True) if slow]
    for event in [outcome for _, outcome in slow] + [reply for reply, _ in slow]:
        mixed.add(event)
        mixed = ABTest.from_json(json.loads(json.dumps(mixed.as_json())))
    for test in (in_order, mixed):
        assert test.look(BEGAN + 3600 + 7200).outcome == "continue"
        assert (sum(test.bets.users), sum(test.unknown), test.pending) == (60, 0, 0)
    assert mixed.bets == in_order.bets
    assert mixed.known == in_order.known
    assert mixed.as_json()["early"] == []


def test_an_outcome_waits_for_its_reply_no_longer_than_an_event_may_be_late() -> None:
    test = ABTest(Rules(), late=7200)
    reply, outcome = one_late(0, 0.0)
    test.add(outcome)
    test.look(BEGAN + 7201)
    assert test.as_json()["early"] == []
    test.add(reply)
    test.look(BEGAN + 80 * 3600)
    assert (sum(test.bets.users), sum(test.bets.resolved), sum(test.unknown)) == (1, 0, 1)


def test_an_outcome_after_the_window_does_not_count_where_events_may_be_late() -> None:
    test = ABTest(Rules(window_hours=1), late=7200)
    reply, outcome = one_late(0, 0.0)
    test.add(reply)
    test.add(dataclasses.replace(outcome, time=BEGAN + 3601))
    test.look(BEGAN + 3 * 3600)
    assert (sum(test.bets.users), sum(test.bets.resolved), sum(test.unknown)) == (1, 0, 1)


def test_the_share_grows_once_enough_users_have_been_counted() -> None:
    test = ABTest(Rules(first_users=100))
    shares = [test.add(event).share for event in events(150, (0.5, 0.5), share=10)]
    assert sorted(set(shares)) == [10, 50]
    assert shares.index(50) == 199  # the hundredth user's outcome


def test_outcomes_that_are_known_more_often_of_one_version_end_it_as_invalid() -> None:
    test = ended(ABTest(Rules()), events(4000, (0.5, 0.5), said=(0.3, 0.6), days=20))
    assert test.decision.outcome == "invalid"
    assert "outcomes are known more often for one version's users" in test.decision.why


def test_users_that_are_not_dealt_out_as_promised_end_it_as_invalid() -> None:
    test = ABTest(Rules())
    for event in events(3000, (0.5, 0.5), share=50):
        is_lost = event.kind == "reply" and event.arm and int(event.user[-6:], 16) % 3 == 0
        test.add(event) if not is_lost else None
    assert test.decision.outcome == "invalid"
    assert test.decision.why == "the users were not assigned by the promised shares"


def test_replies_of_another_variant_than_the_users_end_it_as_invalid() -> None:
    test, chance = ABTest(Rules()), random.Random(2)
    for event in events(2000, (0.5, 0.5), share=50):
        variant = chance.choice([MAIN, CHALLENGER])
        is_reply = event.kind == "reply"
        test.add(dataclasses.replace(event, variant=variant) if is_reply else event)
    assert test.decision.outcome == "invalid"
    assert "replies came from a variant other than the user's" in test.decision.why


@pytest.mark.parametrize(
    ("fault", "name", "most"),
    [
        ({"status": 500}, "errors: ", 2),
        ({"status": 400}, "client errors: ", 12),
        ({"ms": 1500.0}, "latency: ", 2),
        ({"refused": True}, "refusals: ", 12),
        ({"leaked": True}, "a reply of the challenger has personal data", 1),
    ],
)
def test_a_challenger_that_fails_a_guardrail_is_stopped_at_once(
    fault: dict[str, object], name: str, most: int
) -> None:
    test = ABTest(Rules())
    for event in events(2000, (0.5, 0.9), share=10):
        is_tested = event.kind == "reply" and event.arm
        test.add(dataclasses.replace(event, **fault) if is_tested else event)
    assert (test.decision.outcome, test.decision.share) == ("guardrail", 0)
    assert test.decision.why.startswith(name)
    assert test.replies[1] <= most


def test_faults_that_both_versions_have_are_no_guardrails() -> None:
    test, chance = ABTest(Rules()), random.Random(3)
    for event in events(4000, (0.5, 0.5), share=50):
        status = 400 if chance.random() < 0.05 else 200
        fault = {"status": status, "refused": chance.random() < 0.1}
        test.add(dataclasses.replace(event, **fault) if event.kind == "reply" else event)
    assert test.decision.outcome in ("continue", "inconclusive")


@pytest.mark.parametrize("fault", [{"status": 400}, {"refused": True}])
def test_one_user_who_provokes_faults_again_and_again_ends_no_test(
    fault: dict[str, object],
) -> None:
    test = ABTest(Rules())
    for event in events(400, (0.5, 0.5), share=50, days=1):
        test.add(event)
    user = next(
        digest for digest in (user_digest("s", f"x{n}") for n in range(99))
        if variant_of(digest, 50) == CHALLENGER
    )  # fmt: skip
    for number in range(200):
        reply = Reply(BEGAN + DAY + number, f"x{number}", user, 50, CHALLENGER, 200, 40)
        test.add(dataclasses.replace(reply, **fault))
    assert test.decision.outcome == "continue"
    assert sum(rate.faults[1] for rate in test.rates.values()) == 1


def test_a_test_that_finds_nothing_ends_as_inconclusive() -> None:
    for rules, share in ((Rules(), 0), (Rules(on_inconclusive="take_over"), 100)):
        test = ended(ABTest(rules), events(600, (0.5, 0.5), days=30))
        assert (test.decision.outcome, test.decision.share) == ("inconclusive", share)
        assert test.decision.why == "28 days have passed without a decision"


def test_an_ended_test_takes_no_more_events() -> None:
    test = ended(ABTest(Rules()), events(3000, (0.8, 0.4)))
    before = test.as_json()
    ended(test, events(10, (0.1, 0.9), seed=9))
    assert {**test.as_json(), "now": 0} == {**before, "now": 0}


def test_a_state_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a state of version 1, got 2"):
        ABTest.from_json({**ABTest(Rules()).as_json(), "version": 2})
