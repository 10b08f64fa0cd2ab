"""What can go wrong in an execution, told apart by who has to act."""

from __future__ import annotations


class DefinitionError(ValueError):
    """The definition, or a parameter given to it, cannot be run here; nothing was started."""


class StepError(RuntimeError):
    """A step failed; the message says why, in the words of whatever failed."""


class StateError(RuntimeError):
    """What earlier executions left on this machine cannot be used."""
