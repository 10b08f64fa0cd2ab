"""Writes the reference pages of the documentation from the code: `python tools/reference.py`.

Nothing here names a question, a setting, a metric, a command or an error. What has no text in the
code that explains it is refused, so that the explanation is written there.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
from cookiecutter.prompt import prompt_for_config

import activities
import sentences
from seeds import question_in
from sentences import Sentence, Source

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
LIBRARY = GENERATED / "library"
SOURCE = LIBRARY / "src"
CONTAINERS = SOURCE / "ninesteps" / "containers"
FOLDER = ROOT / "docs" / "reference"

SILENT = ("tests", "scenarios", "library", ".*", "build")
"""Folders of the generated repository that are passed over; the library is read by itself."""

ENTRY = re.compile(
    r"(?P<name>[\w\[\]]+) = (?P<formula>.+?), in (?P<range>[\[(]\S+, [^\])]+[\])])\. "
    r"(?P<reading>.*?)(?: ?Guide: \"(?P<source>[^\"]+)\"\.)?"
)
"""A metric in a docstring, its lines joined."""


class Unexplained(ValueError):
    """Something that the code does not explain; the message says where the text is missing."""


def main() -> None:
    """Write every page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        written = {name: page() for name, page in PAGES.items()}
    except Unexplained as error:
        sys.exit(f"reference: {error}")
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


# Questions


def questions_page() -> str:
    """Every question of `cookiecutter.json`, and what each scenario answers."""
    content = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    lines = [
        "# Questions",
        "",
        "What `cookiecutter` and `cruft create` ask, in this order; the keys of an answers file "
        "are these. The first seven are decisions. The others have defaults that fit: press Enter "
        "to keep each, or pass `--no-input` and give any answer as `key=value`. cookiecutter hides "
        "a question only if its key begins with an underscore, and cruft does not remember the "
        "answers to such keys; so they are asked. Each answer but the slug, the scenario and the "
        "CI can be changed later, in `pipeline.toml`.",
    ]
    defaults = {scenario: _defaults(content, scenario) for scenario in content["scenario"]}
    for key in (key for key in content if not key.startswith("_")):
        prompt = content["__prompts__"].get(key)
        if not prompt:
            raise Unexplained(f"cookiecutter.json: __prompts__ has no text for {key}")
        lines += ["", f"## {key}", ""]
        if isinstance(content[key], list):
            lines += [prompt["__prompt__"], ""]
            lines += [f"- {_code(choice)}: {prompt.get(choice, choice).removeprefix(f'{choice}: ')}"
                      for choice in content[key]]  # fmt: skip
            lines += ["", f"The first is the default: {_code(content[key][0])}."]
            continue
        question = question_in(prompt)
        lines += [question if question.endswith("?") else f"{question}.", ""]
        offered = {scenario: str(answers[key]) for scenario, answers in defaults.items()}
        if len(set(offered.values())) == 1:
            lines += [f"Default: {_code(next(iter(offered.values())))}."]
        else:
            rows = [(_code(scenario), _code(value) if value else "empty")
                    for scenario, value in offered.items()]  # fmt: skip
            lines += _table(("scenario", "default"), rows)
    return _page(lines)


def _defaults(content: dict[str, Any], scenario: str) -> dict[str, Any]:
    """What cookiecutter answers itself, once a scenario is chosen."""
    chosen = {**content, "scenario": [scenario]}
    answers: dict[str, Any] = prompt_for_config({"cookiecutter": chosen}, no_input=True)
    return answers


# Settings


