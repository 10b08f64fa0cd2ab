"""Decides an A/B test from its events in one pass, valid at any time ("anytime-valid").

Each user's first reply counts, with its outcome; an outcome that is unknown when its window ends
counts as not resolved. Users are counted in the order of their first replies, and each only after
all earlier ones, so the speed of a variant's outcomes does not matter. If events may be written
late, counting waits for that long, so that late events are still in order.

The bets. For a user with outcome y (0 or 1) in arm a (1: the challenger), whose chance w of a = 1
was known beforehand, and q, the rate of all users counted before:

    Z = (y - q) (a / w - (1 - a) / (1 - w))

has the expectation p1 - p0, whatever q and however the rates drift. Under "not better", which is p1
<= p0 - margin, each product of factors 1 + l (Z + margin) with l >= 0 known beforehand is therefore
a supermartingale as long as no factor is negative, and so is a mean of such products: it reaches 2
/ alpha with a chance of at most alpha / 2, at whatever moment one looks (Ville 1939). The mirror,
with factors 1 - l Z, does the same for "not worse", p1 >= p0. With l = d w (1 - w) / (q (1 - q)) a
factor is the likelihood ratio of two rates that lie d apart against one common rate: the
growth-rate optimal e-variable of Turner, Ly and Gruenwald (arXiv:2106.02693); betting on a mean:
Waudby-Smith and Ramdas (arXiv:2010.09686); an overview: Ramdas et al. (arXiv:2210.01948). The
distances d shrink with the outcome's standard deviation sqrt(q (1 - q)): near 0 and 1, where small
differences are all there are, they are bet on as well.

It uses only Python's standard library: the same module decides in a job on AWS and on this machine.
"""

from __future__ import annotations

import base64
import bisect
import math
import typing
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # events have a `kind`: library and jobs import their classes differently
    from ab_events import Event, Reply

DISTANCES = {0.02: 0.15, 0.05: 0.4, 0.1: 0.3, 0.2: 0.15}
"""Distance of the two rates at q = 0.5 -> the part of the stake that is bet on it."""

LARGEST_LOSS = 0.9
"""The largest share of a stake in one bet, which keeps factors positive."""

ODDS = (0.5, 2 / 3, 0.8, 1.25, 1.5, 2.0)
"""The test of shares bets that an arm's odds differ from the promised ones by these factors."""

SHARES_ALPHA = 0.001
"""The probability that a fair test ends as invalid, for both tests of shares together."""

GUARDRAIL_ALPHA = 0.001
"""The probability that a guardrail stops a challenger that keeps within its limit."""

EXCESSES = (0.02, 0.1, 0.5, 0.9)
"""A guardrail bets on rates at these fractions of the way from its limit to 1."""

SLOW_SHARE = 0.01
"""The share of replies that may be slower than the limit: the 99th percentile is below it."""

MISROUTED_SHARE = 0.01
"""The share of replies that may come from a variant other than the user's."""

ONCE_A_USER = ("client errors", "refusals")
"""Guardrails that use only each user's first reply, since one user could cause any number of
faults."""

DAY = 86400.0

WEEK = 7 * DAY

CONTINUE = "continue"

BETTER, WORSE, INVALID, GUARDRAIL, INCONCLUSIVE = (
    "better", "worse", "invalid", "guardrail", "inconclusive",
)  # fmt: skip
"""The outcomes of a test."""

KEEP, TAKE_OVER = "keep", "take_over"
"""What happens after an inconclusive test: the previous version stays, or the new one takes over.
"""

VERSION = 1
"""The version of the state's format."""


@dataclass(frozen=True)
class Rules:
    """The rules of a test: `[ab]`, and the limits of `[deploy]`."""

    first_share: int = 10  # percentage of users that the challenger gets at first
    share: int = 50  # and later
    first_users: int = 500  # counted users before the share grows
    alpha: float = 0.05  # the probability of a wrong "better" or "worse"
    margin: float = 0.0  # how much lower a "better" version's rate may be: 0.05 is 5 points
    min_users: int = 200  # counted users of each version before one can be better
    max_days: int = 28
    on_inconclusive: str = KEEP
    window_hours: float = 72.0  # after a reply; an outcome unknown by then is not resolved
    max_error_percent: float = 1.0  # of the challenger's replies, with status 500 or above
    max_latency_ms: float = 1000.0  # for 99 % of its replies
    max_refusal_points: float = 5.0  # refusals, in percentage points above the other version's

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Rules:
        """The rules that `dataclasses.asdict` wrote."""
        return cls(**content)


