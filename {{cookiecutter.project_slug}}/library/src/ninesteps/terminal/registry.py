"""Shows the registry: versions with their metrics, or one version with all its evidence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from ninesteps.errors import AccountError, NineStepsError, RegistryError
from ninesteps.feature_store import findings
from ninesteps.local.endpoint.deployments import Deployment
from ninesteps.local.history import History
from ninesteps.profiles.stamps import (
    LIBRARY,
    OVERRIDDEN,
    OVERRIDDEN_SHA256,
    PROFILE,
    PROFILE_SHA256,
)
from ninesteps.registry.account import AccountRegistry
from ninesteps.registry.local import LocalRegistry
from ninesteps.registry.registry import (
    APPROVED,
    PENDING,
    PRODUCTION,
    REJECTED,
    ABLook,
    Approvals,
    Registry,
    Version,
    how,
    metrics,
)
from ninesteps.report import run_warnings
from ninesteps.report.local_run import warnings_of
from ninesteps.repository import origin_text
from ninesteps.settings import gate as gates
from ninesteps.settings.settings import Settings
from ninesteps.terminal.console import Console
from ninesteps.terminal.paths import from_here
from ninesteps.terminal.run import metric_lines, warning_label, warning_lines

_COLOURS = {PENDING: "yellow", APPROVED: "green", REJECTED: "red"}
_CONSOLE = Console(highlight=False)


def versions(registry: Registry, settings: Settings, most: int) -> None:
    """Show the newest versions, a line each, with the gate's metrics."""
    numbers = registry.numbers()
    if not numbers:
        _CONSOLE.print(f"{registry.group}: no version is registered")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("version", justify="right")
    for name in ("status", "registered", "metrics"):
        table.add_column(name, overflow="fold")
    serves, not_known = _serving(registry)
    for number in numbers[:most]:
        version = registry.version(number)
        created = version.created[:16].replace("T", " ")
        marks = _same(registry, version, "\n") + _marker(registry, version, settings)
        table.add_row(
            str(number),
            _status(version) + ("\n[bold]serves[/]" if number == serves else "") + marks,
            created,
            _gate_metrics(registry, version, settings),
        )  # fmt: skip
    _CONSOLE.print(registry.group)
    _CONSOLE.print(table)
    if not_known:
        _CONSOLE.print(escape(f"which version serves is not known: {not_known}"))
    if (older := len(numbers) - most) > 0:
        _CONSOLE.print(f"and {older} older: --last {len(numbers)}")


def _serving(registry: Registry) -> tuple[int | None, str]:
    """The version that the endpoint serves; None if there is none, or with why it is not known."""
    if isinstance(registry, LocalRegistry):
        return registry.serving(), ""
    from ninesteps.infrastructure import account  # boto3

    try:
        with account.one_sentence():
            return registry.serving(), ""
    except (AccountError, RegistryError) as error:
        return None, str(error)


