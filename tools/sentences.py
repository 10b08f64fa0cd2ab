"""Every sentence that the code says when something is wrong, read from its source by `ast`.

A sentence is the text of an exception, of what a generator of findings yields, or of what is
written to stderr. What is filled in when it is said stands in it as {name}.
"""

from __future__ import annotations

import ast
import builtins
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FEWEST_WORDS = 2
"""A text of fewer is a part of a sentence, or no sentence at all."""

MOST_VARIANTS = 6
"""Where more texts could be filled in, the sentence keeps its placeholder."""

HINTS = ("did_you_mean", "near")
"""What a guess at a misspelt name is called: it may end a sentence, and is no part of it."""

FINDING, STDERR = "a finding", "on stderr"


@dataclass(frozen=True)
class Sentence:
    """What is said, and by what."""

    text: str
    by: str  # the exception's name, FINDING or STDERR
    owner: str = ""  # the data class whose rule is broken
    keys: tuple[str, ...] = ()  # the setting that it is said of
    expected: str = ""  # of a broken rule


@dataclass(frozen=True)
class Source:
    """One module, parsed."""

    name: str  # its path in the repository
    tree: ast.Module

    @property
    def about(self) -> str:
        """The first paragraph of its docstring."""
        return " ".join((ast.get_docstring(self.tree) or "").split("\n\n")[0].split())


Texts = Mapping[str, tuple[str, ...]]
"""Names that stand for texts, with every text that each may be."""


@dataclass(frozen=True)
class Helper:
    """A function that makes an exception of its arguments."""

    parameters: tuple[str, ...]
    by: str
    texts: tuple[str, ...]


@dataclass
class Known:
    """What the modules say of names: constants of all, their exceptions, and the helpers."""

    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # what each is, by its docstring
    helpers: dict[str, Helper] = field(default_factory=dict)

    def is_error(self, name: str) -> bool:
        """Whether a name is an exception's."""
        return name in self.errors or name.endswith("Error")


