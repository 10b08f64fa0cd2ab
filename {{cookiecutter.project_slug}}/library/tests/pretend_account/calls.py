"""What each call of an AWS API asks of IAM: actions, resources and the values of condition keys.

By AWS's Service Authorization Reference and, for what a call takes besides (roles that are passed,
tags, keys, networks), by the SageMaker developer guide's "How to use SageMaker AI execution roles".
A call that is not here is an error, never a yes. `of_container` has what SageMaker does for a job
or an endpoint under its role, which no call of boto3 shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pretend_account.iam import Asked

Request = Mapping[str, Any]
Rule = Callable[["Place", Request], Iterator[Asked]]


class UnknownCall(Exception):
    """A call that this table does not have."""


@dataclass(frozen=True)
class Place:
    """Where calls go, and what encrypts there."""

    partition: str
    region: str
    account: str
    key_of_bucket: Callable[[str], str] = lambda bucket: ""  # ARN, or "" where there is none
    key_of_topic: Callable[[str], str] = lambda topic: ""
    version_made_next: Callable[[str], int] = lambda group: 1
    place_of_table: Callable[[str, str], str] = lambda database, table: ""  # the S3 URI of its rows

    def arn(self, service: str, path: str) -> str:
        """The ARN of a resource, such as `endpoint/churn-prod`; SageMaker writes small letters."""
        name = path.lower() if service == "sagemaker" else path
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{name}"

    def s3(self, path: str) -> str:
        """The ARN of a bucket or an object."""
        return f"arn:{self.partition}:s3:::{path}"


def asked(place: Place, call: str, request: Request) -> list[Asked]:
    """What a call such as `sagemaker:CreateModel` asks for.

    Raises:
        UnknownCall: if the table lacks it.
    """
    if call not in RULES:
        raise UnknownCall(f"{call}: calls.py of the pretend account does not say what it asks for")
    return [*RULES[call](place, request)]


def of_container(
    place: Place, image: str, group: str, network: Request, keys: Iterable[str] = ()
) -> Iterator[Asked]:
    """What SageMaker does under the role of a job or an endpoint: image, log, metrics, network.

    Args:
        image: its URI.
        group: its log group.
        network: its `VpcConfig`, or nothing.
        keys: those of its disks.
    """
    for key in keys:
        yield from _disk(key)
    yield Asked("ecr:GetAuthorizationToken")
    parts = re.fullmatch(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z.]+/(.+):[^:]+", image)
    assert parts, image
    repository = f"arn:{place.partition}:ecr:{parts[2]}:{parts[1]}:repository/{parts[3]}"
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Asked(f"ecr:{action}", repository)
    log = place.arn("logs", f"log-group:{group}")
    for action in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        yield Asked(f"logs:{action}", log if action == "CreateLogGroup" else f"{log}:log-stream:x")
    yield Asked("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", group),))
    yield from _network(place, network)


def _disk(key: str) -> Iterator[Asked]:
    yield Asked("kms:DescribeKey", key)
    yield Asked("kms:CreateGrant", key, (("kms:GrantIsForAWSResource", "true"),))


def _network(place: Place, network: Request) -> Iterator[Asked]:
    if not network.get("Subnets"):
        return
    for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield Asked(f"ec2:Describe{what}")
    interface = place.arn("ec2", "network-interface/eni-1")
    for action in ("CreateNetworkInterface", "CreateNetworkInterfacePermission",
                   "DeleteNetworkInterface", "DeleteNetworkInterfacePermission"):  # fmt: skip
        yield Asked(f"ec2:{action}", interface)
    for key, kind in (("Subnets", "subnet"), ("SecurityGroupIds", "security-group")):
        for name in network[key]:
            yield Asked("ec2:CreateNetworkInterface", place.arn("ec2", f"{kind}/{name}"))


# How rules are made


def _everywhere(*actions: str) -> Rule:
    """Actions that are for no resource."""

    def rule(place: Place, request: Request) -> Iterator[Asked]:
        return (Asked(action) for action in actions)

    return rule


def _on(action: str, *paths: str, also: tuple[Rule, ...] = ()) -> Rule:
    """An action on resources, whose paths have members of the request in braces."""
    service = action.partition(":")[0]

    def rule(place: Place, request: Request) -> Iterator[Asked]:
        for path in paths:
            yield Asked(action, _filled(place, service, path, request))
        for more in also:
            yield from more(place, request)

    return rule


def _filled(place: Place, service: str, path: str, request: Request) -> str:
    """A path with the request's values; a value that is an ARN already is the resource."""
    names = re.findall(r"\{(\w+)\}", path)
    for name in names:
        if str(request[name]).startswith("arn:"):
            return str(request[name])
    return place.arn(service, path.format_map(request))


