"""The regions that a pipeline may be compiled for: those that have SageMaker's images.

A test compares them with the SDK's own tables of images. Standard library alone.
"""

from __future__ import annotations

from ninesteps.settings.toml import require

REGIONS = {
    "aws": (
        "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
        "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
        "ap-southeast-4", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2",
        "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
        "il-central-1", "me-central-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2",
        "us-west-1", "us-west-2",
    ),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "aws-iso": ("us-iso-east-1",),
    "aws-iso-b": ("us-isob-east-1",),
    "aws-iso-f": ("us-isof-east-1", "us-isof-south-1"),
}  # fmt: skip
"""The regions that have the XGBoost image, by partition."""

URL_SUFFIXES = {
    "aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com",
    "aws-iso": "c2s.ic.gov", "aws-iso-b": "sc2s.sgov.gov", "aws-iso-f": "csp.hci.ic.gov",
}  # fmt: skip
"""The DNS suffix of each partition, as in botocore."""

WITHOUT_XGBOOST = (
    "ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "mx-central-1",
)  # fmt: skip
"""Regions that have SageMaker, according to botocore, but not its XGBoost image."""

WITHOUT_CLARIFY = (
    "ap-south-2", "ap-southeast-4", "ca-west-1", "eu-south-2", "il-central-1", "me-central-1",
    "us-gov-east-1", "us-iso-east-1", "us-isob-east-1",
)  # fmt: skip
"""Those of them that do not have Clarify's image."""

WITHOUT_HUGGING_FACE = (
    "ap-south-2", "ap-southeast-4", "eu-central-2", "eu-south-2", "us-isof-east-1",
    "us-isof-south-1",
)  # fmt: skip
"""Those of them that lack one of Hugging Face's images; language models need both."""

_PARTITIONS = {region: partition for partition, regions in REGIONS.items() for region in regions}


def partition(region: str) -> str:
    """The partition of a region, such as aws or aws-cn."""
    return _PARTITIONS[region]


def require_region(region: str) -> None:
    """Check a region's name, from a data class's `__post_init__`."""
    if region in _PARTITIONS:
        return
    import difflib  # only for an error

    like = difflib.get_close_matches(region, _PARTITIONS, 3, 0)
    expected = f"a region that has SageMaker's XGBoost image, such as {', '.join(like)}"
    if region in WITHOUT_XGBOOST:
        expected += " (this region has SageMaker, but not its XGBoost image)"
    require(False, "region", region, expected)
