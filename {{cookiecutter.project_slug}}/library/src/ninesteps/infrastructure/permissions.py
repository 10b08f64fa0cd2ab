"""The table of permissions: which role and command may do what in an account.

Actions, resource types and condition keys are those of AWS's Service Authorization Reference
(`list_amazonsagemaker`, `list_amazons3`, `list_amazonelasticcontainerregistry`,
`list_amazoncloudwatchlogs`, `list_awskeymanagementservice`, `list_amazonathena`, `list_awsglue`,
`list_amazonec2`, `list_awsstepfunctions`, `list_amazoneventbridge`, `list_servicequotas`); what a
job needs besides is in the SageMaker developer guide, "How to use SageMaker AI execution roles".

An entry names actions and the resources that they are for, in braces what differs between
environments. It is the whole of what a role may do: `policies` compares a template with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ninesteps.definition.step_content import StepContent, step_contents
from ninesteps.definition.values import field_names
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings


@dataclass(frozen=True)
class Grant:
    """Actions that are allowed on resources, under conditions."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def grant(actions: str, *resources: str, **conditions: Mapping[str, Any]) -> Grant:
    """A table's entry: `"sagemaker: AddTags CreateModel"`, its resources, its conditions."""
    service, _, names = actions.partition(":")
    return Grant(tuple(f"{service}:{name}" for name in names.split()), resources, conditions)


STEPS: dict[str, tuple[Grant, ...]] = {
    "Processing": (
        grant("sagemaker: AddTags CreateProcessingJob DescribeProcessingJob StopProcessingJob",
              "{sagemaker}:processing-job/pipelines-*"),
    ),
    "Tuning": (
        grant("sagemaker: AddTags CreateHyperParameterTuningJob DescribeHyperParameterTuningJob "
              "StopHyperParameterTuningJob", "{sagemaker}:hyper-parameter-tuning-job/*"),
        grant("sagemaker: AddTags DescribeTrainingJob", "{sagemaker}:training-job/*"),
    ),
    "Model": (
        grant("sagemaker: AddTags CreateModel DescribeModel", "{sagemaker}:model/pipelines-*"),
    ),
    "Transform": (
        grant("sagemaker: AddTags CreateTransformJob DescribeTransformJob StopTransformJob",
              "{sagemaker}:transform-job/pipelines-*"),
    ),
    "RegisterModel": (
        grant("sagemaker: CreateModelPackage",
              "{sagemaker}:model-package/{stack}/*", "{sagemaker}:model-package-group/{stack}",
              StringEquals={"sagemaker:ModelApprovalStatus": "PendingManualApproval"}),
        grant("sagemaker: DescribeModelPackage DescribeModelPackageGroup",
              "{sagemaker}:model-package/{stack}/*", "{sagemaker}:model-package-group/{stack}"),
    ),
    "Condition": (),
}  # fmt: skip
"""What starting a step of a type takes. Jobs that a pipeline starts are called `pipelines-...`, but
for those of a search, whose names are too short for it."""

ENCRYPTS = grant("kms: Decrypt DescribeKey GenerateDataKey", "{key}")
"""What reading and writing under a key takes."""

DISKS = grant("kms: CreateGrant", "{key}", Bool={"kms:GrantIsForAWSResource": "true"})
"""What disks under a key take, of who makes a job or an endpoint and of what runs there."""