@dataclass(frozen=True)
class Decision:
    """The state of a test's decision."""

    outcome: str = CONTINUE
    why: str = ""  # one sentence
    share: int = 0  # the challenger's percentage from now on; 100 if it takes over


@dataclass
class Pending:
    """A user whose outcome is not yet counted."""

    id: str  # of the first reply
    time: float  # of the first reply
    arm: int  # 1: the challenger
    share: int  # percent
    value: bool | None = None  # None: not known yet


@dataclass
class Bets:
    """The e-processes of one test, as logarithms of stakes; the initial stakes add up to 1."""

    better: list[float] = field(default_factory=lambda: [*map(math.log, DISTANCES.values())])
    worse: list[float] = field(default_factory=lambda: [*map(math.log, DISTANCES.values())])
    users: list[int] = field(default_factory=lambda: [0, 0])  # counted, by arm
    resolved: list[int] = field(default_factory=lambda: [0, 0])  # of them, by arm
    total: float = 0.0  # of Z
    below: list[list[float]] = field(default_factory=lambda: [[0.0] * 5 for _ in DISTANCES])
    above: list[list[float]] = field(default_factory=lambda: [[0.0] * 5 for _ in DISTANCES])

    def add(self, arm: int, value: int, w: float, margin: float) -> None:
        """Settle the bets on one user."""
        q = (sum(self.resolved) + 1) / (sum(self.users) + 2)  # Laplace's: never 0 or 1
        z = (value - q) * (1 / w if arm else -1 / (1 - w))
        scale = 2 * w * (1 - w) / math.sqrt(q * (1 - q))
        lowest, highest = _extremes(q, w)
        for index, distance in enumerate(DISTANCES):
            _add_sums(self.below[index], distance * scale, 1 - lowest, z)
            _add_sums(self.above[index], distance * scale, 1 + highest, z)
            stake = min(distance * scale, LARGEST_LOSS / max(-lowest - margin, 1e-9))
            self.better[index] += math.log1p(stake * (z + margin))
            stake = min(distance * scale, LARGEST_LOSS / highest)
            self.worse[index] += math.log1p(-stake * z)
        self.users[arm] += 1
        self.resolved[arm] += value
        self.total += z

    def difference(self, alpha: float = 0.05) -> tuple[float, float, float]:
        """The challenger's rate minus main's: the estimate, and an anytime-valid interval.

        Each user is weighted by the share at that moment, so that a growing share does not bias the
        estimate while rates drift, as a plain difference of rates would. The interval contains the
        differences m that bets against them have not refuted, with a stake of alpha / 2 on each
        side. It holds for any number of users if the difference is constant; the rates may drift.
        For the bets on Z - m >= -c, in which l c < 1,

            log(1 + l (Z - m)) >= l (Z - m) + (log(1 - l c) + l c) (Z - m)^2 / c^2

        (Fan, Grama and Liu, arXiv:1311.6273): only sums that do not depend on m are stored.
        """
        n = sum(self.users)
        if not n:
            return 0.0, -1.0, 1.0
        mean, limit = self.total / n, math.log(2 / alpha)
        middle = min(max(mean, -1.0), 1.0)
        low = _edge(lambda m: _against(self.below, m, 1) < limit, -1.0, middle)
        high = _edge(lambda m: _against(self.above, m, -1) < limit, 1.0, middle)
        return mean, low, high


