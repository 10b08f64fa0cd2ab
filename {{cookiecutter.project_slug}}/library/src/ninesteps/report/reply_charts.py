"""Charts of a language model: wins and losses, by group, loss by epoch, words that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.drawing import LEFT, RIGHT, tall
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import count, listed, number, percent, shortened

OUTCOMES = ("win", "tie", "loss")
"""In the order in which they are drawn, the model's wins first."""

_BARS = {"win": "bar", "tie": "track", "loss": "bar other"}

KEYS = (("dot", "this model is closer"), ("m1", "the incumbent is closer"))

Tally = Mapping[str, int]
"""The number of prompts by outcome."""


def contest(tally: Tally, metrics: Mapping[str, float], incumbent: str) -> Figure:
    """How often each of two models was closer to the references, with the win rate's interval."""
    low = metrics["win_rate_low"]
    decided = tally["win"] + tally["loss"]
    says = (
        f"Of {count(decided, 'prompt')} with a difference, this model's reply is closer to a "
        f"reference in {tally['win']}: {percent(metrics['win_rate'])}, and at least {percent(low)} "
        f"with 95 % confidence. In {tally['tie']} both replies are equally close."
        if decided
        else f"No prompt shows a difference between this model and {incumbent}: in all "
        f"{tally['tie']}, both replies are equally close to a reference."
    )
    x = d.Scale(0, 1, d.NEAR, d.FAR)
    marks = [
        d.text(d.NEAR, 16, f"Prompts, against {incumbent}", "name"),
        *_stacked(tally, 24, 22),
        d.text(d.NEAR, 84, "Win rate, without ties", "name"),
        d.rect(d.NEAR, 92, d.FAR - d.NEAR, 16, "track"),
        d.rect(x(0.5), 92, x(1) - x(0.5), 16, "band"),
        d.line(x(0.5), 87, x(0.5), 113, "limit"),
        d.line(x(low), 100, x(metrics["win_rate"]), 100, "whisker"),
        d.line(x(low), 95, x(low), 105, "whisker"),
        d.circle(x(metrics["win_rate"]), 100, 6, f"value{'' if low > 0.5 else ' bad'}"),
        d.text(x(0.5), 128, "half", "tick", "middle"),
    ]
    rows = [(outcome, number(tally[outcome])) for outcome in OUTCOMES]
    table = Table("The counts", ("outcome", "prompts"), rows)
    svg = d.svg("contest", 134, "Replies compared", says, marks)
    return Figure("Wins and losses", says, svg, table, KEYS)


def by_group(column: str, tallies: Mapping[str, Tally]) -> Figure:
    """Wins and losses for each value of a column with enough prompts to be shown."""
    rates = {value: tally["win"] / decided for value, tally in tallies.items()
             if (decided := tally["win"] + tally["loss"])}  # fmt: skip
    worst = min(rates, key=lambda value: rates[value]) if rates else ""
    says = (
        f"This model wins least often for {column} {worst}: {percent(rates[worst])} of the "
        f"prompts with a difference."
        if rates
        else f"No prompt of any {column} shows a difference."
    )
    marks: list[str] = []
    for place, (value, tally) in enumerate(tallies.items()):
        y = 16 + 52 * place
        total = count(sum(tally.values()), "prompt")
        marks += [
            d.text(d.NEAR, y, shortened(value, 34), "name"),
            d.text(d.FAR, y, total, "tick", "end"),
            *_stacked(tally, y + 7, 16),
        ]
    rows = [(value, *(number(tally[outcome]) for outcome in OUTCOMES), percent(rates.get(value)))
            for value, tally in tallies.items()]  # fmt: skip
    table = Table("The groups", (column, *OUTCOMES, "share won"), rows)
    svg = d.svg(f"contest-{column}", 52 * len(tallies) + 2, f"Replies by {column}", says, marks)
    return Figure(f"By {column}", says, svg, table, KEYS)


def _stacked(tally: Tally, y: float, height: float) -> list[str]:
    """One bar with wins, ties and losses of all prompts, and their numbers if there is room."""
    total = sum(tally.values()) or 1
    x, so_far, marks = d.Scale(0, total, d.NEAR, d.FAR), 0, []
    for outcome in OUTCOMES:
        start, end = x(so_far), x(so_far + tally[outcome])
        so_far += tally[outcome]
        if tally[outcome]:
            said = _short(outcome, tally[outcome], end - start)
            marks += [
                d.rect(start, y, end - start, height, _BARS[outcome]),
                d.text((start + end) / 2, y + height + 13, said, "tick", "middle"),
            ]
    return marks