CONTAINER = (
    ENCRYPTS,
    DISKS,
    grant("ecr: GetAuthorizationToken", "*"),
    grant("ecr: BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer", "{images}"),
    grant("logs: CreateLogGroup CreateLogStream DescribeLogStreams PutLogEvents",
          "{logs}:log-group:/aws/sagemaker/*"),
    grant("cloudwatch: PutMetricData", "*",
          StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"}),
)  # fmt: skip
"""What every container of SageMaker takes: its image, log, metrics and key."""

JOB: tuple[Grant, ...] = (
    *CONTAINER,
    grant("iam: PassRole", "{role}-pipeline",
          StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
    grant("s3: GetObject", "{bucket}/{pipeline}/*"),
    grant("s3: PutObject AbortMultipartUpload", "{bucket}/{pipeline}/executions/*"),
    grant("s3: ListBucket", "{bucket}", StringLike={"s3:prefix": "{pipeline}/*"}),
)  # fmt: skip
"""What every job takes, whatever its step: its own role and data."""

PROPERTIES: dict[tuple[str, str], tuple[Grant, ...]] = {
    ("Tuning", "TrainingJobSummaries"): (
        grant("sagemaker: ListTrainingJobsForHyperParameterTuningJob",
              "{sagemaker}:hyper-parameter-tuning-job/*"),
    ),
}  # fmt: skip
"""What reading a property of a step takes besides: by the type of the step and the property. The
other properties are in the answer of the Describe call that waiting for the step takes anyway."""

FEATURES: dict[str, tuple[Grant, ...]] = {
    "VpcConfig": (
        grant("ec2: DescribeDhcpOptions DescribeNetworkInterfaces DescribeSecurityGroups "
              "DescribeSubnets DescribeVpcs", "*"),
        grant("ec2: CreateNetworkInterface CreateNetworkInterfacePermission "
              "DeleteNetworkInterface DeleteNetworkInterfacePermission",
              "{ec2}:network-interface/*", "{ec2}:subnet/*", "{ec2}:security-group/*"),
    ),
}  # fmt: skip
"""What a member of a request takes besides, wherever in the definition it stands."""


def _asks(tables: str) -> tuple[Grant, ...]:
    """What Athena does under the rights of who asks it for rows of tables.

    The database `default` is nobody's here: Athena asks for one, and makes it where there is none
    ("Configure access to databases and tables in the AWS Glue Data Catalog", its user guide).
    Where Lake Formation governs a table, its own grants decide what GetDataAccess gives
    ("Underlying data access control", its developer guide).
    """
    return (
        grant("athena: GetQueryExecution StartQueryExecution StopQueryExecution",
              "{athena}:workgroup/{workgroup}"),
        grant("athena: GetDataCatalog", "{athena}:datacatalog/{catalog}"),
        grant("glue: CreateDatabase GetDatabase", "{glue}:catalog", "{glue}:database/default"),
        grant("glue: BatchGetPartition GetDatabase GetPartition GetPartitions GetTable", tables),
        grant("lakeformation: GetDataAccess", "*"),
        grant("s3: GetBucketLocation ListBucketMultipartUploads", "{bucket}"),
    )  # fmt: skip


QUERY = (
    *_asks("{read tables}"),
    grant("s3: ListMultipartUploadParts", "{bucket}/{pipeline}/executions/*"),
)
"""What step 1 takes to query the tables of the feature groups."""

STORE = (
    grant("s3: GetObject", "{store}"),
    grant("s3: GetBucketLocation", "{store bucket}"),
    grant("s3: ListBucket", "{store bucket}", StringLike={"s3:prefix": "{store prefix}"}),
)
"""What reading rows takes that lie outside the pipeline's own bucket, and a base model."""

STORE_KEY = (grant("kms: Decrypt", "{store key}"),)
"""... and are encrypted with a key."""

CLARIFY_IMAGE = "sagemaker-clarify-processing"

IMAGES: dict[str, tuple[Grant, ...]] = {
    CLARIFY_IMAGE: (
        grant("sagemaker: AddTags CreateEndpointConfig DeleteEndpointConfig DescribeEndpointConfig",
              "{sagemaker}:endpoint-config/sm-clarify-config-*"),
        grant("sagemaker: AddTags CreateEndpoint DeleteEndpoint DescribeEndpoint InvokeEndpoint",
              "{sagemaker}:endpoint/sm-clarify-*"),
        grant("sagemaker: CreateEndpoint", "{sagemaker}:endpoint-config/sm-clarify-config-*"),
    ),
}  # fmt: skip
"""What an image's own program takes besides: Clarify asks a shadow endpoint, which it makes and
removes and which no definition shows."""


_DELIVERS = (
    grant("sqs: SendMessage", "{sqs}:{stack}-undelivered"),
    grant("kms: Decrypt GenerateDataKey", "{key}"),
)

SCHEDULER = (
    grant("sagemaker: StartPipelineExecution", "{sagemaker}:pipeline/{stack}"), *_DELIVERS
)  # fmt: skip
"""What the schedule does: it starts the pipeline, or keeps what could not be delivered."""

STARTS_WITH_CHAMPION = grant("states: StartExecution", "{states}:stateMachine:{stack}-start")
"""Starting the machine that finds the version that serves, and starts the pipeline."""

SCHEDULER_OF_A_CHAMPION = (STARTS_WITH_CHAMPION, *_DELIVERS)
"""What the schedule does where the gate compares with the version that serves."""

SECOND_APPROVAL = (grant("states: SendTaskFailure SendTaskSuccess", "*"),)
"""How who approves answers a rollout that waits before production: by its token alone."""

NOTES = grant("sagemaker: UpdateModelPackage", "{sagemaker}:model-package/{stack}/*",
              Null={"sagemaker:ModelApprovalStatus": "true"})  # fmt: skip
"""A machine notes what it did in a version's metadata; a status it writes never."""

_SCALES = "sagemaker.application-autoscaling.amazonaws.com"
"""The service that scales an endpoint, by a role of its own that is made with the first one."""

_SCALED: tuple[tuple[str, ...], dict[str, dict[str, str]]] = (
    ("{application-autoscaling}:scalable-target/*",),
    {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}},
)

_STARTS_A_TEST = "states:startExecution of a test"

_JOB = (
    DISKS,
    grant("sagemaker: AddTags CreateProcessingJob DescribeProcessingJob StopProcessingJob",
          "{sagemaker}:processing-job/{stack}-*"),
    grant("iam: PassRole", "{role}-job",
          StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
    grant("events: DescribeRule PutRule PutTargets",
          "{events}:rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule"),
)  # fmt: skip

TASKS: dict[str, tuple[Grant, ...]] = {
    "aws-sdk:applicationautoscaling:putScalingPolicy": (
        grant("application-autoscaling: PutScalingPolicy", *_SCALED[0], **_SCALED[1]),
        grant("cloudwatch: PutMetricAlarm DeleteAlarms",
              "{cloudwatch}:alarm:TargetTracking-endpoint/{stack}/*"),
    ),
    "aws-sdk:applicationautoscaling:registerScalableTarget": (
        grant("application-autoscaling: RegisterScalableTarget", *_SCALED[0], **_SCALED[1]),
        grant("sagemaker: DescribeEndpoint UpdateEndpointWeightsAndCapacities",
              "{sagemaker}:endpoint/{stack}"),
        grant("sagemaker: DescribeEndpointConfig", "{sagemaker}:endpoint-config/{stack}-v*"),
        grant("iam: CreateServiceLinkedRole", f"{{iam}}:role/aws-service-role/{_SCALES}/*",
              StringEquals={"iam:AWSServiceName": _SCALES}),
    ),
    "aws-sdk:cloudwatch:describeAlarms": (
        grant("cloudwatch: DescribeAlarms", "{cloudwatch}:alarm:*"),
    ),
    "aws-sdk:s3:getObject": (grant("s3: GetObject", "{bucket}/{pipeline}/deployments/*"),),
    "aws-sdk:s3:getObject of an event": (grant("s3: GetObject", "{bucket}/{pipeline}/arrivals/*"),),
    "aws-sdk:s3:headObject": (grant("s3: GetObject", "{bucket}/{pipeline}/deployments/*"),),
    "aws-sdk:sagemaker:createEndpoint": (
        grant("sagemaker: AddTags CreateEndpoint", "{sagemaker}:endpoint/{stack}",
              "{sagemaker}:endpoint/{stack}-st-*"),
        grant("sagemaker: CreateEndpoint", "{sagemaker}:endpoint-config/{stack}-*"),
    ),
    "aws-sdk:sagemaker:createEndpointConfig": (
        grant("sagemaker: AddTags CreateEndpointConfig", "{sagemaker}:endpoint-config/{stack}-*"),
        DISKS,
    ),
    "aws-sdk:sagemaker:createModel": (
        grant("sagemaker: AddTags CreateModel", "{sagemaker}:model/{stack}-v*"),
        grant("iam: PassRole", "{role}-endpoint",
              StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ),
    "aws-sdk:sagemaker:deleteEndpoint": (
        grant("sagemaker: DeleteEndpoint", "{sagemaker}:endpoint/{stack}",
              "{sagemaker}:endpoint/{stack}-st-*"),
    ),
    "aws-sdk:sagemaker:deleteEndpointConfig": (
        grant("sagemaker: DeleteEndpointConfig", "{sagemaker}:endpoint-config/{stack}-st-*"),
    ),
    "aws-sdk:sagemaker:describeEndpoint": (
        grant("sagemaker: DescribeEndpoint", "{sagemaker}:endpoint/{stack}",
              "{sagemaker}:endpoint/{stack}-st-*"),
    ),
    "aws-sdk:sagemaker:describeEndpointConfig": (
        grant("sagemaker: DescribeEndpointConfig", "{sagemaker}:endpoint-config/{stack}-v*"),
    ),
    "aws-sdk:sagemaker:describeModel": (
        grant("sagemaker: DescribeModel", "{sagemaker}:model/{stack}-v*"),
    ),
    "aws-sdk:sagemaker:describeModelPackage": (
        grant("sagemaker: DescribeModelPackage", "{sagemaker}:model-package/{stack}/*"),
    ),
    "aws-sdk:sagemaker:describePipelineExecution": (
        grant("sagemaker: DescribePipelineExecution", "{sagemaker}:pipeline/{stack}/execution/*"),
    ),
    "aws-sdk:sagemaker:listEndpointConfigs": (grant("sagemaker: ListEndpointConfigs", "*"),),
    "aws-sdk:sagemaker:listEndpoints": (grant("sagemaker: ListEndpoints", "*"),),
    "aws-sdk:sagemaker:listModelPackages": (
        grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
              "{sagemaker}:model-package/{stack}/*"),
    ),
    "aws-sdk:sagemaker:listModels": (grant("sagemaker: ListModels", "*"),),
    "aws-sdk:sagemaker:listPipelineExecutions": (
        grant("sagemaker: ListPipelineExecutions", "{sagemaker}:pipeline/{stack}"),
    ),
    "aws-sdk:sagemaker:listPipelineParametersForExecution": (
        grant("sagemaker: ListPipelineParametersForExecution",
              "{sagemaker}:pipeline/{stack}/execution/*"),
    ),
    "aws-sdk:sagemaker:startPipelineExecution": (
        grant("sagemaker: StartPipelineExecution", "{sagemaker}:pipeline/{stack}"),
    ),
    "aws-sdk:sagemaker:updateEndpoint": (
        grant("sagemaker: UpdateEndpoint", "{sagemaker}:endpoint/{stack}",
              "{sagemaker}:endpoint-config/{stack}-v*"),
    ),
    "aws-sdk:sagemaker:updateEndpointWeightsAndCapacities": (
        grant("sagemaker: UpdateEndpointWeightsAndCapacities", "{sagemaker}:endpoint/{stack}"),
    ),
    "aws-sdk:sagemaker:updateModelPackage": (NOTES,),
    "aws-sdk:sfn:startExecution": (STARTS_WITH_CHAMPION,),
    "aws-sdk:sns:publish": (grant("sns: Publish", "{sns}:{stack}"),),
    "sagemaker:createProcessingJob.sync": _JOB,
    "sns:publish.waitForTaskToken": (grant("sns: Publish", "{sns}:{stack}"),),
    "states:startExecution": (
        grant("states: StartExecution", "{states}:stateMachine:{stack}-rollout"),
    ),
    _STARTS_A_TEST: (
        grant("states: StartExecution", "{states}:stateMachine:{stack}-ab-test"),
    ),
}  # fmt: skip
"""What each kind of task of a state machine takes; the rule of events is how `.sync` waits."""

MACHINE = (
    ENCRYPTS,
    grant("logs: CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies "
          "GetLogDelivery ListLogDeliveries PutResourcePolicy UpdateLogDelivery", "*"),
)  # fmt: skip
"""What every state machine takes: the key of what it reads and tells, and its log."""

EVENTS = (
    grant("states: StartExecution",
          *(f"{{states}}:stateMachine:{{stack}}-{machine}"
            for machine in ("approved", "data-arrival", "evidence"))),
)  # fmt: skip
"""What the rules of EventBridge start."""

MACHINES_JOB = (
    *CONTAINER,
    grant("s3: AbortMultipartUpload PutObject", "{bucket}/{pipeline}/deployments/*"),
    grant("s3: ListBucket", "{bucket}", StringLike={"s3:prefix": "{pipeline}/*"}),
)  # fmt: skip
"""What the state machines' jobs take for their inputs and outputs, beside their calls."""

ENDPOINT = (
    *CONTAINER,
    grant("s3: GetObject", "{bucket}/{pipeline}/executions/*"),
    grant("s3: ListBucket", "{bucket}", StringLike={"s3:prefix": "{pipeline}/executions/*"}),
    grant("s3: PutObject", "{bucket}/{pipeline}/captured/*"),
)  # fmt: skip
"""What the endpoint does: fetch the archive, and keep requests and answers where that is set."""


FEATURE_GROUP = (
    grant("s3: AbortMultipartUpload PutObject PutObjectAcl", "{bucket}/{pipeline}/feature-store/*"),
    grant("s3: GetBucketAcl", "{bucket}"),
    grant("glue: CreateTable GetTable UpdateTable", "{tables}"),
    grant("kms: Decrypt GenerateDataKey", "{key}"),
)
"""What the Feature Store does under the role of the pipeline's own group: AWS's managed policy
AmazonSageMakerFeatureStoreAccess, for this bucket, key and table alone. That policy has no
CreateTable, which seems to go by the rights of whoever makes the group; who does it is documented
nowhere, so both may."""


def of_state_machine(definition: Mapping[str, Any], has_tests: bool = True) -> list[Grant]:
    """What a state machine's role may do: what its tasks take.

    Args:
        has_tests: whether there is a machine of A/B tests, which some start.

    Raises:
        KeyError: for a kind of task that the table lacks.
    """
    tasks = (state for state in definition["States"].values() if state["Type"] == "Task")
    kinds = sorted(set(map(_kind, tasks)) - (set() if has_tests else {_STARTS_A_TEST}))
    return [*MACHINE, *(entry for kind in kinds for entry in TASKS[kind])]


_PUT_CODE = {
    "sts:GetCallerIdentity": (),
    "s3:ListObjectsV2": (
        grant("s3: ListBucket", "{bucket}", StringLike={"s3:prefix": "{pipeline}/code/*"}),
    ),
    "s3:PutObject": (
        grant("s3: PutObject", "{bucket}/{pipeline}/code/*"),
        grant("kms: GenerateDataKey", "{key}"),
    ),
}
"""What putting code under its hash takes, and knowing whose account that is."""

_SEES_WHAT_SERVES: dict[str, tuple[Grant, ...]] = {
    "sagemaker:DescribeEndpoint": (
        grant("sagemaker: DescribeEndpoint", "{sagemaker}:endpoint/{stack}"),
    ),
    "sagemaker:DescribeEndpointConfig": (
        grant("sagemaker: DescribeEndpointConfig", "{sagemaker}:endpoint-config/{stack}-v*"),
    ),
    "sagemaker:DescribeModel": (grant("sagemaker: DescribeModel", "{sagemaker}:model/{stack}-v*"),),
}
"""What it takes to see which version the endpoint serves, beside describing the version."""

_MAKE_GROUP: dict[str, tuple[Grant, ...]] = {
    "sagemaker:DescribeFeatureGroup": (grant("sagemaker: DescribeFeatureGroup", "{groups}"),),
    "sagemaker:CreateFeatureGroup": (
        grant("sagemaker: AddTags CreateFeatureGroup", "{groups}"),
        grant("glue: CreateTable GetTable", "{tables}"),
        grant("iam: PassRole", "{role}-features",
              StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
        # Of an online store under a key: OnlineStoreSecurityConfig of the API reference.
        grant("kms: CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey ListGrants "
              "ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant", "{key}"),
        grant("kms: ListAliases", "*"),
    ),
    "sagemaker:UpdateFeatureGroup": (
        grant("sagemaker: UpdateFeatureGroup", "{groups}"),
        grant("glue: GetTable UpdateTable", "{tables}"),
    ),
    "glue:GetDatabase": (grant("glue: GetDatabase", "{database}"),),
    "glue:CreateDatabase": (grant("glue: CreateDatabase", "{database}"),),
}  # fmt: skip
"""What making the pipeline's own feature group takes."""

_ASK_ATHENA: dict[str, tuple[Grant, ...]] = {
    "athena:StartQueryExecution": (
        *_asks("{tables}"),
        grant("s3: GetObject", "{bucket}/{pipeline}/feature-store/*"),
        grant("s3: AbortMultipartUpload GetObject ListMultipartUploadParts PutObject",
              "{bucket}/{pipeline}/feature-store-queries/*"),
        grant("s3: ListBucket", "{bucket}", StringLike={"s3:prefix": "{pipeline}/feature-store*"}),
        grant("kms: Decrypt GenerateDataKey", "{key}"),
    ),
    "athena:GetQueryExecution": (),
    "athena:GetQueryResults": (
        grant("athena: GetQueryResults", "{athena}:workgroup/{workgroup}"),
    ),
}  # fmt: skip
"""What asking for rows of the offline store takes."""

_READ_EXECUTION = {
    **{
        f"sagemaker:{name}":
            (grant(f"sagemaker: {name}", "{sagemaker}:pipeline/{stack}/execution/*"),)
        for name in ("DescribePipelineDefinitionForExecution", "DescribePipelineExecution",
                     "ListPipelineExecutionSteps", "ListPipelineParametersForExecution")
    },
    "sagemaker:DescribeProcessingJob": (
        grant("sagemaker: DescribeProcessingJob", "{sagemaker}:processing-job/pipelines-*"),
    ),
    "sagemaker:DescribeTransformJob": (
        grant("sagemaker: DescribeTransformJob", "{sagemaker}:transform-job/pipelines-*"),
    ),
    **{
        f"sagemaker:{name}":
            (grant(f"sagemaker: {name}", "{sagemaker}:hyper-parameter-tuning-job/*"),)
        for name in ("DescribeHyperParameterTuningJob",
                     "ListTrainingJobsForHyperParameterTuningJob")
    },
    "sagemaker:DescribeModel": (
        grant("sagemaker: DescribeModel", "{sagemaker}:model/pipelines-*"),
    ),
    "sagemaker:DescribeModelPackage": (
        grant("sagemaker: DescribeModelPackage", "{sagemaker}:model-package/{stack}/*"),
    ),
}  # fmt: skip
"""What looking at an execution takes: its steps, and what each has started."""

_COMPARE: dict[str, tuple[Grant, ...]] = {
    "sts:GetCallerIdentity": (),
    **_READ_EXECUTION,
    "sagemaker:ListPipelineExecutions": (
        grant("sagemaker: ListPipelineExecutions", "{sagemaker}:pipeline/{stack}"),
    ),
    "sagemaker:ListModelPackages": (
        grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
              "{sagemaker}:model-package/{stack}/*"),
    ),
    "sagemaker:DescribeEndpoint": (
        grant("sagemaker: DescribeEndpoint", "{sagemaker}:endpoint/{stack}"),
    ),
    "sagemaker:DescribeEndpointConfig": (
        grant("sagemaker: DescribeEndpointConfig", "{sagemaker}:endpoint-config/{stack}-v*"),
    ),
    "sagemaker:DescribeModel": (
        grant("sagemaker: DescribeModel", "{sagemaker}:model/pipelines-*",
              "{sagemaker}:model/{stack}-v*"),
    ),
    "s3:GetObject": (
        grant("s3: GetObject", "{bucket}/{pipeline}/code/*",
              "{bucket}/{pipeline}/deployments/*", "{bucket}/{pipeline}/executions/*"),
        grant("s3: ListBucket", "{bucket}",
              StringLike={"s3:prefix": "{pipeline}/executions/*"}),
        grant("kms: Decrypt", "{key}"),
    ),
    "s3:ListObjectsV2": (
        grant("s3: ListBucket", "{bucket}", StringLike={"s3:prefix": "{pipeline}/code/*"}),
    ),
}  # fmt: skip
"""What comparing two executions or versions takes."""

_READ_LINEAGE: dict[str, tuple[Grant, ...]] = {
    "sts:GetCallerIdentity": (),
    "sagemaker:ListModelPackages": (
        grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
              "{sagemaker}:model-package/{stack}/*"),
    ),
    "sagemaker:DescribeModelPackage": (
        grant("sagemaker: DescribeModelPackage", "{sagemaker}:model-package/{stack}/*"),
    ),
    # Its entities have names of the service's own making, so that no pipeline's can be told.
    "sagemaker:ListArtifacts": (grant("sagemaker: ListArtifacts", "*"),),
    "sagemaker:QueryLineage": (grant("sagemaker: QueryLineage", "*"),),
    "sagemaker:DescribeArtifact": (
        grant("sagemaker: DescribeArtifact", "{sagemaker}:artifact/*"),
    ),
    "sagemaker:DescribeAction": (grant("sagemaker: DescribeAction", "{sagemaker}:action/*"),),
    "sagemaker:DescribeContext": (
        grant("sagemaker: DescribeContext", "{sagemaker}:context/*"),
    ),
    "sagemaker:DescribeTrialComponent": (
        grant("sagemaker: DescribeTrialComponent",
              "{sagemaker}:experiment-trial-component/*"),
    ),
    "s3:GetObject": (
        grant("s3: GetObject", "{bucket}/{pipeline}/deployments/*",
              "{bucket}/{pipeline}/executions/*"),
        grant("kms: Decrypt", "{key}"),
    ),
}  # fmt: skip
"""What reading a version's lineage takes."""

CALLS: dict[str, dict[str, tuple[Grant, ...]]] = {
    "audit pack": {
        **_READ_LINEAGE,
        **_COMPARE,
        "s3:ListObjectVersions": (
            grant("s3: ListBucketVersions", "{bucket}",
                  StringLike={"s3:prefix": "{pipeline}/chain/*"}),
        ),
    },
    "approve": {
        "sts:GetCallerIdentity": (),  # which needs no permission
        **_SEES_WHAT_SERVES,
        "sagemaker:ListModelPackages": (
            grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
                  "{sagemaker}:model-package/{stack}/*"),
        ),
        "sagemaker:DescribeModelPackage": (
            grant("sagemaker: DescribeModelPackage", "{sagemaker}:model-package/{stack}/*"),
        ),
        "sagemaker:DescribePipelineExecution": (
            grant("sagemaker: DescribePipelineExecution",
                  "{sagemaker}:pipeline/{stack}/execution/*"),
        ),
        "sagemaker:UpdateModelPackage": (
            grant("sagemaker: UpdateModelPackage", "{sagemaker}:model-package/{stack}/*",
                  StringEquals={"sagemaker:ModelApprovalStatus": ("Approved", "Rejected")}),
        ),
        "s3:GetObject": (
            grant("s3: GetObject", "{bucket}/{pipeline}/deployments/*",
                  "{bucket}/{pipeline}/executions/*"),
            grant("s3: ListBucket", "{bucket}",
                  StringLike={"s3:prefix": "{pipeline}/executions/*"}),
            grant("kms: Decrypt", "{key}"),
        ),
        "s3:ListObjectsV2": (  # the decisions of an A/B test
            grant("s3: ListBucket", "{bucket}",
                  StringLike={"s3:prefix": "{pipeline}/deployments/*"}),
        ),
    },
    "audit": {
        "sts:GetCallerIdentity": (),
        "s3:GetObjectLockConfiguration": (
            grant("s3: GetBucketObjectLockConfiguration", "{bucket}"),
        ),
        "s3:ListObjectVersions": (
            grant("s3: ListBucketVersions", "{bucket}",
                  StringLike={"s3:prefix": "{pipeline}/chain/*"}),
        ),
        "s3:PutObject": (
            grant("s3: PutObject PutObjectRetention", "{bucket}/{pipeline}/chain/*"),
            grant("kms: GenerateDataKey", "{key}"),
        ),
    },
    "bootstrap": {
        **_PUT_CODE,
        "s3:HeadBucket": (grant("s3: ListBucket", "{bucket}"),),
        "s3:GetBucketEncryption": (grant("s3: GetEncryptionConfiguration", "{bucket}"),),
        "kms:DescribeKey": (grant("kms: DescribeKey", "{key}"),),
        "logs:DescribeLogGroups": (grant("logs: DescribeLogGroups", "*"),),
        "sagemaker:DescribeModelPackageGroup": (
            grant("sagemaker: DescribeModelPackageGroup",
                  "{sagemaker}:model-package-group/{stack}"),
        ),
        **_MAKE_GROUP,
        **{
            f"cloudformation:{name}":
                (grant(f"cloudformation: {name}", "{cloudformation}:stack/*"),)
            for name in ("CreateChangeSet", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet",
                         "DescribeStackEvents", "DescribeStacks", "ExecuteChangeSet")
        },
    },
    "diff": _COMPARE,
    "ingest": {
        "sts:GetCallerIdentity": (),
        "sagemaker:DescribeFeatureGroup": (grant("sagemaker: DescribeFeatureGroup", "{groups}"),),
        "sagemaker:PutRecord": (
            grant("sagemaker: PutRecord", "{groups}"),
            grant("kms: Decrypt", "{key}"),
        ),
        "s3:PutObject": (
            grant("s3: PutObject", "{bucket}/{pipeline}/arrivals/*",
                  "{bucket}/{pipeline}/feature-store/*"),
            grant("kms: GenerateDataKey", "{key}"),
        ),
        **_ASK_ATHENA,
    },
    "card": {
        "sts:GetCallerIdentity": (),
        **_READ_EXECUTION,
        "sagemaker:ListModelPackages": (
            grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
                  "{sagemaker}:model-package/{stack}/*"),
        ),
        "s3:GetObject": (
            grant("s3: GetObject", "{bucket}/{pipeline}/deployments/*",
                  "{bucket}/{pipeline}/executions/*"),
            ENCRYPTS,
        ),
        "sagemaker:DescribeModelCard": (
            grant("sagemaker: DescribeModelCard", "{sagemaker}:model-card/{stack}-v*"),
        ),
        "sagemaker:CreateModelCard": (
            grant("sagemaker: AddTags CreateModelCard", "{sagemaker}:model-card/{stack}-v*"),
        ),
        "sagemaker:UpdateModelCard": (
            grant("sagemaker: UpdateModelCard", "{sagemaker}:model-card/{stack}-v*"),
        ),
    },
    "schedule": {
        "sts:GetCallerIdentity": (),
        "sagemaker:DescribePipeline": (
            grant("sagemaker: DescribePipeline", "{sagemaker}:pipeline/{stack}"),
        ),
        **{
            f"cloudformation:{name}":
                (grant(f"cloudformation: {name}", "{cloudformation}:stack/*"),)
            for name in ("CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet",
                         "DescribeStackEvents", "DescribeStacks", "ExecuteChangeSet")
        },
    },
    "champion": {
        **_SEES_WHAT_SERVES,
        "sagemaker:ListModelPackages": (
            grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
                  "{sagemaker}:model-package/{stack}/*"),
        ),
    },
    "lineage": _READ_LINEAGE,
    "jobs": {
        **_SEES_WHAT_SERVES,
        "sagemaker:DescribeModelPackage": (
            grant("sagemaker: DescribeModelPackage", "{sagemaker}:model-package/{stack}/*"),
        ),
        **{
            f"sagemaker:{name}":
                (grant(f"sagemaker: {name}", "{sagemaker}:pipeline/{stack}/execution/*"),)
            for name in ("DescribePipelineDefinitionForExecution", "DescribePipelineExecution",
                         "ListPipelineParametersForExecution")
        },
        "sagemaker:ListModelPackages": (
            grant("sagemaker: ListModelPackages", "{sagemaker}:model-package-group/{stack}",
                  "{sagemaker}:model-package/{stack}/*"),
        ),
        "s3:GetObject": (grant("s3: GetObject GetObjectVersion", "{bucket}/{pipeline}/*"),),
        "s3:ListObjectsV2": (),  # which `MACHINES_JOB` has
        "sagemaker:InvokeEndpoint": (
            grant("sagemaker: InvokeEndpoint", "{sagemaker}:endpoint/{stack}-st-*"),
        ),
    },
    "operate": {
        "sts:GetCallerIdentity": (),
        "sagemaker:DescribePipeline": (
            grant("sagemaker: DescribePipeline", "{sagemaker}:pipeline/{stack}"),
        ),
        "sagemaker:ListPipelineExecutions": (
            grant("sagemaker: ListPipelineExecutions", "{sagemaker}:pipeline/{stack}"),
        ),
        "sagemaker:StartPipelineExecution": (
            grant("sagemaker: StartPipelineExecution", "{sagemaker}:pipeline/{stack}"),
        ),
        "sagemaker:StopPipelineExecution": (
            grant("sagemaker: StopPipelineExecution", "{sagemaker}:pipeline/{stack}/execution/*"),
        ),
        **_READ_EXECUTION,
        "sagemaker:ListDomains": (grant("sagemaker: ListDomains", "*"),),
        **{
            f"logs:{name}": (grant(f"logs: {name}", "{logs}:log-group:/aws/sagemaker/*"),)
            for name in ("DescribeLogStreams", "GetLogEvents")
        },
        "servicequotas:ListServiceQuotas": (grant("servicequotas: ListServiceQuotas", "*"),),
    },
    "record": {
        "sts:GetCallerIdentity": (),
        "sagemaker:DescribeFeatureGroup": (grant("sagemaker: DescribeFeatureGroup", "{groups}"),),
        "sagemaker:GetRecord": (
            grant("sagemaker: BatchGetRecord GetRecord", "{groups}"),
            grant("kms: Decrypt", "{key}"),
        ),
        "sagemaker:DeleteRecord": (grant("sagemaker: DeleteRecord", "{groups}"),),
        **_ASK_ATHENA,
        **_SEES_WHAT_SERVES,
        "sagemaker:DescribeModelPackage": (
            grant("sagemaker: DescribeModelPackage", "{sagemaker}:model-package/{stack}/*"),
        ),
        "s3:GetObject": (grant("s3: GetObject", "{bucket}/{pipeline}/executions/*"),),
        "sagemaker:InvokeEndpoint": (
            grant("sagemaker: InvokeEndpoint", "{sagemaker}:endpoint/{stack}"),
        ),
    },
    "report": {
        **_READ_LINEAGE,
        **_COMPARE,
        "sagemaker:DescribeFeatureGroup": (grant("sagemaker: DescribeFeatureGroup", "{groups}"),),
        "s3:GetObject": (
            *_COMPARE["s3:GetObject"],
            grant("s3: GetObject", "{bucket}/{pipeline}/feature-store/*"),
        ),
    },
    "trace": {
        "sts:GetCallerIdentity": (),
        "sagemaker:DescribeFeatureGroup": (grant("sagemaker: DescribeFeatureGroup", "{groups}"),),
        "sagemaker:GetRecord": (grant("sagemaker: GetRecord", "{groups}"),),
        **_ASK_ATHENA,
        **_READ_EXECUTION,
        "sagemaker:ListModelPackages": _COMPARE["sagemaker:ListModelPackages"],
        "sagemaker:DescribeEndpoint": _COMPARE["sagemaker:DescribeEndpoint"],
        "sagemaker:DescribeEndpointConfig": _COMPARE["sagemaker:DescribeEndpointConfig"],
        "sagemaker:DescribeModel": _COMPARE["sagemaker:DescribeModel"],
        "sagemaker:InvokeEndpoint": (
            grant("sagemaker: InvokeEndpoint", "{sagemaker}:endpoint/{stack}"),
        ),
        "s3:GetObject": (
            grant("s3: GetObject", "{bucket}/{pipeline}/executions/*"),
            grant("s3: ListBucket", "{bucket}",
                  StringLike={"s3:prefix": "{pipeline}/executions/*"}),
        ),
    },
    "publish": {
        **_PUT_CODE,
        "athena:GetWorkGroup": (grant("athena: GetWorkGroup", "{athena}:workgroup/{workgroup}"),),
        "cloudformation:DescribeStacks": (
            grant("cloudformation: DescribeStacks", "{cloudformation}:stack/{stack}/*"),
        ),
        "sagemaker:DescribeFeatureGroup": (
            grant("sagemaker: DescribeFeatureGroup", "{read groups}"),
        ),
        "sagemaker:DescribePipeline": (
            grant("sagemaker: DescribePipeline", "{sagemaker}:pipeline/{stack}"),
        ),
        "sagemaker:CreatePipeline": (
            grant("sagemaker: AddTags CreatePipeline", "{sagemaker}:pipeline/{stack}"),
            grant("iam: PassRole", "{role}-pipeline",
                  StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
        ),
        "sagemaker:UpdatePipeline": (
            grant("sagemaker: UpdatePipeline", "{sagemaker}:pipeline/{stack}"),
        ),
    },
}  # fmt: skip
"""For each command, and for the scripts in `jobs/`, the calls of boto3, with what each takes.

Those of a champion are for who starts and who approves, where the gate compares with it.

What `bootstrap` has CloudFormation make is made with the rights of whoever runs it.
"""