def _made(kind: str, name: str, *more: str, verb: str = "Create") -> Rule:
    """SageMaker makes or changes something of a kind: its name, role, tags and key."""
    action, path = f"sagemaker:{verb}{kind}", f"{_PATHS[kind]}/{{{name}}}"

    def rule(place: Place, request: Request) -> Iterator[Asked]:
        made = _filled(place, "sagemaker", path, request)
        yield Asked(action, made)
        for other in more:
            yield Asked(action, _filled(place, "sagemaker", other, request))
        if request.get("Tags"):
            yield Asked("sagemaker:AddTags", made)
        passed = {value for key, value in members(request)
                  if key in ("RoleArn", "ExecutionRoleArn")}  # fmt: skip
        for role in sorted(passed):
            yield Asked("iam:PassRole", role, (("iam:PassedToService", "sagemaker.amazonaws.com"),))
        for key in keys_of_disks(request):
            yield from _disk(key)

    return rule


_PATHS = {
    "Endpoint": "endpoint", "EndpointConfig": "endpoint-config", "FeatureGroup": "feature-group",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job", "Model": "model",
    "ModelCard": "model-card",
    "ModelPackageGroup": "model-package-group", "Pipeline": "pipeline",
    "ProcessingJob": "processing-job", "TransformJob": "transform-job",
}  # fmt: skip


def keys_of_disks(request: Request) -> list[str]:
    """The keys of the disks that a request asks for: a job's, or those of an endpoint's config."""
    of_jobs = {value for key, value in members(request) if key == "VolumeKmsKeyId"}
    of_endpoint = {request["KmsKeyId"]} if "KmsKeyId" in request else set()
    return sorted(of_jobs | of_endpoint)


