"""What can be wrong with a raw table."""


class RawTableError(ValueError):
    """A table that cannot be used; the message says what was read and what would be right."""
