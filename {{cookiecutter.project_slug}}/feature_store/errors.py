"""What can be wrong with a raw table, and with the features made of it."""


class RawTableError(ValueError):
    """A table that cannot be used; the message says what was read and what would be right."""


class FeaturesError(RawTableError):
    """Features that no feature group can hold, or none at all: `features.py` has to change."""