def members(content: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a request, however deep, with its value."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield key, value
            yield from members(value)
    elif isinstance(content, list | tuple):
        for item in content:
            yield from members(item)


def _object(action: str, key_action: str) -> Rule:
    """Something done with an object of S3, whose bucket may be encrypted."""

    def rule(place: Place, request: Request) -> Iterator[Asked]:
        versioned = "Version" if request.get("VersionId") and action == "GetObject" else ""
        yield Asked(f"s3:{action}{versioned}", place.s3(f"{request['Bucket']}/{request['Key']}"))
        key = request.get("SSEKMSKeyId") or place.key_of_bucket(request["Bucket"])
        if key:
            yield Asked(f"kms:{key_action}", key)

    return rule


def _listed(place: Place, request: Request) -> Iterator[Asked]:
    prefix = (("s3:prefix", request["Prefix"]),) if request.get("Prefix") else ()
    yield Asked("s3:ListBucket", place.s3(request["Bucket"]), prefix)


def _listed_versions(place: Place, request: Request) -> Iterator[Asked]:
    for asked_ in _listed(place, request):
        yield Asked("s3:ListBucketVersions", asked_.resource, asked_.context)


def _put(place: Place, request: Request) -> Iterator[Asked]:
    yield from _object("PutObject", "GenerateDataKey")(place, request)
    if "ObjectLockMode" in request:
        yield Asked("s3:PutObjectRetention", place.s3(f"{request['Bucket']}/{request['Key']}"))


def _bucket(action: str) -> Rule:
    def rule(place: Place, request: Request) -> Iterator[Asked]:
        yield Asked(f"s3:{action}", place.s3(request["Bucket"]))

    return rule


def _package_made(place: Place, request: Request) -> Iterator[Asked]:
    group = request["ModelPackageGroupName"]
    status = (("sagemaker:ModelApprovalStatus", request["ModelApprovalStatus"]),)
    version = place.version_made_next(group)
    for path in (f"model-package-group/{group}", f"model-package/{group}/{version}"):
        yield Asked("sagemaker:CreateModelPackage", place.arn("sagemaker", path), status)
    if request.get("Tags"):
        yield Asked("sagemaker:AddTags", place.arn("sagemaker", f"model-package/{group}/{version}"))


def _package_updated(place: Place, request: Request) -> Iterator[Asked]:
    status = request.get("ModelApprovalStatus")
    context = (("sagemaker:ModelApprovalStatus", status),) if status else ()
    yield Asked("sagemaker:UpdateModelPackage", request["ModelPackageArn"], context)


def _published(place: Place, request: Request) -> Iterator[Asked]:
    yield Asked("sns:Publish", request["TopicArn"])
    if key := place.key_of_topic(request["TopicArn"]):
        yield Asked("kms:GenerateDataKey", key)
        yield Asked("kms:Decrypt", key)


def _queried(place: Place, request: Request) -> Iterator[Asked]:
    """A query reads the catalogue and the rows, and writes its answer, as whoever asks.

    "Access to Athena" and "Access to Amazon S3 from Athena" of the Athena User Guide.
    """
    group = request.get("WorkGroup", "primary")
    yield Asked("athena:StartQueryExecution", place.arn("athena", f"workgroup/{group}"))
    context, query = request["QueryExecutionContext"], request["QueryString"]
    catalog, database = context.get("Catalog", "AwsDataCatalog"), context["Database"]
    yield Asked("athena:GetDataCatalog", place.arn("athena", f"datacatalog/{catalog}"))
    glue = [place.arn("glue", path) for path in ("catalog", f"database/{database}")]
    for resource in (*glue, place.arn("glue", "database/default")):
        yield Asked("glue:GetDatabase", resource)
    within = set(re.findall(r'(?:WITH|,)\s+"?(\w+)"?\s+AS\s+\(', query, re.IGNORECASE))
    for table in sorted({*re.findall(r'FROM "([^"]+)"', query)} - within):
        for resource in (*glue, place.arn("glue", f"table/{database}/{table}")):
            for action in ("BatchGetPartition", "GetPartitions", "GetTable"):
                yield Asked(f"glue:{action}", resource)
        yield from _rows_read(place, place.place_of_table(database, table))
    outputs = [request.get("ResultConfiguration", {}).get("OutputLocation", "")]
    outputs += re.findall(r"TO '(s3://[^']+)'", query)
    for uri in filter(None, outputs):
        yield from _answer_written(place, uri)


def _rows_read(place: Place, uri: str) -> Iterator[Asked]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    yield Asked("s3:GetBucketLocation", place.s3(bucket))
    yield Asked("s3:ListBucket", place.s3(bucket), (("s3:prefix", f"{prefix}/"),))
    yield Asked("s3:GetObject", place.s3(f"{bucket}/{prefix}/rows.parquet"))
    if key := place.key_of_bucket(bucket):
        yield Asked("kms:Decrypt", key)


def _answer_written(place: Place, uri: str) -> Iterator[Asked]:
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    for action in ("GetBucketLocation", "ListBucketMultipartUploads"):
        yield Asked(f"s3:{action}", place.s3(bucket))
    for action in ("PutObject", "AbortMultipartUpload"):
        yield Asked(f"s3:{action}", place.s3(f"{bucket}/{prefix}/answer"))
    if key := place.key_of_bucket(bucket):
        yield Asked("kms:GenerateDataKey", key)


def of_capture(place: Place, uri: str) -> Iterator[Asked]:
    """What an endpoint does with the requests that it captures, under the model's role."""
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    yield Asked("s3:PutObject", place.s3(f"{bucket}/{prefix}/captured.jsonl"))
    if key := place.key_of_bucket(bucket):
        yield Asked("kms:GenerateDataKey", key)


def of_table(place: Place, store: Request) -> Iterator[Asked]:
    """What the Feature Store does for a new group's table, under the group's role."""
    catalog = store["DataCatalogConfig"]
    database, table = catalog["Database"], catalog["TableName"]
    for path in ("catalog", f"database/{database}", f"table/{database}/{table}"):
        for action in ("CreateTable", "GetTable", "UpdateTable"):
            yield Asked(f"glue:{action}", place.arn("glue", path))


def of_rows(place: Place, store: Request, uri: str) -> Iterator[Asked]:
    """What the Feature Store does with rows, under the group's role.

    AWS's managed policy AmazonSageMakerFeatureStoreAccess.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    yield Asked("s3:GetBucketAcl", place.s3(bucket))
    for action in ("PutObject", "PutObjectAcl"):
        yield Asked(f"s3:{action}", place.s3(f"{bucket}/{prefix}/rows.parquet"))
    if key := store["S3StorageConfig"].get("KmsKeyId"):
        yield Asked("kms:GenerateDataKey", key)


def of_machine(place: Place) -> Iterator[Asked]:
    """A state machine that logs sees to the delivery of its log under its own role."""
    for action in ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery",
                   "ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies",
                   "DescribeLogGroups"):  # fmt: skip
        yield Asked(f"logs:{action}")


SYNC = "rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule"


def of_sync(place: Place, job: str) -> Iterator[Asked]:
    """What Step Functions does to wait for a processing job, under the machine's role."""
    for action in ("DescribeRule", "PutRule", "PutTargets"):
        yield Asked(f"events:{action}", place.arn("events", SYNC))
    for action in ("DescribeProcessingJob", "StopProcessingJob"):  # stops what takes too long
        yield Asked(f"sagemaker:{action}", place.arn("sagemaker", f"processing-job/{job}"))


def _stacks(name: str) -> Rule:
    """Something done with a stack; a change set's ARN does not say of which."""

    def rule(place: Place, request: Request) -> Iterator[Asked]:
        stack = request.get("StackName", "of-a-change-set")
        is_arn = stack.startswith("arn:")
        yield Asked(
            f"cloudformation:{name}",
            stack if is_arn else place.arn("cloudformation", f"stack/{stack}/1a2b"),
        )

    return rule


def _nothing(place: Place, request: Request) -> Iterator[Asked]:
    return iter(())


PACKAGE = "model-package/{ModelPackageName}"


def _card_made(place: Place, request: Request) -> Iterator[Asked]:
    """A model card, which SageMaker encrypts with the key that is named."""
    yield from _made("ModelCard", "ModelCardName")(place, request)
    if key := request.get("SecurityConfig", {}).get("KmsKeyId"):
        for action in ("Decrypt", "DescribeKey", "GenerateDataKey"):
            yield Asked(f"kms:{action}", key)


RULES: dict[str, Rule] = {
    "athena:GetQueryExecution": _on("athena:GetQueryExecution", "workgroup/primary"),
    "athena:GetQueryResults": _on("athena:GetQueryResults", "workgroup/primary"),
    "athena:GetWorkGroup": _on("athena:GetWorkGroup", "workgroup/{WorkGroup}"),
    "athena:StartQueryExecution": _queried,
    "athena:StopQueryExecution": _on("athena:StopQueryExecution", "workgroup/primary"),
    **{f"cloudformation:{name}": _stacks(name)
       for name in ("CreateChangeSet", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet",
                    "DescribeStackEvents", "DescribeStacks", "ExecuteChangeSet")},
    "glue:CreateDatabase": _on("glue:CreateDatabase", "catalog"),
    "glue:GetDatabase": _on("glue:GetDatabase", "catalog", "database/{Name}"),
    "kms:DescribeKey": _on("kms:DescribeKey", "{KeyId}"),
    "logs:DescribeLogGroups": _on("logs:DescribeLogGroups", "log-group:*"),
    "logs:DescribeLogStreams":
        _on("logs:DescribeLogStreams", "log-group:{logGroupName}:log-stream:"),
    "logs:GetLogEvents":
        _on("logs:GetLogEvents", "log-group:{logGroupName}:log-stream:{logStreamName}"),
    "monitoring:DescribeAlarms": _on("cloudwatch:DescribeAlarms", "alarm:*"),
    "s3:GetBucketEncryption": _bucket("GetEncryptionConfiguration"),
    "s3:GetObject": _object("GetObject", "Decrypt"),
    "s3:GetObjectLockConfiguration": _bucket("GetBucketObjectLockConfiguration"),
    "s3:HeadBucket": _bucket("ListBucket"),
    "s3:HeadObject": _object("GetObject", "Decrypt"),
    "s3:ListObjectVersions": _listed_versions,
    "s3:ListObjectsV2": _listed,
    "s3:PutObject": _put,
    "sagemaker:CreateEndpoint":
        _made("Endpoint", "EndpointName", "endpoint-config/{EndpointConfigName}"),
    "sagemaker:CreateEndpointConfig": _made("EndpointConfig", "EndpointConfigName"),
    "sagemaker:CreateFeatureGroup": _made("FeatureGroup", "FeatureGroupName"),
    "sagemaker:CreateHyperParameterTuningJob":
        _made("HyperParameterTuningJob", "HyperParameterTuningJobName"),
    "sagemaker:CreateModel": _made("Model", "ModelName"),
    "sagemaker:CreateModelCard": _card_made,
    "sagemaker:CreateModelPackage": _package_made,
    "sagemaker:CreatePipeline": _made("Pipeline", "PipelineName"),
    "sagemaker:CreateProcessingJob": _made("ProcessingJob", "ProcessingJobName"),
    "sagemaker:CreateTransformJob": _made("TransformJob", "TransformJobName"),
    "sagemaker:DeleteEndpoint": _on("sagemaker:DeleteEndpoint", "endpoint/{EndpointName}"),
    "sagemaker:DeleteEndpointConfig":
        _on("sagemaker:DeleteEndpointConfig", "endpoint-config/{EndpointConfigName}"),
    "sagemaker:DeleteRecord": _on("sagemaker:DeleteRecord", "feature-group/{FeatureGroupName}"),
    "sagemaker:DescribeEndpoint": _on("sagemaker:DescribeEndpoint", "endpoint/{EndpointName}"),
    "sagemaker:DescribeEndpointConfig":
        _on("sagemaker:DescribeEndpointConfig", "endpoint-config/{EndpointConfigName}"),
    "sagemaker:DescribeFeatureGroup":
        _on("sagemaker:DescribeFeatureGroup", "feature-group/{FeatureGroupName}"),
    "sagemaker:DescribeHyperParameterTuningJob":
        _on("sagemaker:DescribeHyperParameterTuningJob",
            "hyper-parameter-tuning-job/{HyperParameterTuningJobName}"),
    "sagemaker:DescribeAction": _on("sagemaker:DescribeAction", "{ActionName}"),
    "sagemaker:DescribeArtifact": _on("sagemaker:DescribeArtifact", "{ArtifactArn}"),
    "sagemaker:DescribeContext": _on("sagemaker:DescribeContext", "{ContextName}"),
    "sagemaker:DescribeTrialComponent":
        _on("sagemaker:DescribeTrialComponent", "{TrialComponentName}"),
    "sagemaker:ListArtifacts": _everywhere("sagemaker:ListArtifacts"),
    "sagemaker:QueryLineage": _everywhere("sagemaker:QueryLineage"),
    "sagemaker:DescribeModel": _on("sagemaker:DescribeModel", "model/{ModelName}"),
    "sagemaker:DescribeModelCard": _on("sagemaker:DescribeModelCard", "model-card/{ModelCardName}"),
    "sagemaker:DescribeModelPackage": _on("sagemaker:DescribeModelPackage", PACKAGE),
    "sagemaker:DescribeModelPackageGroup":
        _on("sagemaker:DescribeModelPackageGroup", "model-package-group/{ModelPackageGroupName}"),
    "sagemaker:DescribePipeline": _on("sagemaker:DescribePipeline", "pipeline/{PipelineName}"),
    "sagemaker:DescribePipelineDefinitionForExecution":
        _on("sagemaker:DescribePipelineDefinitionForExecution", "{PipelineExecutionArn}"),
    "sagemaker:DescribePipelineExecution":
        _on("sagemaker:DescribePipelineExecution", "{PipelineExecutionArn}"),
    "sagemaker:DescribeProcessingJob":
        _on("sagemaker:DescribeProcessingJob", "processing-job/{ProcessingJobName}"),
    "sagemaker:DescribeTrainingJob":
        _on("sagemaker:DescribeTrainingJob", "training-job/{TrainingJobName}"),
    "sagemaker:DescribeTransformJob":
        _on("sagemaker:DescribeTransformJob", "transform-job/{TransformJobName}"),
    "sagemaker:GetRecord": _on("sagemaker:GetRecord", "feature-group/{FeatureGroupName}"),
    "sagemaker:InvokeEndpoint": _on("sagemaker:InvokeEndpoint", "endpoint/{EndpointName}"),
    "sagemaker:ListDomains": _everywhere("sagemaker:ListDomains"),
    "sagemaker:ListEndpointConfigs": _everywhere("sagemaker:ListEndpointConfigs"),
    "sagemaker:ListEndpoints": _everywhere("sagemaker:ListEndpoints"),
    "sagemaker:ListModelPackages":
        _on("sagemaker:ListModelPackages", "model-package-group/{ModelPackageGroupName}"),
    "sagemaker:ListModels": _everywhere("sagemaker:ListModels"),
    "sagemaker:ListPipelineExecutions":
        _on("sagemaker:ListPipelineExecutions", "pipeline/{PipelineName}"),
    "sagemaker:ListPipelineExecutionSteps":
        _on("sagemaker:ListPipelineExecutionSteps", "{PipelineExecutionArn}"),
    "sagemaker:ListPipelineParametersForExecution":
        _on("sagemaker:ListPipelineParametersForExecution", "{PipelineExecutionArn}"),
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob":
        _on("sagemaker:ListTrainingJobsForHyperParameterTuningJob",
            "hyper-parameter-tuning-job/{HyperParameterTuningJobName}"),
    "sagemaker:PutRecord": _on("sagemaker:PutRecord", "feature-group/{FeatureGroupName}"),
    "sagemaker:StartPipelineExecution":
        _on("sagemaker:StartPipelineExecution", "pipeline/{PipelineName}"),
    "sagemaker:StopPipelineExecution":
        _on("sagemaker:StopPipelineExecution", "{PipelineExecutionArn}"),
    "sagemaker:UpdateEndpoint":
        _on("sagemaker:UpdateEndpoint", "endpoint/{EndpointName}",
            "endpoint-config/{EndpointConfigName}"),
    "sagemaker:UpdateFeatureGroup":
        _on("sagemaker:UpdateFeatureGroup", "feature-group/{FeatureGroupName}"),
    "sagemaker:UpdateModelCard": _on("sagemaker:UpdateModelCard", "model-card/{ModelCardName}"),
    "sagemaker:UpdateModelPackage": _package_updated,
    "sagemaker:UpdatePipeline": _made("Pipeline", "PipelineName", verb="Update"),
    "servicequotas:ListServiceQuotas": _everywhere("servicequotas:ListServiceQuotas"),
    "sns:Publish": _published,
    "states:SendTaskFailure": _everywhere("states:SendTaskFailure"),
    "states:SendTaskSuccess": _everywhere("states:SendTaskSuccess"),
    "states:StartExecution": _on("states:StartExecution", "{stateMachineArn}"),
    "sts:GetCallerIdentity": _nothing,  # "no permissions are required"
}  # fmt: skip
"""For each call of boto3, by the service's signing name as `permissions.CALLS` has it."""
