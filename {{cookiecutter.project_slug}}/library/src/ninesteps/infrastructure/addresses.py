"""Addresses of pages about an execution: in SageMaker Studio, or in the console."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ninesteps.settings.environment import Environment

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""The console's host by partition. Those of the isolated partitions are not published."""


def console(environment: Environment) -> str:
    """SageMaker's page in the console of the environment's region; empty if it is not known."""
    region = environment.region
    host = CONSOLES.get(environment.partition)
    return f"https://{region}.{host}/sagemaker/home?region={region}" if host else ""


def job_logs(environment: Environment, execution: str) -> str:
    """The console's list of the logs of an execution's Processing jobs; empty if it is not known.

    Jobs that a pipeline starts are called `pipelines-<execution>-...`. The console takes a group's
    name with its `%2F` escaped once more, the `%` written as `$`.
    """
    region = environment.region
    host = CONSOLES.get(environment.partition)
    if not host:
        return ""
    group = "$252Faws$252Fsagemaker$252FProcessingJobs"
    streams = f"$3FlogStreamNameFilter$3Dpipelines-{execution}-"
    return (
        f"https://{region}.{host}/cloudwatch/home?region={region}"
        f"#logsV2:log-groups/log-group/{group}{streams}"
    )


def execution(sagemaker: Any, environment: Environment, pipeline: str, identifier: str) -> str:
    """The page of an execution: in Studio if the region has a domain, otherwise its jobs' logs.

    Pipelines have no page outside of Studio. A domain's address is asked for, since its host is
    another in each part of AWS; its page of an execution is `/pipelines/view/<pipeline>/executions/
    <execution>/graph` of the host `studio-<domain>` (as zenml links it; AWS documents no path).
    """
    from botocore.exceptions import ClientError

    path = f"/pipelines/view/{pipeline}/executions/{identifier}/graph"
    try:
        pages = sagemaker.get_paginator("list_domains").paginate()
        domains = [domain for page in pages for domain in page["Domains"]]
    except ClientError:  # it may not be asked
        domains = []
    for domain in domains:
        host = urlsplit(domain.get("Url", "")).hostname
        if host and domain.get("Status") == "InService":
            return f"https://studio-{host.removeprefix('studio-')}{path}"
    return job_logs(environment, identifier)
