"""What moto (5.2) lacks of SageMaker's API or has otherwise, one method a call.

- UpdateEndpoint and UpdateEndpointWeightsAndCapacities are not there, and an endpoint is InService
  at once: `statuses` are those that an endpoint shows one after the other.
- DescribeEndpoint gives the DataCaptureConfig of the config, and an empty one where nothing is
  captured.
- DescribeModelPackage gives no name of a version.
- UpdateModelPackage replaces all metadata, forgets a status that is not given, and never says who
  wrote.
- A job is not found by its name in the small letters that its ARN has, and what is described of it
  lacks some of what it was asked for.
- An endpoint, model or config of a name that is taken is made again.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto.sagemaker.models import sagemaker_backends

ACCOUNT = "111122223333"


@dataclass(kw_only=True)
class Lessons:
    """An account's answers to the calls that moto cannot answer."""

    region: str
    statuses: dict[str, list[str]] = field(default_factory=dict)  # of an endpoint, one a look
    rolls_back: bool = False  # an update ends on the config before
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)  # by kind and name of a job
    modified_by: dict[str, Any] = field(default_factory=dict)  # by package
    weights: dict[str, float] = field(default_factory=dict)  # last set, by variant

    @property
    def sagemaker(self) -> Any:
        """boto3's client, as moto answers it."""
        raise NotImplementedError

    def caller(self) -> str:
        """Who makes the call that is being answered: a role and its session, `Approver/ada`."""
        raise NotImplementedError

    def update_endpoint(
        self, EndpointName: str, EndpointConfigName: str, **policy: Any
    ) -> dict[str, Any]:
        found = self.describe_endpoint(EndpointName, look=False)
        if found["EndpointStatus"] != "InService":
            raise client_error("ValidationException", "UpdateEndpoint", "in-progress endpoint")
        before, after = map(self._variants, (found["EndpointConfigName"], EndpointConfigName))
        if before != after and "DeploymentConfig" in policy:
            raise client_error("ValidationException", "UpdateEndpoint", "other variant names")
        if not self.rolls_back:
            self._endpoint(EndpointName).endpoint_config_name = EndpointConfigName
        ends = "RollingBack" if self.rolls_back else "Updating"
        self.statuses.setdefault(EndpointName, []).extend(["Updating", ends])
        return {"EndpointArn": "arn"}

    def update_endpoint_weights_and_capacities(
        self, EndpointName: str, DesiredWeightsAndCapacities: list[dict[str, Any]]
    ) -> dict[str, Any]:
        found = self.describe_endpoint(EndpointName, look=False)
        weights = {one["VariantName"]: one["DesiredWeight"] for one in DesiredWeightsAndCapacities}
        if found["EndpointStatus"] != "InService":
            raise client_error("ValidationException", "UpdateEndpointWeightsAndCapacities")
        if not weights.keys() <= set(self._variants(found["EndpointConfigName"])):
            raise client_error("ValidationException", "UpdateEndpointWeightsAndCapacities")
        self.weights = weights
        self.statuses.setdefault(EndpointName, []).append("Updating")
        return {"EndpointArn": "arn"}

    def _variants(self, config: str) -> list[str]:
        found = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        return [one["VariantName"] for one in found["ProductionVariants"]]

    def describe_endpoint(self, EndpointName: str, look: bool = True) -> dict[str, Any]:
        found = dict(self.sagemaker.describe_endpoint(EndpointName=EndpointName))
        captures = found.pop("DataCaptureConfig", {})
        if captures.get("EnableCapture"):
            found["DataCaptureConfig"] = {
                "EnableCapture": True, "CaptureStatus": "Started",
                "CurrentSamplingPercentage": captures["InitialSamplingPercentage"],
                "DestinationS3Uri": captures["DestinationS3Uri"],
                "KmsKeyId": captures.get("KmsKeyId", ""),
            }  # fmt: skip
        if shown := self.statuses.get(EndpointName, self.statuses.get("*")):
            found["EndpointStatus"] = shown.pop(0) if look else shown[0]
        return found

    def _endpoint(self, name: str) -> Any:
        return sagemaker_backends[ACCOUNT][self.region].endpoints[name]

    def update_model_package(self, ModelPackageArn: str, **request: Any) -> Any:
        before = self.sagemaker.describe_model_package(ModelPackageName=ModelPackageArn)
        added = request.pop("CustomerMetadataProperties", {})
        for value in [*added, *added.values()]:
            assert re.fullmatch(r"[\w .:/=+\-@]{1,256}", value), f"no metadata: {value!r}"
        self.modified_by[ModelPackageArn] = identity(self.caller())
        return self.sagemaker.update_model_package(
            ModelPackageArn=ModelPackageArn,
            CustomerMetadataProperties={**before["CustomerMetadataProperties"], **added},
            **{"ModelApprovalStatus": before["ModelApprovalStatus"], **request},
        )

    def describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        found = dict(self.sagemaker.describe_model_package(ModelPackageName=ModelPackageName))
        found.setdefault("ModelPackageName", found["ModelPackageGroupName"])
        return {**found, "LastModifiedBy": self.modified_by.get(ModelPackageName, {})}

    def describe_job(self, kind: str, field: str, name: str) -> dict[str, Any]:
        """Describe a job or a model, by its name in the small letters of its ARN too."""
        describe = getattr(self.sagemaker, f"describe_{kind}")
        listed = getattr(self.sagemaker, f"list_{kind}s")()
        (summaries,) = (value for value in listed.values() if isinstance(value, list))
        names = {one[field].lower(): one[field] for one in summaries}
        found = {k: v for k, v in describe(**{field: names.get(name.lower(), name)}).items() if v}
        asked = self.requests.get(f"{kind}/{name.lower()}", {})
        return {**{key: value for key, value in asked.items() if key != "Tags"}, **found}

    def create_once(self, kind: str, name: str, request: dict[str, Any]) -> Any:
        taken = getattr(self.sagemaker, f"list_{kind}s")()
        (summaries,) = (value for key, value in taken.items() if isinstance(value, list))
        if request[name] in [one[name] for one in summaries]:
            raise client_error("ValidationException", f"create_{kind}", "already existing")
        return getattr(self.sagemaker, f"create_{kind}")(**request)

    def create_model(self, **request: Any) -> Any:
        return self.create_once("model", "ModelName", request)

    def create_endpoint_config(self, **request: Any) -> Any:
        return self.create_once("endpoint_config", "EndpointConfigName", request)

    def create_endpoint(self, **request: Any) -> Any:
        return self.create_once("endpoint", "EndpointName", request)


def identity(role_and_session: str) -> dict[str, Any]:
    """A UserContext, as SageMaker gives it of an assumed role."""
    return {"IamIdentity": {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role_and_session}"}}


def client_error(code: str, operation: str, message: str = "as a test has it") -> ClientError:
    response = {"Error": {"Code": code, "Message": message},
                "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "1"}}  # fmt: skip
    return ClientError(response, operation)


def iso(moment: datetime.datetime) -> str:
    """A time as Step Functions writes those of an answer."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def validate(what: str, content: dict[str, Any], shape: Any) -> None:
    """Hold a request or an answer to the service's own model, as botocore does."""
    if shape is not None:
        report = ParamValidator().validate(content, shape)
        assert not report.has_errors(), f"{what}: {report.generate_report()}"
