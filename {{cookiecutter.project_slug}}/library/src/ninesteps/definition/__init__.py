"""The one reader of a compiled pipeline definition: engine, checks, permissions and report use it."""
