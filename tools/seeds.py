"""Answers files for `cruft create --extra-context-file`: their JSON Schema, and a check by it.

    python tools/seeds.py schema            # writes seeds/schema.json from cookiecutter.json
    python tools/seeds.py check [FILE ...]  # 2 where a file is refused; no FILE: all in seeds/

cookiecutter and cruft pass over a key that is no question without a word: a `bias_gat` leaves the
default gate in force. So a job that creates repositories runs the check first. Of values it looks
at type and choice; what a gate, facets or a cadence say is parsed by the new repository's own code
when it renders. Standard library alone: the check runs before anything is installed.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "seeds"
SCHEMA = SEEDS / "schema.json"

JINJA = r"\{[{%#]"
"""What begins Jinja in a text. cookiecutter runs it, and Jinja can run any Python."""


def main() -> None:
    """Write the schema, or check files by it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help="write seeds/schema.json")
    check = commands.add_parser("check", help="check answers files; status 2 where one is refused")
    check.add_argument("files", nargs="*", metavar="FILE", help="default: every seed in seeds/")
    options = parser.parse_args()
    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    if options.command == "schema":
        text = json.dumps(schema(questions), indent=2, ensure_ascii=False) + "\n"
        SCHEMA.write_text(text, encoding="utf-8", newline="\n")
    else:
        files = options.files or [str(path) for path in sorted(SEEDS.glob("*.json"))
                                  if path != SCHEMA]  # fmt: skip
        sys.exit(check_files(files, schema(questions)))


def schema(questions: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of the answers to a cookiecutter.json."""
    asked = {key: raw for key, raw in questions.items() if not key.startswith("_")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answers to the template's questions",
        "description": "Generated from cookiecutter.json by `python tools/seeds.py schema`.",
        "type": "object",
        "properties": {key: _property(key, raw, questions) for key, raw in asked.items()},
        "required": ["scenario"],
        "additionalProperties": False,
    }


def _property(key: str, raw: object, questions: dict[str, Any]) -> dict[str, Any]:
    """What is right for one question: a choice, or a text without Jinja."""
    prompt = questions["__prompts__"][key]
    if isinstance(raw, list):
        return {"description": prompt["__prompt__"], "type": "string", "enum": raw}
    if not isinstance(raw, str):
        raise TypeError(f"cookiecutter.json: {key}: expected a text or choices, got {raw!r}")
    described = {"description": question_in(prompt), "type": "string", "not": {"pattern": JINJA}}
    if not re.search(JINJA, raw):
        described["default"] = raw
    defaults = [scenario.get(key) for scenario in questions["_scenarios"].values()]
    if examples := list(dict.fromkeys(filter(None, defaults))):
        described["examples"] = examples
    return described


def question_in(prompt: str) -> str:
    """A prompt's question: its last line, since a line before it may divide the questions."""
    return prompt.rpartition("\n")[2].strip()


def check_files(files: list[str], rules: dict[str, Any]) -> int:
    """Say of every file that it is well, or on stderr what is wrong; the exit status."""
    status = 0
    for file in files:
        wrong = list(faults(file, rules))
        for sentence in wrong:
            print(f"{file}: {sentence}", file=sys.stderr)
        if wrong:
            status = 2
        else:
            print(f"{file}: every answer belongs to a question")
    return status


class _Pairs(list[tuple[str, Any]]):
    """An object as it stands in the file: a dictionary would keep the last of two like keys."""


def faults(file: str, rules: dict[str, Any]) -> Iterator[str]:
    """One sentence for everything that is wrong with a file."""
    try:
        pairs = json.loads(Path(file).read_text(encoding="utf-8"), object_pairs_hook=_Pairs)
    except OSError as error:
        yield f"it cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or nested without end
        yield f"it is no JSON: {error}"
    else:
        if isinstance(pairs, _Pairs):
            yield from _faults_of_answers(pairs, rules)
        else:
            yield f"expected an object of questions and answers, got {_read(pairs)}"


def _faults_of_answers(pairs: _Pairs, rules: dict[str, Any]) -> Iterator[str]:
    keys = [key for key, _ in pairs]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"{_plain(key)}: expected one answer, got {keys.count(key)}"
    for key in rules["required"]:
        if key not in keys:
            yield f"{key}: expected {_one_of(rules['properties'][key])}, got no answer"
    for key, value in pairs:
        rule = rules["properties"].get(key)
        if rule is None:
            right = _nearest(key, list(rules["properties"]))
            yield f"{_plain(key)}: expected {right}, got a key that is no question"
        elif right := _broken(rule, value):
            yield f"{key}: expected {right}, got {_read(value)}"


def _broken(rule: dict[str, Any], value: object) -> str:
    """What would be right, where a value breaks the rule of its question."""
    if "enum" in rule:
        if isinstance(value, str) and value not in rule["enum"]:
            return _nearest(value, rule["enum"])
        return "" if value in rule["enum"] else _one_of(rule)
    if not isinstance(value, str):
        return "a text"
    has_jinja = re.search(rule["not"]["pattern"], value)
    return "a text without '{{', '{%' or '{#' (cookiecutter would run it)" if has_jinja else ""


def _nearest(read: str, names: list[str]) -> str:
    """The one name that was meant, or all there are."""
    near = difflib.get_close_matches(read, names, n=1)
    return near[0] if near else f"one of {', '.join(names)}"


def _one_of(rule: dict[str, Any]) -> str:
    return f"one of {', '.join(rule['enum'])}"


def _plain(key: str) -> str:
    """A key as it is, unless it would not be seen, or would end the line."""
    return key if key.strip() and key.isprintable() else ascii(key)


def _read(value: object) -> str:
    """A value as it stands in JSON, in short."""
    if isinstance(value, list):
        return "an object" if isinstance(value, _Pairs) else "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


if __name__ == "__main__":
    main()
