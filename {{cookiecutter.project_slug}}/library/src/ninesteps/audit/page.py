"""The first page of an audit pack: what each file answers, as HTML and as text of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ninesteps.audit.impact_ratios import LEAST_SHARE, SCORING, Rates
from ninesteps.audit.known import Known, decision_in_words, deployment_in_words
from ninesteps.audit.laws import NO, Answer, Concern, Law, Laws, answered
from ninesteps.audit.privacy import LEAST
from ninesteps.audit.subject import Subject
from ninesteps.plain_text import plain
from ninesteps.report.formatting import count, moment, number, percent
from ninesteps.report.template import asset, csp_hash, template

OWN = "ninesteps.audit"
WIDTH = 80

NO_ADVICE = (
    "This page lists which facts about this version answer which question, and what the pack does "
    "not show. It is not legal advice, and does not state that a law applies, does not apply or is "
    "complied with. The articles are summarised: the text of the law is authoritative."
)
WHERE_THE_DIGEST_IS = (
    "Run python verify.py in the unpacked folder: it compares every file with manifest.json and "
    "prints the manifest's SHA-256. Anyone who can change this pack can also change its manifest "
    "and its verify.py. So compare that digest with the one that `pipeline audit` printed when the "
    "pack was made, and use your own copy of verify.py, or `pipeline audit --verify PACK`."
)
LEFT_OUT = (
    "This pack has no row of anyone's data: no record ids, feature values or messages, no SHAP "
    f"values of single records, and no logs. Groups of fewer than {LEAST} rows and words of fewer "
    f"than {LEAST} conversations are left out of its copies, and values that fewer than {LEAST} "
    "training rows have are counted with others. The pack does name the people who decided on this "
    "version, and has what people wrote: their reasons, and model_card.toml. Those are personal "
    "data. Numbers about few people might still be derived from a total and the groups that are "
    "shown, so its owner has to judge whether a pack may be passed on."
)


@dataclass(frozen=True)
class Listed:
    """A file in the table of contents."""

    name: str
    says: str
    note: str
    sha256: str
    size: str
    absent: str


@dataclass(frozen=True)
class Section:
    """A law with its questions answered."""

    law: Law
    concern: Concern
    answers: tuple[Answer, ...]
    ratios: Sequence[Rates] = ()


@dataclass(frozen=True)
class Page:
    """The content of the page, for HTML and for text."""

    subject: Subject
    laws: Laws
    lead: str
    warnings: tuple[str, ...]
    contents: tuple[Listed, ...]
    sections: tuple[Section, ...]


def page(
    subject: Subject,
    contents: Sequence[Listed],
    laws: Laws,
    profile: str,
    known: Known,
    ratios: Sequence[Rates],
) -> tuple[str, str]:
    """The page of a version, as HTML and as text."""
    items = {item.name: item.absent for item in contents}
    sections = tuple(_section(law, profile, known, items, ratios) for law in laws.law)
    made = Page(subject, laws, _lead(subject), tuple(_warnings(subject)), tuple(contents), sections)
    return plain(_html(made)), plain("\n".join(_text(made)) + "\n")


def _section(
    law: Law, profile: str, known: Known, items: dict[str, str], ratios: Sequence[Rates]
) -> Section:
    concern = law.concern(profile)
    if concern.answer == NO:
        return Section(law, concern, ())
    answers = tuple(answered(question, known, items) for question in law.question)
    return Section(law, concern, answers, ratios if law.sex else ())


def _lead(subject: Subject) -> str:
    version = subject.version
    decisions = "; ".join(map(decision_in_words, version.decisions)) or "no decision so far"
    deployed = "; ".join(map(deployment_in_words, subject.facts.deployments))
    on_this_machine = f" On this machine it was {deployed}." if deployed else ""
    return (
        f"Registered {moment(version.created)} by run {version.execution} on "
        f"{subject.facts.where}. It is {version.status}: {decisions}.{on_this_machine}"
    )


def _warnings(subject: Subject) -> Iterator[str]:
    """What a reader of the pack has to know first."""
    for uri in subject.changed:
        yield f"{uri} was changed after its step had ended: its SHA-256 is different now."
    if subject.chain:
        for fault in subject.chain.faults:
            yield f"The chain of events is broken: {fault}."
    approved = [d for d in subject.version.decisions if d.evidence]
    now = {o.uri: o.now for o in subject.objects if o.now}
    for decision in approved:
        for uri, digest in decision.evidence.items():
            if now.get(uri, digest) != digest:
                yield f"The decision of {moment(decision.at)} was based on a different {uri}."


def ratio_rows(table: Rates) -> list[tuple[str, ...]]:
    """The rows of a table of impact ratios."""
    return [
        (c.name, number(c.rows), percent(c.share, 1), number(c.selected), percent(c.rate, 1),
         number(c.ratio, 3) if c.ratio is not None else "left out")
        for c in table.categories
    ]  # fmt: skip


def ratio_head(table: Rates) -> tuple[str, ...]:
    """The names of the columns of a table of impact ratios."""
    counted = "better than median" if table.measure == SCORING else "selected"
    return ("category", "rows", "share", counted, "rate", "impact ratio")


def ratio_title(table: Rates) -> str:
    """The title of a table of impact ratios."""
    return f"By {' and '.join(table.by)}: {table.measure}"


def ratio_note(table: Rates) -> str:
    """What a table of impact ratios leaves out."""
    less = percent(LEAST_SHARE)
    text = f"{count(table.unknown, 'row')} with an unknown category"
    if table.withheld:
        many = count(table.withheld, "category", "categories")
        text += (
            f"; {many} of fewer than {LEAST} rows withheld ({count(table.withheld_rows, 'row')})"
        )
    if any(category.ratio is None for category in table.categories):
        text += (
            f"; categories with less than {less} of the rows have no ratio, because rates of few "
            "people vary a lot by chance"
        )
    return f"{text}."


# HTML


def _html(made: Page) -> str:
    style = asset("page.css", OWN)
    return template("page.html.jinja", OWN).render(
        page=made,
        style=Markup(style),
        style_hash=csp_hash(style),
        no_advice=NO_ADVICE,
        where_the_digest_is=WHERE_THE_DIGEST_IS,
        left_out=LEFT_OUT,
        ratio_title=ratio_title,
        ratio_head=ratio_head,
        ratio_rows=ratio_rows,
        ratio_note=ratio_note,
        concern_word=concern_word,
    )


# Text


def _text(made: Page) -> Iterator[str]:
    yield from _heading(f"{made.subject.facts.project}: audit pack of {made.subject.name}", "=")
    yield from _paragraph(made.lead)
    yield from _paragraph(NO_ADVICE)
    if made.warnings:
        yield from _heading("Problems found", "-")
        for warning in made.warnings:
            yield from _bullet(warning)
    yield from _heading("How to check it", "-")
    yield from _paragraph(WHERE_THE_DIGEST_IS)
    yield from _heading("What is left out", "-")
    yield from _paragraph(LEFT_OUT)
    yield from _heading("What is in it", "-")
    for item in made.contents:
        yield from _bullet(f"{item.name}: {item.says}. " + (
            f"MISSING: {item.absent}." if item.absent else f"{item.size} bytes."
        ) + (f" Note: {item.note}." if item.note else ""))  # fmt: skip
        if item.sha256:
            yield f"  {item.sha256}"
    for section in made.sections:
        yield from _law(section)
    yield ""
    yield from _paragraph(f"The texts and dates of the laws were last checked on "
                          f"{made.laws.checked}.")  # fmt: skip


def _law(section: Section) -> Iterator[str]:
    law = section.law
    yield from _heading(law.name, "=")
    yield from _paragraph(f"{law.cite}. {law.dates}")
    yield from _paragraph(f"Does it apply to this model? {_concern(section.concern)}")
    for answer in section.answers:
        question = answer.question
        yield from _heading(f"{question.article}: {question.title}", "-")
        yield from _paragraph(f"It asks: {question.asks}")
        for sentence in answer.shows:
            yield from _bullet(sentence)
        for why in answer.unknown:
            yield from _bullet(f"Not known: {why}.")
        yield from _paragraph(f"See: {', '.join(answer.items) or 'nothing in this pack'}.")
        for name, why in answer.missing.items():
            yield from _bullet(f"{name} is missing: {why}.")
        yield from _paragraph(f"Not shown: {'; '.join(question.not_shown)}.")
    for table in section.ratios:
        yield from _heading(ratio_title(table), "-")
        yield from _columns([ratio_head(table), *ratio_rows(table)])
        yield from _paragraph(ratio_note(table))


def _concern(concern: Concern) -> str:
    return f"{concern_word(concern)}. {concern.why}"


def concern_word(concern: Concern) -> str:
    """The answer, as the beginning of a sentence."""
    return {"where": "If its conditions are met", "probably not": "Probably not"}.get(
        concern.answer, "Not for this profile"
    )


def _heading(text: str, line: str) -> Iterator[str]:
    yield ""
    lines = textwrap.wrap(text, WIDTH)
    yield from lines
    yield line * max(map(len, lines))


def _paragraph(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def _bullet(text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
        )]  # fmt: skip
        yield "  ".join(cells).rstrip()
