"""The audit pack of a model version: one zip that somebody else can check."""