def _add_sums(sums: list[float], stake: float, most: float, z: float) -> None:
    """Settle the bets on one user against every difference at once.

    Args:
        sums: of l, l Z, s, s Z and s Z^2, where s = -(log(1 - l c) + l c) / c^2.
        most: c, what may be lost at a stake of 1.
    """
    stake = min(stake, LARGEST_LOSS / most)
    s = -(math.log1p(-stake * most) + stake * most) / (most * most)
    for index, more in enumerate((stake, stake * z, s, s * z, s * z * z)):
        sums[index] += more


def _against(sides: Sequence[Sequence[float]], m: float, sign: int) -> float:
    """The logarithm of the evidence that the difference is above m (sign 1) or below (-1)."""
    return log_sum([
        math.log(part) + sign * (stakes_z - m * stakes) - (s_zz - 2 * m * s_z + m * m * s)
        for part, (stakes, stakes_z, s, s_z, s_zz) in zip(DISTANCES.values(), sides, strict=True)
    ])  # fmt: skip


def rate_interval(good: int, users: int, alpha: float = 0.05) -> tuple[float, float]:
    """An interval for a rate that does not drift, which holds at all times at once.

    It has the rates p whose likelihood is at least alpha times its mean over all rates: that ratio
    is a martingale under p with the mean 1 (Darling and Robbins 1967, Robbins 1970; as a confidence
    sequence with a beta mixture: Howard et al., arXiv:1810.08240).
    """
    if not users:
        return 0.0, 1.0
    bad = users - good
    mixture = math.lgamma(good + 1) + math.lgamma(bad + 1) - math.lgamma(users + 2)

    def is_in(rate: float) -> bool:
        rate = min(max(rate, 1e-12), 1 - 1e-12)
        likelihood = good * math.log(rate) + bad * math.log1p(-rate)
        return mixture - likelihood < -math.log(alpha)

    middle = (good + 0.5) / (users + 1)
    return _edge(is_in, 0.0, middle), _edge(is_in, 1.0, middle)


def _edge(is_in: Callable[[float], bool], outside: float, inside: float) -> float:
    """An end of an interval, between a bound of the range and a point inside the interval."""
    if is_in(outside):
        return outside
    for _ in range(40):
        middle = (outside + inside) / 2
        if is_in(middle):
            inside = middle
        else:
            outside = middle
    return outside


def _extremes(q: float, w: float) -> tuple[float, float]:
    """The lowest and the highest Z of a user with this rate and this probability of the
    challenger."""
    return -max(q / w, (1 - q) / (1 - w)), max((1 - q) / w, q / (1 - w))


def log_sum(logarithms: Sequence[float]) -> float:
    """The logarithm of a sum, from logarithms of its terms."""
    top = max(logarithms)
    return top + math.log(sum(math.exp(one - top) for one in logarithms))


def log_mean(logarithms: Sequence[float]) -> float:
    """The logarithm of a mean, from logarithms."""
    return log_sum(logarithms) - math.log(len(logarithms))


@dataclass
class Shares:
    """A test that arms occur as promised; the alternatives change an arm's odds."""

    stakes: list[float] = field(default_factory=lambda: [0.0] * len(ODDS))  # logarithms

    def add(self, arm: int, w: float) -> None:
        """Settle the bets on one user's arm: a likelihood ratio each, with expectation 1."""
        for index, odds in enumerate(ODDS):
            self.stakes[index] += math.log((odds if arm else 1.0) / (w * odds + 1 - w))


@dataclass
class Rate:
    """A guardrail: a test that at most a given share of replies has a fault."""

    stakes: list[float] = field(default_factory=lambda: [0.0] * len(EXCESSES))  # logarithms
    faults: list[int] = field(default_factory=lambda: [0, 0])  # by arm
    replies: list[int] = field(default_factory=lambda: [0, 0])

    def add(self, arm: int, is_fault: bool, limit: float) -> None:
        """Settle the bets on a challenger's reply; the other version's replies are only counted.

        Each bet is a likelihood ratio against the limit; its expectation is at most 1 if faults are
        no more likely than the limit.
        """
        self.faults[arm] += is_fault
        self.replies[arm] += 1
        if not arm:
            return
        for index, part in enumerate(EXCESSES):
            rate = limit + (1 - limit) * part
            ratio = rate / limit if is_fault else (1 - rate) / (1 - limit)
            self.stakes[index] += math.log(ratio)

    def of_main(self) -> float:
        """A plausible upper bound of the other version's rate: three standard errors above its
        mean."""
        replies = self.replies[0]
        mean = (self.faults[0] + 1) / (replies + 2)
        return float(mean + 3 * math.sqrt(mean * (1 - mean) / (replies + 1)))


