"""Checks a raw table's conversations, and removes personal data before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:  # mypy knows a module that is packed with the scripts by its flat name
    import conversations
    import personal_data
else:
    from ninesteps.containers import conversations, personal_data

UNUSABLE = "!"
"""The first characters of an unusable conversation's cell; the kind of fault follows."""

REPLACED = rf"\[({'|'.join(personal_data.KINDS)})\]"
"""Matches the placeholders of personal data."""


def checked(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each conversation's messages as JSON; for an unusable one, the fault.

    Args:
        cells: JSON texts, or lists of structs with role and content.
    """
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    chunks = [
        pa.array([_checked(value) for value in chunk.to_pylist()], pa.string())
        for chunk in cells.chunks
    ]
    return pa.chunked_array(chunks, pa.string())


def _checked(value: Any) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        value = []
    try:
        read = (
            conversations.parsed(value) if isinstance(value, str) else conversations.checked(value)
        )
    except conversations.ConversationError as error:
        return f"{UNUSABLE}{error.kind}"
    return conversations.written(
        {"role": m["role"], "content": personal_data.scrubbed(m["content"])} for m in read
    )