@dataclass(frozen=True)
class Setting:
    """One key of a TOML file."""

    table: str
    key: str
    type: str
    default: str
    about: str
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One table of a TOML file."""

    table: str
    owner: str  # the data class
    about: str
    settings: tuple[Setting, ...]


def settings_page() -> str:
    """Every key of `pipeline.toml` and of a profile, and what the library's profiles ask for."""
    from ninesteps.profiles import profile
    from ninesteps.settings.settings import Settings

    lines = [
        "# Settings",
        "",
        "A key that is not listed here is an error, and so is a value other than the last column "
        "expects. A key without a default is required.",
    ]
    files = (
        ("pipeline.toml", "The team's file.", sections(Settings)),
        (
            "A profile",
            "The floors of one kind of pipeline, which no setting may be weaker than. Profiles are "
            "files of the library; `[project] profile` names one.",
            sections(profile.Profile, "profile"),
        ),
    )
    for name, about, tables in files:
        lines += ["", f"## {name}", "", about]
        for section in tables:
            lines += ["", f"### {_code(f'[{section.table}]')}", "", section.about, ""]
            rows = [
                (_code(s.key), s.type, _code(s.default) if s.default else "required",
                 _plain(s.about), "; ".join(_plain(text) for text in s.expected))
                for s in section.settings
            ]  # fmt: skip
            lines += _table(("key", "type", "default", "what it is", "expected"), rows)
    lines += ["", "## The profiles of the library", ""]
    lines += ["With the SHA-256 that is stamped into a version, of Unix line ends."]
    for name in profile.names():
        text = (profile.FOLDER / f"{name}.toml").read_text(encoding="utf-8").strip()
        lines += ["", f"### {name}", "", f"SHA-256 {_code(profile.digest(name))}", ""]
        lines += ["```toml", text, "```"]
    return _page(lines)


def sections(root: type, table: str = "") -> Iterator[Section]:
    """A data class's tables: its own keys first, then those of the tables within it."""
    hints, texts = typing.get_type_hints(root), _field_texts(root)
    own, inner = [], []
    for spec in dataclasses.fields(root):
        if not spec.metadata.get("in_file", True):
            continue
        hint, path = hints[spec.name], ".".join(filter(None, [table, spec.name]))
        item = typing.get_args(hint)[1] if typing.get_origin(hint) is dict else None
        if dataclasses.is_dataclass(hint):
            inner.append((hint, path))
        elif item is not None and dataclasses.is_dataclass(item):
            inner.append((item, f"{path}.NAME"))
        if not dataclasses.is_dataclass(hint) and table:
            if not texts.get(spec.name):
                where = f"{root.__module__}.{root.__name__}.{spec.name}"
                raise Unexplained(f"{where} has no comment that says what it is")
            expected = _rules(root).get(spec.name, ())
            own.append(Setting(table, spec.name, _type_words(hint), _default(spec),
                               texts[spec.name], expected))  # fmt: skip
    if own:
        yield Section(table, root.__name__, _first(root.__doc__), tuple(own))
    for part, path in inner:
        yield from sections(typing.cast(type, part), path)


def _field_texts(root: type) -> dict[str, str]:
    """The comment on each field's last line, or above it, or the text below it."""
    module = sys.modules[root.__module__]
    lines = Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()
    tree = ast.parse("\n".join(lines))
    (node,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == root.__name__)
    texts = {}
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        text = lines[(field.end_lineno or 1) - 1][field.end_col_offset or 0 :].partition("#")[2]
        above = field.lineno - 2
        while not text and lines[above].strip().startswith("#"):
            above -= 1
        if not text:
            text = " ".join(line.strip(" #") for line in lines[above + 1 : field.lineno - 1])
        if not text and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = str(after.value.value)
        texts[field.target.id] = " ".join(text.split())
    return texts


def _rules(root: type) -> dict[str, tuple[str, ...]]:
    """What is expected of each key, by the rules that the data class checks."""
    rules: dict[str, tuple[str, ...]] = {}
    for sentence in said_by_module().get(f"{root.__module__.replace('.', '/')}.py", []):
        if sentence.expected and sentence.owner in (root.__name__, ""):
            for key in sentence.keys:
                rules[key] = (*rules.get(key, ()), sentence.expected)
    return rules


