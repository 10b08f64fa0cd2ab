"""Checks the Athena workgroup of step 1's query.

A workgroup may override a query's settings:
https://docs.aws.amazon.com/athena/latest/ug/workgroups-settings-override.html
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from ninesteps.errors import SettingsError
from ninesteps.infrastructure import account
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

NOT_THERE = "InvalidRequestException"
"""Athena's error code for a workgroup that does not exist."""


def check(settings: Settings, environment: Environment) -> None:
    """Check that the account's workgroup lets a query choose where its answer is stored.

    Raises:
        AccountError: if AWS refuses the request.
        SettingsError: if it is missing, off, or keeps answers where the pipeline's role may not
            write.
    """
    name = settings.features_of(environment).workgroup
    place = f"s3://{environment.bucket_name}/{settings.project.pipeline}/executions/"
    with account.one_sentence():
        athena = account.session(environment).client("athena")
        try:
            found = athena.get_work_group(WorkGroup=name)["WorkGroup"]
        except ClientError as error:
            if error.response["Error"]["Code"] != NOT_THERE:
                raise
            raise SettingsError(
                f"expected a workgroup of Athena in {environment.region} of account "
                f"{environment.account}, got {name!r}, which does not exist",
                "features", "workgroup",
            ) from None  # fmt: skip
    configuration = found.get("Configuration", {})
    kept = configuration.get("ResultConfiguration", {}).get("OutputLocation", "")
    if found.get("State") == "DISABLED":
        fault = "which is disabled"
    elif configuration.get("ManagedQueryResultsConfiguration", {}).get("Enabled"):
        fault = "which keeps answers in Athena's own storage"
    elif configuration.get("EnforceWorkGroupConfiguration") and not f"{kept or place}/".startswith(
        place
    ):
        fault = f"which keeps every answer below {kept}"
    else:
        return
    raise SettingsError(
        f"expected a workgroup that lets a query keep its answer below {place}, got {name!r}, "
        f"{fault}", "features", "workgroup",
    )  # fmt: skip
