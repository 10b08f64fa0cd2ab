"""Approved model -> endpoint: infrastructure, permissions, and what a rollout runs."""