def _type_words(hint: Any) -> str:
    """A type as TOML's users call it."""
    if isinstance(hint, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
        return " or ".join(map(_type_words, kinds))
    origin = typing.get_origin(hint)
    if origin is tuple:
        return "list of texts"
    if origin is dict:
        item = typing.get_args(hint)[1]
        return (
            "table"
            if item is Any
            else ("table of tables" if dataclasses.is_dataclass(item) else "table of texts")
        )
    words: dict[Any, str] = {
        str: "text", int: "whole number", float: "number", bool: "true or false",
    }  # fmt: skip
    return words[hint]


def _default(spec: dataclasses.Field[Any]) -> str:
    """A default as TOML writes it; nothing where there is none."""
    factory = spec.default_factory
    if spec.default is dataclasses.MISSING and factory is dataclasses.MISSING:
        return ""
    value = spec.default if factory is dataclasses.MISSING else factory()
    if isinstance(value, dict):
        return "{}"
    if value is None:
        return "none"
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


# Metrics


@dataclass(frozen=True)
class Metric:
    """A metric as its docstring explains it."""

    name: str
    formula: str
    range: str
    reading: str
    source: str


def metrics_page() -> str:
    """What a gate may name, and the metrics of the bias report."""
    from ninesteps.settings.gate import BIAS_METRICS, FACET_METRICS, METRICS

    lines = ["# Metrics", "", "## What a gate may name", ""]
    lines += ["All are read from `evaluation.json`, which step 3 writes from the test split."]
    explained = metrics(CONTAINERS / "metrics.py") | metrics(CONTAINERS / "judged_replies.py")
    for problem, names in METRICS.items():
        lines += ["", f"### Of a {problem} problem", "", *_metric_table(names, explained)]
    explained = metrics(CONTAINERS / "bias_report.py")
    names = tuple(dict.fromkeys([
        *(f"{name}[facet]" for name in FACET_METRICS),
        *(name for problem in BIAS_METRICS.values() for name in problem),
    ]))  # fmt: skip
    lines += ["", "### Of fairness", "", *_metric_table(names, explained)]
    tree = ast.parse((CONTAINERS / "bias_metrics.py").read_text(encoding="utf-8"))
    module = ast.get_docstring(tree) or ""
    explained = metrics(CONTAINERS / "bias_metrics.py")
    lines += ["", "## What the bias report measures", "", module.replace("'s", "’s"), ""]
    described = _described(tree)
    if missing := described.keys() - explained.keys():
        raise Unexplained(f"bias_metrics.py: no docstring explains {', '.join(sorted(missing))}")
    for name, description in described.items():
        metric = explained[name]
        lines += ["", f"### {description}", ""]
        lines += [f"- Formula: {_code(metric.formula)}", f"- Range: {_code(metric.range)}"]
        lines += [f"- {metric.reading}"]
        lines += [f"- Source: Amazon SageMaker developer guide, “{metric.source}”"]
    return _page(lines)


def metrics(file: Path) -> dict[str, Metric]:
    """The metrics that the docstrings of a module's functions explain."""
    by_name = {}
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            for entry in re.split(r"\n(?=\S)|\n\n", text):
                if match := ENTRY.fullmatch(" ".join(entry.split())):
                    fields = {key: value or "" for key, value in match.groupdict().items()}
                    by_name[match["name"]] = Metric(**fields)
    return by_name


def _metric_table(names: tuple[str, ...], explained: dict[str, Metric]) -> list[str]:
    if missing := [name for name in names if name not in explained]:
        raise Unexplained(f"ninesteps/containers: no docstring explains {', '.join(missing)}")
    rows = [(_code(m.name), _code(m.formula), _code(m.range), m.reading)
            for m in (explained[name] for name in names)]  # fmt: skip
    return _table(("metric", "formula", "range", "how to read it"), rows)


def _described(tree: ast.Module) -> dict[str, str]:
    """The bias metrics' names in the reports, from the module that measures them."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DESCRIPTIONS":
            described: dict[str, str] = ast.literal_eval(node.value)
            return described
    raise Unexplained("bias_metrics.py has no DESCRIPTIONS")


# Commands


def commands_page() -> str:
    """Every command of a generated repository, its options, and the exit statuses."""
    from ninesteps.cli import main as entry
    from ninesteps.cli.help import EXAMPLES

    about = _first(entry.main.help)
    lines = ["# Commands", "", f"{about} `pipeline COMMAND --help` says the same."]
    for path, command in commands(entry.main, "pipeline"):
        usage = " ".join(command.collect_usage_pieces(click.Context(command)))
        lines += ["", f"## {path}", "", _code(f"{path} {usage}"), "", _plain(_first(command.help))]
        if options := [_parameter(command, parameter) for parameter in command.params]:
            lines += ["", *_table(("argument or option", "default", "what it is"), options)]
        if examples := EXAMPLES.get(command.name or ""):
            shown = [f"{line}  # {what}" if what else line for line, what in examples]
            lines += ["", "```console", *shown, "```"]
    lines += ["", "## Exit statuses", ""]
    rows = [(_code(status), meaning) for status, meaning in statuses(entry.__doc__ or "").items()]
    lines += _table(("status", "means"), rows)
    return _page(lines)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """The commands of a group and of the groups within it, by what is typed."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}", command


def _parameter(command: click.Command, parameter: click.Parameter) -> tuple[str, str, str]:
    context = click.Context(command)
    if isinstance(parameter, click.Option):
        if not parameter.help:
            raise Unexplained(f"cli: the option {parameter.opts[-1]} of {command.name} has no help")
        metavar = "" if parameter.is_flag else f" {parameter.make_metavar(context)}"
        default = (
            parameter.default
            if isinstance(parameter.default, str | int) and not parameter.is_flag
            else ""
        )
        several = " Can be given several times." if parameter.multiple else ""
        names = ", ".join(_code(f"{name}{metavar}") for name in parameter.opts)
        return (
            names,
            _code(str(default)) if default != "" else "",
            f"{_plain(parameter.help)}{several}",
        )
    return _code(parameter.make_metavar(context)), "", "must be given" if parameter.required else ""


def statuses(docstring: str) -> dict[str, str]:
    """The exit statuses, from the sentence that begins with `Exit status:`."""
    text = " ".join(docstring.split()).partition("Exit status: ")[2].rstrip(".")
    meanings = dict(re.findall(r"(\d+) (.+?)(?=, \d+ |$)", text))
    if not meanings:
        raise Unexplained("ninesteps/cli/main.py: its docstring has no sentence `Exit status: ...`")
    return meanings


# Errors


def errors_page() -> str:
    """Every sentence that says what is wrong, by what the reader was doing when it came."""
    lines = [
        "# Errors",
        "",
        "Each is one sentence: where, what was expected, what was found. A word in braces stands "
        "for what is filled in. A finding of `pipeline check` begins with the name of its step, a "
        "sentence about a setting with its place, such as `pipeline.toml line 34 [gate] metric:`. "
        "A misspelt name may get a `did you mean` at its end. What a "
        "step's script says is in the step's log, which the run names.",
        "",
        "## What the exceptions are",
        "",
    ]
    modules = sources()
    rows = [(_code(name), _plain(about)) for name, about in sentences.errors(modules).items()]
    lines += _table(("exception", "is"), rows)
    about = {source.name: source.about for source in modules}
    from ninesteps.settings.settings import Settings

    tables: dict[str, str] = {}
    for section in sections(Settings):
        tables.setdefault(section.owner, section.table)
    said = said_by_module()
    if homeless := [module for module in said if activities.of(module) is None]:
        raise Unexplained(f"activities.py: no activity has {', '.join(homeless)}")
    for activity in activities.in_order():
        lines += ["", f"## {activity.name}", "", activity.when]
        for module in (module for module in said if activities.of(module) is activity):
            lines += ["", f"### {module}", "", _plain(about[module])]
            lines += _sentences(said[module], tables)
    return _page(lines)


def _sentences(raised: list[Sentence], tables: dict[str, str]) -> Iterator[str]:
    """What a module says, by what says it."""
    for by in dict.fromkeys(sentence.by for sentence in raised):
        yield from ("", f"As {_kind(by)}:", "")
        for sentence in raised:
            if sentence.by == by:
                yield f"- {_where(sentence, tables)}{_code(sentence.text)}"


def sources() -> list[Source]:
    """The modules that speak to people: the library, the repository, the hooks, the seeds' check.

    A module of the library is named by its path below `src`.
    """
    folders = [f for f in GENERATED.iterdir() if not any(fnmatch(f.name, s) for s in SILENT)]
    files = [path for folder in sorted(folders) for path in sorted(folder.rglob("*.py"))]
    own = [*sorted((ROOT / "hooks").glob("*.py")), ROOT / "tools" / "seeds.py"]
    return [
        *sentences.read(SOURCE, sorted((SOURCE / "ninesteps").rglob("*.py"))),
        *sentences.read(GENERATED, files),
        *sentences.read(ROOT, own),
    ]


def said_by_module() -> dict[str, list[Sentence]]:
    """The sentences of each module that says any."""
    if not _SAID:
        _SAID.update(sentences.sentences(sources()))
    return _SAID


_SAID: dict[str, list[Sentence]] = {}  # reading all modules takes a second


def _kind(by: str) -> str:
    """What says a sentence."""
    return by if by in (sentences.FINDING, sentences.STDERR) else _code(by)


def _where(sentence: Sentence, tables: dict[str, str]) -> str:
    """The setting that a sentence is about, where the code says it."""
    if not sentence.keys:
        return ""
    if sentence.by == "SettingsError":
        *path, key = sentence.keys
        place = f"[{'.'.join(path)}] {key}" if path else f"[{key}]"
        return f"{_code(place)}: "
    table = f"[{tables[sentence.owner]}] " if sentence.owner in tables else ""
    return f"{', '.join(_code(table + key) for key in sentence.keys)}: "


# Markdown


def _page(lines: list[str]) -> str:
    return "\n".join([*lines, ""])


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    cells = [[_cell(text) for text in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *cells]]


def _cell(text: str) -> str:
    """A cell's text: in code a bar is a bar, elsewhere it would end the cell."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else p.replace("|", r"\|") for p in parts)


def _code(text: str) -> str:
    """A text as code, whatever backticks it has."""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _plain(text: str) -> str:
    """A text that Markdown changes nothing of but code."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", p) for p in parts)