def of_calls(command: str) -> list[Grant]:
    """What a command takes."""
    return [entry for entries in CALLS[command].values() for entry in entries]


def _kind(task: Mapping[str, Any]) -> str:
    """What a task calls; an object is one of the pipeline's own, or the one that an event names.

    Of the machines that a machine starts, the one of an A/B test is told from the rollout's.
    """
    parameters = task["Parameters"]
    if parameters.get("StateMachineArn") == "${AbTestArn}":
        return _STARTS_A_TEST
    of_an_event = " of an event" if "Bucket.$" in parameters else ""
    return f"{task['Resource'].partition(':states:::')[2]}{of_an_event}"


def of_definition(definition: Mapping[str, Any]) -> list[Grant]:
    """What the pipeline's role may do: what the steps of a compiled definition take.

    Raises:
        KeyError: for a type of step that the table lacks.
    """
    contents = list(step_contents(definition))
    steps = [entry for kind in sorted({s.type for s in contents}) for entry in STEPS[kind]]
    read = [entry for key in _properties_read(contents) for entry in PROPERTIES.get(key, ())]
    members = field_names(definition)
    used = [entry for name, entries in FEATURES.items() if name in members for entry in entries]
    text = json.dumps(definition)
    own = [entry for image, entries in IMAGES.items() if f"/{image}:" in text for entry in entries]
    return [*steps, *read, *JOB, *used, *own]


