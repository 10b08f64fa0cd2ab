"""`pipeline schema`: a first `[data]` of pipeline.toml, drafted from a table."""
