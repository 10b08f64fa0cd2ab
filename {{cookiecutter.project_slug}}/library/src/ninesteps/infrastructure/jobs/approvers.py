"""Who started a version's run and who approved it, according to AWS: they must be two people."""

from __future__ import annotations

from aws import client
from evidence import EvidenceError, Package
from ninesteps.registry.person import arn_of, is_same_person

MACHINES = ("ab-test", "approved", "evidence", "rollout")
"""The state machines that change a package's metadata: then they, not a person, changed it last."""

RULE = "[approval] require_second_approver asks for two people"


def check_two(package: Package, pipeline: str) -> None:
    """Check that nobody approved the version of a run that they had started themselves.

    Names are compared as `pipeline approve` compares them. The state machine cannot: it compares
    texts.

    Args:
        pipeline: its name in the account; the names of the machines' roles begin with it.

    Raises:
        EvidenceError: if somebody did, or one of the two is not known.
    """
    execution = package.noted("execution")
    arn = [*package.arn.split(":")[:5], f"pipeline/{pipeline}/execution/{execution}"]
    run = client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=":".join(arn))
    starter = arn_of(run.get("CreatedBy", {}))
    noted = package.metadata.get("approved_by", "")  # by `pipeline approve`
    last = arn_of(package.modified_by)
    approvers = [who for who in (noted, last) if who and not _is_machine(who, pipeline)]
    if not starter or not approvers:
        raise EvidenceError(
            f"who started the run and who approved its version is not known, and {RULE}"
        )
    for approver in approvers:
        if is_same_person(approver, starter):
            raise EvidenceError(
                f"{approver} approved the version of a run that {starter} had started, and {RULE}"
            )


def _is_machine(arn: str, pipeline: str) -> bool:
    return any(f":assumed-role/{pipeline}-{machine}/" in arn for machine in MACHINES)