def read(root: Path, files: Iterable[Path]) -> list[Source]:
    """Parse modules; their names are their paths below `root`."""
    return [
        Source(path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in files
    ]


def errors(sources: list[Source]) -> dict[str, str]:
    """The exceptions of these modules, and what each is."""
    about: dict[str, str] = {}
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and any(
                _name(base) in about or _name(base).endswith(("Error", "Exception"))
                for base in node.bases
            ):
                about[node.name] = " ".join((ast.get_docstring(node) or "").split())
    return about


def sentences(sources: list[Source]) -> dict[str, list[Sentence]]:
    """The sentences by module, in the order of its text, each once."""
    shared = _known(sources)
    by_module = {}
    for source in sources:
        private = _helpers(source, shared, private=True)
        known = Known(shared.texts, shared.lists, shared.errors, {**shared.helpers, **private})
        reader = _Reader(known)
        reader.block(source.tree.body, {})
        if reader.found:
            by_module[source.name] = list(dict.fromkeys(reader.found))
    return by_module


def _known(sources: list[Source]) -> Known:
    """Constants by name; a name that two modules use for different things is left out."""
    texts: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    lists: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for source in sources:
        for name, value in _assigned(source.tree):
            if isinstance(value, ast.Constant) and isinstance(value.value, str | int | float):
                texts[name].add((str(value.value),))
            elif items := _constants(value):
                lists[name].add(items)
    known = Known(_settled(texts, lists), _settled(lists, texts), errors(sources))
    for source in sources:
        known.helpers |= _helpers(source, known, private=False)
    return known


def _settled(
    those: dict[str, set[tuple[str, ...]]], others: dict[str, set[tuple[str, ...]]]
) -> dict[str, tuple[str, ...]]:
    return {
        name: next(iter(values))
        for name, values in those.items()
        if name.isupper() and len(values) == 1 and name not in others
    }


def _assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names that a module or a class within it gives a value to."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _assigned(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _constants(node: ast.expr) -> tuple[str, ...]:
    """The texts of a tuple or a list, or the keys of a dictionary."""
    items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    return tuple(text for item in items for text in _literal(item))


def _literal(node: ast.AST | None) -> list[str]:
    """The text that a node is; none if it is none."""
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _helpers(source: Source, known: Known, *, private: bool) -> dict[str, Helper]:
    """The module's functions that end with an exception whose text has their parameters."""
    helpers = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("_") == private:
            parameters = tuple(a.arg for a in node.args.args if a.arg != "self")
            hidden: Texts = dict.fromkeys(parameters, ())
            for call in ast.walk(node.body[-1]):
                if isinstance(call, ast.Call) and known.is_error(_name(call.func)):
                    texts = tuple(t for a in call.args for t in _texts(a, known, hidden))
                    if any(f"{{{name}}}" in text for text in texts for name in parameters):
                        helpers[node.name] = Helper(parameters, _name(call.func), texts)
    return helpers


class _Reader:
    """Goes through statements in their order, and keeps what each name stands for by then."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.found: list[Sentence] = []
        self.owner = ""

    def block(self, statements: list[ast.stmt], texts: Texts) -> Texts:
        """Read statements; gives what names stand for after them."""
        for statement in statements:
            texts = self.statement(statement, texts)
        return texts

    def statement(self, node: ast.stmt, texts: Texts) -> Texts:
        """Read one statement, and those within it."""
        if isinstance(node, ast.ClassDef):
            self.owner = node.name
            self.block(node.body, texts)
            self.owner = ""
            return texts
        if isinstance(node, ast.FunctionDef):
            parameters = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            self.block(node.body, {**texts, **dict.fromkeys(parameters, ())})
            return texts
        heads = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr | ast.withitem)]
        inner = {**texts, **dict.fromkeys(_stored(heads), ())}
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            named = _name(node.target)  # nothing where each item is taken apart
            each = [text for item in ast.walk(node.iter) for text in _literal(item)]
            inner |= {named: tuple(each)} if named else {}
        for head in heads:
            self.expression(head, inner)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            inner[node.targets[0].id] = tuple(_texts(node.value, self.known, texts))
        return self._branches(node, inner)

    def _branches(self, node: ast.stmt, texts: Texts) -> Texts:
        """What names stand for after the blocks of a statement, whichever was taken."""
        if isinstance(node, ast.If):
            ends = [self.block(node.body, texts), self.block(node.orelse, texts)]
            return ends[1] if isinstance(node.body[-1], ast.Return | ast.Raise) else _either(ends)
        if isinstance(node, ast.Try):
            ends = [self.block(node.body, texts)]
            begin = _either([texts, *ends])
            ends += [self.block(handler.body, begin) for handler in node.handlers]
            return self.block([*node.orelse, *node.finalbody], _either(ends))
        blocks = [getattr(node, name, []) for name in ("body", "orelse")]
        blocks += [case.body for case in getattr(node, "cases", [])]
        return _either([texts, *(self.block(block, texts) for block in blocks if block)])

    def expression(self, node: ast.AST, texts: Texts) -> None:
        """Note the sentences in an expression."""
        if isinstance(node, ast.Call):
            self._call(node, texts)
        elif isinstance(node, ast.Yield) and node.value is not None:
            self._note(FINDING, _texts(node.value, self.known, texts))
        for child in ast.iter_child_nodes(node):
            self.expression(child, texts)

    def _call(self, call: ast.Call, texts: Texts) -> None:
        name = _name(call.func)
        if name in self.known.helpers:
            self._helper(call, self.known.helpers[name], texts)
        elif self.known.is_error(name):
            keys = tuple(text for argument in call.args[1:] for text in _literal(argument))
            first = call.args[0] if call.args else ast.Constant("")
            rest = next((a for a in call.args if _texts(a, self.known, texts)), first)
            sentence_texts = _texts(rest, self.known, texts)
            self._note(
                name, sentence_texts, keys if rest is first and name == "SettingsError" else ()
            )
        elif _is_stderr(call, name) and call.args:
            self._note(STDERR, _texts(call.args[0], self.known, texts))

    def _helper(self, call: ast.Call, helper: Helper, texts: Texts) -> None:
        given = dict(zip(helper.parameters, call.args, strict=False))
        filled = {name: _texts(node, self.known, texts) for name, node in given.items()}
        for text in helper.texts:
            asked = [name for name in filled if filled[name] and f"{{{name}}}" in text]
            if not asked and not any(map(_literal, call.args)):
                continue  # what is filled in comes from elsewhere: the helper's own text is all
            for chosen in itertools.product(*(filled[name] for name in asked)):
                words = dict(zip(asked, chosen, strict=True))
                sentence = text
                for name, word in words.items():
                    sentence = sentence.replace(f"{{{name}}}", word)
                keys = tuple(filled.get("key", ()))
                self._note(helper.by, [sentence], keys, words.get("expected", ""))

    def _note(
        self, by: str, texts: Iterable[str], keys: tuple[str, ...] = (), expected: str = ""
    ) -> None:
        kept = filter(_is_sentence, texts)
        self.found += [Sentence(text, by, self.owner, keys, expected) for text in kept]


def _either(ends: list[Texts]) -> Texts:
    """What names stand for where one of several ways was taken."""
    merged: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(name for end in ends for name in end):
        each = [end[name] for end in ends if name in end]
        merged[name] = (
            tuple(dict.fromkeys(t for several in each for t in several)) if all(each) else ()
        )
    return merged


def _stored(heads: Iterable[ast.AST]) -> list[str]:
    """The names that are given something else than a text that can be read."""
    return [n.id for head in heads for n in ast.walk(head)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]  # fmt: skip


def _is_stderr(call: ast.Call, name: str) -> bool:
    """`click.echo(..., err=True)`, `print(..., file=sys.stderr)`, `sys.exit("...")`, and what is
    gathered in a list of what is wrong."""
    keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
    return (
        (name == "echo" and keywords.get("err") == "True")
        or (name == "print" and keywords.get("file") == "sys.stderr")
        or ast.unparse(call.func) in ("sys.exit", "wrong.append")
    )


def _is_sentence(text: str) -> bool:
    words = [w for w in text.split() if not w.startswith("{") and any(map(str.isalpha, w))]
    return len(words) >= FEWEST_WORDS


def _texts(node: ast.expr, known: Known, local: Texts) -> list[str]:
    """Every text that an expression may be; none: it is no text that stands in the source."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            sides = [_texts(side, known, local) for side in (node.body, node.orelse)]
            return [*sides[0], *sides[1]] if all(sides) else []
        case ast.BinOp(op=ast.Add()):
            return _joined([_texts(side, known, local) for side in (node.left, node.right)])
        case ast.JoinedStr():
            return _joined([_part(part, known, local) for part in node.values])
        case ast.Call(func=ast.Attribute(ast.Constant(between), "join"), args=[names]):
            items = known.lists.get(_name(names))
            return [str(between).join(items)] if items else []
        case _:
            name = _name(node)
            return list(known.texts.get(name) or local.get(name, ()))


def _part(part: ast.expr, known: Known, local: Texts) -> list[str]:
    """A piece of an f-string: its text, or a placeholder for what is filled in."""
    if not isinstance(part, ast.FormattedValue):
        return _texts(part, known, local)
    asked = part.value.func if isinstance(part.value, ast.Call) else part.value
    if _name(asked) in HINTS:
        return [""]
    texts = _texts(part.value, known, local)
    return texts if 0 < len(texts) <= MOST_VARIANTS else [f"{{{_placeholder(part.value)}}}"]


def _joined(parts: list[list[str]]) -> list[str]:
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _placeholder(node: ast.expr) -> str:
    """A word for what an expression gives: the last name that it asks."""
    if isinstance(node, ast.Name | ast.Attribute):
        return _name(node).strip("_").lower()
    if isinstance(node, ast.Subscript):
        return _placeholder(node.value)
    called = {id(c.func) for c in ast.walk(node) if isinstance(c, ast.Call)}
    names = [_name(n) for n in ast.walk(node)
             if isinstance(n, ast.Name | ast.Attribute) and id(n) not in called]  # fmt: skip
    own = [name for name in names if name and not hasattr(builtins, name)]
    return own[0].strip("_").lower() if own else "..."


def _name(node: ast.AST) -> str:
    """The last part of a dotted name; nothing of what is none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
