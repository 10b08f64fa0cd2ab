"""Charts of feature influence and of the data: SHAP, partial dependence, drift."""

from __future__ import annotations

from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.drift import MUCH, SOME, Drift
from ninesteps.report.evidence import Swarm
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import count, listed, number, percent, shortened

MOST_BARS = 12
MOST_SWARMS = 8


def shap_bars(values: dict[str, float], unit: str) -> Figure:
    """Mean absolute SHAP values."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    top, total = ordered[:MOST_BARS], sum(values.values()) or 1.0
    first = [name for name, _ in top[:3]]
    says = (
        f"{listed(first)} have the most influence: together "
        f"{percent(sum(values[n] for n in first) / total)} of the total. Bars are mean absolute "
        f"SHAP values, in {unit}."
    )
    x = d.Scale(0, max(top[0][1], 1e-12) if top else 1, d.NEAR, 280)
    marks: list[str] = []
    for place, (name, value) in enumerate(top):
        y = 20 + place * 34
        marks += [
            d.text(d.NEAR, y - 4, shortened(name, 44), "name"),
            d.rect(d.NEAR, y + 2, x(value) - d.NEAR, 12, "bar"),
            d.text(x(value) + 6, y + 12, number(value, 3), "label"),
        ]
    rows = [(name, number(value)) for name, value in ordered]
    table = Table("All features", ("feature", "mean |SHAP|"), rows[:200])
    svg = d.svg("shap", 14 + 34 * len(top), "Most influential features", says, marks)
    return Figure("Most influential features", says, svg, table)


def beeswarm(swarm: Swarm, values: dict[str, float], unit: str) -> Figure:
    """The SHAP values of the top features, a dot for each record, coloured by feature value."""
    top = sorted(values, key=lambda name: -values[name])[:MOST_SWARMS]
    places = [swarm.features.index(name) for name in top if name in swarm.features]
    reach = max([abs(row[p]) for row in swarm.values for p in places] + [1e-9])
    x = d.Scale(-reach, reach, d.NEAR, d.FAR)
    drawn = len(swarm.values)
    says = (
        f"Each dot is a record ({number(drawn)} of {number(swarm.of)} are drawn). Right of the "
        f"line, the feature raised its prediction; left of it, it lowered it, in {unit}. "
        + _direction(swarm, places)
    )
    marks, bottom = [], 26 + 58 * len(places)
    marks += [d.line(x(0), 18, x(0), bottom - 8, "limit")]
    for row, place in enumerate(places):
        middle = 56 + row * 58
        marks += [
            d.text(d.NEAR, middle - 24, shortened(swarm.features[place], 44), "name halo"),
            *_dots(swarm, place, x, middle),
        ]
    marks += [
        d.text(d.NEAR, bottom + 10, f"lowers, by {number(reach, 2)}", "tick"),
        d.text(d.FAR, bottom + 10, f"raises, by {number(reach, 2)}", "tick", "end"),
    ]
    keys = tuple(
        (f"s{level}", words)
        for level, words in ((1, "low value"), (3, "middle"), (5, "high value"))
    )
    svg = d.svg("swarm", bottom + 20, "SHAP values, record by record", says, marks)
    return Figure("Direction of the influence", says, svg, keys=keys if swarm.ranks else ())


def _direction(swarm: Swarm, places: list[int]) -> str:
    """The direction of the top feature's influence, if it has one direction."""
    if swarm.ranks is None or not places:
        return ""
    pairs = [
        (ranks[places[0]], row[places[0]])
        for ranks, row in zip(swarm.ranks, swarm.values, strict=True)
    ]
    known = [(rank, value) for rank, value in pairs if rank is not None]
    highs = [value for rank, value in known if rank > 0.66]
    lows = [value for rank, value in known if rank < 0.34]
    if not highs or not lows:
        return ""
    high, low = sum(highs) / len(highs), sum(lows) / len(lows)
    if high * low >= 0:
        return ""
    up, down = ("high", "low") if high > low else ("low", "high")
    return f"A {up} {swarm.features[places[0]]} raises it, a {down} one lowers it."


