"""Offline store -> registered model: the nine steps."""