def version(approvals: Approvals, settings: Settings, number: int) -> None:
    """Show one version: its metrics, gate and evidence, and every decision on it."""
    model_version, registry = approvals.find(number), approvals.registry
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", min_width=9)
    grid.add_column(overflow="fold")
    grid.add_row("status", _status(model_version) + _same(registry, model_version, ", "))
    grid.add_row("registered", f"{model_version.created} by run {model_version.execution}")
    grid.add_row("started by", escape(registry.started_by(model_version)) or "unknown")
    grid.add_row("gate", escape(gates.written(model_version.metadata.get("gate", "-"))))
    grid.add_row("as of", escape(model_version.metadata.get("as_of", "-")))
    grid.add_row("profile", _profile(approvals, model_version))
    grid.add_row("library", escape(model_version.metadata.get(LIBRARY, "-")))
    grid.add_row("overridden", escape(_overridden(model_version) or "-"))
    for label, text in origin_text.lines(registry.origin(model_version)):
        if label != "overridden":  # which is above, as the version's own field
            grid.add_row(label, escape(text))
    grid.add_row("metrics", _all_metrics(registry, model_version))
    for label, text in _data_rows(registry, model_version, settings):
        grid.add_row(label, text)
    rests_on = registry.evidence(model_version)
    width = max((len(evidence.name) for evidence in rests_on), default=0)
    for label, evidence in _labelled("evidence", rests_on):
        verdict = f"[red]{evidence.fault}[/]" if evidence.fault else "unchanged since registration"
        digest = f"  sha256 {evidence.now[:12]}" if evidence.now else ""
        grid.add_row(label, f"{escape(evidence.name):<{width}}{digest}  {verdict}")
    for label, decision in _labelled("changes", model_version.decisions):
        place = f"{decision.stage}: " if decision.stage else ""
        grid.add_row(
            label, f"{decision.at}  {place}{decision.before} -> {_coloured(decision.after)}"
        )
        grid.add_row("", escape(f"{decision.who}: {decision.why}"))
        if decision.rules:
            grid.add_row("", f"[dim]{escape(f'under {decision.rules}')}[/]")
        if decision.signature:
            fault = approvals.signature_fault(model_version, decision)
            grid.add_row("", f"[red]{escape(fault)}[/]" if fault else "signed")
    grid.add_row("report", escape(_report(approvals, model_version)))
    look = registry.ab_look(model_version)
    deployed = _deployed(_deployments(registry, model_version))
    for label, text in (*deployed, *_rolled_out(model_version.metadata, look)):
        grid.add_row(label, escape(text))
    for stage in ("", PRODUCTION) if approvals.before_production else ("",):
        if objection := approvals.objection(model_version, stage):
            grid.add_row("", f"[red]{escape(objection)}[/]")
    if go_on := commands(approvals, model_version):
        grid.add_row("next", go_on)
    _CONSOLE.print(model_version.name)
    _CONSOLE.print(grid)
    _CONSOLE.print(f"[dim]{escape(model_version.model)}[/]", soft_wrap=True)


def _data_rows(
    registry: Registry, model_version: Version, settings: Settings
) -> Iterator[tuple[str, str]]:
    """What is known about a version's training data, with its warnings."""
    found = _data(registry, model_version, settings)
    if found["table"]:
        yield "data", escape(found["table"])
    if erased := registry.erased(model_version):
        yield "erased", escape(f"it {erased}")
    for label, warning in _labelled(warning_label(found["remarks"]), found["remarks"]):
        yield label, escape(f"- {warning}")
    if found["not_known"]:
        yield "", f"[dim]{escape(found['not_known'])}[/]"


def _deployments(registry: Registry, model_version: Version) -> tuple[Deployment, ...]:
    """The deployments on this machine; in an account, `rollout` says what the approval started."""
    return registry.deployments(model_version) if isinstance(registry, LocalRegistry) else ()


def _deployed(deployments: tuple[Deployment, ...]) -> Iterator[tuple[str, str]]:
    """Each deployment, by whom and why, a row each."""
    for label, one in _labelled("endpoint", deployments):
        yield label, f"{one.began}  {one.what}"
        if one.who:
            yield "", f"{one.who}: {one.why}"


def _rolled_out(metadata: Mapping[str, str], look: ABLook | None) -> Iterator[tuple[str, str]]:
    """What the state machines recorded of a rollout and its A/B test, a row each."""
    if rollout := metadata.get("rollout", ""):
        yield "rollout", f"{metadata.get('rollout_at', '')}  {rollout}"
    if look:  # records of an earlier test do not describe this one
        metadata = look.metadata
        if look.share is not None:
            yield "A/B test", f"{look.share} % of the users by look {look.look} of {look.at}"
        yield "" if look.at else "A/B test", look.why
    elif ended := metadata.get("ab_outcome", ""):
        yield "A/B test", ended
    if users := metadata.get("ab_users", ""):  # its job has evaluated the test at least once
        yield "", f"users: {users}; rates: {metadata.get('ab_rates', '')}"
        better, worse = metadata.get("ab_e_better", ""), metadata.get("ab_e_worse", "")
        yield "", f"evidence: better {better} to 1, worse {worse} to 1"


