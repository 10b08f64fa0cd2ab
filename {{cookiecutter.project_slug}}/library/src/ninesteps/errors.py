"""The errors of this library: one base class, and the exit status that each ends a command with.

0 is done, 1 a step failed or AWS refused a call, 2 wrong use, wrong settings or wrong data, 3 not
registered although asked to, 130 interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

FAILED, WRONG_USE, NOT_REGISTERED, INTERRUPTED = 1, 2, 3, 130


LONGEST_MESSAGE = 1000
"""Characters of a message about settings: what it quotes may be longer than anybody reads."""


class NineStepsError(Exception):
    """Something a person can act on; its message is one plain sentence."""

    exit_status: ClassVar[int] = WRONG_USE


class SettingsError(NineStepsError):
    """Settings that cannot be used: where they stand, what was expected and what was found."""

    def __init__(self, message: str, *path: str, file: str = "pipeline.toml") -> None:
        message = message.replace("\n", "\\n")
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]}..."
        *tables, key = path or ("",)
        table = f" [{'.'.join(tables)}]" if tables else ""
        self._setting = f"{table}{f' {key}' if key else ''}"
        super().__init__(f"{file}{self._setting}: {message}")
        self.message = message
        self.path = path
        self.file = file

    def at(self, line: int) -> str:
        """The sentence with the line of the file that it is about."""
        return f"{self.file} line {line}{self._setting}: {self.message}"


class ProfileError(SettingsError):
    """Settings that do not meet the floors of their profile."""


class RawTableError(NineStepsError):
    """A raw table that cannot be used."""


class FeaturesError(RawTableError):
    """Features that no feature group can hold, or none at all: `features.py` has to change."""


class DefinitionError(NineStepsError):
    """The definition, or a parameter given to it, cannot be run here; nothing was started."""


class RegistryError(NineStepsError):
    """What cannot be done with a registered version."""


class LineageError(NineStepsError):
    """A question about lineage that cannot be answered."""


class DeployError(NineStepsError):
    """What cannot be deployed, or an endpoint that cannot be reached."""


class StateError(NineStepsError):
    """What earlier runs left on this machine cannot be used.

    `fault` is the one that a retry policy may name.
    """

    def __init__(self, message: str, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault


class AccountError(NineStepsError):
    """What AWS refused, or what was not sent to it; the message says which and what to do."""

    exit_status: ClassVar[int] = FAILED


class WheelError(NineStepsError):
    """A wheel that is missing or differs from its hash; the message says how to get it."""

    exit_status: ClassVar[int] = FAILED


@dataclass(frozen=True)
class Frame:
    """The place in a step's own code at which it failed."""

    file: str
    line: int
    function: str
    source: str


class StepError(NineStepsError):
    """A step failed; the message says why, in the words of whatever failed.

    `fault` is the one that a retry policy may name, where it was none of the step's own.
    """

    exit_status: ClassVar[int] = FAILED

    def __init__(self, message: str, frame: Frame | None = None, fault: str = "") -> None:
        super().__init__(message)
        self.frame = frame
        self.fault = fault


class ScriptError(StepError):
    """A step's own code or request failed: with the same data, settings and code it would again."""
