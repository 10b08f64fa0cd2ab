"""The charts of the pages: when each step of a run ran, and a metric over versions."""

from __future__ import annotations

from collections.abc import Sequence

from ninesteps.report import drawing as d
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import count, duration, number
from ninesteps.settings.gate import Comparison
from ninesteps.ui.machine import StepTime, VersionLine

ROW, BAR = 38, 10
TOP, HEIGHT = 10, 120
MOST_VERSIONS = 60
"""How many of the newest versions are drawn."""

_KINDS = dict.fromkeys(("Failed", "Killed", "Gate failed"), "bar other")
"""The kind of bar, by the name of a step's state."""


def timeline(times: Sequence[StepTime]) -> Figure:
    """When each step ran."""
    total = max((t.began + t.took for t in times if t.began is not None), default=0.0)
    x = d.Scale(0.0, total or 1.0, d.NEAR, d.FAR)
    marks = []
    for row, time in enumerate(times):
        y = 14 + row * ROW
        kind = "little" if time.state == "Cached" else ""
        said = time.state if time.began is None else f"{time.state} · {duration(time.took)}"
        marks += [
            d.text(d.NEAR, y, time.name, "step"),
            d.text(d.FAR, y, said, "tick", "end"),
            d.rect(d.NEAR, y + 7, d.FAR - d.NEAR, BAR, "track", ' rx="2"'),
        ]
        if time.began is not None:
            left, right = x(time.began), x(time.began + time.took)
            bar = _KINDS.get(time.state, f"bar {kind}".strip())
            marks.append(d.rect(min(left, d.FAR - 2), y + 7, max(right - left, 2), BAR, bar))
    bottom = 14 + len(times) * ROW
    for tick in x.ticks(4):
        anchor = "start" if tick == 0 else "end" if x(tick) > d.FAR - 12 else "middle"
        marks.append(d.text(x(tick), bottom, duration(tick), "tick", anchor))
    says = (
        f"{duration(total)} from the start of the first step to the end of the last. Steps whose "
        "bars overlap ran at the same time."
    )
    table = Table("The times", ("step", "started after", "took", "state"), [
        (t.name, "–" if t.began is None else duration(t.began),
         "–" if t.began is None else duration(t.took), t.state) for t in times
    ], (0, 3))  # fmt: skip
    svg = d.svg("timeline", bottom + 8, "Timeline of the steps", says, marks)
    return Figure("Timeline", says, svg, table)


def over_versions(
    name: str, versions: Sequence[VersionLine], limits: Sequence[Comparison]
) -> Figure:
    """A metric of the versions, the oldest first, with the gate's current limits."""
    drawn = [(v, v.metrics[name]) for v in versions if name in v.metrics]
    values = [value for _, value in drawn]
    ends = [*values, *(limit.number for limit in limits)]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    left = 46.0
    bottom = low - room if low < 0 else max(low - room, 0.0)
    y = d.Scale(bottom, high + room, TOP + HEIGHT, TOP)
    x = d.Scale(0, max(len(drawn) - 1, 1), left + 6, d.FAR - 6)
    marks: list[str] = []
    ticks = y.ticks(3)
    decimals = max(len(f"{tick:.10g}".partition(".")[2]) for tick in ticks)
    for tick in ticks:
        value = f"{tick:,.{decimals}f}".replace("-", "−")
        marks += [d.line(left, y(tick), d.FAR, y(tick), "rule"),
                  d.text(left - 6, y(tick) + 4, value, "tick", "end")]  # fmt: skip
    places = [(x(place), y(value)) for place, value in enumerate(values)]
    for limit in limits:
        height = y(limit.number)
        is_over_a_point = len(places) > 1 and -18 < places[-1][1] - height < 6
        beside, anchor = (left, "start") if is_over_a_point else (d.FAR, "end")
        marks += [
            d.line(left, height, d.FAR, height, "limit"),
            d.text(beside, height - 4, f"gate: {limit.sign} {limit.number:g}", "tick halo", anchor),
        ]
    marks.append(d.path(places, "curve thin"))
    for (version, _), (at, height) in zip(drawn, places, strict=True):
        marks.append(d.circle(at, height, 5 if version.serves else 3, _mark(version)))
    first, last = drawn[0][0].number, drawn[-1][0].number
    base = TOP + HEIGHT + 16
    marks.append(d.text(left, base, f"version {first}", "tick"))
    if last != first:
        marks.append(d.text(d.FAR, base, f"version {last}", "tick", "end"))
    says = f"{number(values[-1])} in version {last}, the newest"
    if len(values) > 1:
        says += f"; from {number(min(values))} to {number(max(values))} in " + count(
            len(values), "version"
        )
    svg = d.svg(f"metric-{name}", base + 8, name, f"{says}.", marks)
    return Figure(name, f"{says}.", svg)


def _mark(version: VersionLine) -> str:
    if version.serves:
        return "point"
    return "stopped" if version.status == "Rejected" else "dot"