def _short(outcome: str, many: int, room: float) -> str:
    plural = {"win": "won", "tie": "tied", "loss": "lost"}[outcome]
    return f"{many} {plural}" if room > 44 else str(many)


def losses(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """The mean loss per reply token after each epoch; epoch 0 is the base, the best is kept."""
    kept = int(min(epochs, key=lambda one: one["validation"])["epoch"])
    validation = [(float(one["epoch"]), float(one["validation"])) for one in epochs]
    training = [(float(one["epoch"]), float(one["train"])) for one in epochs
                if one["train"] is not None]  # fmt: skip
    values = [value for _, value in [*validation, *training]]
    x = d.Scale(0, max(1.0, validation[-1][0]), LEFT, RIGHT)
    y = tall(200, 0, max(values) * 1.08 or 1.0)
    best = dict(validation)[float(kept)]
    says = (
        f"On the validation split, the loss falls from {number(validation[0][1], 3)} nats per "
        f"token for the base model to {number(best, 3)} after epoch {kept}, which is kept."
        if kept
        else f"No epoch beats the base model on the validation split ({number(best, 3)} nats per "
        "token), so the base model is kept unchanged."
    )
    marks = [
        d.line(LEFT, y.start, RIGHT, y.start, "axis"),
        d.text(d.NEAR, y.end - 14, "loss, in nats per token", "name"),
        d.text((LEFT + RIGHT) / 2, y.start + 35, "Epoch", "name", "middle"),
    ]
    for value in y.ticks():
        marks += [
            d.line(LEFT, y(value), RIGHT, y(value), "rule"),
            d.text(LEFT - 6, y(value) + 4, f"{value:g}", "tick", "end"),
        ]
    for epoch, _ in validation:
        marks.append(d.text(x(epoch), y.start + 17, int(epoch), "tick", "middle"))
    for points, line, mark, kind in (
        (training, "best", d.diamond, "hollow"), (validation, "curve", d.circle, "dot")
    ):  # fmt: skip
        places = [(x(epoch), y(value)) for epoch, value in points]
        marks += [d.path(places, line)] if len(places) > 1 else []
        marks += [mark(*place, 4, kind) for place in places]
    marks.append(d.text(x(kept), y(best) - 10, "kept", "label halo", "middle"))
    rows = [(str(one["epoch"]), number(one["train"], 5), number(one["validation"], 5))
            for one in epochs]  # fmt: skip
    table = Table("The losses", ("epoch", "training", "validation"), rows)
    keys = (("dot", "validation"), ("hollow", "training, with dropout"))
    return Figure("Loss by epoch", says, d.svg("losses", 278, "Loss by epoch", says, marks), table,
                  keys)  # fmt: skip


def words(summary: Sequence[Mapping[str, Any]]) -> Figure:
    """The words without which the references become less likely on average."""
    top = summary[:12]
    first = [f"“{one['word']}”" for one in top[:3]]
    says = (
        f"The words that matter most are {listed(first)}: without them, references become less "
        f"likely by up to {number(top[0]['mean_change'], 2)} nats on average."
    )
    x = d.Scale(0, max(top[0]["mean_change"], 1e-12), d.NEAR, 280)
    marks: list[str] = []
    for place, one in enumerate(top):
        y = 20 + place * 34
        end = x(one["mean_change"])
        marks += [
            d.text(d.NEAR, y - 4, shortened(one["word"], 44), "name"),
            d.rect(d.NEAR, y + 2, end - d.NEAR, 12, "bar"),
            d.text(end + 6, y + 12, number(one["mean_change"], 3), "label"),
        ]
    rows = [(one["word"], number(one["conversations"]), number(one["mean_change"], 4))
            for one in summary]  # fmt: skip
    table = Table("The words", ("word", "conversations", "mean change in nats"), rows)
    svg = d.svg("words", 14 + 34 * len(top), "Words that matter for replies", says, marks)
    return Figure("Words left out", says, svg, table)
