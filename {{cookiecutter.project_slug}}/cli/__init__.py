"""The commands, settings and checks."""
