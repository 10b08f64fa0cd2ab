"""Turns a conversation into tokens, with the model's chat template and the position of the reply.

Both backends use it, so that they train and score the same tokens. Prompt and reply are tokenised
separately: otherwise the reply's first characters could merge with the prompt's last token, and the
model would be trained on a different token than it has to write.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from model_files import LanguageModelError, read_object

Message = Mapping[str, str]
"""`role` (system, user or assistant) and `content`."""

TEMPLATE_FILE = "chat_template.jinja"
TOKENIZER_SETTINGS = "tokenizer_config.json"


class Exchange(Protocol):
    """A prompt and its reply, such as a `conversations.Conversation`."""

    @property
    def prompt(self) -> Sequence[Message]:
        """The messages up to the user's last one."""

    @property
    def reply(self) -> str:
        """The reference reply."""


class Tokenizer(Protocol):
    """Text to tokens and back."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; the name of a control token becomes that token, and none is
        added."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""

    @property
    def control_tokens(self) -> Mapping[str, int]:
        """Tokens that are not text, such as `<|im_end|>`."""


@dataclass(frozen=True)
class Example:
    """A conversation as tokens: what the model reads, and what it should write."""

    prompt: tuple[int, ...]
    reply: tuple[int, ...]  # with the end token, unless the reply was too long

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


@dataclass(frozen=True)
class Chat:
    """A tokenizer with the chat template of a model.

    `context` is the most tokens of prompt and reply together; `ends` are the tokens that end a
    reply, first the one to train on.
    """

    tokenizer: Tokenizer
    template: ChatTemplate
    ends: tuple[int, ...]
    context: int

    @staticmethod
    def read(folder: Path, tokenizer: Tokenizer, context: int) -> Chat:
        """The chat of a model's folder.

        Raises:
            LanguageModelError: if it has no chat template or no end token.
        """
        template = ChatTemplate.read(folder)
        ends = _end_tokens(folder, template.control.get("eos_token"), tokenizer)
        return Chat(tokenizer, template, ends, context)

    def examples(self, conversations: Iterable[Exchange]) -> list[Example]:
        """Conversations as tokens; a warning reports how many were too long."""
        made = [self._example(conversation) for conversation in conversations]
        self._warn(sum(was_cut for _, was_cut in made), len(made), self.context)
        return [example for example, _ in made]

    def prompts(
        self, prompts: Iterable[Sequence[Message]], max_tokens: int
    ) -> list[tuple[int, ...]]:
        """Prompts as tokens, with room for a reply of `max_tokens`; a warning reports what was cut.

        Raises:
            LanguageModelError: if the reply would leave no room for a prompt.
        """
        room = self.context - max_tokens
        if room <= 0:
            raise LanguageModelError(
                f"expected replies shorter than the model's context of {self.context} tokens, "
                f"got {max_tokens}"
            )
        made = [self._prompt(messages, room) for messages in prompts]
        self._warn(sum(was_cut for *_, was_cut in made), len(made), room)
        return [tokens for tokens, *_ in made]

    def fits(self, messages: Sequence[Message], max_tokens: int) -> bool:
        """Whether the last question and the system message leave room for such a reply."""
        return self._shortest(messages) <= self.context - max_tokens

    def reply(self, tokens: Sequence[int]) -> str:
        """The text of a reply's tokens, up to the first end token."""
        return self.tokenizer.decode(_until(tokens, self.ends, included=False)).strip()

    def _example(self, conversation: Exchange) -> tuple[Example, bool]:
        """A conversation as tokens, and whether something was cut."""
        written = self._reply(conversation.prompt, conversation.reply)
        longest = max(self.context // 2, self.context - self._shortest(conversation.prompt), 1)
        reply = written[:longest]
        prompt, was_cut = self._prompt(conversation.prompt, self.context - len(reply))
        return Example(prompt, reply), was_cut or len(reply) < len(written)

    def _reply(self, messages: Sequence[Message], reply: str) -> tuple[int, ...]:
        """The template's text after the prompt, up to the end token."""
        messages = [self._plain(message) for message in messages]
        before = self.template.render(messages, asks_for_reply=True)
        answered = [*messages, self._plain({"role": "assistant", "content": reply})]
        whole = self.template.render(answered, asks_for_reply=False)
        if not whole.startswith(before):
            raise LanguageModelError(
                "expected a chat template that writes a prompt the same way with and without its "
                "reply, got one that writes it differently"
            )
        tokens = _until(self.tokenizer.encode(whole[len(before) :]), self.ends, included=True)
        return tokens if tokens and tokens[-1] in self.ends else (*tokens, self.ends[0])

    def _shortest(self, messages: Sequence[Message]) -> int:
        return len(self._encode(_without_oldest(messages, len(messages))))

    def _prompt(self, messages: Sequence[Message], room: int) -> tuple[tuple[int, ...], bool]:
        """A prompt in at most `room` tokens, and whether something was left out.

        The oldest question is removed first, with its reply; a system message stays. If the last
        question alone is too long, its beginning is cut.
        """
        tokens, dropped, kept = self._encode(messages), 0, messages
        while len(tokens) > room and len(kept) > 1 and dropped < len(messages):
            dropped += 2
            kept = _without_oldest(messages, dropped)
            tokens = self._encode(kept)
        while len(tokens) > room:
            *before, last = kept
            content = last["content"]
            if not content:
                raise LanguageModelError(
                    f"expected a chat template and a system message within {room} tokens, "
                    f"got {len(tokens)}"
                )
            cut = max(1, len(content) * (len(tokens) - room) // len(tokens))
            kept, dropped = [*before, {**last, "content": content[cut:]}], dropped + 1
            tokens = self._encode(kept)
        return tokens, dropped > 0

    def _encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        plain = [self._plain(message) for message in messages]
        return tuple(self.tokenizer.encode(self.template.render(plain, asks_for_reply=True)))

    def _plain(self, message: Message) -> Message:
        """A message without names of control tokens, so that a user cannot end a turn by writing
        one."""
        content = message["content"]
        for name in self.tokenizer.control_tokens:
            if name in content:
                content = content.replace(name, f"{name[0]} {name[1:]}")
        return {**message, "content": content}

    @staticmethod
    def _warn(cut: int, total: int, room: int) -> None:
        if cut:
            warnings.warn(
                f"{cut} of {total} conversations had more than {room} tokens: "
                "their oldest messages were left out",
                stacklevel=3,
            )


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja template that writes a conversation as text, and the control tokens it names."""

    source: str
    control: Mapping[str, str]  # bos_token, eos_token ...

    @staticmethod
    def read(folder: Path) -> ChatTemplate:
        """`chat_template.jinja`, or else the template in `tokenizer_config.json`.

        Raises:
            LanguageModelError: if there is none.
        """
        settings = read_object(folder / TOKENIZER_SETTINGS)
        source = settings.get("chat_template")
        if isinstance(source, list):  # several, by name
            source = {each["name"]: each["template"] for each in source}.get("default")
        file = folder / TEMPLATE_FILE
        if file.is_file():
            source = file.read_text(encoding="utf-8")
        if not isinstance(source, str):
            raise LanguageModelError(
                f"expected a chat template in {TOKENIZER_SETTINGS} or {TEMPLATE_FILE}, got none: "
                "use the chat variant of the base model"
            )
        tokens = {
            name: value["content"] if isinstance(value, dict) else value
            for name, value in settings.items()
            if name.endswith("_token") and isinstance(value, str | dict)
        }
        return ChatTemplate(source, tokens)

    def render(self, messages: Sequence[Message], *, asks_for_reply: bool) -> str:
        """A conversation as text; if it requests a reply, it ends where the reply begins.

        Raises:
            LanguageModelError: if the template refuses these messages, or is invalid.
        """
        try:
            return self._compiled.render(
                messages=messages, add_generation_prompt=asks_for_reply, **self.control
            )
        except (jinja2.TemplateError, TypeError, KeyError) as error:
            raise LanguageModelError(f"the chat template cannot write this: {error}") from error

    @cached_property
    def _compiled(self) -> jinja2.Template:
        """Compile a template as transformers does: in a sandbox, since models come from
        elsewhere."""
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationTag, jinja2.ext.loopcontrols],
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        return environment.from_string(self.source)


class _GenerationTag(jinja2.ext.Extension):
    """`{% generation %}` marks what the assistant writes; here it has no effect."""

    tags = {"generation"}  # noqa: RUF012  # jinja2 wants it so

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """The statements between the tags."""
        next(parser.stream)
        return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))


def _to_json(value: object, **options: Any) -> str:
    """A JSON filter, since Jinja's own would escape `<` for HTML."""
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _without_oldest(messages: Sequence[Message], count: int) -> list[Message]:
    """Messages without the oldest ones; a system message and the user's last one stay."""
    system = [message for message in messages[:1] if message["role"] == "system"]
    rest = list(messages[len(system) :])
    return [*system, *rest[min(count, len(rest) - 1) :]]


def _until(tokens: Sequence[int], ends: Sequence[int], *, included: bool) -> tuple[int, ...]:
    """Tokens up to the first that ends a reply."""
    for index, token in enumerate(tokens):
        if token in ends:
            return tuple(tokens[: index + included])
    return tuple(tokens)


def _end_tokens(folder: Path, name: str | None, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens that end a reply: the tokenizer's end token, and those in the model's settings."""
    control = tokenizer.control_tokens
    ends = [control[name]] if name is not None and name in control else []
    for file in ("generation_config.json", "config.json"):
        if (folder / file).is_file():
            value = read_object(folder / file).get("eos_token_id")
            ends += value if isinstance(value, list) else [value] if isinstance(value, int) else []
    if not ends:
        raise LanguageModelError(f"expected `eos_token` in {TOKENIZER_SETTINGS}, got none")
    return tuple(dict.fromkeys(ends))
