"""The README's block of values: `pipeline.toml` in words, and a drawing of the nine steps.

Standard library alone, with the settings: the template's hook writes the block first.
"""

from __future__ import annotations

import re
from pathlib import Path

from ninesteps.settings.project import LANGUAGE_MODEL
from ninesteps.settings.settings import Settings

NAME = "README.md"
BEGIN = "<!-- written by `pipeline readme` from pipeline.toml: begin -->"
END = "<!-- end -->"

_TABLE = ("models", "metrics on the test split", "batch predictions", "bias and SHAP")
_DRAWN = {
    LANGUAGE_MODEL: (
        "fine-tunings of the base", "replies judged beside the incumbent's", "batch replies",
        "bias of replies, words that count",
    ),
}  # fmt: skip
"""The drawing's texts for steps 2, 3, 6 and 7, by problem type."""

_BLOCK = re.compile(f"{re.escape(BEGIN)}\n.*?^{re.escape(END)}$", re.DOTALL | re.MULTILINE)


def write(root: Path, settings: Settings) -> bool:
    """Write the block; give whether the README has one."""
    text = (root / NAME).read_text(encoding="utf-8")
    written = f"{BEGIN}\n{block(settings)}{END}"
    changed, count = _BLOCK.subn(lambda _: written, text, count=1)
    (root / NAME).write_text(changed, encoding="utf-8", newline="\n")
    return count == 1


def is_current(root: Path, settings: Settings) -> bool:
    """Whether the README's block matches the settings; True if it has none."""
    written = _BLOCK.search((root / NAME).read_text(encoding="utf-8"))
    return written is None or written[0] == f"{BEGIN}\n{block(settings)}{END}"


def block(settings: Settings) -> str:
    """The values and the steps, as Markdown."""
    data, cadence = settings.data, settings.cadence
    algorithms = " and ".join(settings.tuning.algorithms)
    kept_together = f", rows of one {_code(settings.split.group)} together"
    facts = {
        "Predicts": _predicted(settings),
        "From": _code(data.file) if data.file else "no table yet: `pipeline schema FILE` drafts it",
        "Split": f"by {settings.split.by}{kept_together if settings.split.group else ''}",
        "Tuned": f"{algorithms}, {settings.tuning.jobs} trials, for {_code(settings.objective)}",
        "Registered if": _code(str(settings.full_gate)),
        "Compared between": _code(settings.bias.facets) if settings.facets else "nobody",
        "Retrained": f"{_code(cadence.text)}, {settings.schedule.timezone}",
        "Never seen by the model": ", ".join(map(_code, settings.model.exclude)),
    }
    lines = [f"- **{what}:** {value}" for what, value in facts.items() if value]
    return "\n".join([*lines, "", *_drawing(settings), ""])


def _predicted(settings: Settings) -> str:
    label, problem = _code(settings.data.label), settings.project.problem
    if not settings.is_language_model:
        return f"{label}, a {problem} problem"
    asked = " and ".join(map(_code, settings.data.conversations))
    base = _code(settings.model.base)
    return (
        f"the reply to {asked}, a {problem} problem that starts from {base}; users rate in {label}"
    )


def _drawing(settings: Settings) -> list[str]:
    """The nine steps by their names in SageMaker, in Mermaid."""
    prefix, word = settings.project.prefix, settings.metric_word
    tried, evaluated, transformed, analysed = _DRAWN.get(settings.project.problem, _TABLE)
    return [
        "```mermaid",
        "flowchart TD",
        f'    P["1 {prefix}ModelProcess<br>query as of a point in time, three splits"]',
        f'    H["2 {prefix}HyperParameterTuning<br>{settings.tuning.jobs} {tried}, Bayesian"]',
        f'    E["3 {prefix}EvalBestModel<br>{evaluated}"]',
        f'    C["4 {prefix}CreateModel"]',
        f'    F["5 {prefix}ModelConfigFile<br>what the bias step analyses"]',
        f'    T["6 {prefix}Transform<br>{transformed}"]',
        f'    B["7 ClarifyProcessingStep<br>{analysed}"]',
        f'    R["8 Register{prefix}Model<br>a version, pending approval"]',
        f'    G["9 Check{word}Score{prefix}Evaluation<br>the gate"]',
        "    P --> H --> E --> G",
        "    H --> C --> F --> B --> G",
        "    C --> T --> B",
        "    G -- passes --> R",
        '    G -- fails --> D["completes, registers nothing"]',
        "```",
    ]


def _code(text: str) -> str:
    """A code span; the text may have backticks."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
