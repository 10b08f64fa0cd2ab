"""The errors of this library: one base class, and the exit status that each ends a command with.

0 is done, 1 a step failed or AWS refused a call, 2 wrong use, wrong settings or wrong data, 3 not
registered although asked to, 130 interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

FAILED, WRONG_USE, NOT_REGISTERED, INTERRUPTED = 1, 2, 3, 130


LONGEST_MESSAGE = 1000
"""The most characters of a message about settings: a quoted value may be very long."""


class NineStepsError(Exception):
    """An error that a person can act on; its message is one plain sentence."""

    exit_status: ClassVar[int] = WRONG_USE


class SettingsError(NineStepsError):
    """Settings that cannot be used: the file and key, what was expected and what was found."""

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
        """The message with the line of the file that is at fault."""
        return f"{self.file} line {line}{self._setting}: {self.message}"


class ProfileError(SettingsError):
    """Settings that do not meet the floors of their profile."""


class RawTableError(NineStepsError):
    """A raw table that cannot be used."""


class FeaturesError(RawTableError):
    """Features that a feature group cannot store, or no features: change `features.py`."""


class DefinitionError(NineStepsError):
    """The definition, or a parameter given to it, cannot run here; nothing was started."""


class RegistryError(NineStepsError):
    """A registered version cannot be used or decided on in this way."""


class LineageError(NineStepsError):
    """A question about lineage that cannot be answered."""


class DeployError(NineStepsError):
    """A version cannot be deployed, or the endpoint cannot be reached."""


class StateError(NineStepsError):
    """The files of earlier runs on this machine cannot be used.

    `fault` is the exception type that a retry policy may name.
    """

    def __init__(self, message: str, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault


class AccountError(NineStepsError):
    """AWS refused a call, or the call could not be sent; the message says which and what to do."""

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
    """A step failed; the message says why, in the words of the code or service that failed.

    `fault` is the exception type that a retry policy may name, if the fault was not in the step's
    own code.
    """

    exit_status: ClassVar[int] = FAILED

    def __init__(self, message: str, frame: Frame | None = None, fault: str = "") -> None:
        super().__init__(message)
        self.frame = frame
        self.fault = fault


class ScriptError(StepError):
    """A step's own code or request failed; the same data, settings and code would fail again."""
