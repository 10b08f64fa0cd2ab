"""What can go wrong on the way to an endpoint."""


class DeployError(RuntimeError):
    """What cannot be deployed, or reached; the message says why."""