def _dots(swarm: Swarm, place: int, x: d.Scale, middle: float) -> list[str]:
    """Dots, moved up and down in turn so that they do not overlap."""
    lanes: dict[int, int] = {}
    marks = []
    for record, row in sorted(enumerate(swarm.values), key=lambda item: item[1][place]):
        at = x(row[place])
        column = round(at / 3.6)
        lane = lanes.get(column, 0)
        lanes[column] = lane + 1
        away = min((lane + 1) // 2 * 2.6, 17) * (1 if lane % 2 else -1)
        rank = swarm.ranks[record][place] if swarm.ranks else None
        level = 0 if rank is None else 1 + min(4, int(rank * 5))
        marks.append(d.circle(column * 3.6, middle + away, 1.7, f"s{level}"))
    return marks


def dependence(feature: str, points: list[Any], predictions: list[float]) -> Figure:
    """The mean prediction if every record had the same value of a feature, for each value."""
    numeric = all(isinstance(p, int | float) for p in points)
    first, last = (min(points), max(points)) if numeric else (0, max(len(points) - 1, 1))
    low, high = min(predictions), max(predictions)
    room = (high - low) * 0.1 or abs(high) * 0.05 or 0.1
    x, y = d.Scale(first, last, 42, 328), d.Scale(low - room, high + room, 214, 34)
    places = points if numeric else range(len(points))
    start, end = (number(predictions[place], 3) for place in (0, -1))
    rises = predictions[-1] - predictions[0]
    moved = f"go {'up' if rises > 0 else 'down'} from {start} to {end}"
    says = (
        f"If only {feature} changed, in every record and from left to right, the mean prediction "
        f"would {moved if rises else f'end where it began, at {start}'}."
    )
    value_text = _tick if numeric else (lambda v: "")
    name = shortened(feature, 44)
    marks = d.axes(x, y, name, "Mean prediction", value_text, lambda v: number(v, 3))
    marks.append(d.path([(x(a), y(b)) for a, b in zip(places, predictions, strict=True)], "curve"))
    rows = [
        (number(a) if numeric else str(a), number(b))
        for a, b in zip(points, predictions, strict=True)
    ]
    key = "pdp-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in feature)
    svg = d.svg(key, 260, f"Partial dependence on {feature}", says, marks)
    return Figure(
        f"Partial dependence on {feature}",
        says,
        svg,
        Table("The curve", (feature, "mean prediction"), rows),
    )


def _tick(value: float) -> str:
    """A value on an axis in full: rounded to three digits, the year 2,015 would be wrong."""
    return number(value) if value == int(value) else f"{value:,.6g}".replace("-", "−")


def drift_bars(drifts: list[Drift]) -> Figure:
    """The columns that moved most."""
    top = drifts[:MOST_BARS]
    much, some = (sum(drift.reading == word for drift in drifts) for word in ("much", "some"))
    says = (
        f"Of {count(len(drifts), 'column')}, {much} moved much (PSI {MUCH} or more) and {some} "
        f"moved some (PSI {SOME} or more)."
    )
    x = d.Scale(0, max([drift.psi for drift in top] + [0.3]) * 1.02, d.NEAR, d.FAR)
    bottom = 26 + 34 * len(top)
    marks = []
    for limit, words in ((SOME, "some"), (MUCH, "much")):
        marks += [
            d.line(x(limit), 20, x(limit), bottom, "limit"),
            d.text(x(limit) + 3, 14, words, "label muted"),
        ]
    for place, drift in enumerate(top):
        y = 38 + place * 34
        marks += [
            d.text(d.NEAR, y - 4, shortened(drift.name, 36), "name halo"),
            d.rect(d.NEAR, y + 2, max(x(drift.psi) - d.NEAR, 1), 10, f"bar {drift.reading}"),
            d.text(max(x(drift.psi) + 6, 32), y + 11, number(round(drift.psi, 4), 2), "label halo"),
        ]
    rows = [
        (
            drift.name,
            number(round(drift.psi, 4), 3),
            number(drift.ks and round(drift.ks, 4), 3),
            drift.reading,
            "exact" if drift.is_exact else "from percentiles",
            f"{percent(drift.missing[0], 1)}, {percent(drift.missing[1], 1)}",
        )
        for drift in drifts
    ]
    head = ("column", "PSI", "KS", "moved", "measured", "missing then, now")
    svg = d.svg("drift", bottom + 6, "Drift of the training data", says, marks)
    return Figure("Drift by column", says, svg, Table("All columns", head, rows[:200], (0, 3, 4)))
