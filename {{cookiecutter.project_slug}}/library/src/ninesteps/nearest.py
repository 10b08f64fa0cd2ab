"""What somebody may have meant who wrote a name that is not known. Standard library alone."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(asked: object, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: `; did you mean 'x'?`, or nothing."""
    import difflib  # an error alone pays for it

    by_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(str(asked).casefold(), by_case, n=1)
    return f"; did you mean {by_case[near[0]]!r}?" if near else ""