def _properties_read(steps: Sequence[StepContent]) -> list[tuple[str, str]]:
    """The properties that references name, each with the type of the step that it is of."""
    types = {step.name: step.type for step in steps}
    references = (_PROPERTY.match(str(call.operand)) for step in steps for call in step.calls)
    return sorted({(types[r[1]], r[2]) for r in references if r and r[1] in types})


_PROPERTY = re.compile(r"Steps\.([^.\[]+)\.([^.\[]+)")
"""How a reference to a step's property begins."""


def of_queries(settings: Settings, environment: Environment) -> list[Grant]:
    """What the pipeline's role may do to read the feature groups."""
    return [*QUERY, *_elsewhere(settings, environment)]


def of_ingester(settings: Settings, environment: Environment) -> list[Grant]:
    """What who fills the feature group may do, and looks at its records."""
    calls = [*of_calls("ingest"), *of_calls("record")]
    return [*calls, *_elsewhere(settings, environment)]


def read_elsewhere(settings: Settings, environment: Environment) -> list[str]:
    """The S3 prefixes that jobs read outside the pipeline's own prefix: rows, and a base model."""
    rows, base = settings.features_of(environment).locations, settings.model.base_prefix
    return [*dict.fromkeys([*rows, *([base] if base else [])])]


def _elsewhere(settings: Settings, environment: Environment) -> list[Grant]:
    features = settings.features_of(environment)
    places = read_elsewhere(settings, environment)
    return [*(STORE if places else ()), *(STORE_KEY if features.kms_key_arns else ())]