def decided(approvals: Approvals, number: int, stage: str) -> None:
    """Show a version's status after a decision, and the next command."""
    model_version = approvals.find(number)
    _CONSOLE.print(escape(f"{model_version.name} {how(model_version, stage)}"), soft_wrap=True)
    if OVERRIDDEN in model_version.metadata:
        _CONSOLE.print(escape(f"overridden: {_overridden(model_version)}"), soft_wrap=True)
    _CONSOLE.print(f"report: {escape(_report(approvals, model_version))}", soft_wrap=True)
    if go_on := commands(approvals, model_version):
        _CONSOLE.print(f"next: {go_on}", soft_wrap=True)


def _report(approvals: Approvals, model_version: Version) -> str:
    """The path of a version's report, or the command that writes it."""
    page = approvals.registry.report(model_version)
    return from_here(page) if page else f"pipeline report {model_version.number}{approvals.option}"


def commands(approvals: Approvals, found: Version) -> str:
    """The next command for a version; empty if there is none."""
    if found.status == PENDING or approvals.objection(found):
        reject = f"pipeline reject {found.number}{approvals.option}"
        return f"{approvals.command(found.number)}, or {reject}"
    waits = approvals.before_production and (
        found.status_in(PRODUCTION) != APPROVED or approvals.objection(found, PRODUCTION)
    )
    if found.status == APPROVED and waits:
        return approvals.command(found.number, PRODUCTION)
    is_here = not approvals.option  # in an account the approval itself starts the rollout
    return f"pipeline deploy {found.number}" if found.status == APPROVED and is_here else ""


def versions_as_json(registry: Registry, most: int) -> list[dict[str, Any]]:
    """The newest versions, for a program to read."""
    serves, not_known = _serving(registry)
    return [
        {
            **_as_json(registry, registry.version(number)),
            "serves": None if not_known else number == serves,
        }
        for number in registry.numbers()[:most]
    ]


def version_as_json(approvals: Approvals, settings: Settings, number: int) -> dict[str, Any]:
    """One version with all its records, as data."""
    model_version, registry = approvals.find(number), approvals.registry
    look = registry.ab_look(model_version)
    return {
        **_as_json(registry, model_version),
        "started_by": registry.started_by(model_version),
        "origin": registry.origin(model_version),
        "model": model_version.model,
        "data": _data(registry, model_version, settings),
        "erased": registry.erased(model_version) or None,
        "evidence": [{**asdict(e), "fault": e.fault} for e in registry.evidence(model_version)],
        "changes": [asdict(decision) for decision in model_version.decisions],
        "deployments": [asdict(one) for one in _deployments(registry, model_version)],
        "report": str(page) if (page := registry.report(model_version)) else None,
        "rollout": model_version.metadata.get("rollout") or None,
        "ab_test": asdict(look) if look else None,
    }


def _as_json(registry: Registry, model_version: Version) -> dict[str, Any]:
    try:
        numbers, fault = _numbers(registry, model_version), ""
    except RegistryError as error:
        numbers, fault = {}, str(error)
    return {
        **model_version.metadata,
        "version": model_version.number,
        "status": model_version.status,
        "stages": {PRODUCTION: model_version.status_in(PRODUCTION)}
        if model_version.last(PRODUCTION)
        else {},
        "created": model_version.created,
        "execution": model_version.execution,
        "same_model_as": registry.same_model_as(model_version),
        "evaluation": model_version.evaluation,
        "metrics": numbers,
        "fault": fault,
    }


def _status(model_version: Version) -> str:
    both = model_version.status == model_version.status_in(PRODUCTION) == APPROVED
    return f"{_coloured(model_version.status)}{f', {PRODUCTION}' if both else ''}"


def _same(registry: Registry, model_version: Version, before: str) -> str:
    """A remark if its model is identical to an earlier version's; otherwise empty."""
    earlier = registry.same_model_as(model_version)
    return f"{before}same bytes as version {earlier}" if earlier else ""


def _coloured(status: str) -> str:
    return f"[{_COLOURS.get(status, 'default')}]{escape(status)}[/]"


def _profile(approvals: Approvals, model_version: Version) -> str:
    """The profile that a version was made under, and why it is not the expected one."""
    name, digest = (model_version.metadata.get(key, "") for key in (PROFILE, PROFILE_SHA256))
    stamp = f"{escape(name)}  sha256 {escape(digest[:12])}  " if name and digest else ""
    violation = approvals.expected.violation(model_version.metadata)
    return stamp + (f"[red]{escape(violation)}[/]" if violation else "unchanged since then")