class ABTest:
    """A running test, whose state can be saved as JSON and continued.

    Args:
        late: seconds by which an event may be late; no user is counted before.
    """

    RATES: typing.ClassVar = ("errors", "client errors", "latency", "refusals", "misrouted")

    def __init__(self, rules: Rules, late: float = 0.0) -> None:
        self.rules = rules
        self.late = late
        self.bets = Bets()
        self.exposed, self.known = Shares(), Shares()
        self.rates = {name: Rate() for name in self.RATES}
        self.leaks = [0, 0]  # by arm
        self.replies = [0, 0]  # by arm
        self.unknown = [0, 0]  # counted users without an outcome, by arm
        self.began: float | None = None  # the first reply's time
        self.last_counted: float = 0.0  # the time of the last counted user's first reply
        self.now: float = 0.0  # the latest time seen
        self.share = rules.first_share  # the challenger's percentage
        self.decision = Decision(CONTINUE, "no user has been counted", self.share)
        self._pending: deque[Pending] = deque()  # by the order of first replies
        self._by_id: dict[str, Pending] = {}
        self._early: dict[str, tuple[float, bool]] = {}  # outcomes without their replies yet
        self._seen: set[bytes] = set()  # the first 8 bytes of users' digests

    @property
    def has_ended(self) -> bool:
        """Whether the test has been decided."""
        return self.decision.outcome != CONTINUE

    @property
    def days(self) -> float:
        """Days since the first reply."""
        return 0.0 if self.began is None else (self.now - self.began) / DAY

    @property
    def pending(self) -> int:
        """The number of users whose outcome is not yet counted."""
        return len(self._pending)

    @property
    def e_better(self) -> float:
        """The natural logarithm of the evidence that the challenger is better."""
        return log_sum(self.bets.better)

    @property
    def e_worse(self) -> float:
        """The natural logarithm of the evidence that it is worse."""
        return log_sum(self.bets.worse)

    def faults(self) -> dict[str, Rate]:
        """The guardrails on shares of replies, by name."""
        return {name: rate for name, rate in self.rates.items() if name != "misrouted"}

    @property
    def window(self) -> float:
        """Seconds after a reply within which its outcome counts."""
        return self.rules.window_hours * 3600

    @property
    def threshold(self) -> float:
        """The natural logarithm of the deciding evidence: both sides share alpha."""
        return math.log(2 / self.rules.alpha)

    def add(self, event: Event) -> Decision:
        """Add an event; events come in the order of their times, except late ones."""
        self.look(event.time, is_before=True)
        if self.has_ended:
            return self.decision
        if event.kind == "reply":
            self._add_reply(event)
        elif waiting := self._by_id.get(event.id):
            self._know(waiting, event.time, event.value)
        elif self.now - event.time <= self.late and self.late:
            self._early.setdefault(event.id, (event.time, event.value))
        return self.look(event.time, is_before=True)

    def look(self, now: float, is_before: bool = False) -> Decision:
        """The decision at a moment; it counts users whose outcome is known or overdue.

        Args:
            now: seconds since 1970.
            is_before: whether events of this same moment may follow.
        """
        self.now = max(self.now, now)
        until = self.now - self.late
        while self._pending and not self.has_ended and self._pending[0].time <= until:
            first = self._pending[0]
            over = until - first.time - self.window
            if first.value is None and (over < 0 or (is_before and over == 0)):
                break
            self._pending.popleft()
            del self._by_id[first.id]
            self._count(first)
            self._decide()
        while self._early and (name := next(iter(self._early))) and self._early[name][0] < until:
            del self._early[name]
        if not self.has_ended and self.began is not None:
            self._check_days()
        return self.decision

    def _know(self, waiting: Pending, time: float, value: bool) -> None:
        """Add the outcome of a reply; the first one within the window counts."""
        if waiting.value is None and time - waiting.time <= self.window:
            waiting.value = value

    def _add_reply(self, reply: Reply) -> None:
        self.began = reply.time if self.began is None else min(self.began, reply.time)
        arm = reply.arm
        self.replies[arm] += 1
        user, w = bytes.fromhex(reply.user[:16]), reply.share / 100
        is_first = user not in self._seen and 0 < w < 1
        self._guard(reply, arm, is_first)
        if self.has_ended or not is_first:
            return
        if reply.id in self._by_id:
            return  # a line written twice
        self._seen.add(user)
        self.exposed.add(reply.assigned_arm, w)
        waiting = Pending(reply.id, reply.time, reply.assigned_arm, reply.share)
        bisect.insort(self._pending, waiting, key=lambda one: one.time)  # last, unless it is late
        self._by_id[reply.id] = waiting
        if reply.id in self._early:
            self._know(waiting, *self._early.pop(reply.id))
        self._check_shares()

    def _guard(self, reply: Reply, arm: int, is_first: bool) -> None:
        """Check a reply against the guardrails."""
        rates, rules = self.rates, self.rules
        error_limit = rules.max_error_percent / 100
        client = rates["client errors"]
        faults = {
            "errors": (reply.status >= 500, error_limit),
            "client errors": (
                400 <= reply.status < 500, max(error_limit, client.of_main())
            ),
            "latency": (reply.ms > rules.max_latency_ms, SLOW_SHARE),
            "refusals": (
                reply.refused, rates["refusals"].of_main() + rules.max_refusal_points / 100
            ),
        }  # fmt: skip
        for name, (is_fault, limit) in faults.items():
            if is_first or name not in ONCE_A_USER:
                rates[name].add(arm, is_fault, min(limit, 0.99))
        is_misrouted = 0 < reply.share < 100 and arm != reply.assigned_arm
        rates["misrouted"].add(1, is_misrouted, MISROUTED_SHARE)
        self.leaks[arm] += reply.leaked
        if log_mean(rates["misrouted"].stakes) >= -math.log(GUARDRAIL_ALPHA):
            faulty = rates["misrouted"]
            self._end(
                INVALID, f"{faulty.faults[1]:,} of {faulty.replies[1]:,} replies came from a "
                "variant other than the user's"
            )  # fmt: skip
        elif why := self._fault():
            self._end(GUARDRAIL, why)

    def _fault(self) -> str:
        """The guardrail that the challenger has hit, as a sentence; else empty."""
        if self.leaks[1]:
            return "a reply of the challenger has personal data that its request did not have"
        rules, limit = self.rules, -math.log(GUARDRAIL_ALPHA)
        said = {
            "errors": "failed (a status of 500 or above): above max_error_percent = "
            f"{rules.max_error_percent:g}",
            "client errors": "were refused (a status of 400 to 499): more than of main's",
            "latency": f"took longer than max_latency_ms = {rules.max_latency_ms:g}: more than 1 "
            "in 100",
            "refusals": "declined to answer: above main's by more than max_refusal_points = "
            f"{rules.max_refusal_points:g}",
        }
        for name, words in said.items():
            rate = self.rates[name]
            if log_mean(rate.stakes) >= limit:
                counts = f"{rate.faults[1]:,} of {rate.replies[1]:,}"
                return f"{name}: {counts} replies of the challenger {words}"
        return ""

    def _count(self, user: Pending) -> None:
        w = user.share / 100
        if user.value is None:
            self.unknown[user.arm] += 1
        else:
            self.known.add(user.arm, w)
        self.bets.add(user.arm, int(bool(user.value)), w, self.rules.margin)
        self.last_counted = user.time

    def _decide(self) -> None:
        """Apply the stop rules after a counted user, in order; guardrails come first.

        "Worse" needs no minimum number of users, so that a bad challenger stops early.
        """
        self._check_shares()
        if self.has_ended:
            return
        users, rules = sum(self.bets.users), self.rules
        if self.e_worse >= self.threshold:
            self._end(WORSE, f"{self._evidence(self.e_worse)} that the challenger is worse")
        elif self.e_better >= self.threshold and self._is_long_enough():
            margin = f" or worse by less than {rules.margin:g}" if rules.margin else ""
            self._end(
                BETTER, f"{self._evidence(self.e_better)} that the challenger is better{margin}"
            )
        else:
            if users >= rules.first_users:
                self.share = max(self.share, rules.share)
            self.decision = Decision(CONTINUE, f"{users:,} users have been counted", self.share)

    def _evidence(self, logarithm: float) -> str:
        users = sum(self.bets.users)
        return f"after {users:,} users the evidence is {_times(logarithm)} to 1"

    def _is_long_enough(self) -> bool:
        """Whether "better" is allowed: enough users of both versions, over a whole week."""
        has_users = min(self.bets.users) >= self.rules.min_users
        return has_users and self.last_counted - (self.began or 0.0) >= WEEK

    def _check_shares(self) -> None:
        """End a test whose arms do not occur as promised."""
        limit = math.log(2 / SHARES_ALPHA)  # shared by two tests
        if log_mean(self.exposed.stakes) >= limit:
            self._end(INVALID, "the users were not assigned by the promised shares")
        elif log_mean(self.known.stakes) >= limit:
            self._end(INVALID, "outcomes are known more often for one version's users than for "
                      "the other's")  # fmt: skip

    def _check_days(self) -> None:
        if self.now - (self.began or 0.0) >= self.rules.max_days * DAY:
            self._end(INCONCLUSIVE, f"{self.rules.max_days} days have passed without a decision")

    def _end(self, outcome: str, why: str) -> None:
        takes_over = outcome == BETTER or (
            outcome == INCONCLUSIVE and self.rules.on_inconclusive == TAKE_OVER
        )
        self.share = 100 if takes_over else 0
        self.decision = Decision(outcome, why, self.share)

    def as_json(self) -> dict[str, Any]:
        """The state: some kilobytes, plus 11 bytes per user, plus the pending users."""
        return {
            "version": VERSION,
            "late": self.late,
            "rules": asdict(self.rules),
            "decision": asdict(self.decision),
            "bets": asdict(self.bets),
            "exposed": self.exposed.stakes,
            "known": self.known.stakes,
            "rates": {name: asdict(rate) for name, rate in self.rates.items()},
            "leaks": self.leaks,
            "replies": self.replies,
            "unknown": self.unknown,
            "began": self.began,
            "last_counted": self.last_counted,
            "now": self.now,
            "share": self.share,
            "early": [[name, *early] for name, early in self._early.items()],
            "pending": [list(asdict(one).values()) for one in self._pending],
            "seen": base64.b64encode(b"".join(sorted(self._seen))).decode("ascii"),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ABTest:
        """The test that `as_json` wrote.

        Raises:
            ValueError: for a state in another format.
        """
        if content.get("version") != VERSION:
            raise ValueError(
                f"expected a state of version {VERSION}, got {content.get('version')!r}"
            )
        test = cls(Rules.from_json(content["rules"]), content["late"])
        test.decision = Decision(**content["decision"])
        test.bets = Bets(**content["bets"])
        test.exposed, test.known = Shares(content["exposed"]), Shares(content["known"])
        test.rates = {name: Rate(**rate) for name, rate in content["rates"].items()}
        for name in ("leaks", "replies", "unknown", "began", "last_counted", "now", "share"):
            setattr(test, name, content[name])
        test._pending = deque(Pending(*one) for one in content["pending"])
        test._early = {name: (time, value) for name, time, value in content["early"]}
        test._by_id = {one.id: one for one in test._pending}
        seen = base64.b64decode(content["seen"])
        test._seen = {seen[start : start + 8] for start in range(0, len(seen), 8)}
        return test


def _times(logarithm: float) -> str:
    """A number given by its logarithm, for display."""
    return f"{math.exp(logarithm):,.0f}" if logarithm < 14 else f"10^{logarithm / math.log(10):.0f}"
