"""Writes the definitions that are kept for review: what AWS would receive of each scenario.

    python tools/golden.py

A change to what is compiled then stands in the diff of a change. The hash of a step's code is left
out: it moves with every character of the step, and the step's own diff shows that. So are the
library's version and the digest of the profile, which are stamped into a registration.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
GOLDEN = ROOT / "tests" / "golden"


def main() -> None:
    """Render, compile and write all that is kept."""
    sys.path.insert(0, str(GENERATED / "library" / "src"))
    for name, answers in kept().items():
        with tempfile.TemporaryDirectory() as folder:
            path = cookiecutter(str(ROOT), no_input=True, extra_context=answers, output_dir=folder)
            text = golden(Path(path))
        (GOLDEN / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


def kept() -> dict[str, dict[str, str]]:
    """The answers that are compiled, by file name: each scenario, and a gate with the champion."""
    answers = {scenario: {"scenario": scenario} for scenario in scenarios()}
    gate = "auc > 0.75 and auc >= champion.auc - 0.005"
    return {**answers, "churn-champion": {"scenario": "churn", "metric_gate": gate}}


def scenarios() -> list[str]:
    """The scenarios that ship a table, and so compile as they are rendered."""
    with_data = sorted(folder.parent.name for folder in GENERATED.glob("scenarios/*/data"))
    return ["churn", *with_data]


def golden(repository: Path) -> str:
    """A repository's definition by the template's own code, without the hashes of the steps'."""
    from ninesteps.runs import compiled
    from ninesteps.settings import loading as pipeline_settings

    settings = pipeline_settings.load(repository)
    return without_hashes(compiled.definition(settings, settings.environment()))


def without_hashes(text: str) -> str:
    """A definition as it is kept."""
    text = re.sub(r"/code/[0-9a-f]{16}", "/code/HASH", text)
    text = re.sub(r'"profile_sha256": "[0-9a-f]{64}"', '"profile_sha256": "HASH"', text)
    return re.sub(r'"library": "[^"]+"', '"library": "VERSION"', text)


if __name__ == "__main__":
    main()
