"""The `pipeline` command: one module for each group of commands."""
