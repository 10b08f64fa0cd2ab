"""The table of repositories, in 80 columns: a line each, with findings and notes below it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from ninesteps.fleet.standing import Standing
from ninesteps.local.execution import SUCCEEDED

WIDTH = 80
MOST = 5
"""Findings of one repository that are shown; all of them are in the JSON."""

_HEADS = ("REPOSITORY", "LIBRARY", "TEMPLATE", "BEHIND", "PROFILE", "LAST RUN")
_WIDTHS = (22, 16, 8, 7, 9, 10)
_GAP = " "


def lines(standings: Sequence[Standing], is_measured: bool) -> Iterator[str]:
    """The table; `is_measured` says whether the template's commits were counted."""
    yield _row(_HEADS)
    names = Counter(standing.name for standing in standings)
    for standing in standings:
        is_told_apart = names[standing.name] == 1
        yield _row(
            (
                standing.name if is_told_apart else standing.folder.name,
                "(old form)" if standing.is_old_form else standing.library or "?",
                standing.template_commit[:8] or "?",
                _behind(standing, is_measured),
                standing.profile or ("-" if standing.is_old_form else "?"),
                standing.last_run.started[:10] if standing.last_run else "-",
            )
        )
        yield from _details(standing)
    yield ""
    yield summary(standings)


def summary(standings: Sequence[Standing]) -> str:
    """How many repositories there are, and how many have findings."""
    having = sum(bool(standing.findings) for standing in standings)
    old = sum(standing.is_old_form for standing in standings)
    count = len(standings)
    text = f"{count} repositor{'y' if count == 1 else 'ies'}: {count - having} without findings"
    text += f", {having} with" if having else ""
    return text + (f", {old} of the old form" if old else "")


def _behind(standing: Standing, is_measured: bool) -> str:
    if is_measured:
        return "?" if standing.behind is None else str(standing.behind)
    return {True: "newest", False: "differs", None: "?"}[standing.is_newest_library]


def _row(cells: Sequence[str]) -> str:
    padded = (_short(cell, width).ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
    return _GAP.join(padded).rstrip()


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _details(standing: Standing) -> Iterator[str]:
    shown = standing.findings[:MOST]
    for finding in shown:
        yield from _wrapped("! ", finding)
    if more := len(standing.findings) - len(shown):
        yield from _wrapped("! ", f"{more} more findings: --json lists all")
    if standing.overridden:
        names = (f"{o.name} ({'changed' if o.is_changed else 'same'})" for o in standing.overridden)
        yield from _wrapped("", f"overridden: {', '.join(names)}")
    last, account = standing.last_run, standing.last_account_run
    if last and last.status != SUCCEEDED:
        yield from _wrapped("", f"last run {last.status}, {last.started}")
    if account:
        known = f"{account.environment}, {account.execution}, report of {account.reported}"
        yield from _wrapped("", f"last run in an account: {known}")
    for note in standing.notes:
        yield from _wrapped("", note)


def _wrapped(mark: str, text: str) -> list[str]:
    head = f"  {mark}"
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
    )
