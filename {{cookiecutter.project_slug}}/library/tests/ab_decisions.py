"""Decisions of an account's A/B test, as its job writes them."""

from __future__ import annotations

from typing import Any

import decide_ab_test
from ab_decision import ABTest, Decision, Rules


def going_on(look: int, share: int) -> dict[str, Any]:
    """What the job leaves for the state machine at a look when the test goes on."""
    state = decide_ab_test.State(ABTest(Rules(), 7200.0), look)
    state.test.bets.users = [900, 100]
    state.test.bets.resolved = [450, 60]
    return decide_ab_test.as_decided(state, Decision(why="100 of 500 users"), share)
