"""An AWS account that is pretended, for tests: moto, what moto lacks, and IAM's decisions."""
