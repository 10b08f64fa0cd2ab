"""Checks a batch transform's filters: paths that both this machine and SageMaker support."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ninesteps.definition.step_content import StepContent
from ninesteps.local.batch_transform import CSV, JSON_LINES, json_filter, row_filter
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected

FILTERS: dict[str, Callable[[str], Any]] = {CSV: row_filter, JSON_LINES: json_filter}
"""The filter parsers, by content type of the records."""


def check_filters(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """The filters and the answers' type fit the records' type: otherwise the job fails."""
    if step.type != "Transform":
        return
    for _, kind in step.at("TransformInput.ContentType"):
        if kind not in (*FILTERS,):
            continue  # another rule reports unknown types
        for where, accept in step.at("TransformOutput.Accept"):
            if accept != kind:
                yield expected(where, f"{kind}, as ContentType is", accept)
        for name in ("InputFilter", "OutputFilter"):
            for where, path in step.at(f"DataProcessing.{name}"):
                if isinstance(path, str):
                    yield from _fault(where, path, FILTERS[kind])


def _fault(where: str, path: str, read: Callable[[str], Any]) -> Iterator[str]:
    try:
        read(path)
    except ValueError as error:
        yield f"{where}: {str(error).removeprefix('filter: ')}"
