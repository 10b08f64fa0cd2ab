"""rich's console, with others' texts shown as `plain_text` shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from ninesteps.plain_text import plain


class Console(rich.console.Console):
    """rich's own colours and movements stay: they are styles and controls, and no texts."""

    @property
    def file(self) -> IO[str]:
        """Where rich writes, past `terminal.output`, also while a picture is live.

        Then rich has put a stream of its own before that of `terminal.output`, and looks behind
        one alone.
        """
        file = super().file
        return getattr(file, "rich_proxied_file", file)

    @file.setter
    def file(self, file: IO[str]) -> None:
        self._file = file

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What is shown, without what a terminal would obey, and without blanks at a line's end."""
        blanks: list[Segment] = []  # at the end of what was shown: of the line, if it ends here
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
