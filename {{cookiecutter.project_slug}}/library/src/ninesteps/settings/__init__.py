"""`pipeline.toml`: every setting, its default and its rules. Standard library only."""
