"""Compares the instances that a pipeline needs at once with the account's SageMaker quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ninesteps.infrastructure.instances import (
    ENDPOINT,
    PROCESSING,
    TRAINING,
    TRANSFORM,
    Need,
)
from ninesteps.settings.environment import Environment

IN_ALL = {
    PROCESSING: "Number of instances across all processing jobs",
    TRAINING: "Number of instances across all training jobs",
    TRANSFORM: "Number of instances across all transform jobs",
    ENDPOINT: "Number of instances across active endpoints",
}
"""The quota of all types together, by the use; names as Service Quotas lists them."""


def by_name(session: Any) -> dict[str, float]:
    """The account's quotas for SageMaker in the session's region."""
    client = session.client("service-quotas")
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    return {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}


def asked(needs: Sequence[Need]) -> dict[str, int]:
    """How much a pipeline needs of each quota, by the quota's name."""
    found = {f"{need.instance_type} for {need.use} usage": need.count for need in needs}
    for use, name in IN_ALL.items():
        if in_all := sum(need.count for need in needs if need.use == use):
            found[name] = in_all
    return found


def too_small(
    needs: Sequence[Need], quotas: Mapping[str, float], environment: Environment
) -> Iterator[str]:
    """One sentence for each quota that is too small."""
    where = f"{environment.region} of account {environment.account}"
    for name, count in asked(needs).items():
        if name in quotas and quotas[name] < count:
            yield (
                f"expected the quota {name!r} to be {count} or more in {where}, got "
                f"{quotas[name]:g}: request an increase in Service Quotas"
            )
