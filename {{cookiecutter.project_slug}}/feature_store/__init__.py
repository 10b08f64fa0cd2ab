"""The features that the model learns from, computed from the raw table."""
