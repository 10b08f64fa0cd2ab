"""rich's console, with control characters in texts escaped as in `plain_text`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from ninesteps.plain_text import plain


class Console(rich.console.Console):
    """rich's own colours and cursor movements stay: they are styles and controls, not texts."""

    @property
    def file(self) -> IO[str]:
        """The stream that rich writes to, past `terminal.output`, also during a live display.

        During a live display rich puts a stream of its own in front of the one of
        `terminal.output`, and unwraps only one stream.
        """
        file = super().file
        return getattr(file, "rich_proxied_file", file)

    @file.setter
    def file(self, file: IO[str]) -> None:
        self._file = file

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The texts, without control characters and without blanks at the ends of lines."""
        blanks: list[Segment] = []  # at the end of the output: of the line, if it ends here
        for text, style, control in super().render(renderable, options):
            shown = text if control else plain(text)
            if shown.startswith("\n"):
                blanks = []
            kept = shown if control else shown.rstrip(" ")
            if kept:
                yield from blanks
                yield Segment(kept, style, control)
                blanks = []
            if kept != shown:
                blanks.append(Segment(shown[len(kept) :], style))
        yield from blanks