def _first(docstring: str | None) -> str:
    """The first paragraph."""
    return " ".join((docstring or "").split("\n\n")[0].split())


# Glossary


def glossary_page() -> str:
    """The page that explains the terms of the documentation and the report."""
    from ninesteps.report.glossary import terms

    lines = [
        "# Glossary",
        "",
        "What the terms of the documentation and of [the report](report.md) mean. A report ends "
        "with the ones that it uses. This page is generated from the library's "
        "`report/glossary.toml` by `python tools/reference.py`.",
    ]
    for term in terms():
        lines += ["", f"## {_plain(term.name)}", ""]
        lines += [f"*{_plain(term.long)}*", ""] if term.long else []
        lines += [f"{_plain(term.says)}", "", f"See [{_heading(term.page)}]({term.page})."]
    return _page(lines)


def _heading(place: str) -> str:
    """The heading of the documentation that a place such as `gate.md#metrics` leads to."""
    name, _, anchor = place.partition("#")
    file = FOLDER.parent / name
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        if anchor in ("", slug):
            return str(heading)
    raise Unexplained(f"glossary.toml: docs/{name} has no heading {anchor or 'at all'}")


PAGES: dict[str, Callable[[], str]] = {
    "questions.md": questions_page,
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "../glossary.md": glossary_page,
}


if __name__ == "__main__":
    sys.path.insert(0, str(SOURCE))
    main()