def _overridden(model_version: Version) -> str:
    """The team's own code, apart from the template's and the library's; empty if unknown."""
    metadata = model_version.metadata
    if OVERRIDDEN not in metadata:
        return "no file of the template or the library" if LIBRARY in metadata else ""
    digest = metadata.get(OVERRIDDEN_SHA256, "")
    return metadata[OVERRIDDEN] + (f"  sha256 of all {digest[:12]}" if digest else "")


def _gate_metrics(registry: Registry, model_version: Version, settings: Settings) -> str:
    try:
        numbers = _numbers(registry, model_version)
    except RegistryError as error:
        return f"[red]{escape(str(error))}[/]"
    names = [c.name for c in gates.comparisons(settings.full_gate)]
    return escape("\n".join(metric_lines({name: numbers.get(name) for name in names}, 28)))


def _all_metrics(registry: Registry, model_version: Version) -> str:
    try:
        return escape("\n".join(metric_lines(_numbers(registry, model_version), 66)))
    except RegistryError as error:
        return f"[red]{escape(str(error))}[/]"


def _numbers(registry: Registry, model_version: Version) -> dict[str, float]:
    """The metrics of a version.

    Raises:
        RegistryError: if they can no longer be read.
    """
    return metrics(_evaluation(registry, model_version))


def _evaluation(registry: Registry, model_version: Version) -> bytes:
    """A version's `evaluation.json`.

    Raises:
        RegistryError: if it can no longer be read.
    """
    content = registry.read(model_version.evaluation)
    if content is None:
        raise RegistryError("evaluation.json is gone")
    return content


def warnings(approvals: Approvals, settings: Settings, number: int) -> None:
    """Show a version's warnings before a decision."""
    found = _data(approvals.registry, approvals.find(number), settings)
    for label, text in warning_lines(found["remarks"]):
        _CONSOLE.print(f"[bold]{label:<11}[/] {text}")
    if found["remarks"] and found["not_known"]:
        _CONSOLE.print(f"{'':<12}[dim]{escape(found['not_known'])}[/]")


def _data(registry: Registry, model_version: Version, settings: Settings) -> dict[str, Any]:
    """What was found in a version's training data, and its warnings."""
    table = registry.table(model_version)
    told, not_known = _warnings(registry, model_version, settings)
    said = findings.of_table(table) if table else ""
    return {"table": said, "remarks": told, "not_known": not_known}


NOT_KNOWN = (
    "not known of a version in an account: rows left out, missing values, drift, protected columns"
)


def _warnings(
    registry: Registry, model_version: Version, settings: Settings
) -> tuple[list[str], str]:
    """A version's warnings, and which ones cannot be known."""
    not_known = NOT_KNOWN
    if isinstance(registry, LocalRegistry):
        not_known = ""
        with contextlib.suppress(NineStepsError):  # its run is no longer known here
            execution = History(registry.local).execution(model_version.execution)
            return warnings_of(registry.local, settings, execution), ""
    elif isinstance(registry, AccountRegistry):
        recorded = registry.warnings(model_version)
        if recorded is not None:
            return recorded, ""
    table = registry.table(model_version)
    content = findings.read(registry.findings(model_version))
    told = findings.remarks(table, content, table.names if table else {})
    with contextlib.suppress(RegistryError):
        evaluation = _evaluation(registry, model_version)
        told += run_warnings.of_evaluation(findings.read(evaluation))
    return told, not_known


def _marker(registry: Registry, model_version: Version, settings: Settings) -> str:
    """The number of a version's warnings, below its status; empty for none."""
    noted = model_version.metadata.get(run_warnings.COUNT, "")
    if isinstance(registry, AccountRegistry) and noted.isdecimal():  # without reading its files
        return f"\n[yellow]{warning_label(range(int(noted)))}[/]" if int(noted) else ""
    told, _ = _warnings(registry, model_version, settings)
    return f"\n[yellow]{warning_label(told)}[/]" if told else ""


def _labelled(label: str, items: Any) -> list[tuple[str, Any]]:
    """Items, the first with a label."""
    return [("" if number else label, item) for number, item in enumerate(items)]
