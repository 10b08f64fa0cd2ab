"""The criteria for a language model's replies: an input of step 3, too long for arguments."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from ninesteps.errors import SettingsError
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code import by_digest

if TYPE_CHECKING:  # mypy knows a module that is packed with the scripts by its flat name
    import conversations
else:
    from ninesteps.containers import conversations

FILE = "judge.json"

LARGEST = 1_000_000
"""The most bytes of the file of prompts that must be refused."""


def paths(settings: Settings) -> list[Path]:
    """The file to read, if there is one."""
    name = settings.judge.must_refuse
    return [settings.root / name] if name else []


def files(settings: Settings) -> dict[str, bytes]:
    """The input's only file: `[judge]`, with the prompts from its file."""
    judge = settings.judge
    content = {
        "good": judge.good,
        "refusals": list(judge.refusals),
        "must_refuse": prompts(settings),
    }
    return {FILE: (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()}


def uri(settings: Settings, environment: Environment) -> str:
    """Its prefix, the same for the same bytes."""
    return by_digest.uri(settings, environment, files(settings))


def objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """The files needed before a run, by S3 URI."""
    if not settings.is_language_model:
        return {}
    return by_digest.objects(settings, environment, files(settings))


def prompts(settings: Settings) -> list[str]:
    """The prompts that must be refused, one per line, without empty lines.

    Raises:
        SettingsError: if the file cannot be read, or has none.
    """
    name = settings.judge.must_refuse
    if not name:
        return []
    try:
        content = by_digest.inside(settings, name, "judge", "must_refuse").read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}",
                            "judge", "must_refuse") from None  # fmt: skip
    except UnicodeDecodeError:
        raise SettingsError(f"expected a text in UTF-8, got other bytes in {name}",
                            "judge", "must_refuse") from None  # fmt: skip
    lines = enumerate((line.strip(" \t\r") for line in text.split("\n")), start=1)
    prompts = [_checked(line, f"{name}, line {at}") for at, line in lines if line]
    if not prompts or len(content) > LARGEST:
        got = f"{len(content):,} bytes" if prompts else "none"
        raise SettingsError(
            f"expected one prompt per line in {name}, at most {LARGEST:,} bytes, got {got}",
            "judge", "must_refuse",
        )  # fmt: skip
    return prompts


def _checked(prompt: str, where: str) -> str:
    """Check that a prompt is valid for a model: otherwise step 3 would fail after the training."""
    control = next((c for c in prompt if unicodedata.category(c) == "Cc" and c != "\t"), "")
    if control:
        raise SettingsError(
            f"{where}: expected a text without control characters, got U+{ord(control):04X}",
            "judge", "must_refuse",
        )  # fmt: skip
    try:
        conversations.checked_prompt([{"role": "user", "content": prompt}])
    except conversations.ConversationError as error:
        raise SettingsError(f"{where}: {error}", "judge", "must_refuse") from None
    return prompt
