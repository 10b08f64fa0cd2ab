"""A rehearsal of SageMaker hosting on this machine: an endpoint and blue/green deployments."""
